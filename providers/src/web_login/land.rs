//! `/oauth/{provider}/callback`: where a login comes back to, by a browser or by hand.

use std::sync::Arc;

use ccproxy_core::body::Answer;
use ccproxy_core::error::Kind;
use ccproxy_core::exchange::Exchange;
use ccproxy_core::oauth::Failure;
use ccproxy_core::secret::Secret;
use ccproxy_core::{Error, Result};
use http::{Method, StatusCode};
use serde::Deserialize;

use super::Desk;
use super::told::{self, refused};
use super::under_way::{State, UnderWay};
use crate::oauth::Arrival;

const DONE: &str = "ccproxy is logged in. You can close this page.";
const FAILED: &str =
    "The login did not come to its end. Whoever began it is told why; you can close this page.";
const STRAY: &str = "This page does not belong to a login that is under way.";

/// `GET /oauth/{provider}/callback`. Asks for no key: the state says that somebody who has one began this login. What
/// does not belong to one changes nothing, and nothing of what was sent is repeated.
pub(super) async fn get(desk: Arc<Desk>, exchange: Arc<Exchange>) -> Result<Answer> {
    let (method, query) = {
        let request = exchange.request.lock();
        (request.method.clone(), Secret::new(request.uri.query().unwrap_or_default()))
    };
    let provider = told::param(&exchange, "provider");
    let stray = || Ok(told::page(StatusCode::BAD_REQUEST, STRAY));
    if method != Method::GET {
        return stray();
    }
    let Some((one, arrival)) = desk.waiting.judge(&provider, query.expose()) else { return stray() };
    if !one.take() {
        return stray();
    }
    match arrival {
        Arrival::Code(code) => finish(&one, code).await,
        Arrival::Refused(failure) => {
            one.drop_work().await;
            one.keep(Err(failure)).await;
        }
        Arrival::Stray => return stray(),
    }
    Ok(told::page(StatusCode::OK, if matches!(one.state(), State::Done(..)) { DONE } else { FAILED }))
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Brought {
    login: String,
    code: Option<Secret>,
}

/// `POST /oauth/{provider}/callback`: a code that a person brought, as the page showed it (`code#state`), or the whole
/// address that the browser ended at.
pub(super) async fn post(desk: Arc<Desk>, exchange: Arc<Exchange>) -> Result<Answer> {
    let brought: Brought = told::fields(&exchange)?;
    let Some(text) = brought.code.filter(|_| !brought.login.is_empty()) else {
        let told = "send `login`, as the beginning of the login told it, and `code`, as the page showed it";
        return Err(Error::client(Kind::InvalidRequest, told));
    };
    let one = desk.waiting.find(&told::param(&exchange, "provider"), &brought.login);
    let one = one.ok_or_else(super::begin::unknown)?;
    let pending = one.pending.as_ref().ok_or_else(|| {
        Error::client(Kind::InvalidRequest, "this login is finished on another device; no code belongs to it")
    })?;
    let stray = |failure: Failure| Error::client(Kind::InvalidRequest, failure.told().to_owned());
    let code = pending.pasted(text.expose()).map_err(stray)?;
    if !one.take() {
        let told = "this login is over, and a code is good for one only; begin another one";
        return Err(Error::client(Kind::InvalidRequest, told).with_status(StatusCode::CONFLICT));
    }
    finish(&one, code).await;
    let status = match one.state() {
        State::Failed(_, failure) => return Err(refused(failure)),
        _ => StatusCode::OK,
    };
    Ok(told::json(status, &super::begin::state(&one)))
}

/// In a task of its own: a browser that leaves breaks no request for tokens off.
async fn finish(one: &Arc<UnderWay>, code: Secret) {
    // Whoever else waits for this code waits in vain.
    one.drop_work().await;
    let finishing = one.clone();
    let _ = tokio::spawn(async move { finishing.finish(&code).await }).await;
}
