//! Clients that ask on and on.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Stdio};

use anyhow::ensure;

use crate::story::{SOON, Story};

/// A client that asks without end.
pub(crate) struct Stream {
    child: Child,
    log: PathBuf,
}

impl Stream {
    /// Asks on and on, until the value is asked what came of it.
    pub(crate) fn start(story: &Story, pod: &str, path: &str, patience: &str) -> Self {
        let log = story.cluster.folder().join(format!("stream-{pod}{}", path.replace('/', "-")));
        let url = format!("http://{}{path}", story.service);
        // Each answer is a line; the pause keeps the machine free for those who are asked.
        let script = format!(
            "while :; do curl -s -o /dev/null -m {patience} -w '%{{http_code}}\\n' {url}; sleep 0.02; done"
        );
        let out = fs::File::create(&log).unwrap();
        let mut command = story.cluster.command(pod, "sh").unwrap();
        let child = command.args(["-c", &script]).stdout(out).stderr(Stdio::null()).spawn().unwrap();
        Self { child, log }
    }

    /// Waits until so many more answers have come.
    pub(crate) fn goes_on(&self, more: usize) {
        let already = self.answers().len();
        postern_tests_harness::eventually(SOON, || {
            let now = self.answers().len();
            ensure!(now >= already + more, "{} of {more} answers", now - already);
            Ok(())
        })
        .unwrap();
    }

    fn answers(&self) -> Vec<String> {
        let text = fs::read_to_string(&self.log).unwrap();
        // The last line may be half written.
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole.lines().map(ToOwned::to_owned).collect()
    }

    /// Ends it and gives every answer.
    pub(crate) fn end(mut self) -> Vec<String> {
        self.stop();
        self.answers()
    }

    fn stop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.stop();
    }
}
