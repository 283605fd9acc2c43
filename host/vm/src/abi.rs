//! The numbers of the proxy-wasm ABI.

/// What a host call answers the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Status {
    Ok = 0,
    NotFound = 1,
    BadArgument = 2,
    SerializationFailure = 3,
    ParseFailure = 4,
    InvalidMemoryAccess = 6,
    CasMismatch = 8,
    InternalFailure = 10,
    Unimplemented = 12,
}

/// A callback's answer about the stream: go on, or hold it.
pub(crate) mod action {
    pub(crate) const CONTINUE: u32 = 0;
    pub(crate) const PAUSE: u32 = 1;
}

/// Buffers of `proxy_get_buffer_bytes`; the others carry bodies and data, which are not shown to the guest yet.
pub(crate) mod buffer {
    pub(crate) const VM_CONFIGURATION: u32 = 6;
    pub(crate) const PLUGIN_CONFIGURATION: u32 = 7;
    pub(crate) const LAST: u32 = 8;
}

/// Header maps; the others (trailers, responses, calls) are not shown to the guest yet.
pub(crate) mod map {
    pub(crate) const REQUEST_HEADERS: u32 = 0;
    pub(crate) const LAST: u32 = 7;
}

/// The peer named by `proxy_on_downstream_connection_close`.
pub(crate) const PEER_REMOTE: u32 = 2;

/// The last of `proxy_close_stream`'s stream types.
pub(crate) const LAST_STREAM: u32 = 3;
