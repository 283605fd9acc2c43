//! Whatever policies and inventories say: they resolve, lower, and come back from a bundle as they were.

use std::process::ExitCode;

use postern_policy_core::lower::lower;
use postern_policy_core::resolve::{resolve, resolve_audited};
use postern_policy_core::set::Attachment;
use postern_policy_lang::inventory::load_inventory;
use postern_policy_lang::load_policies;
use postern_policy_lang::source::SourceFile;
use postern_policy_wire::{decode_bundle, encode};

/// What stands between the two files.
const MARKER: &str = "=== inventory ===\n";

fn main() -> ExitCode {
    postern_fuzz::run(|bytes| {
        let text = String::from_utf8_lossy(bytes);
        let (policies, inventory) = text.split_once(MARKER).unwrap_or((&text, ""));
        let file = |text: &str| [SourceFile { name: "x.yaml".to_owned(), text: text.to_owned() }];
        let policies = load_policies(&file(policies));
        let mut world = load_inventory(&file(inventory)).world;
        policies.add_cidr_groups(&mut world);
        // An address with two owners is refused, whoever they are.
        let Ok(identities) = world.identities(&policies.policies) else { return };
        let workloads = world.workloads().filter(|workload| workload.cluster.is_none());
        let resolved: Vec<_> =
            workloads.map(|workload| resolve(&policies.policies, &world, &identities, workload)).collect();
        for workload in world.workloads() {
            resolve_audited(&policies.policies, &world, &identities, workload);
        }
        for policy in &resolved {
            lower(policy);
        }
        let bundle = encode(&resolved, &identities, &Attachment::default());
        let decoded = decode_bundle(bundle.clone()).map(|(set, quarantined)| {
            let again = encode(set.endpoints(), &identities, &Attachment::default());
            (again.endpoints, quarantined)
        });
        match decoded {
            Ok((endpoints, _)) => assert!(endpoints == bundle.endpoints, "the bundle changes what it says"),
            Err(error) => assert!(resolved.is_empty(), "the bundle is refused: {error}"),
        }
    })
}
