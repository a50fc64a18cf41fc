//! What the ChatGPT backend demands of a Responses request, as data. Where nothing has to change, the bytes stay as
//! they came.

use bytes::Bytes;
use ccproxy_core::document::{Document, EditError, Json, Kind, Path, Segment};
use ccproxy_core::error::{Error, Kind as Fault, Result};
use ccproxy_core::transform::Loss;

/// Parameters that it refuses with 400 (`Unsupported parameter`), and which only shape or mark an answer.
const REFUSED: [&str; 11] = [
    "max_output_tokens",
    "max_completion_tokens",
    "max_tokens",
    "temperature",
    "top_p",
    "truncation",
    "user",
    "metadata",
    "safety_identifier",
    "prompt_cache_retention",
    "context_management",
];
const WHY: &str = "the backend refuses it";
/// What asks for something stored. Without it the request means something else, so it is refused here.
const STORED: [&str; 3] = ["previous_response_id", "conversation", "prompt"];
/// How thoughts survive where nothing is stored.
const ENCRYPTED: &str = "reasoning.encrypted_content";

/// Makes a request one that is taken, and says what it lost.
pub(super) fn shape(body: &mut Document) -> Result<Vec<Loss>> {
    let mut losses = Vec::new();
    stored(body)?;
    for key in REFUSED {
        if delete(body, key)? {
            losses.push(loss(key, WHY));
        }
    }
    // Without a wish: what is usual there.
    delete(body, "background")?;
    if value(body, "service_tier")
        .is_some_and(|tier| matches!(tier.as_str().as_deref(), Some("auto" | "default")))
    {
        delete(body, "service_tier")?;
    }
    if value(body, "stream").and_then(|stream| stream.as_bool()) != Some(true) {
        set(body, "stream", b"true")?;
    }
    store(body, &mut losses)?;
    if let Some(input) = input(body, &mut losses) {
        set(body, "input", &input)?;
    }
    Ok(losses)
}

fn stored(body: &Document) -> Result<()> {
    let wish = STORED.into_iter().find(|key| value(body, key).is_some());
    let background = value(body, "background").and_then(|value| value.as_bool()) == Some(true);
    let Some(key) = wish.or(background.then_some("background")) else { return Ok(()) };
    let message =
        format!("this provider cannot do `{key}`: it stores nothing; send the whole conversation as `input`");
    Err(Error::client(Fault::InvalidRequest, message))
}

/// Nothing is stored. A client that did not say so itself gets its thoughts sealed, so that it can send them back.
fn store(body: &mut Document, losses: &mut Vec<Loss>) -> Result<()> {
    let wish = value(body, "store").and_then(|store| store.as_bool());
    if wish == Some(false) {
        return Ok(());
    }
    if wish == Some(true) {
        losses.push(loss("store", "the backend stores nothing"));
    }
    set(body, "store", b"false")?;
    let include = value(body, "include").filter(|include| include.kind() == Kind::Array);
    let Some(include) = include else {
        return set(body, "include", format!("[\"{ENCRYPTED}\"]").as_bytes());
    };
    let mut named = include.children().into_iter().flatten().filter_map(|(_, name)| name.as_str());
    if named.any(|name| name == ENCRYPTED) {
        return Ok(());
    }
    body.append(&key("include"), format!("\"{ENCRYPTED}\"").as_bytes()).map_err(unedited)
}

/// The input as a list of items that it takes; `None` when it is one already.
fn input(body: &Document, losses: &mut Vec<Loss>) -> Option<Vec<u8>> {
    let input = value(body, "input")?;
    if input.kind() == Kind::String {
        let text = String::from_utf8_lossy(input.raw());
        let item = format!(
            "[{{\"type\":\"message\",\"role\":\"user\",\"content\":[{{\"type\":\"input_text\",\"text\":{text}}}]}}]"
        );
        return Some(item.into_bytes());
    }
    if input.kind() != Kind::Array {
        return None;
    }
    let mut list = vec![b'['];
    let mut changed = false;
    for (_, item) in input.children()? {
        let item = match change(&item) {
            Change::None => item.raw().to_vec(),
            Change::To(bytes) => {
                changed = true;
                bytes.to_vec()
            }
            Change::Gone(field, why) => {
                changed = true;
                losses.push(loss(field, why));
                continue;
            }
        };
        if list.len() > 1 {
            list.push(b',');
        }
        list.extend_from_slice(&item);
    }
    list.push(b']');
    changed.then_some(list)
}

/// What becomes of an input item.
enum Change {
    None,
    To(Bytes),
    Gone(&'static str, &'static str),
}

fn change(item: &Json<'_>) -> Change {
    let text = |key: &str| item.key(key).and_then(|value| value.as_str());
    match text("type").as_deref() {
        Some("item_reference") => {
            return Change::Gone("input.item_reference", "the backend stores nothing to refer to");
        }
        // It would be looked for in the store by its id.
        Some("reasoning") if text("encrypted_content").is_none_or(|sealed| sealed.is_empty()) => {
            return Change::Gone(
                "input.reasoning",
                "the backend takes thoughts back only when they are sealed",
            );
        }
        _ => {}
    }
    let untyped = item.key("type").is_none() && item.key("role").is_some();
    let system = text("role").as_deref() == Some("system");
    if !untyped && !system {
        return Change::None;
    }
    let mut changed = Document::new(Bytes::copy_from_slice(item.raw()));
    let edited = [(untyped, "type", "\"message\""), (system, "role", "\"developer\"")]
        .into_iter()
        .filter(|(wanted, ..)| *wanted)
        .try_for_each(|(_, name, json)| changed.set(&key(name), json.as_bytes()));
    match edited {
        Ok(()) => Change::To(changed.bytes().clone()),
        // Not to be understood here; the backend says what is wrong with it.
        Err(_) => Change::None,
    }
}

/// A value that is there and not null.
fn value<'a>(body: &'a Document, name: &str) -> Option<Json<'a>> {
    body.root()?.key(name).filter(|value| value.kind() != Kind::Null)
}

fn set(body: &mut Document, name: &str, json: &[u8]) -> Result<()> {
    body.set(&key(name), json).map_err(unedited)
}

fn delete(body: &mut Document, name: &str) -> Result<bool> {
    let told = value(body, name).is_some();
    body.delete(&key(name)).map_err(unedited)?;
    Ok(told)
}

fn key(name: &str) -> Path {
    Path::default().join(Segment::Key(name.into()))
}

fn unedited(error: EditError) -> Error {
    Error::client(Fault::InvalidRequest, format!("the body must be a JSON object: {error}"))
}

fn loss(field: &str, why: &'static str) -> Loss {
    Loss { field: field.to_owned(), why }
}
