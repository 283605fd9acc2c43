//! HTTP/1.1: one request at a time on each connection, and a stack of unused ones.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::{Duration, Instant};

use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::request::Parts;
use http::{HeaderValue, Request, Uri, Version};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1::{Builder, SendRequest};

use super::connect::Connector;
use super::{Answer, UpstreamError};
use crate::config::ProxyLimits;
use crate::request::Target;

pub(super) struct Pool {
    connector: Connector,
    unused: Rc<Unused>,
}

/// A connection that is busy until its answer has been read to the end.
#[derive(Debug)]
pub(crate) struct Lease {
    sender: SendRequest<Incoming>,
    unused: Rc<Unused>,
}

/// Unused connections, the latest used at the back.
#[derive(Debug)]
struct Unused {
    connections: RefCell<VecDeque<(Instant, SendRequest<Incoming>)>>,
    most: usize,
    longest: Duration,
}

impl Pool {
    pub(super) fn new(connector: Connector, limits: &ProxyLimits) -> Self {
        let unused =
            Unused { connections: RefCell::default(), most: limits.idle_connections, longest: limits.idle };
        Self { connector, unused: Rc::new(unused) }
    }

    pub(super) async fn send(
        &self,
        mut parts: Parts,
        target: &Target,
        body: Incoming,
    ) -> Result<Answer, UpstreamError> {
        parts.uri = target.path.clone().map(Uri::from).unwrap_or_default();
        parts.version = Version::HTTP_11;
        parts.headers.insert(HOST, target.authority.clone());
        // Of a GET or HEAD hyper would not send the body without being told that there is one.
        if !body.is_end_stream() && !parts.headers.contains_key(CONTENT_LENGTH) {
            parts.headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        let mut request = Request::from_parts(parts, body);
        loop {
            let (mut sender, used_before) = match self.unused.take() {
                Some(sender) => (sender, true),
                None => (self.connect().await?, false),
            };
            match sender.try_send_request(request).await {
                Ok(response) => {
                    let lease = Lease { sender, unused: self.unused.clone() };
                    return Ok(Answer { response, lease: Some(lease) });
                }
                // The upstream closed the connection while it was unused: nothing was sent.
                Err(mut error) => match error.take_message() {
                    Some(unsent) if used_before => request = unsent,
                    _ => return Err(error.into_error().into()),
                },
            }
        }
    }

    async fn connect(&self) -> Result<SendRequest<Incoming>, UpstreamError> {
        let io = self.connector.connect().await?;
        let (sender, connection) = Builder::new().handshake(io).await?;
        // Its errors reach whoever waits for an answer on it.
        drop(tokio::task::spawn_local(connection.with_upgrades()));
        Ok(sender)
    }
}

impl Unused {
    fn take(&self) -> Option<SendRequest<Incoming>> {
        let mut connections = self.connections.borrow_mut();
        connections.retain(|(_, sender)| !sender.is_closed());
        // One that still writes the rest of a request is left alone.
        let ready = connections.iter().rposition(|(_, sender)| sender.is_ready())?;
        connections.remove(ready).map(|(_, sender)| sender)
    }
}

impl Lease {
    /// Offers the connection to the next request. A lease that is dropped instead closes it.
    pub(crate) fn give_back(self) {
        let Unused { connections, most, longest } = &*self.unused;
        let mut connections = connections.borrow_mut();
        let now = Instant::now();
        let overdue = |since: Instant| now.duration_since(since) > *longest;
        while connections.front().is_some_and(|(since, _)| overdue(*since))
            || connections.len() >= (*most).max(1)
        {
            connections.pop_front();
        }
        if !self.sender.is_closed() {
            connections.push_back((now, self.sender));
        }
    }
}
