//! Writes JSON text key by key, in the order of the calls: the same input gives the same bytes, which a
//! provider's prompt cache lives from. Foreign JSON goes in as the text it came as.

use std::collections::HashMap;
use std::io::Write;

use ccproxy_core::document::{Json, Kind};

use super::hub::{Losses, Raw, Text};

/// Up to so many fields are looked through one by one.
const FEW: usize = 32;

/// The text of one object.
pub(super) fn object(fill: impl FnOnce(&mut Object<'_>)) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    write_object(&mut out, fill);
    out
}

/// The same as a string.
pub(super) fn object_text(fill: impl FnOnce(&mut Object<'_>)) -> String {
    String::from_utf8(object(fill)).unwrap_or_default()
}

/// Appends one object.
pub(super) fn write_object(out: &mut Vec<u8>, fill: impl FnOnce(&mut Object<'_>)) {
    out.push(b'{');
    fill(&mut Object { out, first: true });
    out.push(b'}');
}

/// Appends a string with its quotes.
pub(super) fn write_text(out: &mut Vec<u8>, text: &str) {
    // A vector takes every byte, so this cannot fail.
    let _ = serde_json::to_writer(out, text);
}

/// An open object.
pub(super) struct Object<'o> {
    out: &'o mut Vec<u8>,
    first: bool,
}

impl Object<'_> {
    fn key(&mut self, key: &str) -> &mut Vec<u8> {
        if !std::mem::take(&mut self.first) {
            self.out.push(b',');
        }
        write_text(self.out, key);
        self.out.push(b':');
        self.out
    }

    pub(super) fn text(&mut self, key: &str, text: &str) {
        write_text(self.key(key), text);
    }

    pub(super) fn maybe_text(&mut self, key: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.text(key, text);
        }
    }

    /// Null when there is no text.
    pub(super) fn text_or_null(&mut self, key: &str, text: Option<&str>) {
        match text {
            Some(text) => self.text(key, text),
            None => self.null(key),
        }
    }

    pub(super) fn number(&mut self, key: &str, number: u64) {
        // A vector takes every byte, so this cannot fail.
        let _ = write!(self.key(key), "{number}");
    }

    pub(super) fn boolean(&mut self, key: &str, value: bool) {
        self.key(key).extend_from_slice(if value { b"true" } else { b"false" });
    }

    pub(super) fn maybe_boolean(&mut self, key: &str, value: Option<bool>) {
        if let Some(value) = value {
            self.boolean(key, value);
        }
    }

    pub(super) fn null(&mut self, key: &str) {
        self.key(key).extend_from_slice(b"null");
    }

    /// JSON text as it is.
    pub(super) fn raw(&mut self, key: &str, json: &str) {
        self.key(key).extend_from_slice(json.as_bytes());
    }

    pub(super) fn maybe_raw(&mut self, key: &str, json: Option<&Raw<'_>>) {
        if let Some(json) = json {
            self.raw(key, json.as_str());
        }
    }

    pub(super) fn maybe_raw_text(&mut self, key: &str, json: Option<&str>) {
        if let Some(json) = json {
            self.raw(key, json);
        }
    }

    pub(super) fn object(&mut self, key: &str, fill: impl FnOnce(&mut Object<'_>)) {
        write_object(self.key(key), fill);
    }

    pub(super) fn array(&mut self, key: &str, fill: impl FnOnce(&mut Array<'_>)) {
        let mut array = Array::open(self.key(key));
        fill(&mut array);
        array.close();
    }
}

/// An open array.
pub(super) struct Array<'o> {
    out: &'o mut Vec<u8>,
    first: bool,
}

impl<'o> Array<'o> {
    /// Opens an array at the end of a text; `close` it.
    pub(super) fn open(out: &'o mut Vec<u8>) -> Self {
        out.push(b'[');
        Array { out, first: true }
    }

    pub(super) fn close(self) {
        self.out.push(b']');
    }

    fn item(&mut self) -> &mut Vec<u8> {
        if !std::mem::take(&mut self.first) {
            self.out.push(b',');
        }
        self.out
    }

    pub(super) fn text(&mut self, text: &str) {
        write_text(self.item(), text);
    }

    pub(super) fn raw(&mut self, json: &str) {
        self.item().extend_from_slice(json.as_bytes());
    }

    pub(super) fn object(&mut self, fill: impl FnOnce(&mut Object<'_>)) {
        write_object(self.item(), fill);
    }
}

/// The entries of an object whose value is not null; nothing for other kinds. Of a repeated key the last
/// one counts, as everywhere in this house.
pub(super) fn fields<'a>(json: &Json<'a>) -> Vec<(Text<'a>, Json<'a>)> {
    let mut fields: Vec<(Text<'a>, Json<'a>)> = Vec::with_capacity(8);
    let mut places: HashMap<Text<'a>, usize> = HashMap::new();
    for (key, value) in json.children().into_iter().flatten() {
        let Some(key) = key else { break };
        // Looking through a few is quicker than hashing; through very many it would take for ever.
        let known = match fields.len() <= FEW {
            true => fields.iter().position(|(known, _)| *known == key),
            false => {
                if places.is_empty() {
                    places.extend(fields.iter().enumerate().map(|(place, (key, _))| (key.clone(), place)));
                }
                places.get(&key).copied()
            }
        };
        match known {
            Some(place) => fields[place].1 = value,
            None => {
                if !places.is_empty() {
                    places.insert(key.clone(), fields.len());
                }
                fields.push((key, value));
            }
        }
    }
    fields.retain(|(_, value)| value.kind() != Kind::Null);
    fields
}

/// Reports the fields that are not known, but for empty lists, which say nothing.
pub(super) fn note(json: &Json<'_>, known: &[&str], place: &str, losses: &mut Losses) {
    for (key, value) in fields(json) {
        if !known.contains(&&*key) && value.raw() != b"[]" {
            losses.no_home(format!("{place}.{key}"));
        }
    }
}

/// The items of an array; nothing for other kinds.
pub(super) fn items<'a>(json: &Json<'a>) -> impl Iterator<Item = Json<'a>> + use<'a> {
    let children = (json.kind() == Kind::Array).then(|| json.children()).flatten();
    children.into_iter().flatten().map(|(_, value)| value)
}

/// The string at a key.
pub(super) fn text_at<'a>(json: &Json<'a>, key: &str) -> Option<Text<'a>> {
    json.key(key)?.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_of_a_repeated_key_counts_however_many_there_are() {
        for count in [3, FEW, FEW + 1, 500] {
            let once: Vec<String> = (0..count).map(|number| format!("\"k{number}\":0")).collect();
            let twice: Vec<String> =
                (0..count).map(|number| format!("\"k{number}\":{}", number + 1)).collect();
            let text = format!("{{{},{},\"k0\":null}}", once.join(","), twice.join(","));
            let fields = fields(&Json::whole(text.as_bytes()).expect("JSON"));
            assert_eq!(fields.len(), count - 1);
            assert!(
                fields.iter().all(|(key, value)| format!("k{}", value.as_u64().unwrap_or(0) - 1) == *key)
            );
        }
    }

    #[test]
    fn a_very_large_object_takes_no_very_long_time() {
        let text: Vec<String> = (0..200_000).map(|number| format!("\"k{number}\":1")).collect();
        let text = format!("{{{}}}", text.join(","));
        assert_eq!(fields(&Json::whole(text.as_bytes()).expect("JSON")).len(), 200_000);
    }
}
