//! Whatever a guest calls its host with: the host answers with a status that the ABI has, or stops the guest, and the next
//! request finds another instance.
//!
//! The input is the program of a guest (guest.wat); its first byte says what is asked of it.
#![allow(clippy::panic, reason = "a finding is a panic")]

mod functions;
mod guest;
mod memory;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use postern_host_vm::{
    ConfigureError, Connection, ConnectionInfo, ConnectionOutcome, Direction, Engine, Fault, Headers, Limits,
    MetricsStore, Module, Plugin, RequestOutcome, Vm,
};

/// Exits from here on are the guest's way to say that the host has answered with what the ABI does not have.
const UNHEARD_OF: i32 = 777;
/// A header map, what it is made of while it is edited, an answer, and what guests share: the sum of what each may take.
const MOST_KEPT: usize = 64 << 20;
/// A header map as a guest may leave it, and what came with the request.
const MOST_HEADERS: usize = (1 << 20) + (16 << 10);

fn main() -> ExitCode {
    match module() {
        Ok(_) => postern_fuzz::run(run),
        Err(error) => {
            eprintln!("error: the guest does not compile: {error}");
            ExitCode::FAILURE
        }
    }
}

fn module() -> Result<&'static Module, &'static str> {
    static MODULE: OnceLock<Result<Module, String>> = OnceLock::new();
    let compile = || {
        let limits = Limits {
            memory_bytes: 1 << 20,
            call_time: Duration::from_millis(10),
            configure_time: Duration::from_millis(20),
            // A thread for each: what is compiled is the same.
            spare: false,
        };
        let engine = Engine::new(limits).map_err(|error| error.to_string())?;
        let bytes = wat::parse_str(guest::text()).map_err(|error| error.to_string())?;
        Module::compile(&engine, &bytes).map_err(|error| error.to_string())
    };
    MODULE.get_or_init(compile).as_ref().map_err(String::as_str)
}

fn run(bytes: &[u8]) {
    let Ok(module) = module() else { return };
    let Some((how, program)) = bytes.split_first() else { return };
    let before = memory::start();
    let metrics = Arc::new(MetricsStore::new());
    serve(module, &metrics, *how, &Bytes::copy_from_slice(program));
    let samples = metrics.samples();
    assert!(samples.len() <= 10_000 && samples.iter().all(|sample| sample.name.len() <= 1024), "{samples:?}");
    let most = memory::most().saturating_sub(before);
    assert!(most <= MOST_KEPT, "the host had {most} bytes more on its heap");
}

/// One guest's life: its configuration, a connection, requests on it, its end; another configuration.
fn serve(module: &Module, metrics: &Arc<MetricsStore>, how: u8, program: &Bytes) {
    let plugin = Plugin {
        name: "fuzz".into(),
        vm_id: "vm".into(),
        connection_root: (how & 1 == 0).then(|| "conn".into()),
        http_root: "http".into(),
    };
    let Ok(vm) = Vm::new(module, Arc::new(plugin), metrics.clone()) else { return };
    let mut tried = Tried { vm, info: Arc::new(info()) };
    tried.configure(program.clone());
    let connection = tried.open();
    // Ten faults in a row hold the guest back.
    for _ in 0..if how & 14 == 14 { 12 } else { (how >> 1 & 3) + 1 } {
        tried.request();
    }
    if let Some(connection) = connection {
        let closed = tried.vm.on_close(connection);
        tried.documented(closed.err());
    }
    if how & 8 != 0 {
        tried.configure(program.slice(program.len() / 2..));
        tried.request();
    }
}

struct Tried {
    vm: Vm,
    info: Arc<ConnectionInfo>,
}

impl Tried {
    fn configure(&mut self, program: Bytes) {
        match self.vm.configure(program) {
            Ok(()) => assert!(!self.vm.failed(), "a new configuration is held back"),
            Err(ConfigureError::Refused { reason }) => assert!(!reason.is_empty(), "refused for no reason"),
            Err(ConfigureError::Fault(fault)) => self.documented(Some(fault)),
        }
    }

    fn open(&mut self) -> Option<Connection> {
        let connection = ConnectionInfo::clone(&self.info);
        match self.vm.on_connection(connection) {
            Ok(ConnectionOutcome::Open(connection)) => Some(connection),
            Ok(ConnectionOutcome::Closed) => None,
            Err(fault) => {
                self.documented(Some(fault));
                None
            }
        }
    }

    fn request(&mut self) {
        let (sent, faults) = (headers(), self.vm.faults());
        let mut headers = sent.clone();
        let outcome = self.vm.on_request(&self.info, &mut headers, true);
        let bytes: usize = headers.iter().map(|(name, value)| name.len() + value.len() + 10).sum();
        assert!(bytes <= MOST_HEADERS, "{bytes} bytes of headers");
        match outcome {
            Ok(RequestOutcome::Continue { changed }) => {
                assert!(changed || headers == sent, "changed, unsaid: {headers:?}");
            }
            Ok(RequestOutcome::Respond(response)) => {
                assert!((200..600).contains(&response.status.as_u16()), "{}", response.status);
                assert!(response.body.len() <= 1 << 20 && response.details.len() <= 3 << 20);
            }
            Ok(RequestOutcome::Reset) => {}
            Err(fault) => {
                let fresh = !matches!(fault, Fault::Failed | Fault::NotConfigured);
                assert_eq!(self.vm.faults(), faults + u64::from(fresh), "{fault}");
                self.documented(Some(fault));
                self.probe(fresh);
            }
        }
    }

    /// After a fault, a request is answered by an instance that has seen none, or denied.
    fn probe(&mut self, fresh: bool) {
        let mut headers = headers();
        match self.vm.on_request(&self.info, &mut headers, false) {
            Ok(RequestOutcome::Respond(response)) => {
                assert!(!fresh || response.body == 1_u32.to_le_bytes()[..], "an old instance: {response:?}");
            }
            Ok(other) => panic!("expected an answer to a probe, not {other:?}"),
            Err(fault) => self.documented(Some(fault)),
        }
    }

    fn documented(&self, fault: Option<Fault>) {
        match fault {
            Some(Fault::Exited(code)) => {
                assert!(code < UNHEARD_OF, "the host answers what no ABI has: {code}");
            }
            Some(Fault::Failed) => assert!(self.vm.failed() && self.vm.consecutive_faults() >= 10),
            Some(Fault::NotConfigured) => panic!("the guest takes the empty configuration"),
            Some(fault) => assert!(!fault.to_string().is_empty()),
            None => {}
        }
    }
}

fn info() -> ConnectionInfo {
    let [source, destination] =
        [([10, 0, 0, 2], 4001), ([10, 0, 0, 1], 80)].map(|(address, port)| SocketAddr::from((address, port)));
    ConnectionInfo::new(source, destination, Direction::Inbound)
        .with_mtls(Some("spiffe://a/b"))
        .with_server_name("name")
}

fn headers() -> Headers {
    let mut headers = Headers::new();
    for (name, value) in
        [(":authority", "host"), (":path", "/a?b"), (":method", "GET"), ("x-a", "1"), ("x-a", "2")]
    {
        headers.push(name.as_bytes(), value.as_bytes());
    }
    headers
}
