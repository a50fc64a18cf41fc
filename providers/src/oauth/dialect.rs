//! Requests as a plugin wants them. The plugin sees the name of a secret, never the secret; and what comes back may
//! only go where its declaration said that the provider answers.

use ccproxy_core::oauth::{Dialect, Failure, Reason};
use http::{HeaderName, HeaderValue, header};
use oauth2::HttpRequest;
use reqwest::Url;
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::settings::is_safe;

/// Fields of requests that a plugin does not see.
const SECRET: [&str; 7] =
    ["code", "code_verifier", "refresh_token", "device_code", "client_secret", "token", "state"];
/// Largest request that a plugin may make of one.
const LARGEST: usize = 64 << 10;

/// What stands behind the names in braces.
#[derive(Default)]
struct Hidden(Vec<(String, Zeroizing<String>)>);

impl Hidden {
    fn hide(&mut self, name: &str, value: String) -> String {
        let shown = format!("{{{name}}}");
        self.0.push((shown.clone(), Zeroizing::new(value)));
        shown
    }

    /// The text with the secrets in their places. What is put in is not looked at again.
    fn filled(&self, text: &str) -> String {
        let mut filled = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find('{') {
            filled.push_str(&rest[..at]);
            rest = &rest[at..];
            match self.0.iter().find(|(name, _)| rest.starts_with(name.as_str())) {
                Some((name, value)) => {
                    filled.push_str(value);
                    rest = &rest[name.len()..];
                }
                None => {
                    filled.push('{');
                    rest = &rest[1..];
                }
            }
        }
        filled.push_str(rest);
        filled
    }

    fn fill(&self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.filled(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.fill(item)),
            Value::Object(object) => object.values_mut().for_each(|value| self.fill(value)),
            _ => {}
        }
    }
}

/// The page where a person logs in, as the plugin wants it.
pub(super) async fn page(dialect: &dyn Dialect, url: &str) -> Result<String, Failure> {
    let mut page = Url::parse(url).map_err(|_| no_sense("`authorize_url` is no URL"))?;
    let mut hidden = Hidden::default();
    let mut query = Map::new();
    for (name, value) in page.query_pairs() {
        let shown = match &*name {
            "state" | "code_challenge" => hidden.hide(&name, value.into_owned()),
            _ => value.into_owned(),
        };
        query.insert(name.into_owned(), shown.into());
    }
    page.set_query(None);
    let answer = dialect.authorization(json!({ "url": page.as_str(), "query": query })).await?;
    let url = text(&answer, "url")?.unwrap_or_else(|| page.to_string());
    let mut wanted = Url::parse(&url).map_err(|_| no_sense("`authorization` gave no URL"))?;
    if !is_safe(&url) {
        return Err(no_sense("`authorization` must give an `https` URL"));
    }
    for (name, value) in fields(&answer, "query")?.unwrap_or(query) {
        let Some(value) = as_text(&value) else { continue };
        wanted.query_pairs_mut().append_pair(&name, &hidden.filled(&value));
    }
    Ok(wanted.to_string())
}

/// A request as the plugin wants it. `origins` are those of the declared endpoints; `json` says how the server wants it
/// where the plugin does not.
pub(super) async fn request(
    dialect: &dyn Dialect,
    asked: HttpRequest,
    origins: &[String],
    json: bool,
) -> Result<HttpRequest, Failure> {
    let mut hidden = Hidden::default();
    let form = Url::parse(&format!("form:?{}", String::from_utf8_lossy(asked.body())));
    let mut form_fields = Map::new();
    for (name, value) in form.iter().flat_map(Url::query_pairs) {
        let shown = match SECRET.contains(&&*name) {
            true => hidden.hide(&name, value.into_owned()),
            false => value.into_owned(),
        };
        form_fields.insert(name.into_owned(), shown.into());
    }
    let mut headers = Map::new();
    if let Some(authorization) =
        asked.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok())
    {
        headers.insert(
            "authorization".to_owned(),
            hidden.hide("authorization", authorization.to_owned()).into(),
        );
    }
    let url = asked.uri().to_string();
    let shown = serde_json::json!({
        "grant": form_fields.get("grant_type").cloned(),
        "url": url,
        "headers": headers,
        "fields": form_fields,
        "body": if json { "json" } else { "form" },
    });
    let answer = dialect.request(shown).await?;
    let url = text(&answer, "url")?.unwrap_or(url);
    let origin = Url::parse(&url).map(|url| url.origin().ascii_serialization()).unwrap_or_default();
    if !is_safe(&url) || !origins.contains(&origin) {
        return Err(no_sense("`request` may only ask where the endpoints of `oauth_provider` are"));
    }
    let mut wanted = Value::Object(fields(&answer, "fields")?.unwrap_or(form_fields));
    hidden.fill(&mut wanted);
    let as_json = text(&answer, "body")?.map_or(json, |body| body == "json");
    let (kind, body) = match as_json {
        true => ("application/json", wanted.to_string()),
        false => ("application/x-www-form-urlencoded", form_of(&wanted)),
    };
    if body.len() > LARGEST {
        return Err(no_sense("`request` made it larger than 64 KiB"));
    }
    let mut request = http::Request::builder().method(http::Method::POST).uri(url);
    request = request.header(header::ACCEPT, "application/json").header(header::CONTENT_TYPE, kind);
    for (name, value) in fields(&answer, "headers")?.unwrap_or(headers) {
        let Some(value) = as_text(&value) else { continue };
        let name = HeaderName::try_from(name)
            .map_err(|_| no_sense("`headers` holds what is no name of a header"))?;
        let mut value = HeaderValue::try_from(hidden.filled(&value))
            .map_err(|_| no_sense("`headers` holds characters that no header can carry"))?;
        value.set_sensitive(true);
        request = request.header(name, value);
    }
    request.body(body.into_bytes()).map_err(|_| no_sense("`request` gave what cannot be sent"))
}

fn form_of(fields: &Value) -> String {
    let mut url = match Url::parse("form:") {
        Ok(url) => url,
        Err(_) => return String::new(),
    };
    for (name, value) in fields.as_object().into_iter().flatten() {
        if let Some(value) = as_text(value) {
            url.query_pairs_mut().append_pair(name, &value);
        }
    }
    url.query().unwrap_or_default().to_owned()
}

fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

fn text(answer: &Value, name: &str) -> Result<Option<String>, Failure> {
    match &answer[name] {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.clone())),
        _ => Err(no_sense(&format!("`{name}` is no text"))),
    }
}

fn fields(answer: &Value, name: &str) -> Result<Option<Map<String, Value>>, Failure> {
    match &answer[name] {
        Value::Null => Ok(None),
        Value::Object(object) => Ok(Some(object.clone())),
        Value::Array(items) if items.is_empty() => Ok(Some(Map::new())),
        _ => Err(no_sense(&format!("`{name}` is no table"))),
    }
}

fn no_sense(why: &str) -> Failure {
    Failure::new(Reason::Unsupported, format!("the plugin's OAuth provider: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_stand_where_their_names_stood_and_are_not_looked_at_again() {
        let mut hidden = Hidden::default();
        assert_eq!(hidden.hide("code", "{token}".to_owned()), "{code}");
        hidden.hide("token", "s3cret".to_owned());
        assert_eq!(hidden.filled("a {code} {token}{{token} {other} {"), "a {token} s3cret{s3cret {other} {");
        let mut value = json!({ "a": ["{token}", 1], "b": { "c": "{code}" } });
        hidden.fill(&mut value);
        assert_eq!(value, json!({ "a": ["s3cret", 1], "b": { "c": "{token}" } }));
    }

    #[test]
    fn a_form_is_written_as_forms_are() {
        assert_eq!(form_of(&json!({ "a": "x y&z", "n": 1, "t": true, "no": {} })), "a=x+y%26z&n=1&t=true");
    }
}
