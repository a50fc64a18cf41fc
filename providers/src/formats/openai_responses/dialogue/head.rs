//! Header fields, which a websocket has only once. What Codex would write into those of each request it puts
//! into `client_metadata`; what it would read from those of each answer comes as `response.metadata`.

use bytes::Bytes;
use ccproxy_core::document::{Json, Kind};
use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::frames;
use crate::formats::json::text_at;

const BETA: HeaderName = HeaderName::from_static("openai-beta");
const TURN_STATE: HeaderName = HeaderName::from_static("x-codex-turn-state");
const EVENT_STREAM: HeaderValue = HeaderValue::from_static("text/event-stream");
/// Before the name of a header field in `client_metadata`, with underscores for hyphens.
const FIELD: &str = "ws_request_header_";

/// The state that one turn's requests share.
#[derive(Default)]
pub(super) struct Head {
    /// The turn that is answered, as the client names it.
    turn: Option<String>,
    /// What the last answer gave for it.
    state: Option<HeaderValue>,
}

impl Head {
    /// The fields of one request.
    pub(super) fn ask(&mut self, json: &Json<'_>, headers: &mut HeaderMap) {
        headers.insert(header::ACCEPT, EVENT_STREAM);
        let metadata = json.key("client_metadata").filter(|metadata| metadata.kind() == Kind::Object);
        let turn = metadata.as_ref().and_then(|metadata| text_at(metadata, "turn_id")).unwrap_or_default();
        match &self.turn {
            // A client that names no turns has no state to share.
            Some(known) if *known == turn && !turn.is_empty() => {
                if let Some(state) = &self.state {
                    headers.insert(TURN_STATE, state.clone());
                }
            }
            // What the upgrade brought along was for the turn it was made in.
            known => {
                if known.is_some() {
                    headers.remove(TURN_STATE);
                }
                (self.turn, self.state) = (Some(turn.into_owned()), None);
            }
        }
        for (key, value) in metadata.iter().filter_map(|metadata| metadata.children()).flatten() {
            let (Some(key), Some(value)) = (key, value.as_str()) else { continue };
            if let Some((name, value)) = field(&key, &value, headers) {
                headers.insert(name, value);
            }
        }
    }

    /// The fields of its answer that the client looks for.
    pub(super) fn begin(&mut self, headers: &HeaderMap) -> Option<Bytes> {
        if let Some(state) = headers.get(TURN_STATE) {
            self.state = Some(state.clone());
        }
        let told: Vec<(&str, &str)> = headers
            .iter()
            .filter(|(name, _)| is_told(name.as_str()))
            .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
            .collect();
        (!told.is_empty()).then(|| frames::metadata(&told))
    }
}

/// Takes out the wish for a websocket.
pub(super) fn forget_socket(headers: &mut HeaderMap) {
    let about_socket = |word: &str| word.trim().starts_with("responses_websockets");
    let words: Vec<&str> = headers
        .get_all(BETA)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .collect();
    if !words.iter().any(|word| about_socket(word)) {
        return;
    }
    let left: Vec<&str> = words.iter().filter(|word| !about_socket(word)).map(|word| word.trim()).collect();
    let left = HeaderValue::from_str(&left.join(", ")).ok().filter(|left| !left.is_empty());
    headers.remove(BETA);
    if let Some(left) = left {
        headers.insert(BETA, left);
    }
}

/// A field that `client_metadata` holds: one that says so, or a newer value of one that came with the upgrade.
fn field(key: &str, value: &str, headers: &HeaderMap) -> Option<(HeaderName, HeaderValue)> {
    let name = match key.strip_prefix(FIELD) {
        Some(name) => name.replace('_', "-"),
        None if key.starts_with("x-codex-") => key.to_owned(),
        None => return None,
    };
    let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
    let known = headers.contains_key(&name) || name == TURN_STATE;
    let allowed = match key.starts_with(FIELD) {
        // Nothing that another part of the proxy decides.
        true => ["x-codex-", "x-openai-", "trace"].iter().any(|prefix| name.as_str().starts_with(prefix)),
        false => known,
    };
    Some((name, HeaderValue::from_str(value).ok()?)).filter(|_| allowed)
}

fn is_told(name: &str) -> bool {
    ["x-codex-", "openai-", "x-ratelimit-"].iter().any(|prefix| name.starts_with(prefix))
        || matches!(name, "x-models-etag" | "x-reasoning-included" | "x-request-id" | "x-ccproxy-loss")
}
