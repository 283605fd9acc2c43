//! Which addresses of a connection a policy set asks for: to a host, each question may cost more than the decision.

use super::{Attached, Attachment, PolicySet};
use crate::endpoint::{EndpointPolicy, Peers, Rule};
use crate::identity::PeerSource;
use crate::policy::Direction;
use crate::port::Protocol;

/// What is decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// A connection, of which there are no headers.
    Connection,
    /// A request.
    Request,
}

/// What an address is needed for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// Nothing: it may be any.
    #[default]
    Nothing,
    /// To say whose connection it was ([`Side`](super::Side)). The decision is the same whatever it is.
    Telling,
    /// To decide.
    Deciding,
}

/// What the addresses of a connection are needed for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Needs {
    /// [`Connection::source`](super::Connection::source).
    pub source: Need,
    /// [`Connection::destination`](super::Connection::destination).
    pub destination: Need,
}

impl PolicySet {
    /// What the addresses of a connection are needed for, whichever connection it is.
    pub fn needs(&self, asked: Asked) -> Needs {
        let Attachment { direction, port, peer, .. } = &self.attachment;
        // What is attached is not looked for by its address.
        let subject = needed(self.attached.is_none(), Need::Deciding);
        let sender = needed(peer.is_none(), self.sender(asked));
        let receiver = needed(peer.is_none(), self.by_rules(Direction::Egress));
        let port = needed(port.is_none(), Need::Deciding);
        let (source, destination) = match direction {
            Some(Attached::To(Direction::Ingress)) => (sender, subject),
            Some(Attached::To(Direction::Egress)) => (subject, receiver),
            Some(Attached::Both) | None => (subject.max(sender), subject.max(receiver)),
        };
        Needs { source, destination: destination.max(port) }
    }

    /// What the sender's address is needed for, by the sources that tell who it is.
    fn sender(&self, asked: Asked) -> Need {
        let mut need = Need::Nothing;
        for source in &self.attachment.peer_from {
            match (source, asked) {
                // Whoever shows a certificate is known by that.
                (PeerSource::Spiffe, _) => need = Need::Telling,
                (PeerSource::ForwardedFor { from: Peers::Any, .. }, Asked::Request) => return need,
                (PeerSource::ForwardedFor { from: Peers::Only(_), .. }, Asked::Request) => {
                    return Need::Deciding;
                }
                (PeerSource::ForwardedFor { .. }, Asked::Connection) => {}
                (PeerSource::Source, _) => return self.by_rules(Direction::Ingress),
            }
        }
        if self.attachment.peer_from.is_empty() { self.by_rules(Direction::Ingress) } else { Need::Telling }
    }

    /// What a peer's address is needed for, where the peer is known by it.
    fn by_rules(&self, direction: Direction) -> Need {
        let endpoints = match self.attached {
            Some(index) => self.endpoints().get(index..=index).unwrap_or_default(),
            None => self.endpoints(),
        };
        let concerns =
            |rule: &Rule| self.attachment.port.is_none_or(|port| rule.ports.contains(Protocol::Tcp, port));
        let names_peers = |endpoint: &EndpointPolicy| {
            let policies = std::iter::once(endpoint.direction(direction)).chain(endpoint.audit(direction));
            let mut rules = policies.flat_map(|policy| &policy.rules);
            rules.any(|rule| rule.peers != Peers::Any && concerns(rule))
        };
        if endpoints.iter().any(names_peers) { Need::Deciding } else { Need::Telling }
    }
}

fn needed(is: bool, need: Need) -> Need {
    if is { need } else { Need::Nothing }
}
