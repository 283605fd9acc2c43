//! The bundle's promises: strict, nothing implied, one bad rule never voids another.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::net::SocketAddr;
use std::sync::Arc;

use postern_policy_core::decide::{Reason, Verdict};
use postern_policy_core::http::Request;
use postern_policy_core::policy::Direction;
use postern_policy_core::set::{Connection, Judged, PolicySet};
use postern_policy_wire::{BundleError, Loaded, decode};

const BUNDLE: &str = r#"{
  "apiVersion": "postern.dev/filter/v1alpha1",
  "attach": {"direction": "ingress", "endpoint": "default/app1", "port": 80},
  "identities": [{"id": 300, "labels": ["k8s:id=app2"], "addresses": ["127.0.0.2/32"]}],
  "endpoints": [{
    "name": "default/app1",
    "addresses": ["127.0.0.1"],
    "ingress": {"defaultDeny": true, "rules": [{
      "id": "r", "peers": {"only": [300]}, "ports": {"only": [{"protocol": "TCP", "port": 80}]},
      "action": {"http": [{"id": "r/0", "method": "GET", "path": "/public"}]}
    }]},
    "egress": {"defaultDeny": false, "rules": []}
  }]
}"#;

fn get<'a>(set: &'a PolicySet, source: &str, path: &str) -> (Verdict, Reason<'a>) {
    let source: SocketAddr = source.parse().unwrap();
    let destination = "127.0.0.1:8080".parse().unwrap();
    let connection = Connection { source, destination, direction: Direction::Ingress };
    let request = Request { method: Some(b"GET"), path: Some(path.as_bytes()), ..Request::default() };
    let decision = set.request(&connection, &request).decision;
    (decision.verdict, decision.reason)
}

fn refused(json: &str, expected: &str) {
    let error = decode(json.as_bytes()).expect_err(json).to_string();
    assert!(error.contains(expected), "{error}\nwanted: {expected}");
}

#[test]
fn a_bundle_by_hand() {
    let (set, quarantined) = decode(BUNDLE.as_bytes()).unwrap();
    assert!(quarantined.is_empty());
    assert_eq!(get(&set, "127.0.0.2:1", "/public").0, Verdict::Allow);
    assert_eq!(get(&set, "127.0.0.2:1", "/private").0, Verdict::Deny);
    assert_eq!(get(&set, "127.0.0.3:1", "/public"), (Verdict::Deny, Reason::NoMatch(None)));
}

#[test]
fn what_is_written_reads_back_the_same() {
    let bundle: postern_policy_wire::Bundle = serde_json::from_str(BUNDLE).unwrap();
    let again: postern_policy_wire::Bundle =
        serde_json::from_str(&serde_json::to_string(&bundle).unwrap()).unwrap();
    assert_eq!(bundle, again);
}

#[test]
fn nothing_is_implied() {
    refused(&BUNDLE.replace(r#""peers": {"only": [300]}, "#, ""), "missing field `peers`");
    refused(
        &BUNDLE.replace(r#""defaultDeny": true, "#, ""),
        "endpoints[0].ingress: missing field `defaultDeny`",
    );
    let (set, _) = decode(BUNDLE.replace("[300]", "[]").as_bytes()).unwrap();
    assert_eq!(get(&set, "127.0.0.2:1", "/public").0, Verdict::Deny);
}

#[test]
fn errors_name_the_field_and_the_place() {
    refused(
        &BUNDLE.replace("\"rules\": []", "\"rules\": [], \"x\": 1"),
        "endpoints[0].egress.x: unknown field `x`",
    );
    refused(
        &BUNDLE.replace("v1alpha1", "v9"),
        "expected postern.dev/filter/v1alpha1, found postern.dev/filter/v9",
    );
    refused(&BUNDLE.replace("\"port\": 80}]", "\"port\": \"80\"}]"), "expected u16 at line");
    refused(
        &BUNDLE.replace("\"endpoint\": \"default/app1\"", "\"endpoint\": \"default/gone\""),
        "default/gone",
    );
    refused(&BUNDLE.replace("127.0.0.2/32\"", "127.0.0.2/32\", \"127.0.0.2/32\""), "given twice");
    refused(&BUNDLE.replace("\"id\": 300,", "\"id\": 0,"), "identities[0]: identity 0 is reserved");
    refused(r#"{"apiVersion": "postern.dev/filter/v9", "rules": 1}"#, "found postern.dev/filter/v9");
    refused("", "EOF");
    refused("{}", "missing field `apiVersion`");
    refused(&format!("{BUNDLE} x"), "trailing characters");
    assert!(matches!(decode(b"\xff"), Err(BundleError::Shape { .. })));
    refused(&"[".repeat(100_000), "bundle: ");
}

#[test]
fn a_pass_never_hides_the_denials_of_the_normal_tier() {
    let rule = |tier| {
        let pass =
            format!(r#"{{"id": "p", "tier": "{tier}", "peers": "any", "ports": "all", "action": "pass"}}, "#);
        BUNDLE.replace(r#""rules": [{"#, &format!(r#""rules": [{pass}{{"#))
    };
    for tier in ["normal", "default"] {
        refused(&rule(tier), "endpoints[0].ingress.rules[0].action: `pass` stands only in the tiers");
    }
    for tier in ["admin", "baseline"] {
        decode(rule(tier).as_bytes()).unwrap();
    }
}

#[test]
fn a_bad_rule_is_quarantined_alone() {
    let two = BUNDLE.replace(r#"{"id": "r/0","#, r#"{"id": "r/bad", "path": "/("}, {"id": "r/0","#);
    let (set, quarantined) = decode(two.as_bytes()).unwrap();
    assert_eq!(quarantined.len(), 1);
    assert_eq!(quarantined[0].rule.as_str(), "r/bad");
    assert_eq!(get(&set, "127.0.0.2:1", "/public").0, Verdict::Allow);
    let (verdict, reason) = get(&set, "127.0.0.2:1", "/(");
    assert_eq!((verdict, reason.code()), (Verdict::Deny, "invalid"));
}

/// One pass over a connection between two workloads of a node: what the one may send, what the other may get.
#[test]
fn both_ends_must_let_it_through() {
    let rule = |peer: u32, path: &str| {
        format!(
            r#"{{"id": "r{peer}", "peers": {{"only": [{peer}]}}, "ports": {{"only": [{{"protocol": "TCP", "port": 8080}}]}},
                "action": {{"http": [{{"id": "r{peer}/0", "path": "{path}"}}]}}}}"#
        )
    };
    let direction = |rules: &str| format!(r#"{{"defaultDeny": {}, "rules": [{rules}]}}"#, !rules.is_empty());
    let endpoint = |name: &str, address: &str, ingress: &str, egress: &str| {
        format!(
            r#"{{"name": "default/{name}", "addresses": ["{address}"], "ingress": {}, "egress": {}}}"#,
            direction(ingress),
            direction(egress)
        )
    };
    let json = format!(
        r#"{{"apiVersion": "postern.dev/filter/v1alpha1", "attach": {{"direction": "both"}},
            "identities": [{{"id": 300, "addresses": ["127.0.0.2/32"]}}, {{"id": 301, "addresses": ["127.0.0.1/32"]}}],
            "endpoints": [{}, {}]}}"#,
        endpoint("app1", "127.0.0.1", &rule(300, "/a|/b"), ""),
        endpoint("app2", "127.0.0.2", "", &rule(301, "/b|/c")),
    );
    let (set, _) = decode(json.as_bytes()).unwrap();
    for (source, path, verdict) in [
        ("127.0.0.2:1", "/b", Verdict::Allow),
        ("127.0.0.2:1", "/a", Verdict::Deny),
        ("127.0.0.2:1", "/c", Verdict::Deny),
        // Somebody else's workload: its egress is guarded elsewhere.
        ("127.0.0.3:1", "/b", Verdict::Deny),
    ] {
        assert_eq!(get(&set, source, path).0, verdict, "{source} {path}");
    }
    let elsewhere = Connection {
        source: "127.0.0.3:1".parse().unwrap(),
        destination: "127.0.0.4:1".parse().unwrap(),
        direction: Direction::Ingress,
    };
    assert_eq!(set.connection(&elsewhere).decision.reason, Reason::UnknownEndpoint);
    refused(
        &json.replace(r#""both""#, r#""both", "endpoint": "default/app1""#),
        "expected `ingress` or `egress`",
    );
}

#[test]
fn a_port_may_say_how_its_server_reads_paths() {
    let with = |profiles: &str| {
        BUNDLE.replace(r#""rules": [{"#, &format!(r#""profiles": {profiles}, "rules": [{{"#))
    };
    let bundle = with(r#"[{"protocol": "TCP", "port": 79, "endPort": 81, "profile": "PROFILE"}]"#)
        .replace(r#""path": "/public""#, r#""path": "/public.*""#);
    let verdict = |profile: &str, path: &str| {
        let bundle = bundle.replace("PROFILE", profile);
        let (set, _) = decode(bundle.as_bytes()).unwrap();
        get(&set, "127.0.0.2:1", path).0
    };
    for (path, allowed_by) in [
        ("/public/x", ["strict", "envoy", "raw"].as_slice()),
        ("/public/..;/private", &["envoy", "raw"]),
        ("/public/../private", &["raw"]),
    ] {
        for profile in ["strict", "envoy", "raw"] {
            assert_eq!(
                verdict(profile, path) == Verdict::Allow,
                allowed_by.contains(&profile),
                "{profile} {path}"
            );
        }
    }
    refused(
        &bundle.replace("PROFILE", "lax"),
        "endpoints[0].ingress.profiles[0].profile: unknown variant `lax`",
    );
    refused(
        &with(r#"[{"protocol": "TCP", "port": 80}]"#),
        "endpoints[0].ingress.profiles[0]: missing field `profile`",
    );
    let backwards = r#"[{"protocol": "TCP", "port": 80, "endPort": 79, "profile": "raw"}]"#;
    refused(&with(backwards), "endpoints[0].ingress.profiles[0]: endPort 79 is below port 80");
}

fn request<'a>(set: &'a PolicySet, source: &str, headers: &[(&str, &str)], certificate: &str) -> Judged<'a> {
    let (source, destination) = (source.parse().unwrap(), "127.0.0.1:8080".parse().unwrap());
    let connection = Connection { source, destination, direction: Direction::Ingress };
    let headers = headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
    let request = Request { method: Some(b"GET"), path: Some(b"/public"), headers, ..Request::default() };
    let certificate = Some(certificate.as_bytes()).filter(|uri| !uri.is_empty());
    set.request_by(&connection, certificate, &request)
}

#[test]
fn an_attachment_says_how_to_tell_who_sends() {
    let bundle = |sources: &str| {
        let attach = format!(r#""port": 80, "peerFrom": {sources}}}, "identities""#);
        let spiffe = r#""addresses": ["127.0.0.2/32"], "spiffe": ["spiffe://td/ns/default/sa/app2"]"#;
        let json = BUNDLE.replace("\"port\": 80},\n  \"identities\"", &attach);
        json.replace(r#""addresses": ["127.0.0.2/32"]"#, spiffe)
    };
    let check = |sources: &str, source: &str, forwarded: &str, certificate: &str, expected: &str| {
        let (set, _) = decode(bundle(sources).as_bytes()).unwrap();
        let headers: &[_] = if forwarded.is_empty() { &[] } else { &[("x-forwarded-for", forwarded)] };
        let judged = request(&set, source, headers, certificate);
        let case = format!("{sources} {source} {forwarded} {certificate}: {judged:?}");
        assert_eq!(judged.decision.reason.code(), expected, "{case}");
    };
    let (app2, other) = ("127.0.0.2:1", "127.0.0.3:1");
    let certificate = "spiffe://td/ns/default/sa/app2";
    check(r#"["source"]"#, app2, "", "", "allowed-by-rule");
    check(r#"["source"]"#, other, "127.0.0.2", certificate, "no-match");
    check(r#"["spiffe"]"#, other, "", certificate, "allowed-by-rule");
    check(r#"["spiffe"]"#, app2, "", "", "no-match");
    check(r#"["spiffe", "source"]"#, app2, "", "spiffe://td/ns/default/sa/app3", "no-match");
    let forwarded = r#"[{"forwardedFor": {"trustedHops": 1, "from": {"only": [2]}}}, "source"]"#;
    check(forwarded, other, "127.0.0.2", "", "allowed-by-rule");
    check(forwarded, other, "127.0.0.2, 127.0.0.9", "", "no-match");
    check(forwarded, other, "", "", "unknown-peer");
    check(forwarded, other, "127.0.0.2, x", "", "unknown-peer");
    check(forwarded, app2, "127.0.0.9", "", "allowed-by-rule");

    refused(&bundle("[]"), "attach.peerFrom: it is empty");
    refused(&bundle(r#"["header"]"#), "attach.peerFrom[0]: unknown variant `header`");
    refused(&bundle(r#"[{"forwardedFor": {"trustedHops": 0, "from": "any"}}]"#), "nonzero");
    refused(&bundle(r#"[{"forwardedFor": {"trustedHops": 1}}]"#), "missing field `from`");
    refused(&bundle(r#"["source"], "peer": "127.0.0.9""#), "both a peer and peerFrom");
    let uri = |uri: &str| bundle(r#"["spiffe"]"#).replace("spiffe://td/ns/default/sa/app2", uri);
    for wrong in
        ["https://td/a", "spiffe://td", "spiffe:///a", "spiffe://td/", "spiffe://TD/a", "spiffe://td/a/../b"]
    {
        refused(&uri(wrong), "identities[0]: spiffe");
    }
    refused(&uri(r#"spiffe://td/a", "spiffe://td/a"#), "spiffe://td/a is given twice");
}

#[test]
fn what_is_tried_is_decided_beside_what_is_enforced() {
    let rules = r#""audit": {"defaultDeny": true, "rules": []}, "rules": [{"#;
    let json = BUNDLE.replace(r#""rules": [{"#, rules);
    let bundle: postern_policy_wire::Bundle = serde_json::from_str(&json).unwrap();
    assert_eq!(bundle, serde_json::from_str(&serde_json::to_string(&bundle).unwrap()).unwrap());
    let (set, _) = decode(json.as_bytes()).unwrap();
    let judged = request(&set, "127.0.0.2:1", &[], "");
    assert_eq!(judged.decision.verdict, Verdict::Allow);
    assert_eq!(judged.audit.map(|audit| audit.verdict), Some(Verdict::Deny));
    let (set, _) = decode(BUNDLE.as_bytes()).unwrap();
    assert_eq!(request(&set, "127.0.0.2:1", &[], "").audit, None);

    // A rule that is enforced and tried is named once; one that is only tried, too.
    let bad = |id: &str| {
        format!(
            r#"{{"id": "{id}", "peers": "any", "ports": "all", "action": {{"http": [{{"id": "{id}/0", "path": "("}}]}}}}"#
        )
    };
    let audit = format!(
        r#""audit": {{"defaultDeny": true, "rules": [{}, {}]}}, "rules": [{}, {{"#,
        bad("a"),
        bad("b"),
        bad("a")
    );
    let (_, quarantined) = decode(BUNDLE.replace(r#""rules": [{"#, &audit).as_bytes()).unwrap();
    let named: Vec<_> = quarantined.iter().map(|rule| rule.rule.to_string()).collect();
    assert_eq!(named, ["a/0", "b/0"]);
}

#[test]
fn what_has_not_changed_is_not_compiled_again() {
    let load = |json: &str, before: &[&Loaded]| Loaded::new(json.into(), before.iter().copied()).unwrap();
    let first = load(BUNDLE, &[]);
    let moved = load(&BUNDLE.replace("127.0.0.2/32", "127.0.0.3/32"), &[&first]);
    assert!(Arc::ptr_eq(first.set.policies(), moved.set.policies()), "only identities changed");
    assert_eq!(get(&moved.set, "127.0.0.3:1", "/public").0, Verdict::Allow);
    assert_eq!(get(&moved.set, "127.0.0.2:1", "/public").0, Verdict::Deny);
    let other = load(&BUNDLE.replace("/public", "/other"), &[&first, &moved]);
    assert!(!Arc::ptr_eq(first.set.policies(), other.set.policies()), "the policy changed");
    assert_eq!(get(&other.set, "127.0.0.2:1", "/public").0, Verdict::Deny);
    assert_eq!(get(&other.set, "127.0.0.2:1", "/other").0, Verdict::Allow);

    // Errors are those of the whole, with its lines.
    for wrong in
        ["[]", "{}", &BUNDLE.replace("\"rules\": []", "\"rules\": [], \"x\": 1"), &format!("{BUNDLE}x")]
    {
        let error = Loaded::new(wrong.into(), []).unwrap_err().to_string();
        assert_eq!(error, decode(wrong.as_bytes()).unwrap_err().to_string());
    }
    let hits = r#""report": {"ruleHits": 1001}, "identities""#;
    refused(&BUNDLE.replace("\"identities\"", hits), "report.ruleHits: expected 1000 at most");
    assert!(Loaded::new(BUNDLE.replace("\"identities\"", hits).into(), []).is_err());
}

/// HTTP rules: a number and a path each.
type Rules = Vec<(u32, String)>;

/// A bundle with these HTTP rules.
fn of_rules(rules: &[(u32, String)]) -> String {
    let http: Vec<String> =
        rules.iter().map(|(id, path)| format!(r#"{{"id": "r/{id}", "path": "{path}"}}"#)).collect();
    BUNDLE.replace(r#"{"id": "r/0", "method": "GET", "path": "/public"}"#, &http.join(", "))
}

/// The names of HTTP rules that one set has of the other.
fn shared(of: &PolicySet, with: &PolicySet) -> usize {
    let places =
        |set: &PolicySet| -> Vec<usize> { set.rule_names().map(|id| id.as_str().as_ptr().addr()).collect() };
    let known = places(with);
    places(of).into_iter().filter(|place| known.contains(place)).count()
}

#[test]
fn rules_that_are_written_as_before_are_taken_over_one_by_one() {
    let rule = |id: u32| (id, format!("/svc{id}/v[0-9]+"));
    let rules: Rules = (0..200).map(rule).collect();
    let edited = |edit: &dyn Fn(&mut Rules)| {
        let mut rules = rules.clone();
        edit(&mut rules);
        rules
    };
    let before = Loaded::new(of_rules(&rules).into(), []).unwrap();
    let check = |name: &str, rules: &[(u32, String)], least: usize| {
        let text = of_rules(rules);
        let after = Loaded::new(text.clone().into(), [&before]).unwrap();
        let fresh = Loaded::new(text.into(), []).unwrap();
        assert_eq!(after.set.endpoints(), fresh.set.endpoints(), "{name}");
        assert_eq!(after.quarantined, fresh.quarantined, "{name}");
        let shared = shared(&after.set, &before.set);
        assert!(shared >= least, "{name}: {shared} of {}", rules.len());
        // And once more, from what was partly taken over.
        let again = Loaded::new(of_rules(&rules[1..]).into(), [&after, &before]).unwrap();
        assert_eq!(
            again.set.endpoints(),
            Loaded::new(of_rules(&rules[1..]).into(), []).unwrap().set.endpoints(),
            "{name}"
        );
    };
    check("one changes", &edited(&|rules| rules[90].1 = "/other".to_owned()), 199);
    check("twelve in a row change", &edited(&|rules| rules[9..21].fill((7, "/x".to_owned()))), 188);
    check(
        "every second one changes",
        &edited(&|rules| rules.iter_mut().step_by(2).for_each(|r| r.1.push('x'))),
        100,
    );
    check("five come first", &edited(&|rules| drop(rules.splice(0..0, (300..305).map(rule)))), 200);
    check("five go", &edited(&|rules| drop(rules.drain(50..55))), 195);
    check("one goes to the end", &edited(&|rules| rules.rotate_left(1)), 199);
    check("the other way round", &edited(&|rules| rules.reverse()), 0);
    check("all change", &edited(&|rules| rules.iter_mut().for_each(|rule| rule.1.push('y'))), 0);
    check("one cannot be compiled", &edited(&|rules| rules[3].1 = "(".to_owned()), 199);
    check("twice the same", &edited(&|rules| rules[4] = rules[5].clone()), 199);

    // One that is quarantined is named each time.
    let broken = edited(&|rules| rules[3].1 = "(".to_owned());
    let first = Loaded::new(of_rules(&broken).into(), []).unwrap();
    let mut next = broken;
    next[100].1.push('z');
    let second = Loaded::new(of_rules(&next).into(), [&first]).unwrap();
    assert_eq!(second.quarantined, first.quarantined);
    assert_eq!(second.quarantined.len(), 1);
}

/// Rules to and from two workloads, enforced and tried: each of them another, and some differ with this number.
fn of_all_places(number: usize) -> String {
    let rules = |place: &str| {
        let rule = |id: usize| {
            let edition = if id == number % 3 { number } else { 0 };
            format!(
                r#"{{"id": "{place}{id}", "peers": "any", "ports": "all", "action": {{"http": [
                {{"id": "{place}{id}/0", "path": "/{place}/{id}/[0-9]+"}},
                {{"id": "{place}{id}/1", "path": "/{place}/{id}/{edition}"}}]}}}}"#
            )
        };
        format!("[{}]", (0..3).map(rule).collect::<Vec<_>>().join(", "))
    };
    let direction = |name: &str, place: &str| {
        let (enforced, tried) = (rules(place), rules(&format!("{place}-tried")));
        // What is tried may stand before what is enforced.
        let audit = format!(r#""audit": {{"defaultDeny": true, "rules": {tried}}}"#);
        format!(r#""{name}": {{{audit}, "defaultDeny": true, "rules": {enforced}}}"#)
    };
    let endpoint = |name: &str| {
        let [to, from] = [("ingress", "to"), ("egress", "from")]
            .map(|(field, place)| direction(field, &format!("{name}-{place}")));
        // And what comes from a workload before what goes to it.
        format!(r#"{{"name": "default/{name}", "addresses": [], {from}, {to}}}"#)
    };
    let version = r#""apiVersion": "postern.dev/filter/v1alpha1""#;
    format!(r#"{{{version}, "identities": [], "endpoints": [{}, {}]}}"#, endpoint("a"), endpoint("b"))
}

#[test]
fn rules_are_taken_over_wherever_they_stand() {
    let mut before = Loaded::new(of_all_places(0).into(), []).unwrap();
    for number in 1..7 {
        let after = Loaded::new(of_all_places(number).into(), [&before]).unwrap();
        let fresh = Loaded::new(of_all_places(number).into(), []).unwrap();
        assert_eq!(after.set.endpoints(), fresh.set.endpoints(), "{number}");
        assert_ne!(after.set.endpoints(), before.set.endpoints(), "{number}");
        // Of six HTTP rules of a list, one or two differ from those before.
        let shared = shared(&after.set, &before.set);
        assert!((16..=20).contains(&shared), "{number}: {shared} of those that are enforced");
        before = after;
    }
}

/// The endpoints are recognised by the text behind the identities. Where they come first, only their rules are.
#[test]
fn the_order_of_the_parts_changes_nothing() {
    let (head, rest) = BUNDLE.split_once("\"identities\": ").unwrap();
    let (identities, endpoints) = rest.split_once("],\n  \"endpoints\": ").unwrap();
    let endpoints = endpoints.strip_suffix("\n}").unwrap();
    let turned = format!("{head}\"endpoints\": {endpoints}, \"identities\": {identities}] }}");
    let moved = |bundle: &str| bundle.replace("127.0.0.2/32", "127.0.0.3/32");
    let first = Loaded::new(turned.clone().into(), []).unwrap();
    let second = Loaded::new(moved(&turned).into(), [&first]).unwrap();
    assert!(!second.kept.policy && !second.kept.identities);
    assert_eq!(shared(&second.set, &first.set), 1, "the HTTP rule");
    assert_eq!(get(&second.set, "127.0.0.3:1", "/public").0, Verdict::Allow);
    // And from one order to the other.
    let third = Loaded::new(moved(BUNDLE).into(), [&second]).unwrap();
    assert!(third.kept.identities);
    assert_eq!(shared(&third.set, &second.set), 1, "the HTTP rule");
    assert_eq!(third.set.endpoints(), second.set.endpoints());
}

#[test]
fn what_is_wrong_in_a_rule_is_told_as_of_the_whole() {
    let first = Loaded::new(BUNDLE.into(), []).unwrap();
    for (from, to) in [
        ("\"id\": \"r/0\"", "\"id\": 7"),
        ("\"method\"", "\"verb\""),
        ("{\"id\": \"r/0\", \"method\": \"GET\", \"path\": \"/public\"}", "7"),
        ("\"path\": \"/public\"", "\"path\": null, \"path\": null"),
    ] {
        let wrong = BUNDLE.replace(from, to);
        let error = Loaded::new(wrong.clone().into(), [&first]).unwrap_err().to_string();
        assert_eq!(error, decode(wrong.as_bytes()).unwrap_err().to_string());
        assert!(error.contains("endpoints[0].ingress.rules[0].action"), "{error}");
    }
}
