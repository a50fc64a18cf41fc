//! Names and ids of tools within each format's limits, made so that the same one always becomes the same.

use std::borrow::Cow;
use std::collections::HashMap;

use ccproxy_core::hex;

use super::{Tool, ToolKind};

/// What every provider takes for a name: letters, digits, `_`, `-`, at most 64.
const LONGEST: usize = 64;
/// Hexadecimal digits of a hash that end a shortened name.
const TAIL: usize = 10;

/// A tool's name on the wire: with its namespace, and shortened when it is too long.
pub(in crate::formats) fn wire_name<'a>(namespace: Option<&str>, name: &'a str) -> Cow<'a, str> {
    let fits = |name: &str| !name.is_empty() && name.len() <= LONGEST && name.bytes().all(plain);
    if namespace.is_none_or(str::is_empty) && fits(name) {
        return Cow::Borrowed(name);
    }
    let whole = match namespace.filter(|namespace| !namespace.is_empty()) {
        Some(namespace) => format!("{namespace}__{name}"),
        None => name.to_owned(),
    };
    if fits(&whole) {
        return Cow::Owned(whole);
    }
    let mut short: String = whole
        .chars()
        .map(|letter| if letter.is_ascii() && plain(letter as u8) { letter } else { '_' })
        .collect();
    short.truncate(LONGEST - TAIL - 1);
    Cow::Owned(format!("{short}_{}", &fingerprint(&[&whole])[..TAIL]))
}

/// The id of a call: as it is where it fits in `longest` plain characters, else a hash of it.
pub(in crate::formats) fn tool_id<'a>(id: &'a str, prefix: &str, longest: usize) -> Cow<'a, str> {
    if !id.is_empty() && id.len() <= longest && id.bytes().all(plain) {
        return Cow::Borrowed(id);
    }
    Cow::Owned(format!("{prefix}{}", &fingerprint(&[id])[..32]))
}

/// Sixty-four hexadecimal digits that stand for these texts.
pub(in crate::formats) fn fingerprint(texts: &[&str]) -> String {
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    for text in texts {
        context.update(text.as_bytes());
        // So that the places where the texts meet count too.
        context.update(&[0]);
    }
    hex::encode(context.finish().as_ref())
}

fn plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

/// How the tools of a request are called on the other side, to find them again in the answer.
#[derive(Debug, Default)]
pub(in crate::formats) struct Names(HashMap<String, Origin>);

/// What a tool is to the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::formats) struct Origin {
    pub(in crate::formats) namespace: Option<String>,
    pub(in crate::formats) name: String,
    /// Takes free text.
    pub(in crate::formats) custom: bool,
}

impl Names {
    /// Only tools whose name or kind may change on the way are kept.
    pub(in crate::formats) fn of(tools: &[Tool<'_>]) -> Self {
        let entries = tools.iter().filter_map(|tool| {
            let custom = matches!(tool.kind, ToolKind::Custom { .. });
            let wire = wire_name(tool.namespace.as_deref(), &tool.name);
            if !custom && tool.namespace.is_none() && wire == tool.name {
                return None;
            }
            let namespace = tool.namespace.as_deref().map(str::to_owned);
            Some((wire.into_owned(), Origin { namespace, name: tool.name.to_string(), custom }))
        });
        Names(entries.collect())
    }

    pub(in crate::formats) fn find(&self, wire: &str) -> Option<&Origin> {
        self.0.get(wire)
    }
}
