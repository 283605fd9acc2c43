//! A bundle to the policies that the filter enforces.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use postern_policy_core::endpoint as core;
use postern_policy_core::identity::{IdentityId, Known, PeerSource as CorePeerSource, SPIFFE, TableBuilder};
use postern_policy_core::path::Profile as CoreProfile;
use postern_policy_core::policy::{Direction as CoreDirection, RuleId};
use postern_policy_core::port::{PortRange as CorePortRange, Protocol as CoreProtocol, ProtocolMatch};
use postern_policy_core::set::{Attached, Attachment, Policies, PolicySet, SetError};
use postern_policy_core::world::WorkloadName;

use crate::document::{
    API_VERSION, Action, Attach, Audit, Bundle, Direction, DirectionPolicy, Endpoint, ForwardedFor, Identity,
    PathProfile, PeerSource, Peers, PortRange, Ports, Profile, Protocol, Report, Rule, Tier,
};
use crate::rules::{Reading, Source};

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
///
/// # Errors
/// When it is not a bundle, of another version, or contradicts itself.
pub fn decode(json: &[u8]) -> Result<(PolicySet, Vec<Quarantined>), BundleError> {
    decode_bundle(parse(json)?)
}

/// Reads the document. What it says is not looked at yet.
pub(crate) fn parse(json: &[u8]) -> Result<Bundle, BundleError> {
    let mut reader = serde_json::Deserializer::from_slice(json);
    let bundle: Bundle =
        serde_path_to_error::deserialize(&mut reader).map_err(|error| shape_error(json, &error))?;
    reader.end().map_err(|error| BundleError::Shape { path: TOP.to_owned(), message: error.to_string() })?;
    Ok(bundle)
}

/// Compiles a bundle that is at hand as a value.
///
/// # Errors
/// As [`decode`], but for what is wrong with the JSON.
pub fn decode_bundle(bundle: Bundle) -> Result<(PolicySet, Vec<Quarantined>), BundleError> {
    let Bundle { api_version, versions: _, report, attach, identities, endpoints } = bundle;
    if api_version != API_VERSION {
        return Err(BundleError::Version(api_version));
    }
    check(&report)?;
    let mut reading = Reading::default();
    let policies = policies(endpoints, &mut reading)?;
    let set = PolicySet::of(Arc::new(policies), Arc::new(known(identities)?), attachment(attach)?)?;
    Ok((set, reading.quarantined))
}

/// What is asked for must be what a host can bear.
pub(crate) fn check(report: &Report) -> Result<(), BundleError> {
    match report.rule_hits {
        0..=MOST_RULE_HITS => Ok(()),
        more => {
            Err(value_error("report.ruleHits", format!("expected {MOST_RULE_HITS} at most, found {more}")))
        }
    }
}

/// Each is a metric of the host's.
const MOST_RULE_HITS: u16 = 1000;

/// Compiles the part that says who may do what.
pub(crate) fn policies<'j, H: Source<'j>>(
    endpoints: Vec<Endpoint<H>>,
    reading: &mut Reading<'j, '_>,
) -> Result<Policies, BundleError> {
    let endpoints = endpoints
        .into_iter()
        .enumerate()
        .map(|(index, endpoint)| endpoint_policy(endpoint, &format!("endpoints[{index}]"), reading))
        .collect::<Result<_, _>>()?;
    reading.forget_expressions();
    Ok(Policies::new(endpoints)?)
}

/// What errors call the document as a whole.
pub(crate) const TOP: &str = "at the top level";

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

pub(crate) fn attachment(attach: Attach) -> Result<Attachment, BundleError> {
    let Attach { direction, endpoint, port, peer, peer_from } = attach;
    if peer_from.as_ref().is_some_and(Vec::is_empty) {
        return Err(value_error(
            "attach.peerFrom",
            "it is empty, and everybody would be the world: name a source, or leave it out",
        ));
    }
    Ok(Attachment {
        direction: direction.map(|direction| match direction {
            Direction::Ingress => Attached::To(CoreDirection::Ingress),
            Direction::Egress => Attached::To(CoreDirection::Egress),
            Direction::Both => Attached::Both,
        }),
        endpoint: endpoint.map(|name| workload_name(&name, "attach.endpoint")).transpose()?,
        port,
        peer,
        peer_from: peer_from.into_iter().flatten().map(peer_source).collect(),
    })
}

fn peer_source(source: PeerSource) -> CorePeerSource {
    match source {
        PeerSource::Spiffe => CorePeerSource::Spiffe,
        PeerSource::Source => CorePeerSource::Source,
        PeerSource::ForwardedFor(ForwardedFor { trusted_hops, from }) => {
            CorePeerSource::ForwardedFor { trusted_hops, from: peers(from) }
        }
    }
}

fn peers(peers: Peers) -> core::Peers {
    match peers {
        Peers::Any => core::Peers::Any,
        Peers::Only(ids) => core::Peers::Only(Arc::new(ids.into_iter().map(IdentityId).collect())),
    }
}

fn workload_name(text: &str, path: &str) -> Result<WorkloadName, BundleError> {
    match text.split_once('/') {
        Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() => {
            Ok(WorkloadName { namespace: namespace.to_owned(), name: name.to_owned() })
        }
        _ => Err(value_error(path, format!("expected namespace/name, found {text:?}"))),
    }
}

/// Reads the part that says who is who.
pub(crate) fn known(identities: Vec<Identity>) -> Result<Known, BundleError> {
    let mut table = TableBuilder::default();
    let mut certificates = HashMap::new();
    let mut ids = HashSet::new();
    for (index, Identity { id, labels: _, addresses, spiffe }) in identities.into_iter().enumerate() {
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
        for uri in spiffe {
            spiffe_uri(&uri).map_err(|why| value_error(&path, format!("spiffe {uri:?}: {why}")))?;
            if certificates.insert(uri.as_str().into(), IdentityId(id)).is_some() {
                return Err(value_error(
                    path,
                    format!("{uri} is given twice: a certificate has one identity"),
                ));
            }
        }
    }
    Ok(Known { addresses: table.build(), spiffe: certificates })
}

/// As certificates have it: they are compared byte by byte, so what no certificate can have is a mistake.
fn spiffe_uri(uri: &str) -> Result<(), &'static str> {
    const MOST: usize = 2048;
    let rest = uri.strip_prefix(SPIFFE).ok_or("expected spiffe://trust-domain/path")?;
    let (domain, path) = rest.split_once('/').ok_or("expected a path after the trust domain")?;
    let lower = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-_".contains(&byte);
    if domain.is_empty() || !domain.bytes().all(lower) {
        return Err("a trust domain has lower-case letters, digits, dots, dashes and underscores");
    }
    let plain = |byte: u8| lower(byte) || byte.is_ascii_uppercase();
    let segment = |segment: &str| !matches!(segment, "" | "." | "..") && segment.bytes().all(plain);
    if uri.len() > MOST || !path.split('/').all(segment) {
        return Err(
            "a path has segments of letters, digits, dots, dashes and underscores, 2048 bytes with all before it",
        );
    }
    Ok(())
}

fn endpoint_policy<'j, H: Source<'j>>(
    endpoint: Endpoint<H>,
    path: &str,
    reading: &mut Reading<'j, '_>,
) -> Result<core::EndpointPolicy, BundleError> {
    let Endpoint { name, addresses, ingress, egress } = endpoint;
    let (ingress, tried_ingress) = direction_policy(ingress, &format!("{path}.ingress"), reading)?;
    let (egress, tried_egress) = direction_policy(egress, &format!("{path}.egress"), reading)?;
    Ok(core::EndpointPolicy {
        name: workload_name(&name, &format!("{path}.name"))?,
        addresses,
        ingress,
        egress,
        audit: core::Audit { ingress: tried_ingress, egress: tried_egress },
    })
}

/// What is enforced, and what is tried.
fn direction_policy<'j, H: Source<'j>>(
    policy: DirectionPolicy<H>,
    path: &str,
    reading: &mut Reading<'j, '_>,
) -> Result<(core::DirectionPolicy, Option<core::DirectionPolicy>), BundleError> {
    let DirectionPolicy { default_deny, profiles, rules: enforced, audit } = policy;
    let profiles: Vec<_> = profiles
        .into_iter()
        .enumerate()
        .map(|(index, given)| path_profile(given, &format!("{path}.profiles[{index}]")))
        .collect::<Result<_, _>>()?;
    let rules = self::rules(enforced, path, reading)?;
    let enforced = core::DirectionPolicy { default_deny, rules, profiles: profiles.clone() };
    let Some(Audit { default_deny, rules }) = audit else { return Ok((enforced, None)) };
    let named = std::mem::take(&mut reading.quarantined);
    let rules = self::rules(rules, &format!("{path}.audit"), reading)?;
    // Most rules that are tried are enforced too, and named already.
    reading.quarantined.retain(|rule| !named.contains(rule));
    reading.quarantined.splice(..0, named);
    Ok((enforced, Some(core::DirectionPolicy { default_deny, rules, profiles })))
}

fn rules<'j, H: Source<'j>>(
    rules: Vec<Rule<H>>,
    path: &str,
    reading: &mut Reading<'j, '_>,
) -> Result<Vec<Arc<core::Rule>>, BundleError> {
    let rules = rules.into_iter().enumerate();
    let mut rule = |given, path: &str| self::rule(given, path, reading).map(Arc::new);
    rules.map(|(index, given)| rule(given, &format!("{path}.rules[{index}]"))).collect()
}

fn rule<'j, H: Source<'j>>(
    rule: Rule<H>,
    path: &str,
    reading: &mut Reading<'j, '_>,
) -> Result<core::Rule, BundleError> {
    let Rule { id, tier, peers, ports, action } = rule;
    let id = RuleId::new(id);
    // Where all rules are asked at once, there is no rest to leave: denials would be left out.
    if matches!(action, Action::Pass) && !matches!(tier, Tier::Admin | Tier::Baseline) {
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
        peers: self::peers(peers),
        ports,
        action: match action {
            Action::Allow => core::Action::Allow,
            Action::Deny => core::Action::Deny,
            Action::Pass => core::Action::Pass,
            Action::Quarantined(why) => {
                reading.quarantine(&id, &why);
                core::Action::Quarantined(why.into())
            }
            Action::Http(rules) => {
                let rules = rules.into_iter().map(|rule| rule.read(reading));
                core::Action::Http(rules.collect::<Result<_, _>>()?)
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
