//! Changes of policy under load.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use http::Request;

use super::world::{Echo, Running, body, config, http1, read};
use crate::{Protocol, WorkerStatus};

fn accepted(count: u64) -> impl Fn(&WorkerStatus) -> bool {
    move |worker| worker.accepted == count
}

async fn status(
    client: &mut hyper::client::conn::http1::SendRequest<super::world::TestBody>,
    path: &str,
) -> u16 {
    client.ready().await.unwrap();
    let request = Request::get(path).header("host", "app").body(body("")).unwrap();
    let response = client.send_request(request).await.unwrap();
    read(response).await.0.as_u16()
}

#[tokio::test]
async fn a_request_that_was_let_through_ends_under_the_policy_that_let_it() {
    let echo = Echo::start().await;
    let mut proxy = Running::before(&echo).await;
    let mut client = http1(proxy.address).await;
    let request = Request::get("/held").header("host", "app").body(body("")).unwrap();
    let held = tokio::spawn(client.send_request(request));
    echo.arrived.acquire().await.unwrap().forget();
    // From now on `/held` is denied, as everything is.
    proxy.configuration.send_replace("no".into());
    assert!(proxy.status.wait(accepted(2)).await);
    echo.release.add_permits(1);
    assert_eq!(held.await.unwrap().unwrap().status(), 200);
    // The next request on the same connection meets the new policy.
    assert_eq!(status(&mut client, "/held").await, 403);
}

#[tokio::test]
async fn twenty_updates_under_load_lose_nothing_and_are_in_force_once_acknowledged() {
    let echo = Echo::start().await;
    let mut config = config(echo.address, Protocol::Http1);
    config.workers = 2.try_into().unwrap();
    let mut proxy = Running::start(config).await;
    let (requests, enough) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let mut clients = Vec::new();
    for _ in 0..8 {
        let (requests, enough, mut client) = (requests.clone(), enough.clone(), http1(proxy.address).await);
        clients.push(tokio::spawn(async move {
            while !enough.load(Ordering::Relaxed) {
                let status = status(&mut client, "/ok").await;
                assert!(matches!(status, 200 | 403), "{status}");
                requests.fetch_add(1, Ordering::Relaxed);
            }
        }));
    }
    let mut watchers = Vec::new();
    for _ in 0..8 {
        watchers.push(http1(proxy.address).await);
    }
    for update in 1..=20 {
        let (configuration, expected) = if update % 2 == 1 { ("no", 403) } else { ("good", 200) };
        proxy.configuration.send_replace(configuration.into());
        assert!(proxy.status.wait(accepted(update + 1)).await);
        for watcher in &mut watchers {
            assert_eq!(status(watcher, "/ok").await, expected, "update {update}");
        }
        // Each policy gets its share of the load.
        while requests.load(Ordering::Relaxed) < usize::try_from(update).unwrap() * 100 {
            tokio::task::yield_now().await;
        }
    }
    enough.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.unwrap();
    }
    assert!(requests.load(Ordering::Relaxed) >= 2_000);
}
