//! The integration tests: the built binary against a scripted upstream, over real sockets.
//! `support` is the house they live in; every other module is one topic.

#![expect(clippy::unwrap_used, unreachable_pub, reason = "tests")]

mod support;

mod broken_streams;
mod bundled;
mod cancel;
mod claude_sdk;
mod clients;
mod clocks;
mod codex;
mod command_line;
mod conversion;
mod copilot;
mod credentials;
mod docs;
mod drain;
mod errors;
mod explain;
mod fail_over;
mod first_light;
mod front_door;
mod guard;
mod h2;
mod hooks;
mod hostile;
mod keys;
mod kit;
mod lua;
mod models;
mod oauth;
mod odd_upstreams;
mod openai;
mod pass_through;
mod planted;
mod plugins;
mod pools;
mod recording;
mod refusals;
mod reload;
mod replay;
mod saves;
mod sharing;
mod tidy;
mod traffic;
mod vendors;
mod websocket;
mod workbench;
