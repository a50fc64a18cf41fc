//! A body as a document: JSON that is read and edited by path while every untouched byte stays as it came.

use bytes::Bytes;

/// A body, JSON or not.
#[derive(Clone, Debug, Default)]
pub struct Document {
    bytes: Bytes,
    edited: bool,
}

impl Document {
    /// Takes the bytes as they are; nothing is parsed.
    pub fn new(bytes: Bytes) -> Self {
        Document { bytes, edited: false }
    }

    /// The bytes as they stand.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Whether an edit was made.
    pub fn edited(&self) -> bool {
        self.edited
    }
}
