//! The published schema is the one that the types have.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::path::Path;

#[test]
fn the_published_schema_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/bundle.schema.json");
    let generated = serde_json::to_string_pretty(&postern_policy_wire::schema()).unwrap() + "\n";
    if std::env::var_os("POSTERN_UPDATE").is_some() {
        std::fs::write(&path, &generated).unwrap();
    }
    let published = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        published == generated,
        "{} is stale: run `POSTERN_UPDATE=1 cargo test -p postern-policy-wire --test schema` and commit it",
        path.display()
    );
}
