//! The way of a request through ccproxy, and the contract of a plugin.
//!
//! Names no vendor and no Lua. The modules stand in the order in which an exchange meets them.

pub mod config;
pub mod proxy;
pub mod settings;

pub mod approval;
pub mod body;
pub mod chain;
pub mod choice;
pub mod document;
pub mod exchange;
pub mod format;
pub mod generation;
pub mod hooks;
pub mod keys;
pub mod middleware;
pub mod pipeline;
pub mod pool;
pub mod provider;
pub mod router;
pub mod server;
pub mod sse;
pub mod traffic;
pub mod transform;
pub mod upstream;
pub mod websocket;

pub mod oauth;
pub mod plugin;
pub mod registry;
pub mod routes;
pub mod scheduler;
pub mod store;

pub mod decode;
pub mod error;
pub mod hex;
pub mod private_file;
pub mod redact;
pub mod secret;
pub mod step;
pub mod unix_time;

mod patience;
mod retired;
mod socket;

pub use error::{Error, Result};
