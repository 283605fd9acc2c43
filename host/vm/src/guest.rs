//! The only way into a guest's memory: every access is checked, a bad pointer is a status.

use std::sync::Arc;

use wasmtime::Caller;

use crate::abi::Status;
use crate::host::{Door, Host};

/// Why an import does not answer [`Status::Ok`].
pub(crate) enum Refusal {
    /// The guest is told.
    Status(Status),
    /// The guest is stopped.
    Stop(wasmtime::Error),
}

impl From<Status> for Refusal {
    fn from(status: Status) -> Self {
        Self::Status(status)
    }
}

impl From<wasmtime::Error> for Refusal {
    fn from(error: wasmtime::Error) -> Self {
        Self::Stop(error)
    }
}

pub(crate) type Answer<T = ()> = Result<T, Refusal>;

/// Bytes that the guest points at.
#[derive(Clone, Copy)]
pub(crate) struct Span {
    pub(crate) at: u32,
    pub(crate) len: u32,
}

/// Where the guest wants the address and the size of a reply.
#[derive(Clone, Copy)]
pub(crate) struct Slot {
    pub(crate) at: u32,
    pub(crate) size: u32,
}

/// A guest in the middle of a host call.
pub(crate) struct Guest<'a>(pub(crate) Caller<'a, Host>);

impl Guest<'_> {
    pub(crate) fn host(&mut self) -> &mut Host {
        self.0.data_mut()
    }

    /// The guest's bytes, and the host beside them.
    pub(crate) fn read(&mut self, span: Span) -> Answer<(&[u8], &mut Host)> {
        let memory = self.door()?.memory;
        let (bytes, host) = memory.data_and_store_mut(&mut self.0);
        Ok((slice(bytes, span)?, host))
    }

    /// Two spans of the guest's bytes, and the host beside them.
    pub(crate) fn read_two(&mut self, a: Span, b: Span) -> Answer<(&[u8], &[u8], &mut Host)> {
        let memory = self.door()?.memory;
        let (bytes, host) = memory.data_and_store_mut(&mut self.0);
        let bytes = &*bytes;
        Ok((slice(bytes, a)?, slice(bytes, b)?, host))
    }

    /// The whole memory, for imports with pointers to pointers.
    pub(crate) fn memory(&mut self) -> Answer<(&mut [u8], &mut Host)> {
        let memory = self.door()?.memory;
        Ok(memory.data_and_store_mut(&mut self.0))
    }

    pub(crate) fn write(&mut self, at: u32, value: &[u8]) -> Answer {
        let (memory, _) = self.memory()?;
        Ok(put(memory, at, value)?)
    }

    /// Puts a reply together and hands it over in memory that the guest allocates. An empty one is the null pointer.
    pub(crate) fn reply(
        &mut self,
        slot: Slot,
        fill: impl FnOnce(&mut Host, &mut Vec<u8>) -> Answer,
    ) -> Answer {
        self.reply_to(Span { at: 0, len: 0 }, slot, |host, _, reply| fill(host, reply))
    }

    /// The same, about what the guest points at.
    pub(crate) fn reply_to(
        &mut self,
        question: Span,
        slot: Slot,
        fill: impl FnOnce(&mut Host, &[u8], &mut Vec<u8>) -> Answer,
    ) -> Answer {
        let mut scratch = std::mem::take(&mut self.host().scratch);
        scratch.clear();
        let filled = self.read(question).and_then(|(question, host)| fill(host, question, &mut scratch));
        let answer = filled.and_then(|()| self.hand_over(slot, &scratch));
        self.host().scratch = scratch;
        answer
    }

    fn hand_over(&mut self, slot: Slot, bytes: &[u8]) -> Answer {
        let size = u32::try_from(bytes.len()).map_err(|_| Status::InternalFailure)?;
        // Before anything is allocated that a bad slot would leak.
        let (memory, host) = self.memory()?;
        for place in [slot.size, slot.at] {
            put(memory, place, &[0; 4])?;
        }
        if size == 0 {
            return Ok(());
        }
        let allocate = host.door.as_ref().map(|door| Arc::clone(&door.allocate));
        let at = allocate.ok_or(Status::InternalFailure)?.call(&mut self.0, size)?;
        if at == 0 {
            return Err(Status::InternalFailure.into());
        }
        let (memory, _) = self.memory()?;
        for (place, value) in [(at, bytes), (slot.size, &size.to_le_bytes()), (slot.at, &at.to_le_bytes())] {
            put(memory, place, value)?;
        }
        Ok(())
    }

    fn door(&self) -> Result<&Door, Status> {
        // A start function runs before the instance is complete.
        self.0.data().door.as_ref().ok_or(Status::InternalFailure)
    }
}

fn put(memory: &mut [u8], at: u32, value: &[u8]) -> Result<(), Status> {
    let start = at as usize;
    let place = start.checked_add(value.len()).and_then(|end| memory.get_mut(start..end));
    place.ok_or(Status::InvalidMemoryAccess)?.copy_from_slice(value);
    Ok(())
}

pub(crate) fn slice(memory: &[u8], span: Span) -> Result<&[u8], Status> {
    let start = span.at as usize;
    let end = start.checked_add(span.len as usize).ok_or(Status::InvalidMemoryAccess)?;
    memory.get(start..end).ok_or(Status::InvalidMemoryAccess)
}
