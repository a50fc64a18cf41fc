//! Identity providers: how a login begins, how codes and refresh tokens become tokens, whose they are.
//!
//! An identity provider is data (`server.rs`): the known ones (`known.rs`) under the settings of `[oauth.<name>]`.
//! Nothing here imitates anybody: requests say that they come from ccproxy, and carry what the server asks for.

mod absent;
mod answer;
mod callback;
mod client;
mod dialect;
mod import;
mod known;
mod logins;
mod maker;
mod network;
mod pending;
mod plain;
mod server;
mod settings;
#[cfg(test)]
mod tests;
mod whose;

pub use callback::Callback;
pub(crate) use callback::{PAGE_HEADERS, page};
pub use client::Client;
pub use import::{Source, import};
pub use logins::{Logins, random};
pub use network::Network;
pub use pending::{Arrival, Pending};
pub use settings::{Servers, read, schema};
