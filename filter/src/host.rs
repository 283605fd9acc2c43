//! Host calls, byte-valued and fallible.
//!
//! The SDK's own wrappers panic on statuses they do not expect, and on header names that are not UTF-8. These
//! return what there is: a status is a number, because a host may answer one that no enumeration lists.
#![expect(unsafe_code, reason = "host calls are C functions that write through pointers")]

use std::ptr::null_mut;

use proxy_wasm::types::{BufferType, LogLevel, MapType, MetricType, StreamType};

mod abi {
    #[link(wasm_import_module = "env")]
    unsafe extern "C" {
        pub(super) fn proxy_log(level: u32, data: *const u8, size: usize) -> u32;
        pub(super) fn proxy_get_buffer_bytes(
            buffer: u32,
            start: usize,
            max: usize,
            data: *mut *mut u8,
            size: *mut usize,
        ) -> u32;
        pub(super) fn proxy_get_header_map_pairs(map: u32, data: *mut *mut u8, size: *mut usize) -> u32;
        pub(super) fn proxy_get_property(
            path: *const u8,
            path_size: usize,
            data: *mut *mut u8,
            size: *mut usize,
        ) -> u32;
        pub(super) fn proxy_send_local_response(
            status: u32,
            details: *const u8,
            details_size: usize,
            body: *const u8,
            body_size: usize,
            headers: *const u8,
            headers_size: usize,
            grpc_status: i32,
        ) -> u32;
        pub(super) fn proxy_close_stream(stream: u32) -> u32;
        pub(super) fn proxy_define_metric(kind: u32, name: *const u8, size: usize, id: *mut u32) -> u32;
        pub(super) fn proxy_increment_metric(id: u32, offset: i64) -> u32;
        pub(super) fn proxy_record_metric(id: u32, value: u64) -> u32;
        pub(super) fn proxy_get_current_time_nanoseconds(at: *mut u64) -> u32;
    }
}

const OK: u32 = 0;

/// Writes a line to the proxy's log.
pub(crate) fn log(level: LogLevel, text: &str) {
    // SAFETY: pointer and length are those of one living string, and the host only reads. A log line that
    // the host refuses has nobody to be told of.
    let _ = unsafe { abi::proxy_log(level as u32, text.as_ptr(), text.len()) };
}

/// The plugin's configuration; empty where there is none.
pub(crate) fn configuration(size: usize) -> Result<Vec<u8>, u32> {
    returned(|data, pointer| {
        // SAFETY: `returned` passes pointers to two locals that outlive the call.
        unsafe { abi::proxy_get_buffer_bytes(BufferType::PluginConfiguration as u32, 0, size, data, pointer) }
    })
}

/// The request's headers as the ABI serialises them, pseudo-headers included.
pub(crate) fn request_headers() -> Result<Vec<u8>, u32> {
    returned(|data, size| {
        // SAFETY: as above.
        unsafe { abi::proxy_get_header_map_pairs(MapType::HttpRequestHeaders as u32, data, size) }
    })
}

/// A property; its path's parts are separated by zero bytes.
pub(crate) fn property(path: &str) -> Result<Vec<u8>, u32> {
    returned(|data, size| {
        // SAFETY: as above, and the path is one living string that the host only reads.
        unsafe { abi::proxy_get_property(path.as_ptr(), path.len(), data, size) }
    })
}

/// Answers the request without its ever reaching the upstream. A gRPC client gets `grpc_status`. The host adds the
/// content type that goes with a text body.
pub(crate) fn respond(
    status: u32,
    details: &str,
    headers: &[(&str, &str)],
    body: &[u8],
    grpc_status: i32,
) -> Result<(), u32> {
    let headers = serialised(headers);
    // SAFETY: each pointer and length are those of one living slice, and the host only reads.
    let result = unsafe {
        abi::proxy_send_local_response(
            status,
            details.as_ptr(),
            details.len(),
            body.as_ptr(),
            body.len(),
            headers.as_ptr(),
            headers.len(),
            grpc_status,
        )
    };
    done(result)
}

/// Headers as the ABI has them: a count, the lengths of each name and value, then each followed by a zero byte.
fn serialised(headers: &[(&str, &str)]) -> Vec<u8> {
    // More than four gigabytes there are not; were there, the host would refuse the map.
    let number = |length: usize| u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes();
    let mut map = number(headers.len()).to_vec();
    for (name, value) in headers {
        map.extend(number(name.len()));
        map.extend(number(value.len()));
    }
    for text in headers.iter().flat_map(|(name, value)| [name, value]) {
        map.extend_from_slice(text.as_bytes());
        map.push(0);
    }
    map
}

/// The time, in nanoseconds since the epoch. A host without a clock has none.
pub(crate) fn now() -> Option<u64> {
    let mut time = 0;
    // SAFETY: `time` is a local that outlives the call.
    done(unsafe { abi::proxy_get_current_time_nanoseconds(&raw mut time) }).ok()?;
    Some(time)
}

/// Closes the client's connection.
pub(crate) fn close_connection() -> Result<(), u32> {
    // SAFETY: takes a number.
    done(unsafe { abi::proxy_close_stream(StreamType::Downstream as u32) })
}

/// Defines a counter or gauge, or finds the one of this name.
pub(crate) fn metric(kind: MetricType, name: &str) -> Result<u32, u32> {
    let mut id = 0;
    // SAFETY: the name is one living string, `id` a local that outlives the call.
    done(unsafe { abi::proxy_define_metric(kind as u32, name.as_ptr(), name.len(), &raw mut id) })?;
    Ok(id)
}

/// Adds one to a counter.
pub(crate) fn increment(id: u32) {
    // SAFETY: takes numbers. A host that does not know the counter any more has nothing to count in.
    let _ = unsafe { abi::proxy_increment_metric(id, 1) };
}

/// Sets a gauge.
pub(crate) fn record(id: u32, value: u64) {
    // SAFETY: as above.
    let _ = unsafe { abi::proxy_record_metric(id, value) };
}

fn done(status: u32) -> Result<(), u32> {
    if status == OK { Ok(()) } else { Err(status) }
}

/// The bytes that a host call returns in memory of ours.
fn returned(call: impl FnOnce(*mut *mut u8, *mut usize) -> u32) -> Result<Vec<u8>, u32> {
    let (mut data, mut size) = (null_mut(), 0);
    done(call(&raw mut data, &raw mut size))?;
    if data.is_null() || size == 0 {
        return Ok(Vec::new());
    }
    // SAFETY: by the ABI, the host got this memory from `proxy_on_memory_allocate(size)`, which makes a boxed
    // slice of just that length and forgets it, filled all of it, and hands it over with this call.
    Ok(unsafe { Vec::from_raw_parts(data, size, size) })
}
