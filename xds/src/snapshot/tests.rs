use super::*;
use crate::testing::snapshot;

#[test]
fn a_bundle_has_all_of_the_node_or_one_workload() {
    let snapshot = snapshot(
        1,
        &[(256, "10.0.0.1/32"), (257, "10.0.0.2/32")],
        &[("default/a", true), ("default/b", false)],
    );
    let all = snapshot.bundle();
    assert_eq!((all.identities.len(), all.endpoints.len(), all.attach), (2, 2, Attach::default()));
    let one = snapshot.bundle_for("default/b").unwrap();
    assert_eq!(one.attach.endpoint.as_deref(), Some("default/b"));
    assert_eq!((one.identities.len(), one.endpoints.len()), (2, 1));
    assert_eq!(one.endpoints[0].name, "default/b");
    assert_eq!(snapshot.bundle_for("default/c"), None);
}

#[test]
fn a_resource_is_found_by_its_very_name() {
    let snapshot = snapshot(1, &[(256, "10.0.0.1/32")], &[("default/a", true)]);
    assert!(snapshot.resource(ResourceType::Identity, "256").is_some());
    for other in ["+256", "0256", "256 ", "a", ""] {
        assert!(snapshot.resource(ResourceType::Identity, other).is_none(), "{other:?}");
    }
    assert!(snapshot.resource(ResourceType::Endpoint, "default/a").is_some());
    assert!(snapshot.resource(ResourceType::Service, "default/a").is_none());
}

#[test]
fn what_is_shared_needs_no_comparison() {
    let one = snapshot(1, &[(256, "10.0.0.1/32")], &[("default/a", true)]);
    let next = NodeSnapshot { revision: 2, ..NodeSnapshot::clone(&one) };
    for resource_type in ResourceType::ALL {
        assert!(one.shares(&next, resource_type), "{resource_type}");
    }
    let made_anew = snapshot(1, &[(256, "10.0.0.1/32")], &[("default/a", true)]);
    for resource_type in ResourceType::ALL {
        assert!(!one.shares(&made_anew, resource_type), "{resource_type}");
    }
    let without = NodeSnapshot { endpoints: BTreeMap::new(), ..NodeSnapshot::clone(&one) };
    assert!(one.shares(&without, ResourceType::Identity) && !one.shares(&without, ResourceType::Endpoint));
    assert!(!one.shares(&without, ResourceType::ExtensionConfig));
}
