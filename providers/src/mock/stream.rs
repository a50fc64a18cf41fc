//! A stream of events that the client pulls, at the pace it was given.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use ccproxy_core::error::Kind;
use ccproxy_core::sse::Event;
use ccproxy_core::{Error, Result};
use http_body::Frame;
use serde_json::Value;
use tokio::time::Sleep;

/// The time every answer was made, in seconds since 1970: answers do not change with the clock.
pub(super) const CREATED: u64 = 1_700_000_000;

/// An event with its type as its name.
pub(super) fn event(data: &Value) -> Event {
    Event::new(data["type"].as_str().unwrap_or_default(), data.to_string())
}

/// Sends events one by one.
pub(super) struct Paced {
    events: std::vec::IntoIter<Bytes>,
    delay: Duration,
    sleep: Option<Pin<Box<Sleep>>>,
    /// Breaks off instead of ending.
    cut: bool,
}

impl Paced {
    pub(super) fn new(events: Vec<Bytes>, delay: Duration, cut: bool) -> Self {
        Paced { events: events.into_iter(), delay, sleep: None, cut }
    }
}

impl http_body::Body for Paced {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>>>> {
        let this = self.get_mut();
        if !this.delay.is_zero() && this.events.len() > 0 {
            let delay = this.delay;
            let sleep = this.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep(delay)));
            ready!(sleep.as_mut().poll(cx));
            this.sleep = None;
        }
        Poll::Ready(match this.events.next() {
            Some(event) => Some(Ok(Frame::data(event))),
            None if std::mem::take(&mut this.cut) => {
                Some(Err(Error::upstream(Kind::BadGateway, "the mock provider cut its answer, as ordered")))
            }
            None => None,
        })
    }
}
