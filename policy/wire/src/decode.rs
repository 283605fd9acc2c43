//! A bundle to the policies that the filter enforces.

use std::collections::HashSet;
use std::sync::Arc;

use postern_policy_core::endpoint as core;
use postern_policy_core::http::{HeaderMatch, HttpMatch, HttpMatcher, HttpRule as CoreHttpRule};
use postern_policy_core::identity::{AddressTable, IdentityId};
use postern_policy_core::path::Profile as CoreProfile;
use postern_policy_core::pattern::Pattern;
use postern_policy_core::policy::{Direction as CoreDirection, RuleId};
use postern_policy_core::port::{PortRange as CorePortRange, Protocol as CoreProtocol, ProtocolMatch};
use postern_policy_core::set::{Attached, Attachment, PolicySet, SetError};
use postern_policy_core::world::WorkloadName;

use crate::document::{
    API_VERSION, Action, Attach, Bundle, Direction, DirectionPolicy, Endpoint, HttpRule, Identity,
    PathProfile, Peers, PortRange, Ports, Profile, Protocol, Rule, Tier,
};

/// Why a bundle was refused as a whole.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// It is not JSON, or has fields that are unknown, missing or of the wrong type.
    #[error("bundle: {path}: {message}")]
    Shape {
        /// The field, such as `endpoints[0].ingress.rules[1].peers`.
        path: String,
        /// What is wrong, with line and column.
        message: String,
    },
    /// It is of another version.
    #[error(
        "bundle: apiVersion: expected {API_VERSION}, found {0}: write it with the postern of this version"
    )]
    Version(String),
    /// A value that cannot be.
    #[error("bundle: {path}: {message}")]
    Value {
        /// The field.
        path: String,
        /// What is wrong and what was expected.
        message: String,
    },
    /// The parts contradict each other.
    #[error("bundle: {0}")]
    Set(#[from] SetError),
}

/// A rule that could not be compiled: it matches nothing, and every other rule works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantined {
    /// The rule.
    pub rule: RuleId,
    /// Why.
    pub reason: String,
}

/// Reads a bundle. The policies are compiled; the rules that could not be are named beside them.
pub fn decode(json: &[u8]) -> Result<(PolicySet, Vec<Quarantined>), BundleError> {
    let mut reader = serde_json::Deserializer::from_slice(json);
    let bundle: Bundle =
        serde_path_to_error::deserialize(&mut reader).map_err(|error| shape_error(json, &error))?;
    reader.end().map_err(|error| BundleError::Shape { path: TOP.to_owned(), message: error.to_string() })?;
    decode_bundle(bundle)
}

/// Compiles a bundle that is at hand as a value.
///
/// # Errors
/// As [`decode`], but for what is wrong with the JSON.
pub fn decode_bundle(bundle: Bundle) -> Result<(PolicySet, Vec<Quarantined>), BundleError> {
    let Bundle { api_version, attach, identities, endpoints } = bundle;
    if api_version != API_VERSION {
        return Err(BundleError::Version(api_version));
    }
    let table = address_table(identities)?;
    let mut quarantined = Vec::new();
    let endpoints = endpoints
        .into_iter()
        .enumerate()
        .map(|(index, endpoint)| endpoint_policy(endpoint, &format!("endpoints[{index}]"), &mut quarantined))
        .collect::<Result<_, _>>()?;
    Ok((PolicySet::new(endpoints, table, attachment(attach)?)?, quarantined))
}

/// What errors call the document as a whole.
const TOP: &str = "at the top level";

/// A bundle of another version has another shape: its version is what is wrong with it then.
fn shape_error(json: &[u8], error: &serde_path_to_error::Error<serde_json::Error>) -> BundleError {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Version {
        api_version: String,
    }
    match serde_json::from_slice(json) {
        Ok(Version { api_version }) if api_version != API_VERSION => BundleError::Version(api_version),
        _ => {
            let path = error.path().to_string();
            let path = if path == "." { TOP.to_owned() } else { path };
            BundleError::Shape { path, message: error.inner().to_string() }
        }
    }
}

fn value_error(path: impl Into<String>, message: impl Into<String>) -> BundleError {
    BundleError::Value { path: path.into(), message: message.into() }
}

fn attachment(attach: Attach) -> Result<Attachment, BundleError> {
    let Attach { direction, endpoint, port, peer } = attach;
    Ok(Attachment {
        direction: direction.map(|direction| match direction {
            Direction::Ingress => Attached::To(CoreDirection::Ingress),
            Direction::Egress => Attached::To(CoreDirection::Egress),
            Direction::Both => Attached::Both,
        }),
        endpoint: endpoint.map(|name| workload_name(&name, "attach.endpoint")).transpose()?,
        port,
        peer,
    })
}

fn workload_name(text: &str, path: &str) -> Result<WorkloadName, BundleError> {
    match text.split_once('/') {
        Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() => {
            Ok(WorkloadName { namespace: namespace.to_owned(), name: name.to_owned() })
        }
        _ => Err(value_error(path, format!("expected namespace/name, found {text:?}"))),
    }
}

fn address_table(identities: Vec<Identity>) -> Result<AddressTable, BundleError> {
    let mut table = AddressTable::default();
    let mut ids = HashSet::new();
    for (index, Identity { id, labels: _, addresses }) in identities.into_iter().enumerate() {
        let path = format!("identities[{index}]");
        if id == 0 || !ids.insert(id) {
            return Err(value_error(
                path,
                format!("identity {id} is reserved or given twice: number it anew"),
            ));
        }
        for prefix in addresses {
            if prefix.trunc() != prefix {
                return Err(value_error(
                    path,
                    format!("{prefix} has bits beyond its length: write {}", prefix.trunc()),
                ));
            }
            if table.insert(prefix, IdentityId(id)).is_some() {
                return Err(value_error(
                    path,
                    format!("{prefix} is given twice: an address has one identity"),
                ));
            }
        }
    }
    Ok(table)
}

fn endpoint_policy(
    endpoint: Endpoint,
    path: &str,
    quarantined: &mut Vec<Quarantined>,
) -> Result<core::EndpointPolicy, BundleError> {
    let Endpoint { name, addresses, ingress, egress } = endpoint;
    Ok(core::EndpointPolicy {
        name: workload_name(&name, &format!("{path}.name"))?,
        addresses,
        ingress: direction_policy(ingress, &format!("{path}.ingress"), quarantined)?,
        egress: direction_policy(egress, &format!("{path}.egress"), quarantined)?,
    })
}

fn direction_policy(
    policy: DirectionPolicy,
    path: &str,
    quarantined: &mut Vec<Quarantined>,
) -> Result<core::DirectionPolicy, BundleError> {
    let DirectionPolicy { default_deny, profiles, rules } = policy;
    let profiles = profiles
        .into_iter()
        .enumerate()
        .map(|(index, given)| path_profile(given, &format!("{path}.profiles[{index}]")))
        .collect::<Result<_, _>>()?;
    let rules = rules
        .into_iter()
        .enumerate()
        .map(|(index, given)| rule(given, &format!("{path}.rules[{index}]"), quarantined))
        .collect::<Result<_, _>>()?;
    Ok(core::DirectionPolicy { default_deny, rules, profiles })
}

fn rule(rule: Rule, path: &str, quarantined: &mut Vec<Quarantined>) -> Result<core::Rule, BundleError> {
    let Rule { id, tier, peers, ports, action } = rule;
    let id = RuleId::new(id);
    // Where all rules are asked at once, there is no rest to leave: denials would be left out.
    if action == Action::Pass && !matches!(tier, Tier::Admin | Tier::Baseline) {
        return Err(value_error(
            format!("{path}.action"),
            "`pass` stands only in the tiers `admin` and `baseline`: remove the rule, or give its tier"
                .to_owned(),
        ));
    }
    let ports = match ports {
        Ports::All => core::Ports::All,
        Ports::Only(ranges) => {
            let ranges = ranges.into_iter().map(|range| port_range(range, path));
            core::Ports::Only(ranges.collect::<Result<_, _>>()?)
        }
    };
    Ok(core::Rule {
        id: id.clone(),
        tier: match tier {
            Tier::Admin => core::Tier::Admin,
            Tier::Normal => core::Tier::Normal,
            Tier::Default => core::Tier::Default,
            Tier::Baseline => core::Tier::Baseline,
        },
        peers: match peers {
            Peers::Any => core::Peers::Any,
            Peers::Only(ids) => core::Peers::Only(Arc::new(ids.into_iter().map(IdentityId).collect())),
        },
        ports,
        action: match action {
            Action::Allow => core::Action::Allow,
            Action::Deny => core::Action::Deny,
            Action::Pass => core::Action::Pass,
            Action::Quarantined(why) => {
                quarantined.push(Quarantined { rule: id.clone(), reason: why.clone() });
                core::Action::Quarantined(why.into())
            }
            Action::Http(rules) => {
                core::Action::Http(rules.into_iter().map(|rule| http_rule(rule, quarantined)).collect())
            }
        },
    })
}

fn path_profile(given: PathProfile, path: &str) -> Result<(CorePortRange, CoreProfile), BundleError> {
    let PathProfile { protocol, port, end_port, profile } = given;
    let profile = match profile {
        Profile::Strict => CoreProfile::Strict,
        Profile::Envoy => CoreProfile::Envoy,
        Profile::Raw => CoreProfile::Raw,
    };
    Ok((port_range(PortRange { protocol, port, end_port }, path)?, profile))
}

fn port_range(range: PortRange, path: &str) -> Result<CorePortRange, BundleError> {
    let PortRange { protocol, port: first, end_port } = range;
    let last = end_port.unwrap_or(first);
    if last < first {
        return Err(value_error(path, format!("endPort {last} is below port {first}: swap them")));
    }
    let protocol = match protocol {
        Protocol::Any => ProtocolMatch::Any,
        Protocol::Tcp => ProtocolMatch::Only(CoreProtocol::Tcp),
        Protocol::Udp => ProtocolMatch::Only(CoreProtocol::Udp),
        Protocol::Sctp => ProtocolMatch::Only(CoreProtocol::Sctp),
        Protocol::Icmp => ProtocolMatch::Only(CoreProtocol::Icmp),
        Protocol::IcmpV6 => ProtocolMatch::Only(CoreProtocol::IcmpV6),
        Protocol::Igmp => ProtocolMatch::Only(CoreProtocol::Igmp),
        Protocol::Ipip => ProtocolMatch::Only(CoreProtocol::Ipip),
        Protocol::Ipv6 => ProtocolMatch::Only(CoreProtocol::Ipv6),
        Protocol::Gre => ProtocolMatch::Only(CoreProtocol::Gre),
        Protocol::Esp => ProtocolMatch::Only(CoreProtocol::Esp),
        Protocol::Ah => ProtocolMatch::Only(CoreProtocol::Ah),
        Protocol::Vrrp => ProtocolMatch::Only(CoreProtocol::Vrrp),
    };
    Ok(CorePortRange { protocol, first, last })
}

/// A rule that does not compile is quarantined by itself: it never voids the bundle.
fn http_rule(rule: HttpRule, quarantined: &mut Vec<Quarantined>) -> CoreHttpRule {
    let id = RuleId::new(rule.id.clone());
    let matcher = match http_match(rule) {
        Ok(matched) => HttpMatcher::Active(matched),
        Err(reason) => {
            quarantined.push(Quarantined { rule: id.clone(), reason: reason.clone() });
            HttpMatcher::Quarantined(reason.into())
        }
    };
    CoreHttpRule { id, matcher }
}

fn http_match(rule: HttpRule) -> Result<HttpMatch, String> {
    let HttpRule { id: _, quarantined, method, path, host, headers } = rule;
    if let Some(why) = quarantined {
        return Err(why);
    }
    let pattern = |field: &str, text: Option<String>| {
        text.map(|text| Pattern::parse(&text).map_err(|error| format!("{field}: {error}"))).transpose()
    };
    Ok(HttpMatch {
        method: pattern("method", method)?,
        path: pattern("path", path)?,
        host: pattern("host", host)?,
        headers: headers
            .into_iter()
            .map(|header| HeaderMatch { name: header.name, value: header.value.map(String::into_bytes) })
            .collect(),
    })
}
