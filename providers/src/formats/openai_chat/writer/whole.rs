//! What a whole chat answer is made of, and how it is written.

use crate::formats::hub::{Citation, Tokens};
use crate::formats::json::{self, Array, Object};

/// A whole answer so far.
#[derive(Default)]
pub(super) struct Whole {
    pub(super) text: String,
    pub(super) refusal: String,
    pub(super) thoughts: String,
    pub(super) details: Vec<String>,
    pub(super) annotations: Vec<String>,
    pub(super) logprobs: Vec<String>,
    pub(super) calls: Vec<Call>,
}

#[derive(Default)]
pub(super) struct Call {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) arguments: String,
    pub(super) custom: bool,
}

impl Whole {
    pub(super) fn write(&self, message: &mut Object<'_>) {
        message.text("role", "assistant");
        let silent = self.text.is_empty() && (!self.calls.is_empty() || !self.refusal.is_empty());
        message.text_or_null("content", (!silent).then_some(&*self.text));
        message.text_or_null("refusal", (!self.refusal.is_empty()).then_some(&*self.refusal));
        if !self.thoughts.is_empty() {
            message.text("reasoning_content", &self.thoughts);
        }
        let list = |array: &mut Array<'_>, items: &[String]| items.iter().for_each(|item| array.raw(item));
        if !self.details.is_empty() {
            message.array("reasoning_details", |array| list(array, &self.details));
        }
        message.array("annotations", |array| list(array, &self.annotations));
        if !self.calls.is_empty() {
            message.array("tool_calls", |array| self.calls.iter().for_each(|call| call.write(array)));
        }
    }
}

impl Call {
    fn write(&self, array: &mut Array<'_>) {
        let (kind, key) = if self.custom { ("custom", "input") } else { ("function", "arguments") };
        array.object(|call| {
            call.text("id", &self.id);
            call.text("type", kind);
            call.object(kind, |inner| {
                inner.text("name", &self.name);
                inner.text(key, &self.arguments);
            });
        });
    }
}

pub(super) fn head(object: &mut Object<'_>, id: &str, kind: &str, created: u64, model: &str) {
    object.text("id", id);
    object.text("object", kind);
    object.number("created", created);
    object.text("model", model);
}

pub(super) fn write_logprobs(choice: &mut Object<'_>, entries: &[String]) {
    choice.object("logprobs", |logprobs| {
        logprobs.array("content", |content| entries.iter().for_each(|entry| content.raw(entry)));
        logprobs.null("refusal");
    });
}

pub(super) fn annotation(source: &Citation<'_>, began: u64, end: u64) -> String {
    let (start, end) = source.range.unwrap_or((began, end));
    json::object_text(|object| {
        object.text("type", "url_citation");
        object.object("url_citation", |citation| {
            citation.text("url", &source.url);
            citation.text("title", source.title.as_deref().unwrap_or_default());
            citation.number("start_index", start);
            citation.number("end_index", end);
        });
    })
}

pub(super) fn counts(usage: &mut Object<'_>, tokens: &Tokens) {
    let (input, output) = (tokens.total_input(), tokens.output.unwrap_or(0));
    usage.number("prompt_tokens", input);
    usage.number("completion_tokens", output);
    usage.number("total_tokens", input.saturating_add(output));
    usage.object("prompt_tokens_details", |details| {
        details.number("cached_tokens", tokens.cache_read.unwrap_or(0));
        if let Some(written) = tokens.cache_write {
            details.number("cache_write_tokens", written);
        }
    });
    usage.object("completion_tokens_details", |details| {
        details.number("reasoning_tokens", tokens.reasoning.unwrap_or(0));
    });
}
