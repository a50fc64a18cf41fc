//! The plugin registry: which plugins run, in which order, and how a generation is built of them.

mod build;
mod entry;
mod need;
mod order;
#[cfg(test)]
mod tests;

pub use build::{Build, build};
pub use entry::{Entry, State};
pub use need::Need;
pub use order::{Order, Wanted, resolve};
