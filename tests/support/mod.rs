//! The house of the integration tests: a proxy in five lines, an upstream that does as told, two clients.

pub mod client;
pub mod config;
pub mod idp;
pub mod proxy;
pub mod raw;
pub mod socket;
pub mod sse;
pub mod tap;
pub mod terminal;
pub mod upstream;
pub mod wait;

pub use client::{Answer, Client};
pub use config::Config;
pub use proxy::Proxy;
pub use raw::Raw;
pub use tap::Tap;
pub use terminal::Terminal;
pub use upstream::{Reply, Upstream};
pub use wait::eventually;

/// A runtime for one test. Two workers, so that a test that blocks one still sees the other move.
pub fn run<F: Future>(test: F) -> F::Output {
    run_within(wait::TEST_LIMIT, test)
}

/// The same for a test that starts slow programs of others.
pub fn run_within<F: Future>(limit: std::time::Duration, test: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let Ok(output) = tokio::time::timeout(limit, test).await else {
            panic!("the test took more than {limit:?}")
        };
        output
    })
}
