//! Keys, values and counters of plugins: in memory, bounded, outliving reloads.

/// The embedded store.
#[derive(Default)]
pub struct Store {}
