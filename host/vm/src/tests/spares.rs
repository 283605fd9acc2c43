//! What takes the place of an instance that failed.

use std::sync::Arc;

use super::guests::obedient;
use super::{Fault, body, compile, info, plugin, request, start};
use crate::{ConnectionInfo, Direction, Engine, Limits, MetricsStore, Module, Vm};

/// Counts how often it was configured, and traps where the obedient guest does.
fn counting() -> String {
    let counted = r#"
        (call $check (call $define (i32.const 0) (i32.const 80) (i32.const 4) (i32.const 100)))
        (call $check (call $increment (i32.load (i32.const 100)) (i64.const 1)))
        (global.set $configuration (local.get $first))"#;
    obedient().replacen("(global.set $configuration (local.get $first))", counted, 1)
}

fn configured(metrics: &MetricsStore) -> u64 {
    metrics.samples().iter().find(|sample| sample.name == "hits").map_or(0, |sample| sample.value)
}

#[test]
fn a_fault_does_not_cost_a_configuration() {
    let metrics = Arc::new(MetricsStore::new());
    let mut vm = Vm::new(&compile(&counting()).unwrap(), plugin(), metrics.clone()).unwrap();
    vm.configure("good".into()).unwrap();
    for fault in 1..=5 {
        request(&mut vm, "/t").unwrap_err();
        assert_eq!(body(request(&mut vm, "/r")), b"g");
        // Two roots each: the first instance, the spares that were used, and perhaps the next one already.
        let times = configured(&metrics) / 2;
        assert!((1 + fault..=2 + fault).contains(&times), "{times} configurations after {fault} faults");
    }
}

#[test]
fn a_spare_has_the_latest_configuration() {
    let mut vm = start(&obedient());
    for configuration in ["a", "b", "c", "d"] {
        vm.configure(configuration.into()).unwrap();
        vm.configure("x".into()).unwrap_err();
        vm.configure("y".into()).unwrap_err();
        request(&mut vm, "/t").unwrap_err();
        assert_eq!(body(request(&mut vm, "/r")), configuration.as_bytes());
    }
}

#[test]
fn vms_with_different_configurations_never_get_each_others_spare() {
    let module = compile(&obedient()).unwrap();
    let (plugin, metrics) = (plugin(), Arc::new(MetricsStore::new()));
    let mut vms = ["a", "b"].map(|configuration| {
        let mut vm = Vm::new(&module, plugin.clone(), metrics.clone()).unwrap();
        vm.configure(configuration.into()).unwrap();
        (vm, configuration)
    });
    for _ in 0..5 {
        for (vm, configuration) in &mut vms {
            request(vm, "/t").unwrap_err();
            assert_eq!(body(request(vm, "/r")), configuration.as_bytes());
        }
    }
}

#[test]
fn without_a_spare_the_next_call_makes_an_instance() {
    let limits = Limits { memory_bytes: 4 << 20, spare: false, ..Limits::default() };
    let module =
        Module::compile(&Engine::new(limits).unwrap(), &wat::parse_str(counting()).unwrap()).unwrap();
    let metrics = Arc::new(MetricsStore::new());
    let mut vm = Vm::new(&module, plugin(), metrics.clone()).unwrap();
    vm.configure("good".into()).unwrap();
    request(&mut vm, "/t").unwrap_err();
    assert_eq!(configured(&metrics), 2);
    assert_eq!(body(request(&mut vm, "/r")), b"g");
    assert_eq!(configured(&metrics), 4);
}

#[test]
fn a_new_connection_for_every_request_does_not_hide_that_requests_fail() {
    let mut vm = start(&obedient());
    vm.configure("good".into()).unwrap();
    let from = |port: u16| {
        ConnectionInfo::new(([10, 0, 0, 1], port).into(), info().destination(), Direction::Inbound)
    };
    for _ in 0..10 {
        assert!(vm.on_connection(from(1)).is_ok());
        assert!(matches!(request(&mut vm, "/t"), Err(Fault::Trapped(_))));
    }
    assert!(vm.failed());
    assert_eq!(vm.on_connection(from(1)).unwrap_err(), Fault::Failed);
    assert_eq!(request(&mut vm, "/ok").unwrap_err(), Fault::Failed);
}
