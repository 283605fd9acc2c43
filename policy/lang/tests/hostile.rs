//! Input that nobody writes by accident: it is refused, quickly, and nothing panics.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use postern_policy_lang::load_policies;
use postern_policy_lang::source::SourceFile;

fn first_error(text: impl Into<String>) -> String {
    let loaded = load_policies(&[SourceFile { name: "x.yaml".to_owned(), text: text.into() }]);
    assert!(loaded.policies.is_empty());
    loaded.diagnostics[0].to_string()
}

#[test]
fn malformed_yaml_points_at_its_place() {
    let error = first_error("apiVersion: cilium.io/v2\nkind: [unclosed\nspec: {}\n");
    assert!(error.starts_with("x.yaml:3:") && error.contains("yaml-syntax"), "{error}");
    let error = first_error("a: b: c\n");
    assert!(error.starts_with("x.yaml:1:") && error.contains("yaml-syntax"), "{error}");
}

#[test]
fn documents_that_are_no_mapping() {
    for text in ["just text", "- a\n- b\n", "42"] {
        let error = first_error(text);
        assert!(error.contains("expected a mapping"), "{error}");
    }
}

#[test]
fn deep_nesting() {
    for text in ["[".repeat(100_000), "{a: ".repeat(100_000), "- ".repeat(100_000)] {
        let error = first_error(text);
        assert!(error.contains("too-large") || error.contains("yaml-syntax"), "{error}");
    }
}

#[test]
fn an_alias_bomb() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        text.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
    }
    let error = first_error(text);
    assert!(error.contains("too-large"), "{error}");
}

#[test]
fn duplicate_keys_tags_and_odd_keys() {
    assert!(first_error("a: 1\nb: 2\na: 3\n").contains("x.yaml:3:1: error[duplicate-key]"));
    assert!(first_error("a: !!str 1\n").contains("a YAML tag has no meaning"));
    assert!(first_error("[a]: 1\n").contains("a key that is not plain text"));
    assert!(first_error("a: &x [*x]\n").contains("yaml-syntax"));
}

#[test]
fn random_bytes() {
    // xorshift: the same bytes every time.
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    for _ in 0..2_000 {
        let bytes: Vec<u8> = (0..64)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state.to_le_bytes()[3]
            })
            .collect();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let loaded = load_policies(&[SourceFile { name: "x".to_owned(), text }]);
        assert!(loaded.policies.is_empty());
    }
}

#[test]
fn aliases_do_not_multiply_expressions() {
    let mut text = r#"apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: p}
spec:
  endpointSelector: {}
  description: &p "(a{200}b{200}){40}"
  ingress:
"#
    .to_owned();
    let rules = vec!["{path: *p}"; 1_000].join(", ");
    text.push_str(&format!(
        "  - toPorts: [{{ports: [{{port: \"80\", protocol: TCP}}], rules: {{http: [{rules}]}}}}]\n"
    ));
    let loaded = load_policies(&[SourceFile { name: "x".to_owned(), text }]);
    assert!(loaded.diagnostics.len() <= 1_000);
}
