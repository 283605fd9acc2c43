//! The protocol, over TLS, with a client that says exactly what it is told.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod world;

use std::collections::HashMap;

use envoy_types::pb::envoy::config::core::v3::TypedExtensionConfig;
use envoy_types::pb::envoy::extensions::filters::http::wasm::v3::Wasm;
use envoy_types::pb::envoy::service::discovery::v3::aggregated_discovery_service_client::AggregatedDiscoveryServiceClient;
use envoy_types::pb::envoy::service::discovery::v3::{DeltaDiscoveryRequest, DiscoveryRequest};
use envoy_types::pb::google::protobuf::StringValue;
use postern_xds::resource::ResourceType;
use postern_xds::server::{ClientKind, Event, Limits};
use postern_xds::snapshot::NodeSnapshot;
use prost::Message as _;
use tonic::Code;
use world::pki::Pki;
use world::raw::{RawClient, channel, names, node, subscribe, versions};
use world::server::{Known, Server, Snapshots};
use world::{snapshot, soon};

const ENDPOINT: ResourceType = ResourceType::Endpoint;

fn start(endpoints: &[(&str, &str)]) -> (Pki, Snapshots, Server) {
    let (pki, snapshots) = (Pki::new(), Snapshots::default());
    snapshots.publish("node1", snapshot(1, endpoints));
    let server = Server::start(&pki, &snapshots);
    (pki, snapshots, server)
}

#[tokio::test]
async fn only_what_changed_is_sent() {
    let (pki, snapshots, mut server) = start(&[("d/a", "/a"), ("d/b", "/b"), ("d/c", "/c")]);
    let mut client = RawClient::all_of(server.addr, &pki, "node1", ENDPOINT, HashMap::new()).await;
    assert_eq!(names(&client.take().await), ["d/a", "d/b", "d/c"]);
    server.acked("node1", 1).await;

    snapshots.publish("node1", snapshot(2, &[("d/a", "/a"), ("d/b", "/new"), ("d/c", "/c")]));
    let response = client.take().await;
    assert_eq!((names(&response), response.removed_resources.len()), (vec!["d/b"], 0));
    assert_eq!(response.system_version_info, "2");
    server.acked("node1", 2).await;

    snapshots.publish("node1", snapshot(3, &[("d/a", "/a"), ("d/b", "/new")]));
    let response = client.take().await;
    assert_eq!((names(&response).len(), response.removed_resources), (0, vec!["d/c".to_owned()]));
    server.acked("node1", 3).await;
}

#[tokio::test]
async fn who_comes_back_is_sent_what_changed_meanwhile() {
    let (pki, snapshots, mut server) = start(&[("d/a", "/a"), ("d/b", "/b")]);
    let mut client = RawClient::all_of(server.addr, &pki, "node1", ENDPOINT, HashMap::new()).await;
    let has = versions(&client.take().await);
    server.acked("node1", 1).await;
    drop(client);
    server.event("disconnection", |it| (it.event == Event::Disconnected).then_some(())).await;

    let mut client = RawClient::all_of(server.addr, &pki, "node1", ENDPOINT, has.clone()).await;
    // Nothing is sent, and that is known: the first response is the change.
    server.acked("node1", 1).await;
    snapshots.publish("node1", snapshot(2, &[("d/a", "/new"), ("d/b", "/b")]));
    assert_eq!(names(&client.take().await), ["d/a"]);
    drop(client);

    snapshots.publish("node1", snapshot(3, &[("d/a", "/a")]));
    let mut client = RawClient::all_of(server.addr, &pki, "node1", ENDPOINT, has).await;
    let response = client.take().await;
    assert_eq!((names(&response).len(), response.removed_resources), (0, vec!["d/b".to_owned()]));
}

#[tokio::test]
async fn a_refusal_is_reported_and_what_was_refused_is_not_sent_again() {
    let (pki, snapshots, mut server) = start(&[("d/a", "/a")]);
    let mut client = RawClient::all_of(server.addr, &pki, "node1", ENDPOINT, HashMap::new()).await;
    let response = client.next().await.unwrap();
    client.answer(&response, Some("no room")).await;
    let refused = Event::Refused {
        resource_type: ENDPOINT,
        resources: vec!["d/a".to_owned()],
        revision: 1,
        detail: "no room".to_owned(),
    };
    let report = server.event("refusal", |it| (it.event == refused).then(|| it.clone())).await;
    assert_eq!((report.node.as_str(), report.kind, report.workload), ("node1", ClientKind::Node, None));
    let except = Event::AckedExcept { revision: 1, refused: vec![(ENDPOINT, "d/a".to_owned())] };
    server.event("the rest", |it| (it.event == except).then_some(())).await;

    snapshots.publish("node1", snapshot(2, &[("d/a", "/a"), ("d/b", "/b")]));
    assert_eq!(names(&client.take().await), ["d/b"]);
    snapshots.publish("node1", snapshot(3, &[("d/a", "/new"), ("d/b", "/b")]));
    assert_eq!(names(&client.take().await), ["d/a"]);
    server.acked("node1", 3).await;
}

#[tokio::test]
async fn each_node_sees_its_own_endpoints() {
    let (pki, snapshots, server) = start(&[("d/a", "/a")]);
    snapshots.publish("node2", snapshot(1, &[("d/b", "/b")]));
    for (node, endpoint) in [("node1", "d/a"), ("node2", "d/b")] {
        let mut client = RawClient::all_of(server.addr, &pki, node, ENDPOINT, HashMap::new()).await;
        assert_eq!(names(&client.take().await), [endpoint]);
        // Nor by name.
        client.send(subscribe(ENDPOINT, &["d/a", "d/b"])).await;
        let response = client.take().await;
        assert_eq!((names(&response), response.removed_resources.len()), (vec![endpoint], 1));
    }
}

#[tokio::test]
async fn who_proves_nothing_gets_nothing() {
    let (pki, _, server) = start(&[("d/a", "/a")]);
    for authorization in [None, Some("Bearer wrong"), Some("Basic token-of-node1"), Some("token-of-node1")] {
        let opened = RawClient::open(server.addr, &pki, authorization, subscribe(ENDPOINT, &["*"])).await;
        assert_eq!(
            opened.err().map(|status| status.code()),
            Some(Code::Unauthenticated),
            "{authorization:?}"
        );
    }
}

#[tokio::test]
async fn nobody_becomes_another_node_by_saying_so() {
    let (pki, snapshots, server) = start(&[("d/a", "/a")]);
    snapshots.publish("node2", snapshot(1, &[("d/b", "/b")]));
    let token = Some("Bearer token-of-node1");

    let mut first = subscribe(ENDPOINT, &["*"]);
    first.node = Some(node(&[("postern.dev/node", "node2")]));
    let mut client = RawClient::open(server.addr, &pki, token, first).await.unwrap();
    let status = client.next().await.unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied);
    assert!(status.message().contains("\"node2\"") && status.message().contains("\"node1\""), "{status}");

    let mut first = subscribe(ENDPOINT, &["*"]);
    let named = node(&[]);
    first.node = Some(envoy_types::pb::envoy::config::core::v3::Node {
        id: "node2".to_owned(),
        cluster: "node2".to_owned(),
        ..named
    });
    let mut client = RawClient::open(server.addr, &pki, token, first).await.unwrap();
    assert_eq!(names(&client.take().await), ["d/a"]);
}

#[tokio::test]
async fn an_envoy_gets_a_bundle_that_the_filter_reads() {
    let (pki, snapshots, mut server) = start(&[("d/a", "/a"), ("d/b", "/b")]);
    let first = DeltaDiscoveryRequest {
        node: Some(node(&[
            ("postern.dev/workload", "d/a"),
            ("postern.dev/direction", "ingress"),
            ("postern.dev/port", "80"),
            ("postern.dev/module", "/m.wasm"),
        ])),
        ..subscribe(ResourceType::ExtensionConfig, &["postern.http"])
    };
    let mut client = RawClient::open(server.addr, &pki, Some("Bearer token-of-node1"), first).await.unwrap();
    let response = client.take().await;
    assert_eq!(names(&response), ["postern.http"]);
    let any = response.resources[0].resource.clone().unwrap();
    let extension = TypedExtensionConfig::decode(any.value.as_slice()).unwrap();
    let wasm = Wasm::decode(extension.typed_config.unwrap().value.as_slice()).unwrap();
    let configuration = wasm.config.unwrap().configuration.unwrap();
    let bundle = StringValue::decode(configuration.value.as_slice()).unwrap().value;
    let (_, quarantined) = postern_policy_wire::decode(bundle.as_bytes()).unwrap();
    assert_eq!(quarantined, []);
    assert!(bundle.contains(r#""endpoint":"d/a""#) && !bundle.contains("d/b"), "{bundle}");
    let report =
        server.event("ack", |it| (it.event == Event::Acked { revision: 1 }).then(|| it.clone())).await;
    assert_eq!((report.kind, report.workload.as_deref()), (ClientKind::Envoy, Some("d/a")));

    // Another workload's policy is none of this Envoy's business; its own is.
    snapshots.publish("node1", snapshot(2, &[("d/a", "/a"), ("d/b", "/other")]));
    server.acked("node1", 2).await;
    snapshots.publish("node1", snapshot(3, &[("d/a", "/new"), ("d/b", "/other")]));
    assert_eq!(client.take().await.system_version_info, "3");
    server.acked("node1", 3).await;
}

#[tokio::test]
async fn the_other_protocol_is_refused_with_what_to_do() {
    let (pki, _, server) = start(&[]);
    let mut client = AggregatedDiscoveryServiceClient::new(channel(server.addr, &pki).await);
    let requests = tokio_stream::iter([DiscoveryRequest::default()]);
    let status = soon("answer", client.stream_aggregated_resources(requests)).await.unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented);
    assert!(status.message().contains("DELTA_GRPC"), "{status}");
}

#[tokio::test]
async fn a_node_has_a_bounded_number_of_streams() {
    let (pki, snapshots) = (Pki::new(), Snapshots::default());
    snapshots.publish("node1", snapshot(1, &[("d/a", "/a")]));
    let limits = Limits { streams_per_node: 1, ..Limits::default() };
    let any = "127.0.0.1:0".parse().unwrap();
    let mut server = Server::start_at(any, &pki, &snapshots, Known::default(), limits);
    let first = RawClient::all_of(server.addr, &pki, "node1", ENDPOINT, HashMap::new()).await;
    let more = |node: &str| {
        let token = format!("Bearer token-of-{node}");
        let (addr, pki) = (server.addr, &pki);
        async move { RawClient::open(addr, pki, Some(&token), subscribe(ENDPOINT, &["*"])).await }
    };
    assert_eq!(more("node1").await.err().map(|status| status.code()), Some(Code::ResourceExhausted));
    assert!(more("node2").await.is_ok());
    drop(first);
    server.event("end", |it| (it.event == Event::Disconnected && it.node == "node1").then_some(())).await;
}

#[tokio::test]
async fn before_anything_is_known_nothing_is_sent() {
    let (pki, snapshots) = (Pki::new(), Snapshots::default());
    let server = Server::start(&pki, &snapshots);
    snapshots.publish("node1", NodeSnapshot::default());
    let mut client = RawClient::all_of(server.addr, &pki, "node1", ENDPOINT, HashMap::new()).await;
    snapshots.publish("node1", snapshot(1, &[("d/a", "/a")]));
    let response = client.take().await;
    assert_eq!((names(&response), response.system_version_info.as_str()), (vec!["d/a"], "1"));
}
