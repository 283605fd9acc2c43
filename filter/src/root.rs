//! The root context: configuration, and which of the two filters the plugin is.

use std::cell::OnceCell;
use std::rc::Rc;

use postern_filter_report::{EMPTY_REFUSED, InForce, NO_POLICY, Part, Quarantined, Refused};
use postern_policy_wire::Versions;
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
                    let line = Quarantined { rule: rule.rule.as_str(), why: &rule.reason };
                    host::log(LogLevel::Warn, &line.to_string());
                }
                if let Some(Versions { identities, policy }) = &loaded.versions {
                    let kept = loaded.kept;
                    let line = InForce {
                        identities: Part { version: identities, kept: kept.identities },
                        policy: Part { version: policy, kept: kept.policy },
                        took: host::now().zip(started).map_or(0, |(now, then)| now.saturating_sub(then)),
                    };
                    host::log(LogLevel::Info, &line.to_string());
                }
                self.enforcer = Rc::new(Enforcer::new(Policy::Loaded(loaded), Metrics::default()));
                true
            }
            Err(error) => {
                let kept = matches!(self.enforcer.policy(), Policy::Loaded(_));
                let line = Refused { why: &error.to_string(), kept };
                host::log(LogLevel::Error, &line.to_string());
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
                host::log(LogLevel::Warn, NO_POLICY);
                true
            }
            Policy::Loaded(_) => {
                host::log(LogLevel::Error, EMPTY_REFUSED);
                false
            }
        }
    }
}
