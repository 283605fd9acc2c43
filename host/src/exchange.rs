//! One request: read it one way only, ask the filter, forward or answer.

use std::rc::Rc;

use http::header::TE;
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode, Version};
use hyper::body::{Body, Incoming};
use hyper::upgrade::OnUpgrade;
use postern_host_vm::RequestOutcome;

use crate::access::{Entry, Outcome};
use crate::answer::{self, Dialect};
use crate::body::ProxyBody;
use crate::config::Protocol;
use crate::connection::Client;
use crate::request::{self, Target};
use crate::upgrade;
use crate::upstream::{Answer, UpstreamError};

/// The filter wants no answer to be given: hyper resets the stream or closes the connection.
#[derive(Debug, thiserror::Error)]
#[error("the filter reset the request")]
pub(crate) struct Reset;

type Reply = (Response<ProxyBody>, Outcome);

/// Serves one request.
pub(crate) async fn serve(
    client: Rc<Client>,
    request: Request<Incoming>,
) -> Result<Response<ProxyBody>, Reset> {
    let (parts, body) = request.into_parts();
    let entry = Entry::begin(&parts);
    let (response, outcome) = reply(&client, parts, body).await?;
    client.worker.shared.metrics.answered(response.status());
    if let Some(entry) = entry {
        entry.end(client.address(), client.original(), response.status(), outcome);
    }
    Ok(response)
}

async fn reply(client: &Rc<Client>, mut parts: Parts, body: Incoming) -> Result<Reply, Reset> {
    let dialect = Dialect::of(&parts.headers);
    let mut target = match Target::of(&parts) {
        Ok(target) => target,
        Err(bad) => {
            let mut answer = answer::text(StatusCode::BAD_REQUEST, "", Dialect::Http);
            *answer.body_mut() = ProxyBody::own(bad.to_string().into());
            return Ok((answer, Outcome::Error));
        }
    };
    let websocket = upgrade::asked(&mut parts);
    let protocol = client.route.protocol(parts.version);
    prepare(client, &mut parts, protocol, websocket.is_some());

    match filter(client, &mut parts, &mut target, body.is_end_stream()) {
        Ok(RequestOutcome::Continue { .. }) => {}
        Ok(RequestOutcome::Respond(answer)) => return Ok((answer::local(answer, dialect), Outcome::Denied)),
        Ok(RequestOutcome::Reset) => return Err(Reset),
        Err(NotLetThrough) => {
            const FAILED: &str = "policy filter failed; the request was not let through\r\n";
            return Ok((answer::text(StatusCode::SERVICE_UNAVAILABLE, FAILED, dialect), Outcome::Fault));
        }
    }
    let unsupported = |what| (answer::text(StatusCode::NOT_IMPLEMENTED, what, dialect), Outcome::Error);
    if parts.method == Method::CONNECT {
        return Ok(unsupported("CONNECT is not supported by this proxy yet\r\n"));
    }
    if websocket.is_some() && protocol == Protocol::Http2 {
        return Ok(unsupported("WebSocket to an HTTP/2 upstream is not supported by this proxy yet\r\n"));
    }
    Ok(match client.route.send(parts, &target, body).await {
        Ok(answer) => (forward(client, answer, websocket), Outcome::Forwarded),
        Err(error) => (unavailable(client, &error, dialect), Outcome::Error),
    })
}

/// Brings the request into the form in which the upstream gets it, before the filter sees it.
fn prepare(client: &Client, parts: &mut Parts, protocol: Protocol, websocket: bool) {
    let trailers = protocol == Protocol::Http2 && request::wants_trailers(&parts.headers);
    request::strip_hops(&mut parts.headers);
    if trailers {
        parts.headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    if websocket {
        upgrade::restore(&mut parts.headers);
    }
    if parts.version == Version::HTTP_2 {
        request::join_cookies(&mut parts.headers);
    }
    if let Some(client) = &client.forwarded_for {
        request::append_forwarded_for(&mut parts.headers, client);
    }
}

/// The filter failed, or made something of the request that is none.
struct NotLetThrough;

fn filter(
    client: &Client,
    parts: &mut Parts,
    target: &mut Target,
    ended: bool,
) -> Result<RequestOutcome, NotLetThrough> {
    let worker = &client.worker;
    let headers = &mut *worker.headers.borrow_mut();
    request::show(parts, target, headers);
    let outcome = worker.vm.borrow_mut().on_request(client.info(), headers, ended);
    let outcome = outcome.map_err(|_fault| {
        // The VM has logged it.
        worker.shared.metrics.faults.inc();
        NotLetThrough
    })?;
    if matches!(outcome, RequestOutcome::Continue { changed: true }) {
        let (websocket, trailers) =
            (parts.headers.contains_key(http::header::UPGRADE), parts.headers.get(TE).cloned());
        request::read_back(headers, parts, target).map_err(|error| {
            tracing::error!(%error, "the request was not let through");
            worker.shared.metrics.faults.inc();
            NotLetThrough
        })?;
        request::strip_hops(&mut parts.headers);
        if let Some(trailers) = trailers {
            parts.headers.insert(TE, trailers);
        }
        if websocket {
            upgrade::restore(&mut parts.headers);
        }
    }
    Ok(outcome)
}

fn forward(client: &Rc<Client>, answer: Answer, websocket: Option<OnUpgrade>) -> Response<ProxyBody> {
    let Answer { mut response, lease } = answer;
    request::strip_hops(response.headers_mut());
    *response.version_mut() = Version::HTTP_11;
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        return response.map(|body| ProxyBody::upstream(body, lease));
    }
    let Some(ours) = websocket else {
        const NOT_ASKED: &str = "the upstream switched protocols unasked\r\n";
        return answer::text(StatusCode::BAD_GATEWAY, NOT_ASKED, Dialect::Http);
    };
    upgrade::join(ours, hyper::upgrade::on(&mut response), client.clone());
    upgrade::restore(response.headers_mut());
    response.map(|_| ProxyBody::own(bytes::Bytes::new()))
}

fn unavailable(client: &Client, error: &UpstreamError, dialect: Dialect) -> Response<ProxyBody> {
    if client.worker.shared.upstream_errors.allow() {
        tracing::error!(upstream = %client.route.address(), "{error}");
    }
    match error {
        UpstreamError::Timeout(_) => {
            answer::text(StatusCode::GATEWAY_TIMEOUT, "upstream timeout\r\n", dialect)
        }
        _ => answer::text(StatusCode::BAD_GATEWAY, "upstream unavailable\r\n", dialect),
    }
}
