//! Prefixes of addresses, and what is left out of them.

use ipnet::IpNet;
use postern_policy_core::peer::CidrTerm;

use crate::decode::{At, Reader};
use crate::diagnostic::Code;

/// Reads a prefix such as `10.0.0.0/8`. Bits behind its length are cut off.
pub(crate) fn prefix(at: &At<'_>, reader: &mut Reader<'_>) -> Option<IpNet> {
    let text = at.string(reader)?;
    let Ok(net) = text.parse::<IpNet>() else {
        let help = match text.parse::<std::net::IpAddr>() {
            Ok(std::net::IpAddr::V4(_)) => format!("write {text}/32 for this address alone"),
            Ok(std::net::IpAddr::V6(_)) => format!("write {text}/128 for this address alone"),
            Err(_) => "expected a prefix such as 10.0.0.0/8 or fd00::/8".to_owned(),
        };
        reader.error(
            at,
            Code::InvalidValue,
            format!("{text:?} is not an address with a prefix length"),
            help,
        );
        return None;
    };
    if let IpNet::V6(v6) = net
        && v6.addr().to_ipv4_mapped().is_some()
    {
        let message = format!("{text:?} is an IPv4 prefix written as IPv6: it would match no traffic");
        reader.error(at, Code::InvalidValue, message, "write it as IPv4, such as 10.0.0.0/8");
        return None;
    }
    Some(net.trunc())
}

/// Reads a prefix and the list of those that are left out of it.
pub(crate) fn block(cidr: &At<'_>, except: Option<&At<'_>>, reader: &mut Reader<'_>) -> Option<CidrTerm> {
    let net = prefix(cidr, reader);
    let except = match except {
        Some(at) => exceptions(at, net, reader),
        None => Some(Vec::new()),
    };
    Some(CidrTerm { net: net?, except: except? })
}

/// Reads a list of prefixes that are left out; of `net`, where that is known, each must be a part.
pub(crate) fn exceptions(at: &At<'_>, net: Option<IpNet>, reader: &mut Reader<'_>) -> Option<Vec<IpNet>> {
    let mut prefixes = Vec::new();
    for at in at.list(reader)? {
        let except = prefix(&at, reader);
        if let Some((net, except)) = net.zip(except)
            && !net.contains(&except)
        {
            let message = format!("{except} is not a part of {net}: there is nothing to leave out");
            reader.error(&at, Code::Conflict, message, "write a prefix within the `cidr`, or remove it");
        }
        prefixes.push(except);
    }
    prefixes.into_iter().collect()
}
