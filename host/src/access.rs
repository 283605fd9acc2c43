//! The access log: one event for each request.

use std::net::SocketAddr;
use std::time::Instant;

use http::request::Parts;
use http::{Method, StatusCode, Uri};

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Forwarded,
    /// By the filter.
    Denied,
    /// The filter failed.
    Fault,
    /// Not a request that can be forwarded, or no upstream to forward it to.
    Error,
}

/// A request, from its arrival until its answer begins.
pub(crate) struct Entry {
    started: Instant,
    method: Method,
    uri: Uri,
}

impl Entry {
    /// `None` when nobody listens: then nothing is copied.
    pub(crate) fn begin(parts: &Parts) -> Option<Self> {
        tracing::enabled!(target: "access", tracing::Level::INFO).then(|| Self {
            started: Instant::now(),
            method: parts.method.clone(),
            uri: parts.uri.clone(),
        })
    }

    /// `destination` is where the client meant to go, if that is not the same for all clients.
    pub(crate) fn end(
        self,
        client: SocketAddr,
        destination: Option<SocketAddr>,
        status: StatusCode,
        outcome: Outcome,
    ) {
        let outcome = match outcome {
            Outcome::Forwarded => "forwarded",
            Outcome::Denied => "denied",
            Outcome::Fault => "fault",
            Outcome::Error => "error",
        };
        let duration_us = u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX);
        tracing::info!(
            target: "access",
            client = %client,
            destination = destination.map(tracing::field::display),
            method = %self.method,
            // Of a URI that hyper has parsed: no control characters are left in it.
            path = self.uri.path_and_query().map_or("", |path| path.as_str()),
            status = status.as_u16(),
            duration_us,
            outcome,
        );
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn line(destination: Option<&str>) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber =
            tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
        tracing::subscriber::with_default(subscriber, || {
            let (parts, ()) = http::Request::get("http://app/a?b").body(()).unwrap().into_parts();
            let destination = destination.map(|address| address.parse().unwrap());
            let client = "10.0.0.1:4000".parse().unwrap();
            Entry::begin(&parts).unwrap().end(client, destination, StatusCode::OK, Outcome::Forwarded);
        });
        let bytes = lines.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_destination_is_named_where_there_are_many() {
        let to_many = line(Some("[fd00::1]:80"));
        assert!(
            to_many.contains(
                " client=10.0.0.1:4000 destination=[fd00::1]:80 method=GET path=\"/a?b\" status=200 "
            )
        );
        assert!(line(None).contains(" client=10.0.0.1:4000 method=GET "));
    }
}
