//! Native provider plugins of ccproxy: wire formats, adapters, credentials.

pub mod formats;
