//! Client and server, in the pods.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use socket2::SockRef;

use crate::usage;

/// How long a single step may take.
const PATIENCE: Duration = Duration::from_secs(5);
const CHUNK: usize = 128 * 1024;
/// How many flows [`Load::Flows`] is: the events of so many fit into the kernel's buffer.
pub(crate) const FLOWS: u16 = 3000;

/// The first byte of a connection says what it is for.
const ECHO: u8 = b'e';
const SINK: u8 = b's';

/// What a client does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Load {
    /// Sends as much as it can on one connection
    Stream,
    /// A byte there and back, again and again on one connection
    Requests,
    /// A connection, a byte there and back, a reset, and again
    Connections,
    /// Datagrams, each from another port, that nobody answers; not longer than it takes
    Flows,
}

/// What came of it.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Done {
    /// Bytes, transactions, connections or datagrams.
    pub(crate) count: u64,
    pub(crate) seconds: f64,
    /// The client's own CPU time, in seconds.
    pub(crate) cpu: f64,
}

/// Serves one connection after the other until it is killed. Datagrams are left where they are.
pub(crate) fn serve(address: SocketAddr) -> Result<()> {
    let listener = TcpListener::bind(address).with_context(|| format!("cannot listen on {address}"))?;
    let _datagrams = UdpSocket::bind(address).with_context(|| format!("cannot listen on {address}"))?;
    println!("ready");
    let mut buffer = vec![0; CHUNK];
    loop {
        // A client that has ended is nothing to report: it says itself what it got.
        if let Ok((stream, _)) = listener.accept() {
            let _ = answer(stream, &mut buffer);
        }
    }
}

fn answer(mut stream: TcpStream, buffer: &mut [u8]) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut kind = [0];
    stream.read_exact(&mut kind)?;
    if kind == [ECHO] {
        loop {
            stream.write_all(&kind)?;
            stream.read_exact(&mut kind)?;
        }
    }
    let mut sum = 0;
    loop {
        match stream.read(buffer)? {
            0 => break stream.write_all(&u64::to_be_bytes(sum)),
            length => sum += u64::try_from(length).unwrap_or_default(),
        }
    }
}

/// Puts load on the server for a while. Flows come from this port and those after it.
pub(crate) fn run(load: Load, server: SocketAddr, time: Duration, first_port: u16) -> Result<Done> {
    let cpu = usage::of_process("self")?;
    let begin = Instant::now();
    let count = match load {
        Load::Stream => stream(server, begin + time),
        Load::Requests => requests(server, begin + time),
        Load::Connections => connections(server, begin + time),
        Load::Flows => flows(server, first_port),
    };
    let count = count.with_context(|| format!("{load:?} to {server} failed"))?;
    let seconds = begin.elapsed().as_secs_f64();
    Ok(Done { count, seconds, cpu: (usage::of_process("self")? - cpu).as_secs_f64() })
}

fn connect(server: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&server, PATIENCE)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

fn stream(server: SocketAddr, end: Instant) -> Result<u64> {
    let mut stream = connect(server)?;
    stream.write_all(&[SINK])?;
    let chunk = vec![0; CHUNK];
    while Instant::now() < end {
        stream.write_all(&chunk)?;
    }
    stream.shutdown(Shutdown::Write)?;
    let mut sum = [0; 8];
    stream.read_exact(&mut sum)?;
    Ok(u64::from_be_bytes(sum))
}

fn requests(server: SocketAddr, end: Instant) -> Result<u64> {
    let mut stream = connect(server)?;
    let mut count = 0;
    while Instant::now() < end {
        transaction(&mut stream)?;
        count += 1;
    }
    Ok(count)
}

fn connections(server: SocketAddr, end: Instant) -> Result<u64> {
    let mut count = 0;
    while Instant::now() < end {
        let mut stream = connect(server)?;
        transaction(&mut stream)?;
        // Reset at once: closing would keep the port for a minute, and ports run out before that.
        SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
        count += 1;
    }
    Ok(count)
}

fn transaction(stream: &mut TcpStream) -> Result<()> {
    let mut byte = [ECHO];
    stream.write_all(&byte)?;
    stream.read_exact(&mut byte)?;
    ensure!(byte == [ECHO], "the server answered something else");
    Ok(())
}

fn flows(server: SocketAddr, first_port: u16) -> Result<u64> {
    let mut count = 0;
    for port in (first_port..).take(FLOWS.into()) {
        let socket = match UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port)) {
            Err(error) if error.kind() == ErrorKind::AddrInUse => continue,
            socket => socket?,
        };
        socket.send_to(&[0], server)?;
        count += 1;
    }
    Ok(count)
}
