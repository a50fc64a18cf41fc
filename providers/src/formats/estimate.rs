//! The tokens of a request, estimated here where no provider counts them. No vendor's tokenizer is at hand:
//! texts are weighed by what they are made of, which for prose and code comes within about a fifth of the
//! vendors' own counts. It errs upwards, since clients use the number to stay below a limit.

use bytes::Bytes;
use ccproxy_core::body::Answer;
use ccproxy_core::document::{Json, Kind};
use ccproxy_core::error::{Error, Kind as ErrorKind, Result};
use ccproxy_core::provider::LocalAnswer;
use http::{HeaderName, HeaderValue, StatusCode};

use super::hub::{Call, Content, Dialect, Losses, OutputFormat, Part, Source, Tool, ToolKind};
use super::json;
use super::transform::read;

/// On answers that hold an estimate.
const ESTIMATE: HeaderName = HeaderName::from_static("x-ccproxy-estimate");
/// What an image of usual size costs: about 1.15 megapixels at Anthropic, which scales larger ones down
/// (<https://docs.anthropic.com/en/docs/build-with-claude/vision>).
const IMAGE: u64 = 1600;
/// Tokens of a page of a PDF, and the bytes such a page has on average.
const PAGE: u64 = 2000;
const PAGE_BYTES: u64 = 50_000;
/// What frames a message: its role and its ends.
const FRAME: u64 = 4;
/// What a server adds to explain the use of tools, and what frames each of them.
const TOOLS: u64 = 340;
const TOOL: u64 = 8;

/// Counts requests of one format.
#[derive(Clone, Copy, Debug)]
pub struct Estimate(Dialect);

impl Estimate {
    /// For clients of this format.
    pub fn of(client: Dialect) -> Self {
        Estimate(client)
    }
}

impl LocalAnswer for Estimate {
    fn answer(&self, body: &Bytes) -> Result<Answer> {
        let refuse = |message: String| Error::client(ErrorKind::InvalidRequest, message);
        let json = Json::whole(body).ok_or_else(|| refuse("the body is not valid JSON".into()))?;
        if json.kind() != Kind::Object {
            return Err(refuse(format!("the body must be an object, not {}", json.kind().name())));
        }
        let call = read(self.0, &json, &mut Losses::default()).map_err(refuse)?;
        let tokens = tokens(&call);
        let body = json::object(|object| {
            if self.0 == Dialect::Responses {
                object.text("object", "response.input_tokens");
            }
            object.number("input_tokens", tokens);
        });
        let mut answer = Answer::bytes(StatusCode::OK, "application/json", body.into());
        answer.headers.insert(ESTIMATE, HeaderValue::from_static("input_tokens"));
        Ok(answer)
    }
}

fn tokens(call: &Call<'_>) -> u64 {
    let messages: u64 = call.messages.iter().map(|message| FRAME + parts(&message.parts)).sum();
    // What is deferred comes into the prompt only when a search finds it.
    let tools: u64 =
        call.tools.iter().filter(|tool| !tool.deferred).map(|tool| TOOL + weigh_tool(tool)).sum();
    let output = match &call.output {
        OutputFormat::Schema { schema, .. } => text(schema.as_str()),
        _ => 0,
    };
    messages + tools + output + if tools == 0 { 0 } else { TOOLS }
}

fn weigh_tool(tool: &Tool<'_>) -> u64 {
    let kind = match &tool.kind {
        ToolKind::Function { schema: raw, .. } | ToolKind::Custom { format: raw } => raw.as_ref(),
        ToolKind::WebSearch { .. } => None,
        ToolKind::Server { .. } => tool.raw.as_ref(),
    };
    text(&tool.name) + tool.description.as_deref().map_or(0, text) + kind.map_or(0, |raw| text(raw.as_str()))
}

fn parts(parts: &[Part<'_>]) -> u64 {
    parts.iter().map(|part| weigh(&part.content)).sum()
}

fn weigh(content: &Content<'_>) -> u64 {
    match content {
        Content::Text(words) | Content::Refusal(words) => text(words),
        Content::Image { detail, .. } if detail.as_deref() == Some("low") => 85,
        Content::Image { .. } => IMAGE,
        Content::Document { source, context, .. } => {
            context.as_deref().map_or(0, text)
                + match source {
                    Source::Text(words) => text(words),
                    Source::Base64 { data, .. } => pages(data.len() as u64 / 4 * 3) * PAGE,
                    Source::Url(_) | Source::Id(_) => PAGE,
                }
        }
        Content::Audio(raw) => raw.as_str().len() as u64 / 2000 + 1,
        Content::Thought(thought) => thought.texts.iter().map(|words| text(words)).sum(),
        Content::Call(call) => FRAME + text(&call.name) + text(&call.arguments),
        Content::Result(result) => FRAME + parts(&result.parts),
        Content::Other { raw, .. } => text(raw.as_str()),
    }
}

fn pages(bytes: u64) -> u64 {
    bytes.div_ceil(PAGE_BYTES).max(1)
}

/// What a run of characters is made of.
#[derive(Clone, Copy, PartialEq)]
enum Run {
    Word,
    Digits,
    Marks,
    Space,
    Breaks,
    Letters,
    Signs,
}

impl Run {
    fn of(character: char) -> Self {
        match character {
            'a'..='z' | 'A'..='Z' => Run::Word,
            '0'..='9' => Run::Digits,
            '\n' | '\r' => Run::Breaks,
            ' ' | '\t' => Run::Space,
            _ if character.is_ascii() => Run::Marks,
            // Below the scripts of East Asia three letters make two tokens, above them each is one.
            _ if character.is_alphabetic() && character < '\u{2e80}' => Run::Letters,
            _ => Run::Signs,
        }
    }

    /// The tokens of so many such characters.
    fn weight(self, length: u64) -> u64 {
        match self {
            Run::Word if length <= 7 => 1,
            Run::Word => length.div_ceil(5),
            Run::Digits => length.div_ceil(3),
            Run::Marks => length.div_ceil(2),
            Run::Letters => (length * 2).div_ceil(3),
            // One space belongs to the word behind it; indentation is a token of its own.
            Run::Space => u64::from(length > 1),
            Run::Breaks => 1,
            Run::Signs => length,
        }
    }
}

fn text(words: &str) -> u64 {
    let mut characters = words.chars().map(Run::of).peekable();
    let mut tokens = 0;
    while let Some(run) = characters.next() {
        let mut length = 1;
        while characters.next_if_eq(&run).is_some() {
            length += 1;
        }
        tokens += run.weight(length);
    }
    tokens
}

#[cfg(test)]
mod tests {
    use ccproxy_core::body::Body;
    use serde_json::{Value, json};

    use super::*;

    fn estimated(client: Dialect, body: &Value) -> Value {
        let answer = Estimate::of(client).answer(&body.to_string().into()).expect("an estimate");
        assert_eq!(answer.headers[ESTIMATE], "input_tokens");
        let Body::Full(Some(bytes)) = answer.body else { panic!("a whole body") };
        serde_json::from_slice(&bytes).expect("JSON")
    }

    fn count(client: Dialect, body: &Value) -> u64 {
        estimated(client, body)["input_tokens"].as_u64().expect("a number")
    }

    /// Counted with OpenAI's `cl100k_base`: prose, code, JSON, Cyrillic, Japanese.
    #[test]
    fn texts_weigh_about_what_a_tokenizer_says() {
        for (words, counted) in [
            ("The quick brown fox jumps over the lazy dog.", 10),
            (
                "Reads a file from the local filesystem. You can access any file directly by using this tool.",
                20,
            ),
            ("fn main() {\n    println!(\"{}\", 1 + 2);\n}\n", 14),
            ("{\"type\":\"object\",\"properties\":{\"path\":{\"type\":\"string\"}}}", 14),
            ("Съешь же ещё этих мягких французских булок", 28),
            ("私は猫が好きです", 9),
        ] {
            let guess = text(words);
            assert!(
                guess * 10 >= counted * 8 && guess * 10 <= counted * 15,
                "{guess} for {counted}: {words}"
            );
        }
    }

    #[test]
    fn the_same_conversation_weighs_the_same_in_every_format() {
        let messages = json!({ "model": "m", "system": "Be brief.", "messages": [{ "role": "user", "content": "Hello there" }] });
        let chat = json!({ "model": "m", "messages": [{ "role": "system", "content": "Be brief." }, { "role": "user", "content": "Hello there" }] });
        let responses = json!({ "model": "m", "instructions": "Be brief.", "input": "Hello there" });
        let weight = count(Dialect::Messages, &messages);
        assert_eq!(weight, count(Dialect::Chat, &chat));
        assert_eq!(weight, count(Dialect::Responses, &responses));
        assert_eq!(estimated(Dialect::Messages, &messages), json!({ "input_tokens": weight }));
        assert_eq!(estimated(Dialect::Responses, &responses)["object"], "response.input_tokens");
    }

    #[test]
    fn tools_images_and_documents_weigh_too() {
        let of = |content: Value, tools: Value| {
            let body = json!({ "model": "m", "max_tokens": 9, "tools": tools, "messages": [{ "role": "user", "content": content }] });
            count(Dialect::Messages, &body)
        };
        let bare = of(json!("Hi"), json!([]));
        let tool =
            json!([{ "name": "read", "description": "Reads a file", "input_schema": { "type": "object" } }]);
        assert!(of(json!("Hi"), tool) > bare + TOOLS);
        let image = json!([{ "type": "image", "source": { "type": "base64", "media_type": "image/png", "data": "A".repeat(100_000) } }]);
        let weight = of(image, json!([]));
        assert!((IMAGE..IMAGE + 10).contains(&weight), "bytes are no words: {weight}");
        let pdf = json!([{ "type": "document", "source": { "type": "base64", "media_type": "application/pdf", "data": "A".repeat(200_000) } }]);
        assert!((3 * PAGE..3 * PAGE + 10).contains(&of(pdf, json!([]))));
    }

    #[test]
    fn what_is_no_request_is_refused() {
        for body in ["[]", "nonsense", "{\"messages\":7}"] {
            let refused = Estimate::of(Dialect::Messages).answer(&body.into());
            assert_eq!(refused.expect_err(body).status(), StatusCode::BAD_REQUEST, "{body}");
        }
    }
}
