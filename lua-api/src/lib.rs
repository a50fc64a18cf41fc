//! What a Lua system plugin can see and do.

pub mod api;
pub mod data;
pub mod handle;
pub mod host;

mod args;
mod fetch;
mod files;
mod meter;
mod pattern;
mod setting;
