//! Counters by reason.

use postern_node_abi::Reason;

use super::Datapath;
use super::error::DatapathError;

/// How often a program came to an end for a reason, since the maps were made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    /// The reason; [`Reason::FORWARDED`] for what passed.
    pub reason: Reason,
    /// Packets, once for each program they went through.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Datapath {
    /// All counters, summed over the processors.
    pub fn counters(&self) -> Result<Vec<Counted>, DatapathError> {
        let counted = |reason: &Reason| {
            let values = self.maps.counters.get(&u32::from(reason.0), 0);
            let values = values.map_err(DatapathError::map("COUNTERS"))?;
            let packets = values.iter().map(|counter| counter.packets).sum();
            let bytes = values.iter().map(|counter| counter.bytes).sum();
            Ok(Counted { reason: *reason, packets, bytes })
        };
        Reason::ALL.iter().map(counted).collect()
    }
}
