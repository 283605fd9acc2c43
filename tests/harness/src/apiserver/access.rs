//! How clients reach an API server: its address, a kubeconfig, and kubectl.

use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde_json::json;

use super::{ApiServer, keys};
use crate::programs;

/// So that kubectl fails, rather than waits, when the server is paused.
const TIMEOUT: &str = "--request-timeout=30s";

/// The address and the files of a client that may do everything.
#[derive(Debug)]
pub(super) struct Access {
    url: String,
    dir: PathBuf,
    kubeconfig: PathBuf,
}

impl Access {
    pub(super) fn make(dir: &Path, server: SocketAddr) -> Result<Access> {
        let url = format!("https://{server}");
        let kubeconfig = dir.join("kubeconfig");
        let [certificate, key] = keys::ADMIN.map(|name| dir.join(name));
        // JSON is YAML, so this is what every client takes.
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "admin"}}],
            "clusters": [{"name": "test", "cluster": {
                "server": url, "certificate-authority": dir.join(keys::CA),
            }}],
            "users": [{"name": "admin", "user": {"client-certificate": certificate, "client-key": key}}],
        });
        fs::write(&kubeconfig, config.to_string()).context("cannot write a kubeconfig")?;
        Ok(Access { url, dir: dir.to_owned(), kubeconfig })
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Runs kubectl as the administrator, with `input` as its standard input.
    pub(super) fn kubectl(&self, args: &[&str], input: &str) -> Result<Output> {
        let mut command = Command::new(programs::assets()?.join("kubectl"));
        // Neither the configuration nor the cache of whoever runs the test.
        command.env_clear().env("HOME", &self.dir).env("KUBECONFIG", &self.kubeconfig);
        command.arg(TIMEOUT).args(args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().context("cannot start kubectl")?;
        let mut stdin = child.stdin.take().context("kubectl has no standard input")?;
        let written = stdin.write_all(input.as_bytes());
        drop(stdin);
        let output = child.wait_with_output().context("cannot wait for kubectl")?;
        // One that fails early reads nothing, and its own error is the better one.
        ensure!(written.is_ok() || !output.status.success(), "kubectl did not read its input");
        Ok(output)
    }

    /// The same when nothing but success will do; gives what was printed.
    pub(super) fn kubectl_ok(&self, args: &[&str], input: &str) -> Result<String> {
        let output = self.kubectl(args, input)?;
        let stderr = String::from_utf8_lossy(&output.stderr);
        let line = args.join(" ");
        ensure!(output.status.success(), "`kubectl {line}`: {}: {}", output.status, stderr.trim_end());
        String::from_utf8(output.stdout).with_context(|| format!("`kubectl {line}` printed no text"))
    }
}

impl ApiServer {
    /// Runs kubectl as the administrator; whether it succeeded is for the test to say.
    pub fn kubectl(&self, args: &[&str]) -> Result<Output> {
        self.access.kubectl(args, "")
    }

    /// The same with standard input (`-f -`), and a failure is an error. Gives what kubectl printed.
    pub fn kubectl_ok(&self, args: &[&str], input: &str) -> Result<String> {
        self.access.kubectl_ok(args, input)
    }

    /// Applies a manifest in YAML or JSON.
    pub fn apply(&self, manifest: &str) -> Result<()> {
        self.kubectl_ok(&["apply", "-f", "-"], manifest).map(drop)
    }
}
