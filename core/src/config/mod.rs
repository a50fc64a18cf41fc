//! Settings: a schema that describes them once, and values that know where they came from.
//!
//! Text becomes a [`Node`] tree ([`read_toml`]), trees are laid over each other ([`Node::merge`]), and
//! [`Schema::validate`] turns the result into plain values, or says everything that is wrong with it.

mod build;
mod convert;
mod environment;
mod json_schema;
mod kind;
mod node;
mod origin;
mod problem;
mod read;
mod render;
mod schema;
mod secret;
pub mod units;
mod validate;

#[cfg(test)]
mod tests;

pub use convert::without_password;
pub use environment::Environment;
pub use kind::nearest;
pub use node::{Content, Node};
pub use origin::Origin;
pub use problem::{Problem, Severity};
pub use read::read_toml;
pub use render::{markdown, toml_text, value_text};
pub use schema::{Field, FieldKind, Schema};
