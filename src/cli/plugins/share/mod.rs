//! Plugins of others: where they come from, how they are read, what they want, how they come to stand in a folder.
//!
//! The way of one: a [`Source`](source::Source) is fetched into a [`Tree`](tree::Tree) in memory, the plugin's folder is picked
//! out of it, an [`Offer`](offer::Offer) is what its declaration says, and `install` puts it beside `plugins.lock`. Nothing of
//! it runs on that way, but for the reading of its table in the VM that every declaration is read in.

mod archive;
mod download;
mod fetch;
mod folder;
mod git;

pub(super) mod changes;
pub(super) mod install;
pub(super) mod live;
pub(super) mod lock;
pub(super) mod offer;
pub(super) mod rights;
pub(super) mod shown;
pub(super) mod source;
pub(super) mod tree;

pub(super) use fetch::fetch;
