//! Identity providers: how a login begins, how codes and refresh tokens become tokens, whose they are.
//!
//! An identity provider is data (`server.rs`): the known ones (`known.rs`) under the settings of `[oauth.<name>]`.
//! Nothing here imitates anybody: requests say that they come from ccproxy, and carry what the server asks for.

mod answer;
mod client;
mod known;
mod logins;
mod network;
mod server;
mod settings;
#[cfg(test)]
mod tests;
mod whose;

pub use client::Client;
pub use logins::{Logins, random};
pub use network::Network;
pub use settings::{Servers, read, schema};
