//! What a request says that matters for the choice of its credential.

use ccproxy_core::document::Document;
use ccproxy_core::exchange::Exchange;
use http::HeaderMap;

use super::affinity::Mark;
use super::items::Items;
use super::{Pool, conversation};

/// The ChatGPT backend's word for where a turn is worked on; it comes back in the turn's next requests.
const TURN_STATE: &str = "x-codex-turn-state";

/// Ends of paths that count tokens: their limits are others than those of answers.
const COUNTING: [&str; 2] = ["/count_tokens", "/input_tokens"];

/// Of one request.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    /// What limits are about: the model, as it is sent.
    pub(super) model: Option<Box<str>>,
    /// The credentials that a plugin wants, in its order.
    pub(super) wanted: Option<Vec<usize>>,
    /// Whose items are in it.
    pub(super) maker: Option<usize>,
    /// Its conversation, where that counts.
    pub(super) conversation: Option<Mark>,
}

impl Facts {
    /// `body` is in the provider's format. It is read only as far as the pool needs to know.
    pub(super) fn of(pool: &Pool, exchange: &Exchange, body: &Document) -> Self {
        let wanted = exchange.credentials.lock().wanted.clone();
        let wanted = wanted.map(|names| names.iter().filter_map(|name| pool.place(name)).collect());
        let root = body.root();
        let request = exchange.request.lock();
        let model = root.as_ref().and_then(|root| root.key("model")?.as_str());
        let model = model.map(|model| match COUNTING.iter().any(|path| request.uri.path().ends_with(path)) {
            true => format!("{model} (counting tokens)").into(),
            false => model.into(),
        });
        let maker = match pool.is_several() && pool.knows_items() {
            true => maker(pool, body.bytes(), &request.headers, request.uri.path()),
            false => None,
        };
        let conversation =
            pool.is_sticky().then(|| conversation::of(&exchange.client.id, &request.headers, root));
        Facts { model, wanted, maker, conversation: conversation.flatten() }
    }
}

/// Who made what this request brings back; what stands last in it counts.
fn maker(pool: &Pool, body: &[u8], headers: &HeaderMap, path: &str) -> Option<usize> {
    let mut maker = None;
    Items::default().feed(body, |item| maker = pool.maker(mark(item)).or(maker));
    let turn = || pool.maker(turn_state(headers)?);
    let stored = || {
        path.split('/')
            .find_map(|part| pool.maker(mark(part.strip_prefix("resp_").map(|_| part)?.as_bytes())))
    };
    maker.or_else(turn).or_else(stored)
}

/// What an item is known by, from its end.
pub(super) fn mark(item: &[u8]) -> Mark {
    Mark::of("item", &[item])
}

/// The mark of the turn that these headers are about.
pub(super) fn turn_state(headers: &HeaderMap) -> Option<Mark> {
    Some(Mark::of("turn", &[headers.get(TURN_STATE)?.as_bytes()]))
}
