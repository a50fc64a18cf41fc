//! What had no home in the other format: the loss report of one exchange.

use ccproxy_core::transform::Loss;

/// Most entries that are kept; a request that loses more has said enough.
const MOST: usize = 200;

/// Collects losses in the order they were met.
#[derive(Debug, Default)]
pub(in crate::formats) struct Losses(Vec<Loss>);

impl Losses {
    /// A field that could not be carried over, by its path in the request or answer, and why.
    pub(in crate::formats) fn add(&mut self, field: impl Into<String>, why: &'static str) {
        if self.0.len() < MOST {
            let loss = Loss { field: field.into(), why };
            if !self.0.contains(&loss) {
                self.0.push(loss);
            }
        }
    }

    /// A field that the other format has no place for.
    pub(in crate::formats) fn no_home(&mut self, field: impl Into<String>) {
        self.add(field, "the provider's format has no place for it");
    }

    /// What was collected since the last time.
    pub(in crate::formats) fn take(&mut self) -> Vec<Loss> {
        std::mem::take(&mut self.0)
    }
}
