//! How the pipeline uses a transformer: steps 7 and 9 where the client's format is not the provider's. The
//! transformers themselves live in `providers`, and are pure.

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use serde::Serialize;

use crate::error::{Error, Result};

/// Turns requests of one format into another, and the answers back. One for each pair of formats.
pub trait Transformer: Send + Sync + std::fmt::Debug + 'static {
    /// Step 7: the request for the provider, and what will turn its answer back.
    fn request(&self, body: &Bytes, facts: Facts<'_>) -> Result<Turned>;
}

/// What a transformer may know besides the body.
#[derive(Clone, Copy, Debug, Default)]
pub struct Facts<'a> {
    /// When the exchange began, in seconds since 1970.
    pub created: u64,
    /// Whose request it is.
    pub client: &'a str,
    /// Earlier answers that the request refers to are in it already.
    pub recalled: bool,
    /// The model's name in the answer, where the client asked by another than the body's.
    pub asked: Option<&'a str>,
}

/// A request in the provider's format.
pub struct Turned {
    /// The body.
    pub body: Bytes,
    /// What it lost.
    pub losses: Vec<Loss>,
    /// Turns the answer back.
    pub back: Box<dyn Back>,
}

/// Turns the answer of one exchange back into the client's format.
pub trait Back: Send {
    /// A whole answer, or a whole stream where the provider only streams.
    fn whole(&mut self, body: &[u8]) -> Result<Bytes>;

    /// The body of an error answer: the status stays the provider's.
    fn error(&mut self, status: StatusCode, body: &[u8]) -> Bytes;

    /// The next bytes of a stream, cut anywhere. What is ready for the client is appended.
    fn feed(&mut self, bytes: &Bytes, out: &mut BytesMut) -> Result<()>;

    /// The stream is over, or broke. Appends the one terminal event if none was there.
    fn end(&mut self, broken: Option<&Error>, out: &mut BytesMut);

    /// Whether the client asked for a stream, so that a whole answer becomes one.
    fn streams(&self) -> bool;

    /// What was lost since the last time.
    fn losses(&mut self) -> Vec<Loss>;
}

/// A field that did not survive the way into another format.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Loss {
    /// Its path: `stop`, `messages.tool_result.is_error`.
    pub field: String,
    /// Why.
    pub why: &'static str,
}

/// The names of lost fields for the `x-ccproxy-loss` header: each once, as many as fit.
pub fn header(losses: &[Loss]) -> String {
    const LONGEST: usize = 1000;
    let mut names: Vec<&str> = Vec::new();
    let mut length = 0;
    for loss in losses {
        let name = loss.field.as_str();
        let printable = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',');
        if !printable || names.contains(&name) {
            continue;
        }
        length += name.len() + 2;
        if length > LONGEST {
            names.push("...");
            break;
        }
        names.push(name);
    }
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_each_field_once_and_not_too_many() {
        let loss = |field: &str| Loss { field: field.into(), why: "" };
        assert_eq!(header(&[]), "");
        assert_eq!(
            header(&[loss("top_k"), loss("stop"), loss("top_k"), loss("x\ny"), loss("ä")]),
            "top_k, stop"
        );
        let many: Vec<Loss> = (0..400).map(|number| loss(&format!("field{number}"))).collect();
        assert!(header(&many).len() < 1010);
        assert!(header(&many).ends_with(", ..."));
    }
}
