//! What the mock answers: decided once, whatever the format.

use serde_json::{Value, json};

use super::ask::{Ask, Choice, Tool};
use super::directive::Directives;
use super::example::example;

/// Longest part of the prompt that is repeated, in characters.
const ECHO: usize = 200;
/// Characters a piece of JSON has.
const PIECE: usize = 12;

/// The answer, in the pieces a stream sends.
#[derive(Debug, PartialEq)]
pub(super) struct Reply {
    pub(super) thinking: Vec<String>,
    pub(super) text: Vec<String>,
    pub(super) calls: Vec<Call>,
    pub(super) finish: Finish,
}

/// One tool call.
#[derive(Debug, PartialEq)]
pub(super) struct Call {
    pub(super) name: String,
    pub(super) arguments: Value,
}

/// Why the answer ends.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Finish {
    Stop,
    Length,
    /// At this stop sequence.
    Sequence(String),
    Tools,
}

impl Call {
    /// The arguments as JSON text.
    pub(super) fn arguments(&self) -> String {
        self.arguments.to_string()
    }

    /// The same in pieces.
    pub(super) fn pieces(&self) -> Vec<String> {
        pieces(&self.arguments())
    }
}

impl Reply {
    /// Tokens of thinking: one a piece.
    pub(super) fn thinking_tokens(&self) -> u64 {
        self.thinking.len() as u64
    }

    /// Tokens of the whole answer: one for every piece of it.
    pub(super) fn output_tokens(&self) -> u64 {
        let calls: usize = self.calls.iter().map(|call| call.pieces().len()).sum();
        self.thinking_tokens() + (self.text.len() + calls) as u64
    }

    /// Decides: orders in the prompt first, then tools, then a schema, then a sentence.
    pub(super) fn to(ask: &Ask, directives: &Directives) -> Reply {
        let thinks = ask.thinking || directives.thinking;
        let thinking = if thinks { words("The mock provider thinks before it answers.") } else { Vec::new() };
        let calls = calls(ask, directives);
        if !calls.is_empty() {
            return Reply { thinking, text: Vec::new(), calls, finish: Finish::Tools };
        }
        let mut finish = Finish::Stop;
        let mut text = match (&directives.text, &ask.schema) {
            (Some(text), _) => text.clone(),
            (None, Some(Value::Bool(_))) => json!({ "answer": sentence(ask) }).to_string(),
            (None, Some(schema)) => example(schema).to_string(),
            (None, None) => sentence(ask),
        };
        let stops = ask.stop.iter().filter(|stop| !stop.is_empty());
        if let Some((at, stop)) = stops.filter_map(|stop| Some((text.find(stop.as_str())?, stop))).min() {
            text.truncate(at);
            finish = Finish::Sequence(stop.clone());
        }
        let mut text = if ask.schema.is_some() { pieces(&text) } else { words(&text) };
        if let Some(count) = directives.chunks.filter(|_| !text.is_empty()) {
            text = text.into_iter().cycle().take(count).collect();
        }
        let room = ask.max_tokens.map_or(usize::MAX, |most| usize::try_from(most).unwrap_or(usize::MAX));
        if text.len() > room {
            text.truncate(room);
            finish = Finish::Length;
        }
        Reply { thinking, text, calls, finish }
    }
}

/// The calls: forced ones always; others only while no tool has answered yet.
fn calls(ask: &Ask, directives: &Directives) -> Vec<Call> {
    let find = |name: &str| ask.tools.iter().find(|tool| tool.name == name);
    let call = |tool: &Tool| Call { name: tool.name.clone(), arguments: example(&tool.schema) };
    let chosen = match &ask.choice {
        Choice::None => return Vec::new(),
        Choice::Named(name) => return find(name).map(call).into_iter().collect(),
        Choice::Any => ask.tools.first(),
        Choice::Auto => None,
    };
    if ask.tool_result.is_none() {
        let ordered: Vec<Call> = directives
            .tools
            .iter()
            .filter_map(|(name, arguments)| {
                let tool = find(name)?;
                Some(arguments.as_ref().map_or_else(
                    || call(tool),
                    |arguments| Call { name: name.clone(), arguments: arguments.clone() },
                ))
            })
            .collect();
        if !ordered.is_empty() {
            return ordered;
        }
    }
    let asked = || if ask.tool_result.is_none() { wanted(ask) } else { None };
    chosen.or_else(asked).map(call).into_iter().collect()
}

/// The tool that the prompt asks for: `use a tool`, `use weather`, `use the weather tool`.
fn wanted(ask: &Ask) -> Option<&Tool> {
    let prompt = ask.prompt.to_lowercase();
    let named = ask.tools.iter().find(|tool| {
        let name = tool.name.to_lowercase();
        prompt.contains(&format!("use {name}")) || prompt.contains(&format!("use the {name} tool"))
    });
    named.or_else(|| ask.tools.first().filter(|_| prompt.contains("use a tool")))
}

fn sentence(ask: &Ask) -> String {
    let short = |text: &str| text.chars().take(ECHO).collect::<String>();
    match &ask.tool_result {
        Some(result) => format!("The mock provider read the tool's answer: {}", short(result)),
        None => format!("The mock provider heard: {}", short(&ask.prompt)),
    }
}

/// Words, each with the white space after it.
fn words(text: &str) -> Vec<String> {
    text.split_inclusive(char::is_whitespace).map(String::from).collect()
}

/// Pieces of a few characters.
fn pieces(text: &str) -> Vec<String> {
    let letters: Vec<char> = text.chars().collect();
    letters.chunks(PIECE).map(|piece| piece.iter().collect()).collect()
}
