use envoy_types::pb::envoy::service::discovery::v3::Resource as WireResource;

use super::*;
use crate::resource::{Named, Versioned};
use crate::testing::{endpoint, identity};

fn resource<T: Named>(value: T) -> WireResource {
    let versioned = Versioned::new(value).unwrap();
    WireResource {
        name: versioned.resource().name.to_string(),
        version: versioned.resource().version.to_string(),
        resource: Some(versioned.resource().to_any(T::TYPE)),
        ..WireResource::default()
    }
}

fn response(
    resource_type: ResourceType,
    resources: Vec<WireResource>,
    removed: &[&str],
) -> DeltaDiscoveryResponse {
    DeltaDiscoveryResponse {
        type_url: resource_type.type_url().to_owned(),
        resources,
        removed_resources: removed.iter().map(|name| (*name).to_owned()).collect(),
        ..DeltaDiscoveryResponse::default()
    }
}

#[test]
fn there_is_no_snapshot_before_every_type_has_been_heard_of() {
    let mut state = State::default();
    state.take(response(ResourceType::Endpoint, vec![resource(endpoint("d/a", true))], &[])).unwrap();
    state.take(response(ResourceType::Service, Vec::new(), &[])).unwrap();
    assert_eq!(state.snapshot(), None);
    state.take(response(ResourceType::Identity, vec![resource(identity(256, "10.0.0.1/32"))], &[])).unwrap();
    let snapshot = state.snapshot().unwrap();
    assert_eq!(snapshot.identities, [identity(256, "10.0.0.1/32")]);
    assert_eq!((snapshot.services.len(), snapshot.endpoints.len()), (0, 1));
}

#[test]
fn what_was_taken_can_be_given_back() {
    let mut state = State::default();
    let first = vec![resource(endpoint("d/a", true)), resource(endpoint("d/b", true))];
    state.take(response(ResourceType::Endpoint, first, &[])).unwrap();
    let before = state.versions(ResourceType::Endpoint);
    let second = vec![resource(endpoint("d/a", false)), resource(endpoint("d/c", true))];
    let taken = state.take(response(ResourceType::Endpoint, second, &["d/b", "d/x"])).unwrap();
    assert_eq!(state.versions(ResourceType::Endpoint).len(), 2);
    state.restore(taken);
    assert_eq!(state.versions(ResourceType::Endpoint), before);
}

#[test]
fn what_cannot_be_read_is_named_and_changes_nothing() {
    let good = || resource(endpoint("d/a", true));
    let with = |change: fn(&mut WireResource)| {
        let mut bad = resource(endpoint("d/b", true));
        change(&mut bad);
        bad
    };
    let cases = [
        (with(|it| it.resource = None), "no body"),
        (with(|it| it.name = "d/other".to_owned()), "its body is of \"d/b\""),
        (with(|it| it.resource.as_mut().unwrap().type_url = "x".to_owned()), "found x"),
        (with(|it| it.resource.as_mut().unwrap().value = b"{".to_vec()), "EOF"),
        (with(|it| it.resource.as_mut().unwrap().value = b"{\"more\": 1}".to_vec()), "unknown field `more`"),
    ];
    for (bad, why) in cases {
        let mut state = State::default();
        let name = bad.name.clone();
        let error = state.take(response(ResourceType::Endpoint, vec![good(), bad], &[])).unwrap_err();
        assert!(error.contains(&format!("Endpoint {name:?}")) && error.contains(why), "{error}");
        assert!(state.versions(ResourceType::Endpoint).is_empty());
    }
    let error = State::default().take(response(ResourceType::ExtensionConfig, Vec::new(), &[])).unwrap_err();
    assert!(error.contains("not subscribed"), "{error}");
}
