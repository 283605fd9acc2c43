//! The project's own programs, in the node's namespace, with a policy of a certain size.

use std::net::{IpAddr, SocketAddrV4};
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::PathBuf;
use std::process::Command;
use std::thread::{self, JoinHandle};

use anyhow::{Context as _, Result, ensure};
use aya::TestRunOptions;
use aya::programs::TestRun as _;
use aya::sys::{Stats, enable_stats};
use postern_node::datapath::{self, Applied, Datapath, EndpointState, Events, Hook};
use postern_policy_core::identity::IdentityId;
use postern_policy_core::lower::Lowered;
use tokio::io::unix::AsyncFd;
use tokio::sync::oneshot;

use crate::ground::{Place, Seat};
use crate::packets::{self, flag};
use crate::policy::{PORT, Size};

/// The server's identity; nothing asks for it.
const SERVER: u32 = 9000;
/// How often a made-up packet is judged. The events of so many fit into the kernel's buffer beside those of flows.
const REPEAT: u32 = 5000;
/// The port of the client that made-up packets come from.
const CLIENT_PORT: u16 = 4000;

/// The programs, attached to both pods. Dropping it removes them.
pub(crate) struct Guard {
    // Dropped in this order: what is pinned can be removed when nobody uses it any more.
    reader: Option<Reader>,
    datapath: Datapath,
    _pins: Pins,
    place: Place,
    /// The server's device.
    ifindex: u32,
}

/// What is pinned. Dropping it removes it.
struct Pins(PathBuf);

/// Nanoseconds that one run of a program takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    pub(crate) from_endpoint: f64,
    pub(crate) to_endpoint: f64,
}

impl Guard {
    /// Loads, attaches, and puts the policy in force. Nothing is known of any flow.
    pub(crate) fn apply(place: &Place, size: Size) -> Result<Self> {
        datapath::cleanup(&place.pins).context("cannot remove what was there before")?;
        let pins = Pins(place.pins.clone());
        let datapath = Datapath::open(&place.pins)?;
        let ifindex = ifindex(&place.server.device)?;
        let mut guard = Self { reader: None, datapath, _pins: pins, place: place.clone(), ifindex };
        guard.reader = Some(Reader::start(guard.datapath.events()?)?);
        let identities =
            size.identities(place.client.address).chain([(place.server.address, IdentityId(SERVER))]);
        guard
            .datapath
            .set_identities(identities.map(|(address, identity)| (IpAddr::from(address).into(), identity)))?;
        guard.endpoint(&place.client, &Lowered::default())?;
        guard.endpoint(&place.server, &size.lowered()?)?;
        Ok(guard)
    }

    fn endpoint(&mut self, seat: &Seat, policy: &Lowered) -> Result<()> {
        let ifindex = ifindex(&seat.device)?;
        let state = EndpointState { ifindex, id: ifindex, ipv4: Some(seat.address), ipv6: None };
        let applied = self.datapath.set_endpoint(&state, policy)?;
        ensure!(!matches!(applied, Applied::Closed { .. }), "the policy does not fit into the map");
        Ok(self.datapath.attach_endpoint(ifindex)?)
    }

    /// From now on, nobody reads events.
    pub(crate) fn stop_reading(&mut self) {
        self.reader = None;
    }

    /// What the kernel's statistics say that the programs took while `load` ran. Counting costs time itself, so
    /// it is on only for as long.
    pub(crate) fn times(&self, load: impl FnOnce() -> Result<()>) -> Result<Times> {
        // The kernel counts until this is closed, whatever else the machine's settings say.
        let _counts =
            enable_stats(Stats::RunTime).context("cannot turn on the statistics of BPF programs")?;
        let before = [self.spent(Hook::FromEndpoint)?, self.spent(Hook::ToEndpoint)?];
        load()?;
        let after = [self.spent(Hook::FromEndpoint)?, self.spent(Hook::ToEndpoint)?];
        let mut each = before.into_iter().zip(after).map(|(before, after)| {
            let (seconds, runs) = (after.0 - before.0, after.1 - before.1);
            ensure!(runs > 0.0, "a program saw no packet");
            Ok(seconds * 1e9 / runs)
        });
        let mut next = || each.next().context("two programs were measured")?;
        Ok(Times { from_endpoint: next()?, to_endpoint: next()? })
    }

    /// Seconds and runs so far.
    fn spent(&self, hook: Hook) -> Result<(f64, f64)> {
        let info = self.datapath.program(hook).context("a program is missing")?.info()?;
        let runs = u32::try_from(info.run_count()).context("a program has run too often")?;
        Ok((info.run_time().as_secs_f64(), f64::from(runs)))
    }

    /// Nanoseconds for a packet to the server of a flow that is known, and of one that begins, by running
    /// `to_endpoint` on made-up packets.
    pub(crate) fn test_runs(&self) -> Result<[f64; 2]> {
        let client = SocketAddrV4::new(self.place.client.address, CLIENT_PORT);
        let server = SocketAddrV4::new(self.place.server.address, PORT);
        // What opens a connection is judged anew each time.
        let opens = packets::tcp(client, server, flag::SYN);
        let new = self.test_run(Hook::ToEndpoint, &opens)?;
        self.test_run(Hook::FromEndpoint, &packets::tcp(server, client, flag::SYN | flag::ACK))?;
        let established = self.test_run(Hook::ToEndpoint, &packets::tcp(client, server, flag::ACK))?;
        Ok([established, new])
    }

    fn test_run(&self, hook: Hook, packet: &[u8]) -> Result<f64> {
        let context = packets::context(self.ifindex);
        let options = TestRunOptions {
            data_in: Some(packet),
            ctx_in: Some(&context),
            repeat: REPEAT,
            ..TestRunOptions::default()
        };
        let program = self.datapath.program(hook).context("a program is missing")?;
        let result = program.test_run(options)?;
        let passes = result.return_value.cast_signed() == -1;
        ensure!(passes, "{} dropped a packet that the policy allows", hook.program());
        Ok(result.duration.as_secs_f64() * 1e9)
    }
}

impl Drop for Pins {
    fn drop(&mut self) {
        if let Err(error) = datapath::cleanup(&self.0) {
            eprintln!("{} is left over: {error}", self.0.display());
        }
    }
}

/// Reads events, as an agent does: what nobody reads costs less to write. Dropping it ends it.
struct Reader {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Reader {
    fn start(events: Events) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let work = move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = stopped => {}
                    ended = read(events) => eprintln!("events are not read any more: {ended:?}"),
                }
            });
        };
        let thread = thread::Builder::new().name("events".to_owned()).spawn(work)?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// How often the agent looks.
const LOOK: std::time::Duration = std::time::Duration::from_millis(100);

async fn read(mut events: Events) -> std::io::Result<()> {
    let ready = register(events.as_fd().try_clone_to_owned()?)?;
    loop {
        // As the agent does: it looks by itself, and is woken only when much waits.
        if let Ok(ready) = tokio::time::timeout(LOOK, ready.readable()).await {
            ready?.clear_ready();
        }
        while events.next().is_some() {}
    }
}

#[expect(
    deprecated,
    reason = "what replaces it is unsafe; the descriptor is open as long as the value lives"
)]
fn register(ring: OwnedFd) -> std::io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::new(ring)
}

/// The number of a device of this namespace.
fn ifindex(device: &str) -> Result<u32> {
    let output = Command::new("ip").args(["-o", "link", "show", "dev", device]).output();
    let output = output.context("cannot start `ip`: is iproute2 installed?")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let number = text.split(':').next().and_then(|number| number.trim().parse().ok());
    number.with_context(|| format!("there is no device {device}"))
}
