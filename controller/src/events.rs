//! Kubernetes Events on what was refused: by the controller, or by a node.
//!
//! An event's name follows from what it says, so the API server itself sees to it that nothing is said twice: not by
//! a second controller, and not by a first one that starts again.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use kube::api::PostParams;
use kube::{Api, Client};
use tokio::sync::{mpsc, watch};

use crate::config::NAME;
use crate::lease::Role;
use crate::metrics::Writes;
use crate::status::changed;

/// How many wait in the queue; more are only logged.
const QUEUE: usize = 256;
/// Of how many objects a notice waits until this controller leads and the API server answers.
const WAITING: usize = 1024;
/// Kubernetes takes no longer note.
const LONGEST_NOTE: usize = 1024;
const WITHIN: Duration = Duration::from_secs(10);
const RETRY: Duration = Duration::from_secs(5);

/// Something people should see beside an object.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Notice {
    about: ObjectReference,
    reason: &'static str,
    action: &'static str,
    note: String,
}

impl Notice {
    /// An object that cannot be used.
    pub(crate) fn refused(about: ObjectReference, note: &str) -> Self {
        Self { about, reason: "Refused", action: "Compile", note: shortened(note) }
    }

    /// Something that a node does not take.
    pub(crate) fn refused_by_node(about: ObjectReference, note: &str) -> Self {
        Self { about, reason: "RefusedByNode", action: "Distribute", note: shortened(note) }
    }

    /// Of notices with the same key, the last one counts.
    fn key(&self) -> Key {
        let text = |field: &Option<String>| field.clone().unwrap_or_default();
        (text(&self.about.kind), text(&self.about.namespace), text(&self.about.name), self.reason)
    }

    fn event(&self, instance: &str) -> Event {
        let mut hasher = DefaultHasher::new();
        (self.key(), &self.about.uid, &self.note).hash(&mut hasher);
        let about = self.about.name.as_deref().unwrap_or(NAME);
        // An object's name may be as long as an event's own.
        let about: String = about.chars().take(200).collect();
        Event {
            metadata: ObjectMeta {
                name: Some(format!("{}.{:016x}", about.trim_end_matches('.'), hasher.finish())),
                namespace: Some(self.namespace()),
                ..ObjectMeta::default()
            },
            event_time: Some(MicroTime(Timestamp::now())),
            type_: Some("Warning".to_owned()),
            reason: Some(self.reason.to_owned()),
            action: Some(self.action.to_owned()),
            note: Some(self.note.clone()),
            regarding: Some(self.about.clone()),
            reporting_controller: Some(format!("postern.dev/{NAME}")),
            reporting_instance: Some(instance.chars().take(128).collect()),
            ..Event::default()
        }
    }

    /// Events on what is in no namespace belong into `default`.
    fn namespace(&self) -> String {
        let namespace = self.about.namespace.as_deref().filter(|namespace| !namespace.is_empty());
        namespace.unwrap_or("default").to_owned()
    }
}

type Key = (String, String, String, &'static str);

fn shortened(note: &str) -> String {
    let ends = note.char_indices().map(|(at, c)| at + c.len_utf8());
    let limit = LONGEST_NOTE - '…'.len_utf8();
    match ends.take_while(|end| *end <= limit).last().and_then(|end| note.get(..end)) {
        Some(start) if note.len() > LONGEST_NOTE => format!("{start}…"),
        _ => note.to_owned(),
    }
}

/// Takes notices. Clones feed the same queue.
#[derive(Debug, Clone)]
pub(crate) struct Events {
    queue: mpsc::Sender<Notice>,
    metrics: Writes,
}

impl Events {
    /// Never waits: an event is a courtesy, and what it says is in the log as well.
    pub(crate) fn send(&self, notice: Notice) {
        let Notice { about, reason, note, .. } = &notice;
        tracing::warn!(kind = about.kind, namespace = about.namespace, name = about.name, reason, "{note}");
        if self.queue.try_send(notice).is_err() {
            self.metrics.failed.inc();
        }
    }
}

/// Writes notices to the API server while this controller leads.
pub(crate) struct EventWriter {
    client: Client,
    instance: String,
    queue: mpsc::Receiver<Notice>,
    role: watch::Receiver<Role>,
    metrics: Writes,
    waiting: BTreeMap<Key, Notice>,
}

impl EventWriter {
    pub(crate) fn new(
        client: Client,
        instance: String,
        role: watch::Receiver<Role>,
        metrics: Writes,
    ) -> (Events, Self) {
        let (sender, queue) = mpsc::channel(QUEUE);
        let events = Events { queue: sender, metrics: metrics.clone() };
        (events, Self { client, instance, queue, role, metrics, waiting: BTreeMap::new() })
    }

    pub(crate) async fn run(mut self) -> Infallible {
        loop {
            while self.role.borrow_and_update().leader {
                let Some((key, notice)) = self.waiting.pop_first() else { break };
                if !self.write(&notice).await {
                    self.waiting.entry(key).or_insert(notice);
                    break;
                }
            }
            let retry = async {
                if self.waiting.is_empty() || !self.role.borrow().leader {
                    std::future::pending::<()>().await;
                }
                tokio::time::sleep(RETRY).await;
            };
            let mut role = self.role.clone();
            tokio::select! {
                notice = self.queue.recv() => match notice {
                    Some(notice) => self.keep(notice),
                    None => std::future::pending().await,
                },
                () = changed(&mut role) => {}
                () = retry => {}
            }
        }
    }

    fn keep(&mut self, notice: Notice) {
        let key = notice.key();
        if self.waiting.len() < WAITING || self.waiting.contains_key(&key) {
            self.waiting.insert(key, notice);
        } else {
            self.metrics.failed.inc();
        }
    }

    /// Whether it is done with.
    async fn write(&self, notice: &Notice) -> bool {
        let api: Api<Event> = Api::namespaced(self.client.clone(), &notice.namespace());
        let event = notice.event(&self.instance);
        let problem = match tokio::time::timeout(WITHIN, api.create(&PostParams::default(), &event)).await {
            Ok(Ok(_)) => {
                self.metrics.done.inc();
                return true;
            }
            Ok(Err(kube::Error::Api(status))) if status.is_already_exists() => return true,
            Ok(Err(error)) => {
                self.metrics.failed.inc();
                tracing::warn!(%error, "an event could not be written");
                // What the API server refuses once it refuses again, and the next one may be better.
                return matches!(error, kube::Error::Api(_));
            }
            Err(_) => format!("no answer within {WITHIN:?}"),
        };
        self.metrics.failed.inc();
        tracing::warn!(problem, "an event could not be written and is tried again");
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_cut_between_characters() {
        assert_eq!(shortened("short"), "short");
        let long = shortened(&"é".repeat(2000));
        assert!(long.len() <= LONGEST_NOTE && long.ends_with("é…"));
    }

    #[test]
    fn the_same_words_make_the_same_event() {
        let about = ObjectReference { name: Some("p".to_owned()), ..ObjectReference::default() };
        let name = |note: &str| Notice::refused(about.clone(), note).event("c").metadata.name;
        assert_eq!(name("a"), name("a"));
        assert_ne!(name("a"), name("b"));
    }
}
