use std::collections::HashMap;

use envoy_types::pb::google::rpc::Status as RpcStatus;

use super::*;
use crate::extension::Attachment;
use crate::testing::snapshot;

const IDENTITY: ResourceType = ResourceType::Identity;
const ENDPOINT: ResourceType = ResourceType::Endpoint;

fn session(kind: ClientKind, snapshot: Arc<NodeSnapshot>) -> Session {
    Session::new(Profile { kind, attachment: Attachment::default() }, snapshot)
}

fn subscribe(resource_type: ResourceType, names: &[&str]) -> DeltaDiscoveryRequest {
    DeltaDiscoveryRequest {
        type_url: resource_type.type_url().to_owned(),
        resource_names_subscribe: names.iter().map(|name| (*name).to_owned()).collect(),
        ..DeltaDiscoveryRequest::default()
    }
}

fn answer(response: &DeltaDiscoveryResponse, refusal: Option<&str>) -> DeltaDiscoveryRequest {
    let error = |message: &str| RpcStatus { code: 3, message: message.to_owned(), ..RpcStatus::default() };
    DeltaDiscoveryRequest {
        type_url: response.type_url.clone(),
        response_nonce: response.nonce.clone(),
        error_detail: refusal.map(error),
        ..DeltaDiscoveryRequest::default()
    }
}

fn said(response: &DeltaDiscoveryResponse) -> String {
    let resource_type = ResourceType::from_type_url(&response.type_url).unwrap();
    let added = response.resources.iter().map(|it| format!(" +{}", it.name));
    let removed = response.removed_resources.iter().map(|name| format!(" -{name}"));
    format!("{resource_type}{}", added.chain(removed).collect::<String>())
}

fn sent(session: &mut Session) -> DeltaDiscoveryResponse {
    match session.step() {
        Step::Send(response) => response,
        other => panic!("expected a response, not {other:?}"),
    }
}

/// What is sent until there is nothing more, all of it taken, and what is told at the end.
fn settle(session: &mut Session) -> (Vec<String>, Option<Event>) {
    let (mut all, mut told) = (Vec::new(), None);
    loop {
        match session.step() {
            Step::Send(response) => {
                all.push(said(&response));
                assert!(matches!(session.step(), Step::Wait), "one response at a time");
                assert_eq!(session.request(answer(&response, None)).unwrap(), None);
            }
            Step::Tell(event) => told = Some(event),
            Step::Wait => return (all, told),
        }
    }
}

fn follower(snapshot: Arc<NodeSnapshot>) -> Session {
    let mut session = session(ClientKind::Node, snapshot);
    for resource_type in [IDENTITY, ResourceType::Service, ENDPOINT] {
        session.request(subscribe(resource_type, &["*"])).unwrap();
    }
    session
}

#[test]
fn types_come_in_order_and_what_is_only_removed_in_the_opposite_one() {
    let mut session = follower(snapshot(1, &[(256, "10.0.0.1/32"), (257, "10.0.0.2/32")], &[("d/a", true)]));
    let (all, told) = settle(&mut session);
    assert_eq!(all, ["Identity +256 +257", "Service", "Endpoint +d/a"]);
    assert_eq!(told, Some(Event::Acked { revision: 1 }));

    session.publish(snapshot(2, &[(256, "10.0.0.1/32")], &[])).unwrap();
    let (all, told) = settle(&mut session);
    assert_eq!(all, ["Endpoint -d/a", "Identity -257"]);
    assert_eq!(told, Some(Event::Acked { revision: 2 }));
}

#[test]
fn an_address_changes_hands_in_one_response() {
    let mut session = follower(snapshot(1, &[(256, "10.0.0.1/32")], &[("d/a", true)]));
    settle(&mut session);
    session.publish(snapshot(2, &[(257, "10.0.0.1/32")], &[("d/a", true)])).unwrap();
    assert_eq!(settle(&mut session).0, ["Identity +257 -256"]);
}

#[test]
fn what_changes_while_a_response_is_under_way_is_in_the_next() {
    let mut session = follower(snapshot(1, &[(256, "10.0.0.1/32")], &[("d/a", true)]));
    let first = sent(&mut session);
    for revision in 2..5 {
        session.publish(snapshot(revision, &[(256, "10.0.0.1/32")], &[("d/a", revision == 4)])).unwrap();
        assert!(matches!(session.step(), Step::Wait));
    }
    session.request(answer(&first, None)).unwrap();
    let (all, told) = settle(&mut session);
    assert_eq!((all.len(), told), (2, Some(Event::Acked { revision: 4 })));
}

#[test]
fn a_revision_that_changes_nothing_is_acknowledged_at_once() {
    let mut session = follower(snapshot(1, &[(256, "10.0.0.1/32")], &[("d/a", true)]));
    settle(&mut session);
    session.publish(snapshot(2, &[(256, "10.0.0.1/32")], &[("d/a", true)])).unwrap();
    assert_eq!(settle(&mut session), (Vec::new(), Some(Event::Acked { revision: 2 })));
    assert_eq!(settle(&mut session), (Vec::new(), None), "nothing is told twice");
}

#[test]
fn nothing_is_said_before_anything_is_known() {
    let mut session = follower(Arc::new(NodeSnapshot::default()));
    assert!(matches!(session.step(), Step::Wait));
    session.publish(snapshot(1, &[], &[])).unwrap();
    assert_eq!(settle(&mut session).0, ["Identity", "Service", "Endpoint"]);
}

#[test]
fn refused_identities_hold_back_what_rests_on_them() {
    let mut session = follower(snapshot(1, &[(256, "10.0.0.1/32")], &[("d/a", true)]));
    let first = sent(&mut session);
    let refused = Event::Refused {
        resource_type: IDENTITY,
        resources: vec!["256".to_owned()],
        revision: 1,
        detail: "no".to_owned(),
    };
    assert_eq!(session.request(answer(&first, Some("no"))).unwrap(), Some(refused));
    // The later types wait, though their first answers are owed.
    assert!(matches!(session.step(), Step::Wait));
    session.publish(snapshot(2, &[(256, "10.0.0.9/32")], &[("d/a", true)])).unwrap();
    let (all, told) = settle(&mut session);
    assert_eq!(all, ["Identity +256", "Service", "Endpoint +d/a"]);
    assert_eq!(told, Some(Event::Acked { revision: 2 }));
}

#[test]
fn a_refused_endpoint_is_named_until_it_or_an_identity_changes() {
    let mut session = follower(snapshot(1, &[(256, "10.0.0.1/32")], &[]));
    settle(&mut session);
    session.publish(snapshot(2, &[(256, "10.0.0.1/32")], &[("d/a", true)])).unwrap();
    let response = sent(&mut session);
    assert!(session.request(answer(&response, Some("no"))).unwrap().is_some());
    let except =
        |revision| Some(Event::AckedExcept { revision, refused: vec![(ENDPOINT, "d/a".to_owned())] });
    assert_eq!(settle(&mut session), (Vec::new(), except(2)));
    session.publish(snapshot(3, &[(256, "10.0.0.1/32")], &[("d/a", true), ("d/b", true)])).unwrap();
    assert_eq!(settle(&mut session), (vec!["Endpoint +d/b".to_owned()], except(3)));
    session.publish(snapshot(4, &[(256, "10.0.0.2/32")], &[("d/a", true), ("d/b", true)])).unwrap();
    let (all, told) = settle(&mut session);
    assert_eq!(
        (all, told),
        (vec!["Identity +256".to_owned(), "Endpoint +d/a".to_owned()], Some(Event::Acked { revision: 4 }))
    );
}

#[test]
fn an_answer_to_another_response_says_nothing() {
    let mut session = follower(snapshot(1, &[(256, "10.0.0.1/32")], &[("d/a", true)]));
    let mut stale = answer(&sent(&mut session), Some("no"));
    stale.response_nonce = "99".to_owned();
    assert_eq!(session.request(stale).unwrap(), None);
    assert!(matches!(session.step(), Step::Wait));
}

#[test]
fn a_name_that_is_asked_for_again_meanwhile_is_sent_again() {
    let mut session = session(ClientKind::Node, snapshot(1, &[], &[("d/a", true), ("d/b", true)]));
    session.request(subscribe(ENDPOINT, &["d/a", "d/b"])).unwrap();
    let first = sent(&mut session);
    session.request(subscribe(ENDPOINT, &["d/a"])).unwrap();
    session.request(answer(&first, None)).unwrap();
    assert_eq!(settle(&mut session).0, ["Endpoint +d/a"]);
}

#[test]
fn an_envoy_gets_the_filters_that_it_names() {
    let mut session = session(ClientKind::Envoy, snapshot(1, &[(256, "10.0.0.1/32")], &[("d/a", true)]));
    let config = ResourceType::ExtensionConfig;
    session.request(subscribe(config, &["postern.http"])).unwrap();
    session.request(subscribe(config, &["postern.connection", "other"])).unwrap();
    let (all, told) = settle(&mut session);
    assert_eq!(
        all,
        ["ExtensionConfig +postern.connection", "ExtensionConfig +postern.http", "ExtensionConfig -other"]
    );
    assert_eq!(told, Some(Event::Acked { revision: 1 }));
    session.publish(snapshot(2, &[(256, "10.0.0.1/32")], &[("d/a", false)])).unwrap();
    assert_eq!(
        settle(&mut session).0,
        ["ExtensionConfig +postern.connection", "ExtensionConfig +postern.http"]
    );
}

#[test]
fn nothing_is_acknowledged_before_what_the_client_enforces() {
    let mut session = session(ClientKind::Node, snapshot(1, &[(256, "10.0.0.1/32")], &[("d/a", true)]));
    session.request(subscribe(IDENTITY, &["*"])).unwrap();
    assert_eq!(settle(&mut session), (vec!["Identity +256".to_owned()], None));
}

#[test]
fn another_server_s_types_are_refused_by_name() {
    let mut session = session(ClientKind::Envoy, snapshot(1, &[], &[]));
    let request = DeltaDiscoveryRequest {
        type_url: "type.googleapis.com/envoy.config.cluster.v3.Cluster".to_owned(),
        initial_resource_versions: HashMap::new(),
        ..DeltaDiscoveryRequest::default()
    };
    let status = session.request(request).unwrap_err();
    assert_eq!(status.code(), tonic::Code::InvalidArgument);
    assert!(status.message().contains("config.cluster.v3.Cluster"), "{status}");
}
