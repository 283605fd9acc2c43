//! What comes of a denial.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};
use postern_filter_report::DECISION_HEADER;

use crate::response::LocalResponse;

/// gRPC's PERMISSION_DENIED.
const PERMISSION_DENIED: u32 = 7;

/// The answer to a denied request, the very one that the proxy-wasm module gives; with the id that the client may quote.
pub(super) fn denied(id: Option<&str>) -> LocalResponse {
    let id = id.and_then(|id| HeaderValue::from_str(id).ok());
    let headers = id.map(|id| (HeaderName::from_static(DECISION_HEADER), id)).into_iter().collect();
    LocalResponse {
        status: StatusCode::FORBIDDEN,
        headers,
        body: Bytes::from_static(b"Access denied\r\n"),
        grpc_status: Some(PERMISSION_DENIED),
        details: "postern_denied".to_owned(),
    }
}
