//! The server's loop.

use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::BodyExt as _;
use http_body_util::combinators::BoxBody;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::sync::oneshot;

use super::{Answer, Seen, State, lock};

/// Serves until `stopped` resolves; dropping the runtime then closes what is open.
pub(super) async fn accept(listener: TcpListener, state: Arc<Mutex<State>>, stopped: oneshot::Receiver<()>) {
    tokio::select! {
        _ = stopped => {}
        () = accept_all(listener, state) => {}
    }
}

async fn accept_all(listener: TcpListener, state: Arc<Mutex<State>>) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    loop {
        // A connection that was gone before it could be accepted is not the server's end.
        let Ok((stream, peer)) = listener.accept().await else { continue };
        lock(&state).connections += 1;
        let state = Arc::clone(&state);
        tokio::spawn(async move {
            let service = service_fn(|request| answer(request, peer, Arc::clone(&state)));
            let builder = auto::Builder::new(TokioExecutor::new());
            // How a connection ends is for the client to judge.
            let _ = builder.serve_connection_with_upgrades(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    peer: SocketAddr,
    state: Arc<Mutex<State>>,
) -> Result<Response<BoxBody<Bytes, Infallible>>, Infallible> {
    let (head, body) = request.into_parts();
    let path = head.uri.path_and_query().map_or_else(|| head.uri.to_string(), ToString::to_string);
    let host = head.headers.get("host").map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let seen = Seen {
        method: head.method.to_string(),
        path: path.clone(),
        headers: head
            .headers
            .iter()
            .map(|(key, value)| (key.to_string(), value.as_bytes().to_vec()))
            .collect(),
        host: head.uri.authority().map(ToString::to_string).or(host),
        http2: head.version == Version::HTTP_2,
        peer,
        body: Vec::new(),
    };
    let method = seen.method.clone();
    // Recorded before the body is read: a request of which only the head got through got through.
    let index = {
        let mut state = lock(&state);
        state.seen.push(seen);
        state.seen.len() - 1
    };
    if let Ok(body) = body.collect().await
        && let Some(seen) = lock(&state).seen.get_mut(index)
    {
        seen.body = body.to_bytes().to_vec();
    }
    let state = lock(&state);
    let route = state.routes.iter().find(|(m, p, _)| (m.as_str(), p) == (method.as_str(), &path));
    let answer = route.map_or_else(|| Answer::by_default(&method, &path), |(_, _, answer)| answer.clone());
    Ok(answer.into_response())
}
