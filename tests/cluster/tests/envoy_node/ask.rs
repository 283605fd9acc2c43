//! What a client gets.

use std::net::{IpAddr, SocketAddr};
use std::process::Command;

/// A status and a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    status: u16,
    body: String,
}

impl Answer {
    pub(crate) fn new(status: u16, body: &str) -> Self {
        Answer { status, body: body.to_owned() }
    }
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Got {
    Answer(Answer),
    /// Packets were dropped, or the connection was closed without a byte.
    Nothing,
}

/// So long a client waits for packets that may be dropped.
const PATIENCE: &str = "3";

/// `GET path`.
pub(crate) fn get(mut curl: Command, to: IpAddr, path: &str) -> Got {
    let url = format!("http://{}{path}", SocketAddr::new(to, 80));
    let args = ["-sS", "-g", "-m", PATIENCE, "-w", "\n%{http_code}", &url];
    let output = curl.args(args).output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let (body, status) = printed.rsplit_once('\n').unwrap();
    match output.status.code() {
        Some(0) => Got::Answer(Answer::new(status.parse().unwrap(), body.trim_end())),
        // 28 is a time-out, 52 and 56 are the other side's end without an answer.
        Some(28 | 52 | 56) => Got::Nothing,
        code => panic!("curl ended with {code:?}: {}", String::from_utf8_lossy(&output.stderr)),
    }
}

/// Several requests on one connection; starts, and does not wait.
pub(crate) fn get_often(mut curl: Command, to: IpAddr, path: &str, count: usize) -> std::process::Child {
    let url = format!("http://{}{path}", SocketAddr::new(to, 80));
    curl.args(["-sS", "-g", "-m", "20"]).args(vec![url; count]);
    curl.stdout(std::process::Stdio::piped()).spawn().unwrap()
}
