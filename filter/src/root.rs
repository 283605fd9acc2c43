//! The root context: configuration, and which of the two filters the plugin is.

use std::cell::OnceCell;
use std::rc::Rc;

use proxy_wasm::traits::{Context, HttpContext, RootContext, StreamContext};
use proxy_wasm::types::{ContextType, LogLevel};

use crate::connection::ConnectionFilter;
use crate::http::HttpFilter;
use crate::metrics::Metrics;
use crate::policy::{self, Policy};
use crate::{CONNECTION, host};

#[derive(Default)]
pub(crate) struct Root {
    policy: Policy,
    metrics: Rc<Metrics>,
    /// Asked for each new context, and never another: the host is asked once.
    is_connection: OnceCell<bool>,
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
        match policy::load(bundle) {
            Ok((set, quarantined)) => {
                self.metrics.quarantined(quarantined.len());
                for rule in quarantined {
                    let text = format!("postern: rule {} is quarantined: {}", rule.rule, rule.reason);
                    host::log(LogLevel::Warn, &text);
                }
                self.policy = Policy::Loaded(set);
                true
            }
            Err(error) => {
                let kept = match self.policy {
                    Policy::NotLoaded => "everything is denied until a good one comes",
                    Policy::Loaded(_) => "the last good one stays in force",
                };
                host::log(LogLevel::Error, &format!("postern: configuration refused: {error}; {kept}"));
                false
            }
        }
    }

    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(HttpFilter::new(self.policy.clone(), Rc::clone(&self.metrics))))
    }

    fn create_stream_context(&self, _: u32) -> Option<Box<dyn StreamContext>> {
        Some(Box::new(ConnectionFilter::new(self.policy.clone(), Rc::clone(&self.metrics))))
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
        match self.policy {
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
