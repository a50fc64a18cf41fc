//! A body as a document: JSON that is read and edited by path while every untouched byte stays as it came.
//!
//! Nothing is turned into a tree: reads scan to the place, edits splice the bytes. So key order, number
//! text, `[]` against `{}` and with them a provider's prompt cache survive.

mod edit;
mod entries;
mod json;
mod path;
mod scan;
#[cfg(test)]
mod strictness;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use bytes::Bytes;

pub use edit::EditError;
pub use json::{Children, Json, Kind};
pub use path::{Path, PathError, Segment};

use crate::error::{self, Error};

/// Deepest nesting of arrays and objects that is accepted.
pub const MAX_DEPTH: usize = 128;

/// A body, JSON or not.
#[derive(Clone, Debug, Default)]
pub struct Document {
    bytes: Bytes,
    edited: bool,
    /// The bytes passed `check`; every edit keeps it so.
    checked: bool,
}

/// What the pipeline wants to know of a body, read in the pass that validates it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peek {
    /// The top-level `model`, when it is a string.
    pub model: Option<Box<str>>,
    /// The top-level `stream`, when it is a boolean.
    pub stream: Option<bool>,
    /// Whether `model` or `stream` is there more than once. The last one counts; other readers may differ.
    pub repeated: bool,
}

impl Document {
    /// Takes the bytes as they are; nothing is parsed.
    pub fn new(bytes: Bytes) -> Self {
        Document { bytes, edited: false, checked: false }
    }

    /// The bytes as they stand.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Whether an edit was made.
    pub fn edited(&self) -> bool {
        self.edited
    }

    /// Validates strictly (RFC 8259, UTF-8, no deeper than [`MAX_DEPTH`]) and peeks, in one pass.
    pub fn check(&mut self) -> error::Result<Peek> {
        let peek = peek(&self.bytes).map_err(|fault| {
            let message = match self.bytes.is_empty() {
                true => "the body is not valid JSON: it is empty".to_owned(),
                false => format!("the body is not valid JSON: {}", fault.place(&self.bytes)),
            };
            Error::client(error::Kind::InvalidRequest, message)
        })?;
        self.checked = true;
        Ok(peek)
    }

    /// Whether the bytes are known to be valid JSON.
    pub fn checked(&self) -> bool {
        self.checked
    }

    /// The whole as a value. `None` when it is not JSON as far as was looked.
    pub fn root(&self) -> Option<Json<'_>> {
        if self.checked { Some(Json::trimmed(&self.bytes)) } else { Json::whole(&self.bytes) }
    }

    /// The value at a path. `None` when nothing is there (or the body is not JSON up to there).
    pub fn get(&self, path: &Path) -> Option<Json<'_>> {
        path.segments().iter().try_fold(self.root()?, |value, segment| value.child(segment))
    }

    /// Items of the array, or entries of the object, at a path.
    pub fn len(&self, path: &Path) -> Option<usize> {
        self.get(path)?.len()
    }

    /// Whether there are no bytes at all.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The keys of the object at a path, in written order, a repeated one once.
    pub fn keys(&self, path: &Path) -> Option<Vec<Cow<'_, str>>> {
        self.get(path)?.keys()
    }

    /// The children of the array or object at a path, in written order.
    pub fn each(&self, path: &Path) -> Option<Children<'_>> {
        self.get(path)?.children()
    }

    /// Puts a JSON text at a path: replaces what is there, adds a missing last key, or appends when the
    /// index is one past the end. A repeated key is left there once.
    pub fn set(&mut self, path: &Path, json: &[u8]) -> Result<(), EditError> {
        self.ready()?;
        let bytes = edit::set(&self.bytes, path, json)?;
        self.take(bytes);
        Ok(())
    }

    /// Removes what is at a path, repeats of the key included. False when nothing was there.
    pub fn delete(&mut self, path: &Path) -> Result<bool, EditError> {
        self.ready()?;
        let bytes = edit::delete(&self.bytes, path)?;
        let found = bytes.is_some();
        if let Some(bytes) = bytes {
            self.take(bytes);
        }
        Ok(found)
    }

    /// Adds a JSON text at the end of the array at a path.
    pub fn append(&mut self, path: &Path, json: &[u8]) -> Result<(), EditError> {
        self.ready()?;
        let bytes = edit::append(&self.bytes, path, json)?;
        self.take(bytes);
        Ok(())
    }

    /// Replaces the whole body, by JSON or by anything else.
    pub fn replace(&mut self, bytes: Bytes) {
        self.checked = false;
        self.take(bytes);
    }

    fn take(&mut self, bytes: Bytes) {
        self.bytes = bytes;
        self.edited = true;
    }

    fn ready(&mut self) -> Result<(), EditError> {
        if !self.checked {
            self.check().map_err(|error| EditError::new(error.message()))?;
        }
        Ok(())
    }
}

/// Validates JSON text that is about to become part of a document or of an answer.
pub fn validate(json: &[u8]) -> Result<(), EditError> {
    scan::document(json, 0).map_err(|fault| EditError::new(format!("not valid JSON: {}", fault.place(json))))
}

fn peek(bytes: &[u8]) -> Result<Peek, scan::Fault> {
    scan::utf8(bytes)?;
    let mut scanner = scan::Scanner::new(bytes, 0);
    scanner.space();
    let mut peek = Peek::default();
    if scanner.next_byte() == Some(b'{') {
        let (mut models, mut streams) = (0, 0);
        let mut children = entries::Entries::open(bytes, scanner.at());
        for entry in children.by_ref() {
            let entry = entry?;
            let value = Json::new(bytes, entry.value);
            if entries::key_is(bytes, &entry.key, "model") {
                models += 1;
                peek.model = value.as_str().map(|text| text.into());
            } else if entries::key_is(bytes, &entry.key, "stream") {
                streams += 1;
                peek.stream = value.as_bool();
            }
        }
        peek.repeated = models > 1 || streams > 1;
        scanner = scan::Scanner::new(bytes, children.at());
    } else {
        scanner.value(0)?;
    }
    scanner.end()?;
    Ok(peek)
}
