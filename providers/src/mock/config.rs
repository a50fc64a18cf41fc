//! Settings under `[plugins.mock]`.

use std::time::Duration;

use ccproxy_core::config::{Field, Schema};
use serde::Deserialize;
use serde_json::Value;

/// Longest pause between two events, in seconds.
pub(super) const MAX_DELAY: f64 = 60.0;

/// The settings as validated against the schema.
#[derive(Debug)]
pub(super) struct Config {
    /// The pause before each event of a stream.
    pub(super) delay: Duration,
}

#[derive(Deserialize)]
struct Written {
    #[serde(default)]
    delay: f64,
}

impl Config {
    /// Reads the validated settings.
    pub(super) fn read(value: &Value) -> Result<Self, String> {
        let written = match value {
            Value::Null => Ok(Written { delay: 0.0 }),
            value => Written::deserialize(value),
        }
        .map_err(|error| format!("its settings: {error}"))?;
        let delay = Duration::try_from_secs_f64(written.delay.clamp(0.0, MAX_DELAY)).unwrap_or_default();
        Ok(Config { delay })
    }
}

pub(super) fn schema() -> Schema {
    Schema::of([Field::duration("delay", "Pause before each event of a stream").between(0, MAX_DELAY).or(0)])
}
