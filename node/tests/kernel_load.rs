//! Opening, adopting and refusing; policies that do not fit.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod datapath;

use std::path::Path;

use aya::maps::lpm_trie::{Key, LpmTrie};
use aya::maps::{Map, MapData};
use datapath::packets::{Ends, SYN};
use datapath::rules::{allow, allow_all, deny_but, lowered, open};
use datapath::{Did, Root, device, endpoint, in_namespace, run};
use postern_node::datapath::{Applied, Datapath, DatapathError, Hook, Sizes, cleanup, register_listener};
use postern_node_abi::{Address, PolicyKey, PolicyValue};
use postern_policy_core::endpoint::DirectionPolicy;
use postern_policy_core::identity::IdentityId;
use postern_policy_core::port::Protocol;

#[test]
fn every_program_passes_the_verifier_with_room_to_spare() {
    in_namespace(|| {
        let root = Root::new();
        let datapath = root.open();
        for hook in Hook::ALL.into_iter().filter(|hook| *hook != Hook::Steer) {
            let info = datapath.program(hook).unwrap().info().unwrap();
            let instructions = info.verified_instruction_count().unwrap();
            println!("{hook:?}: {instructions} instructions verified, {} bytes", info.size_jitted());
            // A tenth of what the kernel takes, so that no change comes to the limit unnoticed.
            assert!(instructions < 100_000, "{hook:?}: {instructions}");
        }
    });
}

#[test]
fn one_agent_at_a_time() {
    in_namespace(|| {
        let root = Root::new();
        let first = root.open();
        assert!(matches!(Datapath::open(&root.0), Err(DatapathError::Busy { .. })));
        assert!(matches!(cleanup(&root.0), Err(DatapathError::Busy { .. })));
        drop(first);
        root.open();
    });
}

#[test]
fn a_folder_elsewhere_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let error = Datapath::open(&folder.path().join("postern")).unwrap_err();
    assert!(matches!(error, DatapathError::NotBpffs { .. }), "{error}");
    assert!(error.to_string().contains("mount -t bpf"), "{error}");
    let error =
        register_listener(Path::new("/sys/fs/bpf/nobody"), std::os::fd::AsFd::as_fd(&tcp())).unwrap_err();
    assert!(error.to_string().contains("is the agent running?"), "{error}");
}

fn tcp() -> std::net::TcpListener {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap()
}

#[test]
fn maps_of_another_form_are_not_adopted() {
    in_namespace(|| {
        let root = Root::new();
        drop(root.open());
        let maps = root.0.join("v1/maps");
        std::fs::remove_file(maps.join("LOCAL")).unwrap();
        MapData::from_pin(maps.join("CONFIG")).unwrap().pin(maps.join("LOCAL")).unwrap();
        let error = Datapath::open(&root.0).unwrap_err();
        assert!(matches!(error, DatapathError::Layout { map: "LOCAL", .. }), "{error}");
        assert!(error.to_string().contains("postern node cleanup"), "{error}");
    });
}

#[test]
fn maps_keep_their_size() {
    in_namespace(|| {
        let root = Root::new();
        drop(root.open());
        let datapath =
            Datapath::open_sized(&root.0, Sizes { policy: 10, identities: 10, flows: 10 }).unwrap();
        drop(datapath);
    });
}

#[test]
fn only_what_changed_is_written() {
    in_namespace(|| {
        let root = Root::new();
        let ifindex = device("pod");
        let mut datapath = root.open();
        let number = |datapath: &Datapath| datapath.status().unwrap().endpoints[0].policy;
        let one = lowered(&deny_but([allow_all(256)]), &open());
        let other = lowered(&deny_but([allow_all(257)]), &open());
        let state = endpoint(ifindex, 1);
        assert_eq!(datapath.set_endpoint(&state, &one).unwrap(), Applied::Written { entries: 1 });
        let first = number(&datapath);
        assert_eq!(datapath.set_endpoint(&state, &one).unwrap(), Applied::Unchanged);
        assert_eq!(number(&datapath), first);
        // Another address needs no other policy.
        let moved = endpoint(ifindex, 2);
        assert_eq!(datapath.set_endpoint(&moved, &one).unwrap(), Applied::Written { entries: 1 });
        assert_eq!(number(&datapath), first);
        assert_eq!(datapath.set_endpoint(&moved, &other).unwrap(), Applied::Written { entries: 1 });
        let second = number(&datapath);
        assert!(second > first);
        // Nor does default deny alone come without: flows have to be judged again.
        let lax = lowered(&DirectionPolicy { default_deny: false, ..deny_but([allow_all(257)]) }, &open());
        assert_eq!(datapath.set_endpoint(&moved, &lax).unwrap(), Applied::Written { entries: 1 });
        let third = number(&datapath);
        assert!(third > second);
        drop(datapath);
        let mut datapath = root.open();
        assert_eq!(datapath.set_endpoint(&moved, &lax).unwrap(), Applied::Unchanged);
        datapath.remove_endpoint(ifindex).unwrap();
        assert_eq!(entries(&root), 0);
        assert_eq!(datapath.set_endpoint(&moved, &lax).unwrap(), Applied::Written { entries: 1 });
        assert!(number(&datapath) > third, "numbers are never used twice");
    });
}

#[test]
fn identities_move_only_when_they_change() {
    in_namespace(|| {
        let root = Root::new();
        let mut datapath = root.open();
        let version = |datapath: &Datapath| datapath.status().unwrap().identity_version;
        let table = |id: u32| {
            let prefixes = ["10.0.0.0/8", "10.1.2.3/32", "::ffff:10.9.0.0/112", "fd00::/64", "0.0.0.0/0"];
            prefixes.map(|prefix| (prefix.parse().unwrap(), IdentityId(id)))
        };
        let start = version(&datapath);
        datapath.set_identities(table(300)).unwrap();
        assert_eq!(version(&datapath), start + 1);
        assert_eq!(datapath.status().unwrap().identities, 5);
        datapath.set_identities(table(300)).unwrap();
        assert_eq!(version(&datapath), start + 1);
        drop(datapath);
        let mut datapath = root.open();
        datapath.set_identities(table(300)).unwrap();
        assert_eq!(version(&datapath), start + 1, "an agent that takes over knows what is there");
        datapath.set_identities(table(301)).unwrap();
        datapath.set_identities([]).unwrap();
        assert_eq!((version(&datapath), datapath.status().unwrap().identities), (start + 3, 0));
        let many = (0..5000u32)
            .map(|n| (ipnet::IpNet::new(std::net::Ipv4Addr::from(n).into(), 32).unwrap(), IdentityId(300)));
        let error = datapath.set_identities(many).unwrap_err();
        assert!(matches!(error, DatapathError::Full { wanted: 5000, capacity: 4096, .. }), "{error}");
        assert_eq!(version(&datapath), start + 3, "the table that was there stays");
    });
}

#[test]
fn a_policy_that_does_not_fit_closes_its_endpoint_only() {
    in_namespace(|| {
        let root = Root::new();
        let [small, large] = ["small", "large"].map(device);
        let sizes = Sizes { policy: 100, identities: 10, flows: 100 };
        let mut datapath = Datapath::open_sized(&root.0, sizes).unwrap();
        let rules = |count: u16| deny_but((0..count).map(|n| allow(2, Protocol::Udp, 1000 + n)));
        let fits = lowered(&rules(10), &open());
        let _ = datapath.set_endpoint(&endpoint(small, 1), &fits).unwrap();
        let set = |datapath: &mut Datapath, count| {
            datapath.set_endpoint(&endpoint(large, 2), &lowered(&rules(count), &open())).unwrap()
        };
        let to = |datapath: &Datapath, n: u8, device| {
            run(
                datapath,
                Hook::ToEndpoint,
                device,
                &Ends::new("8.8.8.8:9", &format!("10.0.0.{n}:1000")).udp(),
            )
        };
        assert_eq!(set(&mut datapath, 60), Applied::Written { entries: 60 });
        assert_eq!(to(&datapath, 2, large), Did::Pass);
        assert_eq!(set(&mut datapath, 200), Applied::Closed { entries: 200 });
        assert_eq!(to(&datapath, 2, large), Did::Drop);
        let out = Ends::new("10.0.0.2:9", "8.8.8.8:9").tcp(SYN);
        assert_eq!(run(&datapath, Hook::FromEndpoint, large, &out), Did::Drop, "in both directions");
        assert_eq!(to(&datapath, 1, small), Did::Pass);
        assert_eq!(entries(&root), 10, "nothing of it stays");
        assert!(datapath.status().unwrap().endpoints.iter().any(|endpoint| endpoint.closed));
        assert_eq!(set(&mut datapath, 80), Applied::Written { entries: 80 });
        assert_eq!(to(&datapath, 2, large), Did::Pass);
        // Both policies do not fit at once: the old one has to go before the new one is written.
        assert_eq!(set(&mut datapath, 85), Applied::Written { entries: 85 });
        assert_eq!(to(&datapath, 2, large), Did::Pass);
        assert_eq!(entries(&root), 95);
    });
}

#[test]
fn what_an_agent_left_half_done_is_removed() {
    in_namespace(|| {
        let root = Root::new();
        let ifindex = device("pod");
        let mut datapath = root.open();
        let _ = datapath
            .set_endpoint(&endpoint(ifindex, 1), &lowered(&deny_but([allow_all(2)]), &open()))
            .unwrap();
        drop(datapath);
        let key = PolicyKey { policy: 4711, identity: 2, ..PolicyKey::default() };
        policy_map(&root).insert(&Key::new(PolicyKey::FIXED_BITS, key), PolicyValue::default(), 0).unwrap();
        assert_eq!(entries(&root), 2);
        drop(root.open());
        assert_eq!(entries(&root), 1);
    });
}

#[test]
fn an_address_of_two_devices_stays_with_the_one_that_is_left() {
    in_namespace(|| {
        let root = Root::new();
        let devices = [device("old"), device("new")];
        let local = || {
            let data = MapData::from_pin(root.0.join("v1/maps/LOCAL")).unwrap();
            let map = aya::maps::HashMap::<_, Address, u32>::try_from(Map::HashMap(data)).unwrap();
            map.get(&Address::v4([10, 0, 0, 1]), 0).ok()
        };
        for (first, second) in [(0, 1), (1, 0)] {
            let mut datapath = root.open();
            for place in [first, second] {
                let moved = endpoint(devices[place], 1);
                let _ = datapath.set_endpoint(&moved, &lowered(&open(), &open())).unwrap();
                assert_eq!(local(), Some(devices[place]));
            }
            datapath.remove_endpoint(devices[second]).unwrap();
            assert_eq!(local(), Some(devices[first]));
            datapath.remove_endpoint(devices[first]).unwrap();
            assert_eq!(local(), None);
        }
    });
}

fn policy_map(root: &Root) -> LpmTrie<MapData, PolicyKey, PolicyValue> {
    LpmTrie::try_from(Map::LpmTrie(MapData::from_pin(root.0.join("v1/maps/POLICY")).unwrap())).unwrap()
}

fn entries(root: &Root) -> usize {
    policy_map(root).keys().count()
}
