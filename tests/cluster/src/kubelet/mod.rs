//! A stand-in for what makes pods run: scheduler, kubelet, and as much of the controller manager as the
//! tutorial needs (deployments and endpoints).
//!
//! One loop: whenever anything has changed, it lists what the API server has, compares it with what runs,
//! and does what is missing. It remembers nothing that the API server should know, so it may fail at any
//! point and do the rest in the next pass.

mod deployments;
mod endpoints;
mod local;
mod nodes;
mod pass;
mod pods;
mod scheduling;
mod status;

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context as _, Result};
use futures_util::StreamExt as _;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, watcher};
use kube::{Api, Client, Config};
use tokio::sync::{Notify, oneshot};

use crate::daemon::Home;
use crate::net::Network;
use crate::services::ServiceProxy;
use pass::Kubelets;

/// How often processes are looked at: the API server is asked only when one has changed.
const LOOK: Duration = Duration::from_millis(50);
/// How long to wait after a pass that failed.
const RETRY: Duration = Duration::from_millis(500);

/// What the stand-in needs.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) kubeconfig: PathBuf,
    pub(crate) network: Arc<Network>,
    pub(crate) home: Home,
    /// The program that has the built-in images.
    pub(crate) program: PathBuf,
    pub(crate) services: ServiceProxy,
}

/// The running stand-in. Dropping it ends every pod's process and removes its namespace; the objects stay.
#[derive(Debug)]
pub(crate) struct Kubelet {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Kubelet {
    /// Registers the nodes and starts the loop.
    pub(crate) fn start(settings: Settings) -> Result<Kubelet> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.context("cannot start a runtime for the kubelet")?;
        let client = runtime.block_on(connect(&settings))?;
        runtime.block_on(nodes::register(&client, &settings.network))?;
        let path = settings.home.log_path("kubelet");
        let log = OpenOptions::new().append(true).create(true).open(&path);
        let log = Log(log.with_context(|| format!("cannot write to {}", path.display()))?);
        let (stop, stopped) = oneshot::channel();
        let work = move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = stopped => {}
                    () = run(client, settings, log) => {}
                }
            });
        };
        let thread = thread::Builder::new().name("kubelet".to_owned()).spawn(work);
        Ok(Kubelet { stop: Some(stop), thread: Some(thread.context("cannot start the kubelet")?) })
    }
}

impl Drop for Kubelet {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn connect(settings: &Settings) -> Result<Client> {
    let kubeconfig = Kubeconfig::read_from(&settings.kubeconfig)?;
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    Client::try_from(config).context("cannot make a client of the API server")
}

async fn run(client: Client, settings: Settings, mut log: Log) {
    let changed = Arc::new(Notify::new());
    watch::<Pod>(&client, &changed);
    watch::<Service>(&client, &changed);
    watch::<Deployment>(&client, &changed);
    let mut kubelets = Kubelets::new(client, settings);
    loop {
        while let Err(error) = kubelets.pass().await {
            log.line(&format!("{error:#}"));
            tokio::time::sleep(RETRY).await;
        }
        loop {
            tokio::select! {
                () = changed.notified() => break,
                () = tokio::time::sleep(LOOK) => if kubelets.look() { break },
            }
        }
    }
}

/// Says when anything of this kind changes.
fn watch<K>(client: &Client, changed: &Arc<Notify>)
where
    K: kube::Resource<DynamicType = ()>
        + Clone
        + std::fmt::Debug
        + serde::de::DeserializeOwned
        + Send
        + 'static,
{
    let stream = watcher(Api::<K>::all(client.clone()), watcher::Config::default()).default_backoff();
    let changed = Arc::clone(changed);
    tokio::spawn(async move {
        let mut stream = std::pin::pin!(stream);
        // An error is followed by a new list, which is a change.
        while let Some(event) = stream.next().await {
            if event.is_ok() {
                changed.notify_one();
            }
        }
    });
}

/// Where the loop says what it could not do.
#[derive(Debug)]
struct Log(File);

impl Log {
    fn line(&mut self, text: &str) {
        // A log that cannot be written to is no reason to stop.
        let _ = writeln!(self.0, "{text}");
    }
}
