//! Resolved policies to a bundle.

use std::collections::BTreeMap;

use postern_policy_core::endpoint as core;
use postern_policy_core::http::{HttpMatch, HttpMatcher, HttpRule as CoreHttpRule};
use postern_policy_core::identity::{IdentityId, PeerSource as CorePeerSource, Who};
use postern_policy_core::path::Profile as CoreProfile;
use postern_policy_core::policy::Direction as CoreDirection;
use postern_policy_core::port::{PortRange as CorePortRange, Protocol as CoreProtocol, ProtocolMatch};
use postern_policy_core::set::{Attached, Attachment};
use postern_policy_core::world::Identities;

use crate::document::{
    API_VERSION, Action, Attach, Audit, Bundle, Direction, DirectionPolicy, Endpoint, ForwardedFor, Header,
    HttpRule, Identity, PathProfile, PeerSource, Peers, PortRange, Ports, Profile, Protocol, Report, Rule,
    Tier,
};

/// Writes a bundle. Identities that have no address are left out: no traffic can have them.
pub fn encode(
    endpoints: &[core::EndpointPolicy],
    identities: &Identities,
    attachment: &Attachment,
) -> Bundle {
    Bundle {
        api_version: API_VERSION.to_owned(),
        versions: None,
        report: Report::default(),
        attach: Attach {
            direction: attachment.direction.map(direction),
            endpoint: attachment.endpoint.as_ref().map(ToString::to_string),
            port: attachment.port,
            peer: attachment.peer,
            peer_from: (!attachment.peer_from.is_empty())
                .then(|| attachment.peer_from.iter().map(peer_source).collect()),
        },
        identities: identity_list(identities),
        endpoints: endpoints.iter().map(endpoint).collect(),
    }
}

fn identity_list(identities: &Identities) -> Vec<Identity> {
    let mut addresses: BTreeMap<IdentityId, Vec<ipnet::IpNet>> = BTreeMap::new();
    for (prefix, id) in identities.prefixes() {
        addresses.entry(id).or_default().push(prefix);
    }
    let named = |identity: postern_policy_core::identity::Identity| {
        let addresses = addresses.remove(&identity.id)?;
        let labels = match identity.who {
            Who::World => vec!["reserved:world".to_owned()],
            Who::Node(name) => vec![format!("node:{name}")],
            Who::Workloads(labels) => labels.iter().collect(),
            Who::Cidr(net) => vec!["reserved:world".to_owned(), format!("cidr:{net}")],
        };
        Some(Identity { id: identity.id.0, labels, addresses, spiffe: Vec::new() })
    };
    let mut list: Vec<Identity> = identities.iter().filter_map(named).collect();
    list.sort_by_key(|identity| identity.id);
    list
}

fn endpoint(policy: &core::EndpointPolicy) -> Endpoint {
    Endpoint {
        name: policy.name.to_string(),
        addresses: policy.addresses.clone(),
        ingress: direction_policy(&policy.ingress, policy.audit.ingress.as_ref()),
        egress: direction_policy(&policy.egress, policy.audit.egress.as_ref()),
    }
}

fn direction_policy(
    policy: &core::DirectionPolicy,
    tried: Option<&core::DirectionPolicy>,
) -> DirectionPolicy {
    let rules = |policy: &core::DirectionPolicy| policy.rules.iter().map(|it| rule(it)).collect();
    DirectionPolicy {
        default_deny: policy.default_deny,
        profiles: policy.profiles.iter().map(path_profile).collect(),
        rules: rules(policy),
        audit: tried.map(|tried| Audit { default_deny: tried.default_deny, rules: rules(tried) }),
    }
}

fn peer_source(source: &CorePeerSource) -> PeerSource {
    match source {
        CorePeerSource::Spiffe => PeerSource::Spiffe,
        CorePeerSource::Source => PeerSource::Source,
        CorePeerSource::ForwardedFor { trusted_hops, from } => {
            PeerSource::ForwardedFor(ForwardedFor { trusted_hops: *trusted_hops, from: peers(from) })
        }
    }
}

fn peers(peers: &core::Peers) -> Peers {
    match peers {
        core::Peers::Any => Peers::Any,
        core::Peers::Only(peers) => Peers::Only(peers.iter().map(|id| id.0).collect()),
    }
}

fn path_profile((range, profile): &(CorePortRange, CoreProfile)) -> PathProfile {
    let PortRange { protocol, port, end_port } = port_range(range);
    let profile = match profile {
        CoreProfile::Strict => Profile::Strict,
        CoreProfile::Envoy => Profile::Envoy,
        CoreProfile::Raw => Profile::Raw,
    };
    PathProfile { protocol, port, end_port, profile }
}

fn rule(rule: &core::Rule) -> Rule {
    Rule {
        id: rule.id.to_string(),
        tier: match rule.tier {
            core::Tier::Admin => Tier::Admin,
            core::Tier::Normal => Tier::Normal,
            core::Tier::Default => Tier::Default,
            core::Tier::Baseline => Tier::Baseline,
        },
        peers: peers(&rule.peers),
        ports: match &rule.ports {
            core::Ports::All => Ports::All,
            core::Ports::Only(ranges) => Ports::Only(ranges.iter().map(port_range).collect()),
        },
        action: match &rule.action {
            core::Action::Allow => Action::Allow,
            core::Action::Deny => Action::Deny,
            core::Action::Pass => Action::Pass,
            core::Action::Quarantined(why) => Action::Quarantined(why.to_string()),
            core::Action::Http(rules) => Action::Http(rules.iter().map(http_rule).collect()),
        },
    }
}

fn port_range(range: &CorePortRange) -> PortRange {
    let protocol = match range.protocol {
        ProtocolMatch::Any => Protocol::Any,
        ProtocolMatch::Only(CoreProtocol::Tcp) => Protocol::Tcp,
        ProtocolMatch::Only(CoreProtocol::Udp) => Protocol::Udp,
        ProtocolMatch::Only(CoreProtocol::Sctp) => Protocol::Sctp,
        ProtocolMatch::Only(CoreProtocol::Icmp) => Protocol::Icmp,
        ProtocolMatch::Only(CoreProtocol::IcmpV6) => Protocol::IcmpV6,
        ProtocolMatch::Only(CoreProtocol::Igmp) => Protocol::Igmp,
        ProtocolMatch::Only(CoreProtocol::Ipip) => Protocol::Ipip,
        ProtocolMatch::Only(CoreProtocol::Ipv6) => Protocol::Ipv6,
        ProtocolMatch::Only(CoreProtocol::Gre) => Protocol::Gre,
        ProtocolMatch::Only(CoreProtocol::Esp) => Protocol::Esp,
        ProtocolMatch::Only(CoreProtocol::Ah) => Protocol::Ah,
        ProtocolMatch::Only(CoreProtocol::Vrrp) => Protocol::Vrrp,
    };
    PortRange { protocol, port: range.first, end_port: (range.last != range.first).then_some(range.last) }
}

fn http_rule(rule: &CoreHttpRule) -> HttpRule {
    let nothing = HttpMatch::default();
    let (matched, quarantined) = match &rule.matcher {
        HttpMatcher::Active(matched) => (matched, None),
        HttpMatcher::Quarantined(why) => (&nothing, Some(why.to_string())),
    };
    let text = |pattern: &Option<postern_policy_core::pattern::Pattern>| {
        pattern.as_ref().map(|pattern| pattern.as_str().to_owned())
    };
    HttpRule {
        id: rule.id.to_string(),
        quarantined,
        method: text(&matched.method),
        path: text(&matched.path),
        host: text(&matched.host),
        headers: matched
            .headers
            .iter()
            .map(|header| Header {
                name: header.name.clone(),
                value: header.value.as_ref().map(|value| String::from_utf8_lossy(value).into_owned()),
            })
            .collect(),
    }
}

fn direction(attached: Attached) -> Direction {
    match attached {
        Attached::To(CoreDirection::Ingress) => Direction::Ingress,
        Attached::To(CoreDirection::Egress) => Direction::Egress,
        Attached::Both => Direction::Both,
    }
}
