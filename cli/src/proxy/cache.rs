//! Where the compiled filter is kept.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::Context;
use postern_host::ModuleCache;

/// The cache that was asked for. One that nobody asked for is left out where it cannot be trusted.
pub(super) fn open(asked: Option<&Path>) -> anyhow::Result<Option<ModuleCache>> {
    match asked {
        Some(asked) if asked == Path::new("none") => Ok(None),
        Some(asked) => ModuleCache::open(asked).map(Some).context("--module-cache"),
        None => Ok(default_folder().and_then(|folder| {
            let opened = ModuleCache::open(&folder);
            opened
                .inspect_err(|error| tracing::info!("the compiled filter is not kept on disk: {error}"))
                .ok()
        })),
    }
}

fn default_folder() -> Option<PathBuf> {
    let named = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let caches = named("XDG_CACHE_HOME").or_else(|| Some(named("HOME")?.join(".cache")))?;
    Some(caches.join("postern/modules"))
}
