//! Steps 7 and 8 at the front door: the candidates, asked one after the other until one answers. Another one is
//! asked only while nothing of an answer has gone to the client.

use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use http::StatusCode;

use super::choose::settle;
use super::dispatch::{self, Headed, Ready, Wanted};
use super::retry::Tries;
use crate::body::Answer;
use crate::choice::{Candidate, Choice, Chosen, Lane, Own, Permit, retry_after};
use crate::document::{Document, Path, Segment};
use crate::error::{Error, Kind, Reach, Result, Side};
use crate::exchange::Exchange;
use crate::provider::{Operation, Provider};
use crate::router::Route;

/// The candidates of one request while they are asked.
#[derive(Clone, Copy)]
pub(super) struct Attempts<'a> {
    pub(super) exchange: &'a Arc<Exchange>,
    pub(super) route: &'a Route,
    pub(super) operation: &'a Operation,
    pub(super) own: &'a Own,
    pub(super) choice: &'a Arc<Choice>,
    /// Whether what is ready is sent, or only shown.
    pub(super) sent: bool,
}

/// What became of asking one candidate.
enum Outcome<'a> {
    /// Its answer is the client's.
    Passes(Headed<'a>),
    /// It failed, and another may be asked.
    Failed(Failure<'a>),
    /// It failed, and no other may be asked.
    Last(Failure<'a>),
    /// Not it, but the proxy or a plugin.
    Refused(Error),
}

/// How a candidate failed.
enum Failure<'a> {
    /// It answered with a status that another may mend.
    Answered(Headed<'a>),
    /// It did not answer.
    Silent(Error),
}

/// The failure that tells the client most, and whose it is.
type Best<'a> = Option<(usize, Failure<'a>)>;

impl<'a> Attempts<'a> {
    /// Asks them. The answer that passes is the first good one, or of the bad ones the best.
    pub(super) async fn run(self) -> Result<(Headed<'a>, &'a Candidate)> {
        let (candidates, breaker) = (&self.choice.candidates, &self.exchange.generation.routing.breaker);
        let mut best: Best<'a> = None;
        let mut resting = None;
        for (at, candidate) in candidates.iter().enumerate() {
            // Nobody could stand in for a single one, so it is never left alone.
            let permit = match candidates.len() {
                1 => Ok(breaker.force(self.lane(at))),
                _ => breaker.admit(self.lane(at), Instant::now()),
            };
            match permit {
                Ok(permit) => match self.attempt(at, permit, &mut best).await? {
                    ControlFlow::Continue(()) => {}
                    ControlFlow::Break(Some(headed)) => return Ok((headed, candidate)),
                    ControlFlow::Break(None) => break,
                },
                Err(rests) => resting = resting.into_iter().chain([(rests, at)]).min(),
            }
        }
        let nobody = best.as_ref().is_none_or(|(_, failure)| !failure.was_asked());
        if let Some((_, at)) = resting.filter(|_| nobody) {
            // All that can be asked rest: the first to be back says for itself how it is.
            let permit = breaker.force(self.lane(at));
            if let ControlFlow::Break(Some(headed)) = self.attempt(at, permit, &mut best).await? {
                return Ok((headed, &candidates[at]));
            }
        }
        let Some((at, failure)) = best else { return Err(Error::internal("a choice without candidates")) };
        settle(self.exchange, Chosen { choice: self.choice.clone(), at });
        match failure {
            Failure::Answered(headed) => Ok((headed, &candidates[at])),
            Failure::Silent(error) => Err(error),
        }
    }

    /// Asks one, and keeps its failure when it is the best so far. Breaks with the answer that passes, or without
    /// one when no other may be asked.
    async fn attempt(
        self,
        at: usize,
        permit: Permit,
        best: &mut Best<'a>,
    ) -> Result<ControlFlow<Option<Headed<'a>>>> {
        settle(self.exchange, Chosen { choice: self.choice.clone(), at });
        let (failure, flow) = match self.outcome(at, permit).await {
            Outcome::Passes(headed) => return Ok(ControlFlow::Break(Some(headed))),
            Outcome::Refused(error) => return Err(error),
            Outcome::Failed(failure) => (failure, ControlFlow::Continue(())),
            Outcome::Last(failure) => (failure, ControlFlow::Break(None)),
        };
        if self.choice.candidates.len() > 1 {
            let candidate = &self.choice.candidates[at];
            tracing::info!(exchange = %self.exchange.id, %candidate, "a candidate failed: {failure}");
        }
        if best.as_ref().is_none_or(|(_, best)| failure.rank() < best.rank()) {
            *best = Some((at, failure));
        }
        Ok(flow)
    }

    async fn outcome(self, at: usize, permit: Permit) -> Outcome<'a> {
        let settings = &self.exchange.generation.routing.settings;
        match self.one(at).await {
            // Nobody was asked, so nothing is learned.
            Ok(headed) if headed.is_local() => Outcome::Passes(headed),
            Ok(headed) if !settings.fail_over_on.contains(&headed.answer.status) => {
                permit.succeeded();
                Outcome::Passes(headed)
            }
            Ok(headed) => {
                permit.failed(Instant::now(), rest(&headed.answer));
                Outcome::Failed(Failure::Answered(headed))
            }
            Err(Unasked::NotReady(error)) => Outcome::Failed(Failure::Silent(error)),
            Err(Unasked::Failed(error)) if error.side() != Side::Upstream => Outcome::Refused(error),
            Err(Unasked::Failed(error)) => {
                permit.failed(Instant::now(), None);
                let timely = error.reach() != Reach::Unanswered || settings.fail_over_on_timeout;
                let may_go_on = error.retry() && timely;
                let failure = Failure::Silent(error);
                if may_go_on { Outcome::Failed(failure) } else { Outcome::Last(failure) }
            }
        }
    }

    /// What its circuit is about.
    pub(super) fn lane(self, at: usize) -> Lane {
        let candidate = self.choice.candidates[at].clone();
        let found = self.exchange.generation.operation(&candidate.provider, self.operation);
        Lane { candidate, operation: found.map_or(self.operation, |(_, operation)| operation.inner()).name }
    }

    /// Step 7 for one candidate: the request as it would be sent, or the proxy's own answer.
    pub(super) async fn ready(self, at: usize) -> Result<Prepared<'a>> {
        let (exchange, candidate) = (self.exchange, &self.choice.candidates[at]);
        let Some((provider, operation)) = exchange.generation.operation(&candidate.provider, self.operation)
        else {
            return Err(dispatch::unknown_provider(&candidate.provider, self.operation));
        };
        let (body, asked) = body(exchange, candidate)?;
        if let Some(answer) = dispatch::instead(operation, &body) {
            return Ok(Prepared::Local(Headed::local(operation, answer?)));
        }
        let first = at == 0 && operation.through.is_none();
        let withheld = {
            let mut request = exchange.request.lock();
            self.own.lend(&mut request.headers, &exchange.generation.marks, &candidate.provider, first)
        };
        let wanted = Wanted { body, asked: asked.as_deref(), sent: self.sent };
        let ready = dispatch::prepare(exchange, self.route, provider, operation, wanted).await;
        self.own.take_back(&mut exchange.request.lock().headers);
        Ok(Prepared::Ready(provider, ready.map_err(|error| explained(error, withheld, candidate))?))
    }

    async fn one(self, at: usize) -> Result<Headed<'a>, Unasked> {
        let mut tries = Tries::default();
        loop {
            let (provider, ready) = match self.ready(at).await {
                Ok(Prepared::Ready(provider, ready)) => (provider, ready),
                Ok(Prepared::Local(headed)) => return Ok(headed),
                Err(error) => match tries.take() {
                    Some(outcome) => return outcome.map_err(Unasked::Failed),
                    None => return Err(Unasked::NotReady(error)),
                },
            };
            let outcome = dispatch::send(self.exchange, provider, ready).await;
            if let Some(outcome) = tries.after(self.exchange, provider, outcome) {
                return outcome.map_err(Unasked::Failed);
            }
        }
    }
}

/// What is ready for a candidate.
pub(super) enum Prepared<'a> {
    /// A request that can be sent to it.
    Ready(&'a Arc<dyn Provider>, Ready<'a>),
    /// It is not asked: the proxy answers by itself.
    Local(Headed<'a>),
}

/// Why a candidate has no answer.
enum Unasked {
    /// Nothing was sent: no credential, or a request that cannot be turned.
    NotReady(Error),
    /// It was sent, or could not be.
    Failed(Error),
}

impl Failure<'_> {
    /// Whether the candidate, or the way to it, failed; otherwise nothing could be sent.
    fn was_asked(&self) -> bool {
        match self {
            Failure::Answered(_) => true,
            Failure::Silent(error) => error.side() == Side::Upstream,
        }
    }

    /// Which failure tells the client most: a provider's own answer, of these the one to come back to soonest;
    /// then one that could not be reached; then one that was not asked. The lower the better.
    fn rank(&self) -> (u8, Duration) {
        match self {
            Failure::Answered(headed) => match (rest(&headed.answer), headed.answer.status.as_u16()) {
                (Some(wait), _) => (0, wait),
                (None, 429 | 503 | 529) => (1, Duration::ZERO),
                (None, _) => (2, Duration::ZERO),
            },
            Failure::Silent(_) if self.was_asked() => (3, Duration::ZERO),
            Failure::Silent(_) => (4, Duration::ZERO),
        }
    }
}

impl fmt::Display for Failure<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Answered(headed) => write!(f, "it answered {}", headed.answer.status.as_u16()),
            Failure::Silent(error) => error.fmt(f),
        }
    }
}

/// The rest that an answer asks for.
fn rest(answer: &Answer) -> Option<Duration> {
    retry_after(&answer.headers, SystemTime::now())
}

/// The body for a candidate, with nothing but the model's name changed, and the name that was asked for where it
/// was another.
fn body(exchange: &Exchange, candidate: &Candidate) -> Result<(Document, Option<Box<str>>)> {
    let (mut body, asked) = {
        let request = exchange.request.lock();
        (request.body.clone(), request.model.clone())
    };
    if candidate.model.is_empty() || asked.as_deref() == Some(&*candidate.model) {
        return Ok((body, None));
    }
    let json = serde_json::to_vec(&*candidate.model).map_err(|error| Error::internal(error.to_string()))?;
    let model = Path::default().join(Segment::Key("model".into()));
    body.set(&model, &json).map_err(|error| {
        Error::client(Kind::InvalidRequest, format!("the body cannot name a model: {error}"))
    })?;
    Ok((body, asked))
}

/// A provider that misses a credential does not know that the client's own was kept from it.
fn explained(error: Error, withheld: bool, candidate: &Candidate) -> Error {
    if !withheld || error.status() != StatusCode::UNAUTHORIZED {
        return error;
    }
    let message = format!(
        "{}. The request's own credential is not passed on to `{}`: it may be another provider's",
        error.message(),
        candidate.provider
    );
    Error::new(error.side(), error.kind(), message)
}
