//! What a Lua system plugin can see and do.

pub mod api;
pub mod host;
