//! The HTTP part of an admin listener: small pages, read with GET, one answer for each path.

use std::convert::Infallible;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::Registry;

/// How many people may read at the same time; the next ones wait.
const MAX_CONNECTIONS: usize = 64;

/// What is answered to one path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Its status code.
    pub status: StatusCode,
    /// What the body is.
    pub content_type: &'static str,
    /// The body.
    pub body: String,
}

impl Page {
    /// A line of text; the line break is added.
    #[must_use]
    pub fn text(status: StatusCode, line: &str) -> Self {
        Self { status, content_type: "text/plain; charset=utf-8", body: format!("{line}\n") }
    }

    /// What a probe is told: `Ok` with a word, or 503 with the reason.
    #[must_use]
    pub fn probe(outcome: Result<&str, &str>) -> Self {
        match outcome {
            Ok(word) => Self::text(StatusCode::OK, word),
            Err(reason) => Self::text(StatusCode::SERVICE_UNAVAILABLE, reason),
        }
    }

    /// A scrape of the metrics.
    #[must_use]
    pub fn metrics(registry: &Registry) -> Self {
        Self { status: StatusCode::OK, content_type: Registry::CONTENT_TYPE, body: registry.encode() }
    }

    /// A JSON document.
    #[must_use]
    pub fn json(body: String) -> Self {
        Self { status: StatusCode::OK, content_type: "application/json", body }
    }

    fn response(self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(Bytes::from(self.body)));
        *response.status_mut() = self.status;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        response
    }
}

/// Serves pages for ever. `page` is asked with the path of each GET; `expected` is what a request for any other path is
/// told, such as `expected /metrics or /healthz`.
///
/// Dropping the future closes the listener and its connections.
pub async fn serve_admin<P>(listener: TcpListener, expected: &'static str, page: P) -> Infallible
where
    P: Fn(&str) -> Option<Page> + Clone + Send + Sync + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        while connections.len() >= MAX_CONNECTIONS {
            drop(connections.join_next().await);
        }
        match accept(&listener, &mut connections).await {
            Ok(stream) => {
                let page = page.clone();
                let service = service_fn(move |request| {
                    let answer = answer(&request, expected, &page);
                    async { Ok::<_, Infallible>(answer) }
                });
                let mut http = http1::Builder::new();
                http.timer(TokioTimer::new()).header_read_timeout(Duration::from_secs(30));
                let connection = http.serve_connection(TokioIo::new(stream), service);
                // A client that breaks off is no concern of ours.
                connections.spawn(async { drop(connection.await) });
            }
            Err(error) => {
                tracing::warn!(%error, "the admin listener cannot accept connections");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

/// The next connection; finished ones are forgotten meanwhile.
async fn accept(listener: &TcpListener, connections: &mut JoinSet<()>) -> io::Result<tokio::net::TcpStream> {
    loop {
        tokio::select! {
            accepted = listener.accept() => return accepted.map(|(stream, _)| stream),
            Some(_) = connections.join_next() => {}
        }
    }
}

fn answer<B>(
    request: &Request<B>,
    expected: &str,
    page: &impl Fn(&str) -> Option<Page>,
) -> Response<Full<Bytes>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut refused = Page::text(StatusCode::METHOD_NOT_ALLOWED, "expected GET").response();
        refused.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return refused;
    }
    let found = page(request.uri().path());
    found.unwrap_or_else(|| Page::text(StatusCode::NOT_FOUND, expected)).response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(method: Method, path: &str) -> StatusCode {
        let request = Request::builder().method(method).uri(path).body(()).unwrap();
        let page = |path: &str| (path == "/healthz").then(|| Page::probe(Ok("live")));
        answer(&request, "expected /healthz", &page).status()
    }

    #[test]
    fn only_known_paths_and_only_reading() {
        assert_eq!(ask(Method::GET, "/healthz"), StatusCode::OK);
        assert_eq!(ask(Method::HEAD, "/healthz?verbose"), StatusCode::OK);
        assert_eq!(ask(Method::POST, "/healthz"), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(ask(Method::GET, "/"), StatusCode::NOT_FOUND);
    }
}
