//! Short connections, one after the other at a steady pace, and when they begin or end to come about.
//!
//! What counts is when a connection was begun, not when it was found to be up or given up: so patience with those
//! that are dropped makes nothing look slower.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};
use socket2::{Domain, Protocol, Socket, Type};

/// A connection is begun so often.
const PACE: Duration = Duration::from_millis(2);
/// One that is not up after this was dropped.
const PATIENCE: Duration = Duration::from_millis(40);
/// So many in a row have to agree before that is believed.
const AGREE: usize = 3;

/// From the connection that began at this time on, they come about, or do not.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Change {
    pub(crate) open: bool,
    pub(crate) at: SystemTime,
}

/// One connection.
struct Try {
    socket: Socket,
    at: SystemTime,
    begun: Instant,
}

/// Prints each change on a line, until nobody reads them any more.
pub(crate) fn run(server: SocketAddr) -> Result<()> {
    let mut tries = VecDeque::new();
    let mut known = None;
    let mut streak: Option<(Change, usize)> = None;
    loop {
        thread::sleep(PACE);
        tries.push_back(Try::begin(server)?);
        while let Some(open) = tries.front().map(Try::outcome).transpose()?.flatten() {
            let Some(done) = tries.pop_front() else { break };
            let (first, count) = match streak {
                Some((first, count)) if first.open == open => (first, count + 1),
                _ => (Change { open, at: done.at }, 1),
            };
            streak = Some((first, count));
            if count == AGREE && known != Some(open) {
                known = Some(open);
                println!("{}", serde_json::to_string(&first)?);
            }
        }
    }
}

impl Try {
    fn begin(server: SocketAddr) -> Result<Self> {
        let socket = Socket::new(Domain::for_address(server), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        // So that closing resets, and ports do not run out.
        socket.set_linger(Some(Duration::ZERO))?;
        let (at, begun) = (SystemTime::now(), Instant::now());
        match socket.connect(&server.into()) {
            Err(error)
                if error.raw_os_error() != Some(IN_PROGRESS) && error.kind() != ErrorKind::WouldBlock =>
            {
                Err(error).with_context(|| format!("cannot connect to {server}"))
            }
            _ => Ok(Self { socket, at, begun }),
        }
    }

    /// Whether it came about; `None` while that is open.
    fn outcome(&self) -> Result<Option<bool>> {
        if let Some(error) = self.socket.take_error()? {
            bail!("the server refuses connections: {error}");
        }
        if self.socket.peer_addr().is_ok() {
            return Ok(Some(true));
        }
        Ok((self.begun.elapsed() > PATIENCE).then_some(false))
    }
}

/// `EINPROGRESS`, of Linux on every machine that this runs on.
const IN_PROGRESS: i32 = 115;
