//! The network filter: closes the connections that policy drops.

use std::rc::Rc;

use postern_filter_report::Subject;
use proxy_wasm::traits::{Context, StreamContext};
use proxy_wasm::types::{Action, LogLevel};

use crate::enforce::{Enforcer, Outcome};
use crate::host;

/// Decides once, before anything has passed.
pub(crate) struct ConnectionFilter {
    enforcer: Rc<Enforcer>,
    denied: bool,
}

impl ConnectionFilter {
    pub(crate) fn new(enforcer: Rc<Enforcer>) -> Self {
        Self { enforcer, denied: false }
    }
}

impl Context for ConnectionFilter {}

impl StreamContext for ConnectionFilter {
    fn on_new_connection(&mut self) -> Action {
        let outcome = self.enforcer.enforce(Subject::Connection, None, |set, connection, certificate| {
            set.connection_by(connection, certificate)
        });
        if matches!(outcome, Outcome::Passes) {
            return Action::Continue;
        }
        self.denied = true;
        if let Err(status) = host::close_connection() {
            host::log(
                LogLevel::Error,
                &format!("postern: could not close a denied connection: status {status}"),
            );
        }
        Action::Pause
    }

    /// Where the host could not close it, nothing of it gets any further either.
    fn on_downstream_data(&mut self, _: usize, _: bool) -> Action {
        if self.denied { Action::Pause } else { Action::Continue }
    }
}
