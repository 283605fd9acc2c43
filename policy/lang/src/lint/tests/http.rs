//! Lints of HTTP rules.

use super::{check, cnp, http};
use crate::lint::Lint;

#[test]
fn unescaped_dots() {
    let lint = Lint::UnescapedDot;
    for rule in [
        "{host: example.com}",
        "{host: '.*.example\\.com'}",
        "{host: '(www|api).example\\.com'}",
        "{path: /v1.2/.*}",
        "{path: '/[a-z]+.json'}",
    ] {
        check(lint, 1, &http(rule));
    }
    check(lint, 2, &http("{host: example.com, path: /index.html}"));
    for rule in [
        "{host: 'example\\.com'}",
        "{host: '.*\\.example[.]com'}",
        "{host: '[a-z.]+'}",
        "{path: /.*}",
        "{path: '/a.*b/.+c/.{3}d'}",
        "{path: '/user/.?x'}",
        "{path: '/users/....-..-..'}",
        "{method: GET}",
    ] {
        check(lint, 0, &http(rule));
    }
}

#[test]
fn paths_that_cannot_match() {
    let lint = Lint::PathCannotMatch;
    for rule in [
        "{path: public}",
        "{path: '/a|b'}",
        "{path: '(/a|b/.*)'}",
        "{path: '^public/.*'}",
        "{path: 'https://x/.*'}",
    ] {
        check(lint, 1, &http(rule));
    }
    for rule in [
        "{path: /public}",
        "{path: '.*'}",
        "{path: '.*/public'}",
        "{path: '[/]a'}",
        "{path: '^/a$'}",
        "{path: '/a|/b.*'}",
        "{path: '/?a'}",
        "{path: '\\*'}",
        "{path: '(?i)/A'}",
        "{path: '/(a|b)'}",
        "{path: '(/a)?/b'}",
        "{path: ''}",
    ] {
        check(lint, 0, &http(rule));
    }
}

#[test]
fn methods_that_cannot_match() {
    let lint = Lint::MethodCannotMatch;
    for rule in [
        "{method: get}",
        "{method: 'GET|post'}",
        "{method: DELTE}",
        "{method: '(get|POST)'}",
        "{method: Get}",
        "{method: FETCH}",
    ] {
        check(lint, 1, &http(rule));
    }
    for rule in [
        "{method: GET}",
        "{method: 'GET|HEAD'}",
        "{method: '(?i)get'}",
        "{method: '.*'}",
        "{method: 'P.*'}",
        "{method: 'P(OS|U)T'}",
        "{method: PROPFIND}",
    ] {
        check(lint, 0, &http(rule));
    }
}

#[test]
fn hosts_that_cannot_match() {
    check(Lint::HostCannotMatch, 1, &http("{host: 'https://example\\.com'}"));
    check(Lint::HostCannotMatch, 1, &http("{host: 'example\\.com/api'}"));
    check(Lint::HostCannotMatch, 0, &http("{host: 'example\\.com(:[0-9]+)?'}"));
    check(Lint::HostCannotMatch, 0, &http("{host: '.*'}"));
}

#[test]
fn paths_that_forget_the_query() {
    let lint = Lint::PathForgetsQuery;
    check(lint, 1, &http("{path: /public}"));
    check(lint, 1, &http("{path: /public}, {path: /other}"));
    check(lint, 1, &http("{path: '/a/[0-9]+'}"));
    check(lint, 0, &http("{path: '/public.*'}"));
    check(lint, 0, &http("{path: '/public(\\?.*)?'}"));
    check(lint, 0, &http("{path: '/a/[^/]+'}"));
    check(lint, 0, &http("{method: GET}"));
}

#[test]
fn get_without_head() {
    let lint = Lint::HeadNotGet;
    check(lint, 1, &http("{method: GET, path: /a}, {method: POST, path: /a}"));
    check(lint, 1, &http("{method: 'GET|PUT'}"));
    check(lint, 0, &http("{method: 'GET|HEAD'}"));
    check(lint, 0, &http("{method: GET}, {method: HEAD}"));
    check(lint, 0, &http("{method: GET}, {path: /x}"));
    check(lint, 0, &http("{method: POST}"));
}

#[test]
fn anchors_around_what_is_matched_whole() {
    let lint = Lint::RedundantAnchors;
    for rule in ["{path: '^/a$'}", "{path: '^/a'}", "{host: 'x$'}", "{method: '^GET$'}"] {
        check(lint, 1, &http(rule));
    }
    for rule in ["{path: '/a'}", "{path: '/a\\$'}", "{path: '[^/]a'}", "{path: '^$|/a'}", "{path: '^'}"] {
        check(lint, 0, &http(rule));
    }
}

#[test]
fn rules_that_another_of_the_list_makes_needless() {
    let lint = Lint::UnreachableRule;
    for rules in [
        "{method: GET, path: /a}, {method: GET, path: /a}",
        "{path: '/.*'}, {method: GET, path: /a}",
        "{method: GET, path: /a}, {path: '/.*'}",
        "{method: 'GET|HEAD', path: '/a/.*'}, {method: GET, path: '/a/b/.*'}",
        "{path: /a}, {path: /a, headers: [X-Y]}",
        "{}, {method: GET}",
    ] {
        check(lint, 1, &http(rules));
    }
    for rules in [
        "{method: GET, path: /a}, {method: POST, path: /a}",
        "{path: '/a/.*'}, {path: /a}",
        "{path: '/a/.*'}, {path: '/.*/b'}",
        "{path: /a, headers: [X-Y]}, {path: /a, headers: [X-Z]}",
        "{path: '.*'}, {method: CONNECT}",
        "{path: '/a/.*|/b'}, {path: '/c|/b'}",
        "{path: '(?i)/a|/b'}, {path: '/(?i)c|/a'}",
    ] {
        check(lint, 0, &http(rules));
    }
}

/// The tutorial's policy as one would first write it today: two items.
const TWO_ITEMS: &str = "  ingress:\n  - fromEndpoints: [{matchLabels: {id: app2}}]\n  - toPorts:\n    - ports: [{port: \"80\", \
                         protocol: TCP}]\n      rules: {http: [{method: GET, path: /public}]}";

#[test]
fn two_items_where_one_was_meant() {
    check(Lint::HttpShadowedByPlainAllow, 1, &cnp("rule1", TWO_ITEMS));
    check(Lint::HttpWithoutPeer, 1, &cnp("rule1", TWO_ITEMS));
    check(Lint::HttpShadowedByPlainAllow, 0, &http("{method: GET, path: /public}"));
    check(Lint::HttpWithoutPeer, 0, &http("{method: GET, path: /public}"));
    let legacy = "apiVersion: cilium.io/v1\nkind: CiliumNetworkPolicy\nmetadata: {name: rule1}\nspec:\n  \
                  endpointSelector: {matchLabels: {id: app1}}\n";
    check(Lint::HttpShadowedByPlainAllow, 0, &format!("{legacy}{TWO_ITEMS}"));
    check(Lint::HttpWithoutPeer, 0, &format!("{legacy}{TWO_ITEMS}"));
    check(Lint::LegacyDialect, 1, &format!("{legacy}{TWO_ITEMS}"));
    check(Lint::LegacyDialect, 0, &cnp("rule1", TWO_ITEMS));
}

#[test]
fn plain_allowances_beside_http_rules() {
    let lint = Lint::HttpShadowedByPlainAllow;
    let with = |plain: &str| format!("{}{}", http("{path: /public}"), cnp("plain", plain));
    for plain in [
        "  ingress:\n  - fromEndpoints: [{matchLabels: {id: app2}}]",
        "  ingress:\n  - fromEndpoints: [{}]",
        "  ingress:\n  - fromEndpoints: [{matchExpressions: [{key: id, operator: In, values: [app2, app3]}]}]",
        "  ingress:\n  - toPorts: [{ports: [{port: \"80\"}]}]",
        "  ingress:\n  - toPorts: [{ports: [{port: \"1\", endPort: 100, protocol: TCP}]}]",
    ] {
        check(lint, 1, &with(plain));
    }
    for plain in [
        "  ingress:\n  - fromEndpoints: [{matchLabels: {id: app3}}]",
        "  ingress:\n  - fromEndpoints: [{matchLabels: {id: app2, role: admin}}]",
        "  ingress:\n  - fromEndpoints: []",
        "  ingress:\n  - fromEndpoints: [{matchLabels: {id: app2, io.kubernetes.pod.namespace: other}}]",
        "  ingress:\n  - toPorts: [{ports: [{port: \"80\", protocol: UDP}]}]",
        "  ingress:\n  - toPorts: [{ports: [{port: \"8080\"}]}]",
        "  egress:\n  - toEndpoints: [{matchLabels: {id: app2}}]",
        "  ingressDeny:\n  - fromEndpoints: [{matchLabels: {id: app3}}]",
    ] {
        check(lint, 0, &with(plain));
    }
    // Anyone may ask for what is public, and a monitor may have all of the same port: that is said in so many words.
    let monitor = "  ingress:\n  - fromEndpoints: [{matchLabels: {id: monitor}}]\n    toPorts: [{ports: [{port: \"80\"}]}]\n  \
                   - toPorts:\n    - ports: [{port: \"80\", protocol: TCP}]\n      rules: {http: [{path: /public}]}";
    check(lint, 0, &cnp("monitor", monitor));
}

#[test]
fn http_rules_without_a_peer() {
    let item = |rest: &str| {
        cnp(
            "p",
            &format!(
                "  {rest}\n    - ports: [{{port: \"80\", protocol: TCP}}]\n      rules: {{http: [{{}}]}}"
            ),
        )
    };
    check(Lint::HttpWithoutPeer, 1, &item("ingress:\n  - toPorts:"));
    check(Lint::HttpWithoutPeer, 0, &item("egress:\n  - toPorts:"));
    check(Lint::HttpWithoutPeer, 0, &item("ingress:\n  - fromEndpoints: [{}]\n    toPorts:"));
    check(Lint::HttpWithoutPeer, 0, &item("ingress:\n  - fromEndpoints: []\n    toPorts:"));
    let plain = cnp("p", "  ingress:\n  - toPorts: [{ports: [{port: \"80\"}]}]");
    check(Lint::HttpWithoutPeer, 0, &plain);
}

#[test]
fn many_paths_without_a_text() {
    let rules = |count: usize, path: &str| {
        let rule = |number: usize| format!("{{path: '{}'}}", path.replace('N', &(1 + number).to_string()));
        http(&(0..count).map(rule).collect::<Vec<_>>().join(", "))
    };
    let lint = Lint::PathsWithoutText;
    check(lint, 1, &rules(100, "/[a-z]{N}/[0-9]+"));
    check(lint, 0, &rules(99, "/[a-z]{N}/[0-9]+"));
    check(lint, 0, &rules(100, "/shopN/[0-9]+"));
    check(lint, 0, &rules(100, ".*/itemN"));
    check(lint, 0, &rules(100, "/(aN|bN)/.*"));
}
