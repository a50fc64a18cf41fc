//! Steps 5 and 10: down through the middleware to whatever answers, and up again.

use std::sync::Arc;

use smallvec::SmallVec;

use super::{Pipeline, dispatch, filter, refuse};
use crate::body::{Answer, Body, is_compressed};
use crate::chain::{Link, RequestFacts};
use crate::document::Document;
use crate::error::{Error, Result};
use crate::exchange::{Exchange, Head, Moment};
use crate::middleware::{BodyAccess, Flow, Next, OnError};
use crate::router::{Route, Target};
use crate::step::BoxFuture;

/// The layers a request has passed on its way down, outermost first.
type Passed<'a> = SmallVec<[&'a Arc<Link>; 8]>;

impl Pipeline {
    /// Goes down from the `from`th middleware of the route, and comes up with an answer: always one,
    /// since an error becomes an answer where it happens and travels up like any other.
    pub(super) async fn travel(
        self: &Arc<Self>,
        exchange: &Arc<Exchange>,
        route: &Arc<Route>,
        from: usize,
    ) -> Answer {
        let links = &route.links.links;
        let mut passed = Passed::new();
        let mut answer = None;
        exchange.enter(Moment::Request);
        for (index, link) in links.iter().enumerate().skip(from) {
            if !meets(link, exchange, route) {
                continue;
            }
            if link.spec.moments.request {
                match self.judge(exchange, link, link.middleware.request(exchange).get().await) {
                    Ok(Flow::Continue) => {}
                    Ok(Flow::Leave) => continue,
                    Ok(Flow::Answer(early)) => {
                        answer = Some(early);
                        break;
                    }
                    Err(error) => {
                        answer = Some(refuse::answer(exchange, error));
                        break;
                    }
                }
            }
            passed.push(link);
            if link.spec.moments.around {
                let wrapped = link.middleware.around(exchange, self.next(exchange, route, index + 1)).await;
                answer = Some(wrapped.unwrap_or_else(|error| refuse::answer(exchange, error)));
                break;
            }
        }
        let answer = match answer {
            Some(answer) => answer,
            None => dispatch::dispatch(exchange, route)
                .await
                .unwrap_or_else(|error| refuse::answer(exchange, error)),
        };
        self.ascend(exchange, passed, answer).await
    }

    /// The rest of the way, for a middleware that wraps it.
    fn next(self: &Arc<Self>, exchange: &Arc<Exchange>, route: &Arc<Route>, from: usize) -> Next {
        let (pipeline, exchange, route) = (self.clone(), exchange.clone(), route.clone());
        Next::new(move || {
            let (pipeline, exchange, route) = (pipeline.clone(), exchange.clone(), route.clone());
            let rest: BoxFuture<'static, _> = Box::pin(async move {
                // A new try: what went wrong in the last one is past.
                *exchange.tally.failure.lock() = None;
                Ok(pipeline.travel(&exchange, &route, from).await)
            });
            rest
        })
    }

    /// Step 10: the head goes through `response`, innermost first; then the bytes get their filters.
    async fn ascend(&self, exchange: &Arc<Exchange>, mut passed: Passed<'_>, mut answer: Answer) -> Answer {
        if !passed.iter().any(|link| after_request(link)) {
            return answer;
        }
        exchange.enter(Moment::Response);
        if passed.iter().any(|link| link.spec.moments.response) {
            answer = match self.respond(exchange, &mut passed, answer).await {
                Ok(answer) => answer,
                Err(error) => refuse::answer(exchange, error),
            };
        }
        filter::filter(exchange, &passed, answer)
    }

    async fn respond(
        &self,
        exchange: &Arc<Exchange>,
        passed: &mut Passed<'_>,
        answer: Answer,
    ) -> Result<Answer> {
        let mut left = Passed::new();
        let mut parts = Some(self.open(passed, answer).await?);
        for link in passed.iter().rev().filter(|link| link.spec.moments.response) {
            let Some((head, body)) = parts.take() else { break };
            if !link.meets_status(head.status) {
                parts = Some((head, body));
                continue;
            }
            *exchange.response.lock() = Some(head);
            let outcome = link.middleware.response(exchange).get().await;
            let head = exchange.response.lock().take();
            let head = head.ok_or_else(|| Error::internal("the answer's head was lost in a middleware"))?;
            parts = Some(match self.judge(exchange, link, outcome) {
                Ok(Flow::Continue) => (head, body),
                Ok(Flow::Leave) => {
                    left.push(*link);
                    (head, body)
                }
                Ok(Flow::Answer(other)) => self.open(passed, other).await?,
                Err(error) => self.open(passed, refuse::answer(exchange, error)).await?,
            });
        }
        passed.retain(|link| !left.iter().any(|gone| Arc::ptr_eq(gone, link)));
        let (head, body) = parts.ok_or_else(|| Error::internal("the answer was lost in a middleware"))?;
        Ok(close(head, body))
    }

    /// Takes an answer apart; when a middleware reads answers, its body is held whole.
    async fn open(&self, passed: &Passed<'_>, answer: Answer) -> Result<(Head, Body)> {
        let wanted =
            passed.iter().any(|link| link.spec.moments.response && link.spec.body > BodyAccess::None);
        let readable = wanted && !answer.is_event_stream() && !is_compressed(&answer.headers);
        let Answer { status, headers, body } = answer;
        if !readable {
            return Ok((Head { status, headers, body: None }, body));
        }
        let bytes = body.collect(self.max_answer).await?;
        Ok((Head { status, headers, body: Some(Document::new(bytes)) }, Body::empty()))
    }

    /// Applies the middleware's policy to its failure.
    fn judge(&self, exchange: &Arc<Exchange>, link: &Link, outcome: Result<Flow>) -> Result<Flow> {
        match outcome {
            Err(error) if link.spec.on_error == OnError::Open => {
                tracing::warn!(exchange = %exchange.id, plugin = %link.plugin, "{error}; the exchange goes on without it");
                Ok(Flow::Continue)
            }
            other => other,
        }
    }
}

fn after_request(link: &Link) -> bool {
    let moments = link.spec.moments;
    moments.response || moments.event || moments.chunk
}

fn close(mut head: Head, body: Body) -> Answer {
    let body = match head.body.take() {
        Some(document) => {
            if document.edited() {
                head.headers.remove(http::header::CONTENT_LENGTH);
            }
            Body::full(document.bytes().clone())
        }
        None => body,
    };
    Answer { status: head.status, headers: head.headers, body }
}

/// Whether a middleware is for this exchange.
pub(super) fn meets(link: &Link, exchange: &Exchange, route: &Route) -> bool {
    let when = &link.spec.when;
    let chosen = matches!(route.target, Target::Choose(_));
    if when.paths.is_empty()
        && when.models.is_empty()
        && when.stream.is_none()
        && (!chosen || when.providers.is_empty())
    {
        return true;
    }
    let request = exchange.request.lock();
    link.meets(&RequestFacts {
        path: request.uri.path(),
        model: request.model.as_deref(),
        stream: request.stream,
        provider: request.provider.as_deref(),
        chosen,
    })
}
