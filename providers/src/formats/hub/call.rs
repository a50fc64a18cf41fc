//! A request in no vendor's words.

use std::borrow::Cow;

use super::{Effort, Losses, Message, Raw, Reasoning, Text, Tool, ToolChoice, ToolKind, binding, wire_name};
use crate::formats::json::Object;
use crate::formats::quirk::Quirks;

/// The three formats, as far as they must be told apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// Anthropic Messages.
    #[default]
    Messages,
    /// OpenAI Chat Completions.
    Chat,
    /// OpenAI Responses.
    Responses,
}

/// One request. Null fields are absent fields.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::formats) struct Call<'a> {
    /// The format it was written in.
    pub(in crate::formats) from: Dialect,
    pub(in crate::formats) model: Text<'a>,
    pub(in crate::formats) stream: bool,
    /// Whether a stream tells usage in a chunk of its own (chat clients must ask).
    pub(in crate::formats) include_usage: bool,
    /// Whether a stream hides the lengths of its events, as OpenAI's may.
    pub(in crate::formats) obfuscation: Option<bool>,
    /// The conversation, instructions included, in written order.
    pub(in crate::formats) messages: Vec<Message<'a>>,
    pub(in crate::formats) tools: Vec<Tool<'a>>,
    pub(in crate::formats) tool_choice: Option<ToolChoice<'a>>,
    /// The only tools the model may use now; the others stay defined.
    pub(in crate::formats) allowed_tools: Option<Vec<Text<'a>>>,
    pub(in crate::formats) parallel_tools: Option<bool>,
    pub(in crate::formats) limits: Limits<'a>,
    pub(in crate::formats) reasoning: Reasoning<'a>,
    pub(in crate::formats) output: OutputFormat<'a>,
    /// How much the answer should say: `low`, `medium`, `high`.
    pub(in crate::formats) verbosity: Option<Text<'a>>,
    /// Routes requests of one conversation to one cache.
    pub(in crate::formats) cache_key: Option<Text<'a>>,
    /// How long a cache entry lives, as OpenAI spells it.
    pub(in crate::formats) cache_retention: Option<Text<'a>>,
    /// Cache everything up to the end, as Anthropic spells it.
    pub(in crate::formats) cache_all: Option<Raw<'a>>,
    /// The end user, by a name that means nothing to the provider.
    pub(in crate::formats) user: Option<Text<'a>>,
    pub(in crate::formats) safety_identifier: Option<Text<'a>>,
    /// Free key and value pairs.
    pub(in crate::formats) metadata: Option<Raw<'a>>,
    /// In OpenAI's words.
    pub(in crate::formats) service_tier: Option<Text<'a>>,
    pub(in crate::formats) store: Option<bool>,
    /// Fields that only the format they came in knows.
    pub(in crate::formats) extra: Vec<(Text<'a>, Raw<'a>)>,
    /// How the server it goes to spells things.
    pub(in crate::formats) server: Quirks,
}

impl<'a> Call<'a> {
    /// The tool that a choice names.
    pub(in crate::formats) fn tool(&self, name: &str) -> Option<&Tool<'a>> {
        self.tools.iter().find(|tool| tool.name == name)
    }

    /// How a tool that a choice names is called in other formats.
    pub(in crate::formats) fn wire_name<'n>(&self, name: &'n str) -> Text<'n> {
        wire_name(self.tool(name).and_then(|tool| tool.namespace.as_deref()), name)
    }

    /// What kind OpenAI calls it.
    pub(in crate::formats) fn tool_type(&self, name: &str) -> &'static str {
        let custom = self.tool(name).is_some_and(|tool| matches!(tool.kind, ToolKind::Custom { .. }));
        if custom { "custom" } else { "function" }
    }

    /// A schema for OpenAI, and whether it binds. What must bind at Anthropic binds there so far as it can.
    pub(in crate::formats) fn binding<'s>(
        &self,
        schema: &'s Raw<'_>,
        strict: Option<bool>,
    ) -> (Cow<'s, str>, Option<bool>) {
        let asked = self.from == Dialect::Messages && strict == Some(true);
        match binding(schema).filter(|_| asked) {
            Some(schema) => (schema, strict),
            None => (schema.as_str().into(), if asked { Some(false) } else { strict }),
        }
    }

    /// Says so where a tool that binds at Anthropic does not bind at OpenAI.
    pub(in crate::formats) fn report_binding(&self, losses: &mut Losses) {
        for tool in &self.tools {
            if let ToolKind::Function { schema: Some(schema), strict } = &tool.kind
                && self.binding(schema, *strict).1 != *strict
            {
                losses.add("tools.strict", LOOSE);
            }
        }
    }

    /// The same for the answer's shape, which at Anthropic always binds.
    pub(in crate::formats) fn binding_answer<'s>(
        &self,
        schema: &'s Raw<'_>,
        strict: Option<bool>,
        losses: &mut Losses,
    ) -> (Cow<'s, str>, Option<bool>) {
        let strict = strict.or((self.from == Dialect::Messages).then_some(true));
        let (schema, binds) = self.binding(schema, strict);
        if binds != strict {
            losses.add("output_config.format", LOOSE);
        }
        (schema, binds)
    }

    /// Writes the fields of its own format that the other one has too, and says which are lost.
    pub(in crate::formats) fn write_extra(&self, to: Dialect, body: &mut Object<'_>, losses: &mut Losses) {
        let openai = self.from != Dialect::Messages && to != Dialect::Messages;
        for (key, raw) in &self.extra {
            if self.from == to || (openai && OPENAI.contains(&&**key)) {
                body.raw(key, raw.as_str());
            } else if !harmless(key, raw.as_str()) {
                losses.no_home(key.to_string());
            }
        }
    }

    /// The effort in a word that the model takes, for OpenAI's formats.
    pub(in crate::formats) fn openai_effort(&self) -> Option<&'static str> {
        let effort = self.reasoning.effort()?;
        let own = self.from != Dialect::Messages;
        // The highest came with GPT-5.6: <https://developers.openai.com/api/docs/guides/reasoning>.
        Some(if effort == Effort::Max && !own && !takes_max(&self.model) { "xhigh" } else { effort.word() })
    }
}

/// Why a schema does not bind.
const LOOSE: &str = "OpenAI binds no schema with optional properties or open objects";

/// Fields that both OpenAI formats spell alike.
const OPENAI: [&str; 2] = ["moderation", "prompt_cache_options"];

/// Whether the model takes the effort `max`, told from names such as `gpt-5.6-sol`.
fn takes_max(model: &str) -> bool {
    let Some((_, version)) = model.split_once("gpt-") else { return false };
    let mut numbers =
        version.split(|letter: char| !letter.is_ascii_digit()).map(|word| word.parse().unwrap_or(0));
    let version: (u32, u32) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    version >= (5, 6)
}

/// Fields that ask for what happens anyway.
fn harmless(key: &str, json: &str) -> bool {
    match key {
        "n" => json == "1",
        "presence_penalty" | "frequency_penalty" => json.parse() == Ok(0.0_f64),
        "include" => true,
        "truncation" => json == "\"disabled\"",
        "modalities" => json == "[\"text\"]",
        "background" => json == "false",
        "logit_bias" => json == "{}",
        _ => false,
    }
}

/// Limits and sampling; numbers as they were written.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::formats) struct Limits<'a> {
    pub(in crate::formats) max_tokens: Option<Text<'a>>,
    pub(in crate::formats) temperature: Option<Text<'a>>,
    pub(in crate::formats) top_p: Option<Text<'a>>,
    pub(in crate::formats) top_k: Option<Text<'a>>,
    pub(in crate::formats) stop: Vec<Text<'a>>,
    pub(in crate::formats) logprobs: Option<bool>,
    pub(in crate::formats) top_logprobs: Option<Text<'a>>,
}

/// The shape the answer's text must have.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::formats) enum OutputFormat<'a> {
    /// Whatever the model says.
    #[default]
    Text,
    /// Any JSON object.
    JsonObject,
    /// JSON that fits a schema.
    Schema { name: Option<Text<'a>>, description: Option<Text<'a>>, schema: Raw<'a>, strict: Option<bool> },
}
