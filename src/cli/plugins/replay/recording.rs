//! A recording, as the plugin `recorder` writes it: one message a line, put together by exchange.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use serde_json::Value;

use crate::cli::Failure;

/// Longest line, and the most exchanges of a file.
const LINE: u64 = 16 << 20;
const MOST: usize = 10_000;

/// What a request was.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) method: Method,
    /// Path and query.
    pub(super) target: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// What a provider answered; `Err` says why there was no answer.
pub(super) type Answered = Result<(StatusCode, HeaderMap, Bytes), String>;

/// One exchange.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) id: String,
    pub(super) asked: Option<Asked>,
    pub(super) answers: Vec<Answered>,
    /// Requests to providers.
    sent: usize,
    /// Why it cannot be replayed.
    unusable: Option<String>,
}

impl Exchange {
    /// Why it cannot be replayed; `None` when it can.
    pub(super) fn unusable(&self) -> Option<String> {
        let missing = self.sent > self.answers.len();
        self.unusable.clone().or_else(|| {
            missing.then(|| "a provider was asked whose answer was not recorded; the recording may have ended before it".to_owned())
        })
    }
}

/// Reads a recording. Lines that are none are an error with their number.
pub(super) fn read(path: &Path) -> Result<Vec<Exchange>, Failure> {
    let unread = |error| Failure::new(format!("cannot read `{}`: {error}", path.display()));
    let mut lines = BufReader::new(std::fs::File::open(path).map_err(unread)?);
    let mut exchanges = Exchanges::default();
    for number in 1.. {
        let mut line = Vec::new();
        let read = (&mut lines).take(LINE).read_until(b'\n', &mut line).map_err(unread)?;
        if read == 0 {
            break;
        }
        let wrong = |why: String| {
            let failure = Failure::new(format!("`{}`, line {number}: {why}", path.display()));
            failure.with_hint("`ccproxy record` writes recordings")
        };
        if read as u64 == LINE {
            return Err(wrong("it is too long".to_owned()));
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        match serde_json::from_slice(&line) {
            Ok(message) => exchanges.take(&message).map_err(wrong)?,
            // The proxy may have been killed while it wrote.
            Err(_) if line.last() != Some(&b'\n') => break,
            Err(error) => return Err(wrong(format!("no JSON: {error}"))),
        }
    }
    Ok(exchanges.list)
}

#[derive(Default)]
struct Exchanges {
    list: Vec<Exchange>,
    places: HashMap<String, usize>,
}

impl Exchanges {
    fn take(&mut self, message: &Value) -> Result<(), String> {
        if message["v"] != 1 {
            return Err("it is no message of a recording (`\"v\": 1`)".to_owned());
        }
        let text = |key: &str| message[key].as_str().ok_or_else(|| format!("`{key}` is missing"));
        let id = text("id")?;
        let list = &mut self.list;
        let place = *self.places.entry(id.to_owned()).or_insert_with(|| {
            let (asked, answers) = (None, Vec::new());
            list.push(Exchange { id: id.to_owned(), asked, answers, sent: 0, unusable: None });
            list.len() - 1
        });
        if list.len() > MOST {
            return Err(format!("there are more than {MOST} exchanges"));
        }
        let exchange = &mut list[place];
        if message["truncated"] == true && (text("side")?, text("kind")?) != ("client", "response") {
            exchange.unusable = Some("a body was too long to be recorded whole".to_owned());
        }
        match (text("side")?, text("kind")?) {
            ("client", "request") => {
                let method = text("method")?.parse().map_err(|_| "`method` is none".to_owned())?;
                let (target, headers) = (text("url")?.to_owned(), headers(&message["headers"])?);
                exchange.asked = Some(Asked { method, target, headers, body: body(message)? });
            }
            ("provider", "request") => exchange.sent += 1,
            ("provider", "response") => {
                let status = message["status"].as_u64().and_then(|status| u16::try_from(status).ok());
                let status = status.and_then(|status| StatusCode::from_u16(status).ok());
                let status = status.ok_or_else(|| "`status` is none".to_owned())?;
                exchange.answers.push(Ok((status, headers(&message["headers"])?, body(message)?)));
            }
            ("provider", "error") => {
                let told = message["message"].as_str().unwrap_or("it failed").to_owned();
                // One that broke off has its head and what came of it beside this.
                if message["phase"] == "send" {
                    exchange.answers.push(Err(told));
                } else {
                    exchange.unusable = Some(format!("the provider's answer broke off: {told}"));
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// Without what belongs to one connection.
fn headers(value: &Value) -> Result<HeaderMap, String> {
    const OWN: [HeaderName; 4] =
        [header::HOST, header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONNECTION];
    let mut headers = HeaderMap::new();
    for (name, values) in value.as_object().into_iter().flatten() {
        let wrong = || format!("the header `{}` is none", name.escape_debug());
        let field = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong())?;
        if OWN.contains(&field) {
            continue;
        }
        let one = std::slice::from_ref(values);
        for value in values.as_array().map_or(one, Vec::as_slice) {
            let text = value.as_str().ok_or_else(wrong)?;
            // A credential that is not known any more is none.
            if text == "[redacted]" {
                continue;
            }
            headers.append(field.clone(), HeaderValue::from_bytes(text.as_bytes()).map_err(|_| wrong())?);
        }
    }
    Ok(headers)
}

fn body(message: &Value) -> Result<Bytes, String> {
    if let Some(text) = message["body"].as_str() {
        return Ok(Bytes::copy_from_slice(text.as_bytes()));
    }
    match message["body_base64"].as_str() {
        Some(text) => {
            STANDARD.decode(text).map(Bytes::from).map_err(|error| format!("`body_base64`: {error}"))
        }
        None => Ok(Bytes::new()),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn recording(text: &str) -> Result<Vec<Exchange>, Failure> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jsonl");
        std::fs::write(&path, text).unwrap();
        read(&path)
    }

    #[test]
    fn messages_are_put_together_by_exchange() {
        let text = r#"
{"v":1,"id":"a","side":"client","kind":"request","method":"POST","url":"/v1/messages?x=1","headers":{"accept":["a","b"],"host":"h","x-api-key":"[redacted]"},"body":"{}"}
{"v":1,"id":"b","side":"client","kind":"request","method":"GET","url":"/","headers":{}}
{"v":1,"id":"a","side":"provider","kind":"error","phase":"send","message":"refused"}
{"v":1,"id":"a","side":"provider","kind":"response","status":200,"headers":{},"body_base64":"/wA="}
{"v":1,"id":"b","side":"provider","kind":"response","status":200,"headers":{},"body":"x","truncated":true}
{"v":1,"id":"a","side":"cli"#;
        let exchanges = recording(text).unwrap();
        let asked = exchanges[0].asked.as_ref().unwrap();
        assert_eq!((asked.target.as_str(), &asked.body[..]), ("/v1/messages?x=1", &b"{}"[..]));
        assert_eq!(asked.headers.len(), 2);
        assert_eq!(exchanges[0].answers[0], Err("refused".to_owned()));
        assert_eq!(exchanges[0].answers[1].as_ref().unwrap().2[..], [0xff, 0]);
        assert!(exchanges[1].unusable().unwrap().contains("too long"));
    }

    #[test]
    fn what_was_cut_off_is_unusable() {
        let side = |side: &str, kind: &str, more: &str| {
            let (method, headers) = ("\"method\":\"POST\",\"url\":\"/\"", "\"headers\":{},\"status\":200");
            format!(
                "{{\"v\":1,\"id\":\"a\",\"side\":\"{side}\",\"kind\":\"{kind}\",{method},{headers}{more}}}\n"
            )
        };
        let (asked, sent) = (side("client", "request", ""), side("provider", "request", ""));
        let (answered, failed) =
            (side("provider", "response", ""), side("provider", "error", ",\"phase\":\"send\""));
        let unusable = |text: String| recording(&text).unwrap()[0].unusable();
        for whole in
            [[&asked, &sent, &answered].as_slice(), &[&asked, &sent, &failed, &sent, &answered], &[&asked]]
        {
            assert_eq!(unusable(whole.iter().map(|line| line.as_str()).collect()), None);
        }
        for cut in [[&asked, &sent].as_slice(), &[&asked, &sent, &failed, &sent]] {
            let reason = unusable(cut.iter().map(|line| line.as_str()).collect());
            assert!(reason.is_some_and(|reason| reason.contains("answer was not recorded")));
        }
    }

    #[test]
    fn what_is_no_recording_is_named_with_its_line() {
        for (text, why) in [
            ("{}\n", "line 1"),
            ("\n{\"v\":1}\n", "line 2"),
            ("no json\n", "no JSON"),
            (
                "{\"v\":1,\"id\":\"a\",\"side\":\"client\",\"kind\":\"request\",\"method\":\"A B\",\"url\":\"/\"}\n",
                "`method`",
            ),
        ] {
            let told = format!("{:?}", recording(text).unwrap_err());
            assert!(told.contains(why), "{text}: {told}");
        }
    }
}
