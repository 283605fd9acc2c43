//! Updates of the proxy's policy, by its file, while requests go on.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::SocketAddr;
use std::thread;
use std::time::Instant;

use postern_tests_e2e::chaos::Recorder;
use postern_tests_e2e::proxy::{Proxy, write};
use postern_tests_e2e::tutorial::{APP1, UPSTREAM};
use postern_tests_e2e::updates::{CLIENTS, Client, Load, REQUESTS, RULES, UPDATES, bundle};

const LISTEN: SocketAddr = SocketAddr::new(APP1, 0);

#[test]
fn updates_under_load_lose_nothing_and_are_in_force_when_the_proxy_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let bundles = ["a", "b"].map(|open| bundle(dir.path(), open).unwrap().to_string());
    let upstream = Recorder::start(UPSTREAM).unwrap();
    let path = dir.path().join("bundle.json");
    write(&path, &bundles[0]).unwrap();
    let proxy = Proxy::start_loaded(LISTEN, upstream.addr(), &["--bundle", path.to_str().unwrap()]).unwrap();
    let app1 = proxy.listen();
    let mut watchers: Vec<Client> = (0..CLIENTS).map(|_| Client::new(app1).unwrap()).collect();
    let load = Load::default();
    let (mut effective, mut first_requests) = (Vec::new(), 0);
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| load.run(app1).unwrap());
        }
        for update in 1..=UPDATES {
            let open = update % 2;
            write(&path, &bundles[open]).unwrap();
            let written = Instant::now();
            proxy.reload(&bundles[open]).unwrap();
            effective.push(written.elapsed());
            let (new, old) = if open == 0 { ("/a", "/b") } else { ("/b", "/a") };
            for watcher in &mut watchers {
                first_requests += 1;
                let seen = [new, old].map(|path| watcher.get(path).unwrap().0);
                assert_eq!(seen, [200, 403], "update {update}");
            }
        }
        load.finish();
    });
    effective.sort();
    let (requests, errors) = (load.requests(), load.errors());
    println!(
        "proxy: {requests} requests during {UPDATES} updates of {RULES} rules, {errors} errors, the slowest took {:?}; \
         from the file to the acknowledgement {:?} (median); first requests after it, all of the new policy: {first_requests}",
        load.slowest(),
        effective[UPDATES / 2],
    );
    assert!(requests >= REQUESTS, "only {requests} requests");
    assert_eq!(errors, 0);
    assert_eq!(upstream.count("GET /never"), 0);
}
