//! Sends probes, and holds what the client was told against what the upstream got.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::{Result, ensure};
use postern_tests_harness::RawClient;

use super::http2;
use super::probes::{Mark, Probe};
use super::recorder::Recorder;

/// A request with an end that no server sees may wait for more of it.
const PATIENCE: Duration = Duration::from_secs(2);
/// What the upstream may get, however it was asked for.
const ALLOWED: &[u8] = b"GET /public HTTP/1.1\r\n";
/// Between this many probes a request that policy allows shows that the proxy still works.
const CONTROL_EVERY: usize = 100;

/// How a probe is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2 with prior knowledge.
    Http2,
}

/// What came of them.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Report {
    /// Probes that must not arrive.
    pub denied: usize,
    /// Probes that may.
    pub may: usize,
    /// Those of them that did.
    pub passed: usize,
    /// Requests that policy allows, in between: each was answered.
    pub controls: usize,
    /// Probes that were not answered before the deadline.
    pub unanswered: usize,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { denied, may, passed, controls, unanswered } = self;
        write!(
            f,
            "{denied} probes that must not arrive: 0 did; {may} that may: {passed} did; {controls} controls, all answered; \
             {unanswered} probes without an answer"
        )
    }
}

/// Sends the probes, each on a connection of its own.
pub fn storm(
    from: IpAddr,
    to: SocketAddr,
    upstream: &Recorder,
    probes: &[Probe],
    wire: Wire,
) -> Result<Report> {
    let before = upstream.total();
    let mut report = Report::default();
    for (index, probe) in probes.iter().enumerate() {
        if index % CONTROL_EVERY == 0 {
            control(from, to)?;
            report.controls += 1;
        }
        let arrived = upstream.total();
        let answered = match wire {
            Wire::Http1 => {
                let outcome = RawClient::request(from, to, &probe.http1(), PATIENCE);
                if outcome == postern_tests_harness::RawOutcome::Timeout {
                    None
                } else {
                    Some(outcome.status() == Some(200))
                }
            }
            Wire::Http2 => http2::request(from, to, &probe.http2(), PATIENCE),
        };
        let ok = answered == Some(true);
        if answered.is_none() {
            report.unanswered += 1;
            println!("no answer: {}", probe.what);
        }
        match probe.mark {
            Mark::Deny => {
                report.denied += 1;
                ensure!(!ok, "{} was answered with 200", probe.what);
            }
            Mark::May => {
                report.may += 1;
                report.passed += usize::from(ok);
            }
        }
        let arrived = upstream.total() - arrived;
        ensure!(
            arrived == usize::from(ok),
            "{}: {arrived} requests arrived, answered: {answered:?}",
            probe.what
        );
    }
    let heads = upstream.heads();
    let new = heads.get(before..).unwrap_or_default();
    for head in new {
        let shown = || String::from_utf8_lossy(head.get(..200).unwrap_or(head)).into_owned();
        ensure!(head.starts_with(ALLOWED), "this arrived: {}", shown());
        ensure!(!has(head, Mark::Deny.field()), "this arrived, and must not: {}", shown());
    }
    let (may, controls) = (count(new, Mark::May.field()), count(new, "x-probe: control"));
    ensure!(new.len() == may + controls, "{} arrived: {may} probes and {controls} controls", new.len());
    ensure!(
        may == report.passed && controls == report.controls,
        "{may}, {controls} at the upstream: {report}"
    );
    Ok(report)
}

fn control(from: IpAddr, to: SocketAddr) -> Result<()> {
    let request = b"GET /public HTTP/1.1\r\nx-probe: control\r\nhost: app1\r\nconnection: close\r\n\r\n";
    let outcome = RawClient::request(from, to, request, Duration::from_secs(20));
    ensure!(outcome.status() == Some(200), "a request that policy allows: {outcome:?}");
    Ok(())
}

fn has(head: &[u8], text: &str) -> bool {
    head.windows(text.len()).any(|window| window == text.as_bytes())
}

fn count(heads: &[Vec<u8>], text: &str) -> usize {
    heads.iter().filter(|head| has(head, text)).count()
}
