//! Requests of Responses, both ways.

mod content;
mod input;
mod read;
mod tools;
mod write;

pub(in crate::formats) use read::read;
pub(in crate::formats) use write::write;
