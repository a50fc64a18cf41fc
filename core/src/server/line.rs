//! What the parts of one connection know of each other: the socket side, the service, and the bodies.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use parking_lot::Mutex;

use super::heads::{Framing, Heads, Verdict};

/// Shared by the socket, the service and the bodies of one connection.
pub(super) struct Line {
    heads: Mutex<Heads>,
    body_unread: AtomicBool,
    /// Bytes of an HTTP/1 head have come whose request has not.
    more: AtomicBool,
    /// Requests whose answer is not wholly handed over.
    busy: AtomicUsize,
    /// HTTP/2 answers whose last piece the connection has taken and not asked for another: their client
    /// gives no room.
    stuck: AtomicUsize,
    /// Since the socket last looked, a piece of an answer was handed over.
    moved: AtomicBool,
    /// Since the socket last looked, a request began.
    begun: AtomicBool,
    http2: AtomicBool,
    /// It speaks another protocol now.
    left_http: AtomicBool,
}

impl Line {
    /// `max_head` bounds what is kept of each request head.
    pub(super) fn new(max_head: usize) -> Arc<Self> {
        Arc::new(Line {
            heads: Mutex::new(Heads::new(max_head)),
            body_unread: AtomicBool::new(false),
            more: AtomicBool::new(false),
            busy: AtomicUsize::new(0),
            stuck: AtomicUsize::new(0),
            moved: AtomicBool::new(false),
            begun: AtomicBool::new(false),
            http2: AtomicBool::new(false),
            left_http: AtomicBool::new(false),
        })
    }

    /// Bytes that were read from an HTTP/1 connection.
    pub(super) fn read(&self, bytes: &[u8]) {
        let mut heads = self.heads.lock();
        heads.feed(bytes);
        self.more.store(heads.has_begun(), Ordering::Relaxed);
    }

    /// hyper has read an HTTP/1 head.
    pub(super) fn request(&self, framing: Framing) -> Verdict {
        let mut heads = self.heads.lock();
        let verdict = heads.request(framing);
        self.more.store(heads.has_begun(), Ordering::Relaxed);
        verdict
    }

    /// Whether bytes of a head have come whose request has not.
    pub(super) fn has_more(&self) -> bool {
        self.more.load(Ordering::Relaxed)
    }

    /// Nothing more has to be kept of heads: it turned out to be HTTP/2.
    pub(super) fn forget_heads(&self) {
        self.heads.lock().forget();
        self.more.store(false, Ordering::Relaxed);
        self.http2.store(true, Ordering::Release);
    }

    /// The bytes that come now are another protocol's.
    pub(super) fn leave_http(&self) {
        self.heads.lock().forget();
        self.more.store(false, Ordering::Relaxed);
        self.left_http.store(true, Ordering::Release);
    }

    /// Whether they are.
    pub(super) fn has_left_http(&self) -> bool {
        self.left_http.load(Ordering::Acquire)
    }

    /// Whether the bytes that came first are these.
    pub(super) fn begins_with(&self, start: &[u8]) -> bool {
        self.heads.lock().kept().starts_with(start)
    }

    /// Says whether bytes of the present HTTP/1 request's body are still to be read.
    pub(super) fn set_body_unread(&self, unread: bool) {
        self.body_unread.store(unread, Ordering::Relaxed);
    }

    /// Whether bytes of the present HTTP/1 request's body are still to be read.
    pub(super) fn body_unread(&self) -> bool {
        self.body_unread.load(Ordering::Relaxed)
    }

    /// Whether a request is being answered.
    pub(super) fn is_busy(&self) -> bool {
        self.busy.load(Ordering::Acquire) > 0
    }

    /// Whether all answers wait for their client to give them room.
    pub(super) fn is_stuck(&self) -> bool {
        self.stuck.load(Ordering::Acquire) >= self.busy.load(Ordering::Acquire)
    }

    /// Whether a piece of an answer was handed over since the last call.
    pub(super) fn take_moved(&self) -> bool {
        self.moved.swap(false, Ordering::AcqRel)
    }

    /// Whether a request began since the last call.
    pub(super) fn take_begun(&self) -> bool {
        self.begun.swap(false, Ordering::AcqRel)
    }

    /// Whether it turned out to be HTTP/2.
    pub(super) fn is_http2(&self) -> bool {
        self.http2.load(Ordering::Acquire)
    }

    /// Counts a request in.
    pub(super) fn begin(self: &Arc<Self>, http2: bool) -> Turn {
        self.busy.fetch_add(1, Ordering::AcqRel);
        self.begun.store(true, Ordering::Release);
        if http2 {
            self.http2.store(true, Ordering::Release);
        }
        Turn { line: self.clone(), taken: false }
    }
}

/// A request and its answer on a connection. Dropping it counts them out.
pub(super) struct Turn {
    line: Arc<Line>,
    taken: bool,
}

impl Turn {
    /// The connection asked for the next piece of the answer.
    pub(super) fn asked(&mut self) {
        if self.taken {
            self.taken = false;
            self.line.stuck.fetch_sub(1, Ordering::AcqRel);
        }
    }

    /// The connection took a piece of the answer.
    pub(super) fn took(&mut self) {
        self.taken = true;
        self.line.stuck.fetch_add(1, Ordering::AcqRel);
        self.line.moved.store(true, Ordering::Release);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.asked();
        self.line.busy.fetch_sub(1, Ordering::AcqRel);
    }
}
