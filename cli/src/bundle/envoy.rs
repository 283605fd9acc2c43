//! A bootstrap for plain Envoy that carries a bundle.

use std::net::SocketAddr;

use postern_filter_module::{CONNECTION_ROOT_ID, HTTP_ROOT_ID};
use postern_policy_wire::Bundle;

/// The labels of the filter's metrics.
const LABELS: [&str; 6] = ["verdict", "reason", "layer", "direction", "differs", "rule"];

/// The bootstrap, as YAML with the reasons for what matters.
pub(super) fn bootstrap(
    bundle: &Bundle,
    listen: SocketAddr,
    upstream: SocketAddr,
    module: &str,
) -> anyhow::Result<String> {
    let bundle = indent(&serde_json::to_string_pretty(bundle)?, 16);
    // A JSON string is a YAML string.
    let module = serde_json::to_string(module)?;
    let (listen_ip, listen_port) = (listen.ip(), listen.port());
    let (upstream_ip, upstream_port) = (upstream.ip(), upstream.port());
    let labels = LABELS.map(|label| {
        format!(r"  - {{tag_name: {label}, regex: '^wasmcustom\.postern_.*?(\.{label}=([^.]+))'}}")
    });
    let labels = labels.join("\n");
    Ok(format!(
        r#"# Envoy with the Postern filter. Run it with: envoy -c FILE
stats_config:
  # The filter writes labels into the names of its metrics: proxy-wasm has no others.
  stats_tags:
{labels}
static_resources:
  listeners:
  - name: postern
    address:
      socket_address: {{address: "{listen_ip}", port_value: {listen_port}}}
    filter_chains:
    - filters:
      # Closes the connections that policy drops, before a byte has passed.
      - name: postern.connection
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.wasm.v3.Wasm
          config:
            name: postern.connection
            root_id: {CONNECTION_ROOT_ID}
            # After a trap Envoy builds the filter anew; until then it denies.
            failure_policy: FAIL_RELOAD
            vm_config: &vm
              # One vm_id: every listener of a worker thread shares one instance of the module.
              vm_id: postern
              runtime: envoy.wasm.runtime.v8
              code: {{local: {{filename: {module}}}}}
            configuration: &bundle
              "@type": type.googleapis.com/google.protobuf.StringValue
              value: |-
{bundle}
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: postern
          codec_type: AUTO
          # Without this, source.address is whatever a client's x-forwarded-for says, and so is its identity.
          use_remote_address: true
          # The filter reads the path in every way a server may; it must see what the client sent.
          normalize_path: false
          merge_slashes: false
          path_with_escaped_slashes_action: KEEP_UNCHANGED
          upgrade_configs: [{{upgrade_type: websocket}}]
          route_config:
            virtual_hosts:
            - name: upstream
              domains: ["*"]
              routes:
              - match: {{prefix: "/"}}
                route: {{cluster: upstream}}
          http_filters:
          - name: postern.http
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm
              config:
                name: postern.http
                root_id: {HTTP_ROOT_ID}
                failure_policy: FAIL_RELOAD
                vm_config: *vm
                configuration: *bundle
          - name: envoy.filters.http.router
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
  clusters:
  - name: upstream
    connect_timeout: 5s
    load_assignment:
      cluster_name: upstream
      endpoints:
      - lb_endpoints:
        - endpoint:
            address:
              socket_address: {{address: "{upstream_ip}", port_value: {upstream_port}}}
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        # As the client speaks, so that gRPC keeps its HTTP/2.
        use_downstream_protocol_config: {{http2_protocol_options: {{}}}}
"#
    ))
}

fn indent(text: &str, spaces: usize) -> String {
    let pad = " ".repeat(spaces);
    text.lines().map(|line| format!("{pad}{line}")).collect::<Vec<_>>().join("\n")
}
