//! Compiles the doors to the core for WebAssembly: the filter and, with the feature `component`, the component.

use std::error::Error;
use std::fs;

#[cfg(feature = "component")]
#[path = "build/component.rs"]
mod component;
#[path = "src/exports.rs"]
mod exports;
#[path = "build/guest.rs"]
mod guest;

use guest::{Folders, Guest};

const FILTER: Guest = Guest {
    package: "postern-filter",
    target: "wasm32-wasip1",
    file: "postern_filter.wasm",
    sources: &["filter/Cargo.toml", "filter/src", "filter/report"],
};

fn main() -> Result<(), Box<dyn Error>> {
    let folders = Folders::from_cargo()?;
    let filter = exports::keep(&FILTER.build(&folders)?, &exports::KEPT)?;
    fs::write(folders.out.join("postern_filter.wasm"), filter)?;
    #[cfg(feature = "component")]
    fs::write(folders.out.join("postern_filter_component.wasm"), component::build(&folders)?)?;
    Ok(())
}
