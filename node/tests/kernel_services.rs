//! Services: translated at the client, judged by their backends.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod datapath;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use datapath::packets::{ACK, Ends, SYN, SYN_ACK, checksummed, ends, is_right};
use datapath::pods::{Pod, become_host};
use datapath::rules::{allow, deny_but, lowered, open};
use datapath::{Did, Root, changed, device, endpoint, in_namespace, run};
use postern_node::datapath::{Datapath, DatapathError, Hook, Service};
use postern_policy_core::identity::IdentityId;
use postern_policy_core::port::Protocol;

const TCP: u8 = 6;
const UDP: u8 = 17;
const WAIT: Duration = Duration::from_secs(5);

/// Makes a packet.
type Kind = dyn Fn(&Ends) -> Vec<u8>;

fn service(address: &str, protocol: u8, backends: &[&str]) -> Service {
    let address: SocketAddr = address.parse().unwrap();
    let backends = backends.iter().map(|backend| backend.parse().unwrap()).collect();
    Service { address: address.ip(), port: address.port(), protocol, backends }
}

/// A client that may do as it likes.
fn client(root: &Root) -> (Datapath, u32) {
    let ifindex = device("client");
    let mut datapath = root.open();
    let _ = datapath.set_endpoint(&endpoint(ifindex, 1), &lowered(&open(), &open())).unwrap();
    (datapath, ifindex)
}

#[test]
fn packets_are_translated_there_and_back() {
    in_namespace(|| {
        let root = Root::new();
        let (mut datapath, ifindex) = client(&root);
        let families = [
            ("10.0.0.1:4000", "10.96.0.1:80", "10.0.0.2:8080"),
            ("[fd00::1]:4000", "[fd96::1]:80", "[fd00::2]:8080"),
        ];
        let services = families
            .iter()
            .flat_map(|(_, vip, backend)| [TCP, UDP].map(|protocol| service(vip, protocol, &[backend])));
        datapath.set_services(services).unwrap();
        for (client, vip, backend) in families {
            let (there, translated) = (Ends::new(client, vip), Ends::new(client, backend));
            let kinds: [&Kind; 3] = [&|e| e.tcp(SYN), &|e| e.tcp(ACK), &Ends::udp];
            for kind in kinds {
                let sent = changed(&datapath, Hook::FromEndpoint, ifindex, &checksummed(kind(&there)));
                assert_eq!(ends(&sent), translated);
                assert!(is_right(&sent), "{sent:02x?}");
            }
            let kinds: [&Kind; 2] = [&|e| e.tcp(SYN_ACK), &Ends::udp];
            for kind in kinds {
                let answer = checksummed(kind(&translated.reply()));
                let got = changed(&datapath, Hook::ToEndpoint, ifindex, &answer);
                assert_eq!(ends(&got), there.reply());
                assert!(is_right(&got), "{got:02x?}");
            }
            // UDP without a checksum stays so.
            if client.starts_with('1') {
                let sent = changed(&datapath, Hook::FromEndpoint, ifindex, &there.udp());
                assert_eq!((ends(&sent), &sent[40..42]), (translated, &[0, 0][..]));
            }
            let mut other = there;
            other.to.1 = 81;
            let sent = changed(&datapath, Hook::FromEndpoint, ifindex, &checksummed(other.tcp(SYN)));
            assert_eq!(ends(&sent), other, "another port is none of the service");
        }
    });
}

#[test]
fn policy_is_about_backends() {
    in_namespace(|| {
        let root = Root::new();
        let (mut datapath, ifindex) = client(&root);
        datapath.set_services([service("10.96.0.1:80", TCP, &["10.0.0.2:8080"])]).unwrap();
        datapath.set_identities([("10.0.0.2/32".parse().unwrap(), IdentityId(256))]).unwrap();
        let mut did = |peer, port| {
            let egress = deny_but([allow(peer, Protocol::Tcp, port)]);
            let _ = datapath.set_endpoint(&endpoint(ifindex, 1), &lowered(&open(), &egress)).unwrap();
            let packet = Ends::new("10.0.0.1:4000", "10.96.0.1:80").tcp(SYN);
            run(&datapath, Hook::FromEndpoint, ifindex, &packet)
        };
        assert_eq!(did(256, 8080), Did::Pass);
        assert_eq!(did(256, 80), Did::Drop, "the service's own port means nothing");
        assert_eq!(did(2, 8080), Did::Drop, "nor does its address");
    });
}

#[test]
fn connections_stay_and_new_ones_follow() {
    in_namespace(|| {
        let root = Root::new();
        let (mut datapath, ifindex) = client(&root);
        let vip = "10.96.0.1:80";
        let set = |datapath: &mut Datapath, backends: &[&str]| {
            datapath.set_services([TCP, UDP].map(|protocol| service(vip, protocol, backends))).unwrap();
        };
        let there = Ends::new("10.0.0.1:4000", vip);
        let goes = |datapath: &Datapath, packet: Vec<u8>| {
            ends(&changed(datapath, Hook::FromEndpoint, ifindex, &checksummed(packet))).to.0.to_string()
        };
        set(&mut datapath, &["10.0.0.2:80"]);
        assert_eq!(goes(&datapath, there.tcp(SYN)), "10.0.0.2");
        assert_eq!(goes(&datapath, there.udp()), "10.0.0.2");
        set(&mut datapath, &["10.0.0.3:80"]);
        assert_eq!(goes(&datapath, there.tcp(ACK)), "10.0.0.2");
        assert_eq!(goes(&datapath, there.udp()), "10.0.0.3");
        drop(datapath);
        let mut datapath = root.open();
        set(&mut datapath, &["10.0.0.3:80"]);
        assert_eq!(goes(&datapath, there.tcp(ACK)), "10.0.0.2");
        assert_eq!(goes(&datapath, there.tcp(SYN)), "10.0.0.3");
        set(&mut datapath, &[]);
        assert_eq!(goes(&datapath, there.tcp(ACK)), "10.0.0.3");
        assert_eq!(run(&datapath, Hook::FromEndpoint, ifindex, &there.tcp(SYN)), Did::Drop, "no backend");
        datapath.set_services([]).unwrap();
        assert_eq!(goes(&datapath, there.tcp(SYN)), "10.96.0.1");
    });
}

#[test]
fn every_backend_gets_its_share() {
    in_namespace(|| {
        let root = Root::new();
        let (mut datapath, ifindex) = client(&root);
        let backends = ["10.0.0.2:80", "10.0.0.3:80", "10.0.0.4:80"];
        datapath.set_services([service("10.96.0.1:80", TCP, &backends)]).unwrap();
        let mut counts = std::collections::BTreeMap::<IpAddr, u32>::new();
        for port in 1000..1600 {
            let mut there = Ends::new("10.0.0.1:1", "10.96.0.1:80");
            there.from.1 = port;
            let first = ends(&changed(&datapath, Hook::FromEndpoint, ifindex, &checksummed(there.tcp(SYN))));
            let again = ends(&changed(&datapath, Hook::FromEndpoint, ifindex, &checksummed(there.tcp(SYN))));
            assert_eq!(first, again, "a retransmission goes to the same");
            *counts.entry(first.to.0).or_default() += 1;
        }
        assert_eq!(counts.len(), 3);
        assert!(counts.values().all(|count| (100..300).contains(count)), "{counts:?}");
    });
}

#[test]
fn a_backend_can_be_spoken_to_directly() {
    in_namespace(|| {
        let root = Root::new();
        let (mut datapath, ifindex) = client(&root);
        datapath.set_services([service("10.96.0.1:80", TCP, &["10.0.0.2:80"])]).unwrap();
        let service = Ends::new("10.0.0.1:4000", "10.96.0.1:80");
        let direct = Ends::new("10.0.0.1:4000", "10.0.0.2:80");
        let answer = checksummed(direct.reply().tcp(SYN_ACK));
        changed(&datapath, Hook::FromEndpoint, ifindex, &checksummed(service.tcp(SYN)));
        assert_eq!(ends(&changed(&datapath, Hook::ToEndpoint, ifindex, &answer)), service.reply());
        changed(&datapath, Hook::FromEndpoint, ifindex, &checksummed(direct.tcp(SYN)));
        assert_eq!(ends(&changed(&datapath, Hook::ToEndpoint, ifindex, &answer)), direct.reply());
    });
}

#[test]
fn families_are_not_mixed() {
    in_namespace(|| {
        let root = Root::new();
        let (mut datapath, _) = client(&root);
        let error = datapath.set_services([service("10.96.0.1:80", TCP, &["[fd00::2]:80"])]).unwrap_err();
        assert!(matches!(error, DatapathError::Family { .. }), "{error}");
    });
}

#[test]
fn real_connections_reach_their_backends() {
    in_namespace(|| {
        become_host();
        let root = Root::new();
        let [client, server, other] = [1, 2, 3].map(Pod::new);
        server.serve(8080);
        other.serve(8080);
        let mut datapath = root.open();
        for pod in [&client, &server, &other] {
            let _ = datapath.set_endpoint(&pod.state(), &lowered(&open(), &open())).unwrap();
            datapath.attach_endpoint(pod.ifindex).unwrap();
        }
        let vips = ["10.96.0.1", "fd96::1"].map(|vip| vip.parse::<IpAddr>().unwrap());
        let backends = |like: IpAddr| {
            let address = |pod: &Pod| SocketAddr::new(if like.is_ipv4() { pod.v4() } else { pod.v6() }, 8080);
            vec![address(&server), address(&other)]
        };
        let services = vips.iter().flat_map(|vip| {
            [TCP, UDP].map(|protocol| Service { address: *vip, port: 80, protocol, backends: backends(*vip) })
        });
        datapath.set_services(services).unwrap();
        for vip in vips {
            for _ in 0..8 {
                assert!(client.reaches(vip, 80), "{vip}");
                assert!(client.udp(vip, 80, WAIT), "{vip}");
            }
        }
    });
}
