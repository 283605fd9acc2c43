//! The bundle that is measured, told otherwise who sends.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

/// No rule names its peers.
pub(super) fn anybody(bundle: &str) -> Result<String> {
    change(bundle, |bundle| {
        let rules = bundle.pointer_mut("/endpoints/0/ingress/rules")?.as_array_mut()?;
        for rule in rules {
            *rule.get_mut("peers")? = json!("any");
        }
        Some(())
    })
}

/// By the last entry of `x-forwarded-for`, which Envoy appends. That of a client on this machine is an address of the
/// machine, so the client has every address.
pub(super) fn forwarded(bundle: &str) -> Result<String> {
    change(bundle, |bundle| {
        let sources = json!([{"forwardedFor": {"trustedHops": 1, "from": "any"}}, "source"]);
        bundle.get_mut("attach")?.as_object_mut()?.insert("peerFrom".to_owned(), sources);
        let client = bundle.get_mut("identities")?.as_array_mut()?.iter_mut().find(|identity| {
            identity
                .get("addresses")
                .and_then(Value::as_array)
                .is_some_and(|all| all.contains(&json!("127.0.0.1/32")))
        })?;
        *client.get_mut("addresses")? = json!(["0.0.0.0/0", "::/0"]);
        Some(())
    })
}

fn change(bundle: &str, change: impl FnOnce(&mut Value) -> Option<()>) -> Result<String> {
    let mut bundle: Value = serde_json::from_str(bundle).context("the bundle is no JSON")?;
    change(&mut bundle).context("the bundle is not what the benchmark takes it for")?;
    Ok(bundle.to_string())
}
