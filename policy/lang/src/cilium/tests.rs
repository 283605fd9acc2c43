use postern_policy_core::peer::PeerTerm;
use postern_policy_core::policy::{Combination, PeerSelector, Policy, PortSelector, Subject};
use postern_policy_core::selector::{Operator, Selector};

use crate::load_policies;
use crate::source::SourceFile;

mod accepted;
mod objects;
mod peers;
mod ports;
mod rejections;
mod unenforced;

fn load(text: &str) -> (Vec<Policy>, Vec<String>) {
    let file = SourceFile { name: "p.yaml".to_owned(), text: text.to_owned() };
    let loaded = load_policies(&[file]);
    (loaded.policies, loaded.diagnostics.iter().map(ToString::to_string).collect())
}

/// A v2 policy with this ingress section and nothing else.
fn with_ingress(ingress: &str) -> String {
    format!(
        "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {{name: p}}\nspec:\n  endpointSelector: {{}}\n  ingress: {ingress}\n"
    )
}

fn accepts(ingress: &str) -> Policy {
    let (mut policies, diagnostics) = load(&with_ingress(ingress));
    assert_eq!(diagnostics, Vec::<String>::new(), "{ingress}");
    policies.pop().unwrap()
}

/// A policy of this kind with this `spec`.
fn with_spec(kind: &str, spec: &str) -> String {
    format!("{{apiVersion: cilium.io/v2, kind: {kind}, metadata: {{name: p}}, spec: {{{spec}}}}}")
}

/// The policy that a namespaced `spec` is, which selects every pod.
fn reads(lists: &str) -> Policy {
    let (mut policies, diagnostics) =
        load(&with_spec("CiliumNetworkPolicy", &format!("endpointSelector: {{}}, {lists}")));
    assert_eq!(diagnostics, Vec::<String>::new(), "{lists}");
    policies.pop().unwrap()
}

/// The one error of an ingress section, from its field on.
fn refuses(ingress: &str, expected: &str) {
    let (policies, diagnostics) = load(&with_ingress(ingress));
    assert!(policies.is_empty(), "{ingress} was accepted");
    assert_eq!(diagnostics.len(), 1, "{diagnostics:#?}");
    assert!(diagnostics[0].contains(expected), "{}\nwanted: {expected}", diagnostics[0]);
}

#[test]
fn the_tutorial_reads_byte_for_byte() {
    let (policies, diagnostics) = load(include_str!("../../../../deploy/tutorial/policy.yaml"));
    assert_eq!(diagnostics.len(), 1);
    assert!(diagnostics[0].contains("p.yaml:1:1: warning[legacy-dialect]"), "{}", diagnostics[0]);
    let policy = &policies[0];
    assert_eq!(policy.id.as_str(), "cnp/default/rule1");
    assert_eq!(policy.combination, Combination::Gates);
    assert_eq!(policy.ingress.items.len(), 2);
    assert!(policy.ingress.default_deny && !policy.egress.default_deny);
}

#[test]
fn empty_forms_are_kept_apart() {
    let nobody = PeerSelector::AnyOf(Vec::new());
    assert_eq!(accepts("[{}]").ingress.items[0].ports, PortSelector::AnyOf(Vec::new()));
    assert_eq!(accepts("[{fromEndpoints: []}]").ingress.items[0].peers, nobody);
    let on_port = accepts("[{toPorts: [{ports: [{port: \"80\"}]}]}]");
    assert_eq!(on_port.ingress.items[0].peers, PeerSelector::Unnamed);
    let l3_only = accepts("[{fromEndpoints: [{}]}]");
    assert_eq!(l3_only.ingress.items[0].ports, PortSelector::Unnamed);
    assert_ne!(l3_only.ingress.items[0].peers, PeerSelector::Unnamed);
    let portless = accepts("[{fromEndpoints: [{}], toPorts: [{}]}]");
    assert!(matches!(&portless.ingress.items[0].ports, PortSelector::AnyOf(r) if r[0].ports.is_empty()));
}

#[test]
fn a_field_without_a_value_never_means_anyone() {
    refuses("[{fromEndpoints: }]", "spec.ingress[0].fromEndpoints: `fromEndpoints` has no value");
    refuses("[{fromEndpoints: null}]", "`fromEndpoints` has no value");
    refuses("[{fromEndpoints: [{}], toPorts: ~}]", "`toPorts` has no value");
}

#[test]
fn unknown_and_removed_fields_are_told_apart() {
    refuses(
        "[{fromEndpoint: []}]",
        "unknown-field]: spec.ingress[0].fromEndpoint: there is no field `fromEndpoint` here (did you mean `fromEndpoints`?)",
    );
    refuses(
        "[{toPorts: [{ports: [{port: \"80\", protocol: TCP}], rules: {kafka: []}}]}]",
        "`kafka` was removed",
    );
    refuses("[{toEndpoints: []}]", "unknown-field");
    refuses(
        "[{toPorts: [{ports: [{port: \"80\", protocol: TCP}], rules: {HTTP: []}}]}]",
        "did you mean `http`?",
    );
    refuses("[{toPorts: [{ports: [{port: \"80\", protocol: TCP}], rules: {}}]}]", "`rules` says nothing");
}

#[test]
fn ports() {
    let port = |port: &str| format!("[{{toPorts: [{{ports: [{port}]}}]}}]");
    accepts(&port("{port: \"0\"}"));
    accepts(&port("{port: \"80\", endPort: 90, protocol: UDP}"));
    refuses(&port("{port: 80}"), "expected a text, found the number 80 (quote it: \"80\")");
    refuses(&port("{port: \"65536\"}"), "\"65536\" is not a port");
    refuses(&port("{port: \"080\"}"), "is not a port");
    refuses(&port("{port: \"80\", endPort: 79}"), "endPort 79 is not a port from 80 on");
    refuses(&port("{port: \"80\", protocol: tcp}"), "there is no protocol \"tcp\"");
    refuses(&port("{port: \"80\", protocol: GRE}"), "the protocol has no ports");
    refuses(&port("{protocol: TCP}"), "`port` is missing");
    let many = vec!["{port: \"80\"}"; 41].join(",");
    refuses(&port(&many), "41 ports in one entry");
}

#[test]
fn http_needs_tcp_and_a_port() {
    let http =
        |port: &str, rules: &str| format!("[{{toPorts: [{{ports: [{port}], rules: {{http: {rules}}}}}]}}]");
    accepts(&http("{port: \"80\", protocol: TCP}", "[{}]"));
    refuses(&http("{port: \"80\"}", "[{}]"), "HTTP rules need protocol TCP");
    refuses(&http("{port: \"80\", protocol: ANY}", "[{}]"), "HTTP rules need protocol TCP");
    refuses(&http("{port: \"0\", protocol: TCP}", "[{}]"), "HTTP rules need a port");
    let tcp = "{port: \"80\", protocol: TCP}";
    refuses(
        &http(tcp, "[{path: \"/(\"}]"),
        "invalid-pattern]: spec.ingress[0].toPorts[0].rules.http[0].path",
    );
    refuses(&http(tcp, "[{host: \"[\"}]"), "http[0].host");
    refuses(&http(tcp, "[{headers: [\"bad:name: x\"]}]"), "is not a header name");
    refuses(&http(tcp, "[{method: GET, Path: /}]"), "did you mean `path`?");
}

#[test]
fn rules_that_say_nothing_are_refused() {
    refuses("[]", "the rule says nothing: its lists are empty");
    let (policies, diagnostics) = load(
        "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: p}\nspec: {endpointSelector: {}}\n",
    );
    assert!(policies.is_empty() && diagnostics[0].contains("the rule says nothing"), "{diagnostics:?}");
}

#[test]
fn every_error_of_a_file_is_reported() {
    let (_, diagnostics) =
        load(&with_ingress("[{fromCIDR: [x]}, {toPort: []}, {fromEndpoints: [{matchLabels: {a: 1}}]}]"));
    assert_eq!(diagnostics.len(), 3, "{diagnostics:#?}");
    let (_, diagnostics) = load(&with_ingress(
        "[{toPorts: [{ports: [{port: 80}, {port: x!}], rules: {http: [{path: \"(\"}, {method: \"[\"}]}}]}]",
    ));
    assert_eq!(diagnostics.len(), 4, "{diagnostics:#?}");
}

#[test]
fn documents_are_many_and_have_kinds() {
    let one = with_ingress("[{}]");
    let (policies, diagnostics) = load(&format!("---\n{one}---\n{}---\n", one.replace("name: p", "name: q")));
    assert_eq!((policies.len(), diagnostics.len()), (2, 0));
    let (policies, diagnostics) = load(&format!("{one}---\n{one}"));
    assert_eq!(policies.len(), 1);
    assert!(
        diagnostics[0].contains("p.yaml:8:1: error[conflict]: the policy cnp/default/p is given twice"),
        "{diagnostics:?}"
    );
    let (_, diagnostics) = load("apiVersion: v1\nkind: ConfigMap\n");
    assert!(diagnostics[0].contains("warning[foreign-kind]"), "{diagnostics:?}");
    let (policies, _) = load(&format!("apiVersion: v1\nkind: List\nitems:\n- {}", one.replace('\n', "\n  ")));
    assert_eq!(policies.len(), 1);
}

#[test]
fn the_legacy_dialect_has_its_own_fields() {
    let legacy = |spec: &str| {
        format!(
            "apiVersion: cilium.io/v1\nkind: CiliumNetworkPolicy\nmetadata: {{name: p}}\nspec:\n  endpointSelector: {{}}\n{spec}"
        )
    };
    let ports = "  ingress: [{toPorts: [{ports: [{port: \"80\"}], rules: {HTTP: [{path: /}]}}]}]\n";
    let (policies, diagnostics) = load(&legacy(ports));
    assert_eq!((policies.len(), diagnostics.len()), (1, 1), "{diagnostics:?}");
    let (policies, diagnostics) = load(&legacy("  ingressDeny: [{}]\n"));
    assert!(
        policies.is_empty() && diagnostics.iter().any(|d| d.contains("no field `ingressDeny`")),
        "{diagnostics:?}"
    );
}

#[test]
fn what_looks_like_a_policy_is_never_passed_over() {
    for (version, kind) in [
        ("cilium.io/v2", "CiliumNetworkPolicyy"),
        ("cilium.io/v2", "ciliumNetworkPolicy"),
        ("cilium.io/v3", "CiliumNetworkPolicy"),
        ("networking.k8s.io/v1", "NetworkPolicyList"),
        ("policy.networking.k8s.io/v1alpha1", "BaselineAdminNetworkPolicy"),
    ] {
        let (_, diagnostics) = load(&format!("apiVersion: {version}\nkind: {kind}\n"));
        assert!(diagnostics[0].contains("error["), "{diagnostics:?}");
    }
}

#[test]
fn a_file_without_a_document_is_refused() {
    for text in ["", "# later\n", "---\n---\n"] {
        let (_, diagnostics) = load(text);
        assert!(diagnostics[0].contains("error[missing-field]: the file has no document"), "{diagnostics:?}");
    }
}

#[test]
fn a_warning_does_not_make_an_empty_rule_legal() {
    let text = "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: p}\nspec:\n  endpointSelector: {matchLabels: {io.kubernetes.pod.namespace: x}}\n  ingress: []\n";
    let (policies, diagnostics) = load(text);
    assert!(policies.is_empty());
    assert!(diagnostics.iter().any(|d| d.contains("the rule says nothing")), "{diagnostics:?}");
}

#[test]
fn a_header_value_that_could_never_match_is_refused() {
    let tcp = |header: &str| {
        format!(
            "[{{toPorts: [{{ports: [{{port: \"80\", protocol: TCP}}], rules: {{http: [{{headers: [{header}]}}]}}}}]}}]"
        )
    };
    refuses(&tcp("'X-A:  b'"), "it could never match");
    refuses(&tcp("'X-A '"), "it could never match");
}

#[test]
fn a_cluster_wide_policy_is_in_no_namespace() {
    let policy = |metadata: &str, spec: &str| {
        format!(
            "{{apiVersion: cilium.io/v2, kind: CiliumClusterwideNetworkPolicy, metadata: {metadata}, spec: {spec}}}"
        )
    };
    let spec = "{endpointSelector: {}, ingress: [{fromEndpoints: [{}, {matchLabels: {id: a}}]}]}";
    let (policies, diagnostics) = load(&policy("{name: p}", spec));
    assert!(diagnostics.is_empty(), "{diagnostics:?}");
    let policy_read = &policies[0];
    assert_eq!(
        (policy_read.id.as_str(), &policy_read.subject),
        ("ccnp/p", &Subject::Endpoints(Selector::default()))
    );
    let PeerSelector::AnyOf(peers) = &policy_read.ingress.items[0].peers else { panic!("{policy_read:?}") };
    // `{}` is every pod: it has a namespace, which the world and nodes have not.
    let [PeerTerm::Endpoints(every), PeerTerm::Endpoints(one)] = &peers[..] else { panic!("{peers:?}") };
    assert_eq!(every.requirements[0].operator, Operator::Exists);
    assert_eq!(one.requirements.len(), 1);
    let (_, diagnostics) = load(&policy("{name: p, namespace: n}", spec));
    assert!(diagnostics[0].contains("is in no namespace"), "{diagnostics:?}");
}
