use envoy_types::pb::google::protobuf::Struct;
use tonic::Code;

use super::*;

fn read(pairs: &[(&str, Kind)]) -> Result<Profile, Status> {
    let value = |kind: &Kind| Value { kind: Some(kind.clone()) };
    let fields = pairs.iter().map(|(key, kind)| ((*key).to_owned(), value(kind))).collect();
    let node = Node { id: "somebody".to_owned(), metadata: Some(Struct { fields }), ..Node::default() };
    Profile::read(Some(&node), "node1")
}

fn text(text: &str) -> Kind {
    Kind::StringValue(text.to_owned())
}

#[test]
fn who_says_nothing_is_an_envoy_for_the_whole_node() {
    let nothing = Profile { kind: ClientKind::Envoy, attachment: Attachment::default() };
    assert_eq!(Profile::read(None, "node1").unwrap(), nothing);
    assert_eq!(read(&[("other.dev/key", Kind::BoolValue(true))]).unwrap(), nothing);
    assert_eq!(nothing.attachment.module, "/etc/envoy/postern.wasm");
}

#[test]
fn an_envoy_says_whom_it_serves() {
    let profile = read(&[
        (metadata::NODE, text("node1")),
        (metadata::WORKLOAD, text("default/app1")),
        (metadata::DIRECTION, text("ingress")),
        (metadata::PORT, Kind::NumberValue(80.0)),
        (metadata::MODULE, text("/tmp/postern.wasm")),
    ])
    .unwrap();
    let expected = Attachment {
        workload: Some("default/app1".to_owned()),
        direction: Some(Direction::Ingress),
        port: Some(80),
        module: "/tmp/postern.wasm".to_owned(),
    };
    assert_eq!(profile, Profile { kind: ClientKind::Envoy, attachment: expected });
}

#[test]
fn nobody_is_given_another_node_by_saying_so() {
    let status = read(&[(metadata::NODE, text("node2"))]).unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied);
    assert!(status.message().contains("\"node2\"") && status.message().contains("\"node1\""), "{status}");
}

#[test]
fn what_cannot_be_understood_is_named() {
    for (key, value) in [
        (metadata::KIND, text("envoy2")),
        (metadata::WORKLOAD, text("app1")),
        (metadata::DIRECTION, text("up")),
        (metadata::PORT, text("0")),
        (metadata::PORT, Kind::NumberValue(80.5)),
        (metadata::PORT, Kind::NumberValue(65536.0)),
        (metadata::PORT, Kind::NumberValue(f64::NAN)),
        (metadata::MODULE, text("postern.wasm")),
        (metadata::MODULE, Kind::BoolValue(true)),
        ("postern.dev/wrokload", text("default/app1")),
    ] {
        let status = read(&[(key, value)]).unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        assert!(status.message().contains(key), "{status}");
    }
}
