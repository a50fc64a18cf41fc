//! The network as a test imagines it: what it answers, and what it was asked.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};

use bytes::Bytes;
use ccproxy_core::body::Answer;
use ccproxy_core::provider::Outbound;
use ccproxy_core::step::BoxFuture;
use ccproxy_core::upstream::StandIn;
use ccproxy_core::{Error, Result};
use http::{HeaderMap, Method, Request, Response};
use mlua::Function;
use parking_lot::Mutex;

use super::record::Record;
use super::reply::Reply;
use super::sight;
use crate::call::{Begun, call, gone};
use crate::outcome;
use crate::script::Script;

/// Most requests that are kept.
const MOST: usize = 10_000;

/// One request that left the proxy.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) method: Method,
    pub(super) origin: String,
    /// With its query.
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// Where an answer comes from.
#[derive(Clone)]
pub(super) enum Source {
    /// It is ready.
    Reply(Box<Reply>),
    /// A function of the test makes it.
    Function(Function),
}

/// A rule for plugins' own requests.
struct Rule {
    method: Option<Method>,
    /// `*` is any run of characters.
    url: String,
    source: Source,
}

/// Providers on one side, the hosts that plugins ask on the other.
pub(super) struct World {
    script: Weak<Script>,
    record: Arc<Record>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    replies: VecDeque<Source>,
    always: Option<Source>,
    asked: Vec<Seen>,
    /// Bytes of the last answer of a provider.
    length: usize,
    rules: Vec<Rule>,
    fetched: Vec<Seen>,
}

impl World {
    pub(super) fn new(script: &Arc<Script>, record: &Arc<Record>) -> Arc<Self> {
        Arc::new(World { script: Arc::downgrade(script), record: record.clone(), state: Mutex::default() })
    }

    /// The next answer of a provider that has none before it.
    pub(super) fn queue(&self, source: Source) {
        self.state.lock().replies.push_back(source);
    }

    /// What providers answer when nothing is queued.
    pub(super) fn always(&self, source: Source) {
        self.state.lock().always = Some(source);
    }

    /// Answers that nobody asked for yet.
    pub(super) fn queued(&self) -> usize {
        self.state.lock().replies.len()
    }

    /// Forgets them.
    pub(super) fn clear(&self) {
        self.state.lock().replies.clear();
    }

    /// What providers were asked, oldest first.
    pub(super) fn asked(&self) -> Vec<Seen> {
        self.state.lock().asked.clone()
    }

    /// How long the last answer of a provider was.
    pub(super) fn length(&self) -> usize {
        self.state.lock().length
    }

    /// What a host answers to plugins; the rule that was made last counts.
    pub(super) fn rule(&self, method: Option<Method>, url: String, source: Source) {
        self.state.lock().rules.insert(0, Rule { method, url, source });
    }

    /// What plugins asked themselves, oldest first.
    pub(super) fn fetched(&self) -> Vec<Seen> {
        self.state.lock().fetched.clone()
    }

    /// The reply of a source, which may be a function of the test.
    async fn reply(&self, source: Source, seen: &Seen) -> std::result::Result<Reply, String> {
        let function = match source {
            Source::Reply(reply) => return Ok(*reply),
            Source::Function(function) => function,
        };
        let Some(script) = self.script.upgrade() else { return Err("the test is over".to_owned()) };
        let begin = |script: &Arc<Script>| {
            let request = sight::request(&script.vm.lua, seen)?;
            Ok(Begun::alone(script.vm.trampoline.call_async((function, request))))
        };
        let finish = |script: &Arc<Script>, values| {
            let [value, ..] = outcome::plain(values)?;
            Ok(Reply::read(&script.vm.lua, "t.reply", value)?)
        };
        let allowed = self.record.allowed();
        let made = call(script, &self.record.handler, allowed, gone, begin, finish).get().await;
        made.map_err(|fault| {
            let told = crate::script::told(fault);
            self.record.failed_aside(&format!("the function that answers for the network failed: {told}"));
            told
        })
    }
}

impl StandIn for World {
    fn provider(&self, outbound: Outbound) -> BoxFuture<'_, Result<Answer>> {
        let origin = format!("{}://{}", outbound.origin.scheme, outbound.origin.authority);
        let mut headers = outbound.headers;
        headers.extend(outbound.credential);
        let seen = Seen {
            method: outbound.method,
            origin: origin.clone(),
            path: outbound.path.to_string(),
            headers,
            body: outbound.body.bytes().clone(),
        };
        let path = outbound.path.path().to_owned();
        let source = {
            let mut state = self.state.lock();
            if state.asked.len() < MOST {
                state.asked.push(seen.clone());
            }
            state.replies.pop_front().or_else(|| state.always.clone())
        };
        Box::pin(async move {
            let source = source.unwrap_or_else(|| Source::Reply(Box::default()));
            let reply = self.reply(source, &seen).await.map_err(Error::internal)?;
            let (answer, length) = reply.give(&origin, &path, &seen.body).await;
            self.state.lock().length = length;
            answer
        })
    }

    fn plugin(&self, request: Request<Bytes>) -> BoxFuture<'_, std::result::Result<Response<Bytes>, String>> {
        let (parts, body) = request.into_parts();
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        let seen = Seen {
            method: parts.method.clone(),
            origin: origin(&parts.uri),
            path: path.clone(),
            headers: parts.headers,
            body,
        };
        let url = format!("{}{path}", seen.origin);
        let source = {
            let mut state = self.state.lock();
            if state.fetched.len() < MOST {
                state.fetched.push(seen.clone());
            }
            let meets = |rule: &&Rule| {
                rule.method.as_ref().is_none_or(|method| *method == parts.method) && glob(&rule.url, &url)
            };
            state.rules.iter().find(meets).map(|rule| rule.source.clone())
        };
        Box::pin(async move {
            let Some(source) = source else {
                let told = format!(
                    "no answer is set for `{} {url}`: `p.http:on(\"{url}\", {{ ... }})` sets one",
                    parts.method
                );
                self.record.failed_aside(&told);
                return Err(told);
            };
            let path = path.split('?').next().unwrap_or_default().to_owned();
            self.reply(source, &seen).await?.give_whole(&path, &seen.body).await
        })
    }
}

fn origin(uri: &http::Uri) -> String {
    let authority = uri.authority().map(ToString::to_string).unwrap_or_default();
    format!("{}://{authority}", uri.scheme_str().unwrap_or("http"))
}

/// `*` is any run of characters.
fn glob(pattern: &str, text: &str) -> bool {
    ccproxy_core::choice::Pattern::new(pattern).fits(text)
}
