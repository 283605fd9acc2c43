//! WebSocket: after the filter has allowed the handshake, bytes pass both ways unseen.
//!
//! No other protocol may be switched to. With `h2c` a client could open HTTP/2 to the upstream and send requests on it
//! that the filter never sees; such an offer is removed, as RFC 9110 lets a server do.

use http::header::{CONNECTION, UPGRADE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Version};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::copy_bidirectional;

const WEBSOCKET: HeaderValue = HeaderValue::from_static("websocket");

/// The client's side of the connection, if it asks for WebSocket.
pub(crate) fn asked(parts: &mut Parts) -> Option<OnUpgrade> {
    let named = |value: &HeaderValue| {
        value.as_bytes().split(|b| *b == b',').any(|t| t.trim_ascii().eq_ignore_ascii_case(b"upgrade"))
    };
    let asked = parts.version == Version::HTTP_11
        && parts.method == Method::GET
        && parts.headers.get(UPGRADE).is_some_and(|to| to.as_bytes().eq_ignore_ascii_case(b"websocket"))
        && parts.headers.get_all(CONNECTION).iter().any(named);
    if asked { parts.extensions.remove() } else { None }
}

/// Says again what was removed with the hop-by-hop headers.
pub(crate) fn restore(headers: &mut HeaderMap) {
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, WEBSOCKET);
}

/// Joins the two connections once both have switched. `keep` lives as long as they do.
pub(crate) fn join(client: OnUpgrade, upstream: OnUpgrade, keep: impl Sized + 'static) {
    let tunnel = async move {
        let joined = async {
            let (client, upstream) = tokio::try_join!(client, upstream)?;
            copy_bidirectional(&mut TokioIo::new(client), &mut TokioIo::new(upstream)).await?;
            Ok::<_, Box<dyn std::error::Error>>(())
        };
        if let Err(error) = joined.await {
            tracing::debug!(%error, "a WebSocket broke off");
        }
        drop(keep);
    };
    drop(tokio::task::spawn_local(tunnel));
}
