//! Counting the tokens of a request, between formats: OpenAI's `responses/input_tokens` and Anthropic's
//! `messages/count_tokens`.

use bytes::{Bytes, BytesMut};
use ccproxy_core::document::Json;
use ccproxy_core::error::{Error, Kind, Result};
use ccproxy_core::transform::{Back, Facts, Loss, Transformer, Turned};
use http::StatusCode;

use super::hub::{Dialect, Raw};
use super::json;
use super::transform::Pair;

/// What a request to count may hold: the vendors refuse what only counts when an answer is made.
/// <https://docs.anthropic.com/en/api/messages-count-tokens>,
/// <https://platform.openai.com/docs/api-reference/responses/input-tokens>
const COUNTED: [&str; 14] = [
    "model",
    "system",
    "messages",
    "instructions",
    "input",
    "tools",
    "tool_choice",
    "thinking",
    "output_config",
    "parallel_tool_calls",
    "reasoning",
    "text",
    "truncation",
    "mcp_servers",
];

/// Clients of one of these formats on a provider of the other.
#[derive(Debug)]
pub struct Count(Pair, Dialect);

impl Count {
    /// Neither is Chat, which counts nothing.
    pub fn of(client: Dialect, provider: Dialect) -> Self {
        Count(Pair::of(client, provider), client)
    }
}

impl Transformer for Count {
    fn request(&self, body: &Bytes, facts: Facts<'_>) -> Result<Turned> {
        let mut turned = self.0.request(body, facts)?;
        let whole = Json::whole(&turned.body);
        let kept = json::object(|object| {
            for (key, value) in whole.iter().flat_map(json::fields) {
                if COUNTED.contains(&&*key) {
                    object.raw(&key, Raw::of(&value).as_str());
                }
            }
        });
        turned.body = kept.into();
        turned.back = Box::new(Answer { errors: turned.back, client: self.1 });
        Ok(turned)
    }
}

/// Errors are those of any request; the answer is a number.
struct Answer {
    errors: Box<dyn Back>,
    client: Dialect,
}

impl Back for Answer {
    fn whole(&mut self, body: &[u8]) -> Result<Bytes> {
        let tokens = Json::whole(body).and_then(|body| body.key("input_tokens")?.as_u64());
        let tokens = tokens.ok_or_else(|| {
            Error::upstream(Kind::BadGateway, "the provider did not say a number of tokens")
        })?;
        let body = json::object(|object| {
            if self.client == Dialect::Responses {
                object.text("object", "response.input_tokens");
            }
            object.number("input_tokens", tokens);
        });
        Ok(body.into())
    }

    fn error(&mut self, status: StatusCode, body: &[u8]) -> Bytes {
        self.errors.error(status, body)
    }

    fn feed(&mut self, _bytes: &Bytes, _out: &mut BytesMut) -> Result<()> {
        Err(Error::upstream(
            Kind::BadGateway,
            "the provider answered with a stream where a number was asked for",
        ))
    }

    fn end(&mut self, broken: Option<&Error>, out: &mut BytesMut) {
        self.errors.end(broken, out);
    }

    fn streams(&self) -> bool {
        false
    }

    fn losses(&mut self) -> Vec<Loss> {
        self.errors.losses()
    }
}
