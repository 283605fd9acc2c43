//! Ways in which a guest fails.

use crate::host::{Host, MemoryLimit};

/// The guest did not do its work. Whatever it was asked about must be denied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It trapped: an `unreachable` (a panic), an access out of bounds, a stack overflow.
    #[error("the filter trapped: {0}")]
    Trapped(String),
    /// It ran into the time limit.
    #[error("the filter ran longer than its time limit")]
    TimedOut,
    /// It trapped after it was refused more memory.
    #[error("the filter needs more memory than its limit of {limit} bytes")]
    OutOfMemory {
        /// The limit.
        limit: usize,
    },
    /// It called `proc_exit`.
    #[error("the filter exited with code {0}")]
    Exited(i32),
    /// It held the stream without having answered; nothing here would ever resume it.
    #[error("the filter paused the stream without answering it, and nothing would resume it")]
    Paused,
    /// It returned an action that the ABI does not have.
    #[error("the filter returned action {0}, expected 0 (continue) or 1 (pause)")]
    BadAction(u32),
    /// It refused to start.
    #[error("the filter refused to start: {0}")]
    NotStarted(String),
    /// It has not accepted any configuration yet, not even the empty one.
    #[error("the filter has no configuration")]
    NotConfigured,
    /// It failed so often that it is not tried until a pause has passed or a new configuration has come.
    #[error("the filter failed too often in a row and is held back")]
    Failed,
}

/// A new configuration was not taken. The last good one stays in use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigureError {
    /// The guest said no.
    #[error("the filter refused the configuration: {reason}")]
    Refused {
        /// Its last warnings and errors.
        reason: String,
    },
    /// The guest failed over it.
    #[error("the filter failed on the configuration: {0}")]
    Fault(#[from] Fault),
}

/// Carries `proc_exit` through wasmtime's error.
#[derive(Debug, thiserror::Error)]
#[error("exit {0}")]
pub(crate) struct Exit(pub(crate) i32);

impl Fault {
    /// A short name, fit for a metric label.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Trapped(_) => "trapped",
            Self::TimedOut => "timed_out",
            Self::OutOfMemory { .. } => "out_of_memory",
            Self::Exited(_) => "exited",
            Self::Paused => "paused",
            Self::BadAction(_) => "bad_action",
            Self::NotStarted(_) => "not_started",
            Self::NotConfigured => "not_configured",
            Self::Failed => "failed",
        }
    }

    /// What a failed call into the guest means.
    pub(crate) fn from_call(error: &wasmtime::Error, host: &Host) -> Self {
        Self::from_error(error, &host.memory_limit, host.log.reason())
    }

    /// The same, of a guest that left this in its log.
    pub(crate) fn from_error(error: &wasmtime::Error, limit: &MemoryLimit, reason: Option<String>) -> Self {
        if let Some(Exit(code)) = error.downcast_ref() {
            return Self::Exited(*code);
        }
        let trap = error.downcast_ref::<wasmtime::Trap>();
        if trap == Some(&wasmtime::Trap::Interrupt) {
            return Self::TimedOut;
        }
        if limit.denied() {
            return Self::OutOfMemory { limit: limit.bytes() };
        }
        let cause = trap.map_or_else(|| format!("{error:#}"), ToString::to_string);
        match reason {
            // A panic's message comes by the log, just before its trap.
            Some(reason) => Self::Trapped(format!("{cause} ({reason})")),
            None => Self::Trapped(cause),
        }
    }
}
