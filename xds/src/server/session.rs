//! The protocol with one client, without any connection: requests and snapshots in, responses and events out.
//!
//! One response is under way at a time, of whatever type. So a type is sent only once the client has taken those
//! before it, and what changes meanwhile is in the next response.

use std::collections::BTreeMap;
use std::sync::Arc;

use envoy_types::pb::envoy::service::discovery::v3::{DeltaDiscoveryRequest, DeltaDiscoveryResponse};
use tonic::Status;

use super::change::Change;
use super::profile::Profile;
use super::report::{ClientKind, Event};
use super::subscription::{Subscription, WILDCARD};
use super::view::View;
use crate::resource::{EncodeError, ResourceType};
use crate::snapshot::NodeSnapshot;

#[derive(Debug)]
struct Outstanding {
    resource_type: ResourceType,
    nonce: String,
    revision: u64,
    change: Change,
    /// Whether it was sent with at most one resource.
    alone: bool,
}

#[derive(Debug)]
pub(super) struct Session {
    profile: Profile,
    view: View,
    subscriptions: BTreeMap<ResourceType, Subscription>,
    outstanding: Option<Outstanding>,
    nonces: u64,
    /// The last thing told of how far the client is.
    told: Option<Event>,
}

/// What is to be done next.
#[derive(Debug)]
pub(super) enum Step {
    Send(DeltaDiscoveryResponse),
    Tell(Event),
    Wait,
}

impl Session {
    pub(super) fn new(profile: Profile, snapshot: Arc<NodeSnapshot>) -> Session {
        Session {
            profile,
            view: View::plain(snapshot),
            subscriptions: BTreeMap::new(),
            outstanding: None,
            nonces: 0,
            told: None,
        }
    }

    /// Takes a newer snapshot.
    pub(super) fn publish(&mut self, snapshot: Arc<NodeSnapshot>) -> Result<(), EncodeError> {
        self.view = match self.subscriptions.contains_key(&ResourceType::ExtensionConfig) {
            true => View::with_extensions(snapshot, &self.profile.attachment)?,
            false => View::plain(snapshot),
        };
        Ok(())
    }

    /// Takes a request. A refusal in it is an event.
    pub(super) fn request(&mut self, request: DeltaDiscoveryRequest) -> Result<Option<Event>, Status> {
        let url = &request.type_url;
        let resource_type = ResourceType::from_type_url(url).ok_or_else(|| {
            Status::invalid_argument(format!(
                "there are no resources of type {url:?} here: subscribe elsewhere"
            ))
        })?;
        self.subscribe(resource_type, &request)?;
        Ok(self.answer(request))
    }

    fn subscribe(
        &mut self,
        resource_type: ResourceType,
        request: &DeltaDiscoveryRequest,
    ) -> Result<(), Status> {
        let (subscribe, unsubscribe) =
            (&request.resource_names_subscribe, &request.resource_names_unsubscribe);
        let Some(subscription) = self.subscriptions.get_mut(&resource_type) else {
            let mut new =
                Subscription::new(resource_type, subscribe, request.initial_resource_versions.clone());
            new.unsubscribe(unsubscribe);
            self.subscriptions.insert(resource_type, new);
            if resource_type == ResourceType::ExtensionConfig {
                self.publish(self.view.snapshot()).map_err(|error| Status::internal(error.to_string()))?;
            }
            return Ok(());
        };
        if subscribe.is_empty() && unsubscribe.is_empty() {
            return Ok(());
        }
        subscription.subscribe(subscribe);
        subscription.unsubscribe(unsubscribe);
        let anew = |name: &str| subscribe.iter().any(|it| it == name || it == WILDCARD);
        if let Some(outstanding) = self.outstanding.as_mut().filter(|it| it.resource_type == resource_type) {
            outstanding.change.retain(|name, _| subscription.wants(name) && !anew(name));
        }
        Ok(())
    }

    /// The part of a request that answers a response: the one under way, or it says nothing.
    fn answer(&mut self, request: DeltaDiscoveryRequest) -> Option<Event> {
        let Outstanding { resource_type, revision, change, alone, .. } =
            self.outstanding.take_if(|it| it.nonce == request.response_nonce)?;
        let subscription = self.subscriptions.get_mut(&resource_type)?;
        if let Some(error) = request.error_detail {
            subscription.refuses(&change, alone);
            let resources = change.outcome().map(|(name, _)| name.to_string()).collect();
            return Some(Event::Refused { resource_type, resources, revision, detail: error.message });
        }
        subscription.acknowledged(&change);
        if resource_type.is_taken_whole() && !change.is_empty() {
            let later = self.subscriptions.range_mut(resource_type..).skip(1);
            later.for_each(|(_, subscription)| subscription.reconsider());
        }
        None
    }

    /// What is to be done next; to be asked until there is nothing.
    pub(super) fn step(&mut self) -> Step {
        if self.outstanding.is_some() || self.view.revision() == 0 {
            return Step::Wait;
        }
        let mut removal = None;
        let mut held = false;
        for (&resource_type, subscription) in &mut self.subscriptions {
            let pending = subscription.pending(&self.view);
            if subscription.is_unanswered() || !pending.change.upserts.is_empty() {
                return self.send(resource_type, pending.change);
            }
            if pending.held && resource_type.is_taken_whole() {
                // What comes later may rest on what was refused: the client stays at its last good state.
                return Step::Wait;
            }
            held |= pending.held;
            if !pending.change.removals.is_empty() {
                removal = Some((resource_type, pending.change));
            }
        }
        // Of several, the last type: what others rest on goes after them.
        match removal {
            Some((resource_type, change)) => self.send(resource_type, change),
            None => self.tell(held),
        }
    }

    fn send(&mut self, resource_type: ResourceType, change: Change) -> Step {
        self.nonces += 1;
        let (nonce, revision) = (self.nonces.to_string(), self.view.revision());
        if let Some(subscription) = self.subscriptions.get_mut(&resource_type) {
            subscription.answered();
        }
        let response = change.response(resource_type, revision, &nonce);
        let alone = change.len() <= 1;
        self.outstanding = Some(Outstanding { resource_type, nonce, revision, change, alone });
        Step::Send(response)
    }

    /// The client has all there is to have, but for what it refused.
    fn tell(&mut self, held: bool) -> Step {
        // A client subscribes to one type after the other; before this one there is nothing worth telling.
        let enforced = match self.profile.kind {
            ClientKind::Node | ClientKind::Proxy => ResourceType::Endpoint,
            ClientKind::Envoy => ResourceType::ExtensionConfig,
        };
        if !self.subscriptions.contains_key(&enforced) {
            return Step::Wait;
        }
        let revision = self.view.revision();
        let event = match held {
            false => Event::Acked { revision },
            true => {
                let refused = self.subscriptions.values().flat_map(Subscription::refused).collect();
                Event::AckedExcept { revision, refused }
            }
        };
        if self.told.as_ref() == Some(&event) {
            return Step::Wait;
        }
        self.told = Some(event.clone());
        Step::Tell(event)
    }
}

#[cfg(test)]
mod tests;
