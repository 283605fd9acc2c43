//! `postern proxy`.

mod cache;
mod feed;
#[cfg(feature = "cluster")]
mod transparent;

use std::borrow::Cow;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::PathBuf;

use anyhow::Context;
use postern_filter_module::{CONNECTION_ROOT_ID, HTTP_ROOT_ID};
use postern_host::{Direction, GuestLimits, Plugin, Protocol, Proxy, ProxyConfig, ProxyLimits, Upstream};
use postern_ops::{LogFormat, init_log};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{oneshot, watch};

use crate::bundle::{AttachArgs, DirectionArg};
use crate::config_file::Source;
use crate::filter::Door;
use crate::inputs::InputArgs;
use crate::output::Outcome;
use feed::Feed;

/// Serve as a reverse or transparent proxy that enforces policy
///
/// What policy lets through goes to the upstream; denied requests get 403 and "Access denied", denied connections are
/// closed before a byte has passed. The files are followed: a change is enforced from the next request on, a bad one is
/// refused and the last good policy stays.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  postern proxy --listen 0.0.0.0:8080 --upstream 127.0.0.1:9000 --port 80 \\
    --policy rule1.yaml --inventory pods.yaml --workload default/app1
  postern proxy --listen 0.0.0.0:8080 --upstream 127.0.0.1:9000 \\
    --bundle bundle.json --admin 127.0.0.1:9901
  postern proxy --transparent --node worker0 --controller https://postern-controller.postern-system.svc:15010 \\
    --ca ca.crt --token token")]
pub(crate) struct Args {
    /// Where clients connect
    #[arg(long, value_name = "ADDRESS:PORT", required_unless_present = "transparent")]
    listen: Option<SocketAddr>,
    /// Where requests go
    #[arg(long, value_name = "HOST:PORT", required_unless_present = "transparent")]
    upstream: Option<String>,
    /// Speak HTTP/2 to the upstream, as gRPC servers need
    #[arg(long, conflicts_with = "transparent")]
    upstream_http2: bool,
    /// Policy files, or folders of them
    #[arg(long, short, num_args = 1.., value_name = "FILE", requires = "inventory",
          required_unless_present_any = ["bundle", "controller"])]
    policy: Vec<PathBuf>,
    /// What exists: Pod, Namespace, Node, Service or Workload documents
    #[arg(long, short, num_args = 1.., value_name = "FILE", requires = "policy")]
    inventory: Vec<PathBuf>,
    /// A bundle that `postern bundle` wrote, in place of policies; until the file is there, everything is denied
    #[arg(long, value_name = "FILE", conflicts_with_all = ["policy", "inventory", "workload", "port"])]
    bundle: Option<PathBuf>,
    /// The one workload that the proxy serves; without it, the address that was connected to tells which
    #[arg(long, short, value_name = "NAMESPACE/NAME", conflicts_with = "transparent")]
    workload: Option<String>,
    /// Which of its traffic the proxy sees
    #[arg(long, value_enum, default_value_t, conflicts_with = "transparent")]
    direction: DirectionArg,
    /// The port that policies mean, where the proxy listens on another
    #[arg(long, conflicts_with = "transparent")]
    port: Option<u16>,
    #[cfg(feature = "cluster")]
    #[command(flatten)]
    transparent: transparent::TransparentArgs,
    #[cfg(feature = "cluster")]
    #[command(flatten)]
    follow: crate::follow::FollowArgs,
    /// Which form of the filter runs; the verdicts are the same
    #[arg(long, value_enum, default_value_t)]
    door: Door,
    /// Worker threads; as many as there are cores, if not given
    #[arg(long)]
    workers: Option<NonZeroUsize>,
    /// Serve /metrics, /healthz, /readyz and /config here
    #[arg(long, value_name = "ADDRESS:PORT")]
    admin: Option<SocketAddr>,
    /// Keep the compiled filter in this folder, which must be this user's own; `none` compiles it at each start. If not
    /// given, $XDG_CACHE_HOME/postern/modules or ~/.cache/postern/modules
    #[arg(long, value_name = "DIR|none")]
    module_cache: Option<PathBuf>,
    /// What is logged, such as `info` or `warn,access=info`
    #[arg(long, default_value = "info", value_name = "FILTER")]
    log: String,
}

impl Args {
    fn source(&self) -> anyhow::Result<Source> {
        let direction = if self.is_transparent() { DirectionArg::Both } else { self.direction };
        Ok(match &self.bundle {
            Some(path) => Source::Bundle(path.clone()),
            None => Source::Policies(
                InputArgs { policy: self.policy.clone(), inventory: self.inventory.clone() },
                AttachArgs { workload: self.workload.clone(), direction, port: self.port },
                self.destination()?.map(|upstream| upstream.ip()),
            ),
        })
    }

    fn feed(&self) -> anyhow::Result<Feed> {
        #[cfg(feature = "cluster")]
        if let Some(client) = self.follow.client(postern_xds::client::Kind::Proxy)? {
            return Ok(Feed::Controller(client));
        }
        Feed::files(self.source()?)
    }

    fn is_transparent(&self) -> bool {
        #[cfg(feature = "cluster")]
        return self.transparent.is_on();
        #[cfg(not(feature = "cluster"))]
        false
    }

    /// What the filter is told that was connected to. A workload connects to what is behind the proxy, not to the proxy;
    /// who that is, policies tell by its address.
    fn destination(&self) -> anyhow::Result<Option<SocketAddr>> {
        match (self.direction, &self.upstream) {
            (DirectionArg::Egress, Some(upstream)) => upstream.parse().map(Some).with_context(|| {
                format!(
                    "egress policy goes by the upstream's address: write ADDRESS:PORT in place of {upstream}"
                )
            }),
            _ => Ok(None),
        }
    }

    fn upstream(&self) -> anyhow::Result<Upstream> {
        let protocol = if self.upstream_http2 { Protocol::Http2 } else { Protocol::Http1 };
        match &self.upstream {
            Some(upstream) => Ok(Upstream::new(upstream, protocol)?),
            None => Ok(Upstream::original(PROXY_MARK)),
        }
    }

    fn config(&self) -> anyhow::Result<ProxyConfig> {
        let cores = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        // A transparent proxy chooses where it listens.
        let listen = self.listen.unwrap_or((Ipv4Addr::LOCALHOST, 0).into());
        Ok(ProxyConfig {
            workers: self.workers.unwrap_or(cores),
            module: Cow::Borrowed(self.door.guest()),
            admin: self.admin,
            module_cache: cache::open(self.module_cache.as_deref())?,
            destination: self.destination()?,
            direction: match self.direction {
                DirectionArg::Ingress | DirectionArg::Both => Direction::Inbound,
                DirectionArg::Egress => Direction::Outbound,
            },
            ..with_filter(listen, self.upstream()?)
        })
    }
}

/// What tells the kernel's programs that packets come out of the proxy.
const PROXY_MARK: u32 = 0xA00;

/// A proxy with the embedded filter and default limits.
pub(crate) fn with_filter(listen: SocketAddr, upstream: Upstream) -> ProxyConfig {
    ProxyConfig {
        listen,
        upstream,
        workers: NonZeroUsize::MIN,
        admin: None,
        module_cache: None,
        destination: None,
        direction: Direction::Inbound,
        plugin: Plugin {
            name: "postern".to_owned(),
            vm_id: "postern".to_owned(),
            connection_root: Some(CONNECTION_ROOT_ID.to_owned()),
            http_root: HTTP_ROOT_ID.to_owned(),
        },
        module: Cow::Borrowed(Door::Module.guest()),
        guest_limits: GuestLimits::default(),
        limits: ProxyLimits::default(),
    }
}

pub(crate) fn run(args: &Args) -> anyhow::Result<Outcome> {
    init_log(&args.log, LogFormat::Auto)?;
    let feed = args.feed()?;
    let (bundles, configuration) = watch::channel(feed.first()?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        // Before anybody is told that the proxy is up: a signal is never lost.
        let mut signals = Signals::new()?;
        let proxy = Proxy::bind(args.config()?, configuration)?;
        let upstream = args.upstream.as_deref().unwrap_or("the servers that clients meant");
        tracing::info!(listen = %proxy.local_addr(), upstream, "the proxy is up");
        if let Some(admin) = proxy.admin_addr() {
            tracing::info!(%admin, "metrics, health and configuration status");
        }
        #[cfg(feature = "cluster")]
        let _registered = args.transparent.register(&proxy)?;
        let status = proxy.config_status();
        let (stop, stopped) = oneshot::channel::<()>();
        // Dropping the sender stops it as well.
        let mut serving = tokio::task::spawn_blocking(|| proxy.run(async { drop(stopped.await) }));
        let Signals { terminate, interrupt, hangup } = &mut signals;
        let ended = tokio::select! {
            ended = &mut serving => Some(ended),
            _ = terminate.recv() => None,
            _ = interrupt.recv() => None,
            () = feed.run(bundles, status, hangup) => None,
        };
        drop(stop);
        #[cfg(feature = "cluster")]
        drop(_registered);
        let ended = match ended {
            Some(ended) => ended,
            None => serving.await,
        };
        ended.context("the proxy's thread ended badly")??;
        Ok(Outcome::Ok)
    })
}

/// What the process is told from outside.
pub(crate) struct Signals {
    pub(crate) terminate: Signal,
    pub(crate) interrupt: Signal,
    pub(crate) hangup: Signal,
}

impl Signals {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let on = |kind, name| signal(kind).with_context(|| format!("cannot wait for {name}"));
        Ok(Self {
            terminate: on(SignalKind::terminate(), "SIGTERM")?,
            interrupt: on(SignalKind::interrupt(), "SIGINT")?,
            hangup: on(SignalKind::hangup(), "SIGHUP")?,
        })
    }
}
