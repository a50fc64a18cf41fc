//! `[credentials]`: how tokens are kept.

use std::path::PathBuf;

use ccproxy_core::config::{Field, FieldKind, Schema};
use serde::Deserialize;
use serde_json::{Value, json};

/// Whether and with what files are sealed.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Sealing {
    /// Whether.
    #[serde(default, rename = "seal")]
    pub mode: Mode,
    /// A program that prints the key, with its arguments; instead of the keyring.
    #[serde(default, rename = "key_command")]
    pub command: Vec<String>,
    /// A file that holds the key; instead of the keyring.
    #[serde(default, rename = "key_file")]
    pub file: Option<PathBuf>,
}

/// Whether files are sealed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// When the keyring answers.
    #[default]
    Auto,
    /// Always: without a key nothing is written.
    Required,
    /// Never.
    Off,
}

/// What may be written under `[credentials]`.
pub fn schema() -> Schema {
    Schema::of([
        Field::choice(
            "seal",
            &["auto", "required", "off"],
            "Whether stored logins are sealed: when the system's keyring answers, always, or never.",
        )
        .or("auto"),
        Field::list(
            "key_command",
            FieldKind::string(),
            "A program that prints the key to seal with, and its arguments; instead of the keyring.",
        )
        .or(json!([])),
        Field::path("key_file", "A file that holds the key to seal with; instead of the keyring."),
    ])
}

impl Sealing {
    /// The settings in a table that was validated against [`schema`].
    pub fn read(table: &Value) -> Self {
        Sealing::deserialize(table).unwrap_or_default()
    }

    /// Whether the key comes from where the settings say.
    pub(super) fn is_explicit(&self) -> bool {
        !self.command.is_empty() || self.file.is_some()
    }
}
