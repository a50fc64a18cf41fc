//! What the parts of one HTTP/1 connection know of each other: the socket side, the body being read
//! and the service.

use std::sync::atomic::{AtomicBool, Ordering};

/// Shared by the socket, the service and the request body of one connection.
#[derive(Default)]
pub(super) struct Line {
    body_unread: AtomicBool,
}

impl Line {
    /// Says whether bytes of the present request's body are still to be read.
    pub(super) fn set_body_unread(&self, unread: bool) {
        self.body_unread.store(unread, Ordering::Relaxed);
    }

    /// Whether bytes of the present request's body are still to be read.
    pub(super) fn body_unread(&self) -> bool {
        self.body_unread.load(Ordering::Relaxed)
    }
}
