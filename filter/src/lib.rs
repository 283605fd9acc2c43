//! The filter: a proxy-wasm module that holds every connection and request against a bundle.
//!
//! One module, two plugins. Under the root id `postern.connection` it is a network filter and closes the
//! connections that policy drops before a byte has passed; under any other it is an HTTP filter and answers
//! the requests that policy denies. Its plugin configuration is a bundle; with none yet, everything is
//! denied as "not loaded", and a bad one leaves the last good one in force.
//!
//! Nothing here panics on what a request or a host brings: header bytes are bytes, and every status of a
//! host call is handled. What is decided, and how, is in `policy/core`; this crate is its door to a proxy.
//!
//! A callback that is implemented here must also be listed in `filter/module/src/exports.rs`: the module exports only
//! those, because a host calls every one that it finds.
#![allow(missing_docs, reason = "the SDK's macro exports a function without any")]

mod connection;
mod ends;
mod enforce;
mod host;
mod http;
mod metrics;
mod policy;
mod root;

use proxy_wasm::types::LogLevel;

/// The root id under which the module is a network filter.
const CONNECTION: &[u8] = b"postern.connection";

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| Box::new(root::Root::default()));
}}
