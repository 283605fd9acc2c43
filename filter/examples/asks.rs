//! A filter that asks the host for what a decision needs, counts twice, and decides nothing: what `cargo xtask bench engine`
//! holds ours against to tell what the decision costs from what the questions cost. Without the SDK, and with no
//! callback but the three that a filter cannot do without.
#![expect(unsafe_code, reason = "host calls are C functions that write through pointers")]

use std::cell::Cell;
use std::ptr::null_mut;

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_get_header_map_pairs(map: u32, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_get_property(path: *const u8, length: usize, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_define_metric(kind: u32, name: *const u8, size: usize, id: *mut u32) -> u32;
    fn proxy_increment_metric(id: u32, offset: i64) -> u32;
}

const SOURCE: &str = "source\0address";
const COUNTERS: [&str; 2] = ["asks_requests", "asks_rules"];

thread_local! {
    static IDS: Cell<Option<[u32; 2]>> = const { Cell::new(None) };
}

/// The mark of the ABI.
#[unsafe(no_mangle)]
pub extern "C" fn proxy_abi_version_0_2_1() {}

/// Memory for what the host answers.
#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_memory_allocate(size: usize) -> *mut u8 {
    Box::into_raw(vec![0_u8; size].into_boxed_slice()).cast()
}

/// Nothing is kept of a request.
#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_context_create(_context: u32, _root: u32) {}

/// Asks, counts, and lets pass.
#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_request_headers(_context: u32, _headers: u32, _end: u32) -> u32 {
    // SAFETY: the pointers are those of `returned`.
    returned(|data, size| unsafe { proxy_get_header_map_pairs(0, data, size) });
    // SAFETY: as above; the path is one living string.
    returned(|data, size| unsafe { proxy_get_property(SOURCE.as_ptr(), SOURCE.len(), data, size) });
    let ids = IDS.get().unwrap_or_else(|| {
        COUNTERS.map(|name| {
            let mut id = 0;
            // SAFETY: the name is one living string, `id` a local that outlives the call.
            unsafe { proxy_define_metric(0, name.as_ptr(), name.len(), &raw mut id) };
            id
        })
    });
    IDS.set(Some(ids));
    for id in ids {
        // SAFETY: takes numbers.
        unsafe { proxy_increment_metric(id, 1) };
    }
    0
}

/// Nothing was kept of the request.
#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_delete(_context: u32) {}

/// Takes what a host call returns in memory of ours, and frees it.
fn returned(call: impl FnOnce(*mut *mut u8, *mut usize) -> u32) {
    let (mut data, mut size) = (null_mut(), 0);
    if call(&raw mut data, &raw mut size) == 0 && !data.is_null() && size > 0 {
        // SAFETY: by the ABI, the host got this memory from `proxy_on_memory_allocate(size)` and hands it over.
        drop(unsafe { Vec::from_raw_parts(data, size, size) });
    }
}
