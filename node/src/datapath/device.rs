//! Devices by number.
#![allow(unsafe_code, reason = "the standard library does not have this call")]

use std::ffi::CStr;

/// The name of a device of the current network namespace.
pub(super) fn name(ifindex: u32) -> Option<String> {
    let mut buffer = [0; libc::IF_NAMESIZE];
    // SAFETY: the buffer has the size that the call demands, and lives until it returns.
    let name = unsafe { libc::if_indextoname(ifindex, buffer.as_mut_ptr()) };
    if name.is_null() {
        return None;
    }
    // SAFETY: the call has written a name that ends in a zero into the buffer, and returned its address.
    let name = unsafe { CStr::from_ptr(name) };
    name.to_str().ok().map(str::to_owned)
}
