//! One case: a world, policies, and the questions about them.

use std::fmt;

use postern_tests_oracle::policy::Policy;
use postern_tests_oracle::print;
use postern_tests_oracle::world::World;
use proptest::prelude::*;

use crate::names::policy_name;
use crate::questions::{Asked, Pick, asked};
use crate::{aims, cilium, kubernetes, tiered, worlds};

/// A world, policies and questions.
#[derive(Clone)]
pub(crate) struct Case {
    pub(crate) world: World,
    pub(crate) policies: Vec<Policy>,
    pub(crate) questions: Vec<Asked>,
}

impl Case {
    pub(crate) fn inventory(&self) -> String {
        print::inventory(&self.world)
    }

    pub(crate) fn policies(&self) -> String {
        print::policies(&self.policies, &self.world)
    }
}

/// What a failure shows: the documents, to be tried by hand.
impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\n# inventory\n{}\n# policies\n{}", self.inventory(), self.policies())
    }
}

/// Cases with so many questions.
pub(crate) fn case(questions: usize) -> impl Strategy<Value = Case> {
    let questions = proptest::collection::vec(Pick::any(), 1..=questions);
    // Among many policies, what one says is often said by another too.
    let policies = prop_oneof![
        3 => proptest::collection::vec(policy(), 1..=3),
        1 => proptest::collection::vec(policy(), 3..=5),
    ];
    (worlds::world(), policies, questions).prop_map(|(world, mut policies, picks)| {
        for (index, policy) in policies.iter_mut().enumerate() {
            let name = match policy {
                Policy::Cilium(policy) => &mut policy.name,
                Policy::Kubernetes(policy) => &mut policy.name,
                Policy::Tiered(policy) => &mut policy.name,
            };
            *name = policy_name(index);
        }
        let known = aims::targets(&world, &policies);
        let questions = picks.into_iter().map(|pick| asked(&world, &policies, &known, pick)).collect();
        Case { world, policies, questions }
    })
}

fn policy() -> impl Strategy<Value = Policy> {
    crate::features::choose(vec![
        (6, None, cilium::policy().prop_map(Policy::Cilium).boxed()),
        (2, None, kubernetes::policy().prop_map(Policy::Kubernetes).boxed()),
        (4, Some(crate::features::Feature::Tiers), tiered::policy().prop_map(Policy::Tiered).boxed()),
    ])
}
