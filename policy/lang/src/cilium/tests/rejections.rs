//! What Cilium's agent and operator refuse, one or more rows for each of their checks, numbered (0 is what only the
//! schema or Postern refuses): each is refused here too, by a message that says what to do.

use super::{load, with_spec};

const CNP: &str = "CiliumNetworkPolicy";
const CCNP: &str = "CiliumClusterwideNetworkPolicy";

/// A number, a kind, a `spec`, and what its one error says.
type Row = (u8, &'static str, String, &'static str);

fn check(rows: &[Row]) {
    for (number, kind, spec, expected) in rows {
        let (policies, diagnostics) = load(&with_spec(kind, spec));
        assert!(policies.is_empty(), "{number}: {spec} was accepted");
        let [error] = &diagnostics[..] else { panic!("{number}: {spec}: {diagnostics:#?}") };
        assert!(error.contains(expected), "{number}: {error}\nwanted: {expected}");
        assert!(error.contains(": error[") && error.ends_with(')'), "{number}: {error}");
    }
}

fn pods(lists: &str) -> String {
    format!("endpointSelector: {{}}, {lists}")
}

fn ingress(item: &str) -> String {
    pods(&format!("ingress: [{{{item}}}]"))
}

fn egress(item: &str) -> String {
    pods(&format!("egress: [{{{item}}}]"))
}

fn on_ports(entry: &str) -> String {
    egress(&format!("toPorts: [{{{entry}}}]"))
}

fn http(port: &str) -> String {
    on_ports(&format!("ports: [{{{port}}}], rules: {{http: [{{}}]}}"))
}

fn http_rule(rule: &str) -> String {
    on_ports(&format!("ports: [{{port: '80', protocol: TCP}}], rules: {{http: [{{{rule}}}]}}"))
}

const TCP: &str = "ports: [{port: '80', protocol: TCP}]";
const DNS_PORT: &str = "ports: [{port: '53', protocol: UDP}]";

#[test]
fn of_rules() {
    check(&[
        (1, CNP, pods("ingress: []"), "the rule says nothing: its lists are empty"),
        (1, CNP, pods("ingress: [], egressDeny: []"), "the rule says nothing"),
        (1, CNP, pods("enableDefaultDeny: {ingress: true}"), "the rule says nothing: it has no ingress"),
        (2, CNP, "ingress: [{}]".to_owned(), "`endpointSelector` is missing"),
        (2, CCNP, "ingress: [{}]".to_owned(), "add it, or `nodeSelector`"),
        (2, CCNP, pods("nodeSelector: {}, ingress: [{}]"), "both endpointSelector and nodeSelector"),
        (2, CNP, "nodeSelector: {}, ingress: [{}]".to_owned(), "a namespaced policy cannot select nodes"),
        (
            3,
            CNP,
            "endpointSelector: {matchLabels: {a: b c}}, ingress: [{}]".to_owned(),
            "\"b c\" is not a label value",
        ),
        (
            3,
            CNP,
            ingress("fromEndpoints: [{matchExpressions: [{key: a, operator: Is}]}]"),
            "there is no operator \"Is\"",
        ),
        (
            3,
            CNP,
            ingress("fromEndpoints: [{matchExpressions: [{key: a, operator: In}]}]"),
            "In needs at least one value",
        ),
        (3, CNP, ingress("fromEndpoints: [{matchLabels: {'a b': c}}]"), "\"a b\" is not a label key"),
        (
            3,
            CNP,
            ingress("fromCIDRSet: [{cidrGroupSelector: {matchLabels: {'x:y': z}}}]"),
            "is not a label key",
        ),
    ]);
}

#[test]
fn of_peers() {
    check(&[
        (
            4,
            CNP,
            ingress("fromEndpoints: [{}], fromEntities: [world]"),
            "in several ways: fromEndpoints, fromEntities",
        ),
        (
            4,
            CNP,
            ingress("fromCIDR: [10.0.0.0/8], fromCIDRSet: [{cidr: 10.0.0.0/8}]"),
            "fromCIDR, fromCIDRSet",
        ),
        (4, CNP, egress("toFQDNs: [{matchName: a.b}], toNodes: [{}]"), "toNodes, toFQDNs"),
        (
            6,
            CNP,
            ingress("fromEntities: [internet]"),
            "there is no entity \"internet\" (expected one of all, world,",
        ),
        (6, CNP, ingress("fromEntities: [World]"), "there is no entity \"World\""),
        (6, CNP, ingress("fromEntities: [world-ipv4]"), "there is no entity \"world-ipv4\""),
        (20, CNP, ingress("fromCIDR: ['']"), "\"\" is not an address with a prefix length"),
        (20, CNP, ingress("fromCIDR: [10.0.0.1]"), "(write 10.0.0.1/32 for this address alone)"),
        (20, CNP, ingress("fromCIDR: ['fd00::1']"), "(write fd00::1/128 for this address alone)"),
        (20, CNP, ingress("fromCIDR: [10.0.0.0/33]"), "expected a prefix such as 10.0.0.0/8"),
        (20, CNP, ingress("fromCIDR: ['::ffff:10.0.0.0/104']"), "is an IPv4 prefix written as IPv6"),
        (20, CNP, ingress("fromCIDRSet: [{cidr: ten}]"), "\"ten\" is not an address with a prefix length"),
        (20, CNP, ingress("fromCIDRSet: [{except: [10.0.0.0/8]}]"), "the entry names no addresses"),
        (20, CNP, ingress("fromCIDRSet: [{cidr: 10.0.0.0/8, cidrGroupRef: g}]"), "in several ways"),
        (
            20,
            CNP,
            ingress("fromCIDRSet: [{cidr: 10.0.0.0/8, except: [11.0.0.0/8]}]"),
            "11.0.0.0/8 is not a part of 10.0.0.0/8",
        ),
        (20, CNP, ingress("fromCIDRSet: [{cidr: 10.0.0.0/8, except: [10.0.0.0/7]}]"), "is not a part of"),
        (20, CNP, ingress("fromCIDRSet: [{cidr: 10.0.0.0/8, except: ['fd00::/8']}]"), "is not a part of"),
        (20, CNP, ingress("fromCIDRSet: [{cidrGroupRef: g, except: [10]}]"), "expected a text"),
        (21, CNP, egress("toFQDNs: [{}]"), "the entry names nothing"),
        (
            21,
            CNP,
            egress("toFQDNs: [{matchName: a.b, matchPattern: '*.b'}]"),
            "both matchName and matchPattern",
        ),
        (21, CNP, egress("toFQDNs: [{matchName: '*.b'}]"), "\"*.b\" is not a name in the DNS"),
        (21, CNP, egress("toFQDNs: [{matchPattern: 'a/b'}]"), "is not a name in the DNS"),
        (21, CNP, egress("toFQDNs: [{matchName: ''}]"), "is not a name in the DNS"),
        (
            21,
            CNP,
            egress(&format!("toFQDNs: [{{matchName: {}}}]", "a".repeat(256))),
            "expected 1 to 255 characters",
        ),
    ]);
}

#[test]
fn of_ports() {
    let many_ports = vec!["{port: '80'}"; 41].join(",");
    let many_types = vec!["{type: 8}"; 41].join(",");
    check(&[
        (
            10,
            CNP,
            ingress(&format!("toPorts: [{{{TCP}}}], icmps: [{{fields: [{{type: 8}}]}}]")),
            "both toPorts and icmps",
        ),
        (
            10,
            CNP,
            ingress(&format!("icmps: [{{fields: [{many_types}]}}]")),
            "41 types in one entry, more than the 40",
        ),
        (10, CNP, ingress("icmps: [{fields: [{family: IPv5, type: 8}]}]"), "there is no family \"IPv5\""),
        (10, CNP, ingress("icmps: [{fields: [{type: 256}]}]"), "ICMP has no type 256"),
        (10, CNP, ingress("icmps: [{fields: [{type: PacketTooBig}]}]"), "ICMP has no type \"PacketTooBig\""),
        (
            10,
            CNP,
            ingress("icmps: [{fields: [{type: Redirect, family: IPv6}]}]"),
            "ICMPv6 has no type \"Redirect\"",
        ),
        (10, CNP, ingress("icmps: [{fields: [{family: IPv6}]}]"), "`type` is missing"),
        (
            11,
            CNP,
            on_ports(&format!("ports: [{many_ports}]")),
            "41 ports in one entry, more than the 40 allowed",
        ),
        (
            11,
            CNP,
            pods(&format!("egressDeny: [{{toPorts: [{{ports: [{many_ports}]}}]}}]")),
            "41 ports in one entry",
        ),
        (12, CNP, on_ports("ports: [{port: ''}]"), "\"\" is not a port"),
        (12, CNP, on_ports("ports: [{protocol: TCP}]"), "`port` is missing"),
        (12, CNP, on_ports("ports: [{port: '70000'}]"), "\"70000\" is not a port"),
        (12, CNP, on_ports("ports: [{port: a--b}]"), "\"a--b\" is not a port"),
        (12, CNP, on_ports("ports: [{port: '-http'}]"), "is not a port"),
        (12, CNP, on_ports("ports: [{port: a-name-too-long-for-a-port}]"), "is not a port"),
        (12, CNP, on_ports("ports: [{port: '80', protocol: GRE}]"), "the protocol has no ports"),
        (12, CNP, on_ports("ports: [{port: http, protocol: VRRP}]"), "the protocol has no ports"),
        (12, CNP, on_ports("ports: [{port: '0', endPort: 9, protocol: ESP}]"), "the protocol has no ports"),
        (12, CNP, on_ports("ports: [{port: '80', protocol: tcp}]"), "expected one of TCP, UDP, SCTP, IGMP,"),
        (12, CNP, on_ports("ports: [{port: '0', protocol: ICMP}]"), "write `icmps` in place of `toPorts`"),
    ]);
}

#[test]
fn of_what_is_looked_at() {
    let both = format!("{TCP}, rules: {{http: [{{}}], dns: [{{matchPattern: '*'}}]}}");
    let dns = |ports: &str| format!("ports: [{ports}], rules: {{dns: [{{matchPattern: '*'}}]}}");
    let named = format!("{TCP}, serverNames: [a.b], rules: {{http: [{{}}]}}");
    let nodes = |list: &str| {
        format!("nodeSelector: {{}}, {list}: [{{toPorts: [{{{TCP}, rules: {{http: [{{}}]}}}}]}}]")
    };
    let listener = "listener: {envoyConfig: {name: c}, name: l}";
    let listening = format!("{TCP}, {listener}, rules: {{http: [{{}}]}}");
    check(&[
        (7, CCNP, nodes("ingress"), "a rule that selects nodes cannot look at HTTP"),
        (7, CCNP, nodes("egress"), "a rule that selects nodes cannot look at HTTP"),
        (
            9,
            CNP,
            ingress(&format!("toPorts: [{{{}}}]", dns("{port: '53'}"))),
            "DNS rules are for egress only",
        ),
        (13, CNP, http("port: '80'"), "HTTP rules need protocol TCP; left out, it means any protocol"),
        (13, CNP, http("port: '80', protocol: ANY"), "HTTP rules need protocol TCP"),
        (13, CNP, http("port: '80', protocol: UDP"), "HTTP rules need protocol TCP"),
        (13, CNP, http("port: web"), "HTTP rules need protocol TCP"),
        (13, CNP, http("protocol: GRE"), "nothing for rules to look at"),
        (14, CNP, http("port: '0', protocol: TCP"), "HTTP rules need a port"),
        (14, CNP, on_ports(&dns("{port: '0'}")), "DNS rules need a port"),
        (14, CNP, on_ports(&dns("{port: '53', endPort: 54}")), "DNS rules take no range of ports"),
        (14, CNP, on_ports(&dns("")), "DNS rules need ports"),
        (15, CNP, on_ports(&both), "both `http` and `dns` are given"),
        (16, CNP, on_ports(&named), "serverNames with rules needs terminatingTLS"),
        (16, CNP, on_ports(&format!("{TCP}, serverNames: ['']")), "is not a name in the DNS"),
        (16, CNP, on_ports(&format!("{TCP}, serverNames: []")), "`serverNames` has no name"),
        (17, CNP, ingress(&format!("toPorts: [{{{TCP}, {listener}}}]")), "a listener is for egress only"),
        (17, CNP, on_ports(&listening), "an entry has either a listener or rules"),
        (18, CNP, http_rule("path: '/('"), "rules.http[0].path: not a valid expression"),
        (18, CNP, http_rule("method: '['"), "rules.http[0].method: not a valid expression"),
        (18, CNP, http_rule("host: '['"), "rules.http[0].host: not a valid expression"),
        (19, CNP, http_rule("headerMatches: [{name: ''}]"), "\"\" is not a header name"),
        (19, CNP, http_rule("headerMatches: [{value: x}]"), "`name` is missing"),
        (
            19,
            CNP,
            http_rule("headerMatches: [{name: X, mismatch: KEEP}]"),
            "there is no mismatch action \"KEEP\"",
        ),
        (19, CNP, http_rule("headerMatches: [{name: X, secret: {name: ''}}]"), "\"\" is not a valid name"),
        (19, CNP, http_rule("headerMatches: [{name: X, value: ' v'}]"), "it could never match"),
        (
            21,
            CNP,
            on_ports(&format!("{DNS_PORT}, rules: {{dns: [{{matchName: a, matchPattern: b}}]}}")),
            "both matchName",
        ),
    ]);
}

/// A deny item takes peers and ports, and nothing that could only allow.
#[test]
fn of_denials() {
    let deny = |item: &str| pods(&format!("egressDeny: [{{{item}}}]"));
    let tls = "{secret: {name: s}}";
    let mut rows: Vec<Row> = vec![
        (0, CNP, deny("toFQDNs: [{matchName: a.b}]"), "`toFQDNs` can only allow"),
        (0, CNP, deny("toFQDNs: []"), "`toFQDNs` can only allow"),
        (0, CNP, deny("toEntities: [world], authentication: {mode: required}"), "takes no authentication"),
    ];
    for (field, expected) in [
        ("rules: {http: []}".to_owned(), "`rules` can only allow"),
        (format!("terminatingTLS: {tls}"), "`terminatingTLS` can only allow"),
        (format!("originatingTLS: {tls}"), "`originatingTLS` can only allow"),
        ("serverNames: [a]".to_owned(), "`serverNames` can only allow"),
        ("listener: {envoyConfig: {name: c}, name: l}".to_owned(), "`listener` can only allow"),
    ] {
        rows.push((0, CNP, deny(&format!("toPorts: [{{{TCP}, {field}}}]")), expected));
    }
    check(&rows);
}

/// What Cilium once had, and fields of their own that upstream's API server refuses.
#[test]
fn of_fields_that_are_gone_or_wrong() {
    let rules = |rules: &str| on_ports(&format!("{TCP}, rules: {{{rules}}}"));
    check(&[
        (0, CNP, rules("kafka: [{role: produce}]"), "`kafka` was removed from Cilium"),
        (0, CNP, rules("l7proto: x"), "`l7proto` was removed"),
        (0, CNP, rules("http: [{}], l7: []"), "`l7` was removed"),
        (0, CNP, rules(""), "`rules` says nothing"),
        (0, CNP, ingress("fromRequires: [{}]"), "`fromRequires` was removed from Cilium"),
        (0, CNP, egress("toRequires: [{}]"), "`toRequires` was removed from Cilium"),
        (0, CNP, ingress("auth: {type: x}"), "write `authentication: {mode: required}`"),
        (0, CNP, ingress("authentication: {mode: always}"), "there is no authentication mode \"always\""),
        (0, CNP, ingress("authentication: {}"), "`mode` is missing"),
        (0, CNP, egress("toServices: [{}]"), "the entry names no service"),
        (0, CNP, egress("toServices: [{k8sService: {serviceName: s}}]"), "in any namespace would be meant"),
        (0, CNP, egress("toServices: [{k8sServiceSelector: {namespace: n}}]"), "`selector` is missing"),
        (0, CNP, egress("toGroups: [{}]"), "`aws` is missing"),
        (0, CNP, egress("toGroups: [{aws: {vpc: x}}]"), "there is no field `vpc`"),
        (0, CNP, on_ports(&format!("{TCP}, originatingTLS: {{}}")), "`secret` is missing"),
        (
            0,
            CNP,
            on_ports(&format!("{TCP}, listener: {{envoyConfig: {{name: c}}, name: l, priority: 101}}")),
            "from 1 to 100",
        ),
        (
            0,
            CNP,
            on_ports(&format!("{TCP}, listener: {{envoyConfig: {{kind: X, name: c}}, name: l}}")),
            "of kind \"X\"",
        ),
        (
            0,
            CNP,
            pods("ingress: [{}], log: {value: a text that is far too long to be logged}"),
            "at most 32 printable",
        ),
        (0, CNP, pods("ingress: [{}], log: {value: \"a\\nb\"}"), "at most 32 printable"),
        (0, CNP, pods("ingress: [{}], labels: [{value: x}]"), "`key` is missing"),
        (0, CNP, pods("ingress: [{}], labels: [{key: ''}]"), "the label has no name"),
    ]);
}

/// Where Cilium takes what is odd, and means something that nobody would guess.
#[test]
fn of_oddities_that_cilium_takes() {
    check(&[
        (
            0,
            CNP,
            on_ports("ports: [{port: '80', endPort: 79, protocol: TCP}]"),
            "endPort 79 is not a port from 80 on",
        ),
        (
            0,
            CNP,
            on_ports("ports: [{port: web, endPort: 90, protocol: TCP}]"),
            "a range cannot start at the name \"web\"",
        ),
        (0, CNP, on_ports("ports: [{port: '0', endPort: 90, protocol: TCP}]"), "a range cannot start there"),
    ]);
}
