//! How many streams each node has open.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tonic::Status;

#[derive(Debug, Default)]
pub(super) struct Streams {
    open: Mutex<HashMap<String, usize>>,
}

/// A stream's place; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    streams: Arc<Streams>,
    node: String,
}

impl Streams {
    pub(super) fn enter(self: &Arc<Self>, node: &str, limit: usize) -> Result<Place, Status> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(node.to_owned()).or_default();
        if *count >= limit {
            return Err(Status::resource_exhausted(format!(
                "node {node:?} has {limit} streams open: close one before another is opened"
            )));
        }
        *count += 1;
        Ok(Place { streams: Arc::clone(self), node: node.to_owned() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.streams.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.node) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.node);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_free_again_when_the_stream_ends() {
        let streams = Arc::new(Streams::default());
        let first = streams.enter("node1", 1).unwrap();
        assert_eq!(streams.enter("node1", 1).unwrap_err().code(), tonic::Code::ResourceExhausted);
        let _other = streams.enter("node2", 1).unwrap();
        drop(first);
        streams.enter("node1", 1).unwrap();
    }
}
