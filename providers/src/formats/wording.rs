//! The words of an error, wherever a server has put them: vendors, gateways and frameworks each have a place of
//! their own.

use ccproxy_core::document::{Json, Kind};

use super::hub::Text;
use super::json::items;

/// Where words stand, the likeliest first.
const PLACES: [&str; 9] =
    ["message", "msg", "detail", "error", "errors", "error_message", "error_msg", "description", "title"];
/// How deep errors lie in one another.
const DEEPEST: usize = 6;
/// Most characters that are told of a body that is no JSON.
const MOST: usize = 1000;

/// The words in a JSON body, or in the JSON text that one of its strings holds.
pub(super) fn words<'a>(json: &Json<'a>) -> Option<Text<'a>> {
    look(json, DEEPEST)
}

fn look<'a>(json: &Json<'a>, depth: usize) -> Option<Text<'a>> {
    if depth == 0 {
        return None;
    }
    match json.kind() {
        Kind::String => {
            let text = json.as_str().filter(|text| !text.trim().is_empty())?;
            let inner = text.trim_start().starts_with(['{', '[']).then(|| within(&text, depth - 1)).flatten();
            Some(inner.map_or(text, Into::into))
        }
        Kind::Array => items(json).find_map(|item| look(&item, depth - 1)),
        Kind::Object => {
            let told = PLACES.iter().find_map(|place| look(&json.key(place)?, depth - 1))?;
            // OpenRouter says what its provider said apart.
            let raw = json.key("metadata").and_then(|about| look(&about.key("raw")?, depth - 1));
            Some(match raw.filter(|raw| *raw != told) {
                Some(raw) => format!("{told}: {raw}").into(),
                None => told,
            })
        }
        _ => None,
    }
}

fn within(text: &str, depth: usize) -> Option<String> {
    let json = Json::whole(text.as_bytes())?;
    look(&json, depth).map(Text::into_owned)
}

/// The words in a body that is no JSON: the title of a page, or its beginning.
pub(super) fn plain_words(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let lower = text.to_ascii_lowercase();
    let title = lower.find("<title>").zip(lower.find("</title>"));
    let told = title.and_then(|(start, end)| text.get(start + "<title>".len()..end)).map(str::trim);
    let told = told.filter(|title| !title.is_empty()).unwrap_or(text.trim());
    told.chars().take(MOST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_in_every_place() {
        for (body, expected) in [
            (r#"{"error":{"message":"plain"}}"#, Some("plain")),
            (r#"{"error":"bare"}"#, Some("bare")),
            (r#"[{"error":{"code":400,"message":"listed"}}]"#, Some("listed")),
            (r#"{"detail":[{"loc":["body"],"msg":"field required"}]}"#, Some("field required")),
            (r#"{"error":{"message":"{\"error\":{\"message\":\"inner\"}}"}}"#, Some("inner")),
            (r#"{"error":{"message":"{no json"}}"#, Some("{no json")),
            (r#"{"errors":[{"message":"first"},{"message":"second"}]}"#, Some("first")),
            (r#"{"error_msg":"odd"}"#, Some("odd")),
            (
                r#"{"error":{"message":"provider failed","metadata":{"raw":"{\"detail\":\"why\"}"}}}"#,
                Some("provider failed: why"),
            ),
            (r#"{"error":{"message":{"a":1}}}"#, None),
            ("5", None),
            ("null", None),
            (r#""said""#, Some("said")),
        ] {
            let json = Json::whole(body.as_bytes()).expect("JSON");
            assert_eq!(words(&json).as_deref(), expected, "{body}");
        }
    }

    #[test]
    fn a_page_tells_its_title() {
        assert_eq!(plain_words(b"<html><head><TITLE> 502 Bad Gateway </TITLE></head>"), "502 Bad Gateway");
        assert_eq!(plain_words(b"</title><title>"), "</title><title>");
        assert_eq!(plain_words(b"  upstream gone \n"), "upstream gone");
    }

    #[test]
    fn words_deep_inside_end_somewhere() {
        let deep = format!("{}\"x\"{}", "{\"error\":".repeat(100), "}".repeat(100));
        assert_eq!(words(&Json::whole(deep.as_bytes()).expect("JSON")), None);
    }
}
