use postern_policy_wire::{Attach, Bundle};

use super::*;
use crate::testing::snapshot;

fn decoded(resource: &Resource) -> (Any, PluginConfig) {
    let extension = TypedExtensionConfig::decode(resource.body.clone()).unwrap();
    assert_eq!(extension.name, *resource.name);
    let any = extension.typed_config.unwrap();
    // Both filters' messages have one field, and it is the same.
    let config = HttpWasm::decode(any.value.as_slice()).unwrap().config.unwrap();
    (any, config)
}

fn bundle(config: &PluginConfig) -> String {
    let any = config.configuration.clone().unwrap();
    assert_eq!(any.type_url, "type.googleapis.com/google.protobuf.StringValue");
    StringValue::decode(any.value.as_slice()).unwrap().value
}

#[test]
fn both_plugins_are_as_in_the_printed_bootstrap() {
    let snapshot = snapshot(1, &[(256, "10.0.0.1/32")], &[("default/a", true)]);
    let configs = extension_configs(&snapshot, &Attachment::default()).unwrap();
    let urls = [
        (
            postern_filter_module::CONNECTION_ROOT_ID,
            "type.googleapis.com/envoy.extensions.filters.network.wasm.v3.Wasm",
        ),
        (
            postern_filter_module::HTTP_ROOT_ID,
            "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
        ),
    ];
    assert_eq!(configs.len(), urls.len());
    for (resource, (root_id, url)) in configs.iter().zip(urls) {
        let (any, config) = decoded(resource);
        assert_eq!((&*resource.name, any.type_url.as_str()), (root_id, url));
        assert_eq!((config.name.as_str(), config.root_id.as_str()), (root_id, root_id));
        assert_eq!(config.failure_policy(), FailurePolicy::FailReload);
        let Some(plugin_config::Vm::VmConfig(vm)) = &config.vm else { panic!("no VM: {config:?}") };
        assert_eq!((vm.vm_id.as_str(), vm.runtime.as_str()), ("postern", "envoy.wasm.runtime.v8"));
        let code = vm.code.clone().unwrap().specifier.unwrap();
        let async_data_source::Specifier::Local(local) = code else { panic!("not local: {code:?}") };
        let file = data_source::Specifier::Filename("/etc/envoy/postern.wasm".to_owned());
        assert_eq!(local.specifier, Some(file));
        postern_policy_wire::decode(bundle(&config).as_bytes()).unwrap();
    }
}

#[test]
fn an_envoy_of_one_workload_gets_its_bundle() {
    let snapshot = snapshot(1, &[(256, "10.0.0.1/32")], &[("default/a", true)]);
    let attachment = Attachment {
        workload: Some("default/a".to_owned()),
        direction: Some(Direction::Ingress),
        port: Some(80),
        module: "/m.wasm".to_owned(),
    };
    let configs = extension_configs(&snapshot, &attachment).unwrap();
    let given: Bundle = serde_json::from_str(&bundle(&decoded(&configs[0]).1)).unwrap();
    let attach = Attach {
        direction: Some(Direction::Ingress),
        endpoint: Some("default/a".to_owned()),
        port: Some(80),
        ..Attach::default()
    };
    assert_eq!(given.attach, attach);
}

#[test]
fn for_an_unknown_workload_the_filter_has_nothing_and_denies() {
    let snapshot = snapshot(1, &[(256, "10.0.0.1/32")], &[("default/a", true)]);
    let attachment = Attachment { workload: Some("default/b".to_owned()), ..Attachment::default() };
    for resource in extension_configs(&snapshot, &attachment).unwrap() {
        assert_eq!(bundle(&decoded(&resource).1), "");
    }
}
