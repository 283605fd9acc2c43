//! What the generators leave out, because the engine does not read it yet.

use proptest::prelude::*;
use proptest::strategy::Union;

/// Something that a policy or an inventory may say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Feature {
    Tiers,
    Clusters,
    NodeLabels,
    Groups,
    ApiServers,
    Backends,
    NamedPorts,
    Nodes,
    Entities,
    Cidrs,
    Services,
    Fqdns,
    CloudGroups,
    Portless,
    Icmps,
    HeaderMatches,
    Beyond,
    Authentication,
    Specs,
    NodeSubjects,
    Audit,
    IpBlocks,
}

/// What is left out, and why.
const OFF: &[(Feature, &str)] = &[];

pub(crate) fn on(feature: Feature) -> bool {
    !OFF.iter().any(|(off, _)| *off == feature)
}

/// One of these by weight; what is left out is none of them.
pub(crate) fn choose<T: std::fmt::Debug + 'static>(
    options: Vec<(u32, Option<Feature>, BoxedStrategy<T>)>,
) -> BoxedStrategy<T> {
    let kept = options.into_iter().filter(|(_, feature, _)| feature.is_none_or(on));
    Union::new_weighted(kept.map(|(weight, _, strategy)| (weight, strategy)).collect()).boxed()
}

/// Sometimes this, in so many of a hundred cases, where it is not left out.
pub(crate) fn sometimes<T: std::fmt::Debug + Clone + 'static>(
    percent: u32,
    feature: Option<Feature>,
    strategy: impl Strategy<Value = T> + 'static,
) -> BoxedStrategy<Option<T>> {
    choose(vec![
        (100 - percent, None, Just(None).boxed()),
        (percent, feature, strategy.prop_map(Some).boxed()),
    ])
}

/// One of a table.
pub(crate) fn of<T: std::fmt::Debug + Clone + 'static>(table: &[T]) -> BoxedStrategy<T> {
    proptest::sample::select(table.to_vec()).boxed()
}

/// Some of a table, so many at most.
pub(crate) fn some_of<T: std::fmt::Debug + Clone + 'static>(
    table: &[T],
    most: usize,
) -> BoxedStrategy<Vec<T>> {
    proptest::sample::subsequence(table.to_vec(), 0..=most.min(table.len())).boxed()
}
