//! Settings: a schema that describes them once, and values that know where they came from.

mod schema;

pub use schema::{Field, FieldKind, Schema};
