//! The same request once more, with another credential of the same provider. Only while nothing of an answer has
//! gone to the client, and as long as the provider says so.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::dispatch::Headed;
use crate::choice::retry_after;
use crate::error::Result;
use crate::exchange::Exchange;
use crate::pool::Retry;
use crate::provider::Provider;

/// What one provider's credentials came to, one after the other.
#[derive(Default)]
pub(super) struct Tries<'a> {
    best: Option<Result<Headed<'a>>>,
}

impl<'a> Tries<'a> {
    /// The outcome that counts, or `None`: once more, from step 7.
    pub(super) fn after(
        &mut self,
        exchange: &Arc<Exchange>,
        provider: &Arc<dyn Provider>,
        outcome: Result<Headed<'a>>,
    ) -> Option<Result<Headed<'a>>> {
        match provider.retry(exchange) {
            Retry::No => Some(outcome),
            Retry::Exhausted => Some(better(self.take(), outcome)),
            Retry::Another => {
                self.best = Some(better(self.take(), outcome));
                None
            }
        }
    }

    /// The best so far.
    pub(super) fn take(&mut self) -> Option<Result<Headed<'a>>> {
        self.best.take()
    }
}

/// The failure that tells the client more; of equals the later.
fn better<'a>(before: Option<Result<Headed<'a>>>, outcome: Result<Headed<'a>>) -> Result<Headed<'a>> {
    match before {
        Some(before) if rank(&before) < rank(&outcome) => before,
        _ => outcome,
    }
}

/// A limit that ends, the soonest first; then another answer; then none. The lower the better.
fn rank(outcome: &Result<Headed<'_>>) -> (u8, Duration) {
    match outcome {
        Ok(headed) => {
            match (retry_after(&headed.answer.headers, SystemTime::now()), headed.answer.status.as_u16()) {
                (Some(wait), _) => (0, wait),
                (None, 429 | 503 | 529) => (1, Duration::ZERO),
                (None, _) => (2, Duration::ZERO),
            }
        }
        Err(_) => (3, Duration::ZERO),
    }
}
