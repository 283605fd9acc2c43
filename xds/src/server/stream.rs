//! One client's stream: carries what the session says.

use std::sync::Arc;
use std::time::Duration;

use envoy_types::pb::envoy::service::discovery::v3::{DeltaDiscoveryRequest, DeltaDiscoveryResponse};
use tokio::sync::{mpsc, watch};
use tonic::{Status, Streaming};

use super::profile::Profile;
use super::report::{Event, Report};
use super::session::{Session, Step};
use super::streams::Place;
use crate::snapshot::NodeSnapshot;

/// How long a client may take to say what it wants.
const FIRST_REQUEST: Duration = Duration::from_secs(20);

pub(super) struct Stream {
    pub(super) number: u64,
    pub(super) node: String,
    pub(super) requests: Streaming<DeltaDiscoveryRequest>,
    pub(super) responses: mpsc::Sender<Result<DeltaDiscoveryResponse, Status>>,
    pub(super) snapshots: watch::Receiver<Arc<NodeSnapshot>>,
    pub(super) reports: mpsc::Sender<Report>,
    pub(super) shutdown: watch::Receiver<bool>,
    pub(super) place: Place,
}

impl Stream {
    /// Serves the client until either side has had enough.
    pub(super) async fn run(mut self) {
        let first = match self.first_request().await {
            Ok(first) => first,
            Err(status) => return self.end(status).await,
        };
        let profile = match Profile::read(first.node.as_ref(), &self.node) {
            Ok(profile) => profile,
            Err(status) => {
                tracing::warn!(node = self.node, stream = self.number, %status, "an xDS client is refused");
                return self.end(status).await;
            }
        };
        let reporter = Reporter {
            template: Report {
                node: self.node.clone(),
                kind: profile.kind,
                workload: profile.attachment.workload.clone(),
                stream: self.number,
                event: Event::Connected,
            },
            reports: self.reports.clone(),
            shutdown: self.shutdown.clone(),
        };
        tracing::info!(node = self.node, kind = %profile.kind, stream = self.number, "an xDS client is connected");
        reporter.tell(Event::Connected).await;
        let snapshot = Arc::clone(&self.snapshots.borrow_and_update());
        let served = self.serve(Session::new(profile, snapshot), first, &reporter).await;
        if let Err(status) = served {
            tracing::info!(node = self.node, stream = self.number, %status, "an xDS client's stream has ended");
            self.end(status).await;
        }
        reporter.tell(Event::Disconnected).await;
    }

    async fn first_request(&mut self) -> Result<DeltaDiscoveryRequest, Status> {
        let first = tokio::time::timeout(FIRST_REQUEST, self.requests.message()).await;
        let first = first.map_err(|_| Status::deadline_exceeded("nothing was subscribed to in time"))?;
        first?.ok_or_else(|| Status::cancelled("the client has left"))
    }

    async fn serve(
        &mut self,
        mut session: Session,
        first: DeltaDiscoveryRequest,
        reporter: &Reporter,
    ) -> Result<(), Status> {
        let mut request = Some(first);
        loop {
            if let Some(refusal) = request.take().map(|it| session.request(it)).transpose()?.flatten() {
                tracing::warn!(node = self.node, stream = self.number, ?refusal, "an xDS client refuses");
                reporter.tell(refusal).await;
            }
            loop {
                match session.step() {
                    Step::Send(response) => {
                        let gone = |_| Status::cancelled("the client has left");
                        self.responses.send(Ok(response)).await.map_err(gone)?;
                    }
                    Step::Tell(event) => reporter.tell(event).await,
                    Step::Wait => break,
                }
            }
            tokio::select! {
                message = self.requests.message() => match message? {
                    Some(message) => request = Some(message),
                    None => return Ok(()),
                },
                changed = self.snapshots.changed() => {
                    changed.map_err(|_| Status::unavailable("the node's policy is no longer published here"))?;
                    let snapshot = Arc::clone(&self.snapshots.borrow_and_update());
                    session.publish(snapshot).map_err(|error| Status::internal(error.to_string()))?;
                }
                () = self.responses.closed() => return Ok(()),
                _ = self.shutdown.wait_for(|shutdown| *shutdown) => {
                    return Err(Status::unavailable("the server is going away: connect again"));
                }
            }
        }
    }

    /// Tells the client why the stream ends, if it still listens.
    async fn end(&self, status: Status) {
        let _ = self.responses.send(Err(status)).await;
        let _: &Place = &self.place;
    }
}

struct Reporter {
    template: Report,
    reports: mpsc::Sender<Report>,
    shutdown: watch::Receiver<bool>,
}

impl Reporter {
    /// Waits for room: whoever reads the reports sets the pace. Nobody may read them, or no longer.
    async fn tell(&self, event: Event) {
        let report = Report { event, ..self.template.clone() };
        let mut shutdown = self.shutdown.clone();
        tokio::select! {
            biased;
            _ = self.reports.send(report) => {}
            _ = shutdown.wait_for(|shutdown| *shutdown) => {}
        }
    }
}
