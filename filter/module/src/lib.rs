//! The filter as bytes: the very module that Envoy loads and that our proxy runs.
//!
//! This crate's build script compiles `filter` for `wasm32-wasip1`, so whoever depends on it has a module
//! that is never staler than the sources. With the feature `component` it compiles `filter/component` too, the same
//! decisions behind the interface of `wit/`.
#![forbid(unsafe_code)]

#[cfg(test)]
mod exports;

/// The proxy-wasm module.
pub static FILTER_WASM: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/postern_filter.wasm"));

/// The component of the world `postern:policy/policy`.
#[cfg(feature = "component")]
pub static COMPONENT_WASM: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/postern_filter_component.wasm"));

/// The root id under which the module is an HTTP filter.
pub const HTTP_ROOT_ID: &str = "postern.http";

/// The root id under which the module is a network filter that closes denied connections.
pub const CONNECTION_ROOT_ID: &str = "postern.connection";

#[cfg(test)]
mod tests {
    use super::*;

    /// The header tells a module from a component.
    fn check(guest: &[u8], header: &[u8; 8]) {
        assert_eq!(guest.get(..8), Some(&header[..]));
        assert!(guest.len() <= 1 << 20, "{} bytes", guest.len());
    }

    #[test]
    fn the_module_is_wasm_and_at_most_a_mebibyte() {
        check(FILTER_WASM, b"\0asm\x01\0\0\0");
    }

    #[test]
    #[cfg(feature = "component")]
    fn the_component_is_one_and_at_most_a_mebibyte() {
        check(COMPONENT_WASM, b"\0asm\x0d\0\x01\0");
    }
}
