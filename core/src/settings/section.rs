//! A validated table, read field by field. What a schema guarantees is there; anything else reads as nothing.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

/// One table.
pub struct Section<'a>(pub &'a Value);

impl Section<'_> {
    /// Text, when it is set.
    pub fn text(&self, key: &str) -> Option<String> {
        self.0[key].as_str().map(str::to_owned)
    }

    /// A path, when it is set.
    pub fn path(&self, key: &str) -> Option<PathBuf> {
        self.0[key].as_str().map(PathBuf::from)
    }

    /// A list of texts; empty when it is not set.
    pub fn texts(&self, key: &str) -> Vec<String> {
        let items = self.0[key].as_array().into_iter().flatten();
        items.filter_map(Value::as_str).map(str::to_owned).collect()
    }

    /// True or false; false when it is not set.
    pub fn flag(&self, key: &str) -> bool {
        self.0[key].as_bool().unwrap_or_default()
    }

    /// A count or a number of bytes; 0 when it is not set.
    pub fn count(&self, key: &str) -> usize {
        self.0[key].as_u64().and_then(|count| count.try_into().ok()).unwrap_or_default()
    }

    /// A duration; none when it is not set.
    pub fn duration(&self, key: &str) -> Duration {
        let seconds = self.0[key].as_f64().unwrap_or_default();
        Duration::try_from_secs_f64(seconds).unwrap_or_default()
    }
}
