//! One connection from a bound source address, for one request or several.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};

use super::RawOutcome;
use super::parse::{self, Parsed};

/// A connection that is kept open between requests.
#[derive(Debug)]
pub struct RawConnection {
    stream: TcpStream,
    /// Received, and not yet given out as part of a response.
    pending: Vec<u8>,
}

impl RawConnection {
    /// Connects `from` an address of this machine.
    pub fn open(from: IpAddr, to: SocketAddr, deadline: Duration) -> Result<RawConnection, RawOutcome> {
        let failed = |what: String| move |error| RawOutcome::Failed(format!("{what}: {error}"));
        let socket = Socket::new(Domain::for_address(to), Type::STREAM, Some(Protocol::TCP))
            .map_err(failed("cannot make a socket".to_owned()))?;
        socket
            .bind(&SocketAddr::new(from, 0).into())
            .map_err(failed(format!("cannot use {from} as the source address")))?;
        socket.connect_timeout(&to.into(), deadline).map_err(|error| match error.kind() {
            ErrorKind::ConnectionRefused => RawOutcome::Refused,
            ErrorKind::ConnectionReset => RawOutcome::Reset,
            ErrorKind::TimedOut => RawOutcome::Timeout,
            _ => RawOutcome::Failed(format!("cannot connect from {from} to {to}: {error}")),
        })?;
        Ok(RawConnection { stream: socket.into(), pending: Vec::new() })
    }

    /// The address that this connection comes from.
    pub fn local_addr(&self) -> Result<SocketAddr, RawOutcome> {
        self.stream.local_addr().map_err(|error| RawOutcome::Failed(error.to_string()))
    }

    /// Sends `bytes` and reads the response to them.
    #[must_use]
    pub fn send(&mut self, bytes: &[u8], deadline: Duration) -> RawOutcome {
        self.write(bytes);
        self.receive(bytes.starts_with(b"HEAD "), deadline)
    }

    /// Sends `bytes` without waiting for an answer: for a request in pieces.
    ///
    /// That the server has closed meanwhile is not an error here: what it answered before is still to be
    /// read, and [`RawConnection::receive`] tells.
    pub fn write(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    /// Reads one response; `to_head` says that it answers a HEAD request and so has no body.
    #[must_use]
    pub fn receive(&mut self, to_head: bool, deadline: Duration) -> RawOutcome {
        let end = Instant::now() + deadline;
        loop {
            match parse::response(&self.pending, to_head, false) {
                Parsed::Whole { outcome, used } => {
                    self.pending.drain(..used);
                    return outcome;
                }
                Parsed::Broken(why) => return self.broken(why),
                Parsed::NeedsMore => {}
            }
            match self.read(end) {
                Ok(0) => return self.at_end(to_head),
                Ok(_) => {}
                Err(error) => return self.failed_read(error.kind(), &error.to_string()),
            }
        }
    }

    fn read(&mut self, end: Instant) -> std::io::Result<usize> {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        self.stream.set_read_timeout(Some(left))?;
        let mut buffer = vec![0; 64 * 1024];
        let count = self.stream.read(&mut buffer)?;
        buffer.truncate(count);
        self.pending.extend(buffer);
        Ok(count)
    }

    fn at_end(&mut self, to_head: bool) -> RawOutcome {
        if self.pending.is_empty() {
            return RawOutcome::Closed;
        }
        match parse::response(&self.pending, to_head, true) {
            Parsed::Whole { outcome, used } => {
                self.pending.drain(..used);
                outcome
            }
            Parsed::Broken(why) => self.broken(why),
            Parsed::NeedsMore => self.broken("the connection ended inside the response".to_owned()),
        }
    }

    fn failed_read(&mut self, kind: ErrorKind, text: &str) -> RawOutcome {
        match kind {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => RawOutcome::Timeout,
            ErrorKind::ConnectionReset if self.pending.is_empty() => RawOutcome::Reset,
            _ => self.broken(text.to_owned()),
        }
    }

    fn broken(&mut self, why: String) -> RawOutcome {
        RawOutcome::Broken { received: std::mem::take(&mut self.pending), why }
    }
}
