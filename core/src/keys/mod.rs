//! Keys of clients: named, kept as hashes only, with an end and with bounds of what they are good for.
//!
//! A file in the data folder holds them. As long as it is there a key is asked for, also when the last one in it
//! was revoked.

mod file;
mod key;
mod ring;

pub use file::{KeyFile, Problem};
pub(crate) use key::digest;
pub use key::{Key, NewKey};
pub use ring::KeyRing;
