//! Compiling a guest, with a cargo of its own in a target folder of its own.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A crate of this workspace that is compiled for WebAssembly.
pub(crate) struct Guest {
    pub(crate) package: &'static str,
    pub(crate) target: &'static str,
    /// What the linker writes.
    pub(crate) file: &'static str,
    /// What it is made of, beside [`SHARED`].
    pub(crate) sources: &'static [&'static str],
}

/// What every guest is made of. A change elsewhere does not rebuild it.
const SHARED: [&str; 9] = [
    ".cargo/config.toml",
    "Cargo.toml",
    "Cargo.lock",
    "policy/core",
    "policy/wire",
    "rust-toolchain.toml",
    "filter/module/build",
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

/// Where things are.
pub(crate) struct Folders {
    /// The workspace's root.
    root: PathBuf,
    /// Where cargo puts what the guests' builds leave.
    target: PathBuf,
    /// Where this build script writes.
    pub(crate) out: PathBuf,
}

impl Folders {
    pub(crate) fn from_cargo() -> Result<Self, Box<dyn Error>> {
        let manifest = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?);
        let root =
            manifest.ancestors().nth(2).ok_or("the crate lies two folders below the workspace's root")?;
        let out = PathBuf::from(std::env::var("OUT_DIR")?);
        // One folder for debug and release builds: a guest is the same in both. OUT_DIR is
        // <target>/<profile>/build/<package>/out.
        let target =
            out.ancestors().nth(4).map_or_else(|| out.join("module"), |target| target.join("module"));
        Ok(Self { root: root.to_owned(), target, out })
    }
}

impl Guest {
    /// The linked module.
    pub(crate) fn build(&self, folders: &Folders) -> Result<Vec<u8>, Box<dyn Error>> {
        let Self { package, target, file, sources } = self;
        for source in SHARED.iter().chain(*sources) {
            println!("cargo::rerun-if-changed={}", folders.root.join(source).display());
        }
        let mut output = self.compile(folders)?;
        if !output.status.success() && is_missing_target(&output) {
            add_target(&folders.root, target)?;
            output = self.compile(folders)?;
        }
        if !output.status.success() {
            let text = String::from_utf8_lossy(&output.stderr);
            return Err(format!("{package} does not build for {target}:\n{text}").into());
        }
        let module = folders.target.join(target).join("module").join(file);
        Ok(std::fs::read(&module).map_err(|error| format!("cannot read {}: {error}", module.display()))?)
    }

    fn compile(&self, folders: &Folders) -> Result<Output, Box<dyn Error>> {
        let mut cargo = Command::new(std::env::var("CARGO")?);
        cargo
            .current_dir(&folders.root)
            .args(["build", "--package", self.package, "--profile", "module", "--target", self.target])
            .args(["--locked", "--target-dir"])
            .arg(&folders.target);
        // What is set for the build around this one (flags, wrappers such as clippy's) is not meant for it.
        for (name, _) in std::env::vars_os() {
            if FOREIGN.iter().any(|prefix| name.to_string_lossy().starts_with(prefix)) {
                cargo.env_remove(&name);
            }
        }
        Ok(cargo.output()?)
    }
}

fn is_missing_target(output: &Output) -> bool {
    let text = String::from_utf8_lossy(&output.stderr);
    text.contains("can't find crate for `core`") || text.contains("can't find crate for `std`")
}

/// `rust-toolchain.toml` names the target, but rustup may be set up not to install on its own.
fn add_target(root: &Path, target: &str) -> Result<(), Box<dyn Error>> {
    println!("cargo::warning=installing the Rust target {target} (rustup target add {target})");
    let status = Command::new("rustup").current_dir(root).args(["target", "add", target]).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        _ => Err(format!("the Rust target {target} is missing: run `rustup target add {target}`").into()),
    }
}
