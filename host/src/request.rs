//! A request on its way from the client's words to the upstream's.

mod fields;
mod guest;
mod target;

pub(crate) use fields::{append_forwarded_for, join_cookies, strip_hops, wants_trailers};
pub(crate) use guest::{read_back, show};
pub(crate) use target::Target;
