//! How packets that are for the proxy reach it: the kernel's routing rules, as a plan and a thin layer that applies it.
//!
//! The programs on the endpoints' devices only put a mark on such packets. A rule sends what bears the mark to a table of
//! its own, whose one route delivers it on this machine, whatever its destination; there a socket lookup program finds
//! the proxy's listener. No sysctl is changed. Note that `src_valid_mark=1` together with `rp_filter=1`, where somebody
//! has set both, makes the kernel drop the marked packets.
//!
//! ```text
//! ip rule  add priority 100 fwmark 0x200/0xf00 lookup 2004
//! ip route add local default dev lo table 2004
//! ```
//!
//! Without rule or route, marked packets would go on to their destinations. The programs on the way out drop what still
//! bears the mark, so that whoever takes this away cuts steered connections but opens nothing.

mod apply;
mod inspect;
mod kernel;
mod plan;

pub use apply::{apply, remove};
pub use inspect::{Inspection, Presence, inspect};
pub use kernel::SteerError;
pub use plan::{Family, Plan, Route, Rule};
