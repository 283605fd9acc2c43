//! The tutorial's steps: what is asked, what must come back, what is said about it.

use std::net::SocketAddr;

use super::app::{PRIVATE, PUBLIC};
use super::client::Answer;
use super::world::{DemoWorld, POLICY_PORT};
use crate::output::Style;

/// One request of the tutorial.
pub(super) struct Request {
    pub(super) step: &'static str,
    pub(super) from: &'static str,
    pub(super) port: u16,
    pub(super) path: &'static str,
    expect: Expect,
}

enum Expect {
    Status(u16, &'static str),
    Nothing,
}

const fn request(step: &'static str, from: &'static str, path: &'static str, expect: Expect) -> Request {
    Request { step, from, port: POLICY_PORT, path, expect }
}

/// Before the policy: all may reach all.
pub(super) const BEFORE: &[Request] = &[
    request("before", "app2", "/public", Expect::Status(200, PUBLIC)),
    request("before", "app2", "/private", Expect::Status(200, PRIVATE)),
    request("before", "app3", "/public", Expect::Status(200, PUBLIC)),
];

/// After it: what the tutorial says.
pub(super) const AFTER: &[Request] = &[
    request("after", "app2", "/public", Expect::Status(200, PUBLIC)),
    request("after", "app2", "/private", Expect::Status(403, "Access denied")),
    request("after", "app3", "/public", Expect::Nothing),
];

/// Where packets are dropped in the kernel: app1's other port is not app2's to reach.
#[cfg(feature = "cluster")]
pub(super) const OTHER_PORT: Request =
    Request { step: "after", from: "app2", port: 8080, path: "/public", expect: Expect::Nothing };

impl Request {
    pub(super) fn expected(&self) -> Answer {
        match self.expect {
            Expect::Status(status, body) => Answer::Response { status, body: body.trim_end().to_owned() },
            Expect::Nothing => Answer::Nothing,
        }
    }
}

pub(super) fn opening(style: Style) -> String {
    format!(
        "{}\nReal filter, real proxy, real requests; no cluster, no root.\n\n{}\nstarting app1 and the proxy in front of it …\n",
        style.bold("Applying HTTP security rules: the tutorial, on this machine"),
        style.bold("Step 1: deploy the demo app"),
    )
}

pub(super) fn workloads(world: &DemoWorld, service: SocketAddr) -> anyhow::Result<String> {
    let mut text = String::new();
    for name in ["app1", "app2", "app3"] {
        let note = match name {
            "app1" => format!("  behind the proxy on {service}, which stands for port {POLICY_PORT}"),
            _ => String::new(),
        };
        text += &format!("  {name}  {}  id={name}{note}\n", world.address(name)?);
    }
    Ok(text + "\nWithout a policy, all may reach all:\n\n")
}

pub(super) fn policy(style: Style, text: &str) -> String {
    let quoted: String = text.lines().map(|line| format!("  {line}\n")).collect();
    format!("{}\n\n{quoted}\n", style.bold("Step 2: create the L7/HTTP security policy"))
}

pub(super) fn applied(style: Style) -> String {
    format!("The proxy took it over while it runs.\n\n{}\n\n", style.bold("Step 3: test the policy"))
}

pub(super) fn exchange(style: Style, request: &Request, shown: &str, reason: &str, ok: bool) -> String {
    let port = if request.port == POLICY_PORT { String::new() } else { format!(":{}", request.port) };
    let command = format!("{} $ curl -s http://app1-service{port}{}", request.from, request.path);
    let verdict = match ok {
        true => style.green("✓"),
        false => format!("{} expected: {}", style.red("✗"), request.expected()),
    };
    format!(
        "  {}\n  {shown}  {verdict}\n  {}\n\n",
        style.bold(&command),
        style.dim(&format!("why: {reason}"))
    )
}
