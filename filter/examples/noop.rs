//! A filter that does nothing, on the SDK as it comes: what `cargo xtask bench engine` holds ours against.
#![allow(missing_docs, reason = "the SDK's macro exports a function without any")]

use proxy_wasm::traits::{Context, HttpContext};

struct Nothing;

impl Context for Nothing {}
impl HttpContext for Nothing {}

proxy_wasm::main! {{
    proxy_wasm::set_http_context(|_, _| Box::new(Nothing));
}}
