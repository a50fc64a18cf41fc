//! Waiting for a condition with a deadline, never for a time.

use std::time::{Duration, Instant};

/// How long a condition may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// How long a whole test may take.
pub const TEST_LIMIT: Duration = Duration::from_secs(60);

/// Asks until the answer is there; panics with `what` when it does not come in time.
pub async fn eventually<T>(what: &str, ask: impl AsyncFnMut() -> Option<T>) -> T {
    patiently(PATIENCE, what, ask).await
}

/// The same with a patience of one's own.
pub async fn patiently<T>(patience: Duration, what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(begun.elapsed() < patience, "waited {patience:?} in vain for {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Limits a wait for one thing.
pub async fn within<F: Future>(what: &str, future: F) -> F::Output {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(output) => output,
        Err(_) => panic!("waited {PATIENCE:?} in vain for {what}"),
    }
}
