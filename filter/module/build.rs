//! Compiles the filter for wasm32-wasip1, with a cargo of its own in a target folder of its own.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

#[path = "src/exports.rs"]
mod exports;

const TARGET: &str = "wasm32-wasip1";

/// What the module is made of. A change elsewhere does not rebuild it.
const SOURCES: [&str; 9] = [
    "Cargo.toml",
    "Cargo.lock",
    "filter/Cargo.toml",
    "filter/src",
    "policy/core",
    "policy/wire",
    "rust-toolchain.toml",
    "filter/module/build.rs",
    "filter/module/src/exports.rs",
];

/// Variables, by how they start, that the build around this one sets for itself.
const FOREIGN: [&str; 8] = [
    "CARGO_BUILD_",
    "CARGO_ENCODED_",
    "CARGO_INCREMENTAL",
    "CARGO_PROFILE_",
    "CARGO_TARGET_",
    "CLIPPY",
    "RUSTC",
    "RUSTFLAGS",
];

fn main() -> Result<(), Box<dyn Error>> {
    let manifest = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?);
    let root = manifest.ancestors().nth(2).ok_or("the crate lies two folders below the workspace's root")?;
    for source in SOURCES {
        println!("cargo::rerun-if-changed={}", root.join(source).display());
    }
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    // One folder for debug and release builds: the module is the same in both. OUT_DIR is
    // <target>/<profile>/build/<package>/out.
    let target_dir =
        out.ancestors().nth(4).map_or_else(|| out.join("module"), |target| target.join("module"));

    let mut output = build(root, &target_dir)?;
    if !output.status.success() && is_missing_target(&output) {
        add_target(root)?;
        output = build(root, &target_dir)?;
    }
    if !output.status.success() {
        return Err(format!(
            "the filter does not build for {TARGET}:\n{}",
            String::from_utf8_lossy(&output.stderr)
        )
        .into());
    }
    let module = target_dir.join(TARGET).join("module/postern_filter.wasm");
    let linked =
        std::fs::read(&module).map_err(|error| format!("cannot read {}: {error}", module.display()))?;
    std::fs::write(out.join("postern_filter.wasm"), exports::keep(&linked, &exports::KEPT)?)?;
    Ok(())
}

fn build(root: &Path, target_dir: &Path) -> Result<Output, Box<dyn Error>> {
    let mut cargo = Command::new(std::env::var("CARGO")?);
    cargo
        .current_dir(root)
        .args(["build", "--package", "postern-filter", "--profile", "module", "--target", TARGET, "--locked"])
        .arg("--target-dir")
        .arg(target_dir);
    // What is set for the build around this one (flags, wrappers such as clippy's) is not meant for it.
    for (name, _) in std::env::vars_os() {
        if FOREIGN.iter().any(|prefix| name.to_string_lossy().starts_with(prefix)) {
            cargo.env_remove(&name);
        }
    }
    Ok(cargo.output()?)
}

fn is_missing_target(output: &Output) -> bool {
    let text = String::from_utf8_lossy(&output.stderr);
    text.contains("can't find crate for `core`") || text.contains("can't find crate for `std`")
}

/// `rust-toolchain.toml` names the target, but rustup may be set up not to install on its own.
fn add_target(root: &Path) -> Result<(), Box<dyn Error>> {
    println!("cargo::warning=installing the Rust target {TARGET} (rustup target add {TARGET})");
    let status = Command::new("rustup").current_dir(root).args(["target", "add", TARGET]).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        _ => Err(format!("the Rust target {TARGET} is missing: run `rustup target add {TARGET}`").into()),
    }
}
