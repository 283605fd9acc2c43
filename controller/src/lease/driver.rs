//! Reads and writes the Lease as the election says.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use kube::api::PostParams;
use kube::{Api, Client};
use tokio::sync::watch;

use super::{Election, Record, Role, Step};
use crate::reach::{Party, Reach};

/// Where the Lease is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseName {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// Why the Lease could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// The API server refused, or is away.
    #[error("the API server does not take the lease: {0}")]
    Api(Box<kube::Error>),
    /// It did not answer in time.
    #[error("the API server did not answer within {0:?}")]
    Timeout(Duration),
}

impl From<kube::Error> for LeaseError {
    fn from(error: kube::Error) -> Self {
        Self::Api(Box::new(error))
    }
}

/// Takes part in the election until `stop`, then gives the Lease back if it is ours. `role` says what we are.
pub async fn follow(
    client: Client,
    name: LeaseName,
    mut election: Election,
    role: watch::Sender<Role>,
    reach: Reach,
    mut stop: watch::Receiver<bool>,
) {
    let api: Api<Lease> = Api::namespaced(client, &name.namespace);
    let mut lease = None;
    let stopped = async { drop(stop.wait_for(|stop| *stop).await) };
    tokio::select! {
        never = take_part(&api, &name, &mut election, (&role, &reach), &mut lease) => match never {},
        () = stopped => {}
    }
    role.send_replace(Role::default());
    if election.is_leader(Instant::now())
        && let Some(lease) = lease
    {
        let released = tokio::time::timeout(election.timing().retry, release(&api, &name, lease)).await;
        match released {
            Ok(Ok(())) => tracing::info!("the lease is given back"),
            Ok(Err(error)) => tracing::info!(%error, "the lease runs out by itself"),
            Err(_) => tracing::info!("the API server does not answer: the lease runs out by itself"),
        }
    }
}

async fn take_part(
    api: &Api<Lease>,
    name: &LeaseName,
    election: &mut Election,
    (role, reach): (&watch::Sender<Role>, &Reach),
    last: &mut Option<Lease>,
) -> Infallible {
    loop {
        let timing = election.timing();
        let now = Instant::now();
        // An answer that comes later than our term is of no use; and nobody but a timer tells us that it is over.
        let limit = match election.leader_until() {
            Some(until) if until > now => until - now,
            _ => timing.renew_deadline,
        };
        let result = match tokio::time::timeout(limit, round(api, name, election, last)).await {
            Ok(result) => result,
            Err(_) => Err(LeaseError::Timeout(limit)),
        };
        match result {
            Ok(()) => reach.answered(Party::Election),
            Err(error) => {
                reach.failed(Party::Election, Instant::now());
                tracing::warn!(%error, "the lease could not be looked after");
            }
        }
        let now = election.role(Instant::now());
        if role.send_if_modified(|role| std::mem::replace(role, now) != now) {
            tracing::info!(now.leader, now.incumbent, candidate = election.me(), "leadership");
        }
        let now = Instant::now();
        let pause = match election.leader_until() {
            Some(until) if until > now => timing.retry.min(until - now),
            _ => timing.retry,
        };
        tokio::time::sleep(pause).await;
    }
}

/// One look at the Lease, and one write if it is called for.
async fn round(
    api: &Api<Lease>,
    name: &LeaseName,
    election: &mut Election,
    last: &mut Option<Lease>,
) -> Result<(), LeaseError> {
    let found = api.get_opt(&name.name).await?;
    let step = election.observe(found.as_ref().map(record), Instant::now());
    let started = Instant::now();
    let parameters = PostParams::default();
    let result = match step {
        Step::Wait => return Ok(()),
        Step::Create => api.create(&parameters, &ours(name, election, None)).await,
        Step::Take | Step::Renew => {
            // With the version that was read: if anybody was faster, this is refused.
            api.replace(&name.name, &parameters, &ours(name, election, found)).await
        }
    };
    match result {
        Ok(written) => {
            election.written(record(&written), started);
            *last = Some(written);
            Ok(())
        }
        Err(kube::Error::Api(status)) if status.is_conflict() || status.is_already_exists() => {
            tracing::debug!("another candidate was faster");
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

fn record(lease: &Lease) -> Record {
    let spec = lease.spec.as_ref();
    let seconds = spec.and_then(|spec| spec.lease_duration_seconds).and_then(|s| u64::try_from(s).ok());
    Record {
        holder: spec.and_then(|spec| spec.holder_identity.clone()),
        version: lease.metadata.resource_version.clone().unwrap_or_default(),
        duration: Duration::from_secs(seconds.unwrap_or_default()),
    }
}

fn ours(name: &LeaseName, election: &Election, found: Option<Lease>) -> Lease {
    let metadata = found.as_ref().map(|lease| lease.metadata.clone());
    let old = found.and_then(|lease| lease.spec);
    let now = MicroTime(Timestamp::now());
    let still = old.as_ref().is_some_and(|old| old.holder_identity.as_deref() == Some(election.me()));
    let transitions = old.as_ref().and_then(|old| old.lease_transitions).unwrap_or_default();
    let acquired = old.and_then(|old| old.acquire_time).filter(|_| still);
    Lease {
        metadata: metadata.unwrap_or_else(|| ObjectMeta {
            name: Some(name.name.clone()),
            namespace: Some(name.namespace.clone()),
            ..ObjectMeta::default()
        }),
        spec: Some(LeaseSpec {
            holder_identity: Some(election.me().to_owned()),
            lease_duration_seconds: i32::try_from(election.timing().duration.as_secs()).ok(),
            acquire_time: Some(acquired.unwrap_or_else(|| now.clone())),
            renew_time: Some(now),
            lease_transitions: Some(if still { transitions } else { transitions.saturating_add(1) }),
            ..LeaseSpec::default()
        }),
    }
}

async fn release(api: &Api<Lease>, name: &LeaseName, mut lease: Lease) -> Result<(), LeaseError> {
    if let Some(spec) = &mut lease.spec {
        spec.holder_identity = None;
        spec.lease_duration_seconds = Some(1);
        spec.renew_time = Some(MicroTime(Timestamp::now()));
    }
    api.replace(&name.name, &PostParams::default(), &lease).await?;
    Ok(())
}
