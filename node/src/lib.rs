//! The node agent: lowers policy into the kernel, steers HTTP to the proxy.
//!
//! [`agent`] brings the kernel to what a bundle says; [`datapath`] is the kernel's tables and programs, [`steer`] its
//! routing rules, [`devices`] its devices and routes; [`flows`] is what it reports; [`adopt`] takes a proxy's listeners.

pub mod adopt;
pub mod agent;
pub mod datapath;
pub mod devices;
pub mod flows;
pub mod steer;

/// The folder in bpffs where everything is pinned, unless another one is named.
pub const BPFFS_ROOT: &str = "/sys/fs/bpf/postern";
