//! Builds the kernel programs, so that the agent can bear them inside itself.
#![allow(
    unsafe_code,
    reason = "aya-build takes its settings from the environment, and setting that is unsafe by signature"
)]

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use aya_build::{Package, Toolchain};

/// Installed by `cargo xtask tools`; the version is chosen there (`xtask/src/tools/bpf_linker.rs`).
const LINKER: &str = "bpf-linker-0.10.3";
const HINT: &str = "run `cargo xtask tools`";

/// The workspace's release profile is for machines: it strips symbols, which the kernel's loader needs.
const SETTINGS: [(&str, &str); 6] = [
    // What the inner cargo says would otherwise come out as warnings.
    ("CARGO_TERM_QUIET", "true"),
    ("CARGO_PROFILE_RELEASE_STRIP", "none"),
    ("CARGO_PROFILE_RELEASE_DEBUG", "2"),
    ("CARGO_PROFILE_RELEASE_LTO", "off"),
    ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1"),
    ("CARGO_PROFILE_RELEASE_PANIC", "abort"),
];

fn main() -> Result<()> {
    let manifest = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").context("cargo sets CARGO_MANIFEST_DIR")?);
    for name in ["POSTERN_CACHE", "XDG_CACHE_HOME", "RUSTUP_TOOLCHAIN"] {
        println!("cargo:rerun-if-env-changed={name}");
    }
    for path in ["build.rs", "abi/Cargo.toml", "abi/src"] {
        println!("cargo:rerun-if-changed={}", manifest.join(path).display());
    }
    has_sources_of_core()?;
    let path = path_with_linker()?;
    // SAFETY: nothing else runs in this process yet that could read or write the environment.
    unsafe {
        env::set_var("PATH", path);
        // Unstable features of a stable compiler: core is built for a target that it does not come for.
        env::set_var("RUSTC_BOOTSTRAP", "1");
        for (name, value) in SETTINGS {
            env::set_var(name, value);
        }
    }
    let toolchain = env::var("RUSTUP_TOOLCHAIN").unwrap_or_else(|_| "stable".to_owned());
    let programs = manifest.join("ebpf");
    let package = Package {
        name: "postern-node-ebpf",
        root_dir: programs.to_str().context("the path of the workspace is not UTF-8")?,
        ..Package::default()
    };
    aya_build::build_ebpf([package], Toolchain::Custom(&toolchain))
        .context("the kernel programs do not build")
}

/// `PATH`, with the folder of bpf-linker where it is not on it already.
fn path_with_linker() -> Result<OsString> {
    let path = env::var_os("PATH").unwrap_or_default();
    let on_path = env::split_paths(&path).any(|folder| folder.join("bpf-linker").is_file());
    let cached = cache().map(|cache| cache.join(LINKER).join("bin"));
    let cached = cached.filter(|folder| folder.join("bpf-linker").is_file());
    let Some(cached) = cached else {
        ensure!(on_path, "bpf-linker is neither on PATH nor in the cache folder: {HINT}");
        return Ok(path);
    };
    Ok(env::join_paths(std::iter::once(cached).chain(env::split_paths(&path)))?)
}

/// Where `cargo xtask tools` installs.
fn cache() -> Option<PathBuf> {
    let variable = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    variable("POSTERN_CACHE")
        .or_else(|| variable("XDG_CACHE_HOME").map(|folder| folder.join("postern")))
        .or_else(|| variable("HOME").map(|home| home.join(".cache/postern")))
}

fn has_sources_of_core() -> Result<()> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = std::process::Command::new(rustc).args(["--print", "sysroot"]).output()?;
    let sysroot = String::from_utf8(output.stdout)?;
    let core = Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library/core/Cargo.toml");
    ensure!(core.is_file(), "the component rust-src of the toolchain is not installed: {HINT}");
    Ok(())
}
