use super::*;

const HEAD: &str =
    "apiVersion: postern.dev/v1alpha1\nkind: PolicyTest\npolicies: [p/*.yaml]\ninventory: [w.yaml]\n";

fn load(text: &str) -> PolicyTests {
    load_policy_tests(&[SourceFile { name: "t.yaml".to_owned(), text: text.to_owned() }])
}

/// The only case of a test with this one, or its errors.
fn case(fields: &str) -> Result<Case, String> {
    let loaded = load(&format!("{HEAD}cases:\n- {{name: c, from: a, to: b, {fields}}}\n"));
    let errors: Vec<String> = loaded.diagnostics.iter().map(ToString::to_string).collect();
    match loaded.tests.as_slice() {
        [test] if errors.is_empty() => Ok(test.cases[0].clone()),
        _ => Err(errors.join("\n")),
    }
}

#[test]
fn the_document_of_the_manual_is_read() {
    let text = "
apiVersion: postern.dev/v1alpha1
kind: PolicyTest
policies: [policies/*.yaml]
inventory: [world.yaml]
cases:
  - {name: public, from: default/app2, to: default/app1, port: 80, http: {method: GET, path: /public}, expect: allow}
  - {name: private, from: default/app2, to: default/app1, port: 80, http: {method: GET, path: /private}, expect: deny, rule: none}
  - {name: no app3, from: default/app3, to: default/app1, port: 80, expect: deny}
  - {name: outside, from: 203.0.113.7, to: default/app1, port: 22, protocol: TCP, expect: deny}
";
    let loaded = load(text);
    assert_eq!(loaded.diagnostics, []);
    let [test] = loaded.tests.as_slice() else { panic!("{loaded:?}") };
    assert_eq!(
        (test.policies[0].text.as_str(), test.inventory[0].text.as_str()),
        ("policies/*.yaml", "world.yaml")
    );
    let places: Vec<usize> = test.cases.iter().map(|case| case.place.span.place.line).collect();
    assert_eq!(places, [7, 8, 9, 10]);
    assert_eq!(test.cases[1].expect.rule, Some(ExpectedRule::None));
    assert_eq!(test.cases[3].from, End::Address("203.0.113.7".parse().unwrap()));
}

#[test]
fn traffic() {
    let check = |fields: &str, protocol: Protocol, port: PortRef| {
        let case = case(&format!("{fields}, expect: allow")).unwrap();
        assert_eq!((case.protocol, case.port), (protocol, port), "{fields}");
    };
    check("port: 80", Protocol::Tcp, PortRef::Number(80));
    check("port: \"80\"", Protocol::Tcp, PortRef::Number(80));
    check("port: web", Protocol::Tcp, PortRef::Named("web".to_owned()));
    check("port: 53, protocol: udp", Protocol::Udp, PortRef::Number(53));
    check("protocol: ICMP, icmp: {type: 8}", Protocol::Icmp, PortRef::Number(8));
    check("protocol: ICMPv6, icmp: {type: 128}", Protocol::IcmpV6, PortRef::Number(128));
    check("protocol: ESP", Protocol::Esp, PortRef::Number(0));
}

#[test]
fn headers_are_a_mapping_or_a_list_of_pairs() {
    let headers = |headers: &str| {
        let fields = format!("port: 80, http: {{method: GET, path: /, headers: {headers}}}, expect: deny");
        case(&fields).map(|case| case.http.unwrap().headers)
    };
    let pairs =
        |pairs: &[(&str, &str)]| Ok(pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect());
    assert_eq!(headers("{x-a: b, x-c: d}"), pairs(&[("x-a", "b"), ("x-c", "d")]));
    assert_eq!(headers("[[x-a, b], [x-a, c]]"), pairs(&[("x-a", "b"), ("x-a", "c")]));
    assert_eq!(headers("[]"), pairs(&[]));
}

#[test]
fn a_prefix_of_a_rule_ends_at_a_step() {
    let check = |wanted: &str, rule: Option<&str>, expected: bool| {
        let case = case(&format!("port: 1, expect: deny, rule: {wanted}")).unwrap();
        assert_eq!(case.expect.rule.unwrap().is(rule), expected, "{wanted} {rule:?}");
    };
    check("cnp/d/r/ingress/1", Some("cnp/d/r/ingress/1"), true);
    check("cnp/d/r/ingress/1", Some("cnp/d/r/ingress/1/toPorts/0"), true);
    check("cnp/d/r/", Some("cnp/d/r/ingress/1"), true);
    check("cnp/d/r/ingress/1", Some("cnp/d/r/ingress/10"), false);
    check("cnp/d/r", None, false);
    check("none", None, true);
    check("none", Some("cnp/d/r"), false);
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    for (fields, code, message) in [
        ("port: 80", "missing-field", "`expect` is missing"),
        ("expect: deny", "missing-field", "`port` is missing"),
        ("port: 0, expect: deny", "invalid-value", "cases[0].port: the number 0 is no port"),
        ("port: 65536, expect: deny", "invalid-value", "is no port"),
        ("port: \"\", expect: deny", "invalid-value", "is no port"),
        ("port: , expect: deny", "wrong-type", "`port` has no value"),
        ("prot: 80, port: 80, expect: deny", "unknown-field", "did you mean `port`?"),
        ("port: 80, protocol: TPC, expect: deny", "invalid-value", "there is no protocol \"TPC\""),
        ("protocol: ICMP, expect: deny", "missing-field", "`icmp` is missing"),
        ("protocol: ICMP, icmp: {type: 256}, expect: deny", "invalid-value", "is no ICMP type"),
        ("protocol: ICMP, icmp: {type: 8}, port: 1, expect: deny", "conflict", "ICMP has no ports"),
        ("port: 1, icmp: {type: 8}, expect: deny", "conflict", "`icmp` has no meaning with TCP"),
        ("port: 1, expect: denied", "invalid-value", "there is no verdict \"denied\""),
        ("port: 1, expect: deny, audit: redirect", "invalid-value", "before its requests"),
        ("port: 1, expect: redirect, http: {method: GET, path: /}", "invalid-value", "before its requests"),
        ("port: 1, expect: deny, http: {method: GET}", "missing-field", "a GET request has a path"),
        ("port: 1, expect: deny, http: {path: /}", "missing-field", "`method` is missing"),
        ("port: 1, protocol: UDP, expect: deny, http: {method: GET, path: /}", "conflict", "over TCP"),
        (
            "port: 1, expect: deny, http: {method: GET, path: /, headers: {Host: a}}",
            "invalid-value",
            "`host`",
        ),
        (
            "port: 1, expect: deny, http: {method: GET, path: /, headers: [[a]]}",
            "invalid-value",
            "not 1 texts",
        ),
        ("port: 1, expect: deny, reason: no-mach", "invalid-value", "there is no reason"),
        ("port: 1, expect: deny, rule: ", "wrong-type", "`rule` has no value"),
        ("port: 1, expect: deny, name2: x", "unknown-field", "did you mean `name`?"),
    ] {
        let errors = case(fields).expect_err(fields);
        assert!(errors.contains(code) && errors.contains(message), "{fields}:\n{errors}");
        assert!(errors.starts_with("t.yaml:6:"), "{errors}");
    }
    for (text, message) in [
        (HEAD.to_owned(), "`cases` is missing"),
        (format!("{HEAD}cases: []\n"), "the test has no case"),
        (HEAD.replace("[p/*.yaml]", "[]"), "`policies` names no file"),
        (HEAD.replace("v1alpha1", "v1"), "there is no postern.dev/v1 PolicyTest"),
        (format!("{HEAD}case: []\n"), "did you mean `cases`?"),
        (String::new(), "expected a PolicyTest"),
        ("kind: [".to_owned(), "not valid YAML"),
    ] {
        let loaded = load(&text);
        let errors: Vec<String> = loaded.diagnostics.iter().map(ToString::to_string).collect();
        assert!(loaded.tests.is_empty() && errors.join("\n").contains(message), "{text}:\n{errors:?}");
    }
}

#[test]
fn every_error_is_reported_and_two_cases_do_not_share_a_name() {
    let cases = "cases:
- {name: a, from: x, to: y, port: 1, expect: deny}
- {name: a, from: x, to: y, port: 1, expect: deny}
- {name: b, from: x, to: y, port: 0, expect: no}
";
    let loaded = load(&format!("{HEAD}{cases}"));
    let lines: Vec<usize> = loaded.diagnostics.iter().map(|found| found.span.place.line).collect();
    assert_eq!((loaded.tests.len(), lines), (0, vec![7, 8, 8]), "{:#?}", loaded.diagnostics);
}

#[test]
fn another_kind_is_passed_over_with_a_warning() {
    let loaded = load("apiVersion: v1\nkind: Pod\n");
    assert!(loaded.tests.is_empty() && !loaded.has_errors());
    assert_eq!(loaded.diagnostics[0].code, Code::ForeignKind);
}
