//! What became of the filter's configuration.

use std::sync::Arc;

use sha2::{Digest, Sha256};
use tokio::sync::watch;

/// What one worker did with the configurations that it was given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WorkerStatus {
    /// How many it answered.
    pub answered: u64,
    /// How many it accepted.
    pub accepted: u64,
    /// Whether the one in use has a policy in it: it is not empty.
    pub loaded: bool,
    /// The SHA-256 of the one in use, in hexadecimal; none before the first.
    pub digest: Option<Arc<str>>,
    /// Why the latest was not taken; none if it was.
    pub refusal: Option<Arc<str>>,
}

/// Every worker's status, to be read and waited on.
#[derive(Clone, Debug)]
pub struct ConfigStatus {
    workers: watch::Receiver<Vec<WorkerStatus>>,
}

impl ConfigStatus {
    /// The status now.
    #[must_use]
    pub fn workers(&self) -> Vec<WorkerStatus> {
        self.workers.borrow().clone()
    }

    /// Whether every worker has a policy.
    #[must_use]
    pub fn is_loaded(&self) -> bool {
        self.workers.borrow().iter().all(|worker| worker.loaded)
    }

    /// Waits until every worker satisfies a condition. `false`: the proxy has ended before.
    pub async fn wait(&mut self, condition: impl Fn(&WorkerStatus) -> bool) -> bool {
        self.workers.wait_for(|workers| workers.iter().all(&condition)).await.is_ok()
    }
}

/// Where workers report.
#[derive(Debug)]
pub(crate) struct StatusBoard {
    workers: watch::Sender<Vec<WorkerStatus>>,
}

impl StatusBoard {
    pub(crate) fn new(workers: usize) -> Self {
        Self { workers: watch::Sender::new(vec![WorkerStatus::default(); workers]) }
    }

    pub(crate) fn read(&self) -> ConfigStatus {
        ConfigStatus { workers: self.workers.subscribe() }
    }

    pub(crate) fn accepted(&self, worker: usize, configuration: &[u8]) {
        let digest: String = Sha256::digest(configuration).iter().map(|byte| format!("{byte:02x}")).collect();
        self.update(worker, |status| {
            status.accepted += 1;
            status.loaded = !configuration.is_empty();
            status.digest = Some(digest.into());
            status.refusal = None;
        });
    }

    /// Notes a refusal, and tells whether it is news: every worker refuses the same configuration.
    pub(crate) fn refused(&self, worker: usize, reason: &str) -> bool {
        let known = |status: &WorkerStatus| status.refusal.as_deref() == Some(reason);
        let news = !self.workers.borrow().iter().any(known);
        self.update(worker, |status| status.refusal = Some(reason.into()));
        news
    }

    fn update(&self, worker: usize, change: impl FnOnce(&mut WorkerStatus)) {
        self.workers.send_modify(|workers| {
            if let Some(status) = workers.get_mut(worker) {
                status.answered += 1;
                change(status);
            }
        });
    }
}
