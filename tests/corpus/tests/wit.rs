//! The component interface is well formed and has what a door to the core needs.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use wit_parser::{Resolve, WorldItem};

#[test]
fn the_package_resolves_exports_the_decider_and_imports_nothing() {
    let mut resolve = Resolve::default();
    let text = include_str!("../../../wit/policy.wit");
    let package = resolve.push_str("policy.wit", text).unwrap_or_else(|error| panic!("{error:?}"));
    let world = resolve.select_world(&[package], Some("policy")).unwrap();
    let exported: Vec<_> = resolve.worlds[world]
        .exports
        .values()
        .filter_map(|item| match item {
            WorldItem::Interface { id, .. } => resolve.interfaces[*id].name.as_deref(),
            _ => None,
        })
        .collect();
    assert_eq!(exported, ["decider"]);
    assert!(resolve.worlds[world].imports.is_empty());
}
