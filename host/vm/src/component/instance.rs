//! One living instance of a component.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use postern_filter_report::{EMPTY_REFUSED, Refused, Subject};
use wasmtime::Store;

use super::answer::denied;
use super::bindings::exports::postern::policy::decider::Verdict;
use super::bindings::{Policy, PolicyPre};
use super::question;
use super::report::Reporter;
use crate::connection::ConnectionInfo;
use crate::engine::Engine;
use crate::fault::Fault;
use crate::headers::Headers;
use crate::host::MemoryLimit;
use crate::instance::NotTaken;
use crate::metrics::MetricsStore;
use crate::module::Plugin;
use crate::response::RequestOutcome;

/// What an answer may take on the host's side, in bytes: a few lines of text, and the names of all quarantined rules.
const MAX_DECISION: usize = 256 << 10;
const MAX_REPORT: usize = 32 << 20;

/// What the host keeps of a component: it calls nothing.
pub(crate) struct Asked {
    memory_limit: MemoryLimit,
}

pub(crate) struct Instance {
    store: Store<Asked>,
    world: Policy,
    reporter: Reporter,
    configured: bool,
    /// Time limits, in ticks of the engine's clock.
    call_ticks: u64,
    configure_ticks: u64,
}

impl Instance {
    /// Instantiates; does not configure.
    pub(crate) fn start(
        engine: &Engine,
        code: &PolicyPre<Asked>,
        plugin: &Arc<Plugin>,
        metrics: &Arc<MetricsStore>,
    ) -> Result<Self, Fault> {
        let limits = engine.limits();
        let configure_ticks = engine.ticks(limits.configure_time);
        let mut store =
            Store::new(engine.wasm(), Asked { memory_limit: MemoryLimit::new(limits.memory_bytes) });
        store.limiter(|asked| &mut asked.memory_limit);
        store.set_epoch_deadline(configure_ticks);
        match code.instantiate(&mut store) {
            Ok(world) => Ok(Self {
                store,
                world,
                reporter: Reporter::new(plugin.clone(), metrics.clone()),
                configured: false,
                call_ticks: engine.ticks(limits.call_time),
                configure_ticks,
            }),
            Err(error) => Err(Fault::from_error(&error, &store.data().memory_limit, None)),
        }
    }

    /// Gives the component a bundle. None at all is a legal start, and never a way to lose the policy in force.
    pub(crate) fn configure(&mut self, configuration: &Bytes) -> Result<(), NotTaken> {
        if configuration.is_empty() {
            if self.configured {
                return Err(self.refused(EMPTY_REFUSED.to_owned()));
            }
            self.reporter.without_policy();
            return Ok(());
        }
        self.prepare(self.configure_ticks, MAX_REPORT);
        let started = Instant::now();
        let answer = self.world.postern_policy_decider().call_configure(&mut self.store, configuration);
        match answer.map_err(|error| NotTaken::Fault(self.fault(&error)))? {
            Ok(report) => {
                self.configured = true;
                self.reporter.configured(&report, started.elapsed());
                Ok(())
            }
            Err(refusal) => {
                let line = Refused { why: &refusal.explanation, kept: self.configured };
                Err(self.refused(line.to_string()))
            }
        }
    }

    /// The line that the log has is the reason too, as it is where a module refuses.
    fn refused(&self, line: String) -> NotTaken {
        self.reporter.refused(&line);
        NotTaken::Refused(line)
    }

    /// Asks about a connection. Whether it may stay.
    pub(crate) fn connection(&mut self, info: &ConnectionInfo) -> Result<bool, Fault> {
        self.prepare(self.call_ticks, MAX_DECISION);
        let decider = self.world.postern_policy_decider();
        let answer = decider.call_decide_connection(&mut self.store, question::connection(info));
        let judgement = answer.map_err(|error| self.fault(&error))?;
        let _not_told = self.reporter.decided(Subject::Connection, &judgement);
        Ok(matches!(judgement.enforced.verdict, Verdict::Allow | Verdict::Redirect))
    }

    /// Asks about a request.
    pub(crate) fn request(
        &mut self,
        info: &ConnectionInfo,
        headers: &Headers,
    ) -> Result<RequestOutcome, Fault> {
        let mut list = Vec::with_capacity(headers.len());
        let Some(request) = question::request(headers, &mut list) else {
            self.reporter.unreadable();
            return Ok(RequestOutcome::Respond(denied(None)));
        };
        self.prepare(self.call_ticks, MAX_DECISION);
        let decider = self.world.postern_policy_decider();
        let answer = decider.call_decide_request(&mut self.store, question::connection(info), request);
        let judgement = answer.map_err(|error| self.fault(&error))?;
        let quoted = self.reporter.decided(Subject::Request, &judgement);
        Ok(match judgement.enforced.verdict {
            Verdict::Allow => RequestOutcome::Continue { changed: false },
            // No request is redirected: what is not allowed is denied.
            Verdict::Deny | Verdict::Redirect => RequestOutcome::Respond(denied(quoted.as_deref())),
        })
    }

    fn prepare(&mut self, ticks: u64, answer: usize) {
        self.store.data_mut().memory_limit.reset();
        self.store.set_epoch_deadline(ticks);
        self.store.set_hostcall_fuel(answer);
    }

    fn fault(&self, error: &wasmtime::Error) -> Fault {
        Fault::from_error(error, &self.store.data().memory_limit, None)
    }
}
