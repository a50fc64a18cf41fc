//! Requests of Chat Completions, both ways.

mod content;
mod messages;
mod read;
mod tools;
mod write;

pub(in crate::formats) use read::read;
pub(in crate::formats) use write::write;
