//! The integration tests: the built binary against a scripted upstream, over real sockets.
//! `support` is the house they live in; every other module is one topic.

#![expect(clippy::unwrap_used, unreachable_pub, reason = "tests")]

mod support;

mod first_light;
