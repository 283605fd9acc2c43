//! Whom a real Envoy takes its clients for: by their certificates, and by what hops say of them.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::IpAddr;
use std::sync::Arc;

use postern_tests_e2e::callers::{
    A, B, Callers, Certificates, Client, GATEWAY, Listener, Pki, SPIFFE_A, SPIFFE_B, STRANGER, Serves,
    Strangers, V6_GATEWAY, bundle, bundle_of_connections, gateway_alone, gateway_and_proxy, trusting,
};
use serde_json::json;

#[test]
fn a_certificate_says_who_sends_whatever_the_address() {
    use Certificates::{Optional, Required};
    use Strangers::{AreDropped, MayRead};
    let (pki, others) = (Pki::new().unwrap(), Pki::new().unwrap());
    let listener = |name, peer_from, strangers, certificates| Listener {
        certificates: Some(certificates),
        ..Listener::plain(name, bundle(&peer_from, strangers))
    };
    let envoy = Callers::start(
        &[
            listener("required", json!(["spiffe", "source"]), MayRead, Required),
            listener("optional", json!(["spiffe", "source"]), MayRead, Optional),
            listener("spiffe alone", json!(["spiffe"]), MayRead, Optional),
            listener("strangers dropped", json!(["spiffe", "source"]), AreDropped, Optional),
            listener("spiffe, strangers dropped", json!(["spiffe"]), AreDropped, Required),
        ],
        &pki,
    )
    .unwrap();
    let shows = |uris: &[&str]| Some(pki.with_uris(&pki, uris).unwrap());
    let (a, b) = (shows(&[SPIFFE_A]), shows(&[SPIFFE_B]));
    let unknown = shows(&["spiffe://td/ns/default/sa/c"]);
    let none = Some(pki.anonymous().unwrap());
    let forged = Some(pki.with_uris(&others, &[SPIFFE_A]).unwrap());
    let check = |listener: &str, tls: &Option<Arc<_>>, from: IpAddr, expected: &str| {
        envoy.check(listener, &Client { from, tls: tls.clone() }, &[], expected).unwrap();
    };
    for address in [A, B, GATEWAY, STRANGER] {
        for listener in
            ["required", "optional", "spiffe alone", "strangers dropped", "spiffe, strangers dropped"]
        {
            check(listener, &a, address, "a");
            check(listener, &b, address, "b");
            check(listener, &forged, address, "closed");
        }
        for listener in ["required", "optional", "spiffe alone"] {
            check(listener, &unknown, address, "world");
        }
        for listener in ["strangers dropped", "spiffe, strangers dropped"] {
            check(listener, &unknown, address, "closed");
        }
    }
    // Byte by byte; and the first of several.
    check("required", &shows(&["spiffe://TD/ns/default/sa/a"]), A, "world");
    check("required", &shows(&["spiffe://td/ns/default/sa/a/"]), A, "world");
    check("required", &shows(&[SPIFFE_A, SPIFFE_B]), B, "a");
    // No certificate, or none of SPIFFE: the next source, where there is one.
    let of_the_web = shows(&["https://td/ns/default/sa/a"]);
    for certificate in [&none, &of_the_web, &shows(&[])] {
        check("optional", certificate, A, "a");
        check("optional", certificate, STRANGER, "world");
        check("spiffe alone", certificate, A, "world");
        check("strangers dropped", certificate, B, "b");
        check("strangers dropped", certificate, STRANGER, "closed");
    }
    check("required", &none, A, "closed");
    check("required", &of_the_web, A, "a");
}

/// Where the network filter is alone: a certificate that is nobody's is not overruled by the address of somebody.
#[test]
fn a_connection_is_let_in_by_its_certificate() {
    let pki = Pki::new().unwrap();
    let listener = |name, peer_from, certificates| Listener {
        certificates,
        serves: Serves::Bytes,
        ..Listener::plain(name, bundle_of_connections(&peer_from))
    };
    let envoy = Callers::start(
        &[
            listener("optional", json!(["spiffe", "source"]), Some(Certificates::Optional)),
            listener("required", json!(["spiffe"]), Some(Certificates::Required)),
            listener("plain", json!(["spiffe", "source"]), None),
            listener("source", json!(["source"]), Some(Certificates::Optional)),
        ],
        &pki,
    )
    .unwrap();
    let shows = |uri: &str| Some(pki.with_uris(&pki, &[uri]).unwrap());
    let (a, b, unknown) = (shows(SPIFFE_A), shows(SPIFFE_B), shows("spiffe://td/ns/default/sa/c"));
    let none = Some(pki.anonymous().unwrap());
    let check = |listener: &str, tls: &Option<Arc<_>>, from: IpAddr, expected: bool| {
        envoy.check_let_in(listener, &Client { from, tls: tls.clone() }, expected).unwrap();
    };
    for address in [A, B, STRANGER] {
        for listener in ["optional", "required"] {
            check(listener, &a, address, true);
            check(listener, &b, address, false);
            check(listener, &unknown, address, false);
        }
        check("required", &none, address, false);
        check("optional", &none, address, address == A);
        check("plain", &None, address, address == A);
        check("source", &b, address, address == A);
    }
}

#[test]
fn a_trusted_hop_says_for_whom_it_sends() {
    let (two, rows_of_two) = gateway_and_proxy();
    let (alone, rows_of_alone) = gateway_alone();
    let one = json!([trusting(1), "source"]);
    let everybodys = json!([{"forwardedFor": {"trustedHops": 1, "from": "any"}}, "source"]);
    let of = |sources| bundle(sources, Strangers::MayRead);
    let envoy = Callers::start(
        &[
            Listener::plain("appends", of(&two)),
            Listener::plain("appends, no source", of(&alone)),
            Listener::plain("too few hops", of(&one)),
            Listener {
                serves: Serves::Requests(json!({"use_remote_address": true, "skip_xff_append": true})),
                ..Listener::plain("does not append", of(&one))
            },
            Listener::plain("everybody's", of(&everybodys)),
            Listener {
                serves: Serves::Requests(json!({"use_remote_address": true, "skip_xff_append": true})),
                ..Listener::plain("everybody's, does not append", of(&everybodys))
            },
            Listener { at: V6_GATEWAY, ..Listener::plain("on IPv6", of(&two)) },
        ],
        &Pki::new().unwrap(),
    )
    .unwrap();
    let check = |listener, from, forwarded: &[&str], expected| {
        envoy.check(listener, &Client::plain(from), forwarded, expected).unwrap();
    };
    for (listener, rows) in [("appends", rows_of_two), ("appends, no source", rows_of_alone)] {
        for row in rows {
            check(listener, row.from, row.forwarded, row.taken_for);
        }
    }
    check("on IPv6", V6_GATEWAY, &["127.0.11.2"], "a");
    check("on IPv6", V6_GATEWAY, &["2001:db8::b"], "b");
    check("on IPv6", V6_GATEWAY, &[], "unknown-peer: ");
    // One hop too few: the gateway for everybody.
    check("too few hops", GATEWAY, &["127.0.11.2"], "gateway");
    // Where Envoy does not append, the gateway's is the last.
    check("does not append", GATEWAY, &["127.0.11.2"], "a");
    check("does not append", GATEWAY, &["127.0.11.3, 127.0.11.2"], "a");
    check("does not append", GATEWAY, &[], "unknown-peer: ");
    check("does not append", STRANGER, &["127.0.11.2"], "world");
    // What Envoy appends counts, not what was sent.
    check("everybody's", A, &["127.0.11.3"], "a");
    check("everybody's", A, &[], "a");
    // Without, whoever connects says who it is: the docs say so.
    check("everybody's, does not append", STRANGER, &["127.0.11.2"], "a");
    check("everybody's, does not append", A, &["127.0.11.2, 127.0.11.3"], "b");
    check("everybody's, does not append", A, &[], "unknown-peer: ");
}

/// What Envoy is told to believe takes the place of the connection's address, before the HTTP filter sees any: these are
/// the settings that docs/bundle.md says must not be there. The network filter has the address itself.
#[test]
fn what_envoy_itself_believes_is_the_address_of_requests() {
    use Strangers::{AreDropped, MayRead};
    let (two, _) = gateway_and_proxy();
    let source = json!(["source"]);
    let no_address = json!({"use_remote_address": false});
    let trusts_one = json!({"use_remote_address": true, "xff_num_trusted_hops": 1});
    let listener = |name, sources, strangers, manager: &serde_json::Value| Listener {
        serves: Serves::Requests(manager.clone()),
        ..Listener::plain(name, bundle(sources, strangers))
    };
    let envoy = Callers::start(
        &[
            listener("not remote", &two, MayRead, &no_address),
            listener("not remote, source", &source, MayRead, &no_address),
            listener("trusts one", &two, MayRead, &trusts_one),
            listener("trusts one, source", &source, MayRead, &trusts_one),
            listener("trusts one, dropped", &source, AreDropped, &trusts_one),
        ],
        &Pki::new().unwrap(),
    )
    .unwrap();
    let check = |listener, from, forwarded: &[&str], expected| {
        envoy.check(listener, &Client::plain(from), forwarded, expected).unwrap();
    };
    for listener in ["not remote", "not remote, source", "trusts one", "trusts one, source"] {
        check(listener, STRANGER, &["127.0.11.2"], "a");
    }
    check("trusts one, dropped", STRANGER, &["127.0.11.2"], "closed");
    check("trusts one, dropped", B, &["127.0.11.2"], "a");
}
