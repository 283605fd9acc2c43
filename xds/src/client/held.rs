//! What a client has of one type.

use std::collections::{BTreeMap, HashMap};

use envoy_types::pb::envoy::service::discovery::v3::{DeltaDiscoveryResponse, Resource};
use serde::de::DeserializeOwned;

use crate::resource::Named;

/// The resources of one type, by name.
#[derive(Debug)]
pub(super) struct Held<T> {
    resources: BTreeMap<String, Versioned<T>>,
    /// Whether anything has been said of this type yet, if only that there is nothing.
    answered: bool,
}

#[derive(Debug)]
struct Versioned<T> {
    version: String,
    value: T,
}

/// What a response has replaced.
#[derive(Debug)]
pub(super) struct Undo<T>(Vec<(String, Option<Versioned<T>>)>);

impl<T> Default for Held<T> {
    fn default() -> Self {
        Held { resources: BTreeMap::new(), answered: false }
    }
}

impl<T: Named + DeserializeOwned + Clone> Held<T> {
    pub(super) fn is_answered(&self) -> bool {
        self.answered
    }

    pub(super) fn values(&self) -> Vec<T> {
        self.resources.values().map(|it| it.value.clone()).collect()
    }

    pub(super) fn versions(&self) -> HashMap<String, String> {
        self.resources.iter().map(|(name, it)| (name.clone(), it.version.clone())).collect()
    }

    /// Takes all of a response, or nothing of it: then the error names the resource.
    pub(super) fn take(&mut self, response: DeltaDiscoveryResponse) -> Result<Undo<T>, String> {
        let decoded: Vec<_> = response.resources.into_iter().map(decode).collect::<Result<_, _>>()?;
        self.answered = true;
        let mut undo = Vec::new();
        for (name, resource) in decoded {
            let replaced = self.resources.insert(name.clone(), resource);
            undo.push((name, replaced));
        }
        for name in response.removed_resources {
            let removed = self.resources.remove(&name);
            undo.push((name, removed));
        }
        Ok(Undo(undo))
    }

    /// As it was before the response.
    pub(super) fn restore(&mut self, Undo(replaced): Undo<T>) {
        for (name, before) in replaced.into_iter().rev() {
            match before {
                Some(resource) => self.resources.insert(name, resource),
                None => self.resources.remove(&name),
            };
        }
    }
}

fn decode<T: Named + DeserializeOwned>(resource: Resource) -> Result<(String, Versioned<T>), String> {
    let Resource { name, version, resource: body, .. } = resource;
    let wrong = |what: String| format!("{} {name:?}: {what}", T::TYPE);
    let body = body.ok_or_else(|| wrong("it has no body".to_owned()))?;
    if body.type_url != T::TYPE.type_url() {
        return Err(wrong(format!(
            "expected a body of type {}, found {}",
            T::TYPE.type_url(),
            body.type_url
        )));
    }
    let value: T = serde_json::from_slice(&body.value).map_err(|error| wrong(error.to_string()))?;
    if value.resource_name() != name {
        return Err(wrong(format!("its body is of {:?}", value.resource_name())));
    }
    Ok((name, Versioned { version, value }))
}
