//! The leader creates the identities that the index asks for, and deletes those that nobody has for long.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kube::api::{DeleteParams, PostParams, Preconditions};
use kube::{Api, Client, ResourceExt};
use postern_controller_api::identity::PosternIdentity;
use postern_controller_index::IdentityRequest;
use tokio::sync::watch;

use crate::lease::Role;
use crate::metrics::Writes;
use crate::status::changed;

/// The pause after a failure.
const RETRY: Duration = Duration::from_secs(1);
/// How often the unused ones are looked at, at least.
const INTERVAL: Duration = Duration::from_secs(60);
/// How long the API server may take for one.
const WITHIN: Duration = Duration::from_secs(10);

/// Since when each number is unused. No clock.
#[derive(Debug, Default)]
struct Unused(BTreeMap<u32, Instant>);

impl Unused {
    /// Takes in what is unused now.
    fn update(&mut self, unused: &BTreeSet<u32>, now: Instant) {
        self.0.retain(|number, _| unused.contains(number));
        for number in unused {
            self.0.entry(*number).or_insert(now);
        }
    }

    /// What has been unused for `grace`.
    fn due(&self, grace: Duration, now: Instant) -> Vec<u32> {
        let old = |since: &Instant| now.duration_since(*since) >= grace;
        self.0.iter().filter(|(_, since)| old(since)).map(|(number, _)| *number).collect()
    }
}

/// Creates and deletes.
pub(crate) struct IdentityWriter {
    pub(crate) client: Client,
    pub(crate) requests: watch::Receiver<Arc<Vec<IdentityRequest>>>,
    pub(crate) unused: watch::Receiver<Arc<BTreeSet<u32>>>,
    pub(crate) grace: Duration,
    pub(crate) role: watch::Receiver<Role>,
    pub(crate) metrics: Writes,
}

impl IdentityWriter {
    pub(crate) async fn run(mut self) -> Infallible {
        let api: Api<PosternIdentity> = Api::all(self.client.clone());
        let mut since = Unused::default();
        let interval = INTERVAL.min(self.grace / 2).max(Duration::from_millis(100));
        loop {
            since.update(&self.unused.borrow_and_update().clone(), Instant::now());
            let requests = self.requests.borrow_and_update().clone();
            let mut failed = false;
            if self.role.borrow_and_update().leader {
                for request in requests.iter() {
                    failed |= !self.create(&api, request).await;
                }
                for number in since.due(self.grace, Instant::now()) {
                    // Creating may have taken a while, and somebody may have it again.
                    if self.unused.borrow().contains(&number) {
                        failed |= !self.delete(&api, number).await;
                    }
                }
            }
            if failed {
                tokio::time::sleep(RETRY).await;
                continue;
            }
            tokio::select! {
                () = changed(&mut self.requests) => {}
                () = changed(&mut self.unused) => {}
                () = changed(&mut self.role) => {}
                () = tokio::time::sleep(interval) => {}
            }
        }
    }

    async fn create(&self, api: &Api<PosternIdentity>, request: &IdentityRequest) -> bool {
        let parameters = PostParams::default();
        let object = request.object();
        let create = async {
            match api.create(&parameters, &object).await {
                Ok(_) => Ok(true),
                // Somebody has the number. The index sees the object and asks for another.
                Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(false),
                Err(error) => Err(error),
            }
        };
        self.finish("created", request.number, create).await
    }

    async fn delete(&self, api: &Api<PosternIdentity>, number: u32) -> bool {
        let name = number.to_string();
        let delete = async {
            let Some(found) = api.get_opt(&name).await? else { return Ok(false) };
            let preconditions =
                Preconditions { uid: found.uid(), resource_version: found.resource_version() };
            let parameters = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
            match api.delete(&name, &parameters).await {
                Ok(_) => Ok(true),
                Err(kube::Error::Api(status)) if status.is_not_found() || status.is_conflict() => Ok(false),
                Err(error) => Err(error),
            }
        };
        self.finish("deleted", number, delete).await
    }

    /// Whether it is done with.
    async fn finish(
        &self,
        what: &str,
        number: u32,
        write: impl Future<Output = Result<bool, kube::Error>>,
    ) -> bool {
        let problem = match tokio::time::timeout(WITHIN, write).await {
            Ok(Ok(true)) => {
                self.metrics.done.inc();
                tracing::info!(number, "identity {what}");
                return true;
            }
            Ok(Ok(false)) => return true,
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {WITHIN:?}"),
        };
        self.metrics.failed.inc();
        tracing::warn!(number, problem, "an identity could not be {what} and is tried again");
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_grace_starts_anew_when_a_number_was_used_again() {
        let (mut unused, now) = (Unused::default(), Instant::now());
        let minute = Duration::from_secs(60);
        unused.update(&BTreeSet::from([256, 257]), now);
        unused.update(&BTreeSet::from([257]), now + 5 * minute);
        unused.update(&BTreeSet::from([256, 257]), now + 6 * minute);
        assert_eq!(unused.due(10 * minute, now + 10 * minute), [257]);
        assert_eq!(unused.due(10 * minute, now + 16 * minute), [256, 257]);
    }
}
