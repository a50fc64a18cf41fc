//! Requests of plugins to the world: only to hosts that the manifest names, never into private networks by
//! accident, bounded in time, bytes and number.

mod address;
mod allow;
mod client;

pub(crate) use allow::Allowed;
pub(crate) use client::{Failed, Fetched, Fetcher, Request};
