//! Log lines and the clock.

use std::borrow::Cow;
use std::time::{SystemTime, UNIX_EPOCH};

use tracing::Level;
use wasmtime::{Caller, Linker};

use super::{ENV, span, status};
use crate::abi::Status;
use crate::guest::{Answer, Guest, Span};
use crate::host::Host;

/// A longer line is cut.
pub(crate) const MAX_LINE: usize = 8 << 10;

pub(super) fn link(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    linker.func_wrap(ENV, "proxy_log", |c: Caller<'_, Host>, level: u32, at: u32, len: u32| {
        status(log(&mut Guest(c), level, span(at, len)))
    })?;
    linker.func_wrap(ENV, "proxy_get_log_level", |c: Caller<'_, Host>, at: u32| {
        status(Guest(c).write(at, &least_level().to_le_bytes()))
    })?;
    linker.func_wrap(ENV, "proxy_get_current_time_nanoseconds", |c: Caller<'_, Host>, at: u32| {
        status(Guest(c).write(at, &nanoseconds().to_le_bytes()))
    })?;
    // Ticks are not delivered: what these guests decide depends on nothing but the call.
    linker.func_wrap(ENV, "proxy_set_tick_period_milliseconds", |_: u32| Status::Ok as u32)?;
    Ok(())
}

fn log(guest: &mut Guest<'_>, level: u32, line: Span) -> Answer {
    let level = match level {
        0 => Level::TRACE,
        1 => Level::DEBUG,
        2 => Level::INFO,
        3 => Level::WARN,
        4 | 5 => Level::ERROR,
        _ => return Err(Status::BadArgument.into()),
    };
    let (line, host) = guest.read(line)?;
    emit(host, level, line);
    Ok(())
}

/// Passes a guest's line on to `tracing`, and keeps what says why it fails.
pub(crate) fn emit(host: &mut Host, level: Level, text: &[u8]) {
    let text = line(&host.plugin.name, level, text);
    if level <= Level::WARN {
        host.log.keep(text.trim_end());
    }
}

/// Passes a line of a plugin on to `tracing`.
pub(crate) fn line<'a>(plugin: &str, level: Level, line: &'a [u8]) -> Cow<'a, str> {
    let text = String::from_utf8_lossy(line.get(..MAX_LINE).unwrap_or(line));
    let line = text.trim_end();
    match level {
        Level::ERROR => tracing::error!(target: "guest", plugin, "{line}"),
        Level::WARN => tracing::warn!(target: "guest", plugin, "{line}"),
        Level::INFO => tracing::info!(target: "guest", plugin, "{line}"),
        Level::DEBUG => tracing::debug!(target: "guest", plugin, "{line}"),
        Level::TRACE => tracing::trace!(target: "guest", plugin, "{line}"),
    }
    text
}

/// The most detailed level that anyone listens to.
fn least_level() -> u32 {
    if tracing::enabled!(target: "guest", Level::TRACE) {
        0
    } else if tracing::enabled!(target: "guest", Level::DEBUG) {
        1
    } else if tracing::enabled!(target: "guest", Level::INFO) {
        2
    } else if tracing::enabled!(target: "guest", Level::WARN) {
        3
    } else {
        4
    }
}

pub(crate) fn nanoseconds() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
