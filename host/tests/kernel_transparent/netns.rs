//! Network namespaces without names: each is gone when nothing in it is left, however the test ends.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::process::Command;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

/// A network namespace.
#[derive(Clone)]
pub(crate) struct Netns(Arc<File>);

impl Netns {
    pub(crate) fn new() -> Self {
        let opened = thread::spawn(|| {
            // SAFETY: it takes no pointers, and moves nothing but this thread, which ends here.
            let done = unsafe { libc::unshare(libc::CLONE_NEWNET) };
            assert_eq!(done, 0, "a network namespace needs root: {}", io::Error::last_os_error());
            File::open("/proc/thread-self/ns/net").unwrap()
        });
        let netns = Self(Arc::new(opened.join().unwrap()));
        netns.ip("link set lo up");
        netns
    }

    /// A thread inside.
    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> JoinHandle<T> {
        let file = self.0.clone();
        thread::spawn(move || {
            // SAFETY: the descriptor is open as long as `file`; only this thread is moved.
            let done = unsafe { libc::setns(file.as_raw_fd(), libc::CLONE_NEWNET) };
            assert_eq!(done, 0, "{}", io::Error::last_os_error());
            work()
        })
    }

    /// Does something inside and waits for it.
    pub(crate) fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        self.spawn(work).join().unwrap()
    }

    /// `ip` with these words, inside.
    pub(crate) fn ip(&self, arguments: &str) {
        let words: Vec<String> = arguments.split(' ').map(str::to_owned).collect();
        let output = self.run(move || Command::new("ip").args(words).output().unwrap());
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "ip {arguments}: {errors}");
    }

    /// What other processes know it by, while this value lives.
    pub(crate) fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.0.as_raw_fd())
    }
}

impl AsFd for Netns {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
