//! What a policy set wants to know of a connection and of its requests: to a host, each question may cost more than the
//! decision.

use super::{Attached, Attachment, PolicySet};
use crate::endpoint::{Peers, Rule};
use crate::http::{HttpMatcher, HttpRule};
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

/// What the addresses of a connection are needed for, and whether headers are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Needs {
    /// [`Connection::source`](super::Connection::source).
    pub source: Need,
    /// [`Connection::destination`](super::Connection::destination).
    pub destination: Need,
    /// Whether [`Request::headers`](crate::http::Request::headers) are needed for anything. Where not, there may be none of
    /// them.
    pub headers: bool,
}

impl PolicySet {
    /// What is needed, whichever connection it is.
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
        let headers = asked == Asked::Request && self.asks_for_headers();
        Needs { source, destination: destination.max(port), headers }
    }

    /// Whether a rule asks for a header, or one tells who sends.
    fn asks_for_headers(&self) -> bool {
        let looked_at = |direction: &Direction| match self.attachment.direction {
            Some(Attached::To(only)) => only == *direction,
            Some(Attached::Both) | None => true,
        };
        let mut sources =
            self.attachment.peer_from.iter().take_while(|source| **source != PeerSource::Source);
        let by_header = sources.any(|source| matches!(source, PeerSource::ForwardedFor { .. }));
        let asks = |rule: &HttpRule| match &rule.matcher {
            HttpMatcher::Active(wanted) => !wanted.headers.is_empty(),
            HttpMatcher::Quarantined(_) => false,
        };
        let of_rules = |direction: Direction| self.rules(direction).flat_map(Rule::http).any(asks);
        (by_header && looked_at(&Direction::Ingress))
            || [Direction::Ingress, Direction::Egress].into_iter().filter(looked_at).any(of_rules)
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
        let named = self.rules(direction).any(|rule| rule.peers != Peers::Any);
        if named { Need::Deciding } else { Need::Telling }
    }

    /// The rules that may be asked in one direction, also those that are only tried.
    fn rules(&self, direction: Direction) -> impl Iterator<Item = &Rule> {
        let endpoints = match self.attached {
            Some(index) => self.endpoints().get(index..=index).unwrap_or_default(),
            None => self.endpoints(),
        };
        let policies = endpoints.iter().flat_map(move |endpoint| {
            std::iter::once(endpoint.direction(direction)).chain(endpoint.audit(direction))
        });
        let port = self.attachment.port;
        let concerns = move |rule: &&Rule| port.is_none_or(|port| rule.ports.contains(Protocol::Tcp, port));
        policies.flat_map(|policy| &policy.rules).map(|rule| &**rule).filter(concerns)
    }
}

fn needed(is: bool, need: Need) -> Need {
    if is { need } else { Need::Nothing }
}
