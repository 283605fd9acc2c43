//! `fromCIDR` and `fromCIDRSet`: addresses outside the cluster.

use postern_policy_core::peer::{CidrGroupTerm, CidrTerm, GroupRef, PeerTerm};

use crate::cidr::{block, exceptions, prefix};
use crate::decode::{At, Reader};
use crate::diagnostic::Code;
use crate::metadata::dns_name;
use crate::selector::{Keys, selector};

/// Reads a list of prefixes.
pub(super) fn plain(at: &At<'_>, reader: &mut Reader<'_>) -> Option<Vec<PeerTerm>> {
    let prefixes: Vec<_> = at.list(reader)?.iter().map(|at| prefix(at, reader)).collect();
    let term = |net| PeerTerm::Cidr(CidrTerm { net, except: Vec::new() });
    prefixes.into_iter().map(|net| net.map(term)).collect()
}

/// Reads a list of prefixes and groups, each without some parts.
pub(super) fn sets(at: &At<'_>, reader: &mut Reader<'_>) -> Option<Vec<PeerTerm>> {
    let terms: Vec<_> = at.list(reader)?.iter().map(|at| set(at, reader)).collect();
    terms.into_iter().collect()
}

fn set(at: &At<'_>, reader: &mut Reader<'_>) -> Option<PeerTerm> {
    const SOURCES: [&str; 3] = ["cidr", "cidrGroupRef", "cidrGroupSelector"];
    let mut object = at.object(reader)?;
    let given = SOURCES.iter().filter(|source| object.has(source)).count();
    let [cidr, name, labels] = SOURCES.map(|source| object.take(source, reader));
    let has_except = object.has("except");
    let except = object.take("except", reader);
    object.finish(&["cidr", "cidrGroupRef", "cidrGroupSelector", "except"], &[], reader);
    if given != 1 {
        let message = match given {
            0 => "the entry names no addresses",
            _ => "the entry names addresses in several ways",
        };
        let help = "write one of cidr, cidrGroupRef and cidrGroupSelector, and another entry for each other";
        reader.error(at, Code::Conflict, message, help);
        return None;
    }
    if has_except && except.is_none() {
        return None;
    }
    if let Some(cidr) = cidr {
        return block(&cidr, except.as_ref(), reader).map(PeerTerm::Cidr);
    }
    let except = match &except {
        Some(at) => exceptions(at, None, reader),
        None => Some(Vec::new()),
    };
    let groups = match (name, labels) {
        (Some(at), _) => GroupRef::Named(dns_name(&at, reader)?),
        (None, at) => GroupRef::Labels(selector(&at?, Keys::Kubernetes, reader)?),
    };
    Some(PeerTerm::CidrGroup(CidrGroupTerm { groups, except: except? }))
}
