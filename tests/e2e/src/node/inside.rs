//! Doing something in a network namespace.
#![allow(unsafe_code, reason = "that a thread changes its namespace is a system call")]

use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd as _;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use anyhow::{Context as _, Result, anyhow};
use postern_tests_cluster::net::Namespace;

/// A network namespace that threads can go to, whether or not its name is still there.
#[derive(Debug, Clone)]
pub struct Place(Arc<File>);

impl Place {
    /// That of a named namespace.
    pub fn of(namespace: &Namespace) -> Result<Place> {
        let path = namespace.path();
        let file = File::open(&path).with_context(|| format!("cannot open {}", path.display()))?;
        Ok(Place(Arc::new(file)))
    }

    /// A thread there. Threads that it makes are there too.
    pub fn spawn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> JoinHandle<Result<T>> {
        let namespace = Arc::clone(&self.0);
        thread::spawn(move || {
            // SAFETY: no pointers; the descriptor is open as long as `namespace`, and only this thread moves.
            let moved = unsafe { libc::setns(namespace.as_raw_fd(), libc::CLONE_NEWNET) };
            if moved != 0 {
                return Err(io::Error::last_os_error())
                    .context("cannot enter a network namespace: root is needed");
            }
            Ok(work())
        })
    }

    /// Does something there and waits for it.
    pub fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        self.spawn(work).join().map_err(|_| anyhow!("what was done in a namespace panicked"))?
    }

    /// A counter of the network there, such as `Udp` `InDatagrams`: what has arrived, whether anybody listens or not.
    pub fn counter(&self, group: &str, name: &str) -> Result<u64> {
        let text = self.run(|| fs::read_to_string("/proc/thread-self/net/snmp"))??;
        let mut lines = text.lines().filter_map(|line| line.strip_prefix(group)?.strip_prefix(": "));
        let (names, values) =
            lines.next().zip(lines.next()).with_context(|| format!("no {group} in {text}"))?;
        let mut pairs = names.split(' ').zip(values.split(' '));
        let (_, value) =
            pairs.find(|(key, _)| *key == name).with_context(|| format!("no {name} in {names}"))?;
        Ok(value.parse()?)
    }

    /// The same for IPv6, where the counter's name has everything: `Udp6InDatagrams`.
    pub fn counter6(&self, name: &str) -> Result<u64> {
        let text = self.run(|| fs::read_to_string("/proc/thread-self/net/snmp6"))??;
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
        line.with_context(|| format!("no {name} in {text}"))
    }
}
