//! HTTP/1.1: one request at a time on each connection, and connections that wait for the next.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Instant;

use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::request::Parts;
use http::{HeaderValue, Request, Uri, Version};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1::{Builder, SendRequest};

use super::connect::Connector;
use super::unused::{Reusable, Unused};
use super::{Answer, Key, UpstreamError};
use crate::request::Target;

/// Those of one worker.
pub(super) type SharedUnused = Rc<RefCell<Unused<Key, SendRequest<Incoming>>>>;

/// The connections of one key.
pub(super) struct Pool {
    key: Key,
    unused: SharedUnused,
}

/// A connection that is busy until its answer has been read to the end.
#[derive(Debug)]
pub(crate) struct Lease {
    sender: SendRequest<Incoming>,
    key: Key,
    unused: SharedUnused,
}

impl Reusable for SendRequest<Incoming> {
    fn is_closed(&self) -> bool {
        self.is_closed()
    }

    fn is_ready(&self) -> bool {
        self.is_ready()
    }
}

impl Pool {
    pub(super) fn new(key: Key, unused: SharedUnused) -> Self {
        Self { key, unused }
    }

    pub(super) async fn send(
        &self,
        connector: &Connector,
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
            let unused = self.unused.borrow_mut().take(&self.key, Instant::now());
            let (mut sender, used_before) = match unused {
                Some(sender) => (sender, true),
                None => (connect(connector).await?, false),
            };
            match sender.try_send_request(request).await {
                Ok(response) => {
                    let lease = Lease { sender, key: self.key, unused: self.unused.clone() };
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
}

async fn connect(connector: &Connector) -> Result<SendRequest<Incoming>, UpstreamError> {
    let io = connector.connect().await?;
    let (sender, connection) = Builder::new().handshake(io).await?;
    // Its errors reach whoever waits for an answer on it.
    drop(tokio::task::spawn_local(connection.with_upgrades()));
    Ok(sender)
}

impl Lease {
    /// Offers the connection to the next request. A lease that is dropped instead closes it.
    pub(crate) fn give_back(self) {
        self.unused.borrow_mut().put(&self.key, self.sender, Instant::now());
    }
}
