//! The component: a module that wit-bindgen has told what it is, wrapped as what it is.

use std::error::Error;

use wit_component::ComponentEncoder;

use crate::guest::{Folders, Guest};

/// Without an operating system, not even WASI's: so it imports nothing.
const COMPONENT: Guest = Guest {
    package: "postern-filter-component",
    target: "wasm32-unknown-unknown",
    file: "postern_filter_component.wasm",
    sources: &["filter/component", "wit"],
};

pub(crate) fn build(folders: &Folders) -> Result<Vec<u8>, Box<dyn Error>> {
    let module = COMPONENT.build(folders)?;
    let component = ComponentEncoder::default().module(&module).and_then(|mut encoder| encoder.encode());
    component.map_err(|error| format!("the module does not fit wit/policy.wit: {error:#}").into())
}
