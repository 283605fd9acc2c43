//! Evaluation: every policy, every item and every peer, for each question.

mod cilium;
mod kubernetes;
mod peers;
mod ports;
mod tiered;

use std::net::IpAddr;

use crate::http::{HttpRule, Request};
use crate::policy::{Direction, Policy};
use crate::port::Target;
use crate::world::{Owner, Workload, World};

/// What happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// It passes.
    Allow,
    /// The connection passes, and its requests are looked at.
    Redirect,
    /// It does not pass.
    Deny,
}

/// What is asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Who connects.
    pub from: IpAddr,
    /// To whom.
    pub to: IpAddr,
    /// To what there.
    pub target: Target,
    /// The request on that connection; none where the connection itself is asked about.
    pub request: Option<Request>,
}

/// One end's view of a connection.
#[derive(Debug, Clone, Copy)]
pub struct View<'w> {
    /// What exists.
    pub world: &'w World,
    /// The workload whose policies are asked.
    pub subject: &'w Workload,
    /// The other end.
    pub peer: Owner<'w>,
    /// Seen from the subject.
    pub direction: Direction,
    /// Where the connection goes.
    pub target: Target,
}

/// What one part of a policy says of a connection.
#[derive(Debug, Clone, Copy)]
enum Said<'p> {
    Allow,
    Deny,
    Http(&'p [HttpRule]),
}

/// The answer: the policies of both ends must let it pass.
pub fn answer(world: &World, policies: &[Policy], question: &Question) -> Verdict {
    let request = question.request.as_ref();
    let (from, to) = (world.owner(question.from), world.owner(question.to));
    let side = |own: Owner<'_>, peer, direction| match own {
        Owner::Workload(subject) if subject.is_local() => {
            judge(&View { world, subject, peer, direction, target: question.target }, policies, request)
        }
        _ => Verdict::Allow,
    };
    side(from, to, Direction::Egress).max(side(to, from, Direction::Ingress))
}

/// What one end's policies say: the tiers in their order (§1.5, §2.4).
pub fn judge(view: &View<'_>, policies: &[Policy], request: Option<&Request>) -> Verdict {
    use crate::policy::tiered::{Action, Tier};
    let policies: Vec<&Policy> = policies.iter().filter(|policy| !policy.is_audit()).collect();

    match tiered::first(view, &policies, Tier::Admin) {
        Some(Action::Accept) => return Verdict::Allow,
        Some(Action::Deny) => return Verdict::Deny,
        Some(Action::Pass) | None => {}
    }

    let said = normal(view, &policies);
    if said.iter().any(|said| matches!(said, Said::Deny)) {
        return Verdict::Deny;
    }
    let http: Vec<&HttpRule> = said.iter().flat_map(|said| said.http()).collect();
    let redirected = said.iter().any(|said| matches!(said, Said::Http(_)));
    let allowed = said.iter().any(|said| matches!(said, Said::Allow));
    match request {
        None if redirected => return Verdict::Redirect,
        Some(request) if redirected && http.iter().any(|rule| rule.matches(request)) => {
            return Verdict::Allow;
        }
        _ if allowed => return Verdict::Allow,
        _ => {}
    }

    if default_deny(view, &policies) {
        // §2.5: the host reaches its own workloads, for health checks.
        let implied = view.direction == Direction::Ingress && view.peer_is_host();
        return if implied { Verdict::Allow } else { Verdict::Deny };
    }

    match tiered::first(view, &policies, Tier::Baseline) {
        Some(Action::Deny) => Verdict::Deny,
        Some(Action::Accept | Action::Pass) | None => Verdict::Allow,
    }
}

/// Whether a policy says anything of the subject's connections in this direction.
pub fn concerns(view: &View<'_>, policy: &Policy) -> bool {
    match policy {
        Policy::Cilium(policy) => cilium::concerns(view, policy),
        Policy::Kubernetes(policy) => kubernetes::denies_by_default(view, policy),
        Policy::Tiered(policy) => tiered::concerns(view, policy),
    }
}

fn normal<'p>(view: &View<'_>, policies: &[&'p Policy]) -> Vec<Said<'p>> {
    let said = |policy: &&'p Policy| match policy {
        Policy::Cilium(policy) => cilium::says(view, policy),
        Policy::Kubernetes(policy) => kubernetes::says(view, policy),
        Policy::Tiered(_) => Vec::new(),
    };
    policies.iter().flat_map(said).collect()
}

/// §2.3: as soon as one policy that selects the workload turns it on.
fn default_deny(view: &View<'_>, policies: &[&Policy]) -> bool {
    policies.iter().any(|policy| match policy {
        Policy::Cilium(policy) => cilium::denies_by_default(view, policy),
        Policy::Kubernetes(policy) => kubernetes::denies_by_default(view, policy),
        Policy::Tiered(_) => false,
    })
}

impl<'p> Said<'p> {
    fn http(self) -> &'p [HttpRule] {
        match self {
            Self::Http(rules) => rules,
            Self::Allow | Self::Deny => &[],
        }
    }
}
