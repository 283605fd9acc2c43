//! Explanations of documents: who is found at each end, which rule is said to have decided, what came nearest, and
//! what was never asked.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

use postern_policy_core::decide::Verdict;
use postern_policy_core::explain::{End, Explanation, PortRef, Question, explain};
use postern_policy_core::http::Request;
use postern_policy_core::policy::Policy;
use postern_policy_core::port::Protocol;
use postern_policy_core::world::World;
use postern_policy_lang::inventory::load_inventory;
use postern_policy_lang::load_policies;
use postern_policy_lang::source::SourceFile;

const WORLD: &str = "
{apiVersion: v1, kind: Node, metadata: {name: worker0}, status: {addresses: [{type: InternalIP, address: 192.0.2.10}]}}
---
apiVersion: postern.dev/v1alpha1
kind: Workload
metadata: {name: web, labels: {app: web}}
spec: {addresses: [10.0.0.1], node: worker0, ports: [{name: http, port: 8080, protocol: TCP}]}
---
apiVersion: postern.dev/v1alpha1
kind: Workload
metadata: {name: client, labels: {app: client}}
spec: {addresses: [10.0.0.2]}
---
apiVersion: v1
kind: Service
metadata: {name: shop}
spec: {selector: {app: web}, clusterIPs: [10.96.0.1]}
";

const HTTP: &str = "
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: web}
spec:
  endpointSelector: {matchLabels: {app: web}}
  ingress:
  - fromEndpoints: [{matchLabels: {app: client}}]
    toPorts:
    - ports: [{port: '8080', protocol: TCP}]
      rules: {http: [{method: GET, path: /a}, {method: POST, path: /b}]}
";

fn files(text: &str) -> [SourceFile; 1] {
    [SourceFile { name: "f.yaml".to_owned(), text: text.to_owned() }]
}

fn load(policies: &str) -> (Vec<Policy>, World) {
    let inventory = load_inventory(&files(WORLD));
    assert_eq!(inventory.diagnostics, []);
    let loaded = load_policies(&files(policies));
    assert!(!loaded.has_errors(), "{:#?}", loaded.diagnostics);
    (loaded.policies, inventory.world)
}

fn ask(policies: &str, question: &Question<'_>) -> Result<Explanation, String> {
    let (policies, world) = load(policies);
    explain(&policies, &world, question).map_err(|error| error.to_string())
}

fn tcp<'a>(from: &str, to: &str, port: u16) -> Question<'a> {
    let (protocol, port) = (Protocol::Tcp, PortRef::Number(port));
    Question { from: End::parse(from), to: End::parse(to), protocol, port, request: None }
}

fn get(path: &'static str) -> Question<'static> {
    let request = Request { method: Some(b"GET"), path: Some(path.as_bytes()), ..Request::default() };
    Question { request: Some(request), ..tcp("client", "web", 8080) }
}

/// The steps of the destination, as `outcome rule: why`.
fn steps(explanation: &Explanation) -> Vec<String> {
    let side = explanation.enforced.sides.last().unwrap();
    let line = |step: &postern_policy_core::explain::Step| {
        format!("{} {}: {}", step.outcome.as_str(), step.rule, step.why)
    };
    side.trace.iter().map(line).collect()
}

#[test]
fn the_nearest_miss_is_the_rule_that_got_furthest() {
    let check = |question: &Question<'_>, rule: &str, why: &str| {
        let explanation = ask(HTTP, question).unwrap();
        assert_eq!(explanation.enforced.verdict, Verdict::Deny);
        let miss = explanation.enforced.nearest.unwrap();
        assert_eq!(miss.rule.as_str(), format!("cnp/default/web/ingress/0/toPorts/0{rule}"), "{question:?}");
        assert_eq!(miss.why, why, "{question:?}");
    };
    check(&get("/c"), "/http/0", "path /c does not match /a");
    check(&tcp("client", "web", 81), "", "port 81/TCP is not listed: it lists 8080/TCP");
    check(&tcp("203.0.113.7", "web", 8080), "", "peer 203.0.113.7 (world) is not selected");
    let udp = Question { protocol: Protocol::Udp, ..tcp("client", "web", 8080) };
    check(&udp, "", "port 8080/UDP is not listed: it lists 8080/TCP");
    let ping = Question { protocol: Protocol::Icmp, ..tcp("client", "web", 8) };
    check(&ping, "", "ICMP type 8 is not listed: it lists 8080/TCP");
}

#[test]
fn ends_are_found_by_whatever_they_are_called() {
    let policies = "
{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: web}, spec: {endpointSelector: {},
  ingress: [{fromCIDRSet: [{cidr: 203.0.113.0/24, except: [203.0.113.128/25]}]}]}}";
    let check = |from: &str, expected: Result<(&str, Verdict), &str>| {
        let found =
            ask(policies, &tcp(from, "web", 80)).map(|found| (found.from.describe(), found.enforced.verdict));
        let found = found.as_ref().map(|(name, verdict)| (name.as_str(), *verdict)).map_err(String::as_str);
        assert_eq!(found, expected, "{from}");
    };
    check("default/client", Ok(("default/client", Verdict::Deny)));
    check("10.0.0.2", Ok(("default/client", Verdict::Deny)));
    check("::ffff:10.0.0.2", Ok(("default/client", Verdict::Deny)));
    check("node/worker0", Ok(("node/worker0", Verdict::Allow)));
    check("192.0.2.10", Ok(("192.0.2.10 (node worker0)", Verdict::Allow)));
    check("203.0.113.7", Ok(("203.0.113.7 (world, in 203.0.113.0/24)", Verdict::Allow)));
    check("203.0.113.200", Ok(("203.0.113.200 (world, in 203.0.113.128/25)", Verdict::Deny)));
    check("198.51.100.1", Ok(("198.51.100.1 (world)", Verdict::Deny)));
    check("node/worker9", Err("there is no node worker9 in the inventory: it has worker0"));
    check(
        "shop",
        Err(
            "there is no workload default/shop in the inventory, but a service: ask about one of its workloads, \
             default/web",
        ),
    );
    check(
        "10.96.0.1",
        Err("10.96.0.1 is the address of service default/shop: ask about one of its workloads, default/web"),
    );
    check("other/web", Err("there is no workload other/web in the inventory: did you mean default/web?"));
}

#[test]
fn a_named_port_is_the_destination_s() {
    let check = |to: &str, name: &str, protocol, expected: Result<u16, &str>| {
        let question = Question { port: PortRef::Named(name.to_owned()), protocol, ..tcp("client", to, 0) };
        let found = ask(HTTP, &question).map(|found| found.traffic.port);
        assert_eq!(
            found.as_ref().map_err(String::as_str),
            expected.as_ref().map_err(|why| *why),
            "{to} {name}"
        );
    };
    check("web", "http", Protocol::Tcp, Ok(8080));
    check("web", "web", Protocol::Tcp, Err("default/web has no TCP port called \"web\": it has http (8080)"));
    check(
        "web",
        "http",
        Protocol::Udp,
        Err("default/web has no UDP port called \"http\": it gives none a name, ask about a number"),
    );
    check(
        "203.0.113.7",
        "http",
        Protocol::Tcp,
        Err(
            "203.0.113.7 (world) has no TCP port called \"http\": only workloads give ports names, ask about a number",
        ),
    );
}

#[test]
fn what_is_out_of_reach_says_why() {
    let tiers = "
{apiVersion: policy.networking.k8s.io/v1alpha2, kind: ClusterNetworkPolicy, metadata: {name: a}, spec: {tier: Admin,
  priority: 1, subject: {namespaces: {}}, ingress: [
    {action: Pass, from: [{pods: {namespaceSelector: {}, podSelector: {matchLabels: {app: client}}}}]},
    {action: Deny, from: [{namespaces: {}}]}]}}
---
{apiVersion: policy.networking.k8s.io/v1alpha2, kind: ClusterNetworkPolicy, metadata: {name: b}, spec: {tier: Baseline,
  priority: 1, subject: {namespaces: {}}, ingress: [{action: Deny, from: [{namespaces: {}}]}]}}
---
";
    let passed = ask(&format!("{tiers}{HTTP}"), &tcp("client", "web", 8080)).unwrap();
    assert_eq!(passed.enforced.verdict, Verdict::Redirect);
    assert_eq!(
        steps(&passed),
        [
            "passed kcnp/a/ingress/0: leaves it to the next tier",
            "not-reached kcnp/a/ingress/1: not reached: kcnp/a/ingress/0 leaves it to the next tier",
            "redirected cnp/default/web/ingress/0/toPorts/0: HTTP rules decide each request",
            "not-reached implicit/host: not reached: cnp/default/web/ingress/0/toPorts/0 has decided",
            "not-reached kcnp/b/ingress/0: not reached: cnp/default/web/ingress/0/toPorts/0 has decided",
        ]
    );
    let denied = ask(&format!("{tiers}{HTTP}"), &tcp("web", "web", 8080)).unwrap();
    assert_eq!(denied.enforced.rule.as_ref().unwrap().as_str(), "kcnp/a/ingress/1");
    assert_eq!(
        steps(&denied)[2],
        "not-reached cnp/default/web/ingress/0/toPorts/0: not reached: kcnp/a/ingress/1 has decided"
    );
    let baseline = ask(&format!("{tiers}{HTTP}"), &tcp("client", "web", 81)).unwrap();
    assert_eq!(
        steps(&baseline)[4],
        "not-reached kcnp/b/ingress/0: not reached: default deny is on, and the baseline is for where it is not"
    );
}

#[test]
fn an_audited_policy_is_told_beside_what_is_enforced() {
    let audited = HTTP.replace("{name: web}", "{name: web, annotations: {postern.dev/audit: 'true'}}");
    let found = ask(&audited, &tcp("203.0.113.7", "web", 8080)).unwrap();
    assert_eq!((found.enforced.verdict, found.enforced.code), (Verdict::Allow, "not-enforced"));
    let audit = found.audited.unwrap();
    assert_eq!((audit.verdict, audit.code), (Verdict::Deny, "no-match"));
    assert_eq!(audit.nearest.unwrap().why, "peer 203.0.113.7 (world) is not selected");
    assert_eq!(ask(HTTP, &tcp("client", "web", 8080)).unwrap().audited, None);
}

#[test]
fn policies_that_select_neither_end_are_counted() {
    let check = |selector: &str, expected: usize| {
        let policies = HTTP.replace("app: web", selector);
        assert_eq!(ask(&policies, &tcp("client", "web", 8080)).unwrap().unrelated, expected, "{selector}");
    };
    check("app: web", 0);
    check("app: client", 0);
    check("app: other", 1);
}

#[test]
fn a_quarantined_rule_is_shown_as_such() {
    let policies = "
{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: web}, spec: {endpointSelector: {matchLabels:
  {app: web}}, ingress: [{fromEndpoints: [{}], authentication: {mode: required}}]}}";
    let found = ask(policies, &tcp("client", "web", 80)).unwrap();
    assert_eq!((found.enforced.verdict, found.enforced.code), (Verdict::Deny, "invalid"));
    assert!(
        steps(&found)[0].starts_with("quarantined cnp/default/web/ingress/0: quarantined: "),
        "{found:#?}"
    );
}

#[test]
fn a_request_goes_over_tcp() {
    let question = Question { protocol: Protocol::Udp, ..get("/a") };
    let error = ask(HTTP, &question).unwrap_err();
    assert_eq!(error, "an HTTP request goes over TCP, not UDP: ask about TCP, or about no request");
}
