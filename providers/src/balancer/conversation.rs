//! What a conversation is known by: the client's own word for its session, else how it began.

use ccproxy_core::document::Json;
use http::HeaderMap;

use super::affinity::Mark;

/// Fields in which clients name their session: Claude Code, Codex (new and old), opencode.
const SESSIONS: [&str; 7] = [
    "x-claude-code-session-id",
    "session-id",
    "session_id",
    "conversation_id",
    "x-session-id",
    "x-session-affinity",
    "thread-id",
];

/// The mark of a request's conversation; `None` for a request that has none. `client` is whose request it is.
pub(super) fn of(client: &str, headers: &HeaderMap, body: Option<Json<'_>>) -> Option<Mark> {
    let client = client.as_bytes();
    let said = SESSIONS.iter().find_map(|name| headers.get(*name)).map(|value| value.as_bytes());
    if let Some(session) = said.filter(|session| !session.is_empty()) {
        return Some(Mark::of("session", &[client, session]));
    }
    let body = body?;
    if let Some(key) = body.key("prompt_cache_key").and_then(|key| key.as_str()).filter(|key| !key.is_empty())
    {
        return Some(Mark::of("cache", &[client, key.as_bytes()]));
    }
    let user = body.key("metadata").and_then(|data| data.key("user_id")?.as_str());
    if let Some(session) = user.as_deref().and_then(session_of_user) {
        return Some(Mark::of("session", &[client, session.as_bytes()]));
    }
    begun(client, &body)
}

/// Claude Code's `user_id`: JSON with a `session_id`, or `user_..._session_<uuid>` of old ones.
fn session_of_user(user: &str) -> Option<String> {
    if let Some(json) = Json::whole(user.as_bytes()) {
        return json.key("session_id")?.as_str().map(|session| session.into_owned());
    }
    user.split_once("_session_").map(|(_, session)| session.to_owned())
}

/// The instructions and the first words of the user, which every later request repeats. Text alone: marks for caches
/// move with each turn.
fn begun(client: &[u8], body: &Json<'_>) -> Option<Mark> {
    let turns = body.key("messages").or_else(|| body.key("input"))?;
    let mut words = String::new();
    for key in ["system", "instructions"] {
        if let Some(said) = body.key(key) {
            gather(&said, &mut words);
        }
    }
    words.push('\0');
    match turns.as_str() {
        Some(text) => words.push_str(&text),
        None => {
            for turn in turns.children()?.map(|(_, turn)| turn) {
                let role = turn.key("role").and_then(|role| role.as_str()).unwrap_or_default();
                if let Some(content) = turn.key("content") {
                    gather(&content, &mut words);
                }
                if role == "user" {
                    break;
                }
            }
        }
    }
    (words.len() > 1).then(|| Mark::of("begun", &[client, words.as_bytes()]))
}

/// The text of a content: a string, or blocks of which some have text.
fn gather(content: &Json<'_>, words: &mut String) {
    if let Some(text) = content.as_str() {
        words.push_str(&text);
        return;
    }
    for (_, block) in content.children().into_iter().flatten() {
        if let Some(text) = block.key("text").and_then(|text| text.as_str()) {
            words.push_str(&text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(headers: &[(&'static str, &str)], body: &str) -> Option<Mark> {
        let headers = headers.iter().filter_map(|(name, value)| {
            Some((http::HeaderName::from_static(name), http::HeaderValue::from_str(value).ok()?))
        });
        of("anonymous", &headers.collect(), Json::whole(body.as_bytes()))
    }

    #[test]
    fn a_session_is_known_wherever_the_client_says_it() {
        let session = mark(&[("session-id", "s-1")], "{}");
        assert!(session.is_some());
        assert_eq!(mark(&[("x-claude-code-session-id", "s-1")], r#"{"messages":[]}"#), session);
        assert_ne!(mark(&[("session-id", "s-2")], "{}"), session);
        let json = r#"{"metadata":{"user_id":"{\"device_id\":\"d\",\"session_id\":\"s-1\"}"}}"#;
        assert_eq!(mark(&[], json), session);
        assert_eq!(mark(&[], r#"{"metadata":{"user_id":"user_ab_account__session_s-1"}}"#), session);
        assert_eq!(
            mark(&[], r#"{"prompt_cache_key":"k","input":"a"}"#),
            mark(&[], r#"{"prompt_cache_key":"k","input":"b"}"#)
        );
        assert_ne!(of("one", &HeaderMap::new(), Json::whole(json.as_bytes())), session, "clients are apart");
    }

    #[test]
    fn else_by_how_it_began() {
        let first = mark(
            &[],
            r#"{"system":[{"type":"text","text":"S"}],"messages":[{"role":"user","content":[{"type":"text","text":"hi","cache_control":{"type":"ephemeral"}}]}]}"#,
        );
        let later = mark(
            &[],
            r#"{"system":"S","messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"yes"},{"role":"user","content":"more"}]}"#,
        );
        assert!(first.is_some() && first == later);
        assert_ne!(mark(&[], r#"{"system":"S","messages":[{"role":"user","content":"ho"}]}"#), first);
        let chat =
            mark(&[], r#"{"messages":[{"role":"system","content":"S"},{"role":"user","content":"hi"}]}"#);
        assert_eq!(
            chat,
            mark(
                &[],
                r#"{"messages":[{"role":"system","content":"S"},{"role":"user","content":"hi"},{"role":"assistant","content":"x"}]}"#
            )
        );
        assert!(mark(&[], r#"{"input":"hi"}"#).is_some());
        for nothing in ["", "{}", "[]", r#"{"messages":[]}"#, r#"{"messages":7}"#] {
            assert_eq!(mark(&[], nothing), None, "{nothing}");
        }
    }
}
