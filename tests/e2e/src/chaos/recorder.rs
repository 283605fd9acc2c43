//! A server that keeps whatever reaches it as bytes: nothing is too broken to be counted.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok\n";
/// How often a connection looks whether the server has ended.
const LOOK: Duration = Duration::from_millis(100);
/// No head of these tests is larger.
const MAX_HEAD: usize = 8 << 20;

/// An HTTP/1.1 server that answers every head with 200 and keeps its bytes. It ends when it is dropped.
#[derive(Debug)]
pub struct Recorder {
    addr: SocketAddr,
    heads: Arc<Mutex<Vec<Vec<u8>>>>,
    stop: Arc<AtomicBool>,
}

impl Recorder {
    /// Starts one; port 0 takes a free port.
    pub fn start(addr: SocketAddr) -> Result<Recorder> {
        let listener = TcpListener::bind(addr).with_context(|| format!("cannot listen on {addr}"))?;
        let addr = listener.local_addr()?;
        let (heads, stop) = (Arc::<Mutex<Vec<Vec<u8>>>>::default(), Arc::new(AtomicBool::new(false)));
        let (kept, stopped) = (Arc::clone(&heads), Arc::clone(&stop));
        thread::Builder::new().name("recorder".to_owned()).spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                let (Ok(stream), kept, stopped) = (stream, Arc::clone(&kept), Arc::clone(&stopped)) else {
                    continue;
                };
                thread::spawn(move || serve(stream, &kept, &stopped));
            }
        })?;
        Ok(Recorder { addr, heads, stop })
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Everything that has come, one entry a head; what came of a head that never ended too.
    #[must_use]
    pub fn heads(&self) -> Vec<Vec<u8>> {
        self.heads.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many that is.
    #[must_use]
    pub fn total(&self) -> usize {
        self.heads.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// How many of them contain `text`.
    #[must_use]
    pub fn count(&self, text: &str) -> usize {
        let heads = self.heads.lock().unwrap_or_else(PoisonError::into_inner);
        heads.iter().filter(|head| contains(head, text.as_bytes())).count()
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Wakes the thread that accepts.
        drop(TcpStream::connect(self.addr));
    }
}

fn serve(mut stream: TcpStream, kept: &Mutex<Vec<Vec<u8>>>, stopped: &AtomicBool) {
    let keep = |head: Vec<u8>| kept.lock().unwrap_or_else(PoisonError::into_inner).push(head);
    let mut pending = Vec::new();
    let mut buffer = vec![0; 64 << 10];
    let mut looked = 0;
    let _ = stream.set_nodelay(true);
    let _ = stream.set_read_timeout(Some(LOOK));
    while !stopped.load(Ordering::Relaxed) && pending.len() < MAX_HEAD {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => pending.extend(buffer.iter().take(count)),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => continue,
            Err(_) => break,
        }
        while let Some(end) = end_of_head(&pending, looked) {
            let rest = pending.split_off(end);
            keep(std::mem::replace(&mut pending, rest));
            looked = 0;
            if stream.write_all(ANSWER).is_err() {
                return;
            }
        }
        looked = pending.len().saturating_sub(3);
    }
    if !pending.is_empty() {
        keep(pending);
    }
}

fn end_of_head(bytes: &[u8], from: usize) -> Option<usize> {
    let found = bytes.get(from..)?.windows(4).position(|four| four == b"\r\n\r\n")?;
    Some(from + found + 4)
}

fn contains(bytes: &[u8], text: &[u8]) -> bool {
    bytes.windows(text.len()).any(|window| window == text)
}
