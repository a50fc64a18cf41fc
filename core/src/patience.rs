//! How long something may take: a timer that is made at the first wait and not moved while things go
//! well. When it fires, it looks at how long the present wait has really lasted.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

/// No wait is longer, so that sums of instants cannot overflow.
pub(crate) const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);

/// A wait that may not last for ever.
#[derive(Debug)]
pub(crate) struct Patience {
    /// The timer is never set further away than this, the shortest limit that will be asked for; so it
    /// never has to be moved closer when a wait with another limit begins.
    step: Duration,
    /// When the present wait began: at the first poll that found nothing.
    since: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Patience {
    /// `step` is the shortest limit that it will be asked for.
    pub(crate) fn new(step: Duration) -> Self {
        Patience { step: step.min(LONGEST), since: None, timer: None }
    }

    /// Something came: the next wait begins anew.
    #[inline]
    pub(crate) fn restart(&mut self) {
        self.since = None;
    }

    /// Ready when the present wait has lasted for `limit`. Called only when there is nothing else to do.
    pub(crate) fn poll_expired(&mut self, cx: &mut Context<'_>, limit: Duration) -> Poll<()> {
        let limit = limit.min(LONGEST);
        let since = *self.since.get_or_insert_with(Instant::now);
        let step = self.step;
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(since + step)));
        while timer.as_mut().poll(cx).is_ready() {
            let now = Instant::now();
            if now >= since + limit {
                return Poll::Ready(());
            }
            timer.as_mut().reset((since + limit).min(now + step));
        }
        Poll::Pending
    }
}
