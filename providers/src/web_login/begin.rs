//! `/oauth/{provider}/login`: begins a login, and tells how it goes.

use std::sync::Arc;

use ccproxy_core::body::Answer;
use ccproxy_core::error::Kind;
use ccproxy_core::exchange::Exchange;
use ccproxy_core::oauth::{Failure, Flows, OAuthProvider, Reason};
use ccproxy_core::{Error, Result};
use http::{HeaderValue, Method, StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Desk;
use super::told::{self, refused};
use super::under_way::{LIMIT, State, UnderWay};
use crate::keeper::Login;
use crate::oauth::{Callback, Pending};
use crate::vault::Id;

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Wanted {
    account: Option<String>,
    flow: Option<Flow>,
    replace: bool,
}

#[derive(Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum Flow {
    Browser,
    Manual,
    Device,
}

/// `POST /oauth/{provider}/login`
pub(super) async fn post(desk: Arc<Desk>, exchange: Arc<Exchange>) -> Result<Answer> {
    let wanted: Wanted = told::fields(&exchange)?;
    let begun = begin(&desk, &told::param(&exchange, "provider"), wanted).await?;
    Ok(told::json(StatusCode::OK, &begun))
}

/// `GET /oauth/{provider}/login`: the way of a person who opens it.
pub(super) async fn get(desk: Arc<Desk>, exchange: Arc<Exchange>) -> Result<Answer> {
    {
        let request = exchange.request.lock();
        if request.method != Method::GET {
            return Ok(Answer::new(StatusCode::OK));
        }
        if request.uri.query().is_some_and(|query| !query.is_empty()) {
            let told = "nothing is taken from the query of this address: scopes and where the browser comes back to are \
                        settings, and another account is for `POST`";
            return Err(Error::client(Kind::InvalidRequest, told));
        }
    }
    let wanted = Wanted { flow: Some(Flow::Browser), ..Wanted::default() };
    let begun = begin(&desk, &told::param(&exchange, "provider"), wanted).await?;
    let url = begun["url"].as_str().and_then(|url| HeaderValue::from_str(url).ok());
    let mut answer = told::page(StatusCode::FOUND, "The login goes on at its own page.");
    let url =
        url.ok_or_else(|| Error::internal("the page of the login is no URL that a header can carry"))?;
    answer.headers.insert(header::LOCATION, url);
    Ok(answer)
}

/// `GET /oauth/{provider}/login/{login}`
pub(super) async fn look(desk: Arc<Desk>, exchange: Arc<Exchange>) -> Result<Answer> {
    let (provider, id) = (told::param(&exchange, "provider"), told::param(&exchange, "login"));
    let one = desk.waiting.find(&provider, &id).ok_or_else(unknown)?;
    Ok(told::json(StatusCode::OK, &state(&one)))
}

/// No login has that id.
pub(super) fn unknown() -> Error {
    let told = "no such login is under way; each is forgotten 5 minutes after its end";
    Error::client(Kind::NotFound, told)
}

/// How a login goes.
pub(super) fn state(one: &UnderWay) -> Value {
    let id = one.login.id();
    let mut told = json!({ "login": one.id.expose(), "provider": id.provider(), "account": id.account(), "flow": one.flow });
    let (word, key, more) = match one.state() {
        State::Waiting => ("waiting", "expires_in", one.left().as_secs().into()),
        State::Finishing => ("finishing", "expires_in", Value::Null),
        State::Done(_, summary) => ("done", "summary", summary.into()),
        State::Failed(_, failure) => ("failed", "error", told::failure(&failure)),
    };
    told["status"] = word.into();
    told[key] = more;
    told
}

async fn begin(desk: &Desk, provider: &str, wanted: Wanted) -> Result<Value> {
    let account = wanted.account.as_deref().unwrap_or(Id::DEFAULT);
    let login = desk.logins.login(provider, account).map_err(|failure| absent(desk, provider, failure))?;
    let provider = desk.logins.provider(provider).ok_or_else(unknown)?;
    // A store that cannot be used is told before anybody goes to a browser.
    desk.logins.keeper().vault().ready().await.map_err(refused)?;
    let first = login.record().await.map_err(refused)?.is_none();
    let flows = provider.flows();
    let flow = flow(&flows, &*provider, wanted.flow).map_err(refused)?;
    desk.waiting.make_room(&login).await?;
    let (one, mut begun) = match flow {
        Flow::Browser => in_browser(&provider, &login, flows, wanted.replace).await?,
        Flow::Manual => by_hand(&provider, &login, flows, wanted.replace).await?,
        Flow::Device => on_device(&provider, &login, wanted.replace).await?,
    };
    desk.waiting.add(&one);
    login.announce_asking(one.flow);
    if let Some(notice) = provider.notice().filter(|_| first) {
        begun["notice"] = notice.into();
    }
    if let (Value::Object(begun), Value::Object(state)) = (&mut begun, state(&one)) {
        for (key, value) in state {
            begun.entry(key).or_insert(value);
        }
    }
    Ok(begun)
}

/// The flow that is wanted, or the best there is.
fn flow(
    flows: &Flows,
    provider: &dyn OAuthProvider,
    wanted: Option<Flow>,
) -> std::result::Result<Flow, Failure> {
    let browser = flows.loopback.is_some() || flows.proxy.is_some();
    let there = |flow: Flow| match flow {
        Flow::Browser => browser,
        Flow::Manual => flows.paste.is_some(),
        Flow::Device => flows.device,
    };
    let best = [Flow::Browser, Flow::Manual, Flow::Device];
    match wanted {
        Some(flow) if there(flow) => Ok(flow),
        None if best.into_iter().any(there) => {
            Ok(best.into_iter().find(|flow| there(*flow)).unwrap_or(Flow::Device))
        }
        _ => {
            let words = [(Flow::Browser, "browser"), (Flow::Manual, "manual"), (Flow::Device, "device")];
            let ways: Vec<&str> =
                words.iter().filter(|(flow, _)| there(*flow)).map(|(_, word)| *word).collect();
            let title = provider.provider_display_name();
            let told = format!("{title} has no such flow; it has: {}", ways.join(", "));
            Err(Failure::new(Reason::Unsupported, told))
        }
    }
}

type Begun = (Arc<UnderWay>, Value);

/// The browser comes back to this machine, or to the proxy's own route.
async fn in_browser(
    provider: &Arc<dyn OAuthProvider>,
    login: &Arc<Login>,
    flows: Flows,
    replace: bool,
) -> Result<Begun> {
    if let Some(redirect_uri) = flows.proxy {
        let pending = Arc::new(Pending::begin(provider, redirect_uri).await.map_err(refused)?);
        let told = json!({ "url": pending.url() });
        return Ok((UnderWay::new(login, "browser", Some(pending), replace)?, told));
    }
    let Some(loopback) = flows.loopback else {
        return Err(Error::internal("there is nowhere to come back to"));
    };
    let callback = Callback::bind(loopback).await.map_err(|failure| {
        let hint = if flows.paste.is_some() { "; `\"flow\": \"manual\"` needs no port" } else { "" };
        Error::client(Kind::InvalidRequest, format!("{failure}{hint}")).with_status(StatusCode::CONFLICT)
    })?;
    let pending = Arc::new(Pending::begin(provider, callback.redirect_uri()).await.map_err(refused)?);
    let told = json!({ "url": pending.url() });
    let one = UnderWay::new(login, "browser", Some(pending.clone()), replace)?;
    let waiting = one.clone();
    one.attend(tokio::spawn(async move {
        let code = callback.wait(pending).await;
        if !waiting.take() {
            return;
        }
        // Nothing breaks a request for tokens off.
        tokio::spawn(async move {
            match code {
                Ok(code) => waiting.finish(&code).await,
                Err(failure) => waiting.keep(Err(failure)).await,
            }
        });
    }));
    Ok((one, told))
}

/// The page shows a code, which is brought to `POST /oauth/{provider}/callback`.
async fn by_hand(
    provider: &Arc<dyn OAuthProvider>,
    login: &Arc<Login>,
    flows: Flows,
    replace: bool,
) -> Result<Begun> {
    let Some(redirect_uri) = flows.paste else { return Err(Error::internal("no page shows a code")) };
    let pending = Arc::new(Pending::begin(provider, redirect_uri).await.map_err(refused)?);
    let told = json!({ "url": pending.url() });
    Ok((UnderWay::new(login, "manual", Some(pending), replace)?, told))
}

/// A person types a code on another device.
async fn on_device(provider: &Arc<dyn OAuthProvider>, login: &Arc<Login>, replace: bool) -> Result<Begun> {
    let device = provider.begin_device_login().await.map_err(refused)?;
    let told = json!({
        "user_code": device.user_code,
        "verification_uri": device.verification_uri,
        "verification_uri_complete": device.verification_uri_complete,
        "expires_in": device.expires_in.min(LIMIT).as_secs(),
    });
    let one = UnderWay::new(login, "device", None, replace)?;
    let (waiting, provider) = (one.clone(), provider.clone());
    one.attend(tokio::spawn(async move {
        let finished = tokio::time::timeout(LIMIT, provider.finish_device_login(&device)).await;
        let late = |_| Err(Failure::new(Reason::TooLate, "nobody typed the code within 5 minutes"));
        let tokens = finished.unwrap_or_else(late);
        if waiting.take() {
            tokio::spawn(async move { waiting.keep(tokens).await });
        }
    }));
    Ok((one, told))
}

/// No such provider: where the list is, as whoever asks over HTTP finds it.
fn absent(desk: &Desk, provider: &str, failure: Failure) -> Error {
    if desk.logins.provider(provider).is_some() {
        return refused(failure);
    }
    Error::client(Kind::NotFound, format!("{failure}; `GET /oauth/providers` tells more"))
}

/// The login of an account that must be there.
pub(super) fn login_of(desk: &Desk, provider: &str, account: Option<&str>) -> Result<Arc<Login>> {
    let found = desk.logins.login(provider, account.unwrap_or(Id::DEFAULT));
    found.map_err(|failure| absent(desk, provider, failure))
}
