//! `ccproxy explain`: what would become of a request, told by the running proxy or from the configuration.

use std::io::Read;
use std::path::PathBuf;

use bytes::Bytes;
use ccproxy_core::pipeline::{self, Question};
use clap::Args;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use serde_json::{Map, Value, json};

use super::context::block_on;
use super::output::Output;
use super::running::Target;
use super::{Failure, Global, Outcome, unstarted};

/// Largest request that is read.
const LARGEST: u64 = 64 << 20;

/// Show what would become of a request, without sending it
///
/// Its route, the plugins that it meets, the candidates and their state, the one that would be asked, what is
/// changed and lost on the way there, and the request as it would be sent. Plugins are listed, not run.
#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// The body of the request, JSON; `-` is standard input
    #[arg(value_name = "FILE")]
    request: PathBuf,
    /// The path it is for; by default `/v1/messages`, or `/v1/responses` when the body has `input`
    #[arg(long)]
    path: Option<String>,
    /// A header field that the client would send (may be repeated)
    #[arg(long, value_name = "NAME: VALUE")]
    header: Vec<String>,
    #[command(flatten)]
    target: Target,
    /// Ask no running proxy
    #[arg(long)]
    offline: bool,
    /// Print the body as it would be sent, too
    #[arg(long)]
    body: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Explain {
    pub(crate) fn run(self, global: &Global, output: &mut Output) -> Outcome {
        let loaded = global.load_sound(output)?;
        let body = self.read()?;
        let path = self.path.clone().unwrap_or_else(|| guess(&body).to_owned());
        let fields = self.fields()?;
        let (told, live) = block_on(async {
            let proxy = self.target.proxy(&loaded)?;
            if !self.offline && proxy.runs().await {
                let headers: Map<String, Value> =
                    fields.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
                let asked = json!({ "path": path, "headers": headers, "body": body });
                return Ok((proxy.post("/routing/explain", &asked).await?, true));
            }
            let question = question(&path, &fields, &body)?;
            Ok((pipeline::explain(&unstarted::generation(&loaded), question).await, false))
        })?;
        if self.json {
            output.json(&told);
            return Ok(());
        }
        Telling { told: &told, output }.all(self.body);
        if !live {
            output.line("no proxy was asked: whether candidates rest is not known");
        }
        Ok(())
    }

    fn read(&self) -> Result<String, Failure> {
        let shown = self.request.display();
        let mut text = String::new();
        let read = match self.request.as_os_str() == "-" {
            true => std::io::stdin().take(LARGEST).read_to_string(&mut text),
            false => std::fs::File::open(&self.request)
                .and_then(|file| file.take(LARGEST).read_to_string(&mut text)),
        };
        read.map_err(|error| Failure::new(format!("cannot read `{shown}`: {error}")))?;
        Ok(text)
    }

    fn fields(&self) -> Result<Vec<(String, String)>, Failure> {
        self.header
            .iter()
            .map(|field| match field.split_once(':') {
                Some((name, value)) => Ok((name.trim().to_ascii_lowercase(), value.trim().to_owned())),
                None => {
                    let failure = Failure::new("a `--header` has no colon");
                    Err(failure.with_hint("write it as `--header 'anthropic-version: 2023-06-01'`"))
                }
            })
            .collect()
    }
}

/// The path of the only format whose requests have `input`, or Anthropic's.
fn guess(body: &str) -> &'static str {
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    if body.get("input").is_some() { "/v1/responses" } else { "/v1/messages" }
}

fn question(path: &str, fields: &[(String, String)], body: &str) -> Result<Question, Failure> {
    let uri: Uri = path.parse().map_err(|_| Failure::new(format!("`{path}` is no path")))?;
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        let pair = HeaderName::from_bytes(name.as_bytes()).ok().zip(HeaderValue::from_str(value).ok());
        let Some((name, value)) = pair else {
            return Err(Failure::new(format!(
                "`{name}` is no header field, or its value none that one can carry"
            )));
        };
        headers.append(name, value);
    }
    Ok(Question { method: Method::POST, uri, headers, body: Bytes::from(body.to_owned()) })
}

/// The explanation in lines.
struct Telling<'a> {
    told: &'a Value,
    output: &'a mut Output,
}

impl Telling<'_> {
    fn all(&mut self, body: bool) {
        let told = self.told;
        let route = &told["route"];
        if route.is_object() {
            let format = route["format"].as_str().map(|format| format!(", {format}")).unwrap_or_default();
            let path = format!("{} {}", word(&route["method"]), word(&route["path"]));
            self.field("route", &format!("{path} ({}{format})", word(&route["plugin"])));
        }
        if let Some(model) = told["model"].as_str() {
            let stream = if told["stream"] == true { ", streamed" } else { "" };
            self.field("model", &format!("{model}{stream}"));
        }
        self.field_of("reason", &told["reason"]);
        for (index, candidate) in items(&told["candidates"]).enumerate() {
            self.field(if index == 0 { "candidates" } else { "" }, &one_candidate(candidate));
        }
        for one in items(&told["left_out"]) {
            self.field("left out", &format!("{}: {}", word(&one["candidate"]), word(&one["reason"])));
        }
        for (index, plugin) in items(&told["plugins"]).enumerate() {
            self.field(if index == 0 { "plugins" } else { "" }, &one_plugin(plugin));
        }
        if told["chosen"].is_object() {
            let chosen = &told["chosen"];
            self.field("asked", &format!("{}/{}", word(&chosen["provider"]), word(&chosen["model"])));
        }
        if told["credential"].is_object() {
            self.field_of("credential", &told["credential"]["hint"]);
        }
        if told["changes"].is_object() {
            self.changes();
        }
        if told["upstream"].is_object() {
            self.upstream(body);
        }
        if told["local"] == true {
            self.field("answered", "by the proxy itself, as an estimate");
        }
        if told["refused"].is_object() {
            let refused = &told["refused"];
            self.field("refused", &format!("{}: {}", refused["status"], word(&refused["message"])));
        }
    }

    fn changes(&mut self) {
        let (changes, formats) = (&self.told["changes"], &self.told["formats"]);
        let body = match changes["body"].as_str() {
            Some("same") => "the body goes as it is, to the byte".to_owned(),
            Some("edited") => "nothing else of the body".to_owned(),
            _ => format!("the body, from {} to {}", word(&formats["client"]), word(&formats["provider"])),
        };
        if let Some(model) = changes["model"].as_str() {
            self.field("changed", &format!("the model, to {model}"));
            self.field("", &body);
        } else {
            self.field("changed", &body);
        }
        for (key, what) in [("headers_removed", "left out"), ("headers_set", "set")] {
            let names: Vec<&str> = items(&changes[key]).filter_map(Value::as_str).collect();
            if !names.is_empty() {
                self.field("", &format!("headers {what}: {}", names.join(", ")));
            }
        }
        for (index, loss) in items(&self.told["losses"]).enumerate() {
            let label = if index == 0 { "lost" } else { "" };
            self.field(label, &format!("{}: {}", word(&loss["field"]), word(&loss["why"])));
        }
    }

    fn upstream(&mut self, body: bool) {
        let upstream = &self.told["upstream"];
        self.field("would send", &format!("{} {}", word(&upstream["method"]), word(&upstream["url"])));
        for (name, value) in upstream["headers"].as_object().into_iter().flatten() {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            self.field("", &format!("{name}: {value}"));
        }
        if body {
            let text = serde_json::to_string_pretty(&upstream["body"]).unwrap_or_default();
            self.output.line("");
            self.output.line(text);
        }
    }

    fn field(&mut self, label: &str, text: &str) {
        self.output.line(format!("{label:<11} {text}").trim_end());
    }

    fn field_of(&mut self, label: &str, value: &Value) {
        if let Some(text) = value.as_str() {
            self.field(label, text);
        }
    }
}

fn one_candidate(candidate: &Value) -> String {
    let state = match (candidate["state"].as_str(), candidate["rests_seconds"].as_f64()) {
        (Some("closed") | None, _) => String::new(),
        (Some(state), Some(seconds)) if seconds > 0.0 => format!(" [{state}, {seconds:.0} s more]"),
        (Some(state), _) => format!(" [{state}]"),
    };
    let about =
        candidate["obstacle"].as_str().or(candidate["credential"]["hint"].as_str()).unwrap_or_default();
    format!("{}/{}{state}  {about}", word(&candidate["provider"]), word(&candidate["model"]))
}

fn one_plugin(plugin: &Value) -> String {
    if plugin["hook"] == true {
        return format!(
            "{} hears `{}`, and may edit what is sent",
            word(&plugin["plugin"]),
            word(&plugin["name"])
        );
    }
    let moments = plugin["moments"].as_object().into_iter().flatten();
    let moments: Vec<&str> =
        moments.filter(|(_, has)| **has == true).map(|(name, _)| name.as_str()).collect();
    let body = match plugin["body"].as_str() {
        Some("write") => ", may edit bodies",
        Some("read") => ", reads bodies",
        _ => "",
    };
    format!("{} {} ({}{body})", plugin["layer"], word(&plugin["plugin"]), moments.join(", "))
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
