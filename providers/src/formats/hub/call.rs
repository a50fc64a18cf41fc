//! A request in no vendor's words.

use super::{Losses, Message, Raw, Text, Tool, ToolChoice, ToolKind, wire_name};
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

    /// Says which fields of its own format are lost in another.
    pub(in crate::formats) fn report_extra(&self, losses: &mut Losses) {
        for (key, raw) in &self.extra {
            if !harmless(key, raw.as_str()) {
                losses.no_home(key.to_string());
            }
        }
    }
}

/// Fields that ask for what happens anyway.
fn harmless(key: &str, json: &str) -> bool {
    match key {
        "n" => json == "1",
        "presence_penalty" | "frequency_penalty" => json.parse() == Ok(0.0_f64),
        "include" | "client_metadata" => true,
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

/// How the model thinks before it answers.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::formats) struct Reasoning<'a> {
    pub(in crate::formats) thinking: Option<Thinking>,
    pub(in crate::formats) effort: Option<Effort>,
    /// Whether and how thoughts are shown: `auto`, `concise`, `detailed`, `omitted`, `summarized`.
    pub(in crate::formats) summary: Option<Text<'a>>,
}

/// Anthropic's three ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::formats) enum Thinking {
    Disabled,
    Adaptive,
    /// Up to so many tokens.
    Budget(u64),
}

/// From none to all there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::formats) enum Effort {
    None,
    Minimal,
    Low,
    Medium,
    High,
    XHigh,
    Max,
}

impl Effort {
    /// Every vendor spells them alike.
    pub(in crate::formats) fn read(word: &str) -> Option<Self> {
        Some(match word {
            "none" => Effort::None,
            "minimal" => Effort::Minimal,
            "low" => Effort::Low,
            "medium" => Effort::Medium,
            "high" => Effort::High,
            "xhigh" => Effort::XHigh,
            "max" => Effort::Max,
            _ => return None,
        })
    }

    pub(in crate::formats) fn word(self) -> &'static str {
        match self {
            Effort::None => "none",
            Effort::Minimal => "minimal",
            Effort::Low => "low",
            Effort::Medium => "medium",
            Effort::High => "high",
            Effort::XHigh => "xhigh",
            Effort::Max => "max",
        }
    }

    /// OpenAI's highest is `xhigh`.
    pub(in crate::formats) fn openai_word(self) -> &'static str {
        if self == Effort::Max { "xhigh" } else { self.word() }
    }

    /// Anthropic's lowest is `low`.
    pub(in crate::formats) fn anthropic_word(self) -> &'static str {
        if self < Effort::Low { "low" } else { self.word() }
    }

    /// A thinking budget of that weight. Never under Anthropic's minimum of 1024.
    pub(in crate::formats) fn budget(self) -> u64 {
        match self {
            Effort::None | Effort::Minimal => 1024,
            Effort::Low => 4096,
            Effort::Medium => 10_240,
            Effort::High => 24_576,
            Effort::XHigh | Effort::Max => 32_768,
        }
    }

    /// The effort whose budget is nearest.
    pub(in crate::formats) fn of_budget(tokens: u64) -> Self {
        match tokens {
            0..=4096 => Effort::Low,
            4097..=16_384 => Effort::Medium,
            _ => Effort::High,
        }
    }
}

impl Reasoning<'_> {
    /// The effort, whichever way it was asked for.
    pub(in crate::formats) fn effort(&self) -> Option<Effort> {
        match (self.effort, self.thinking) {
            (Some(effort), _) => Some(effort),
            (None, Some(Thinking::Budget(tokens))) => Some(Effort::of_budget(tokens)),
            (None, _) => None,
        }
    }

    /// Whether thoughts are to be shown.
    pub(in crate::formats) fn shown(&self) -> bool {
        let asked = self.thinking.is_some_and(|thinking| thinking != Thinking::Disabled);
        match self.summary.as_deref() {
            Some("omitted") => false,
            Some(_) => true,
            None => asked,
        }
    }
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
