//! The client of `postern node` and `postern proxy`, against the server and against one that misbehaves.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod world;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use envoy_types::pb::envoy::service::discovery::v3::aggregated_discovery_service_server::{
    AggregatedDiscoveryService, AggregatedDiscoveryServiceServer,
};
use envoy_types::pb::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse, Resource,
};
use envoy_types::pb::google::protobuf::Any;
use postern_xds::client::{
    Client, ClientConfig, ClientCredentials, Connection, Kind, Pem, Refusal, Snapshot,
};
use postern_xds::resource::ResourceType;
use postern_xds::server::{ClientKind, Event, Limits, server_tls};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::{Request, Response, Status, Streaming};
use world::pki::Pki;
use world::server::{Known, Server, Snapshots};
use world::{snapshot, soon};

/// A client that hands out what it applies.
struct Follower {
    applied: mpsc::Receiver<Snapshot>,
    connection: watch::Receiver<Connection>,
    refuse: Arc<Mutex<Option<String>>>,
    task: JoinHandle<()>,
    _dir: TempDir,
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn token(dir: &TempDir, text: &str) -> PathBuf {
    let path = dir.path().join("token");
    std::fs::write(&path, text).unwrap();
    path
}

fn config(addr: std::net::SocketAddr, pki: &Pki, credentials: ClientCredentials) -> ClientConfig {
    ClientConfig {
        endpoint: format!("https://{addr}"),
        server_name: None,
        authority: Pem::Inline(pki.authority().into_bytes()),
        credentials,
        node: "node1".to_owned(),
        kind: Kind::Node,
    }
}

impl Follower {
    fn start(addr: std::net::SocketAddr, pki: &Pki) -> Follower {
        let dir = tempfile::tempdir().unwrap();
        let token = token(&dir, "token-of-node1\n");
        Follower::with(config(addr, pki, ClientCredentials::Token(token)), dir)
    }

    fn with(config: ClientConfig, dir: TempDir) -> Follower {
        let client = Client::new(config).unwrap();
        let connection = client.connection();
        let (sender, applied) = mpsc::channel(100);
        let refuse = Arc::new(Mutex::new(None::<String>));
        let refusals = Arc::clone(&refuse);
        let task = tokio::spawn(async move {
            client
                .follow(move |snapshot| {
                    let verdict =
                        refusals.lock().unwrap().clone().map_or(Ok(()), |text| Err(Refusal { text }));
                    let sender = sender.clone();
                    async move {
                        sender.send(snapshot).await.unwrap();
                        verdict
                    }
                })
                .await;
        });
        Follower { applied, connection, refuse, task, _dir: dir }
    }

    async fn applied(&mut self) -> Snapshot {
        soon("snapshot", self.applied.recv()).await.unwrap()
    }

    async fn disconnected(&mut self) -> String {
        let found = self.connection.wait_for(|it| matches!(it, Connection::Disconnected { .. }));
        match soon("disconnection", found).await.unwrap().clone() {
            Connection::Disconnected { error } => error,
            other => panic!("{other:?}"),
        }
    }
}

fn names(snapshot: &Snapshot) -> Vec<&str> {
    snapshot.endpoints.iter().map(|it| it.name.as_str()).collect()
}

fn path(snapshot: &Snapshot, endpoint: usize) -> &str {
    let postern_policy_wire::Action::Http(rules) = &snapshot.endpoints[endpoint].ingress.rules[0].action
    else {
        panic!("{snapshot:?}");
    };
    rules[0].path.as_deref().unwrap()
}

#[tokio::test]
async fn a_client_follows_its_node() {
    let (pki, snapshots) = (Pki::new(), Snapshots::default());
    snapshots.publish("node1", snapshot(1, &[("d/a", "/a"), ("d/b", "/b")]));
    let mut server = Server::start(&pki, &snapshots);
    let mut follower = Follower::start(server.addr, &pki);

    let first = follower.applied().await;
    assert_eq!((first.identities.len(), first.services.len()), (2, 1));
    assert_eq!((names(&first), path(&first, 1)), (vec!["d/a", "d/b"], "/b"));
    assert_eq!(*follower.connection.borrow(), Connection::Connected);
    let report = server.event("connection", |it| (it.event == Event::Connected).then(|| it.clone())).await;
    assert_eq!((report.node.as_str(), report.kind), ("node1", ClientKind::Node));
    server.acked("node1", 1).await;

    snapshots.publish("node1", snapshot(2, &[("d/a", "/a"), ("d/b", "/new")]));
    assert_eq!(path(&follower.applied().await, 1), "/new");
    snapshots.publish("node1", snapshot(3, &[("d/a", "/a")]));
    assert_eq!(names(&follower.applied().await), ["d/a"]);
    server.acked("node1", 3).await;
}

#[tokio::test]
async fn a_refused_snapshot_is_reported_and_the_next_is_tried() {
    let (pki, snapshots) = (Pki::new(), Snapshots::default());
    snapshots.publish("node1", snapshot(1, &[("d/a", "/a")]));
    let mut server = Server::start(&pki, &snapshots);
    let mut follower = Follower::start(server.addr, &pki);
    follower.applied().await;
    server.acked("node1", 1).await;

    *follower.refuse.lock().unwrap() = Some("the map is full".to_owned());
    snapshots.publish("node1", snapshot(2, &[("d/a", "/new")]));
    assert_eq!(path(&follower.applied().await, 0), "/new");
    let refused = |event: &Event| match event {
        Event::Refused { resource_type, resources, revision, detail } => {
            Some((*resource_type, resources.clone(), *revision, detail.clone()))
        }
        _ => None,
    };
    let refusal = server.event("refusal", |it| refused(&it.event)).await;
    let expected = vec!["d/a".to_owned()];
    assert_eq!(refusal, (ResourceType::Endpoint, expected, 2, "the map is full".to_owned()));

    *follower.refuse.lock().unwrap() = None;
    // It goes on from the state before: the refused one is not part of it.
    snapshots.publish("node1", snapshot(3, &[("d/a", "/new"), ("d/b", "/b")]));
    let next = follower.applied().await;
    assert_eq!((names(&next), path(&next, 0)), (vec!["d/a", "d/b"], "/a"));
    snapshots.publish("node1", snapshot(4, &[("d/a", "/good"), ("d/b", "/b")]));
    assert_eq!(path(&follower.applied().await, 0), "/good");
    server.acked("node1", 4).await;
}

#[tokio::test]
async fn a_server_that_comes_back_resends_nothing() {
    let (pki, snapshots) = (Pki::new(), Snapshots::default());
    snapshots.publish("node1", snapshot(1, &[("d/a", "/a")]));
    let mut server = Server::start(&pki, &snapshots);
    let addr = server.addr;
    let mut follower = Follower::start(addr, &pki);
    follower.applied().await;
    server.acked("node1", 1).await;

    server.stop().await;
    follower.disconnected().await;
    let mut server = Server::start_at(addr, &pki, &snapshots, Known::default(), Limits::default());
    server.acked("node1", 1).await;
    // Nothing was applied in between: the next is the change.
    assert!(follower.applied.try_recv().is_err());
    snapshots.publish("node1", snapshot(2, &[("d/a", "/new")]));
    assert_eq!(path(&follower.applied().await, 0), "/new");
    server.acked("node1", 2).await;
}

#[tokio::test]
async fn a_token_is_read_again_for_each_connection() {
    let (pki, snapshots) = (Pki::new(), Snapshots::default());
    snapshots.publish("node1", snapshot(1, &[("d/a", "/a")]));
    let server = Server::start(&pki, &snapshots);
    let dir = tempfile::tempdir().unwrap();
    let path = token(&dir, "wrong");
    let mut follower = Follower::with(config(server.addr, &pki, ClientCredentials::Token(path.clone())), dir);
    let error = follower.disconnected().await;
    assert!(error.contains("Unauthenticated") && error.contains("token"), "{error}");
    std::fs::write(path, "token-of-node1").unwrap();
    follower.applied().await;
}

#[tokio::test]
async fn a_token_of_another_node_is_refused() {
    let (pki, snapshots) = (Pki::new(), Snapshots::default());
    snapshots.publish("node2", snapshot(1, &[("d/a", "/a")]));
    let server = Server::start(&pki, &snapshots);
    let dir = tempfile::tempdir().unwrap();
    let path = token(&dir, "token-of-node2");
    let mut follower = Follower::with(config(server.addr, &pki, ClientCredentials::Token(path)), dir);
    let error = follower.disconnected().await;
    assert!(error.contains("PermissionDenied") && error.contains("node2"), "{error}");
    assert!(follower.applied.try_recv().is_err());
}

#[tokio::test]
async fn a_certificate_does_as_well_as_a_token() {
    let (pki, snapshots) = (Pki::new(), Snapshots::default());
    snapshots.publish("node1", snapshot(1, &[("d/a", "/a")]));
    let mine = pki.client("node1");
    let known = Known { certificates: HashMap::from([(mine.der.clone(), "node1".to_owned())]) };
    let any = "127.0.0.1:0".parse().unwrap();
    let server = Server::start_at(any, &pki, &snapshots, known, Limits::default());
    let with = |certified: world::pki::Certified| {
        let credentials = ClientCredentials::Certificate {
            certificate: Pem::Inline(certified.certificate.into_bytes()),
            key: Pem::Inline(certified.key.into_bytes()),
        };
        Follower::with(config(server.addr, &pki, credentials), tempfile::tempdir().unwrap())
    };
    assert_eq!(names(&with(mine).applied().await), ["d/a"]);
    // Of the right authority, but nobody; and of another authority.
    let error = with(pki.client("node1")).disconnected().await;
    assert!(error.contains("Unauthenticated"), "{error}");
    with(Pki::new().client("node1")).disconnected().await;
}

#[tokio::test]
async fn a_server_of_another_authority_is_not_trusted() {
    let (pki, snapshots) = (Pki::new(), Snapshots::default());
    snapshots.publish("node1", snapshot(1, &[("d/a", "/a")]));
    let server = Server::start(&pki, &snapshots);
    let mut follower = Follower::start(server.addr, &Pki::new());
    let error = follower.disconnected().await;
    assert!(error.contains("certificate"), "{error}");
    assert!(follower.applied.try_recv().is_err());
}

/// A server that says what it is told, and keeps what it hears.
struct Scripted {
    script: Mutex<Option<Vec<DeltaDiscoveryResponse>>>,
    heard: mpsc::Sender<DeltaDiscoveryRequest>,
}

#[tonic::async_trait]
impl AggregatedDiscoveryService for Scripted {
    type StreamAggregatedResourcesStream = tokio_stream::Empty<Result<DiscoveryResponse, Status>>;
    type DeltaAggregatedResourcesStream = ReceiverStream<Result<DeltaDiscoveryResponse, Status>>;

    async fn stream_aggregated_resources(
        &self,
        _: Request<Streaming<DiscoveryRequest>>,
    ) -> Result<Response<Self::StreamAggregatedResourcesStream>, Status> {
        Err(Status::unimplemented("not here"))
    }

    async fn delta_aggregated_resources(
        &self,
        request: Request<Streaming<DeltaDiscoveryRequest>>,
    ) -> Result<Response<Self::DeltaAggregatedResourcesStream>, Status> {
        let script = self.script.lock().unwrap().take().ok_or_else(|| Status::unavailable("said it all"))?;
        let (responses, receiver) = mpsc::channel(script.len());
        let heard = self.heard.clone();
        let mut requests = request.into_inner();
        for response in script {
            responses.send(Ok(response)).await.unwrap();
        }
        tokio::spawn(async move {
            while let Ok(Some(request)) = requests.message().await {
                heard.send(request).await.unwrap();
            }
            drop(responses);
        });
        Ok(Response::new(ReceiverStream::new(receiver)))
    }
}

fn response(resource_type: ResourceType, nonce: &str, name: &str, body: &str) -> DeltaDiscoveryResponse {
    let any = Any { type_url: resource_type.type_url().to_owned(), value: body.as_bytes().to_vec() };
    DeltaDiscoveryResponse {
        type_url: resource_type.type_url().to_owned(),
        nonce: nonce.to_owned(),
        resources: vec![Resource {
            name: name.to_owned(),
            version: "1".to_owned(),
            resource: Some(any),
            ..Resource::default()
        }],
        ..DeltaDiscoveryResponse::default()
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_by_name() {
    let pki = Pki::new();
    let policy = r#"{"defaultDeny":true,"rules":[]}"#;
    let good = format!(r#"{{"name":"d/a","addresses":["10.0.0.1"],"ingress":{policy},"egress":{policy}}}"#);
    let identity = r#"{"id":256,"labels":[],"addresses":["10.0.0.1/32"]}"#;
    let service = r#"{"name":"d/s","addresses":[],"ports":[]}"#;
    let script = vec![
        response(ResourceType::Identity, "1", "256", identity),
        response(ResourceType::Service, "2", "d/s", service),
        response(ResourceType::Endpoint, "3", "d/a", &good),
        response(ResourceType::Endpoint, "4", "d/a", &good.replace("\"rules\":[]", "\"rulez\":[]")),
        response(ResourceType::Identity, "5", "257", identity),
    ];
    let (heard, mut hears) = mpsc::channel(100);
    let service = AggregatedDiscoveryServiceServer::new(Scripted { script: Mutex::new(Some(script)), heard });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let tls = server_tls(pki.server.certificate.as_bytes(), pki.server.key.as_bytes(), None).unwrap();
    let server = tonic::transport::Server::builder().tls_config(tls).unwrap().add_service(service);
    let server = tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));

    let mut follower = Follower::start(addr, &pki);
    let mut answers = Vec::new();
    while answers.len() < 5 {
        let request: DeltaDiscoveryRequest = soon("answer", hears.recv()).await.unwrap();
        if !request.response_nonce.is_empty() {
            answers.push((request.response_nonce, request.error_detail.map(|it| it.message)));
        }
    }
    for (index, (nonce, error)) in answers.iter().enumerate() {
        assert_eq!(*nonce, (index + 1).to_string());
        assert_eq!(error.is_some(), index >= 3, "{answers:?}");
    }
    let why = |index: usize| answers[index].1.clone().unwrap();
    assert!(why(3).contains("\"d/a\"") && why(3).contains("rulez"), "{}", why(3));
    assert!(why(4).contains("\"257\"") && why(4).contains("\"256\""), "{}", why(4));
    // The one good state was applied, once.
    assert_eq!(names(&follower.applied().await), ["d/a"]);
    assert!(follower.applied.try_recv().is_err());
    server.abort();
}
