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
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Who sends cannot be told yet.
    Undecided,
    LetIn,
    Denied,
}

impl ConnectionFilter {
    pub(crate) fn new(enforcer: Rc<Enforcer>) -> Self {
        Self { enforcer, state: State::Undecided }
    }

    fn decide(&mut self) -> Action {
        let outcome = self.enforcer.enforce(Subject::Connection, None, |set, connection, certificate| {
            set.connection_by(connection, certificate)
        });
        if matches!(outcome, Outcome::Passes) {
            self.state = State::LetIn;
            return Action::Continue;
        }
        self.state = State::Denied;
        if let Err(status) = host::close_connection() {
            host::log(
                LogLevel::Error,
                &format!("postern: could not close a denied connection: status {status}"),
            );
        }
        Action::Pause
    }
}

impl Context for ConnectionFilter {}

impl StreamContext for ConnectionFilter {
    fn on_new_connection(&mut self) -> Action {
        // By the address it might be let in that belongs to somebody else than the certificate, or closed that would
        // show one. The filters behind this one, and so the upstream, do not hear of it until it is decided.
        if self.enforcer.awaits_certificate() { Action::Pause } else { self.decide() }
    }

    /// Where the host could not close it, nothing of it gets any further either.
    fn on_downstream_data(&mut self, _: usize, _: bool) -> Action {
        match self.state {
            // What was read has come through the handshake.
            State::Undecided => self.decide(),
            State::LetIn => Action::Continue,
            State::Denied => Action::Pause,
        }
    }
}
