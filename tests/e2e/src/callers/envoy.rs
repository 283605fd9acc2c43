//! An Envoy with listeners that tell callers in different ways.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use anyhow::{Result, ensure};
use postern_tests_harness::{Envoy, Options};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::client::{Client, Server};
use super::pki::{Pki, SERVER};
use crate::chaos::{Recorder, bootstrap};
use crate::tutorial::UPSTREAM;

/// One listener, with the network filter, and with the HTTP filter where it serves requests.
#[derive(Debug, Clone)]
pub struct Listener {
    /// What tests call it.
    pub name: &'static str,
    /// Where it listens.
    pub at: IpAddr,
    /// What its filters enforce.
    pub bundle: String,
    /// What it asks of clients, where it speaks TLS.
    pub certificates: Option<Certificates>,
    /// What it does with connections.
    pub serves: Serves,
}

/// What a listener does with connections.
#[derive(Debug, Clone)]
pub enum Serves {
    /// Requests, with these fields of the connection manager besides those that any has.
    Requests(Value),
    /// Bytes, which only the network filter guards.
    Bytes,
}

/// What a listener asks of clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Certificates {
    /// A certificate of the authority.
    Required,
    /// The same, or none.
    Optional,
}

impl Listener {
    /// One in plain text, as `postern bundle --for envoy` has it.
    #[must_use]
    pub fn plain(name: &'static str, bundle: String) -> Listener {
        let serves = Serves::Requests(json!({"use_remote_address": true}));
        Listener { name, at: SERVER, bundle, certificates: None, serves }
    }
}

/// A running Envoy with an upstream that counts.
#[derive(Debug)]
pub struct Callers {
    envoy: Envoy,
    upstream: Recorder,
    _module: TempDir,
}

impl Callers {
    /// Starts it.
    pub fn start(listeners: &[Listener], pki: &Pki) -> Result<Callers> {
        let dir = tempfile::tempdir()?;
        let module = dir.path().join("postern.wasm");
        fs::write(&module, bootstrap::module()?)?;
        let upstream = Recorder::start(UPSTREAM)?;
        let listeners: Vec<_> = listeners.iter().map(|it| listener(it, &module, pki)).collect();
        let config = json!({"static_resources": {"listeners": listeners, "clusters": [{
            "name": "upstream", "type": "STATIC", "connect_timeout": "5s", "load_assignment": {
                "cluster_name": "upstream",
                "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address(upstream.addr())}}]}],
            },
        }]}});
        let envoy = Envoy::start(&config.to_string(), &Options::default())?;
        Ok(Callers { envoy, upstream, _module: dir })
    }

    /// Checks whom a listener takes a client for. A reason is given by its beginning.
    pub fn check(&self, listener: &str, client: &Client, forwarded: &[&str], expected: &str) -> Result<()> {
        let taken_for = self.with_server(listener, |server| client.taken_for(server, forwarded))?;
        let from = client.from;
        ensure!(
            taken_for.starts_with(expected),
            "{listener}, from {from} with {forwarded:?}: expected {expected}, found {taken_for}"
        );
        Ok(())
    }

    /// Checks whether a listener that serves bytes lets a client in.
    pub fn check_let_in(&self, listener: &str, client: &Client, expected: bool) -> Result<()> {
        let let_in = self.with_server(listener, |server| client.is_let_in(server))?;
        ensure!(let_in == expected, "{listener}, from {}: let in is {let_in}", client.from);
        Ok(())
    }

    fn with_server<T>(&self, listener: &str, ask: impl FnOnce(&Server<'_>) -> Result<T>) -> Result<T> {
        let log = || self.envoy.log();
        ask(&Server { at: self.envoy.listener(listener)?, upstream: &self.upstream, log: &log })
    }
}

fn address(of: SocketAddr) -> Value {
    json!({"socket_address": {"address": of.ip(), "port_value": of.port()}})
}

fn listener(listener: &Listener, module: &Path, pki: &Pki) -> Value {
    let Listener { name, at, bundle, certificates, serves } = listener;
    let plugin = |root: &str, kind: &str| {
        json!({"name": root, "typed_config": {
            "@type": format!("type.googleapis.com/envoy.extensions.filters.{kind}.wasm.v3.Wasm"),
            "config": {
                "name": root,
                "root_id": root,
                "failure_policy": "FAIL_RELOAD",
                "vm_config": {
                    "vm_id": "postern",
                    "runtime": "envoy.wasm.runtime.v8",
                    "code": {"local": {"filename": module}},
                },
                "configuration": {"@type": "type.googleapis.com/google.protobuf.StringValue", "value": bundle},
            },
        }})
    };
    let last = match serves {
        Serves::Requests(further) => manager(name, &plugin("postern.http", "http"), further),
        Serves::Bytes => json!({"name": "envoy.filters.network.tcp_proxy", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
            "stat_prefix": name,
            "cluster": "upstream",
            // Otherwise it does not even let the handshake begin before it is connected, and so before it is decided.
            "upstream_connect_mode": "ON_DOWNSTREAM_DATA",
            "max_early_data_bytes": 65_536,
        }}),
    };
    let mut chain = json!({"filters": [plugin("postern.connection", "network"), last]});
    if let (Some(chain), Some(certificates)) = (chain.as_object_mut(), certificates) {
        chain.insert("transport_socket".to_owned(), transport_socket(*certificates, pki));
    }
    json!({"name": name, "address": address((*at, 0).into()), "filter_chains": [chain]})
}

fn manager(name: &str, plugin: &Value, further: &Value) -> Value {
    let mut manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": name,
        "route_config": {"virtual_hosts": [{"name": "up", "domains": ["*"], "routes": [
            {"match": {"prefix": "/"}, "route": {"cluster": "upstream"}},
        ]}]},
        "http_filters": [
            plugin,
            {"name": "envoy.filters.http.router", "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
            }},
        ],
    });
    if let (Some(manager), Some(further)) = (manager.as_object_mut(), further.as_object()) {
        manager.extend(further.clone());
    }
    json!({"name": "envoy.filters.network.http_connection_manager", "typed_config": manager})
}

fn transport_socket(certificates: Certificates, pki: &Pki) -> Value {
    let (certificate, key) = pki.server();
    let inline = |text: &str| json!({"inline_string": text});
    json!({"name": "envoy.transport_sockets.tls", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
        "require_client_certificate": certificates == Certificates::Required,
        "common_tls_context": {
            "tls_certificates": [{"certificate_chain": inline(certificate), "private_key": inline(key)}],
            "validation_context": {"trusted_ca": inline(&pki.authority())},
        },
    }})
}
