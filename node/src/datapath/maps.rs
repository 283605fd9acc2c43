//! The maps that the agent reads and writes.

use aya::Ebpf;
use aya::maps::{Array, HashMap, LpmTrie, Map, MapData, MapError, PerCpuArray};
use postern_node_abi::{
    Address, BackendKey, Config, Counter, Endpoint, PolicyKey, PolicyValue, ServiceKey, ServiceValue,
    Translated,
};

use super::error::DatapathError;

pub(super) struct Maps {
    pub(super) endpoints: HashMap<MapData, u32, Endpoint>,
    pub(super) local: HashMap<MapData, Address, u32>,
    pub(super) identities_v4: LpmTrie<MapData, [u8; 4], u32>,
    pub(super) identities_v6: LpmTrie<MapData, Address, u32>,
    pub(super) policy: LpmTrie<MapData, PolicyKey, PolicyValue>,
    pub(super) services: HashMap<MapData, ServiceKey, ServiceValue>,
    pub(super) backends: HashMap<MapData, BackendKey, Translated>,
    pub(super) config: Array<MapData, Config>,
    pub(super) counters: PerCpuArray<MapData, Counter>,
}

impl Maps {
    pub(super) fn take(programs: &mut Ebpf) -> Result<Self, DatapathError> {
        Ok(Self {
            endpoints: take(programs, "ENDPOINTS")?,
            local: take(programs, "LOCAL")?,
            identities_v4: take(programs, "IDENTITIES_V4")?,
            identities_v6: take(programs, "IDENTITIES_V6")?,
            policy: take(programs, "POLICY")?,
            services: take(programs, "SERVICES")?,
            backends: take(programs, "BACKENDS")?,
            config: take(programs, "CONFIG")?,
            counters: take(programs, "COUNTERS")?,
        })
    }
}

fn take<M: TryFrom<Map, Error = MapError>>(
    programs: &mut Ebpf,
    name: &'static str,
) -> Result<M, DatapathError> {
    let map = programs.take_map(name).ok_or(DatapathError::Missing { what: name })?;
    M::try_from(map).map_err(DatapathError::map(name))
}

impl std::fmt::Debug for Maps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Maps").finish_non_exhaustive()
    }
}

/// The ring of events, still unread.
pub(super) fn take_events(programs: &mut Ebpf) -> Result<MapData, DatapathError> {
    match programs.take_map("EVENTS") {
        Some(Map::RingBuf(data)) => Ok(data),
        _ => Err(DatapathError::Missing { what: "EVENTS" }),
    }
}
