//! What a policy may not say is taken out of it: what is refused has no verdict to compare.

use postern_tests_oracle::label::Selector;
use postern_tests_oracle::policy::cilium::{
    Beyond, Item, Peers, Policy, PortEntry, PortName, PortProtocol, Rule, Subject,
};
use postern_tests_oracle::port::Protocol;

pub(crate) fn valid(policy: &mut Policy) {
    let (legacy, namespaced) = (policy.legacy, policy.namespace.is_some());
    for rule in policy.spec.iter_mut().chain(&mut policy.specs) {
        // Only a policy of today, for the whole cluster, may select nodes.
        if matches!(rule.subject, Subject::Nodes(_)) && namespaced {
            rule.subject = Subject::Endpoints(Selector::default());
        }
        if legacy {
            (rule.ingress_deny, rule.egress_deny, rule.deny_ingress, rule.deny_egress) =
                (None, None, None, None);
        }
        items(rule, legacy);
        let lists = [&rule.ingress, &rule.ingress_deny, &rule.egress, &rule.egress_deny];
        if lists.into_iter().flatten().flatten().next().is_none() {
            rule.ingress = Some(vec![Item::default()]);
        }
    }
}

fn items(rule: &mut Rule, legacy: bool) {
    let nodes = matches!(rule.subject, Subject::Nodes(_));
    let lists = [
        (&mut rule.ingress, false, false),
        (&mut rule.egress, true, false),
        (&mut rule.ingress_deny, false, true),
        (&mut rule.egress_deny, true, true),
    ];
    for (list, egress, deny) in lists {
        for item in list.iter_mut().flatten() {
            if legacy {
                // In 2017 there were endpoints, ports and HTTP.
                item.peers = item.peers.take().filter(|peers| matches!(peers, Peers::Endpoints(_)));
                (item.icmps, item.authentication) = (None, None);
            }
            if item.ports.is_some() {
                item.icmps = None;
            }
            for entry in item.ports.iter_mut().flatten() {
                entry_of(entry, egress, deny || nodes, legacy);
            }
        }
    }
}

fn entry_of(entry: &mut PortEntry, egress: bool, plain: bool, legacy: bool) {
    if plain {
        entry.http = None;
    }
    let only_egress = matches!(entry.beyond, Some(Beyond::Listener | Beyond::Dns));
    if plain || legacy || entry.http.is_some() || (only_egress && !egress) {
        entry.beyond = None;
    }
    if legacy {
        entry.http.iter_mut().flatten().for_each(|rule| rule.header_matches.clear());
    }
    if entry.http.is_none() && entry.beyond.is_none() {
        return;
    }
    // What looks into the connection does so on ports of TCP.
    let ports = entry.ports.get_or_insert_default();
    ports.retain(|port| !matches!(port.port, PortName::Absent | PortName::Number(0)));
    for port in &mut *ports {
        port.protocol = Some(PortProtocol::Only(Protocol::Tcp));
        if entry.beyond == Some(Beyond::Dns) {
            port.end = None;
        }
    }
    if ports.is_empty() {
        (entry.http, entry.beyond) = (None, None);
    }
}
