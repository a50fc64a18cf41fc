//! The messages that are made here: a warm-up's answer, refusals, and what an answer's head tells.

use bytes::Bytes;
use ccproxy_core::document::{Json, Kind};
use ccproxy_core::error::{self, Error};
use ccproxy_core::sse::Event;
use ccproxy_core::websocket::{Facts, Said};
use http::{HeaderMap, StatusCode};

use crate::formats::hub::Fault;
use crate::formats::json::{self, Object, items, text_at};
use crate::formats::openai_error::{Detail, Envelope, fault, fault_detail, param};

/// A request that is refused here.
pub(super) struct Refusal {
    message: String,
    code: Option<&'static str>,
    param: Option<&'static str>,
}

impl Refusal {
    pub(super) fn of(message: impl Into<String>) -> Self {
        Refusal { message: message.into(), code: None, param: None }
    }

    /// An answer that is not known on this socket. The client sends everything again when it reads the code.
    pub(super) fn unknown(id: &str) -> Self {
        let id: String = id.chars().take(100).collect();
        Refusal {
            message: format!("Previous response with id '{id}' not found."),
            code: Some("previous_response_not_found"),
            param: Some("previous_response_id"),
        }
    }

    pub(super) fn about(self, param: &'static str) -> Self {
        Refusal { param: Some(param), ..self }
    }

    pub(super) fn said(self) -> Said {
        let Refusal { message, code, param } = &self;
        let detail = Detail { message, r#type: "invalid_request_error", param: *param, code: *code };
        Said::Answer(vec![error(StatusCode::BAD_REQUEST, &detail_text(&detail), &HeaderMap::new())])
    }
}

/// The answer to a warm-up: nothing was generated. And the id to build on.
pub(super) fn warmed(model: &str, facts: &Facts) -> (String, Vec<Bytes>) {
    let id = format!("resp_{}", facts.id);
    let event = |kind: &str, number: u64, status: &str| {
        Bytes::from(json::object(|event| {
            event.text("type", kind);
            event.number("sequence_number", number);
            event.object("response", |response| {
                response.text("id", &id);
                response.text("object", "response");
                response.number("created_at", facts.now);
                response.text("status", status);
                response.text("model", model);
                response.array("output", |_| {});
                if status == "completed" {
                    response.object("usage", |usage| {
                        for key in ["input_tokens", "output_tokens", "total_tokens"] {
                            usage.number(key, 0);
                        }
                    });
                }
            });
        }))
    };
    let events =
        vec![event("response.created", 0, "in_progress"), event("response.completed", 1, "completed")];
    (id, events)
}

/// What the head of an answer tells.
pub(super) fn metadata(headers: &[(&str, &str)]) -> Bytes {
    json::object(|event| {
        event.text("type", "response.metadata");
        event.object("headers", |object| headers.iter().for_each(|(name, value)| object.text(name, value)));
    })
    .into()
}

/// An answer that refuses, with the provider's own words where they are in the format.
pub(super) fn refused(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Bytes {
    let json = Json::whole(body);
    if let Some(own) =
        json.as_ref().and_then(|json| json.key("error")).filter(|own| own.kind() == Kind::Object)
    {
        return error(status, &String::from_utf8_lossy(own.raw()), headers);
    }
    let told = json.as_ref().and_then(|json| text_at(json, "detail").or_else(|| text_at(json, "error")));
    let message = told.unwrap_or_else(|| format!("the provider answered {}", status.as_u16()).into());
    let fault = Fault::new(error::Kind::of(status), message);
    error(status, &detail_text(&fault_detail(&fault, None)), headers)
}

/// An answer that broke on the way.
pub(super) fn broken(failure: &Error) -> Bytes {
    error(failure.status(), &detail_text(&Envelope::of(failure).error), &HeaderMap::new())
}

/// What is no answer of this format.
pub(super) fn garbage() -> Bytes {
    let message = "the provider's answer is not the JSON it should be";
    broken(&Error::upstream(error::Kind::BadGateway, message))
}

/// An `error` event, with the status without which Codex does not take it for an end.
pub(super) fn error_event(data: &Bytes) -> Bytes {
    let Some(json) = Json::whole(data) else { return garbage() };
    if json.key("status").and_then(|status| status.as_u64()).is_some() {
        return data.clone();
    }
    let fault = fault(&json);
    let own = json.key("error").filter(|own| own.kind() == Kind::Object);
    let text = match own {
        Some(own) => String::from_utf8_lossy(own.raw()).into_owned(),
        None => {
            let param = param(&fault);
            detail_text(&fault_detail(&fault, param.as_deref()))
        }
    };
    error(fault.kind.status(), &text, &HeaderMap::new())
}

/// A whole answer as the events that matter.
pub(super) fn events_of(response: &Json<'_>) -> Vec<Event> {
    let mut number = 0;
    let mut event = |kind: &str, fill: &dyn Fn(&mut Object<'_>)| {
        let data = json::object(|event| {
            event.text("type", kind);
            event.number("sequence_number", number);
            fill(event);
        });
        number += 1;
        Event::new(kind, data)
    };
    let mut events = Vec::new();
    let output = response.key("output");
    for (index, item) in output.iter().flat_map(items).enumerate() {
        events.push(event("response.output_item.done", &|event| {
            event.number("output_index", index as u64);
            event.raw("item", &String::from_utf8_lossy(item.raw()));
        }));
    }
    let kind = match text_at(response, "status").as_deref() {
        Some("failed") => "response.failed",
        Some("incomplete") => "response.incomplete",
        _ => "response.completed",
    };
    events.push(event(kind, &|event| event.raw("response", &String::from_utf8_lossy(response.raw()))));
    events
}

fn error(status: StatusCode, detail: &str, headers: &HeaderMap) -> Bytes {
    json::object(|frame| {
        frame.text("type", "error");
        frame.number("status", u64::from(status.as_u16()));
        frame.raw("error", detail);
        frame.object("headers", |object| {
            for name in headers.keys().filter(|name| !is_about_body(name.as_str())) {
                if let Some(value) = headers.get(name).and_then(|value| value.to_str().ok()) {
                    object.text(name.as_str(), value);
                }
            }
        });
    })
    .into()
}

/// Fields that are not true of a message, and cookies, which are the connection's.
fn is_about_body(name: &str) -> bool {
    name.starts_with("content-")
        || matches!(name, "set-cookie" | "vary" | "date" | "server" | "www-authenticate")
}

fn detail_text(detail: &Detail<'_>) -> String {
    serde_json::to_string(detail).unwrap_or_else(|_| "{}".into())
}
