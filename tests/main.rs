//! The integration tests: the built binary against a scripted upstream, over real sockets.
//! `support` is the house they live in; every other module is one topic.

#![expect(clippy::unwrap_used, unreachable_pub, reason = "tests")]

mod support;

mod broken_streams;
mod cancel;
mod clocks;
mod credentials;
mod drain;
mod errors;
mod first_light;
mod guard;
mod pass_through;
