//! What comes of a denial.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use crate::response::LocalResponse;

/// gRPC's PERMISSION_DENIED.
const PERMISSION_DENIED: u32 = 7;

/// The answer to a denied request, the very one that the proxy-wasm module gives.
pub(super) fn denied() -> LocalResponse {
    LocalResponse {
        status: StatusCode::FORBIDDEN,
        headers: HeaderMap::new(),
        body: Bytes::from_static(b"Access denied\r\n"),
        grpc_status: Some(PERMISSION_DENIED),
        details: "postern_denied".to_owned(),
    }
}
