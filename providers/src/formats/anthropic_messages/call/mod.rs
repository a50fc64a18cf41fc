//! Requests of Anthropic Messages, both ways.

mod blocks;
mod messages;
mod models;
mod plan;
mod read;
mod schema;
mod tools;
mod write;

pub(in crate::formats) use read::read;
pub(in crate::formats) use write::write;
