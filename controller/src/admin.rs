//! `/metrics`, `/healthz`, `/readyz`.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use postern_controller_index::Outputs;
use postern_ops::{Health, Page, serve_admin};
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::lease::Role;
use crate::metrics::Metrics;
use crate::reach::Reach;

/// What the pages are made of.
#[derive(Clone)]
pub(crate) struct Admin {
    pub(crate) metrics: Metrics,
    pub(crate) outputs: Outputs,
    pub(crate) role: watch::Receiver<Role>,
    pub(crate) reach: Reach,
    pub(crate) health: Arc<Health>,
    pub(crate) away: Duration,
}

impl Admin {
    pub(crate) async fn run(self, listener: TcpListener) -> Infallible {
        let expected = "expected /metrics, /healthz or /readyz";
        serve_admin(listener, expected, move |path| self.page(path)).await
    }

    fn page(&self, path: &str) -> Option<Page> {
        match path {
            "/metrics" => {
                self.metrics.leader.set(i64::from(self.role.borrow().leader));
                self.metrics.sizes.set(&self.outputs.sizes.borrow());
                Some(Page::metrics(&self.metrics.registry))
            }
            "/healthz" if self.health.is_live() => Some(Page::probe(Ok("live"))),
            "/healthz" => Some(Page::probe(Err("a task has ended"))),
            "/readyz" if !self.health.is_ready() => Some(Page::probe(Err("ending"))),
            "/readyz" => {
                let trouble = self.reach.trouble(Instant::now(), self.away);
                Some(Page::probe(trouble.as_deref().map_or(Ok("ready"), Err)))
            }
            _ => None,
        }
    }
}
