//! Runs hyper's tasks on the worker's own thread.

use std::io;

use hyper::rt::Executor;
use tokio::runtime::{Builder, LocalOptions, LocalRuntime};

/// An executor for futures that stay on their thread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Local;

impl<F: Future<Output: 'static> + 'static> Executor<F> for Local {
    fn execute(&self, future: F) {
        // Its end is nobody's business: it reports by itself.
        drop(tokio::task::spawn_local(future));
    }
}

/// A runtime for one thread.
pub(crate) fn runtime() -> io::Result<LocalRuntime> {
    // One side thread: the next configuration is loaded on it.
    Builder::new_current_thread().enable_all().max_blocking_threads(1).build_local(LocalOptions::default())
}
