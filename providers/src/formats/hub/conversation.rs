//! What a provider with a cache of its own needs: instructions that stay the same from turn to turn, a key for
//! the conversation, a name for the end user.

use std::borrow::Cow;

use super::{Call, Content, Dialect, Losses, Part, Raw, fingerprint};
use crate::formats::json::{items, text_at};

/// Begins the line that Claude Code writes in front of its instructions. It differs from conversation to
/// conversation and means nothing to others, so it would only spoil their caches.
const BILLING: &str = "x-anthropic-billing-header:";

/// Longest key and longest name that OpenAI takes.
const LONGEST: usize = 64;

/// The texts of instructions, joined by blank lines.
pub(in crate::formats) fn instructions<'c, 'a: 'c>(
    parts: impl Iterator<Item = &'c Part<'a>>,
    losses: &mut Losses,
) -> String {
    let mut all = String::new();
    for part in parts {
        match &part.content {
            Content::Text(text) if text.trim_start().starts_with(BILLING) => {
                losses.add("system.billing", "Claude Code's billing line is only for Anthropic");
            }
            Content::Text(text) if text.is_empty() => {}
            Content::Text(text) => {
                if !all.is_empty() {
                    all.push_str("\n\n");
                }
                all.push_str(text);
            }
            Content::Other { kind, .. } => losses.no_home(format!("system.{kind}")),
            _ => losses.no_home("system.content"),
        }
    }
    all
}

/// The key of the conversation: the client's, or, for clients whose format has none, one made from what
/// stays the same from its first turn to its last.
pub(in crate::formats) fn conversation_key(call: &Call<'_>) -> Option<String> {
    if let Some(key) = &call.cache_key {
        return Some(if key.len() <= LONGEST { key.to_string() } else { hashed("conversation-", &[key]) });
    }
    if call.from != Dialect::Messages {
        return None;
    }
    let mut texts: Vec<&str> = vec![&call.model];
    let first = call.messages.iter().position(|message| !message.role.instructs());
    for message in call.messages.iter().take(first? + 1) {
        texts.extend(
            message
                .parts
                .iter()
                .filter_map(|part| part.content.text())
                .filter(|text| !text.trim_start().starts_with(BILLING)),
        );
    }
    Some(hashed("conversation-", &texts))
}

/// The end user's name. A long one (Claude Code tells device and account in it) goes as its hash.
pub(in crate::formats) fn end_user(call: &Call<'_>) -> Option<String> {
    let user = call.user.as_ref()?;
    let plain = user.len() <= LONGEST && !user.starts_with('{');
    Some(if plain { user.to_string() } else { hashed("user-", &[user]) })
}

/// What a search of the client's found, or the tools it found.
fn found(kind: &str, raw: &Raw<'_>) -> Option<String> {
    let json = raw.json()?;
    let text = |key: &str| json.key(key).and_then(|value| value.as_str());
    match kind {
        "search_result" => {
            let content = json.key("content");
            let texts = content.iter().flat_map(items).filter_map(|part| text_at(&part, "text"));
            let all: Vec<_> = text("title").into_iter().chain(text("source")).chain(texts).collect();
            Some(all.join("\n"))
        }
        "tool_reference" => text("tool_name").map(Cow::into_owned),
        _ => None,
    }
}

fn hashed(prefix: &str, texts: &[&str]) -> String {
    format!("{prefix}{}", &fingerprint(texts)[..32])
}

impl Content<'_> {
    /// What can be told in words where only words are known: text, and what another format found for the model.
    pub(in crate::formats) fn told(&self) -> Option<Cow<'_, str>> {
        match self {
            Content::Text(text) | Content::Refusal(text) => Some(Cow::Borrowed(text)),
            Content::Other { from: Dialect::Messages, raw, kind } => found(kind, raw).map(Cow::Owned),
            _ => None,
        }
    }

    /// Whether it is an image, a document or a sound.
    pub(in crate::formats) fn is_media(&self) -> bool {
        matches!(self, Content::Image { .. } | Content::Document { .. } | Content::Audio(_))
    }

    /// Its words, when it is words.
    pub(in crate::formats) fn text(&self) -> Option<&str> {
        match self {
            Content::Text(text) | Content::Refusal(text) => Some(text),
            _ => None,
        }
    }
}
