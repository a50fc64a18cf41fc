//! Step 1 and 3 of the way of an exchange: listen, accept, guard; and the drain at the end.

mod listen;
#[expect(clippy::module_inception, reason = "the server is the main item of its module")]
mod server;
mod signals;

mod accept;
mod files;
mod heads;
mod line;
mod outgoing;
mod service;
mod upgrade;
mod wire;

mod body;
mod guard;
mod handler;
mod host;

mod drain;

pub use body::RequestBody;
pub use drain::{Drain, Phase};
pub use guard::Guard;
pub use handler::Handler;
pub use server::Server;
pub use signals::signals;
pub(crate) use upgrade::{Opened, Upgrade, UpgradeLimits};

#[cfg(test)]
mod tests;
