//! What the agent does with the kernel: loads the programs, attaches them, writes the maps.
//!
//! Everything that has to outlive the agent is pinned below one folder of a BPF file system,
//! `<root>/v<ABI>/{maps,links}`: when the agent ends, however it ends, enforcement goes on with what was
//! written last, and the next agent takes over what it finds.

use std::collections::BTreeMap;
use std::path::Path;

use aya::programs::SchedClassifier;
use aya::{Ebpf, EbpfLoader};
use ipnet::IpNet;
use postern_node_abi::{ABI_VERSION, Config, ServiceKey};

mod cleanup;
mod counters;
mod device;
mod endpoints;
mod error;
mod events;
mod folder;
mod hook;
mod identities;
mod layout;
mod links;
mod listener;
mod maps;
mod services;
mod status;
mod table;

pub use cleanup::cleanup;
pub use counters::Counted;
pub use endpoints::{Applied, EndpointState};
pub use error::DatapathError;
pub use events::{Events, FlowEvent, FlowVerdict};
pub use hook::Hook;
pub use listener::register_listener;
pub use postern_node_abi::Reason;
pub use services::Service;
pub use status::{EndpointStatus, Status};

use endpoints::Known;
use folder::Folder;
use maps::Maps;
use services::Backends;

/// The kernel programs, as they come out of the build script.
static PROGRAMS: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/postern-node-ebpf"));

/// How many entries maps are made for; maps that are there already keep their size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// Entries of all endpoints' policies together.
    pub policy: u32,
    /// Prefixes of either family.
    pub identities: u32,
    /// Flows.
    pub flows: u32,
}

impl Default for Sizes {
    fn default() -> Self {
        Self { policy: 262_144, identities: 262_144, flows: 131_072 }
    }
}

/// The datapath of one node. Dropping it leaves everything in force.
#[derive(Debug)]
pub struct Datapath {
    folder: Folder,
    programs: Ebpf,
    maps: Maps,
    endpoints: BTreeMap<u32, Known>,
    identities: BTreeMap<IpNet, u32>,
    services: BTreeMap<ServiceKey, Backends>,
    events: Option<aya::maps::MapData>,
}

impl Datapath {
    /// Loads the programs and takes over what is pinned below `root`, a folder in a BPF file system such
    /// as `/sys/fs/bpf/postern`. Programs that are attached already are replaced in place.
    pub fn open(root: &Path) -> Result<Self, DatapathError> {
        Self::open_sized(root, Sizes::default())
    }

    /// [`open`](Self::open), with maps of other sizes.
    pub fn open_sized(root: &Path, sizes: Sizes) -> Result<Self, DatapathError> {
        layout::kernel_is_new_enough()?;
        let folder = Folder::create(root)?;
        let mut loader = EbpfLoader::new();
        loader.default_map_pin_directory(folder.maps());
        for (map, entries) in layout::entries(&folder, sizes)? {
            loader.map_max_entries(map, entries);
        }
        let mut programs = loader.load(PROGRAMS).map_err(DatapathError::load)?;
        let events = maps::take_events(&mut programs)?;
        let maps = Maps::take(&mut programs)?;
        let mut datapath = Self {
            folder,
            programs,
            maps,
            endpoints: BTreeMap::new(),
            identities: BTreeMap::new(),
            services: BTreeMap::new(),
            events: Some(events),
        };
        datapath.adopt_config()?;
        datapath.adopt_endpoints()?;
        datapath.adopt_identities()?;
        datapath.adopt_services()?;
        datapath.load_programs()?;
        datapath.adopt_links()?;
        Ok(datapath)
    }

    /// A program, for measuring it and for running it on made-up packets.
    pub fn program(&self, hook: Hook) -> Option<&SchedClassifier> {
        self.programs.program(hook.program()).and_then(|program| program.try_into().ok())
    }

    fn adopt_config(&mut self) -> Result<(), DatapathError> {
        let config = self.config()?;
        if config.abi == ABI_VERSION {
            return Ok(());
        }
        if config.abi != 0 {
            return Err(DatapathError::Version { found: config.abi, root: self.folder.root().to_owned() });
        }
        let first = Config { abi: ABI_VERSION, identity_version: 1, next_number: 1, services: 0 };
        self.set_config(first)
    }

    fn config(&self) -> Result<Config, DatapathError> {
        self.maps.config.get(&0, 0).map_err(DatapathError::map("CONFIG"))
    }

    fn set_config(&mut self, config: Config) -> Result<(), DatapathError> {
        self.maps.config.set(0, config, 0).map_err(DatapathError::map("CONFIG"))
    }

    fn load_programs(&mut self) -> Result<(), DatapathError> {
        for hook in Hook::ALL {
            let Some(program) = self.programs.program_mut(hook.program()) else {
                return Err(DatapathError::Missing { what: hook.program() });
            };
            let loaded = match program {
                aya::programs::Program::SchedClassifier(program) => program.load(),
                aya::programs::Program::SkLookup(program) => program.load(),
                _ => return Err(DatapathError::Missing { what: hook.program() }),
            };
            loaded.map_err(|error| DatapathError::load(error.into()))?;
        }
        Ok(())
    }
}
