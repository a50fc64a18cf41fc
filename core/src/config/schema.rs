//! The description of settings, for the core and for every plugin: it validates, fills in defaults,
//! and feeds `plugins settings`, `config schema`, the documentation and the editor.

use serde_json::Value;

/// The fields of a table of settings, in declared order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Schema {
    /// The fields.
    pub fields: Vec<Field>,
    /// Whether keys that no field describes are kept rather than refused.
    pub open: bool,
}

/// One setting.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Its key.
    pub name: String,
    /// What it is for, one line.
    pub doc: String,
    /// What it may be.
    pub kind: FieldKind,
    /// The value when it is not set. `None` and not required: absent.
    pub default: Option<Value>,
    /// Whether it must be set.
    pub required: bool,
}

/// What a setting may be. Durations are given in seconds (or text such as `"5m"`) and validated to
/// seconds as a number; sizes in bytes (or `"16MiB"`) and validated to bytes.
#[derive(Clone, Debug, PartialEq)]
pub enum FieldKind {
    /// Anything.
    Any,
    /// True or false.
    Boolean,
    /// A whole number.
    Integer {
        /// Least.
        min: Option<i64>,
        /// Greatest.
        max: Option<i64>,
    },
    /// A number.
    Number {
        /// Least.
        min: Option<f64>,
        /// Greatest.
        max: Option<f64>,
    },
    /// Text.
    String {
        /// Least length in characters.
        min_length: Option<usize>,
        /// A regular expression it must match, checked by whoever owns a regex engine.
        pattern: Option<String>,
    },
    /// One of these texts.
    Enum(Vec<String>),
    /// Seconds.
    Duration {
        /// Least seconds.
        min: Option<f64>,
        /// Greatest seconds.
        max: Option<f64>,
    },
    /// Bytes.
    Size {
        /// Least bytes.
        min: Option<u64>,
        /// Greatest bytes.
        max: Option<u64>,
    },
    /// An http or https URL.
    Url,
    /// The URL of a proxy: http, socks5 or socks5h.
    ProxyUrl,
    /// A path; `~` is the home folder.
    Path,
    /// A credential: text, or `env:NAME`, or `file:/path`. Never printed.
    Secret,
    /// Values of one kind.
    List(Box<FieldKind>),
    /// Free keys, values of one kind.
    Map(Box<FieldKind>),
    /// A table with described fields.
    Table(Schema),
}
