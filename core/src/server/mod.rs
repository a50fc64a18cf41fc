//! Step 1 and 3 of the way of an exchange: listen, accept, guard; and the drain at the end.

mod accept;
mod body;
mod drain;
mod guard;
mod handler;
mod line;
mod listen;
#[expect(clippy::module_inception, reason = "the server is the main item of its module")]
mod server;
mod signals;

pub use body::RequestBody;
pub use drain::{Drain, Phase};
pub use guard::Guard;
pub use handler::Handler;
pub use server::Server;
pub use signals::signals;
