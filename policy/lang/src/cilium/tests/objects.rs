//! Objects of several rules, and what their metadata says.

use postern_policy_core::policy::Mode;

use super::load;
use crate::load_policies;
use crate::source::SourceFile;

fn object(metadata: &str, fields: &str) -> String {
    format!(
        "{{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {{name: p, {metadata}}}, {fields}}}"
    )
}

fn ids(text: &str) -> Vec<String> {
    let (policies, diagnostics) = load(text);
    assert!(diagnostics.is_empty(), "{diagnostics:?}");
    policies.iter().map(|policy| policy.id.to_string()).collect()
}

const RULE: &str = "{endpointSelector: {}, ingress: [{}]}";

#[test]
fn each_rule_of_specs_is_a_policy() {
    assert_eq!(ids(&object("", &format!("spec: {RULE}"))), ["cnp/default/p"]);
    assert_eq!(
        ids(&object("", &format!("specs: [{RULE}, {RULE}]"))),
        ["cnp/default/p/specs/0", "cnp/default/p/specs/1"]
    );
    assert_eq!(
        ids(&object("", &format!("spec: {RULE}, specs: [{RULE}]"))),
        ["cnp/default/p", "cnp/default/p/specs/0"]
    );
    let cluster =
        object("", &format!("specs: [{RULE}]")).replace("CiliumNetwork", "CiliumClusterwideNetwork");
    assert_eq!(ids(&cluster), ["ccnp/p/specs/0"]);
}

#[test]
fn rules_are_found_where_they_stand() {
    let text = object("", &format!("specs: [{RULE},\n {RULE}]"));
    let loaded = load_policies(&[SourceFile { name: "p.yaml".to_owned(), text }]);
    let field = |id: &str| {
        let (_, location) = loaded.places.iter().find(|(known, _)| known.as_str() == id).unwrap();
        (location.field.as_str(), location.span.place.line)
    };
    assert_eq!(field("cnp/default/p/specs/1"), ("specs[1]", 2));
    assert_eq!(field("cnp/default/p/specs/1/ingress/0"), ("specs[1].ingress[0]", 2));
}

#[test]
fn one_bad_rule_spoils_the_object() {
    let (policies, diagnostics) = load(&object("", &format!("specs: [{RULE}, {{endpointSelector: {{}}}}]")));
    assert!(policies.is_empty());
    assert!(diagnostics[0].contains("specs[1]: the rule says nothing"), "{diagnostics:?}");
    let (_, diagnostics) = load(&object("", "specs: []"));
    assert!(diagnostics[0].contains("the policy says nothing: `specs` is empty"), "{diagnostics:?}");
    let (_, diagnostics) = load(&object("", "status: {}"));
    assert!(diagnostics[0].contains("`spec` is missing"), "{diagnostics:?}");
}

#[test]
fn an_object_is_given_once_however_its_rules_are_written() {
    let (one, other) = (object("", &format!("spec: {RULE}")), object("", &format!("specs: [{RULE}]")));
    let (policies, diagnostics) = load(&format!("{one}\n---\n{other}"));
    assert_eq!(policies.len(), 1);
    assert!(diagnostics[0].contains("the policy cnp/default/p is given twice"), "{diagnostics:?}");
}

#[test]
fn an_annotation_turns_enforcement_into_an_audit() {
    let mode = |metadata: &str| {
        let (policies, diagnostics) = load(&object(metadata, &format!("specs: [{RULE}, {RULE}]")));
        let modes: Vec<Mode> = policies.iter().map(|policy| policy.mode).collect();
        (modes, diagnostics)
    };
    assert_eq!(mode("annotations: {other: x}").0, [Mode::Enforced, Mode::Enforced]);
    assert_eq!(mode("annotations: ").0, [Mode::Enforced, Mode::Enforced]);
    assert_eq!(mode("annotations: {postern.dev/audit: 'true'}").0, [Mode::Audit, Mode::Audit]);
    for value in ["'false'", "'yes'", "''", "true"] {
        let (modes, diagnostics) = mode(&format!("annotations: {{postern.dev/audit: {value}}}"));
        assert!(modes.is_empty(), "{value}");
        assert!(diagnostics[0].contains("metadata.annotations[\"postern.dev/audit\"]: "), "{diagnostics:?}");
    }
}

#[test]
fn annotations_are_kept_for_every_rule() {
    let text = object("annotations: {a: b}", &format!("specs: [{RULE}, {RULE}]"));
    let loaded = load_policies(&[SourceFile { name: "p.yaml".to_owned(), text }]);
    assert_eq!(loaded.annotations.len(), 2);
    assert!(loaded.annotations.values().all(|annotations| annotations["a"] == "b"));
}
