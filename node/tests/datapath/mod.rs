//! What the tests of the datapath share: a network namespace and a folder in bpffs of their own.
#![allow(dead_code, reason = "each test target uses a part of it")]
#![allow(unsafe_code, reason = "the standard library does not change namespaces")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::thread;

use aya::programs::TestRun as _;
use aya::{TestRunOptions, maps};
use postern_node::datapath::{self, Datapath, EndpointState, Hook, Sizes};
use postern_node_abi::{CtKey, CtValue, Mark};

pub(crate) mod packets;
pub(crate) mod pods;
pub(crate) mod rules;

/// Small maps: tests make many.
pub(crate) const SIZES: Sizes = Sizes { policy: 65_536, identities: 4096, flows: 8192 };

/// A folder in bpffs that is removed with all that is pinned in it.
pub(crate) struct Root(pub(crate) PathBuf);

impl Root {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let bpffs = Path::new("/sys/fs/bpf");
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        if !mounts.lines().any(|line| line.contains(" /sys/fs/bpf ") && line.contains(" - bpf ")) {
            let status = Command::new("mount").args(["-t", "bpf", "bpf", "/sys/fs/bpf"]).status().unwrap();
            assert!(status.success(), "these tests need root and a BPF file system at /sys/fs/bpf");
        }
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let root = Self(bpffs.join(format!("postern-test-{}-{number}", std::process::id())));
        datapath::cleanup(&root.0).unwrap();
        root
    }

    pub(crate) fn open(&self) -> Datapath {
        Datapath::open_sized(&self.0, SIZES).unwrap_or_else(|error| panic!("{}", explain(&error)))
    }

    pub(crate) fn conntrack(&self) -> maps::HashMap<maps::MapData, CtKey, CtValue> {
        let data = maps::MapData::from_pin(self.0.join("v1/maps/CONNTRACK")).unwrap();
        maps::HashMap::try_from(maps::Map::LruHashMap(data)).unwrap()
    }

    pub(crate) fn flows(&self) -> Vec<(CtKey, CtValue)> {
        self.conntrack().iter().collect::<Result<_, _>>().unwrap()
    }

    pub(crate) fn forget_flows(&self) {
        let mut conntrack = self.conntrack();
        self.flows().iter().for_each(|(key, _)| conntrack.remove(key).unwrap());
    }

    /// Makes every known flow a thing of the past.
    pub(crate) fn expire_flows(&self) {
        let mut conntrack = self.conntrack();
        for (key, value) in self.flows() {
            conntrack.insert(key, CtValue { expires_ns: 1, ..value }, 0).unwrap();
        }
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        let removed = datapath::cleanup(&self.0);
        if !thread::panicking() {
            removed.unwrap();
        }
    }
}

fn explain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text += &format!("\n  {error}");
        cause = error.source();
    }
    text
}

/// Runs the test in a network namespace of its own.
pub(crate) fn in_namespace<T: Send + 'static>(test: impl FnOnce() -> T + Send + 'static) -> T {
    let thread = thread::spawn(|| {
        enter_new_namespace();
        test()
    });
    match thread.join() {
        Ok(value) => value,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

/// Gives this thread a network namespace of its own, which goes when the thread ends.
pub(crate) fn enter_new_namespace() {
    // SAFETY: the call has no memory arguments; only this thread changes its namespace.
    let status = unsafe { libc::unshare(libc::CLONE_NEWNET) };
    assert_eq!(status, 0, "these tests need root: {}", std::io::Error::last_os_error());
    ip("link set lo up");
}

/// This thread's number, by which `ip` can name its namespace.
pub(crate) fn thread_id() -> i32 {
    // SAFETY: the call has no arguments.
    unsafe { libc::gettid() }
}

/// Runs `ip` in this thread's namespace.
pub(crate) fn ip(arguments: &str) {
    let output = Command::new("ip").args(arguments.split_whitespace()).output().unwrap();
    assert!(output.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A device of this namespace for made-up packets.
pub(crate) fn device(name: &str) -> u32 {
    ip(&format!("link add {name} type veth peer name {name}-peer"));
    ip(&format!("link set {name} up"));
    ifindex(name)
}

pub(crate) fn ifindex(name: &str) -> u32 {
    let name = std::ffi::CString::new(name).unwrap();
    // SAFETY: the name ends in a zero and lives until the call returns.
    let ifindex = unsafe { libc::if_nametoindex(name.as_ptr()) };
    assert_ne!(ifindex, 0, "{name:?}");
    ifindex
}

/// What a program did with a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Did {
    Pass,
    Steer,
    Drop,
}

/// Runs a program on a packet, as if it were seen at this device.
pub(crate) fn run(datapath: &Datapath, hook: Hook, ifindex: u32, packet: &[u8]) -> Did {
    run_marked(datapath, hook, ifindex, 0, packet)
}

pub(crate) fn run_marked(datapath: &Datapath, hook: Hook, ifindex: u32, mark: u32, packet: &[u8]) -> Did {
    let context = context(ifindex, mark);
    let mut after = [0; 192];
    let options = TestRunOptions {
        data_in: Some(packet),
        ctx_in: Some(&context),
        ctx_out: Some(&mut after),
        repeat: 1,
        ..TestRunOptions::default()
    };
    let result = datapath.program(hook).unwrap().test_run(options).unwrap();
    let mark = u32::from_ne_bytes(after[8..12].try_into().unwrap());
    match result.return_value.cast_signed() {
        2 => Did::Drop,
        -1 if mark & Mark::MASK == Mark::TO_PROXY => Did::Steer,
        -1 => Did::Pass,
        other => panic!("the program returned {other}"),
    }
}

/// The packet as a program that lets it pass leaves it.
pub(crate) fn changed(datapath: &Datapath, hook: Hook, ifindex: u32, packet: &[u8]) -> Vec<u8> {
    let context = context(ifindex, 0);
    let mut after = vec![0; packet.len()];
    let options = TestRunOptions {
        data_in: Some(packet),
        data_out: Some(&mut after),
        ctx_in: Some(&context),
        repeat: 1,
        ..TestRunOptions::default()
    };
    let result = datapath.program(hook).unwrap().test_run(options).unwrap();
    assert_eq!(result.return_value.cast_signed(), -1, "it does not pass");
    after
}

/// A `__sk_buff` with a device and a mark.
pub(crate) fn context(ifindex: u32, mark: u32) -> [u8; 192] {
    let mut context = [0; 192];
    context[8..12].copy_from_slice(&mark.to_ne_bytes());
    context[40..44].copy_from_slice(&ifindex.to_ne_bytes());
    context
}

/// An endpoint with the addresses 10.0.0.n and fd00::n.
pub(crate) fn endpoint(ifindex: u32, n: u8) -> EndpointState {
    EndpointState {
        ifindex,
        id: u32::from(n),
        ipv4: Some([10, 0, 0, n].into()),
        ipv6: Some(format!("fd00::{n:x}").parse().unwrap()),
    }
}

/// A closure that is carried out on another thread.
pub(crate) type Job = Box<dyn FnOnce() + Send>;

/// Sends work to a thread and waits for its result.
pub(crate) fn call<T: Send + 'static>(
    jobs: &mpsc::Sender<Job>,
    job: impl FnOnce() -> T + Send + 'static,
) -> T {
    let (send, receive) = mpsc::channel();
    jobs.send(Box::new(move || drop(send.send(job())))).unwrap();
    receive.recv().expect("the work in the namespace panicked")
}
