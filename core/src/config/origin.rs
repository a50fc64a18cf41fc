//! Where a value came from.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// Where a value came from, in the words that a message uses.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// Nobody set it.
    #[default]
    Default,
    /// A file; line and column count from 1.
    File {
        /// The file.
        path: Arc<Path>,
        /// The line of the key.
        line: usize,
        /// The column of the key, in characters.
        column: usize,
    },
    /// An environment variable.
    Environment(Arc<str>),
    /// A flag of the command line, with its dashes.
    Flag(Arc<str>),
}

impl Origin {
    /// The file it came from.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Origin::File { path, .. } => Some(path),
            _ => None,
        }
    }

    /// Whether the value is text that stands for another type: environment and command line know only text.
    pub(super) fn is_text(&self) -> bool {
        matches!(self, Origin::Environment(_) | Origin::Flag(_))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File { path, line, column } => write!(f, "{}:{line}:{column}", path.display()),
            Origin::Environment(name) => write!(f, "environment `{name}`"),
            Origin::Flag(name) => write!(f, "flag `{name}`"),
        }
    }
}
