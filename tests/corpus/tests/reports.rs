//! Both doors to the core say the same: the same answers, metrics, log lines and headers for the same traffic.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fmt::Write as _;
use std::io::{self, Write};
use std::mem;
use std::sync::{Arc, LazyLock, Mutex};

use postern_filter_module::{COMPONENT_WASM, CONNECTION_ROOT_ID, FILTER_WASM, HTTP_ROOT_ID};
use postern_host_vm::{
    ConnectionInfo, ConnectionOutcome, Direction, Engine, Headers, Limits, MetricsStore, Module, Plugin,
    RequestOutcome, Vm,
};

/// `app2` may read some, what is tried would let it read others, one rule is quarantined; `app3` is denied by name,
/// and everybody else by default.
const BUNDLE: &str = r#"{
  "apiVersion": "postern.dev/filter/v1alpha1",
  "versions": {"identities": "i1", "policy": "p1"},
  "report": {},
  "attach": {"direction": "ingress", "peerFrom": ["spiffe", {"forwardedFor": {"trustedHops": 1, "from": {"only": [302]}}}, "source"]},
  "identities": [
    {"id": 300, "labels": ["k8s:id=app2"], "addresses": ["10.0.0.2/32", "2001:db8::2/128"], "spiffe": ["spiffe://td/ns/default/sa/app2"]},
    {"id": 301, "labels": ["k8s:id=app3"], "addresses": ["10.0.0.3/32"]},
    {"id": 302, "labels": ["k8s:id=gateway"], "addresses": ["10.0.0.4/32"]}
  ],
  "endpoints": [{
    "name": "default/app1",
    "addresses": ["10.0.0.1", "2001:db8::1"],
    "ingress": {
      "defaultDeny": true,
      "rules": [
        {"id": "deny", "peers": {"only": [301]}, "ports": "all", "action": "deny"},
        {"id": "open", "peers": {"only": [302]}, "ports": {"only": [{"protocol": "TCP", "port": 81}]}, "action": "allow"},
        {"id": "r.0", "peers": {"only": [300, 302]}, "ports": {"only": [{"protocol": "TCP", "port": 80}]},
         "action": {"http": [{"id": "r.0/0", "path": "/a"}, {"id": "r.0/1 b=c", "method": "GET", "path": "/b"},
                             {"id": "r.0/2", "path": "/(", "host": "never"}]}}
      ],
      "audit": {
        "defaultDeny": true,
        "rules": [{
          "id": "t", "peers": {"only": [300]}, "ports": {"only": [{"protocol": "TCP", "port": 80}]},
          "action": {"http": [{"id": "t/0", "path": "/a"}, {"id": "t/1", "path": "/c"}]}
        }]
      }
    },
    "egress": {"defaultDeny": false, "rules": []}
  }]
}"#;

/// The log of this thread.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// What has been said since, each line once: the module's two filters are configured one after the other, and either
    /// says what became of it.
    fn take(&self) -> Vec<String> {
        let text = String::from_utf8(mem::take(&mut *self.0.lock().unwrap())).unwrap();
        let mut lines: Vec<String> = Vec::new();
        for line in text.lines().map(without_time) {
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
        lines
    }
}

/// How long reading took is nobody's to compare.
fn without_time(line: &str) -> String {
    match line.split_once("read in ") {
        Some((before, _)) => format!("{before}read in N"),
        None => line.to_owned(),
    }
}

/// What is done to a guest.
#[derive(Clone, Copy)]
enum Step<'a> {
    Configure(&'a str),
    /// From an address, to another, with a certificate.
    Connection(&'a str, &'a str, Option<&'a str>),
    /// On such a connection, with a method, a path and further headers.
    Request(&'a str, &'a str, Option<&'a str>, &'a str, &'a str, &'a [(&'a str, &'a str)]),
}

/// What a guest said and did, in order, and every metric that it left.
fn transcript(module: &Module, steps: &[Step<'_>]) -> String {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(move || writer.clone())
        .without_time()
        .with_ansi(false)
        .finish();
    tracing::subscriber::with_default(subscriber, || {
        let plugin = Plugin {
            name: "postern".to_owned(),
            vm_id: "reports".to_owned(),
            connection_root: Some(CONNECTION_ROOT_ID.to_owned()),
            http_root: HTTP_ROOT_ID.to_owned(),
        };
        let metrics = Arc::new(MetricsStore::new());
        let mut vm = Vm::new(module, Arc::new(plugin), Arc::clone(&metrics)).unwrap();
        let mut said = String::new();
        for (number, step) in steps.iter().enumerate() {
            writeln!(said, "{number}: {}", take(&mut vm, step)).unwrap();
            for line in log.take() {
                writeln!(said, "    {line}").unwrap();
            }
        }
        for sample in metrics.samples() {
            writeln!(said, "{:?} {} {}", sample.kind, sample.name, sample.value).unwrap();
        }
        numbered(&said)
    })
}

fn take(vm: &mut Vm, step: &Step<'_>) -> String {
    let info = |from: &str, to: &str, certificate: Option<&str>| {
        let info = ConnectionInfo::new(from.parse().unwrap(), to.parse().unwrap(), Direction::Inbound);
        if certificate.is_some() { info.with_mtls(certificate) } else { info }
    };
    match *step {
        Step::Configure(bundle) => format!("{:?}", vm.configure(bundle.to_owned().into())),
        Step::Connection(from, to, certificate) => {
            match vm.on_connection(info(from, to, certificate)).unwrap() {
                ConnectionOutcome::Open(connection) => {
                    vm.on_close(connection).unwrap();
                    "open".to_owned()
                }
                ConnectionOutcome::Closed => "closed".to_owned(),
            }
        }
        Step::Request(from, to, certificate, method, path, headers) => {
            let mut sent = Headers::new();
            let head = [(":method", method), (":authority", "app1"), (":path", path)];
            for (name, value) in head.iter().chain(headers) {
                sent.push(name.as_bytes(), value.as_bytes());
            }
            match vm.on_request(&Arc::new(info(from, to, certificate)), &mut sent, true).unwrap() {
                RequestOutcome::Respond(answer) => format!("{answer:?}"),
                other => format!("{other:?}"),
            }
        }
    }
}

/// Each id by its number: they are others in every run, but a header's is the one in the log.
fn numbered(said: &str) -> String {
    let mut ids: Vec<&str> = Vec::new();
    let is_id = |word: &&str| word.len() == 16 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    for word in said.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(is_id) {
        if !ids.contains(&word) {
            ids.push(word);
        }
    }
    let name = |text: String, (number, id): (usize, &&str)| text.replace(*id, &format!("#{number}"));
    ids.iter().enumerate().fold(said.to_owned(), name)
}

/// With such a `report` in its bundle, or without any bundle, both doors say the same; and, so that it is not the same nothing, this too.
fn check(report: &str, steps: &[Step<'_>], expected: &[&str]) {
    check_with(BUNDLE, report, steps, expected);
}

fn check_with(bundle: &str, report: &str, steps: &[Step<'_>], expected: &[&str]) {
    static GUESTS: LazyLock<[Module; 2]> = LazyLock::new(|| {
        [FILTER_WASM, COMPONENT_WASM]
            .map(|guest| Module::compile(&Engine::new(Limits::default()).unwrap(), guest).unwrap())
    });
    let bundle = bundle.replace(r#""report": {}"#, &format!(r#""report": {report}"#));
    let first = (!report.is_empty()).then_some(Step::Configure(&bundle));
    let steps: Vec<Step<'_>> = first.into_iter().chain(steps.iter().copied()).collect();
    let [module, component] = GUESTS.each_ref().map(|guest| transcript(guest, &steps));
    assert!(module == component, "{report}: the module says\n{module}\nand the component\n{component}");
    for expected in expected {
        assert!(module.contains(expected), "{report}: no `{expected}` in\n{module}");
    }
}

const APP2: &str = "10.0.0.2:4000";
const TO: &str = "10.0.0.1:80";

/// A request of `app2`.
const fn get(path: &str) -> Step<'_> {
    Step::Request(APP2, TO, None, "GET", path, &[])
}

#[test]
fn requests_are_reported_alike() {
    let steps = [
        get("/a"),
        get("/a"),
        // Passes, and would be denied; denied, and would pass; denied either way.
        get("/b"),
        get("/c"),
        get("/d"),
        Step::Request(APP2, TO, None, "POST", "/b", &[("x", "y")]),
        Step::Request(APP2, TO, None, "GET", "/\"\\x%zz", &[]),
        Step::Request(APP2, TO, None, "GET", "/a/../b\u{e9}\u{1b}[31m", &[]),
        // Others: by default, by name, on a port without rules, to nobody's address.
        Step::Request("10.0.0.9:1", TO, None, "GET", "/a", &[]),
        Step::Request("10.0.0.3:1", TO, None, "GET", "/a", &[]),
        Step::Request(APP2, "10.0.0.1:82", None, "GET", "/a", &[]),
        Step::Request(APP2, "10.0.0.7:80", None, "GET", "/a", &[]),
        Step::Request("[2001:db8::2]:1", "[2001:db8::1]:80", None, "GET", "/d", &[]),
        // By certificate, and by what a hop says.
        Step::Request("10.0.0.9:1", TO, Some("spiffe://td/ns/default/sa/app2"), "GET", "/a", &[]),
        Step::Request(APP2, TO, Some("spiffe://td/ns/default/sa/x"), "GET", "/a", &[]),
        Step::Request("10.0.0.4:1", TO, None, "GET", "/a", &[("x-forwarded-for", "10.0.0.2")]),
        Step::Request("10.0.0.4:1", TO, None, "GET", "/a", &[("x-forwarded-for", "nobody")]),
        Step::Request("10.0.0.4:1", TO, None, "GET", "/a", &[]),
    ];
    let seen = [
        "postern: in force: identities \"i1\", policy \"p1\", read in",
        "postern: rule r.0/2 is quarantined",
        "postern: audit: request passes and would be denied: direction=ingress peer=10.0.0.2 identity=300 layer=L7",
        "postern: denied request direction=ingress peer=10.0.0.2 identity=300 decision=#0 audit=allow layer=L7 reason=",
        "reason=denied-by-rule",
        "reason=unknown-endpoint",
        "reason=unknown-peer: who sends cannot be told",
        "Counter postern_rule_hits_total.rule=r%2E0/1%20b%3Dc 1",
        "Counter postern_rule_hits_total.rule=deny 1",
        "Gauge postern_rules_quarantined 1",
        "\"x-postern-decision\": \"#0\"",
    ];
    check(r#"{"decisionHeader": true, "denialsPerSecond": 1000}"#, &steps, &seen);
    check(r#"{"denialsPerSecond": 1000}"#, &steps, &seen[..seen.len() - 1]);
    // An id for whom the log has none, no line at all, and no counters of rules.
    let quiet = ["Counter postern_denials_not_logged_total", "Counter postern_audits_not_logged_total"];
    check(r#"{"decisionHeader": true, "denialsPerSecond": 0}"#, &steps, &quiet);
    check(r#"{"denialsPerSecond": 0, "ruleHits": 0}"#, &steps, &quiet);
    // The first names are `deny`, `open`, `r.0` and `r.0/0`.
    check(r#"{"denialsPerSecond": 0, "ruleHits": 4}"#, &steps, &["postern_rule_hits_total.rule=r%2E0/0 "]);
}

#[test]
fn connections_are_reported_alike() {
    let steps = [
        Step::Connection(APP2, TO, None),
        Step::Connection(APP2, "10.0.0.1:82", None),
        Step::Connection("10.0.0.3:1", TO, None),
        // Passes, and would be denied.
        Step::Connection("10.0.0.4:1", "10.0.0.1:81", None),
        Step::Connection("10.0.0.9:1", TO, None),
        Step::Connection("10.0.0.9:1", TO, Some("spiffe://td/ns/default/sa/app2")),
        Step::Connection(APP2, TO, Some("spiffe://td/ns/default/sa/x")),
        Step::Connection(APP2, "10.0.0.7:80", None),
        Step::Connection("[2001:db8::2]:1", "[2001:db8::1]:80", None),
        Step::Connection("[2001:db8::3]:1", "[2001:db8::1]:80", None),
    ];
    let seen = [
        "postern: denied connection direction=ingress peer=10.0.0.3 identity=301 decision=#",
        "postern: audit: connection passes and would be denied: direction=ingress peer=10.0.0.4 identity=302 layer=L3L4",
        "Counter postern_connections_total.verdict=redirect.reason=http-rules.layer=L3L4.direction=ingress",
        "Counter postern_rule_hits_total.rule=open 1",
    ];
    check(r#"{"denialsPerSecond": 1000}"#, &steps, &seen);
    check(r#"{"decisionHeader": true, "denialsPerSecond": 1000}"#, &steps, &seen);
    check(r#"{"denialsPerSecond": 0}"#, &steps, &["Counter postern_denials_not_logged_total"]);
}

#[test]
fn configurations_are_reported_alike() {
    let moved =
        BUNDLE.replace("10.0.0.9", "10.0.0.8").replace("\"i1\"", "\"i2\"").replace("10.0.0.3/", "10.0.0.5/");
    let unnamed = BUNDLE.replace(r#""versions": {"identities": "i1", "policy": "p1"},"#, "");
    let other = BUNDLE.replace("v1alpha1", "v9");
    let steps = [
        Step::Configure(&moved),
        get("/a"),
        Step::Configure("{"),
        Step::Configure(""),
        Step::Configure(&other),
        get("/d"),
        Step::Configure(&unnamed),
        get("/a"),
    ];
    let seen = [
        "postern: in force: identities \"i2\", policy \"p1\" (kept), read in N",
        "postern: configuration refused: bundle: ",
        "; the last good one stays in force",
        "postern: empty configuration refused",
    ];
    check("{}", &steps, &seen);
    let steps =
        [Step::Configure(""), get("/a"), Step::Connection(APP2, TO, None), Step::Configure("{"), get("/a")];
    let seen = ["no policy loaded yet", "reason=not-loaded", "everything is denied until a good one comes"];
    check("", &steps, &seen);
}

/// The module does not ask for an address that does not change the decision, until there is something to say of it.
#[test]
fn who_need_not_be_known_is_told_alike() {
    let anybody = BUNDLE
        .replace(
            r#""direction": "ingress""#,
            r#""direction": "ingress", "endpoint": "default/app1", "port": 80"#,
        )
        .replace(r#""peers": {"only": [301]}, "ports": "all""#, r#""peers": "any", "ports": {"only": []}"#)
        .replace(r#""peers": {"only": [300, 302]}"#, r#""peers": "any""#)
        .replace(r#""peers": {"only": [300]}"#, r#""peers": "any""#);
    assert_eq!(anybody.matches(r#""peers": "any""#).count(), 3);
    // The rule that names its peers is of another port.
    let steps = [
        get("/a"),
        get("/b"),
        get("/c"),
        Step::Request("10.0.0.3:1", TO, None, "GET", "/d", &[("x-forwarded-for", "10.0.0.2")]),
        Step::Request("10.0.0.9:1", TO, Some("spiffe://td/ns/default/sa/app2"), "GET", "/d", &[]),
        Step::Connection("10.0.0.3:1", TO, None),
    ];
    let from =
        r#""peerFrom": ["spiffe", {"forwardedFor": {"trustedHops": 1, "from": {"only": [302]}}}, "source"]"#;
    let told = [
        "postern: audit: request passes and would be denied: direction=ingress peer=10.0.0.2 identity=300 layer=L7",
        "postern: denied request direction=ingress peer=10.0.0.2 identity=300 decision=#0 audit=allow layer=L7",
        "direction=ingress peer=10.0.0.3 identity=301",
    ];
    for sources in [r#""peerFrom": ["source"]"#, r#""peerFrom": ["spiffe", "source"]"#, from] {
        check_with(&anybody.replace(from, sources), "{}", &steps, &told);
    }
    check_with(&anybody.replace(&format!(", {from}"), ""), "{}", &steps, &told);
    let certified = "direction=ingress peer=10.0.0.9 identity=300";
    check_with(&anybody.replace(from, r#""peerFrom": ["spiffe"]"#), "{}", &steps, &[certified]);
    // The header tells it, where everybody's is believed; of a connection, the address.
    let everybodys = r#""peerFrom": [{"forwardedFor": {"trustedHops": 1, "from": "any"}}, "source"]"#;
    for bundle in [BUNDLE, &anybody] {
        let steps = [
            steps[3],
            Step::Request("10.0.0.3:1", TO, None, "GET", "/a", &[("x-forwarded-for", "10.0.0.2")]),
            get("/a"),
            Step::Connection("10.0.0.2:1", TO, None),
            Step::Connection("10.0.0.3:1", TO, None),
        ];
        let told = [
            "1: LocalResponse",
            "denied request direction=ingress peer=10.0.0.2 identity=300",
            "2: Continue",
            "3: LocalResponse",
            "reason=unknown-peer",
        ];
        check_with(&bundle.replace(from, everybodys), "{}", &steps, &told);
    }
    // Named peers, and a connection's address where the requests' is not asked.
    let named = [Step::Connection("10.0.0.3:1", TO, None)];
    let denied = ["1: closed", "denied connection direction=ingress peer=10.0.0.3 identity=301"];
    check_with(&BUNDLE.replace(from, everybodys), "{}", &named, &denied);
}

/// A request that a host cannot put: nothing of it is decided, nothing passes.
#[test]
fn what_cannot_be_read_is_reported_alike() {
    for twice in [":method", ":path", ":authority"] {
        let headers = [(twice, "GET")];
        let unreadable = Step::Request(APP2, TO, None, "GET", "/a", &headers);
        let seen = ["postern: denied: the request's headers are malformed"];
        check(r#"{"decisionHeader": true}"#, &[unreadable, get("/a")], &seen);
    }
}
