//! The maps. All are pinned, so that they outlive the agent, except the scratch space.

use aya_ebpf::bindings::BPF_F_NO_PREALLOC;
use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, HashMap, LpmTrie, LruHashMap, PerCpuArray, RingBuf, SockMap};
use postern_node_abi::{
    Address, BackendKey, Config, Counter, CtKey, CtValue, Endpoint, FragmentKey, FragmentValue, PolicyKey,
    PolicyValue, Reason, ServiceKey, ServiceValue, SteeredKey, Translated, TranslationKey, listener,
};

use crate::packet::Scratch;

/// Device to endpoint.
#[map]
pub(crate) static ENDPOINTS: HashMap<u32, Endpoint> = HashMap::pinned(4096, 0);
/// Address to the device of the endpoint that has it.
#[map]
pub(crate) static LOCAL: HashMap<Address, u32> = HashMap::pinned(8192, 0);
/// IPv4 prefix to identity.
#[map]
pub(crate) static IDENTITIES_V4: LpmTrie<[u8; 4], u32> = LpmTrie::pinned(262_144, BPF_F_NO_PREALLOC);
/// IPv6 prefix to identity.
#[map]
pub(crate) static IDENTITIES_V6: LpmTrie<Address, u32> = LpmTrie::pinned(262_144, BPF_F_NO_PREALLOC);
/// Policy, identity, direction, protocol, port to verdict.
#[map]
pub(crate) static POLICY: LpmTrie<PolicyKey, PolicyValue> = LpmTrie::pinned(262_144, BPF_F_NO_PREALLOC);
/// The settings.
#[map]
pub(crate) static CONFIG: Array<Config> = Array::pinned(1, 0);
/// Flows.
#[map]
pub(crate) static CONNTRACK: LruHashMap<CtKey, CtValue> = LruHashMap::pinned(131_072, 0);
/// Datagrams in pieces.
#[map]
pub(crate) static FRAGMENTS: LruHashMap<FragmentKey, FragmentValue> = LruHashMap::pinned(8192, 0);
/// Connections that were handed to the proxy.
#[map]
pub(crate) static STEERED: LruHashMap<SteeredKey, u32> = LruHashMap::pinned(65_536, 0);
/// Services.
#[map]
pub(crate) static SERVICES: HashMap<ServiceKey, ServiceValue> = HashMap::pinned(16_384, 0);
/// Their backends.
#[map]
pub(crate) static BACKENDS: HashMap<BackendKey, Translated> = HashMap::pinned(65_536, BPF_F_NO_PREALLOC);
/// The backend that a client's flow to a service goes to.
#[map]
pub(crate) static TO_BACKEND: LruHashMap<TranslationKey, Translated> = LruHashMap::pinned(65_536, 0);
/// The service that a backend's flow to a client comes from.
#[map]
pub(crate) static TO_SERVICE: LruHashMap<TranslationKey, Translated> = LruHashMap::pinned(65_536, 0);
/// The proxy's listening sockets.
#[map]
pub(crate) static LISTENERS: SockMap = SockMap::pinned(listener::COUNT, 0);
/// Counters by reason.
#[map]
pub(crate) static COUNTERS: PerCpuArray<Counter> = PerCpuArray::pinned(Reason::ALL.len() as u32, 0);
/// Flow events.
#[map]
pub(crate) static EVENTS: RingBuf = RingBuf::pinned(1 << 20, 0);
/// What does not fit onto the stack.
#[map]
pub(crate) static SCRATCH: PerCpuArray<Scratch> = PerCpuArray::with_max_entries(1, 0);
