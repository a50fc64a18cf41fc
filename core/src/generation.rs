//! A generation: the plugins, chains, routes and listeners that exchanges begun under it keep to their end.

/// What is live.
pub struct Generation {
    /// Counts up from 1.
    pub number: u64,
}
