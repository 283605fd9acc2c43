//! The log: lines for people on a terminal, JSON lines for machines.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::TryInitError;

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// Human on a terminal, JSON otherwise.
    #[default]
    Auto,
    /// Lines for people; in colour on a terminal only.
    Human,
    /// One JSON object for each line.
    Json,
}

/// The log cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter does not parse.
    #[error(
        "the log filter `{filter}` is not valid: {cause}; expected levels such as `info` or `warn,access=info`"
    )]
    Filter {
        /// What was given.
        filter: String,
        /// What is wrong with it.
        cause: String,
    },
    /// Somebody else has set the process's log.
    #[error("the log was started twice: {0}")]
    Twice(#[from] TryInitError),
}

/// Starts the process's log on standard error. `filter` is in the form of `RUST_LOG`.
///
/// # Errors
/// When the filter does not parse, or the log was started before.
pub fn init_log(filter: &str, format: LogFormat) -> Result<(), LogError> {
    use tracing_subscriber::util::SubscriberInitExt;
    let filter = EnvFilter::try_new(filter)
        .map_err(|cause| LogError::Filter { filter: filter.into(), cause: cause.to_string() })?;
    let terminal = stderr().is_terminal();
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr).with_ansi(terminal);
    match format {
        LogFormat::Auto if !terminal => log.json().flatten_event(true).finish().try_init()?,
        LogFormat::Json => log.json().flatten_event(true).finish().try_init()?,
        LogFormat::Auto | LogFormat::Human => log.finish().try_init()?,
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_filter_is_named() {
        let error = init_log("info,access=loud", LogFormat::Json).unwrap_err();
        assert!(error.to_string().contains("`info,access=loud`"), "{error}");
    }
}
