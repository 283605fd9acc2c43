//! The numbers of identities: kept as objects, asked for here.

use std::collections::{BTreeMap, BTreeSet};

use postern_controller_api::identity::{PosternIdentity, PosternIdentitySpec};
use postern_policy_core::identity::{IdentityId, Who};
use postern_policy_core::labels::LabelSet;

/// What has no number yet, and addresses that more than one owner claims: `reserved:init`.
pub(crate) const INIT: IdentityId = IdentityId(5);
/// The last number there is; those above carry more than an identity elsewhere.
const LAST: u32 = 65_535;

/// Who [`INIT`] stands for.
pub(crate) fn init() -> Who {
    Who::Workloads(LabelSet::reserved("init"))
}

/// A number that the leader shall create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityRequest {
    /// The number.
    pub number: u32,
    /// What it stands for.
    pub spec: PosternIdentitySpec,
}

impl IdentityRequest {
    /// The object to create. If one of this name exists, nothing is to be done: the index sees it and asks anew.
    pub fn object(&self) -> PosternIdentity {
        PosternIdentity::new(&self.number.to_string(), self.spec.clone())
    }
}

/// Why an object gives no number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NumberError {
    /// Its name is none.
    #[error("the name {0:?} is not an identity's number: expected 256 to 65535; delete the object")]
    Name(String),
    /// It does not say who it is.
    #[error("identity {0} must have either labels or a node: delete the object, and a new one is made")]
    Who(u32),
    /// A label is none.
    #[error("identity {number} has the label {label:?}: expected `source:key=value`; delete the object")]
    Label {
        /// The number.
        number: u32,
        /// The label.
        label: String,
    },
}

/// The numbers.
#[derive(Debug, Default)]
pub(crate) struct Numbers {
    /// What exists; a number with an unreadable object is taken, and nobody's.
    objects: BTreeMap<u32, Option<Who>>,
    /// The numbers of each; the lowest is used.
    by_who: BTreeMap<Who, BTreeSet<u32>>,
    proposed: BTreeMap<Who, u32>,
    /// Numbers that were somebody's: used again only when no others are left, for a node may remember them.
    retired: BTreeSet<u32>,
}

impl Numbers {
    /// The number in the name of an object.
    pub(crate) fn parse_name(name: &str) -> Result<u32, NumberError> {
        let number = name.parse().ok().filter(|number: &u32| number.to_string() == name);
        number
            .filter(|number| (IdentityId::FIRST.0..=LAST).contains(number))
            .ok_or_else(|| NumberError::Name(name.to_owned()))
    }

    /// Takes note of an object. Returns who has another number than before.
    pub(crate) fn set(&mut self, number: u32, who: Option<Who>) -> BTreeSet<Who> {
        if self.objects.get(&number) == Some(&who) {
            return BTreeSet::new();
        }
        let mut changed = self.remove(number);
        self.objects.insert(number, who.clone());
        if let Some(who) = who {
            let before = self.id(&who);
            self.by_who.entry(who.clone()).or_default().insert(number);
            if self.id(&who) != before {
                changed.insert(who);
            }
        }
        changed
    }

    /// Takes note that an object is gone. Returns who has another number than before, or none.
    pub(crate) fn remove(&mut self, number: u32) -> BTreeSet<Who> {
        let Some(object) = self.objects.remove(&number) else { return BTreeSet::new() };
        self.retired.insert(number);
        let Some(who) = object else { return BTreeSet::new() };
        let before = self.id(&who);
        if let Some(numbers) = self.by_who.get_mut(&who) {
            numbers.remove(&number);
            if numbers.is_empty() {
                self.by_who.remove(&who);
            }
        }
        let changed = self.id(&who) != before;
        changed.then_some(who).into_iter().collect()
    }

    /// The number of somebody.
    pub(crate) fn id(&self, who: &Who) -> Option<IdentityId> {
        self.by_who.get(who)?.first().copied().map(IdentityId)
    }

    pub(crate) fn len(&self) -> usize {
        self.by_who.len()
    }

    /// The numbers that were read from objects.
    pub(crate) fn known(&self) -> impl Iterator<Item = u32> {
        self.objects.keys().copied()
    }

    /// Proposes a number for each of `wanted` that has none; a proposal stays until the object is there.
    pub(crate) fn propose(&mut self, wanted: &BTreeSet<Who>) -> Vec<IdentityRequest> {
        let objects = &self.objects;
        let by_who = &self.by_who;
        self.proposed.retain(|who, number| {
            wanted.contains(who) && !by_who.contains_key(who) && !objects.contains_key(number)
        });
        let mut taken: BTreeSet<u32> = self.proposed.values().copied().collect();
        for who in wanted {
            if self.by_who.contains_key(who) || self.proposed.contains_key(who) {
                continue;
            }
            let mut free = (IdentityId::FIRST.0..=LAST)
                .filter(|number| !self.objects.contains_key(number) && !taken.contains(number));
            let fresh = free.clone().find(|number| !self.retired.contains(number));
            // Out of numbers, it stays INIT: closed, and counted as waiting.
            let Some(number) = fresh.or_else(|| free.next()) else { break };
            taken.insert(number);
            self.proposed.insert(who.clone(), number);
        }
        let request = |(who, number): (&Who, &u32)| IdentityRequest { number: *number, spec: spec(who) };
        self.proposed.iter().map(request).collect()
    }

    /// The numbers that none of `used` has: those whose objects may be deleted.
    pub(crate) fn unused(&self, used: &BTreeSet<Who>) -> BTreeSet<u32> {
        let in_use: BTreeSet<u32> = used.iter().filter_map(|who| self.id(who)).map(|id| id.0).collect();
        self.objects.keys().copied().filter(|number| !in_use.contains(number)).collect()
    }
}

fn spec(who: &Who) -> PosternIdentitySpec {
    match who {
        Who::World | Who::Cidr(_) => PosternIdentitySpec::default(),
        Who::Node(name) => PosternIdentitySpec { labels: Vec::new(), node: Some(name.clone()) },
        Who::Workloads(labels) => PosternIdentitySpec { labels: labels.iter().collect(), node: None },
    }
}

/// Who an object stands for.
pub(crate) fn who(number: u32, spec: &PosternIdentitySpec) -> Result<Who, NumberError> {
    match (&spec.node, spec.labels.as_slice()) {
        (Some(node), []) if !node.is_empty() => Ok(Who::Node(node.clone())),
        (None, labels @ [_, ..]) => {
            let mut set = LabelSet::default();
            for label in labels {
                let Some((source, rest)) = label.split_once(':').filter(|(source, _)| !source.is_empty())
                else {
                    return Err(NumberError::Label { number, label: label.clone() });
                };
                let (key, value) = rest.split_once('=').unwrap_or((rest, ""));
                set.insert(source, key, value);
            }
            Ok(Who::Workloads(set))
        }
        _ => Err(NumberError::Who(number)),
    }
}

/// An identity's labels, for people.
pub(crate) fn describe(who: &Who) -> Vec<String> {
    match who {
        Who::World => vec!["reserved:world".to_owned()],
        Who::Node(name) => vec![format!("node:{name}")],
        Who::Workloads(labels) => labels.iter().collect(),
        Who::Cidr(net) => vec!["reserved:world".to_owned(), format!("cidr:{net}")],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labelled(value: &str) -> Who {
        let mut labels = LabelSet::default();
        labels.insert("k8s", "id", value);
        labels.insert("k8s", "empty", "");
        Who::Workloads(labels)
    }

    #[test]
    fn labels_survive_the_object() {
        for expected in [labelled("a"), Who::Node("n".to_owned())] {
            assert_eq!(who(256, &spec(&expected)), Ok(expected));
        }
        let unlabelled = PosternIdentitySpec::default();
        assert_eq!(who(256, &unlabelled), Err(NumberError::Who(256)));
    }

    #[test]
    fn names_are_numbers_within_bounds() {
        assert_eq!(Numbers::parse_name("256"), Ok(256));
        for bad in ["255", "65536", "0256", "+300", "x", ""] {
            assert_eq!(Numbers::parse_name(bad), Err(NumberError::Name(bad.to_owned())));
        }
    }

    #[test]
    fn the_lowest_free_number_is_proposed_and_one_that_was_somebodys_last() {
        let mut numbers = Numbers::default();
        numbers.set(256, Some(labelled("a")));
        let wanted = BTreeSet::from([labelled("a"), labelled("b"), labelled("c")]);
        let proposed: Vec<u32> = numbers.propose(&wanted).iter().map(|request| request.number).collect();
        assert_eq!(proposed, [257, 258]);
        assert_eq!(numbers.propose(&wanted).len(), 2, "a proposal stays");
        numbers.set(257, Some(labelled("z")));
        let proposed: Vec<u32> = numbers.propose(&wanted).iter().map(|request| request.number).collect();
        assert_eq!(proposed, [259, 258], "somebody else took 257");
        assert_eq!(numbers.unused(&wanted), BTreeSet::from([257]));
        assert_eq!(numbers.remove(256), BTreeSet::from([labelled("a")]));
        assert!(numbers.propose(&wanted).iter().all(|request| request.number > 257));
    }

    #[test]
    fn of_two_numbers_the_lower_is_used() {
        let mut numbers = Numbers::default();
        assert!(!numbers.set(300, Some(labelled("a"))).is_empty());
        assert!(numbers.set(301, Some(labelled("a"))).is_empty());
        assert_eq!(numbers.id(&labelled("a")), Some(IdentityId(300)));
        assert_eq!(numbers.unused(&BTreeSet::from([labelled("a")])), BTreeSet::from([301]));
        assert_eq!(numbers.remove(300), BTreeSet::from([labelled("a")]));
        assert_eq!(numbers.id(&labelled("a")), Some(IdentityId(301)));
    }
}
