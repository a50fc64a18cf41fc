//! Counting the tokens of a request, between formats: OpenAI's `responses/input_tokens` and Anthropic's
//! `messages/count_tokens`.

use bytes::{Bytes, BytesMut};
use ccproxy_core::document::{Document, Json, Path};
use ccproxy_core::error::{Error, Kind, Result};
use ccproxy_core::transform::{Back, Facts, Loss, Transformer, Turned};
use http::StatusCode;

use super::hub::Dialect;
use super::json;
use super::transform::Pair;

/// What a request to create has and one to count must not: Anthropic refuses it.
const NOT_COUNTED: [&str; 8] =
    ["max_tokens", "stream", "temperature", "top_p", "top_k", "stop_sequences", "metadata", "service_tier"];

/// Clients of Responses on a provider of Messages.
#[derive(Debug, Default)]
pub struct Count;

impl Transformer for Count {
    fn request(&self, body: &Bytes, facts: Facts) -> Result<Turned> {
        let mut turned = Pair::of(Dialect::Responses, Dialect::Messages).request(body, facts)?;
        let mut document = Document::new(turned.body);
        for key in NOT_COUNTED {
            let deleted = Path::parse(key).map(|path| document.delete(&path));
            if !matches!(deleted, Ok(Ok(_))) {
                return Err(Error::internal(format!("`{key}` could not be taken out of a request to count")));
            }
        }
        turned.body = document.bytes().clone();
        turned.back = Box::new(Answer(turned.back));
        Ok(turned)
    }
}

/// Errors are those of any request; the answer is a number.
struct Answer(Box<dyn Back>);

impl Back for Answer {
    fn whole(&mut self, body: &[u8]) -> Result<Bytes> {
        let tokens = Json::whole(body).and_then(|body| body.key("input_tokens")?.as_u64());
        let tokens = tokens.ok_or_else(|| {
            Error::upstream(Kind::BadGateway, "the provider did not say a number of tokens")
        })?;
        let body = json::object(|object| {
            object.text("object", "response.input_tokens");
            object.number("input_tokens", tokens);
        });
        Ok(body.into())
    }

    fn error(&mut self, status: StatusCode, body: &[u8]) -> Bytes {
        self.0.error(status, body)
    }

    fn feed(&mut self, _bytes: &Bytes, _out: &mut BytesMut) -> Result<()> {
        Err(Error::upstream(
            Kind::BadGateway,
            "the provider answered with a stream where a number was asked for",
        ))
    }

    fn end(&mut self, broken: Option<&Error>, out: &mut BytesMut) {
        self.0.end(broken, out);
    }

    fn streams(&self) -> bool {
        false
    }

    fn losses(&mut self) -> Vec<Loss> {
        self.0.losses()
    }
}
