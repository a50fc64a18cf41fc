//! The body of an answer in the hands of a connection.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};

use super::line::Turn;
use crate::body::Body;
use crate::error::{Error, Result};

/// A body that tells its connection when it moves and when it is over.
pub(super) struct Outgoing {
    body: Body,
    turn: Turn,
    http2: bool,
}

impl Outgoing {
    pub(super) fn new(body: Body, turn: Turn, http2: bool) -> Self {
        Outgoing { body, turn, http2 }
    }
}

impl http_body::Body for Outgoing {
    type Data = Bytes;
    type Error = Error;

    #[inline]
    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>>>> {
        let this = self.get_mut();
        if !this.http2 {
            return Pin::new(&mut this.body).poll_frame(cx);
        }
        this.turn.asked();
        let found = Pin::new(&mut this.body).poll_frame(cx);
        if let Poll::Ready(Some(_)) = &found {
            this.turn.took();
        }
        found
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
