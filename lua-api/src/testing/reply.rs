//! What a test makes the network answer: read from its table, cut and paced as it asks.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use ccproxy_core::body::{Answer, Body};
use ccproxy_core::error::{Error, Kind, Reach};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use http_body::Frame;
use mlua::{Lua, MultiValue, Table, Value};
use serde_json::Value as Json;
use tokio::time::Sleep;

use super::canned::{self, Speech};
use crate::api::sse;
use crate::args::{Args, Options};
use crate::data::{self, Style};

/// Largest answer in bytes.
const LARGEST: usize = 16 << 20;

/// One answer.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    content: Content,
    cut: Cut,
    /// Before the head.
    delay: Duration,
    /// Before each piece but the first.
    pause: Duration,
    /// The connection breaks after so many bytes.
    breaks: Option<usize>,
    /// There is no connection at all, because.
    refuse: Option<String>,
}

#[derive(Clone, Debug)]
enum Content {
    Bytes(Bytes, Option<&'static str>),
    Say(Speech),
}

/// Where the bytes of an answer are cut: each piece arrives by itself.
#[derive(Clone, Debug, Default)]
pub(super) enum Cut {
    #[default]
    Never,
    /// Into pieces of so many bytes.
    Size(usize),
    /// After these bytes.
    After(Vec<usize>),
}

pub(super) const OPTIONS: &[&str] = &[
    "status", "headers", "json", "body", "events", "say", "tool", "cut", "delay", "pause", "breaks", "refuse",
];

impl Default for Reply {
    fn default() -> Self {
        Reply {
            status: StatusCode::OK,
            headers: HeaderMap::new(),
            content: Content::Say(Speech { text: vec!["Hello".into(), " there".into()], tools: Vec::new() }),
            cut: Cut::Never,
            delay: Duration::ZERO,
            pause: Duration::ZERO,
            breaks: None,
            refuse: None,
        }
    }
}

impl Reply {
    /// Reads the table of a test.
    pub(super) fn read(lua: &Lua, function: &'static str, value: Value) -> mlua::Result<Reply> {
        let args = Args::new(function, MultiValue::from_iter([value]));
        args.table(1)?;
        let options = args.options(1, OPTIONS)?;
        let status = match options.size("status")? {
            None => StatusCode::OK,
            Some(code) => u16::try_from(code)
                .ok()
                .and_then(|code| StatusCode::from_u16(code).ok())
                .ok_or_else(|| options.refuse("status", "not a status"))?,
        };
        let refuse = match options.any("refuse")? {
            Value::Nil | Value::Boolean(false) => None,
            Value::String(text) => Some(text.to_string_lossy()),
            _ => Some("the connection was refused".to_owned()),
        };
        Ok(Reply {
            status,
            headers: match options.table("headers")? {
                Some(table) => headers(&table).map_err(|why| options.refuse("headers", &why))?,
                None => HeaderMap::new(),
            },
            content: content(lua, &options)?,
            cut: cut(&options)?,
            delay: options.duration("delay")?.unwrap_or_default(),
            pause: options.duration("pause")?.unwrap_or_default(),
            breaks: match options.any("breaks")? {
                Value::Nil | Value::Boolean(false) => None,
                Value::Boolean(true) => Some(usize::MAX),
                Value::Integer(bytes @ 0..) => Some(bytes as usize),
                other => {
                    return Err(options.wrong(
                        "breaks",
                        "true (behind the last byte) or a number of bytes",
                        &other,
                    ));
                }
            },
            refuse,
        })
    }

    /// The same, cut elsewhere.
    pub(super) fn cut(self, cut: Cut) -> Reply {
        Reply { cut, ..self }
    }

    /// As a provider answers. `asked` is the body of the request, `origin` where it went. The number is that of the bytes.
    pub(super) async fn give(
        self,
        origin: &str,
        path: &str,
        asked: &[u8],
    ) -> (ccproxy_core::Result<Answer>, usize) {
        tokio::time::sleep(self.delay).await;
        if let Some(why) = self.refuse {
            let told = format!("cannot reach `{origin}`: {why}");
            return (Err(Error::upstream(Kind::BadGateway, told).with_reach(Reach::Unsent)), 0);
        }
        let (mut bytes, kind) = match self.content {
            Content::Bytes(bytes, kind) => (bytes, kind),
            Content::Say(speech) => {
                let asked: Json = serde_json::from_slice(asked).unwrap_or_default();
                let (bytes, stream) = canned::answer(path, &asked, &speech);
                (bytes, Some(if stream { STREAM } else { JSON }))
            }
        };
        let mut headers = self.headers;
        if let Some(kind) = kind {
            headers.entry(header::CONTENT_TYPE).or_insert(HeaderValue::from_static(kind));
        }
        let length = bytes.len();
        bytes.truncate(self.breaks.unwrap_or(length));
        let pieces = Pieces {
            left: self.cut.pieces(bytes),
            pause: self.pause,
            sleep: None,
            breaks: self.breaks.map(|_| format!("`{origin}` broke its answer off")),
        };
        (Ok(Answer { status: self.status, headers, body: Body::stream(pieces) }), length)
    }

    /// The same as the whole answer to a plugin's own request.
    pub(super) async fn give_whole(self, path: &str, asked: &[u8]) -> Result<http::Response<Bytes>, String> {
        if self.breaks.is_some() {
            tokio::time::sleep(self.delay).await;
            return Err("the connection broke off".to_owned());
        }
        let answer =
            self.give("the host", path, asked).await.0.map_err(|error| error.message().to_owned())?;
        let Answer { status, headers, body } = answer;
        let bytes = body.collect(LARGEST).await.map_err(|error| error.to_string())?;
        let mut response = http::Response::new(bytes);
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        Ok(response)
    }
}

const STREAM: &str = "text/event-stream; charset=utf-8";
const JSON: &str = "application/json";

fn content(lua: &Lua, options: &Options<'_>) -> mlua::Result<Content> {
    let mut found = Vec::new();
    let json = options.any("json")?;
    if !json.is_nil() {
        let text = data::to_json(lua, &json, LARGEST, Style::Compact);
        let text = text.map_err(|refused| options.refuse("json", &refused.to_string()))?;
        found.push(Content::Bytes(text.into(), Some(JSON)));
    }
    if let Some(body) = options.text("body")? {
        found.push(Content::Bytes(Bytes::copy_from_slice(&body.as_bytes()), None));
    }
    if let Some(events) = options.table("events")? {
        let mut bytes = Vec::new();
        for event in events.sequence_values::<Value>() {
            match event? {
                // As it is, so that a test can send what is not quite an event.
                Value::String(text) => bytes.extend_from_slice(&text.as_bytes()),
                Value::Table(event) => {
                    let event =
                        sse::render(lua, &event, LARGEST).map_err(|why| options.refuse("events", &why))?;
                    bytes.extend_from_slice(&event);
                }
                other => return Err(options.wrong("events", "list of events", &other)),
            }
        }
        found.push(Content::Bytes(bytes.into(), Some(STREAM)));
    }
    let (say, tool) = (options.any("say")?, options.any("tool")?);
    if !say.is_nil() || !tool.is_nil() {
        found.push(Content::Say(Speech { text: texts(&say, options)?, tools: tools(lua, &tool, options)? }));
    }
    match found.len() {
        0 => Ok(Content::Bytes(Bytes::new(), None)),
        1 => Ok(found.remove(0)),
        _ => {
            Err(options
                .refuse("json", "an answer has one of `json`, `body`, `events`, and `say` with `tool`"))
        }
    }
}

fn texts(say: &Value, options: &Options<'_>) -> mlua::Result<Vec<String>> {
    match say {
        Value::Nil => Ok(Vec::new()),
        Value::String(text) => Ok(vec![text.to_string_lossy()]),
        Value::Table(list) => list.sequence_values::<String>().collect(),
        other => Err(options.wrong("say", "text or list of texts", other)),
    }
}

fn tools(lua: &Lua, tool: &Value, options: &Options<'_>) -> mlua::Result<Vec<(String, Json)>> {
    let tool = match tool {
        Value::Nil => return Ok(Vec::new()),
        Value::Table(tool) => tool,
        other => return Err(options.wrong("tool", "table `{ name =, input = }`, or a list of them", other)),
    };
    let list: Vec<Table> = match tool.raw_len() {
        0 => vec![tool.clone()],
        _ => tool.sequence_values::<Table>().collect::<mlua::Result<_>>()?,
    };
    list.into_iter()
        .map(|tool| {
            let input: Value = tool.raw_get("input")?;
            let input = match input {
                Value::Nil => Json::Object(serde_json::Map::new()),
                input => data::to_value(lua, &input, LARGEST)
                    .map_err(|why| options.refuse("tool", &why.to_string()))?,
            };
            let name: Option<String> = tool.raw_get("name")?;
            Ok((name.ok_or_else(|| options.refuse("tool", "a tool has a `name`"))?, input))
        })
        .collect()
}

fn cut(options: &Options<'_>) -> mlua::Result<Cut> {
    Ok(match options.any("cut")? {
        Value::Nil => Cut::Never,
        Value::Integer(size @ 1..) => Cut::Size(size as usize),
        Value::Table(places) => Cut::After(places.sequence_values::<usize>().collect::<mlua::Result<_>>()?),
        other => {
            return Err(options.wrong(
                "cut",
                "number of bytes, or list of places; `every_cut` tries every place",
                &other,
            ));
        }
    })
}

/// Header fields from a table: text, numbers, or a list for one that comes several times.
pub(super) fn headers(table: &Table) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    let mut add = |name: &str, value: &Value| {
        let text = match value {
            Value::String(text) => text.as_bytes().to_vec(),
            Value::Integer(_) | Value::Number(_) => value.to_string().unwrap_or_default().into_bytes(),
            _ => return Err(format!("the value of `{name}` is text, a number or a list of them")),
        };
        let field =
            HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("`{name}` is no header's name"))?;
        let value =
            HeaderValue::from_bytes(&text).map_err(|_| format!("the value of `{name}` cannot be sent"))?;
        headers.append(field, value);
        Ok(())
    };
    let mut refused = None;
    let walked = table.for_each(|name: String, value: Value| {
        let list = match &value {
            Value::Table(list) => list.sequence_values::<Value>().collect::<mlua::Result<Vec<_>>>()?,
            _ => vec![value],
        };
        for value in &list {
            if let Err(why) = add(&name, value) {
                refused = Some(why);
            }
        }
        Ok(())
    });
    match (walked, refused) {
        (Ok(()), None) => Ok(headers),
        (_, Some(why)) => Err(why),
        (Err(_), _) => Err("names are text".to_owned()),
    }
}

impl Cut {
    fn pieces(&self, bytes: Bytes) -> VecDeque<Bytes> {
        let places: Vec<usize> = match self {
            Cut::Never => Vec::new(),
            Cut::Size(size) => {
                (1..).map(|count| count * size).take_while(|place| *place < bytes.len()).collect()
            }
            Cut::After(places) => places.clone(),
        };
        let (mut rest, mut taken, mut pieces) = (bytes, 0, VecDeque::new());
        for place in places {
            if place > taken && place - taken < rest.len() {
                pieces.push_back(rest.split_to(place - taken));
                taken = place;
            }
        }
        if !rest.is_empty() {
            pieces.push_back(rest);
        }
        pieces
    }
}

/// A body in pieces.
struct Pieces {
    left: VecDeque<Bytes>,
    pause: Duration,
    sleep: Option<Pin<Box<Sleep>>>,
    breaks: Option<String>,
}

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = self.get_mut();
        if let Some(sleep) = &mut this.sleep {
            ready!(sleep.as_mut().poll(cx));
            this.sleep = None;
        }
        let Some(piece) = this.left.pop_front() else {
            let broken = this.breaks.take();
            return Poll::Ready(
                broken.map(|why| Err(Error::upstream(Kind::BadGateway, why).with_retry(false))),
            );
        };
        if !this.pause.is_zero() && !this.left.is_empty() {
            this.sleep = Some(Box::pin(tokio::time::sleep(this.pause)));
        }
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty() && self.breaks.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_cut_where_it_is_asked() {
        let cut = |cut: Cut| -> Vec<String> {
            let pieces = cut.pieces(Bytes::from_static(b"abcdefg"));
            pieces.iter().map(|piece| String::from_utf8_lossy(piece).into_owned()).collect()
        };
        assert_eq!(cut(Cut::Never), ["abcdefg"]);
        assert_eq!(cut(Cut::Size(3)), ["abc", "def", "g"]);
        assert_eq!(cut(Cut::Size(7)), ["abcdefg"]);
        assert_eq!(cut(Cut::After(vec![0, 2, 2, 5, 9])), ["ab", "cde", "fg"]);
    }
}
