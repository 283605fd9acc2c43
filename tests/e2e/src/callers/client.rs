//! Asking: what is let through tells whom the asker was taken for.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use postern_tests_harness::eventually;
use postern_tests_harness::raw::Request;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use socket2::{Domain, Protocol, Socket, Type};

use super::bundle::NAMES;
use crate::chaos::Recorder;

const SOON: Duration = Duration::from_secs(20);

/// Who asks: from an address, with a certificate or without, or in plain text.
#[derive(Debug, Clone)]
pub struct Client {
    /// The address it connects from.
    pub from: IpAddr,
    /// What it connects with; `None` is plain text.
    pub tls: Option<Arc<ClientConfig>>,
}

/// Who is asked, and what is behind.
pub struct Server<'a> {
    /// Where it listens.
    pub at: SocketAddr,
    /// What requests reach that are let through.
    pub upstream: &'a Recorder,
    /// Everything it has logged so far.
    pub log: &'a dyn Fn() -> String,
}

/// What came of one request.
enum Answer {
    Passed,
    /// With the id by which the log has it.
    Denied(String),
    /// No answer at all.
    Closed(String),
}

impl Client {
    /// One that speaks plain text.
    #[must_use]
    pub fn plain(from: IpAddr) -> Client {
        Client { from, tls: None }
    }

    /// Whom the server takes this client for: the name of who may read just what was let through. Where nothing was,
    /// the reason that the log gives, and `closed` where no request was answered.
    pub fn taken_for(&self, server: &Server<'_>, forwarded: &[&str]) -> Result<String> {
        let (mut passed, mut denied, mut closed) = (Vec::new(), Vec::new(), Vec::new());
        let before = server.upstream.total();
        for name in NAMES {
            match self.ask(server.at, name, forwarded)? {
                Answer::Passed => passed.push(name),
                Answer::Denied(id) => denied.push(id),
                Answer::Closed(why) => closed.push(why),
            }
        }
        let arrived = server.upstream.total() - before;
        ensure!(arrived == passed.len(), "{passed:?} passed, and {arrived} arrived");
        match (passed.as_slice(), denied.first()) {
            ([one], _) => Ok((*one).to_owned()),
            ([], None) if closed.len() == NAMES.len() => Ok("closed".to_owned()),
            ([], Some(id)) if closed.is_empty() => reason(server, id),
            _ => bail!("{passed:?} passed, {denied:?} were denied, others not answered: {closed:?}"),
        }
    }

    /// Whether a server that knows connections only lets this client in: what it asks is answered then, whatever it is.
    pub fn is_let_in(&self, server: &Server<'_>) -> Result<bool> {
        let before = server.upstream.total();
        let passed = matches!(self.ask(server.at, "any", &[])?, Answer::Passed);
        let arrived = server.upstream.total() - before;
        ensure!(arrived == usize::from(passed), "{arrived} arrived: let in is {passed}");
        Ok(passed)
    }

    fn ask(&self, to: SocketAddr, name: &str, forwarded: &[&str]) -> Result<Answer> {
        let request = Request::new("GET", format!("/{name}")).header("host", "app1");
        let request =
            forwarded.iter().fold(request, |request, value| request.header("x-forwarded-for", value));
        let request = request.header("connection", "close").to_bytes();
        let stream = self.connect(to)?;
        let exchanged = match &self.tls {
            None => exchange(stream, &request),
            Some(config) => {
                let name = ServerName::from(super::pki::SERVER);
                exchange(StreamOwned::new(ClientConnection::new(Arc::clone(config), name)?, stream), &request)
            }
        };
        let text = match exchanged {
            Ok(text) if !text.is_empty() => text,
            Ok(_) => return Ok(Answer::Closed("the connection was closed".to_owned())),
            Err(why) if matches!(why.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                bail!("no answer, and the connection is open: {why}")
            }
            Err(why) => return Ok(Answer::Closed(why.to_string())),
        };
        if text.starts_with("HTTP/1.1 200 ") {
            return Ok(Answer::Passed);
        }
        ensure!(text.starts_with("HTTP/1.1 403 "), "expected 200 or 403, found {text}");
        let id = text.lines().find_map(|line| line.strip_prefix("x-postern-decision: "));
        Ok(Answer::Denied(id.with_context(|| format!("no decision in {text}"))?.to_owned()))
    }

    fn connect(&self, to: SocketAddr) -> Result<TcpStream> {
        let socket = Socket::new(Domain::for_address(to), Type::STREAM, Some(Protocol::TCP))?;
        socket.bind(&SocketAddr::new(self.from, 0).into()).with_context(|| format!("from {}", self.from))?;
        socket.connect_timeout(&to.into(), SOON).with_context(|| format!("from {} to {to}", self.from))?;
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(SOON))?;
        Ok(stream)
    }
}

/// Sends, and reads the head of the answer. What came before an error counts: few servers end a TLS connection as they
/// should.
fn exchange(mut stream: impl Read + Write, request: &[u8]) -> std::io::Result<String> {
    stream.write_all(request)?;
    stream.flush()?;
    let mut answer = Vec::new();
    let mut buffer = [0; 4 << 10];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => answer.extend(buffer.iter().take(count)),
            Err(error) if answer.is_empty() => return Err(error),
            Err(_) => break,
        }
        if answer.windows(4).any(|four| four == b"\r\n\r\n") {
            break;
        }
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// What the log says of a denial, from its reason on.
fn reason(server: &Server<'_>, id: &str) -> Result<String> {
    eventually(SOON, || {
        let log = (server.log)();
        let id = format!("decision={id} ");
        let line =
            log.lines().find(|line| line.contains(&id)).with_context(|| format!("no {id}in the log"))?;
        let (_, reason) = line.split_once("reason=").with_context(|| format!("no reason: {line}"))?;
        Ok(reason.trim_end().to_owned())
    })
}
