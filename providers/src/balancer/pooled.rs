//! Credentials that take turns, as an adapter uses them: one is made ready, the request is sent with it, and what came of
//! it is learned. What happens between the two, and how often, is the pipeline's.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ccproxy_core::body::Answer;
use ccproxy_core::choice::retry_after;
use ccproxy_core::document::Document;
use ccproxy_core::error::{Kind, Reach, Side};
use ccproxy_core::exchange::Exchange;
use ccproxy_core::pool::{self, Retry};
use ccproxy_core::provider::Credential;
use ccproxy_core::step::BoxFuture;
use ccproxy_core::{Error, Result};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use parking_lot::Mutex;
use smallvec::SmallVec;

use super::facts::Facts;
use super::pool::{Described, Lease, Pool};
use super::verdict::{self, Verdict, Why};
use super::watched;

const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("retry-after-ms");
/// After so long the store is asked again whether somebody logged in.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// One credential of a provider.
pub(crate) trait Account: Send + Sync + 'static {
    /// What a request needs of it.
    type Ready: Send;

    /// Makes it ready; waits while a token is renewed. Not `sent`: for someone who only looks.
    fn ready(&self, sent: bool) -> BoxFuture<'_, Result<Self::Ready>>;

    /// For people.
    fn describe(&self) -> Credential;

    /// Whether it is used at a host of its own, which others may not share the fate of.
    fn has_own_host(&self) -> bool {
        false
    }
}

/// The credentials of one adapter, in the order of their pool.
pub(crate) struct Pooled<T> {
    pool: Arc<Pool>,
    members: Vec<T>,
}

/// What an exchange has come to with the credentials of a pool. Kept with the exchange.
#[derive(Default)]
struct Turn(Mutex<Course>);

#[derive(Default)]
struct Course {
    facts: Facts,
    tried: SmallVec<[usize; 4]>,
    lease: Option<Lease>,
    /// The credential was to blame for the last outcome.
    failed: bool,
    /// The next preparation goes on where this one ended.
    goes_on: bool,
}

impl<T: Account> Pooled<T> {
    /// `members` stand in the order of the pool's settings.
    pub(crate) fn new(pool: Arc<Pool>, members: Vec<T>) -> Self {
        Pooled { pool, members }
    }

    /// Makes a credential ready for a request whose body is this one. Each is tried at most once for an exchange.
    pub(crate) async fn ready(
        &self,
        exchange: &Exchange,
        body: &Document,
        sent: bool,
    ) -> Result<(&T, T::Ready)> {
        if !sent {
            let facts = Facts::of(&self.pool, exchange, body);
            let index = self.pool.would(&facts).ok_or_else(|| self.pool.refusal(&facts))?;
            exchange.credentials.lock().used = Some(self.pool.name(index).clone());
            let member = &self.members[index];
            return Ok((member, member.ready(false).await?));
        }
        let turn = self.begin(exchange, body);
        let mut last = None;
        loop {
            let (lease, facts) = {
                let mut course = turn.0.lock();
                let lease = self.pool.lease(&course.facts, &course.tried);
                if let Some(lease) = &lease {
                    course.tried.push(lease.index);
                }
                (lease, course.facts.clone())
            };
            let Some(lease) = lease else {
                // A login that is missing is the operator's to know, where another credential will be back.
                let last = last
                    .filter(|error| unready(error).why != Why::NeedsLogin || !self.pool.has_useful(&facts));
                return Err(last.unwrap_or_else(|| self.pool.refusal(&facts)));
            };
            let index = lease.index;
            match self.members[index].ready(true).await {
                Ok(ready) => {
                    exchange.credentials.lock().used = Some(self.pool.name(index).clone());
                    turn.0.lock().lease = Some(lease);
                    return Ok((&self.members[index], ready));
                }
                Err(error) => {
                    self.pool.failed(index, &facts, &unready(&error), Some(error.message().to_owned()));
                    last = Some(error);
                }
            }
        }
    }

    /// Sends with the credential that was made ready last, and learns from what comes back.
    pub(crate) async fn send<'a>(
        &'a self,
        exchange: &Exchange,
        send: impl FnOnce(&'a T) -> BoxFuture<'a, Result<Answer>>,
    ) -> Result<Answer> {
        let turn = self.turn(exchange);
        let (lease, facts) = {
            let mut course = turn.0.lock();
            course.failed = false;
            (course.lease.take(), course.facts.clone())
        };
        let Some(lease) = lease else { return Err(Error::internal("a credential was not made ready")) };
        let (index, member) = (lease.index, &self.members[lease.index]);
        self.pool.sent(index);
        let (outcome, verdict) = match send(member).await {
            Ok(answer) => {
                let verdict = verdict::refused(answer.status, &answer.headers, SystemTime::now());
                (Ok(answer), verdict.map(|verdict| (verdict, None)))
            }
            Err(error) => {
                let verdict = blamed(&error, member.has_own_host());
                let told = error.message().to_owned();
                (Err(error), verdict.map(|verdict| (verdict, Some(told))))
            }
        };
        if let Some((verdict, told)) = verdict {
            self.pool.failed(index, &facts, &verdict, told);
            turn.0.lock().failed = true;
            drop(lease);
            return outcome.map(|mut answer| {
                self.shorten(&mut answer.headers, &facts);
                answer
            });
        }
        let answer = outcome?;
        if !answer.status.is_success() {
            return Ok(answer);
        }
        self.pool.succeeded(index, &facts, lease.began);
        if let Some(advice) = verdict::used_up(&answer.headers, SystemTime::now()) {
            self.pool.failed(index, &facts, &advice, None);
        }
        Ok(watched::watch(&self.pool, lease, answer))
    }

    /// Whether what was sent last is to be sent once more with another credential.
    pub(crate) fn retry(&self, exchange: &Exchange) -> Retry {
        let turn = self.turn(exchange);
        let mut course = turn.0.lock();
        if !std::mem::take(&mut course.failed) {
            return Retry::No;
        }
        course.goes_on = self.pool.has_another(&course.facts, &course.tried);
        if course.goes_on { Retry::Another } else { Retry::Exhausted }
    }

    /// For people.
    pub(crate) fn describe(&self) -> pool::Pool {
        self.pool.describe(|index| {
            let Credential { present, hint, login, .. } = self.members[index].describe();
            let kind = if login.is_some() { "login" } else { "api_key" };
            Described { kind, login, lacks: (!present).then_some(hint) }
        })
    }

    /// For people, in one line.
    pub(crate) fn credential(&self) -> Credential {
        let pool = self.describe();
        let usable =
            pool.members.iter().filter(|member| matches!(member.state, "in_use" | "standby")).count();
        let hint = format!("{usable} of {} credentials can be used ({})", pool.members.len(), pool.strategy);
        Credential { kind: "pool", present: usable > 0, hint, login: None }
    }

    /// The turn of an exchange, begun anew unless the last one is to go on.
    fn begin(&self, exchange: &Exchange, body: &Document) -> Arc<Turn> {
        let turn = self.turn(exchange);
        let mut course = turn.0.lock();
        if !std::mem::take(&mut course.goes_on) {
            *course = Course { facts: Facts::of(&self.pool, exchange, body), ..Course::default() };
        }
        drop(course);
        turn
    }

    fn turn(&self, exchange: &Exchange) -> Arc<Turn> {
        let key = Arc::as_ptr(&self.pool).addr();
        if let Some(turn) = exchange.slot(key).and_then(|slot| slot.downcast().ok()) {
            return turn;
        }
        let turn = Arc::new(Turn::default());
        exchange.set_slot(key, turn.clone());
        turn
    }

    /// A client need not wait longer than until the first credential is back.
    fn shorten(&self, headers: &mut HeaderMap, facts: &Facts) {
        let Some(asked) = retry_after(headers, SystemTime::now()) else { return };
        if let Some((earliest, _)) = self.pool.earliest(facts).filter(|(earliest, _)| *earliest < asked) {
            let seconds = earliest.as_secs_f64().ceil().max(1.0) as u64;
            headers.remove(RETRY_AFTER_MS);
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
    }
}

/// Why a credential could not be made ready.
fn unready(error: &Error) -> Verdict {
    let wait = error.headers().iter().find(|(name, _)| name == header::RETRY_AFTER);
    let wait = wait.and_then(|(_, value)| value.to_str().ok()?.parse().ok()).map(Duration::from_secs);
    match (error.kind(), error.side()) {
        (Kind::Unauthorized, Side::Client) => {
            Verdict { why: Why::NeedsLogin, wait: Some(LOOK_AGAIN), firm: false, whole: true }
        }
        // Whoever exchanges it takes it no more.
        (Kind::Unauthorized | Kind::Forbidden, _) => {
            Verdict { why: Why::Unauthorized, wait, firm: false, whole: true }
        }
        _ => Verdict { why: Why::RefreshFailed, wait, firm: false, whole: true },
    }
}

/// Whether a credential is to blame that there is no answer: its login ended while it was refused, or its own host is
/// not there.
fn blamed(error: &Error, own_host: bool) -> Option<Verdict> {
    let unsent = error.side() == Side::Upstream && error.reach() == Reach::Unsent;
    if error.side() == Side::Client && error.kind() == Kind::Unauthorized {
        return Some(unready(error));
    }
    (own_host && unsent && error.retry()).then_some(Verdict {
        why: Why::Unreachable,
        wait: None,
        firm: false,
        whole: true,
    })
}
