//! The programs that tests run, found through the environment that `cargo xtask test` sets.

use std::env;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};

/// Names the Envoy binary.
pub const ENVOY: &str = "POSTERN_ENVOY";
/// Names the `postern` binary that was built from this tree.
pub const POSTERN: &str = "POSTERN_BIN";
/// Names the folder with `kube-apiserver`, `etcd` and `kubectl`.
pub const ASSETS: &str = "POSTERN_ASSETS";

const INSTALL: &str =
    "run `cargo xtask test`, which sets it, or `cargo xtask tools` and take the path that `--list` shows";

/// The Envoy binary.
pub fn envoy() -> Result<PathBuf> {
    from_environment(ENVOY, INSTALL)
}

/// The `postern` binary.
pub fn postern() -> Result<PathBuf> {
    from_environment(POSTERN, "run `cargo xtask test`, which builds the binary and sets it")
}

/// The folder with the API server's programs.
pub fn assets() -> Result<PathBuf> {
    let folder = variable(ASSETS, INSTALL)?;
    ensure!(
        folder.join("kube-apiserver").is_file(),
        "{ASSETS} names {}, which has no kube-apiserver: {INSTALL}",
        folder.display()
    );
    Ok(folder)
}

fn variable(name: &str, fix: &str) -> Result<PathBuf> {
    env::var_os(name).map(PathBuf::from).with_context(|| format!("{name} is not set: {fix}"))
}

fn from_environment(name: &str, fix: &str) -> Result<PathBuf> {
    let path = variable(name, fix)?;
    ensure!(path.is_file(), "{name} names {}, which is not a file: {fix}", path.display());
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_says_what_to_run() {
        let error = from_environment("POSTERN_TEST_NO_SUCH_VARIABLE", "run `cargo xtask tools`").unwrap_err();
        assert_eq!(error.to_string(), "POSTERN_TEST_NO_SUCH_VARIABLE is not set: run `cargo xtask tools`");
    }
}
