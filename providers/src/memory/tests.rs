use bytes::BytesMut;
use ccproxy_core::transform::{Facts, Transformer, Turned};
use serde_json::{Value, json};

use super::*;
use crate::formats::{Dialect, Pair};

struct House {
    memory: Arc<Memory>,
    turning: Remembering<Pair>,
}

impl House {
    fn new(most: usize) -> House {
        let memory = Memory::new(most);
        let turning = Remembering::new(Pair::of(Dialect::Responses, Dialect::Messages), &memory);
        House { memory, turning }
    }

    fn request(&self, client: &str, body: &Value) -> ccproxy_core::Result<Turned> {
        let facts = Facts { client, ..Facts::default() };
        self.turning.request(&body.to_string().into(), facts)
    }

    /// What goes to the provider for it, and the id of the answer, which says `words`.
    fn turn(&self, client: &str, body: &Value, words: &str) -> (Value, Value) {
        let mut turned = self.request(client, body).expect("turned");
        let message = json!({
            "id": format!("msg_{words}"), "type": "message", "role": "assistant", "model": "m", "stop_reason": "end_turn",
            "content": [{ "type": "text", "text": words }], "usage": { "input_tokens": 1, "output_tokens": 1 },
        });
        let answer = turned.back.whole(message.to_string().as_bytes()).expect("an answer");
        (serde_json::from_slice(&turned.body).expect("JSON"), serde_json::from_slice(&answer).expect("JSON"))
    }
}

fn ask(words: &str, previous: Option<&str>) -> Value {
    json!({ "model": "m", "input": words, "previous_response_id": previous })
}

/// The texts of a request to the provider, in order.
fn texts(sent: &Value) -> Vec<String> {
    let messages = sent["messages"].as_array().expect("messages");
    let blocks = messages.iter().flat_map(|message| message["content"].as_array().expect("blocks"));
    blocks.map(|block| block["text"].as_str().expect("a text").to_owned()).collect()
}

#[test]
fn answers_are_gone_on_from() {
    let house = House::new(1 << 20);
    let (_, first) = house.turn("a", &ask("one", None), "two");
    let (_, second) = house.turn("a", &ask("three", first["id"].as_str()), "four!");
    assert_eq!(second["previous_response_id"], first["id"], "{second}");
    let (sent, _) = house.turn("a", &ask("five", second["id"].as_str()), "six");
    assert_eq!(texts(&sent), ["one", "two", "three", "four!", "five"]);
    // A fork of an earlier one.
    let (sent, _) = house.turn("a", &ask("again", first["id"].as_str()), "seven");
    assert_eq!(texts(&sent), ["one", "two", "again"]);
}

#[test]
fn nobody_finds_what_is_another_s_or_was_not_to_be_kept() {
    let house = House::new(1 << 20);
    let (_, first) = house.turn("a", &ask("one", None), "two");
    let refused = house.request("b", &ask("three", first["id"].as_str())).err().expect("another's");
    assert!(refused.message().contains("not found") && refused.message().contains("`input`"), "{refused}");
    let mut private = ask("one", None);
    private["store"] = json!(false);
    let (_, first) = house.turn("a", &private, "twenty");
    assert!(house.request("a", &ask("three", first["id"].as_str())).is_err());
    assert!(House::new(0).memory.held.lock().turns.is_empty());
}

#[test]
fn items_are_found_by_their_ids_and_unknown_ones_are_refused_as_ever() {
    let house = House::new(1 << 20);
    let (_, first) = house.turn("a", &ask("one", None), "two");
    let id = &first["output"][0]["id"];
    let items = |id: &Value| {
        json!({ "model": "m", "input": [
            { "role": "user", "content": "one" }, { "type": "item_reference", "id": id }, { "role": "user", "content": "three" } ] })
    };
    let (sent, _) = house.turn("a", &items(id), "four");
    assert_eq!(texts(&sent), ["one", "two", "three"]);
    assert!(house.request("a", &items(&json!("msg_unknown"))).is_err());
}

#[test]
fn streams_are_remembered_at_their_end_only() {
    let house = House::new(1 << 20);
    let mut body = ask("one", None);
    body["stream"] = json!(true);
    let mut turned = house.request("a", &body).expect("turned");
    let mut out = BytesMut::new();
    let events = [
        json!({ "type": "message_start", "message": { "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [], "usage": { "input_tokens": 1, "output_tokens": 0 } } }),
        json!({ "type": "content_block_start", "index": 0, "content_block": { "type": "text", "text": "" } }),
        json!({ "type": "content_block_delta", "index": 0, "delta": { "type": "text_delta", "text": "two" } }),
        json!({ "type": "content_block_stop", "index": 0 }),
        json!({ "type": "message_delta", "delta": { "stop_reason": "end_turn" }, "usage": { "output_tokens": 1 } }),
        json!({ "type": "message_stop" }),
    ];
    for event in events {
        assert!(house.memory.held.lock().turns.is_empty());
        let bytes = format!("event: {}\ndata: {event}\n\n", event["type"].as_str().expect("a type"));
        turned.back.feed(&bytes.into(), &mut out).expect("fed");
    }
    turned.back.end(None, &mut out);
    let held = house.memory.held.lock();
    assert_eq!(held.turns.len(), 1);
    let id = held.turns.keys().next().expect("an id").1.to_string();
    drop(held);
    let (sent, _) = house.turn("a", &ask("three", Some(&id)), "four");
    assert_eq!(texts(&sent), ["one", "two", "three"]);
}

#[test]
fn it_stays_within_its_bytes_and_what_is_used_stays_longest() {
    let house = House::new(20_000);
    let long = "x".repeat(2000);
    let (_, first) = house.turn("a", &ask(&long, None), "first");
    for number in 0..40 {
        house.turn("a", &ask(&long, None), &"y".repeat(number + 10));
        house
            .memory
            .conversation("a", first["id"].as_str().expect("an id"))
            .expect("it is used all the time");
        let held = house.memory.held.lock();
        assert!(held.bytes <= 20_000 && held.turns.len() < 10);
        assert_eq!(held.uses.len(), held.turns.len());
        assert_eq!(held.items.len(), held.turns.len());
    }
    house.turn("a", &ask(&"z".repeat(9000), None), "too large to be kept");
    assert!(house.memory.held.lock().turns.len() > 1);
}
