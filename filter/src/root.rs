//! The root context: configuration, and which of the two filters the plugin is.

use std::cell::OnceCell;
use std::rc::Rc;

use proxy_wasm::traits::{Context, HttpContext, RootContext, StreamContext};
use proxy_wasm::types::{ContextType, LogLevel};

use crate::connection::ConnectionFilter;
use crate::enforce::Enforcer;
use crate::http::HttpFilter;
use crate::metrics::Metrics;
use crate::policy::{self, Policy};
use crate::{CONNECTION, host};

pub(crate) struct Root {
    enforcer: Rc<Enforcer>,
    /// Asked for each new context, and never another: the host is asked once.
    is_connection: OnceCell<bool>,
}

impl Default for Root {
    fn default() -> Self {
        let enforcer = Rc::new(Enforcer::new(Policy::default(), Metrics::default()));
        Self { enforcer, is_connection: OnceCell::new() }
    }
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, size: usize) -> bool {
        let bundle = match host::configuration(size) {
            Ok(bundle) if size > 0 => bundle,
            Ok(_) => return self.without_configuration(),
            Err(status) => {
                host::log(
                    LogLevel::Error,
                    &format!("postern: the host gave no configuration: status {status}"),
                );
                return false;
            }
        };
        let started = host::now();
        match policy::load(bundle) {
            Ok(loaded) => {
                self.enforcer.metrics().quarantined(loaded.quarantined.len());
                for rule in &loaded.quarantined {
                    let text = format!("postern: rule {} is quarantined: {}", rule.rule, rule.reason);
                    host::log(LogLevel::Warn, &text);
                }
                if let Some(versions) = &loaded.versions {
                    let kept = |kept| if kept { " (kept)" } else { "" };
                    let took = host::now().zip(started).map_or(0, |(now, then)| now.saturating_sub(then));
                    let text = format!(
                        "postern: in force: identities {:?}{}, policy {:?}{}, read in {} µs",
                        versions.identities,
                        kept(loaded.kept.identities),
                        versions.policy,
                        kept(loaded.kept.policy),
                        took / 1000,
                    );
                    host::log(LogLevel::Info, &text);
                }
                self.enforcer = Rc::new(Enforcer::new(Policy::Loaded(loaded), Metrics::default()));
                true
            }
            Err(error) => {
                let kept = match self.enforcer.policy() {
                    Policy::NotLoaded => "everything is denied until a good one comes",
                    Policy::Loaded(_) => "the last good one stays in force",
                };
                host::log(LogLevel::Error, &format!("postern: configuration refused: {error}; {kept}"));
                false
            }
        }
    }

    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(HttpFilter::new(Rc::clone(&self.enforcer))))
    }

    fn create_stream_context(&self, _: u32) -> Option<Box<dyn StreamContext>> {
        Some(Box::new(ConnectionFilter::new(Rc::clone(&self.enforcer))))
    }

    fn get_type(&self) -> Option<ContextType> {
        let known = self.is_connection.get().copied().or_else(|| {
            let id = host::property("plugin_root_id").ok()?;
            Some(*self.is_connection.get_or_init(|| id == CONNECTION))
        });
        Some(if known == Some(true) { ContextType::StreamContext } else { ContextType::HttpContext })
    }
}

impl Root {
    /// No configuration is a legal start, and never a way to lose the policy in force.
    fn without_configuration(&self) -> bool {
        match self.enforcer.policy() {
            Policy::NotLoaded => {
                host::log(LogLevel::Warn, "postern: no policy loaded yet: everything is denied");
                true
            }
            Policy::Loaded(_) => {
                host::log(
                    LogLevel::Error,
                    "postern: empty configuration refused: the last good one stays in force",
                );
                false
            }
        }
    }
}
