//! Envoy's configurations: the same bootstrap with other filters in it.

use std::net::SocketAddr;
use std::path::Path;

use serde_json::{Value, json};

const TYPES: &str = "type.googleapis.com/envoy";

/// How RBAC is told of many expressions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// A policy for each.
    Apart,
    /// One policy, one expression: all of them as alternatives.
    Together,
}

/// Envoy's own filter. Policies are ordered by their names.
pub(super) fn rbac(expressions: &str, way: Way) -> Value {
    let policy = |expression: &str| {
        let path = json!({"safe_regex": {"regex": expression}});
        json!({"permissions": [{"url_path": {"path": path}}], "principals": [{"any": true}]})
    };
    let policies: serde_json::Map<String, Value> = match way {
        Way::Apart => {
            let numbered = expressions.lines().enumerate();
            numbered.map(|(number, expression)| (format!("{number:05}"), policy(expression))).collect()
        }
        Way::Together => {
            let all = expressions.lines().collect::<Vec<_>>().join("|");
            [("all".to_owned(), policy(&all))].into_iter().collect()
        }
    };
    json!({
        "name": "envoy.filters.http.rbac",
        "typed_config": {
            "@type": format!("{TYPES}.extensions.filters.http.rbac.v3.RBAC"),
            "rules": {"action": "ALLOW", "policies": policies},
        },
    })
}

/// A module. `layer` is `http` or `network`.
pub(super) fn wasm(layer: &str, root: &str, module: &Path, configuration: &str) -> Value {
    json!({
        "name": root,
        "typed_config": {
            "@type": format!("{TYPES}.extensions.filters.{layer}.wasm.v3.Wasm"),
            "config": {
                "name": root,
                "root_id": root,
                "vm_config": {
                    "vm_id": "bench",
                    "runtime": "envoy.wasm.runtime.v8",
                    "code": {"local": {"filename": module}},
                },
                "configuration": {
                    "@type": "type.googleapis.com/google.protobuf.StringValue",
                    "value": configuration,
                },
            },
        },
    })
}

/// A filter that comes from a file, and may come anew.
pub(super) fn discovered(name: &str, file: &Path) -> Value {
    json!({
        "name": name,
        "config_discovery": {
            "config_source": {"path_config_source": {"path": file}, "resource_api_version": "V3"},
            "type_urls": [format!("{TYPES}.extensions.filters.http.wasm.v3.Wasm")],
        },
    })
}

/// What is in that file.
pub(super) fn discovery(version: u32, filter: &Value) -> Value {
    let mut resource = filter.clone();
    if let Some(fields) = resource.as_object_mut() {
        fields.insert("@type".to_owned(), json!(format!("{TYPES}.config.core.v3.TypedExtensionConfig")));
    }
    json!({"version_info": version.to_string(), "resources": [resource]})
}

/// The whole of it, as JSON, which is YAML.
pub(super) fn bootstrap(
    listen: SocketAddr,
    upstream: SocketAddr,
    network: Option<Value>,
    http: Option<Value>,
) -> Value {
    let address = |of: SocketAddr| json!({"socket_address": {"address": of.ip(), "port_value": of.port()}});
    let router = json!({
        "name": "router",
        "typed_config": {"@type": format!("{TYPES}.extensions.filters.http.router.v3.Router")},
    });
    let routes = json!([{"match": {"prefix": "/"}, "route": {"cluster": "u"}}]);
    let manager = json!({
        "name": "http",
        "typed_config": {
            "@type": format!("{TYPES}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"),
            "stat_prefix": "bench",
            "use_remote_address": true,
            "route_config": {"virtual_hosts": [{"name": "u", "domains": ["*"], "routes": routes}]},
            "http_filters": http.into_iter().chain([router]).collect::<Vec<_>>(),
        },
    });
    let filters: Vec<Value> = network.into_iter().chain([manager]).collect();
    let endpoints = json!([{"lb_endpoints": [{"endpoint": {"address": address(upstream)}}]}]);
    // Envoy refuses an expression of more than 100 instructions, unless it is told otherwise.
    let runtime =
        json!({"name": "bench", "static_layer": {"re2.max_program_size.error_level": 1_000_000_000}});
    json!({
        "node": {"id": "bench", "cluster": "bench"},
        "layered_runtime": {"layers": [runtime]},
        "static_resources": {
            "listeners": [{"address": address(listen), "filter_chains": [{"filters": filters}]}],
            "clusters": [{"name": "u", "load_assignment": {"cluster_name": "u", "endpoints": endpoints}}],
        },
    })
}
