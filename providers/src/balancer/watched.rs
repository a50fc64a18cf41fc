//! The bytes of an answer on their way through: its items are remembered, and its credential is given back at its end.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use ccproxy_core::Error;
use ccproxy_core::body::{Answer, Body, is_compressed};
use http_body::{Frame, SizeHint};

use super::Pool;
use super::facts::{mark, turn_state};
use super::items::Items;
use super::pool::Lease;

/// A body under watch.
struct Watched {
    body: Body,
    items: Option<Items>,
    pool: Arc<Pool>,
    lease: Lease,
}

/// Puts a good answer under watch.
pub(super) fn watch(pool: &Arc<Pool>, lease: Lease, answer: Answer) -> Answer {
    if pool.is_several()
        && let Some(turn) = turn_state(&answer.headers)
    {
        pool.made(turn, lease.index);
    }
    let items = (pool.is_several() && !is_compressed(&answer.headers)).then(Items::default);
    let mut watched = Watched { body: Body::empty(), items, pool: pool.clone(), lease };
    let body = match answer.body {
        // All of it is here, and so the credential is free.
        Body::Full(bytes) => {
            watched.read(bytes.as_deref().unwrap_or_default());
            Body::Full(bytes)
        }
        body => Body::stream(Watched { body, ..watched }),
    };
    Answer { body, ..answer }
}

impl Watched {
    fn read(&mut self, bytes: &[u8]) {
        if let Some(items) = &mut self.items {
            let (pool, index) = (&self.pool, self.lease.index);
            items.feed(bytes, |item| pool.made(mark(item), index));
        }
    }
}

impl http_body::Body for Watched {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(data) = frame.data_ref()
        {
            let data = data.clone();
            this.read(&data);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
