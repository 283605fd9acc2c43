//! The conversion webhook: `cilium.io/v1` and `cilium.io/v2` into each other, over HTTPS.

mod review;
mod serve;

pub use review::answer;
pub use serve::{MAX_BODY, serve};
