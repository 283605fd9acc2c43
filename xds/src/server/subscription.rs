//! One client's subscription to one type: what it wants, what it has, what it refused.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::change::{Change, Name, Presence};
use super::view::View;
use crate::resource::ResourceType;

/// The name that stands for all resources of a type.
pub(super) const WILDCARD: &str = "*";

/// What the next response may have.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Pending {
    pub(super) change: Change,
    /// There is more that the client has not, but it has refused just that.
    pub(super) held: bool,
}

#[derive(Debug)]
pub(super) struct Subscription {
    resource_type: ResourceType,
    wildcard: bool,
    names: BTreeSet<Name>,
    has: BTreeMap<Name, Presence>,
    /// Whether the client is owed an answer even if there is nothing to say.
    unanswered: bool,
    /// What it refused. It is not sent again until it changes, or an earlier type does.
    refused: BTreeMap<Name, Presence>,
    /// It refused an answer that had nothing in it: the state as a whole does not suit it.
    refused_nothing: bool,
    /// What it refused together with other resources: each is tried by itself.
    suspects: BTreeSet<Name>,
    /// The last snapshot in which nothing differed from what the client has.
    settled: Option<View>,
}

impl Subscription {
    /// What the first request of a type asks for. `versions` is what the client has from an earlier stream.
    pub(super) fn new(
        resource_type: ResourceType,
        subscribe: &[String],
        versions: HashMap<String, String>,
    ) -> Subscription {
        let mut new = Subscription {
            resource_type,
            wildcard: false,
            names: BTreeSet::new(),
            has: BTreeMap::new(),
            unanswered: true,
            refused: BTreeMap::new(),
            refused_nothing: false,
            suspects: BTreeSet::new(),
            settled: None,
        };
        new.subscribe(subscribe);
        // By the protocol, who names nothing at first wants everything.
        new.wildcard |= subscribe.is_empty();
        let wanted = versions.into_iter().filter(|(name, _)| new.wants(name));
        let has = wanted.map(|(name, version)| (name.into(), Some(version.into()))).collect();
        new.has = has;
        new.unanswered = new.has.is_empty();
        new
    }

    /// Whether a name is subscribed to.
    pub(super) fn wants(&self, name: &str) -> bool {
        self.wildcard || self.names.contains(name)
    }

    /// What is subscribed to is sent, though it may have been before: the client may have dropped it.
    pub(super) fn subscribe(&mut self, names: &[String]) {
        for name in names {
            if name == WILDCARD {
                self.wildcard = true;
                self.has.clear();
                self.refused.clear();
                self.suspects.clear();
                self.unanswered = true;
            } else {
                self.forget(name);
                self.names.insert(name.as_str().into());
            }
            self.settled = None;
        }
    }

    pub(super) fn unsubscribe(&mut self, names: &[String]) {
        for name in names {
            if name == WILDCARD {
                self.wildcard = false;
                let dropped: Vec<Name> =
                    self.has.keys().filter(|name| !self.names.contains(*name)).cloned().collect();
                dropped.iter().for_each(|name| self.forget(name));
            } else if self.names.remove(name.as_str()) && !self.wildcard {
                self.forget(name);
            }
            self.settled = None;
        }
    }

    fn forget(&mut self, name: &str) {
        self.has.remove(name);
        self.refused.remove(name);
        self.suspects.remove(name);
    }

    /// Whether the client is owed an answer even if there is nothing to say.
    pub(super) fn is_unanswered(&self) -> bool {
        self.unanswered
    }

    /// What it refused and therefore does not have: `*` for an answer that had nothing in it.
    pub(super) fn refused(&self) -> impl Iterator<Item = (ResourceType, String)> {
        let nothing = self.refused_nothing.then(|| WILDCARD.to_owned());
        let names = self.refused.keys().map(|name| String::from(&**name)).chain(nothing);
        names.map(|name| (self.resource_type, name))
    }

    /// What the client is to have and has not.
    pub(super) fn pending(&mut self, view: &View) -> Pending {
        if self.settled.as_ref().is_some_and(|settled| settled.shares(view, self.resource_type)) {
            return Pending { change: Change::default(), held: self.refused_nothing };
        }
        let mut change = self.difference(view);
        if change.is_empty() {
            self.refused.clear();
            self.suspects.clear();
            self.settled = Some(view.clone());
            return Pending { change, held: self.refused_nothing };
        }
        if self.resource_type.is_taken_whole() {
            return match !self.refused.is_empty() && change.leads_to(&self.refused) {
                true => Pending { change: Change::default(), held: true },
                false => Pending { change, held: false },
            };
        }
        let all = change.len();
        let outcome: BTreeMap<Name, Presence> =
            change.outcome().map(|(name, presence)| (Arc::clone(name), presence)).collect();
        self.refused.retain(|name, presence| outcome.get(name) == Some(presence));
        self.suspects.retain(|name| outcome.contains_key(name));
        change.retain(|name, _| !self.refused.contains_key(name));
        let held = change.len() < all;
        if let Some(suspect) = self.suspects.first() {
            change.retain(|name, _| name == suspect);
        }
        if self.resource_type == ResourceType::ExtensionConfig {
            // Envoy takes a configuration that it has refused once, without trying it, when it comes again. So
            // each comes by itself: its first answer is the true one, and there is no second.
            let first = change.outcome().next().map(|(name, _)| Arc::clone(name));
            change.retain(|name, _| Some(name) == first.as_ref());
        }
        Pending { change, held }
    }

    fn difference(&self, view: &View) -> Change {
        let current = |name: &Name| view.get(self.resource_type, name);
        let mut change = Change::default();
        let mut compare = |resource: &crate::resource::Resource| {
            let has = self.has.get(&resource.name).and_then(Option::as_ref);
            if has != Some(&resource.version) {
                change.upserts.push(resource.clone());
            }
        };
        if self.wildcard {
            view.all(self.resource_type).for_each(&mut compare);
        } else {
            self.names.iter().filter_map(current).for_each(&mut compare);
        }
        let gone = self.has.iter().filter(|(name, has)| has.is_some() && current(name).is_none());
        change.removals.extend(gone.map(|(name, _)| Arc::clone(name)));
        // Who asks for something by name is told that there is no such thing, once.
        let absent =
            self.names.iter().filter(|name| !self.has.contains_key(*name) && current(name).is_none());
        change.removals.extend(absent.map(Arc::clone));
        change
    }

    /// A response has been sent.
    pub(super) fn answered(&mut self) {
        self.unanswered = false;
    }

    /// The client has what the response had. Names that it dropped or asked for again since are none of it.
    pub(super) fn acknowledged(&mut self, change: &Change) {
        self.refused_nothing = false;
        if self.resource_type.is_taken_whole() {
            self.refused.clear();
        }
        for (name, presence) in change.outcome() {
            self.refused.remove(name);
            self.suspects.remove(name);
            if presence.is_some() || self.names.contains(name) {
                self.has.insert(Arc::clone(name), presence);
            } else {
                self.has.remove(name);
            }
        }
    }

    /// The client has nothing of what the response had; `alone` if that was one resource.
    pub(super) fn refuses(&mut self, change: &Change, alone: bool) {
        self.settled = None;
        let outcome = change.outcome().map(|(name, presence)| (Arc::clone(name), presence));
        if change.is_empty() {
            self.refused_nothing = true;
        } else if self.resource_type.is_taken_whole() {
            self.refused = outcome.collect();
        } else if alone {
            self.suspects.retain(|name| change.outcome().all(|(refused, _)| refused != name));
            self.refused.extend(outcome);
        } else {
            self.suspects.extend(outcome.map(|(name, _)| name));
        }
    }

    /// An earlier type has changed, and with it perhaps the reason of a refusal: what was refused is tried
    /// again, each by itself.
    pub(super) fn reconsider(&mut self) {
        if self.resource_type == ResourceType::ExtensionConfig {
            // It rests on nothing but itself.
            return;
        }
        self.unanswered |= std::mem::take(&mut self.refused_nothing);
        let refused = std::mem::take(&mut self.refused);
        if !self.resource_type.is_taken_whole() {
            self.suspects.extend(refused.into_keys());
        }
        self.settled = None;
    }
}

#[cfg(test)]
mod tests;
