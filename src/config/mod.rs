//! The configuration of a run: defaults < user file < project file < environment < command line.
//!
//! [`Inputs`] says what there is to read from, [`load`] lays it all over each other and returns a
//! [`Loaded`]: typed settings, every problem, and the origin of every value.

mod environment;
mod files;
mod layers;
mod renamed;
mod schema;
mod settings;
pub(crate) mod trust;

#[cfg(test)]
mod tests;

pub(crate) use files::{FileState, Folders};
pub(crate) use layers::{Inputs, LeftOut, Loaded, load};
pub(crate) use schema::schema;
pub(crate) use settings::{LogFormat, Logging, Lua, Settings};
