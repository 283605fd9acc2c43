use super::load_policies;
use crate::source::SourceFile;

/// The names of the policies of a text, and what was said of it.
fn load(text: &str) -> (Vec<String>, Vec<String>) {
    let loaded = load_policies(&[SourceFile { name: "p.yaml".to_owned(), text: text.to_owned() }]);
    let names = loaded.policies.iter().map(|policy| policy.id.to_string()).collect();
    (names, loaded.diagnostics.iter().map(ToString::to_string).collect())
}

const CNP: &str = "metadata: {name: p}, spec: {endpointSelector: {}, ingress: [{}]}";
const KNP: &str = "metadata: {name: p}, spec: {podSelector: {}}";
const KCNP: &str = "metadata: {name: p}, spec: {tier: Admin, priority: 0, subject: {namespaces: {}}}";

#[test]
fn lists_say_what_they_hold_or_their_items_do() {
    for (version, kind, body, id) in [
        ("cilium.io/v2", "CiliumNetworkPolicy", CNP, "cnp/default/p"),
        ("cilium.io/v2", "CiliumClusterwideNetworkPolicy", CNP, "ccnp/p"),
        ("networking.k8s.io/v1", "NetworkPolicy", KNP, "netpol/default/p"),
        ("policy.networking.k8s.io/v1alpha2", "ClusterNetworkPolicy", KCNP, "kcnp/p"),
    ] {
        let of_its_own = format!("{{apiVersion: {version}, kind: {kind}, {body}}}");
        for (list, item) in [
            ("apiVersion: v1, kind: List".to_owned(), &of_its_own),
            (format!("apiVersion: {version}, kind: {kind}List"), &of_its_own),
            (format!("apiVersion: {version}, kind: {kind}List"), &format!("{{{body}}}")),
        ] {
            let (names, diagnostics) = load(&format!("{{{list}, metadata: {{}}, items: [{item}]}}"));
            assert_eq!((names.join(" "), diagnostics.join(" ")), (id.to_owned(), String::new()), "{list}");
        }
    }
}

#[test]
fn a_list_of_one_kind_holds_no_other() {
    let policy = format!("{{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, {CNP}}}");
    let (names, diagnostics) =
        load(&format!("{{apiVersion: networking.k8s.io/v1, kind: NetworkPolicyList, items: [{policy}]}}"));
    assert!(names.is_empty());
    assert!(
        diagnostics[0].contains("stands in a list of networking.k8s.io/v1 NetworkPolicy"),
        "{diagnostics:?}"
    );
    let (names, diagnostics) = load(&format!("{{apiVersion: v1, kind: List, items: [{{{CNP}}}]}}"));
    assert!(
        names.is_empty() && diagnostics[0].contains("items[0]: `apiVersion` is missing"),
        "{diagnostics:?}"
    );
}

#[test]
fn what_was_replaced_says_by_what() {
    for (kind, tier) in [
        ("AdminNetworkPolicy", "tier: Admin"),
        ("BaselineAdminNetworkPolicy", "tier: Baseline"),
        ("AdminNetworkPolicyList", "tier: Admin"),
    ] {
        let (_, diagnostics) =
            load(&format!("{{apiVersion: policy.networking.k8s.io/v1alpha1, kind: {kind}}}"));
        assert!(diagnostics[0].contains("error[unsupported-kind]"), "{diagnostics:?}");
        assert!(
            diagnostics[0].contains("ClusterNetworkPolicy") && diagnostics[0].contains(tier),
            "{diagnostics:?}"
        );
    }
}
