//! A request with what it refers to put in place.

use bytes::Bytes;
use ccproxy_core::document::{Document, Json, Kind, Path};
use ccproxy_core::error::{Error, Kind as ErrorKind, Result};
use memchr::memmem;

use super::{Memory, Turn};

/// A request that may refer to earlier answers.
pub(super) struct Recalled {
    /// With everything in place.
    pub(super) body: Bytes,
    /// Whether `previous_response_id` is resolved.
    pub(super) resolved: bool,
    /// What is to be remembered when the answer is there; nothing, when the client wants nothing kept.
    pub(super) turn: Option<Turn>,
}

/// Puts earlier answers and items in place; what is not known stays for whoever reads the request to refuse.
pub(super) fn recall(memory: &Memory, client: &str, body: &Bytes) -> Result<Recalled> {
    let plain = || Recalled { body: body.clone(), resolved: false, turn: None };
    let Some(root) = Json::whole(body).filter(|root| root.kind() == Kind::Object) else { return Ok(plain()) };
    let Some(input) = root.key("input") else { return Ok(plain()) };
    let previous = root.key("previous_response_id").and_then(|id| id.as_str()).filter(|id| !id.is_empty());
    let refers = memmem::find(body, b"item_reference").is_some();
    let items = match input.kind() {
        Kind::Array => input
            .children()
            .into_iter()
            .flatten()
            .map(|(_, item)| match referred(memory, client, &item).filter(|_| refers) {
                Some(known) => known,
                None => body.slice_ref(item.raw()),
            })
            .collect(),
        Kind::String => {
            let said = format!("{{\"role\":\"user\",\"content\":{}}}", String::from_utf8_lossy(input.raw()));
            vec![Bytes::from(said)]
        }
        _ => return Ok(plain()),
    };
    let kept = root.key("store").and_then(|store| store.as_bool()) != Some(false);
    let turn = |input| Turn { previous: previous.as_deref().map(Into::into), input, ..Turn::default() };
    let Some(id) = &previous else {
        let body = if refers { with_input(body, &items)? } else { body.clone() };
        return Ok(Recalled { body, resolved: false, turn: kept.then(|| turn(items)) });
    };
    let Some(mut whole) = memory.conversation(client, id) else {
        // OpenAI's words, and what helps here.
        let told = format!(
            "Previous response with id '{id}' not found. The proxy keeps the latest answers in memory only; send the whole conversation as `input`."
        );
        return Err(Error::client(ErrorKind::InvalidRequest, told));
    };
    whole.extend(items.iter().cloned());
    Ok(Recalled { body: with_input(body, &whole)?, resolved: true, turn: kept.then(|| turn(items)) })
}

/// The item that another one stands for.
fn referred(memory: &Memory, client: &str, item: &Json<'_>) -> Option<Bytes> {
    let kind = item.key("type").and_then(|kind| kind.as_str());
    // The type may be left out: an id alone is a reference.
    let bare = kind.is_none() && item.key("role").is_none();
    if kind.as_deref() != Some("item_reference") && !bare {
        return None;
    }
    memory.item(client, &item.key("id")?.as_str()?)
}

fn with_input(body: &Bytes, items: &[Bytes]) -> Result<Bytes> {
    let mut input = Vec::with_capacity(items.iter().map(|item| item.len() + 1).sum::<usize>() + 2);
    input.push(b'[');
    for (place, item) in items.iter().enumerate() {
        if place > 0 {
            input.push(b',');
        }
        input.extend_from_slice(item);
    }
    input.push(b']');
    let mut document = Document::new(body.clone());
    let path = Path::parse("input").map_err(|error| Error::internal(error.to_string()))?;
    document
        .set(&path, &input)
        .map_err(|error| Error::client(ErrorKind::InvalidRequest, error.to_string()))?;
    Ok(document.bytes().clone())
}
