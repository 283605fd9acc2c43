//! The whole proxy on real sockets, with small guests.

mod closed;
mod configuration;
mod forwarding;
mod lifetime;
mod updates;
mod world;
