//! Whatever stands in a policy file or an inventory: it is read or refused.

use std::process::ExitCode;

use postern_policy_lang::inventory::load_inventory;
use postern_policy_lang::source::SourceFile;
use postern_policy_lang::{load_policies, salvage};

fn main() -> ExitCode {
    postern_fuzz::run(|bytes| {
        let file =
            SourceFile { name: "x.yaml".to_owned(), text: String::from_utf8_lossy(bytes).into_owned() };
        salvage(&file);
        let files = [file];
        let policies = load_policies(&files);
        let mut inventory = load_inventory(&files);
        policies.add_cidr_groups(&mut inventory.world);
        for diagnostic in policies.diagnostics.iter().chain(&inventory.diagnostics) {
            assert!(!diagnostic.to_string().is_empty());
        }
    })
}
