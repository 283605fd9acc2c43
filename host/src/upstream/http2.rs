//! HTTP/2: all requests of a pool on one connection.

use std::time::Duration;

use http::header::HOST;
use http::request::Parts;
use http::uri::{Authority, Scheme};
use http::{Request, Uri, Version};
use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::TokioTimer;
use tokio::sync::Mutex;

use super::connect::Connector;
use super::{Answer, UpstreamError};
use crate::config::ProxyLimits;
use crate::executor::Local;
use crate::request::Target;

pub(super) struct Pool {
    ping_after: Duration,
    /// Held while connecting, so that a burst of requests makes one connection.
    connection: Mutex<Option<SendRequest<Incoming>>>,
}

impl Pool {
    pub(super) fn new(limits: &ProxyLimits) -> Self {
        Self { ping_after: limits.idle, connection: Mutex::default() }
    }

    pub(super) async fn send(
        &self,
        connector: &Connector,
        mut parts: Parts,
        target: &Target,
        body: Incoming,
    ) -> Result<Answer, UpstreamError> {
        parts.headers.remove(HOST);
        parts.version = Version::HTTP_2;
        parts.uri = uri(target)?;
        let mut request = Request::from_parts(parts, body);
        loop {
            let (mut sender, used_before) = self.sender(connector).await?;
            match sender.try_send_request(request).await {
                Ok(response) => return Ok(Answer { response, lease: None }),
                // The upstream went away while nothing was under way: nothing was sent.
                Err(mut error) => match error.take_message() {
                    Some(unsent) if used_before => request = unsent,
                    _ => return Err(error.into_error().into()),
                },
            }
        }
    }

    async fn sender(&self, connector: &Connector) -> Result<(SendRequest<Incoming>, bool), UpstreamError> {
        let mut connection = self.connection.lock().await;
        if let Some(sender) = connection.as_ref().filter(|sender| !sender.is_closed()) {
            return Ok((sender.clone(), true));
        }
        let io = connector.connect().await?;
        let mut builder = Builder::new(Local);
        builder.timer(TokioTimer::new()).keep_alive_interval(self.ping_after);
        let (sender, driver) = builder.handshake(io).await?;
        // Its errors reach whoever waits for an answer on it.
        drop(tokio::task::spawn_local(driver));
        Ok((connection.insert(sender).clone(), false))
    }
}

fn uri(target: &Target) -> Result<Uri, http::Error> {
    let mut uri = http::uri::Parts::default();
    uri.scheme = Some(Scheme::HTTP);
    uri.authority = Some(Authority::try_from(target.authority.as_bytes())?);
    uri.path_and_query.clone_from(&target.path);
    Ok(Uri::from_parts(uri)?)
}
