//! Tools and the choice among them.

use super::{Dialect, Raw, Text};

/// A tool the model may call.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::formats) struct Tool<'a> {
    pub(in crate::formats) namespace: Option<Text<'a>>,
    /// What the namespace is for.
    pub(in crate::formats) purpose: Option<Text<'a>>,
    pub(in crate::formats) name: Text<'a>,
    pub(in crate::formats) description: Option<Text<'a>>,
    pub(in crate::formats) kind: ToolKind<'a>,
    pub(in crate::formats) cache: Option<Raw<'a>>,
    /// Defined, but not in the prompt until it is found by a search.
    pub(in crate::formats) deferred: bool,
    /// As it was written, for its own format.
    pub(in crate::formats) raw: Option<Raw<'a>>,
}

/// What kind of tool.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::formats) enum ToolKind<'a> {
    /// Takes JSON that fits a schema.
    Function { schema: Option<Raw<'a>>, strict: Option<bool> },
    /// Takes free text, perhaps by a grammar.
    Custom { format: Option<Raw<'a>> },
    /// The provider searches the web.
    WebSearch {
        domains: Option<Raw<'a>>,
        location: Option<Raw<'a>>,
        max_uses: Option<Text<'a>>,
        /// How much of what is found the model reads: `low`, `medium`, `high`.
        size: Option<Text<'a>>,
    },
    /// Another tool of one provider's own.
    Server { from: Dialect, kind: Text<'a> },
}

/// Which tool must be used, if any.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::formats) enum ToolChoice<'a> {
    Auto,
    None,
    /// Some tool.
    Any,
    /// This one.
    Named {
        name: Text<'a>,
        custom: bool,
    },
    /// A choice only one format knows.
    Other {
        from: Dialect,
        raw: Raw<'a>,
    },
}
