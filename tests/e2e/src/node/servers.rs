//! Servers that send back what they get and remember it, so that a test can prove that something never came.

use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::Place;

/// How soon a server notices that it is to stop.
const TICK: Duration = Duration::from_millis(50);

/// Bytes that reached a server, and who sent them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// The sender.
    pub from: SocketAddr,
    /// What came.
    pub bytes: Vec<u8>,
}

#[derive(Debug, Default)]
struct State {
    stop: AtomicBool,
    connections: Mutex<Vec<SocketAddr>>,
    received: Mutex<Vec<Received>>,
}

/// An echo server for TCP and UDP on one port of all addresses. It ends when the value is dropped.
#[derive(Debug)]
pub struct Echo {
    state: Arc<State>,
    threads: Vec<JoinHandle<Result<()>>>,
}

impl Echo {
    /// Starts one.
    pub fn start(place: &Place, port: u16) -> Result<Echo> {
        let any = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
        let bound =
            place.run(move || Ok::<_, io::Error>((TcpListener::bind(any)?, UdpSocket::bind(any)?)))?;
        let (tcp, udp) = bound.with_context(|| format!("cannot serve port {port}"))?;
        tcp.set_nonblocking(true)?;
        udp.set_read_timeout(Some(TICK))?;
        let state = Arc::<State>::default();
        let (of_tcp, of_udp) = (Arc::clone(&state), Arc::clone(&state));
        let threads = vec![
            place.spawn(move || accept(&tcp, &of_tcp)),
            place.spawn(move || answer_datagrams(&udp, &of_udp)),
        ];
        Ok(Echo { state, threads })
    }

    /// Who has connected.
    #[must_use]
    pub fn connections(&self) -> Vec<SocketAddr> {
        lock(&self.state.connections).clone()
    }

    /// What has come.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        lock(&self.state.received).clone()
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.state.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            drop(thread.join());
        }
    }
}

fn accept(listener: &TcpListener, state: &Arc<State>) {
    while !state.stop.load(Ordering::Relaxed) {
        match listener.accept() {
            Ok((stream, peer)) => {
                let peer = canonical(peer);
                lock(&state.connections).push(peer);
                let state = Arc::clone(state);
                thread::spawn(move || echo(stream, peer, &state));
            }
            Err(_) => thread::sleep(Duration::from_millis(2)),
        }
    }
}

fn echo(mut stream: TcpStream, peer: SocketAddr, state: &State) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(TICK))?;
    let mut buffer = [0; 2048];
    while !state.stop.load(Ordering::Relaxed) {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => {
                let bytes = buffer.get(..count).unwrap_or_default();
                lock(&state.received).push(Received { from: peer, bytes: bytes.to_vec() });
                stream.write_all(bytes)?;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn answer_datagrams(socket: &UdpSocket, state: &State) {
    let mut buffer = [0; 2048];
    while !state.stop.load(Ordering::Relaxed) {
        let Ok((count, peer)) = socket.recv_from(&mut buffer) else { continue };
        let bytes = buffer.get(..count).unwrap_or_default();
        lock(&state.received).push(Received { from: canonical(peer), bytes: bytes.to_vec() });
        // Whether the answer arrives is for the client to see.
        drop(socket.send_to(bytes, peer));
    }
}

fn canonical(address: SocketAddr) -> SocketAddr {
    let ip: IpAddr = address.ip().to_canonical();
    SocketAddr::new(ip, address.port())
}

fn lock<T>(state: &Mutex<T>) -> MutexGuard<'_, T> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
