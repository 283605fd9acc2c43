//! Conversion keeps the meaning, and gives back what was written.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
#![allow(clippy::needless_pass_by_value, reason = "`json!` at the call reads better without `&`")]

use std::collections::BTreeMap;

use postern_controller_api::convert::{ConvertError, NOT_EXPRESSIBLE, SOURCE, convert};
use postern_policy_core::decide::Verdict;
use postern_policy_core::endpoint::{EndpointPolicy, Flow};
use postern_policy_core::http::Request;
use postern_policy_core::identity::Who;
use postern_policy_core::policy::Direction;
use postern_policy_core::port::Protocol;
use postern_policy_core::resolve::resolve;
use postern_policy_core::world::{Node, Workload, WorkloadName, World};
use postern_policy_lang::load_policies;
use postern_policy_lang::source::SourceFile;
use serde_json::{Value, json};

const V1: &str = "cilium.io/v1";
const V2: &str = "cilium.io/v2";

fn object(version: &str, body: Value) -> Value {
    let mut object = json!({"apiVersion": version, "kind": "CiliumNetworkPolicy",
                            "metadata": {"name": "p", "namespace": "default"}});
    object.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
    object
}

/// A v1 policy of s with these items.
fn v1(ingress: Value) -> Value {
    object(V1, json!({"spec": {"endpointSelector": {"matchLabels": {"id": "s"}}, "ingress": ingress}}))
}

fn tutorial() -> Value {
    object(
        V1,
        json!({
            "description": "L7 policy for getting started using Kubernetes guide",
            "spec": {
                "endpointSelector": {"matchLabels": {"id": "s"}},
                "ingress": [
                    {"fromEndpoints": [{"matchLabels": {"id": "a"}}]},
                    {"toPorts": [{"ports": [{"port": "80", "protocol": "TCP"}],
                                  "rules": {"HTTP": [{"method": "GET", "path": "/public"}]}}]},
                ],
            },
        }),
    )
}

/// Every form that the two gates can take.
fn cases() -> Vec<Value> {
    let from = |id: &str| json!({"fromEndpoints": [{"matchLabels": {"id": id}}]});
    let both =
        |id: &str, ports: Value| json!({"fromEndpoints": [{"matchLabels": {"id": id}}], "toPorts": ports});
    let http = json!([{"ports": [{"port": "80"}, {"port": "8080", "protocol": "TCP"}],
                       "rules": {"HTTP": [{"path": "/a"}, {"method": "POST"}]}}]);
    let plain = json!([{"ports": [{"port": "80"}]}, {"ports": [{"port": "53", "protocol": "UDP"}]}]);
    let mut cases = vec![tutorial()];
    cases.extend(
        [
            json!([{}]),
            json!([{}, from("a")]),
            json!([from("a"), from("b")]),
            json!([{"fromEndpoints": []}]),
            json!([{"fromEndpoints": []}, {"toPorts": plain}]),
            json!([{"fromEndpoints": []}, from("a"), {"toPorts": plain}]),
            json!([{"toPorts": plain}]),
            json!([{"toPorts": http}]),
            json!([{"toPorts": []}]),
            json!([{"toPorts": [{}]}, from("b")]),
            json!([{"fromEndpoints": [{"matchLabels": {"id": "a"}}], "toPorts": []}]),
            json!([{"fromEndpoints": [{}]}]),
            json!([both("a", http.clone())]),
            json!([both("a", http.clone()), both("b", plain.clone())]),
            json!([both("a", http.clone()), from("b"), {}]),
            json!([from("a"), {"toPorts": http}, {"toPorts": plain}]),
            json!([{"toPorts": [{"ports": [{"port": "80"}], "rules": {"HTTP": []}}]}, from("a")]),
            json!([{"toPorts": [{"ports": [{"port": "80"}], "rules": {"http": [{}]}}]}, from("a")]),
        ]
        .map(v1),
    );
    cases.push(object(
        V1,
        json!({"description": "outer", "spec": {"description": "inner",
            "endpointSelector": {"matchLabels": {"id": "s"}},
            "egress": [{"toEndpoints": [{"matchLabels": {"id": "a"}}]}, {"toPorts": plain}]}}),
    ));
    cases
}

fn world() -> World {
    let mut world = World::default();
    let node =
        Node { name: "n".to_owned(), addresses: vec!["192.0.2.1".parse().unwrap()], labels: BTreeMap::new() };
    world.add_node(node).unwrap();
    for (n, (id, namespace)) in
        [("s", "default"), ("a", "default"), ("b", "default"), ("a", "other")].into_iter().enumerate()
    {
        let workload = Workload {
            name: WorkloadName { namespace: namespace.to_owned(), name: id.to_owned() },
            labels: BTreeMap::from([("id".to_owned(), id.to_owned())]),
            addresses: vec![format!("10.0.0.{}", n + 1).parse().unwrap()],
            node: Some("n".to_owned()),
            service_account: None,
            cluster: None,
            ports: Vec::new(),
            profiles: Vec::new(),
        };
        world.add_workload(workload).unwrap();
    }
    world
}

fn load(object: &Value) -> Result<EndpointPolicy, String> {
    let file = SourceFile { name: "p".to_owned(), text: object.to_string() };
    let loaded = load_policies(&[file]);
    if loaded.has_errors() {
        return Err(format!("{:?}", loaded.diagnostics));
    }
    let world = world();
    let subject = world.workload(&WorkloadName::parse("default/s")).unwrap();
    Ok(resolve(&loaded.policies, &world, &world.identities(&loaded.policies).unwrap(), subject))
}

/// The verdict on every flow and request that could tell two policies of this world apart.
fn verdicts(policy: &EndpointPolicy) -> Vec<(Verdict, Vec<Verdict>)> {
    let identities = world().identities(&[]).unwrap();
    let mut verdicts = Vec::new();
    for direction in [Direction::Ingress, Direction::Egress] {
        for identity in identities.iter() {
            for protocol in [Protocol::Tcp, Protocol::Udp, Protocol::Sctp] {
                for port in [53, 80, 81, 8080] {
                    let flow = Flow { peer: identity.id, protocol, port };
                    let policy = policy.direction(direction);
                    let ask = |(method, path): (&'static str, &'static str)| {
                        let request = Request {
                            method: Some(method.as_bytes()),
                            path: Some(path.as_bytes()),
                            ..Request::default()
                        };
                        policy.request(&flow, &request).verdict
                    };
                    let asked = [("GET", "/public"), ("GET", "/a"), ("POST", "/x"), ("GET", "/x")].map(ask);
                    verdicts.push((policy.connection(&flow).verdict, asked.to_vec()));
                }
            }
        }
    }
    assert!(identities.id(&Who::World).is_some());
    verdicts
}

#[test]
fn both_versions_mean_the_same() {
    for case in cases() {
        let converted = convert(case.clone(), V2).unwrap();
        assert_eq!(converted["apiVersion"], V2);
        assert!(converted.get("description").is_none());
        let (before, after) = (load(&case).unwrap(), load(&converted).unwrap());
        assert_eq!(before.ingress.default_deny, after.ingress.default_deny, "{case}");
        assert_eq!(before.egress.default_deny, after.egress.default_deny, "{case}");
        assert_eq!(verdicts(&before), verdicts(&after), "{case}\n{converted}");
    }
}

#[test]
fn what_was_written_comes_back() {
    for mut case in cases() {
        case["metadata"]["annotations"] = json!({"kubectl.kubernetes.io/last-applied-configuration": "{}"});
        case["status"] = json!({"conditions": []});
        for case in [case.clone(), {
            let mut bare = case;
            bare["metadata"]["annotations"].take();
            bare["metadata"].as_object_mut().unwrap().shift_remove("annotations");
            bare
        }] {
            let stored = convert(case.clone(), V2).unwrap();
            let back = convert(stored.clone(), V1).unwrap();
            assert_eq!(back, case);
            assert_eq!(convert(back, V2).unwrap(), stored);
        }
    }
}

#[test]
fn the_tutorial_is_one_item_in_v2() {
    let converted = convert(tutorial(), V2).unwrap();
    assert_eq!(
        converted["spec"],
        json!({
            "endpointSelector": {"matchLabels": {"id": "s"}},
            "ingress": [{"fromEndpoints": [{"matchLabels": {"id": "a"}}],
                         "toPorts": [{"ports": [{"port": "80", "protocol": "TCP"}],
                                      "rules": {"http": [{"method": "GET", "path": "/public"}]}}]}],
            "description": "L7 policy for getting started using Kubernetes guide",
        })
    );
    let source: Value =
        serde_json::from_str(converted["metadata"]["annotations"][SOURCE].as_str().unwrap()).unwrap();
    assert_eq!(source["spec"], tutorial()["spec"]);
}

#[test]
fn what_was_edited_as_v2_is_what_v1_shows() {
    let mut stored = convert(tutorial(), V2).unwrap();
    stored["spec"]["ingress"][0]["toPorts"][0]["rules"]["http"][0]["path"] = json!("/other");
    let shown = convert(stored.clone(), V1).unwrap();
    assert_eq!(shown["spec"], stored["spec"]);
    assert!(shown["metadata"].get("annotations").is_none(), "v1 can say it: {shown}");
    assert_eq!(convert(shown, V2).unwrap()["spec"], stored["spec"]);
}

#[test]
fn what_v1_cannot_say_is_shown_and_not_taken_back() {
    let selector = json!({"matchLabels": {"id": "s"}});
    for body in [
        json!({"spec": {"endpointSelector": selector, "ingress": [{"fromEndpoints": [{}]}, {"toPorts": []}]}}),
        json!({"spec": {"endpointSelector": selector, "ingressDeny": [{}]}}),
        json!({"spec": {"endpointSelector": selector, "ingress": [{"fromCIDR": ["10.0.0.0/8"]}]}}),
        json!({"specs": [{"endpointSelector": selector, "ingress": [{}]}]}),
        json!({"spec": {"endpointSelector": selector, "enableDefaultDeny": {"ingress": false}, "ingress": [{}]}}),
        json!({"spec": {"endpointSelector": selector, "ingress": [{"toPorts": [
            {"ports": [{"port": "80"}], "rules": {"http": [{}]}}]}]}}),
    ] {
        let shown = convert(object(V2, body.clone()), V1).unwrap();
        assert!(shown["metadata"]["annotations"][NOT_EXPRESSIBLE].is_string(), "{shown}");
        for (field, value) in body.as_object().unwrap() {
            assert_eq!(shown[field], *value);
        }
        assert_eq!(convert(shown, V2), Err(ConvertError::NotExpressible));
    }
}

#[test]
fn a_v2_policy_that_v1_can_say_is_left_alone() {
    let body = json!({"spec": {"endpointSelector": {}, "ingress": [{"fromEndpoints": [{}],
        "toPorts": [{"ports": [{"port": "80", "protocol": "TCP"}], "rules": {"http": [{"path": "/"}]}}]}]}});
    let stored = object(V2, body);
    let shown = convert(stored.clone(), V1).unwrap();
    assert_eq!(convert(shown, V2).unwrap(), stored);
    assert_eq!(convert(stored.clone(), V2).unwrap(), stored);
}

#[test]
fn a_forged_source_is_not_believed() {
    let mut stored = convert(tutorial(), V2).unwrap();
    for forged in ["{", "[]", "{}", r#"{"spec": {"endpointSelector": {}, "ingress": [{}]}}"#] {
        stored["metadata"]["annotations"][SOURCE] = json!(forged);
        assert_eq!(convert(stored.clone(), V1).unwrap()["spec"], stored["spec"], "{forged}");
    }
}

#[test]
fn what_cannot_be_read_says_where() {
    let check = |object: Value, expected: &str| {
        let error = convert(object.clone(), V2).unwrap_err().to_string();
        assert!(error.contains(expected), "{object}\n{error}\nwanted: {expected}");
    };
    check(json!([]), "object: expected a mapping");
    check(object("cilium.io/v3", json!({})), "cannot convert \"cilium.io/v3\"");
    check(json!({"apiVersion": V1, "kind": "Pod"}), "cannot convert \"cilium.io/v1 Pod\"");
    check(object(V1, json!({})), "spec: it is missing");
    check(object(V1, json!({"specs": []})), "specs: cilium.io/v1 has no such field here");
    check(object(V1, json!({"spec": "x"})), "spec: expected a mapping, found a text");
    check(
        object(V1, json!({"spec": {"ingressDeny": []}})),
        "spec.ingressDeny: cilium.io/v1 has no such field",
    );
    check(v1(json!(null)), "spec.ingress: expected a list, found no value");
    check(v1(json!([1])), "spec.ingress[0]: expected a mapping, found a number");
    check(v1(json!([{"fromEndpoints": null}])), "spec.ingress[0].fromEndpoints: expected a list");
    check(v1(json!([{"fromCIDR": []}])), "spec.ingress[0].fromCIDR: cilium.io/v1 has no such field");
    check(v1(json!([{"toPorts": [{"port": []}]}])), "spec.ingress[0].toPorts[0].port: ");
    check(
        v1(json!([{"toPorts": [{"rules": {"HTTP": [], "http": []}}]}])),
        "both `http` and `HTTP` are given",
    );
    check(v1(json!([{"toPorts": [{"rules": {"dns": []}}]}])), "toPorts[0].rules.dns: ");
    let mut annotated = v1(json!([{}]));
    annotated["metadata"]["annotations"] = json!("x");
    check(annotated, "metadata.annotations: expected a mapping");
}
