//! The programs that tests run, found through the environment that `cargo xtask test` sets.

use std::env;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};

/// Names the Envoy binary.
pub const ENVOY: &str = "POSTERN_ENVOY";
/// Names the `postern` binary that was built from this tree.
pub const POSTERN: &str = "POSTERN_BIN";

/// The Envoy binary.
pub fn envoy() -> Result<PathBuf> {
    from_environment(
        ENVOY,
        "run `cargo xtask test`, which sets it, or `cargo xtask tools` and take the path that `--list` shows",
    )
}

/// The `postern` binary.
pub fn postern() -> Result<PathBuf> {
    from_environment(POSTERN, "run `cargo xtask test`, which builds the binary and sets it")
}

fn from_environment(name: &str, fix: &str) -> Result<PathBuf> {
    let path = env::var_os(name).with_context(|| format!("{name} is not set: {fix}"))?;
    let path = PathBuf::from(path);
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
