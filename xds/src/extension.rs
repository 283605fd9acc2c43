//! The filter's configuration as Envoy takes it by extension config discovery.

use envoy_types::pb::envoy::config::core::v3::{
    AsyncDataSource, DataSource, TypedExtensionConfig, async_data_source, data_source,
};
use envoy_types::pb::envoy::extensions::filters::http::wasm::v3::Wasm as HttpWasm;
use envoy_types::pb::envoy::extensions::filters::network::wasm::v3::Wasm as NetworkWasm;
use envoy_types::pb::envoy::extensions::wasm::v3::{FailurePolicy, PluginConfig, VmConfig, plugin_config};
use envoy_types::pb::google::protobuf::{Any, StringValue};
use postern_policy_wire::Direction;
use prost::Message as _;

use crate::resource::{EncodeError, Resource, ResourceType};
use crate::snapshot::NodeSnapshot;

/// The name and root id of the HTTP filter.
pub(crate) const HTTP: &str = "postern.http";
/// The name and root id of the network filter.
pub(crate) const CONNECTION: &str = "postern.connection";
/// Where Envoy finds the module, unless its node says otherwise.
const MODULE: &str = "/etc/envoy/postern.wasm";
/// One for all, so that the listeners of a worker thread share one instance of the module.
const VM_ID: &str = "postern";
const RUNTIME: &str = "envoy.wasm.runtime.v8";

/// What an Envoy says of itself: whom it serves, and where the module is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attachment {
    pub(crate) workload: Option<String>,
    pub(crate) direction: Option<Direction>,
    pub(crate) port: Option<u16>,
    pub(crate) module: String,
}

impl Default for Attachment {
    fn default() -> Self {
        Attachment { workload: None, direction: None, port: None, module: MODULE.to_owned() }
    }
}

/// Both plugins' configurations for an Envoy.
pub(crate) fn extension_configs(
    snapshot: &NodeSnapshot,
    attachment: &Attachment,
) -> Result<Vec<Resource>, EncodeError> {
    let bundle = bundle(snapshot, attachment)?;
    let plugin = |root_id: &str, typed_config: fn(PluginConfig) -> Any| {
        let config = plugin_config(root_id, &attachment.module, &bundle);
        let extension =
            TypedExtensionConfig { name: root_id.to_owned(), typed_config: Some(typed_config(config)) };
        Resource::new(root_id, extension.encode_to_vec())
    };
    Ok(vec![
        plugin(CONNECTION, |config| any(&NetworkWasm { config: Some(config) })),
        plugin(HTTP, |config| any(&HttpWasm { config: Some(config) })),
    ])
}

/// The bundle as JSON. For a workload that the node does not have it is empty, on which the filter denies
/// everything as not loaded: a removal would leave it to Envoy's configuration what happens.
fn bundle(snapshot: &NodeSnapshot, attachment: &Attachment) -> Result<String, EncodeError> {
    let bundle = match &attachment.workload {
        None => Some(snapshot.bundle()),
        Some(workload) => snapshot.bundle_for(workload),
    };
    let Some(mut bundle) = bundle else { return Ok(String::new()) };
    bundle.attach.direction = attachment.direction;
    bundle.attach.port = attachment.port;
    serde_json::to_string(&bundle)
        .map_err(|source| EncodeError::new(ResourceType::ExtensionConfig, HTTP.to_owned(), source))
}

fn plugin_config(root_id: &str, module: &str, bundle: &str) -> PluginConfig {
    let file = DataSource {
        specifier: Some(data_source::Specifier::Filename(module.to_owned())),
        ..DataSource::default()
    };
    let vm = VmConfig {
        vm_id: VM_ID.to_owned(),
        runtime: RUNTIME.to_owned(),
        code: Some(AsyncDataSource { specifier: Some(async_data_source::Specifier::Local(file)) }),
        ..VmConfig::default()
    };
    PluginConfig {
        name: root_id.to_owned(),
        root_id: root_id.to_owned(),
        configuration: Some(any(&StringValue { value: bundle.to_owned() })),
        // After a trap Envoy builds the filter anew; until then it denies.
        failure_policy: FailurePolicy::FailReload.into(),
        vm: Some(plugin_config::Vm::VmConfig(vm)),
        ..PluginConfig::default()
    }
}

fn any<M: prost::Name>(message: &M) -> Any {
    Any { type_url: M::type_url(), value: message.encode_to_vec() }
}

#[cfg(test)]
mod tests;
