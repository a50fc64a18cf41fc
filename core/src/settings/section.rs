//! A validated table, read field by field. What a schema guarantees is there; anything else reads as nothing.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

/// One table.
pub(super) struct Section<'a>(pub(super) &'a Value);

impl Section<'_> {
    pub(super) fn text(&self, key: &str) -> Option<String> {
        self.0[key].as_str().map(str::to_owned)
    }

    pub(super) fn path(&self, key: &str) -> Option<PathBuf> {
        self.0[key].as_str().map(PathBuf::from)
    }

    pub(super) fn texts(&self, key: &str) -> Vec<String> {
        let items = self.0[key].as_array().into_iter().flatten();
        items.filter_map(Value::as_str).map(str::to_owned).collect()
    }

    pub(super) fn flag(&self, key: &str) -> bool {
        self.0[key].as_bool().unwrap_or_default()
    }

    pub(super) fn count(&self, key: &str) -> usize {
        self.0[key].as_u64().and_then(|count| count.try_into().ok()).unwrap_or_default()
    }

    pub(super) fn duration(&self, key: &str) -> Duration {
        let seconds = self.0[key].as_f64().unwrap_or_default();
        Duration::try_from_secs_f64(seconds).unwrap_or_default()
    }
}
