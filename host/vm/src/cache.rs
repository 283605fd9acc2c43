//! Compiled modules on disk: compiling takes a second or more of every core, and the memory that it takes is not given
//! back. What is loaded here runs as native code outside the sandbox, so [`ModuleCache`] trusts nothing but the owner of
//! its folder.

mod directory;
mod load;

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::engine::Engine;

pub use directory::UnsafeDirectory;

/// Compiled modules that are kept; the oldest go. Each is 3 to 4 MB.
const KEPT: usize = 8;

/// A folder of compiled modules that only this user, or root, can have written.
#[derive(Clone, Debug)]
pub struct ModuleCache {
    directory: PathBuf,
}

impl ModuleCache {
    /// Takes a folder, and makes it where it does not exist.
    ///
    /// # Errors
    /// When another user could put something into the folder, or put another folder into its place.
    pub fn open(directory: &Path) -> Result<Self, UnsafeDirectory> {
        directory::own(directory).map(|directory| Self { directory })
    }

    /// Where it is.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The module, if it is in the cache as it was stored.
    pub(crate) fn get(&self, engine: &Engine, wasm: &[u8]) -> Option<wasmtime::Module> {
        let key = key(engine, wasm);
        match self.load(engine, &key) {
            Ok(module) => Some(module),
            Err(Unusable::Io(error)) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                tracing::warn!(%error, file = %self.path(&key, CODE).display(), "a compiled filter is not used");
                None
            }
        }
    }

    /// Stores a module. That it cannot be stored costs the next start its time, nothing else.
    pub(crate) fn put(&self, engine: &Engine, wasm: &[u8], module: &wasmtime::Module) {
        let key = key(engine, wasm);
        let stored = module.serialize().map_err(io::Error::other).and_then(|code| {
            // The digest last: without it the other is nothing.
            self.write(&key, CODE, &code)?;
            self.write(&key, DIGEST, hex(&Sha256::digest(&code)).as_bytes())
        });
        match stored {
            Ok(()) => self.prune(),
            Err(error) => {
                tracing::warn!(%error, directory = %self.directory.display(), "cannot store the compiled filter");
            }
        }
    }

    fn load(&self, engine: &Engine, key: &str) -> Result<wasmtime::Module, Unusable> {
        let mut expected = String::new();
        let stored = directory::open(&self.path(key, DIGEST))?;
        stored.take(64).read_to_string(&mut expected)?;
        let mut code = Vec::new();
        directory::open(&self.path(key, CODE))?.read_to_end(&mut code)?;
        if hex(&Sha256::digest(&code)) != expected {
            return Err(Unusable::Digest);
        }
        load::from_bytes(engine.wasm(), &code).map_err(|error| Unusable::Wasmtime(format!("{error:#}")))
    }

    /// Under another name first: nobody reads half of it.
    fn write(&self, key: &str, extension: &str, bytes: &[u8]) -> io::Result<()> {
        let temporary = self.path(key, &format!("{extension}.{}", std::process::id()));
        let written = directory::create(&temporary).and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&temporary, self.path(key, extension))
        });
        if written.is_err() {
            drop(fs::remove_file(&temporary));
        }
        written
    }

    fn prune(&self) {
        let Ok(entries) = fs::read_dir(&self.directory) else { return };
        let code = |entry: io::Result<fs::DirEntry>| {
            let path = entry.ok()?.path();
            let time = fs::metadata(&path).and_then(|metadata| metadata.modified()).ok()?;
            (path.extension()? == CODE).then_some((time, path))
        };
        let mut files: Vec<_> = entries.filter_map(code).collect();
        files.sort();
        for (_, path) in files.iter().rev().skip(KEPT) {
            drop(fs::remove_file(path.with_extension(DIGEST)));
            drop(fs::remove_file(path));
        }
    }

    fn path(&self, key: &str, extension: &str) -> PathBuf {
        self.directory.join(format!("{key}.{extension}"))
    }
}

const CODE: &str = "cwasm";
const DIGEST: &str = "sha256";

/// Why a stored module is compiled again.
#[derive(Debug, thiserror::Error)]
enum Unusable {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("it is not what was stored: the digest differs")]
    Digest,
    #[error("wasmtime does not take it: {0}")]
    Wasmtime(String),
}

/// Names what a compiled module depends on: the module, wasmtime's version and settings, the machine.
fn key(engine: &Engine, wasm: &[u8]) -> String {
    use std::hash::{Hash, Hasher};

    /// Feeds a digest.
    struct Sink(Sha256);
    impl Hasher for Sink {
        fn write(&mut self, bytes: &[u8]) {
            self.0.update(bytes);
        }

        fn finish(&self) -> u64 {
            0
        }
    }
    let mut sink = Sink(Sha256::new());
    engine.wasm().precompile_compatibility_hash().hash(&mut sink);
    sink.0.update(Sha256::digest(wasm));
    hex(&sink.0.finalize())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
