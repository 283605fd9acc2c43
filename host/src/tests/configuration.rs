//! Changes while requests go on.

use http::StatusCode;

use super::world::{Echo, Running, config};
use crate::{Protocol, WorkerStatus};

#[tokio::test]
async fn a_refused_configuration_leaves_the_last_good_one() {
    let echo = Echo::start().await;
    let mut config = config(echo.address, Protocol::Http1);
    config.workers = 2.try_into().unwrap();
    let mut proxy = Running::start(config).await;
    let accepted = |count| move |worker: &WorkerStatus| worker.accepted == count;
    assert_eq!(proxy.admin("/readyz").await.0, StatusCode::OK);

    proxy.configuration.send_replace("x".into());
    assert!(proxy.status.wait(|worker| worker.refusal.is_some()).await);
    let refusal = proxy.status.workers()[0].refusal.clone().unwrap();
    assert_eq!(&*refusal, "the filter refused the configuration: no such policy");
    assert_eq!(proxy.get("/ok").await.0, StatusCode::OK);
    assert_eq!(proxy.admin("/readyz").await.0, StatusCode::OK);
    let (_, text) = proxy.admin("/config").await;
    assert!(text.contains("no such policy"), "{text}");

    proxy.configuration.send_replace("again".into());
    assert!(proxy.status.wait(accepted(2)).await);
    assert!(proxy.status.workers().iter().all(|worker| worker.refusal.is_none()));
    let metrics = proxy.admin("/metrics").await.1;
    for line in [
        "postern_proxy_config_updates_total{result=\"accepted\"} 4",
        "postern_proxy_config_updates_total{result=\"refused\"} 2",
        "postern_proxy_requests_total{code=\"2xx\"} 1",
        "guest_requests_total 1",
    ] {
        assert!(metrics.lines().any(|l| l == line), "{line} is missing in\n{metrics}");
    }
}

#[tokio::test]
async fn without_a_policy_it_lives_but_is_not_ready() {
    let echo = Echo::start().await;
    let mut proxy = Running::before(&echo).await;
    proxy.configuration.send_replace("".into());
    assert!(proxy.status.wait(|worker| worker.accepted == 2).await);
    assert_eq!(proxy.admin("/healthz").await.0, StatusCode::OK);
    assert_eq!(proxy.admin("/readyz").await.0, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(proxy.admin("/elsewhere").await.0, StatusCode::NOT_FOUND);
}
