//! When a token ends, by its own word. Only asked of tokens that the API server has vouched for.

use std::time::{Duration, SystemTime};

use k8s_openapi::ByteString;
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct Claims {
    exp: u64,
}

/// The time in the `exp` of a JSON web token; nothing for other tokens.
pub(super) fn expiry(token: &str) -> Option<SystemTime> {
    let payload = token.split('.').nth(1)?;
    let mut base64 = payload.replace('-', "+").replace('_', "/");
    while base64.len() % 4 != 0 {
        base64.push('=');
    }
    let bytes: ByteString = serde_json::from_value(Value::String(base64)).ok()?;
    let claims: Claims = serde_json::from_slice(&bytes.0).ok()?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(claims.exp))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_a_web_token() {
        // {"exp":1700000000,"x":"~~?"}
        let token = "e30.eyJleHAiOjE3MDAwMDAwMDAsIngiOiJ-fj8ifQ.c2ln";
        assert_eq!(expiry(token), Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000)));
        for other in ["", "abc", "a.b.c", "e30.e30.x"] {
            assert_eq!(expiry(other), None, "{other}");
        }
    }
}
