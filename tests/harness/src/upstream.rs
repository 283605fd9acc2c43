//! A server that answers what it is told and remembers every request that reached it, so that a test
//! can prove that a denied one did not.

mod answer;
mod serve;

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tokio::sync::oneshot;

pub use answer::Answer;

use crate::wait::eventually;

/// A request as the server received it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The method.
    pub method: String,
    /// Path and query as they came, nothing decoded.
    pub path: String,
    /// The header fields in order, names in lower case.
    pub headers: Vec<(String, Vec<u8>)>,
    /// `:authority` or the `host` header.
    pub host: Option<String>,
    /// Whether it came by HTTP/2.
    pub http2: bool,
    /// Who connected.
    pub peer: SocketAddr,
    /// The body: empty until all of it has come.
    pub body: Vec<u8>,
}

impl Seen {
    /// The first value of the header `name`.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_slice())
    }
}

#[derive(Debug, Default)]
struct State {
    routes: Vec<(String, String, Answer)>,
    seen: Vec<Seen>,
    connections: usize,
}

/// A running HTTP/1.1 and HTTP/2 (prior knowledge) server on a thread of its own; it ends, and closes
/// every connection, when this value is dropped.
///
/// `GET /public` and `GET /private` answer as the tutorial's web server does; anything else that has no
/// [`Upstream::respond`] is answered by 200 and a line with its method and path.
#[derive(Debug)]
pub struct Upstream {
    addr: SocketAddr,
    state: Arc<Mutex<State>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Upstream {
    /// Starts the server; port 0 takes a free port. It accepts connections once this returns.
    pub fn start(addr: SocketAddr) -> Result<Upstream> {
        let listener = TcpListener::bind(addr).with_context(|| format!("cannot listen on {addr}"))?;
        listener.set_nonblocking(true).context("cannot make a listener non-blocking")?;
        let addr = listener.local_addr().context("cannot read the address of a listener")?;
        let state = Arc::new(Mutex::new(State::default()));
        let (stop, stopped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.context("cannot start a runtime for the upstream")?;
        let shared = Arc::clone(&state);
        let thread = thread::Builder::new()
            .name(format!("upstream {addr}"))
            .spawn(move || runtime.block_on(serve::accept(listener, shared, stopped)))
            .context("cannot start a thread for the upstream")?;
        Ok(Upstream { addr, state, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// From now on answers `method path` (query included) by `answer`.
    pub fn respond(&self, method: &str, path: &str, answer: Answer) {
        let mut state = lock(&self.state);
        state.routes.retain(|(m, p, _)| (m.as_str(), p.as_str()) != (method, path));
        state.routes.push((method.to_owned(), path.to_owned(), answer));
    }

    /// Every request that has reached the server since it started or was last [forgotten](Self::forget).
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        lock(&self.state).seen.clone()
    }

    /// How many requests that is.
    #[must_use]
    pub fn count(&self) -> usize {
        lock(&self.state).seen.len()
    }

    /// How many connections were accepted: what a request too broken to be parsed still shows up in.
    #[must_use]
    pub fn connections(&self) -> usize {
        lock(&self.state).connections
    }

    /// Empties the record and gives what was in it.
    pub fn forget(&self) -> Vec<Seen> {
        std::mem::take(&mut lock(&self.state).seen)
    }

    /// Waits until at least `count` requests have arrived.
    pub fn wait_for(&self, count: usize, deadline: Duration) -> Result<Vec<Seen>> {
        eventually(deadline, || {
            let seen = self.seen();
            ensure!(seen.len() >= count, "{} of {count} requests have reached the upstream", seen.len());
            Ok(seen)
        })
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A test that panicked with the lock held has failed already; the record is still good.
fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
