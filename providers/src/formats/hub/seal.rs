//! The seal on a thought, by which the model that thought it knows it again, and how it travels through a
//! format whose own seals look different: as is at home, marked with its maker elsewhere.

use super::Text;

const MARK: &str = "ccproxy.";
const SIGNATURE: &str = "ccproxy.anthropic.";
const REDACTED: &str = "ccproxy.redacted.";
const ENCRYPTED: &str = "ccproxy.openai.";

/// Whose thought it is. Nobody but its maker can read it.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::formats) enum Seal<'a> {
    /// Anthropic's signature.
    Signature(Text<'a>),
    /// Anthropic's redacted thinking: there is no text beside it.
    Redacted(Text<'a>),
    /// OpenAI's encrypted content, with the id of its item.
    Encrypted { id: Option<Text<'a>>, content: Text<'a> },
    /// OpenAI's item that the provider stored; only its id.
    Stored(Text<'a>),
}

impl<'a> Seal<'a> {
    /// From Anthropic's `signature`.
    pub(in crate::formats) fn of_signature(text: Text<'a>) -> Option<Self> {
        if text.is_empty() {
            return None;
        }
        Some(unmark(&text).unwrap_or(Seal::Signature(text)))
    }

    /// From OpenAI's `encrypted_content`.
    pub(in crate::formats) fn of_encrypted(id: Option<Text<'a>>, content: Text<'a>) -> Self {
        unmark(&content).unwrap_or(Seal::Encrypted { id, content })
    }

    /// As Anthropic's `signature`; `None` for redacted thinking, which is a block of its own.
    pub(in crate::formats) fn signature(&self) -> Option<String> {
        match self {
            Seal::Signature(text) => Some(text.to_string()),
            Seal::Encrypted { id, content } => {
                Some(format!("{ENCRYPTED}{}.{content}", id.as_deref().unwrap_or_default()))
            }
            Seal::Redacted(_) | Seal::Stored(_) => None,
        }
    }

    /// As OpenAI's `encrypted_content`.
    pub(in crate::formats) fn encrypted(&self) -> Option<String> {
        match self {
            Seal::Signature(text) => Some(format!("{SIGNATURE}{text}")),
            Seal::Redacted(data) => Some(format!("{REDACTED}{data}")),
            Seal::Encrypted { content, .. } => Some(content.to_string()),
            Seal::Stored(_) => None,
        }
    }

    pub(in crate::formats) fn into_owned(self) -> Seal<'static> {
        let own = |text: Text<'a>| -> Text<'static> { text.into_owned().into() };
        match self {
            Seal::Signature(text) => Seal::Signature(own(text)),
            Seal::Redacted(data) => Seal::Redacted(own(data)),
            Seal::Encrypted { id, content } => Seal::Encrypted { id: id.map(own), content: own(content) },
            Seal::Stored(id) => Seal::Stored(own(id)),
        }
    }
}

fn unmark<'a>(text: &str) -> Option<Seal<'a>> {
    if !text.starts_with(MARK) {
        return None;
    }
    let own = |text: &str| -> Text<'a> { text.to_owned().into() };
    if let Some(signature) = text.strip_prefix(SIGNATURE) {
        return Some(Seal::Signature(own(signature)));
    }
    if let Some(data) = text.strip_prefix(REDACTED) {
        return Some(Seal::Redacted(own(data)));
    }
    let (id, content) = text.strip_prefix(ENCRYPTED)?.split_once('.')?;
    Some(Seal::Encrypted { id: (!id.is_empty()).then(|| own(id)), content: own(content) })
}
