//! Data that the VMs of one module share by key.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::abi::Status;

/// What all keys and values together may take.
const MAX_BYTES: usize = 16 << 20;

#[derive(Debug, Default)]
pub(crate) struct SharedData {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    entries: HashMap<Vec<u8>, Entry>,
    bytes: usize,
}

#[derive(Debug)]
struct Entry {
    value: Vec<u8>,
    /// Counts the writes, from 1: a guest's 0 means "whatever is there".
    version: u32,
}

impl SharedData {
    /// Appends the value and tells its version.
    pub(crate) fn get(&self, key: &[u8], out: &mut Vec<u8>) -> Option<u32> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = inner.entries.get(key)?;
        out.extend_from_slice(&entry.value);
        Some(entry.version)
    }

    /// Writes a value, if `version` is 0 or still the current one.
    pub(crate) fn set(&self, key: &[u8], value: &[u8], version: u32) -> Result<(), Status> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let (current, old) = match inner.entries.get(key) {
            Some(entry) => (entry.version, key.len() + entry.value.len()),
            None => (0, 0),
        };
        if version != 0 && version != current {
            return Err(Status::CasMismatch);
        }
        let bytes = inner.bytes - old + key.len() + value.len();
        if bytes > MAX_BYTES {
            return Err(Status::InternalFailure);
        }
        inner.bytes = bytes;
        let entry = Entry { value: value.to_vec(), version: current.wrapping_add(1).max(1) };
        inner.entries.insert(key.to_vec(), entry);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_version_is_refused_and_the_total_is_bounded() {
        let data = SharedData::default();
        assert_eq!(data.get(b"k", &mut Vec::new()), None);
        assert_eq!(data.set(b"k", b"1", 0), Ok(()));
        assert_eq!(data.set(b"k", b"2", 1), Ok(()));
        assert_eq!(data.set(b"k", b"3", 1), Err(Status::CasMismatch));
        let mut value = Vec::new();
        assert_eq!((data.get(b"k", &mut value), value.as_slice()), (Some(2), &b"2"[..]));
        assert_eq!(data.set(b"big", &vec![0; MAX_BYTES], 0), Err(Status::InternalFailure));
    }
}
