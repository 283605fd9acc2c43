//! `postern proxy`, the process: the tutorial's answers, and what happens when files, upstream or ports are not as
//! they should be.
#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use postern_tests_e2e::postern::postern;
use postern_tests_e2e::proxy::{Proxy, SOON, write};
use postern_tests_e2e::tutorial::{
    APP1, APP2, APP3, ARGS, DENIED, INVENTORY, POLICY, POLICY_V2, PUBLIC, UPSTREAM,
};
use postern_tests_harness::h2c::{self, H2Outcome};
use postern_tests_harness::ports::Reserved;
use postern_tests_harness::raw::{RawConnection, Request};
use postern_tests_harness::{Answer, RawClient, RawOutcome, Upstream};

const LISTEN: SocketAddr = SocketAddr::new(APP1, 0);

fn request(path: &str) -> Vec<u8> {
    Request::new("GET", path).header("host", "app1").to_bytes()
}

fn get(from: IpAddr, proxy: &Proxy, path: &str) -> RawOutcome {
    RawClient::request(from, proxy.listen(), &request(path), SOON)
}

fn world() -> (Upstream, Proxy) {
    let upstream = Upstream::start(UPSTREAM).unwrap();
    let proxy = Proxy::start_loaded(LISTEN, upstream.addr(), &ARGS).unwrap();
    (upstream, proxy)
}

/// `postern bundle` of the tutorial.
fn bundle() -> String {
    let ran = postern(["bundle"].iter().chain(&ARGS)).unwrap();
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    ran.stdout
}

#[test]
fn the_tutorial() {
    let (upstream, proxy) = world();
    http1(&proxy, &upstream);
    connections_are_kept(&proxy, &upstream);
    http2(&proxy, &upstream);
    grpc(&proxy, &upstream);
    a_forged_address_changes_nothing(&proxy, &upstream);
    bodies_are_streamed(&proxy, &upstream);
    a_request_has_one_host(&proxy, &upstream);
    admin(&proxy);
}

fn http1(proxy: &Proxy, upstream: &Upstream) {
    let public = get(APP2, proxy, "/public");
    assert_eq!((public.status(), public.body()), (Some(200), PUBLIC), "{public:?}");
    let seen = upstream.forget();
    assert_eq!(seen[0].header("x-forwarded-for"), Some(&b"127.0.10.2"[..]));

    let private = get(APP2, proxy, "/private");
    assert_eq!((private.status(), private.body()), (Some(403), DENIED), "{private:?}");
    assert_eq!(private.header("content-type"), Some(&b"text/plain"[..]));
    let nothing = get(APP3, proxy, "/public");
    assert!(nothing.is_unanswered(), "{nothing:?}");
    assert_eq!(upstream.forget(), []);
}

/// To the client, over a denial; and to the upstream, over clients.
fn connections_are_kept(proxy: &Proxy, upstream: &Upstream) {
    let before = upstream.connections();
    for _client in 0..3 {
        let mut connection = RawConnection::open(APP2, proxy.listen(), SOON).unwrap();
        for (path, status) in [("/public", 200), ("/private", 403), ("/public", 200)] {
            let outcome = connection.send(&request(path), SOON);
            assert_eq!(outcome.status(), Some(status), "{outcome:?}");
        }
    }
    assert_eq!(upstream.forget().len(), 6);
    assert_eq!(upstream.connections(), before, "the connection of the first request serves all of them");
}

fn http2(proxy: &Proxy, upstream: &Upstream) {
    let get = |from, path| h2c::request(from, proxy.listen(), &h2c::Request::new("GET", "app1", path), SOON);
    let public = get(APP2, "/public");
    let response = public.response().unwrap_or_else(|| panic!("{public:?}"));
    assert_eq!((response.status, response.body.as_slice()), (200, PUBLIC));
    assert_eq!(upstream.forget()[0].host.as_deref(), Some("app1"));

    let private = get(APP2, "/private");
    let response = private.response().unwrap_or_else(|| panic!("{private:?}"));
    assert_eq!((response.status, response.body.as_slice()), (403, DENIED));
    let nothing = get(APP3, "/public");
    assert!(matches!(nothing, H2Outcome::Closed(_)), "{nothing:?}");
    assert_eq!(upstream.forget(), []);
}

fn grpc(proxy: &Proxy, upstream: &Upstream) {
    let call = h2c::Request::new("POST", "app1", "/shop.Cart/Add")
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body([0, 0, 0, 0, 0]);
    let outcome = h2c::request(APP2, proxy.listen(), &call, SOON);
    let response = outcome.response().unwrap_or_else(|| panic!("{outcome:?}"));
    assert_eq!(response.status, 200, "{response:?}");
    assert_eq!(response.header("grpc-status"), Some(&b"7"[..]), "{response:?}");
    assert_eq!(response.header("content-type"), Some(&b"application/grpc"[..]), "{response:?}");
    assert!(response.body.is_empty() && response.trailers.is_empty(), "trailers only: {response:?}");
    assert_eq!(upstream.forget(), []);
}

fn a_forged_address_changes_nothing(proxy: &Proxy, upstream: &Upstream) {
    let request =
        Request::new("GET", "/public").header("host", "app1").header("x-forwarded-for", "127.0.10.2");
    let nothing = RawClient::request(APP3, proxy.listen(), &request.to_bytes(), SOON);
    assert!(nothing.is_unanswered(), "{nothing:?}");
    assert_eq!(upstream.forget(), []);
}

fn bodies_are_streamed(proxy: &Proxy, upstream: &Upstream) {
    let mut connection = RawConnection::open(APP2, proxy.listen(), SOON).unwrap();
    connection.write(b"GET /public HTTP/1.1\r\nhost: app1\r\ncontent-length: 11\r\n\r\nfirst");
    let seen = upstream.wait_for(1, SOON).unwrap();
    assert_eq!(seen[0].body, b"", "the upstream has the request before the client has sent all of it");
    connection.write(b", last");
    let outcome = connection.receive(false, SOON);
    assert_eq!(outcome.status(), Some(200), "{outcome:?}");
    assert_eq!(upstream.forget()[0].body, b"first, last");

    // A GET that has a body without a length keeps it.
    let chunked =
        b"GET /public HTTP/1.1\r\nhost: app1\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n0\r\n\r\n";
    let outcome = connection.send(chunked, SOON);
    assert_eq!(outcome.status(), Some(200), "{outcome:?}");
    assert_eq!(upstream.forget()[0].body, b"first");

    let large: Vec<u8> = (0..=250).cycle().take(3 << 20).collect();
    upstream.respond("GET", "/public", Answer::new(200, &large));
    let outcome = get(APP2, proxy, "/public");
    assert!(outcome.status() == Some(200) && outcome.body() == large, "3 MiB come through whole");
    upstream.respond("GET", "/public", Answer::new(200, PUBLIC));
    upstream.forget();
}

fn a_request_has_one_host(proxy: &Proxy, upstream: &Upstream) {
    for hosts in [&["app1", "app1"][..], &["app1", "app3"], &[]] {
        let request =
            hosts.iter().fold(Request::new("GET", "/public"), |request, host| request.header("host", host));
        let outcome = RawClient::request(APP2, proxy.listen(), &request.to_bytes(), SOON);
        assert_eq!(outcome.status(), Some(400), "{hosts:?}: {outcome:?}");
        let body = String::from_utf8_lossy(outcome.body());
        assert!(body.contains("exactly one Host"), "{body}");
    }
    assert_eq!(upstream.forget(), []);
}

fn admin(proxy: &Proxy) {
    for (method, path, status, text) in [
        ("GET", "/healthz", 200, "live"),
        ("GET", "/readyz", 200, "ready"),
        ("GET", "/config", 200, "\"loaded\": true"),
        ("GET", "/nothing", 404, "/metrics, /healthz, /readyz or /config"),
        ("POST", "/metrics", 405, "expected GET"),
    ] {
        let outcome = proxy.admin(method, path);
        let body = String::from_utf8_lossy(outcome.body());
        assert!(
            outcome.status() == Some(status) && body.contains(text),
            "{method} {path}: {outcome:?} {body}"
        );
    }
    let metrics = proxy.admin("GET", "/metrics");
    let text = String::from_utf8_lossy(metrics.body());
    assert_eq!(metrics.status(), Some(200), "{text}");
    // The proxy's own and the filter's: what the requests above came to.
    for counter in [
        "postern_proxy_requests",
        "postern_proxy_connections",
        r#"postern_requests_total{verdict="allow",reason="allowed-by-rule",layer="L7",direction="ingress"} "#,
        r#"postern_requests_total{verdict="deny",reason="no-match",layer="L7",direction="ingress"} "#,
        r#"postern_connections_total{verdict="deny",reason="no-match",layer="L3L4",direction="ingress"} "#,
        r#"postern_rule_hits_total{rule=""#,
    ] {
        assert!(text.lines().any(|line| line.starts_with(counter)), "no {counter} in {text}");
    }
    assert!(text.ends_with("# EOF\n"), "{text}");
}

#[test]
fn a_bundle_that_comes_late_is_taken_and_a_bad_one_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("bundle.json");
    let upstream = Upstream::start(UPSTREAM).unwrap();
    let mut proxy = Proxy::start(LISTEN, upstream.addr(), &["--bundle", file.to_str().unwrap()]).unwrap();

    nothing_is_loaded(&mut proxy, &upstream);
    write(&file, &bundle()).unwrap();
    proxy.wait_for_config("the bundle is taken", |worker| worker.loaded).unwrap();
    the_tutorial_holds(&proxy, &upstream);
    assert_eq!(proxy.admin("GET", "/readyz").status(), Some(200));

    let accepted = proxy.config().unwrap().accepted;
    let newer = bundle().replace("postern.dev/filter/v1alpha1", "postern.dev/filter/v9");
    for bad in ["{", "", &newer] {
        let refusals = proxy.log().matches("refused").count();
        write(&file, bad).unwrap();
        proxy.signal("HUP").unwrap();
        postern_tests_harness::eventually(SOON, || {
            let log = proxy.log();
            anyhow::ensure!(log.matches("refused").count() > refusals, "no refusal of {bad:?} in {log}");
            Ok(())
        })
        .unwrap();
        let line = proxy.log().lines().rfind(|line| line.contains("refused")).unwrap().to_owned();
        assert!(line.contains("the last good policy stays") && line.contains("bundle.json"), "{line}");
        the_tutorial_holds(&proxy, &upstream);
    }
    assert_eq!(proxy.config().unwrap().accepted, accepted);

    fs::remove_file(&file).unwrap();
    proxy.signal("HUP").unwrap();
    proxy.wait_for_log("cannot read").unwrap();
    the_tutorial_holds(&proxy, &upstream);
}

fn nothing_is_loaded(proxy: &mut Proxy, upstream: &Upstream) {
    for from in [APP2, APP3] {
        let nothing = get(from, proxy, "/public");
        assert!(nothing.is_unanswered(), "{nothing:?}");
    }
    assert_eq!(upstream.forget(), []);
    let line = proxy.wait_for_log("is not there yet: everything is denied until it is").unwrap();
    assert!(line.contains("bundle.json"), "{line}");
    proxy.wait_for_log("reason=not-loaded").unwrap();
    let ready = proxy.admin("GET", "/readyz");
    assert_eq!(ready.status(), Some(503), "{ready:?}");
    assert_eq!(proxy.admin("GET", "/healthz").status(), Some(200));
    assert!(!proxy.config().unwrap().loaded);
}

fn the_tutorial_holds(proxy: &Proxy, upstream: &Upstream) {
    assert_eq!(get(APP2, proxy, "/public").status(), Some(200));
    assert_eq!(get(APP2, proxy, "/private").status(), Some(403));
    assert!(get(APP3, proxy, "/public").is_unanswered());
    assert_eq!(upstream.forget().len(), 1);
}

#[test]
fn an_edited_policy_bites_on_the_next_request_of_an_open_connection() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("policy.yaml");
    fs::copy(POLICY_V2, &file).unwrap();
    let upstream = Upstream::start(UPSTREAM).unwrap();
    let args = ["--policy", file.to_str().unwrap(), "--inventory", INVENTORY, "-w", "app1", "--port", "80"];
    let mut proxy = Proxy::start_loaded(LISTEN, upstream.addr(), &args).unwrap();
    let mut connection = RawConnection::open(APP2, proxy.listen(), SOON).unwrap();
    let mut status = |path: &str| connection.send(&request(path), SOON).status();
    assert_eq!((status("/public"), status("/private")), (Some(200), Some(403)));

    // Found by looking at the file, without a signal.
    let accepted = proxy.config().unwrap().accepted;
    let edit = |from: &str, to: &str| {
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.contains(from), "{text}");
        write(&file, &text.replace(from, to)).unwrap();
    };
    edit("path: /public", "path: /private");
    proxy.wait_for_config("the edit is taken", |worker| worker.accepted > accepted).unwrap();
    assert_eq!((status("/public"), status("/private")), (Some(403), Some(200)));

    // A bad edit changes nothing, and says where it is bad.
    edit("path: /private", "path: /(");
    proxy.signal("HUP").unwrap();
    proxy.wait_for_log("the last good policy stays").unwrap();
    let place = format!("{}:22:17", file.display());
    assert!(proxy.log().contains(&place), "no {place} in {}", proxy.log());
    assert_eq!((status("/public"), status("/private")), (Some(403), Some(200)));

    // Nobody may connect any more: what is open is open, but no request passes.
    edit("id: app2", "id: app3");
    edit("path: /(", "path: /private");
    let accepted = proxy.config().unwrap().accepted;
    proxy.signal("HUP").unwrap();
    proxy.wait_for_config("the edits are taken", |worker| worker.accepted > accepted).unwrap();
    assert_eq!((status("/public"), status("/private")), (Some(403), Some(403)));
    assert!(get(APP2, &proxy, "/private").is_unanswered());
    assert_eq!(get(APP3, &proxy, "/private").status(), Some(200));
}

#[test]
fn sigterm_lets_open_requests_end() {
    let (upstream, mut proxy) = world();
    let mut connection = RawConnection::open(APP2, proxy.listen(), SOON).unwrap();
    connection.write(b"GET /public HTTP/1.1\r\nhost: app1\r\ncontent-length: 4\r\n\r\nab");
    upstream.wait_for(1, SOON).unwrap();
    let idle = RawConnection::open(APP2, proxy.listen(), SOON).unwrap();

    proxy.signal("TERM").unwrap();
    proxy.wait_for_log("draining").unwrap();
    postern_tests_harness::eventually(SOON, || {
        let outcome = get(APP2, &proxy, "/public");
        anyhow::ensure!(outcome == RawOutcome::Refused, "new connections are still taken: {outcome:?}");
        Ok(())
    })
    .unwrap();
    connection.write(b"cd");
    let outcome = connection.receive(false, SOON);
    assert_eq!((outcome.status(), outcome.body()), (Some(200), PUBLIC), "{outcome:?}");
    let status = proxy.wait_for_exit().unwrap();
    assert_eq!(status.code(), Some(0), "{status}: {}", proxy.log());
    drop(idle);
}

#[test]
fn an_upstream_that_is_not_there_is_said_and_survived() {
    let nobody = Reserved::on(UPSTREAM.ip()).unwrap();
    let mut proxy = Proxy::start_loaded(LISTEN, nobody.addr(), &ARGS).unwrap();
    for _ in 0..2 {
        let outcome = get(APP2, &proxy, "/public");
        assert_eq!(outcome.status(), Some(502), "{outcome:?}");
        assert_eq!(outcome.body(), b"upstream unavailable\r\n");
    }
    let line = proxy.wait_for_log("check that the upstream runs and listens there").unwrap();
    assert!(line.contains(&nobody.addr().to_string()), "{line}");
    assert_eq!(
        get(APP2, &proxy, "/private").status(),
        Some(403),
        "what is denied does not need the upstream"
    );

    let upstream = Upstream::start(nobody.addr()).unwrap();
    let outcome = get(APP2, &proxy, "/public");
    assert_eq!((outcome.status(), outcome.body()), (Some(200), PUBLIC), "{outcome:?}");
    assert_eq!(upstream.count(), 1);
}

#[test]
fn what_keeps_it_from_starting_is_said() {
    let busy = Upstream::start(LISTEN).unwrap();
    let taken = busy.addr().to_string();
    let dir = tempfile::tempdir().unwrap();
    let bad_bundle = dir.path().join("bad.json");
    fs::write(&bad_bundle, "{").unwrap();
    let (bad_bundle, missing) = (path(&bad_bundle), path(&dir.path().join("missing.yaml")));
    let listen = "127.0.10.1:0";
    let tutorial = ["--policy", POLICY, "--inventory", INVENTORY];
    for (listen, upstream, further, code, message) in [
        (&*taken, "127.0.0.1:1", &tutorial[..], 3, "address already in use; stop the process that has it"),
        ("192.0.2.1:0", "127.0.0.1:1", &tutorial, 3, "no interface of this machine has that address"),
        (listen, "nonsense", &tutorial, 3, "expected HOST:PORT"),
        (listen, "127.0.0.1:1", &["--bundle", &bad_bundle], 3, "bad.json is refused"),
        (listen, "127.0.0.1:1", &["--policy", &missing, "--inventory", INVENTORY], 3, "missing.yaml"),
        (
            listen,
            "127.0.0.1:1",
            &["--policy", POLICY, "--inventory", INVENTORY, "-w", "app9"],
            3,
            "default/app2",
        ),
        (listen, "127.0.0.1:1", &[], 2, "--policy"),
        (listen, "127.0.0.1:1", &["--policy", POLICY], 2, "--inventory"),
        (listen, "127.0.0.1:1", &["--bundle", &bad_bundle, "--port", "80"], 2, "cannot be used with"),
    ] {
        let args = ["proxy", "--listen", listen, "--upstream", upstream];
        let ran = postern(args.iter().chain(further)).unwrap();
        assert_eq!(ran.code, Some(code), "{further:?}: {ran:#?}");
        assert!(ran.stderr.contains(message), "{further:?}: no {message:?} in {ran:#?}");
        assert!(ran.is_presentable() && ran.stdout.is_empty(), "{ran:#?}");
    }
}

fn path(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}
