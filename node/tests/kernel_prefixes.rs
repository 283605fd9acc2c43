//! A prefix without a part of it, from the policy to the packets.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod datapath;

use std::collections::BTreeMap;

use datapath::packets::{Ends, SYN};
use datapath::{Did, Root, device, endpoint, in_namespace, run};
use postern_node::datapath::Hook;
use postern_policy_core::lower::lower;
use postern_policy_core::peer::{CidrTerm, PeerTerm};
use postern_policy_core::policy::{
    Combination, Effect, Item, Mode, PeerSelector, Policy, PortSelector, RuleId, Section, Subject,
};
use postern_policy_core::resolve::resolve;
use postern_policy_core::selector::Selector;
use postern_policy_core::world::{Workload, WorkloadName, World};

/// Allows what comes from a prefix, or denies it.
fn policy(effect: Effect, net: &str, except: &[&str]) -> Policy {
    let term = CidrTerm {
        net: net.parse().unwrap(),
        except: except.iter().map(|prefix| prefix.parse().unwrap()).collect(),
    };
    let id = RuleId::new("test");
    let item = Item {
        id: id.clone(),
        effect,
        peers: PeerSelector::AnyOf(vec![PeerTerm::Cidr(term)]),
        ports: PortSelector::Unnamed,
        unenforced: None,
    };
    Policy {
        id,
        subject: Subject::Endpoints(Selector::default()),
        combination: Combination::Union,
        mode: Mode::Enforced,
        ingress: Section { default_deny: effect == Effect::Allow, items: vec![item] },
        egress: Section::default(),
    }
}

#[test]
fn a_prefix_its_exception_and_the_outside() {
    in_namespace(|| {
        let root = Root::new();
        let ifindex = device("pod");
        let mut datapath = root.open();
        let workload = Workload {
            name: WorkloadName::parse("app"),
            labels: BTreeMap::new(),
            addresses: vec!["10.0.0.1".parse().unwrap(), "fd00::1".parse().unwrap()],
            node: None,
            service_account: None,
            cluster: None,
            ports: Vec::new(),
            profiles: Vec::new(),
        };
        let mut world = World::default();
        world.add_workload(workload.clone()).unwrap();
        let mut port = 1000;
        let mut check = |policies: &[Policy], expected: &[(&str, Did)]| {
            let identities = world.identities(policies).unwrap();
            datapath.set_identities(identities.prefixes()).unwrap();
            let policy = lower(&resolve(policies, &world, &identities, &workload));
            let _ = datapath.set_endpoint(&endpoint(ifindex, 1), &policy).unwrap();
            for (from, did) in expected {
                port += 1;
                let from = format!("{from}:{port}");
                let to = if from.starts_with('[') { "[fd00::1]:80" } else { "10.0.0.1:80" };
                let packet = Ends::new(&from, to).tcp(SYN);
                assert_eq!(run(&datapath, Hook::ToEndpoint, ifindex, &packet), *did, "{from}: {policies:?}");
            }
        };
        let v4 = |inside, exception, outside| {
            [("203.0.113.5", inside), ("203.0.113.70", exception), ("198.51.100.1", outside)]
        };
        let (pass, drop) = (Did::Pass, Did::Drop);
        let allow = |net, except: &[&str]| policy(Effect::Allow, net, except);
        let deny = |net, except: &[&str]| policy(Effect::Deny, net, except);
        check(&[allow("203.0.113.0/24", &["203.0.113.64/26"])], &v4(pass, drop, drop));
        check(&[allow("203.0.113.0/24", &[])], &v4(pass, pass, drop));
        check(&[deny("203.0.113.0/24", &["203.0.113.64/26"])], &v4(drop, pass, pass));
        check(&[allow("0.0.0.0/0", &["203.0.113.64/26"])], &v4(pass, drop, pass));
        // The other's prefix is a part of this one, and is allowed with it.
        check(&[allow("0.0.0.0/0", &[]), allow("203.0.113.64/26", &[])], &v4(pass, pass, pass));
        check(&[allow("0.0.0.0/0", &[]), deny("203.0.113.64/26", &[])], &v4(pass, drop, pass));
        let v6 = [("[2001:db8::1]", pass), ("[2001:db8:1::1]", drop), ("[fd01::1]", drop)];
        check(&[allow("2001:db8::/32", &["2001:db8:1::/48"])], &v6);
        // Of one family, nothing is said to the other.
        check(&[allow("0.0.0.0/0", &[])], &[("[2001:db8::1]", drop)]);
        check(&[allow("::/0", &[])], &[("203.0.113.5", drop)]);
    });
}
