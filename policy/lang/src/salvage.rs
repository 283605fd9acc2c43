//! What can still be said of a policy that is refused: whom it is about.
//!
//! An enforcer that leaves a broken policy out leaves open what it was written to close. Until it is mended, its
//! subjects can at least be closed in the directions it speaks of, which opens nothing that any reading of it would.

use postern_policy_core::labels::{LabelKey, NAMESPACE};
use postern_policy_core::policy::{Combination, Mode, Policy, RuleId, Section, Subject};
use postern_policy_core::selector::{Requirement, Selector};

use crate::decode::{At, Object, Reader};
use crate::document::version_and_kind;
use crate::metadata::{metadata, mode};
use crate::selector::{Keys, selector};
use crate::source::SourceFile;
use crate::yaml;

/// A kind of policy, as far as it matters here.
struct Shape {
    /// How rules of the kind are named.
    prefix: &'static str,
    namespaced: bool,
    selector: &'static str,
    keys: Keys,
}

const CILIUM: Shape =
    Shape { prefix: "cnp", namespaced: true, selector: "endpointSelector", keys: Keys::Sourced };
const CLUSTERWIDE: Shape = Shape { prefix: "ccnp", namespaced: false, ..CILIUM };
const KUBERNETES: Shape =
    Shape { prefix: "netpol", namespaced: true, selector: "podSelector", keys: Keys::Kubernetes };

/// The subjects of the documents in `file` that [`load_policies`](crate::load_policies) refuses, as policies of
/// their own: default deny in the directions that the document has sections for, and no allowance. A document
/// whose subject cannot be read without doubt, that speaks of no direction, or that is only audited, gives none.
pub fn salvage(file: &SourceFile) -> Vec<Policy> {
    let mut diagnostics = Vec::new();
    let documents = yaml::documents(file, &mut diagnostics);
    // What is wrong has been reported by whoever loaded the file.
    let mut reader = Reader::new(file, &mut diagnostics);
    documents.iter().flat_map(|node| document(&At::document(node), &mut reader).unwrap_or_default()).collect()
}

fn document(at: &At<'_>, reader: &mut Reader<'_>) -> Option<Vec<Policy>> {
    let mut object = at.object(reader)?;
    let kind = version_and_kind(&mut object, None, reader)?;
    let shape = match kind.name {
        "CiliumNetworkPolicy" => CILIUM,
        "CiliumClusterwideNetworkPolicy" => CLUSTERWIDE,
        "NetworkPolicy" => KUBERNETES,
        _ => return None,
    };
    // What is only audited closes nothing while it is whole. An annotation that cannot be read is no reason to open.
    if mode(&object, reader) == Some(Mode::Audit) {
        return None;
    }
    let metadata = metadata(&mut object, reader)?;
    let id = match shape.namespaced {
        true => RuleId::new(format!("{}/{}/{}", shape.prefix, metadata.namespace, metadata.name)),
        false => RuleId::new(format!("{}/{}", shape.prefix, metadata.name)),
    };
    let mut specs: Vec<(RuleId, At<'_>)> = Vec::new();
    specs.extend(object.take_nullable("spec").map(|spec| (id.clone(), spec)));
    if let Some(several) = object.take_nullable("specs") {
        let id = id.child("specs");
        let several = several.list(reader)?.into_iter().enumerate();
        specs.extend(several.map(|(index, spec)| (id.child(index), spec)));
    }
    let namespace = shape.namespaced.then_some(metadata.namespace.as_str());
    Some(specs.iter().filter_map(|(id, spec)| closed(spec, id, namespace, &shape, reader)).collect())
}

fn closed(
    spec: &At<'_>,
    id: &RuleId,
    namespace: Option<&str>,
    shape: &Shape,
    reader: &mut Reader<'_>,
) -> Option<Policy> {
    let mut spec = spec.object(reader)?;
    let mut subject = subject(&mut spec, shape, reader)?;
    if let Some(namespace) = namespace {
        subject.requirements.retain(|requirement| requirement.key.key != NAMESPACE);
        subject.requirements.push(Requirement::equals(LabelKey::k8s(NAMESPACE), namespace));
    }
    let types: Option<Vec<&str>> = spec
        .take_nullable("policyTypes")
        .and_then(|at| at.list(reader)?.iter().map(|at| at.string(reader)).collect());
    let speaks_of = |fields: [&str; 2], name: &str| {
        fields.iter().any(|field| spec.has(field)) || types.iter().flatten().any(|given| *given == name)
    };
    // A NetworkPolicy is about ingress unless it says otherwise.
    let by_default = shape.prefix == KUBERNETES.prefix && types.is_none();
    let section = |default_deny| Section { default_deny, items: Vec::new() };
    let ingress = section(speaks_of(["ingress", "ingressDeny"], "Ingress") || by_default);
    let egress = section(speaks_of(["egress", "egressDeny"], "Egress"));
    if !ingress.default_deny && !egress.default_deny {
        return None;
    }
    let subject = Subject::Endpoints(subject);
    let (id, combination, mode) = (id.clone(), Combination::Union, Mode::Enforced);
    Some(Policy { id, subject, combination, mode, ingress, egress })
}

/// The subject, if nothing at all is wrong with it: a misspelt selector would select everything.
fn subject(spec: &mut Object<'_>, shape: &Shape, reader: &mut Reader<'_>) -> Option<Selector> {
    let errors_before = reader.errors();
    let subject = selector(&spec.take(shape.selector, reader)?, shape.keys, reader)?;
    (reader.errors() == errors_before).then_some(subject)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: &str, spec: &str, expected: &[(&str, bool, bool)]) {
        let version = if kind == "NetworkPolicy" { "networking.k8s.io/v1" } else { "cilium.io/v2" };
        let text = format!(
            "{{apiVersion: {version}, kind: {kind}, metadata: {{name: p, namespace: n}}, spec: {spec}}}"
        );
        let found = salvage(&SourceFile { name: "p".to_owned(), text });
        let found: Vec<_> = found
            .iter()
            .inspect(|policy| assert!(policy.ingress.items.is_empty() && policy.egress.items.is_empty()))
            .map(|policy| (policy.id.as_str(), policy.ingress.default_deny, policy.egress.default_deny))
            .collect();
        assert_eq!(found, expected, "{kind} {spec}");
    }

    #[test]
    fn directions_are_those_it_speaks_of() {
        let cnp = "CiliumNetworkPolicy";
        check(cnp, "{endpointSelector: {}, ingress: [{from: 1}]}", &[("cnp/n/p", true, false)]);
        check(cnp, "{endpointSelector: {}, egressDeny: nonsense}", &[("cnp/n/p", false, true)]);
        check(cnp, "{endpointSelector: {}, ingress: [], egress: [{}]}", &[("cnp/n/p", true, true)]);
        check(cnp, "{endpointSelector: {}}", &[]);
        check(
            "CiliumClusterwideNetworkPolicy",
            "{endpointSelector: {}, ingress: []}",
            &[("ccnp/p", true, false)],
        );
        let netpol = "NetworkPolicy";
        check(netpol, "{podSelector: {}}", &[("netpol/n/p", true, false)]);
        check(netpol, "{podSelector: {}, policyTypes: [Egress]}", &[("netpol/n/p", false, true)]);
        check(netpol, "{podSelector: {}, egress: [{to: 1}]}", &[("netpol/n/p", true, true)]);
    }

    fn check_text(text: &str, expected: &[&str]) {
        let found = salvage(&SourceFile { name: "p".to_owned(), text: text.to_owned() });
        let found: Vec<&str> = found.iter().map(|policy| policy.id.as_str()).collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn every_rule_of_an_object_is_its_own() {
        check_text(
            "{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: p, namespace: n},
            spec: {endpointSelector: {}, ingress: [1]},
            specs: [{endpointSelector: {}, ingress: [1]}, {ingress: [1]}, {endpointSelector: {}, egress: [1]}]}",
            &["cnp/n/p", "cnp/n/p/specs/0", "cnp/n/p/specs/2"],
        );
    }

    #[test]
    fn what_is_only_audited_closes_nothing() {
        let annotated = |value: &str| {
            format!(
                "{{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy,
                metadata: {{name: p, namespace: n, annotations: {{postern.dev/audit: {value}}}}},
                spec: {{endpointSelector: {{}}, ingress: [1]}}}}"
            )
        };
        check_text(&annotated("\"true\""), &[]);
        check_text(&annotated("\"false\""), &["cnp/n/p"]);
    }

    #[test]
    fn a_doubtful_subject_is_none() {
        for spec in [
            "{ingress: [{}]}",
            "{endpointSelector: , ingress: [{}]}",
            "{endpointSelector: {matchLabel: {id: a}}, ingress: [{}]}",
            "{endpointSelector: {matchLabels: {id: 1}}, ingress: [{}]}",
            "{nodeSelector: {}, ingress: [{}]}",
            "text",
        ] {
            check("CiliumNetworkPolicy", spec, &[]);
        }
        check("ConfigMap", "{endpointSelector: {}, ingress: [{}]}", &[]);
    }

    #[test]
    fn a_subject_is_pinned_to_its_namespace() {
        let text = "{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: p, namespace: n},
            spec: {endpointSelector: {matchLabels: {io.kubernetes.pod.namespace: other}}, ingress: [1]}}";
        let found = salvage(&SourceFile { name: "p".to_owned(), text: text.to_owned() });
        let pinned = Requirement::equals(LabelKey::k8s(NAMESPACE), "n");
        assert_eq!(found[0].subject, Subject::Endpoints(Selector { requirements: vec![pinned] }));
    }
}
