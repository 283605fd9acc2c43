//! What maps look like: those that are pinned already are only taken over if they fit.

use std::path::Path;

use aya::maps::{MapInfo, MapType};
use aya::util::KernelVersion;
use postern_node_abi::{
    Address, BackendKey, Config, Counter, CtKey, CtValue, Endpoint, FragmentKey, FragmentValue, PolicyKey,
    PolicyValue, ServiceKey, ServiceValue, SteeredKey, Translated, TranslationKey,
};

use super::Sizes;
use super::error::{DatapathError, system_error};
use super::folder::Folder;

/// The first kernel with tcx.
pub(super) const OLDEST: &str = "6.6";

/// The length of a prefix, in front of the data of a key.
const PREFIX: usize = size_of::<u32>();

struct Layout {
    name: &'static str,
    kind: MapType,
    key: usize,
    value: usize,
}

const fn layout(name: &'static str, kind: MapType, key: usize, value: usize) -> Layout {
    Layout { name, kind, key, value }
}

/// The pinned maps, in the types of the crate that both sides share.
const MAPS: [Layout; 16] = [
    layout("ENDPOINTS", MapType::Hash, size_of::<u32>(), size_of::<Endpoint>()),
    layout("LOCAL", MapType::Hash, size_of::<Address>(), size_of::<u32>()),
    layout("IDENTITIES_V4", MapType::LpmTrie, PREFIX + size_of::<[u8; 4]>(), size_of::<u32>()),
    layout("IDENTITIES_V6", MapType::LpmTrie, PREFIX + size_of::<Address>(), size_of::<u32>()),
    layout("POLICY", MapType::LpmTrie, PREFIX + size_of::<PolicyKey>(), size_of::<PolicyValue>()),
    layout("CONFIG", MapType::Array, size_of::<u32>(), size_of::<Config>()),
    layout("CONNTRACK", MapType::LruHash, size_of::<CtKey>(), size_of::<CtValue>()),
    layout("FRAGMENTS", MapType::LruHash, size_of::<FragmentKey>(), size_of::<FragmentValue>()),
    layout("STEERED", MapType::LruHash, size_of::<SteeredKey>(), size_of::<u32>()),
    layout("SERVICES", MapType::Hash, size_of::<ServiceKey>(), size_of::<ServiceValue>()),
    layout("BACKENDS", MapType::Hash, size_of::<BackendKey>(), size_of::<Translated>()),
    layout("TO_BACKEND", MapType::LruHash, size_of::<TranslationKey>(), size_of::<Translated>()),
    layout("TO_SERVICE", MapType::LruHash, size_of::<TranslationKey>(), size_of::<Translated>()),
    layout("LISTENERS", MapType::SockMap, size_of::<u32>(), size_of::<u32>()),
    layout("COUNTERS", MapType::PerCpuArray, size_of::<u32>(), size_of::<Counter>()),
    layout("EVENTS", MapType::RingBuf, 0, 0),
];

/// How many entries each map is made for, or has if it is pinned. A pinned map that does not fit is an
/// error.
pub(super) fn entries(folder: &Folder, sizes: Sizes) -> Result<Vec<(&'static str, u32)>, DatapathError> {
    let mut entries = vec![
        ("POLICY", sizes.policy),
        ("IDENTITIES_V4", sizes.identities),
        ("IDENTITIES_V6", sizes.identities),
        ("CONNTRACK", sizes.flows),
        ("TO_BACKEND", sizes.flows),
        ("TO_SERVICE", sizes.flows),
    ];
    for layout in &MAPS {
        let path = folder.maps().join(layout.name);
        if !path.exists() {
            continue;
        }
        let found = layout.check(&path, folder.root())?;
        entries.retain(|(name, _)| *name != layout.name);
        entries.push((layout.name, found));
    }
    Ok(entries)
}

impl Layout {
    fn check(&self, path: &Path, root: &Path) -> Result<u32, DatapathError> {
        let expected = describe(Some(self.kind), self.key, self.value);
        let error = |found: String| DatapathError::Layout {
            map: self.name,
            differs: format!("{found}, expected {expected}"),
            root: root.to_owned(),
        };
        let info = MapInfo::from_pin(path).map_err(|why| match system_error(&why) {
            Some(libc::EPERM | libc::EACCES) => DatapathError::permission(),
            _ => error(why.to_string()),
        })?;
        let (key, value) = (info.key_size() as usize, info.value_size() as usize);
        let kind = info.map_type().ok();
        if kind == Some(self.kind) && (key, value) == (self.key, self.value) {
            return Ok(info.max_entries());
        }
        Err(error(describe(kind, key, value)))
    }
}

fn describe(kind: Option<MapType>, key: usize, value: usize) -> String {
    match kind {
        Some(kind) => format!("{kind:?}, key of {key} bytes, value of {value}"),
        None => format!("a map of an unknown type, key of {key} bytes, value of {value}"),
    }
}

/// Refuses kernels without tcx.
pub(super) fn kernel_is_new_enough() -> Result<(), DatapathError> {
    match KernelVersion::current() {
        Ok(version) if version >= KernelVersion::new(6, 6, 0) => Ok(()),
        Ok(version) => {
            let [_, major, minor, _] = version.code().to_be_bytes();
            Err(DatapathError::Kernel { found: format!("{major}.{minor}") })
        }
        Err(error) => Err(DatapathError::Kernel { found: format!("of an unreadable version ({error})") }),
    }
}
