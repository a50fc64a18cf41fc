//! The house of the integration tests: a proxy in five lines, an upstream that does as told, two clients.

pub mod client;
pub mod config;
pub mod proxy;
pub mod raw;
pub mod sse;
pub mod upstream;
pub mod wait;

pub use client::{Answer, Client};
pub use config::Config;
pub use proxy::Proxy;
pub use raw::Raw;
pub use upstream::{Reply, Upstream};
pub use wait::eventually;

/// A runtime for one test. Two workers, so that a test that blocks one still sees the other move.
pub fn run<F: Future>(test: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        tokio::time::timeout(wait::TEST_LIMIT, test).await.expect("a test takes less than a minute")
    })
}
