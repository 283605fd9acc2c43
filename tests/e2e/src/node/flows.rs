//! What `postern node --flows` has written.

use std::net::{IpAddr, SocketAddr};

use anyhow::{Context as _, Result};
use serde_json::Value;

/// A line.
#[derive(Debug, Clone)]
pub struct Flow(Value);

impl Flow {
    /// All lines that are whole.
    pub(super) fn read(text: &str) -> Result<Vec<Flow>> {
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let flow =
            |line: &str| Ok(Flow(serde_json::from_str(line).with_context(|| format!("no JSON: {line}"))?));
        whole.lines().map(flow).collect()
    }

    /// A field, empty if it is not there.
    #[must_use]
    pub fn get(&self, field: &str) -> &str {
        self.0.get(field).and_then(Value::as_str).unwrap_or_default()
    }

    /// Whether it is a drop for this reason.
    #[must_use]
    pub fn is_drop(&self, reason: &str) -> bool {
        self.get("verdict") == "dropped" && self.get("reason") == reason
    }

    /// Whether it is about this endpoint, as the one that this direction tells.
    #[must_use]
    pub fn is_at(&self, endpoint: &str, direction: &str) -> bool {
        self.get("endpoint") == endpoint && self.get("direction") == direction
    }

    /// Whether it goes from one address to the other.
    #[must_use]
    pub fn is_between(&self, from: IpAddr, to: IpAddr) -> bool {
        self.address("source") == Some(from) && self.address("destination") == Some(to)
    }

    /// The port that it goes to.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.get("destination").parse::<SocketAddr>().ok().map(|to| to.port())
    }

    fn address(&self, field: &str) -> Option<IpAddr> {
        let text = self.get(field);
        text.parse::<SocketAddr>().map(|address| address.ip()).or_else(|_| text.parse()).ok()
    }
}
