//! Logins: the contract of an OAuth provider, what it hands out, where that is kept, and who is there.
//!
//! Vendors are elsewhere; so is the code that stores tokens and keeps them fresh.

mod failure;
mod maker;
mod provider;
mod registry;
mod storage;
mod tokens;

pub use failure::{Failure, Reason};
pub use maker::{Dialect, Endpoints, Maker, Speaks};
pub use provider::{Attempt, DeviceLogin, Flows, Loopback, OAuthProvider, summary_of};
pub use registry::Registry;
pub use storage::Storage;
pub use tokens::{Account, Tokens};
