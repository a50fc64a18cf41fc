//! What a Lua system plugin can see and do.

pub mod api;
pub mod handle;
pub mod host;
