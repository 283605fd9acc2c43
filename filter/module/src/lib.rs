//! The filter as bytes: the very module that Envoy loads and that our proxy runs.
//!
//! This crate's build script compiles `filter` for `wasm32-wasip1`, so whoever depends on it has a module
//! that is never staler than the sources.
#![forbid(unsafe_code)]

#[cfg(test)]
mod exports;

/// The proxy-wasm module.
pub static FILTER_WASM: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/postern_filter.wasm"));

/// The root id under which the module is an HTTP filter.
pub const HTTP_ROOT_ID: &str = "postern.http";

/// The root id under which the module is a network filter that closes denied connections.
pub const CONNECTION_ROOT_ID: &str = "postern.connection";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_module_is_wasm_and_at_most_a_mebibyte() {
        assert_eq!(FILTER_WASM.get(..4), Some(&b"\0asm"[..]));
        assert!(FILTER_WASM.len() <= 1 << 20, "{} bytes", FILTER_WASM.len());
    }
}
