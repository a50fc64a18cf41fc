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

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// How long it waits for `limit`, in milliseconds.
    async fn waits(patience: &mut Patience, limit: Duration) -> u128 {
        let begun = Instant::now();
        poll_fn(|cx| patience.poll_expired(cx, limit)).await;
        begun.elapsed().as_millis()
    }

    fn is_patient(patience: &mut Patience, limit: Duration) -> bool {
        let mut cx = Context::from_waker(std::task::Waker::noop());
        patience.poll_expired(&mut cx, limit).is_pending()
    }

    #[tokio::test(start_paused = true)]
    async fn it_ends_at_its_limit_however_far_from_its_step() {
        for (step, limit) in [(1, 1), (1, 10), (10, 10), (3, 10)] {
            let mut patience = Patience::new(SECOND * step);
            assert_eq!(
                waits(&mut patience, SECOND * limit).await,
                u128::from(limit) * 1000,
                "{step} {limit}"
            );
            // It stays ended until something comes.
            assert!(!is_patient(&mut patience, SECOND * limit));
            patience.restart();
            assert_eq!(
                waits(&mut patience, SECOND * limit).await,
                u128::from(limit) * 1000,
                "{step} {limit}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_begins_with_the_first_poll_that_finds_nothing() {
        let mut patience = Patience::new(SECOND);
        tokio::time::advance(SECOND * 60).await;
        assert!(is_patient(&mut patience, SECOND));
        // What comes in between begins it anew, however often.
        for _ in 0..20 {
            tokio::time::advance(SECOND * 9 / 10).await;
            assert!(is_patient(&mut patience, SECOND));
            patience.restart();
            // Nobody polls for long, as while an answer is held: that is no wait.
            tokio::time::advance(SECOND * 60).await;
            assert!(is_patient(&mut patience, SECOND));
        }
        assert_eq!(waits(&mut patience, SECOND).await, 1000);
    }

    #[tokio::test(start_paused = true)]
    async fn a_limit_may_change_while_it_waits() {
        let mut patience = Patience::new(SECOND);
        assert!(is_patient(&mut patience, SECOND * 3));
        tokio::time::advance(SECOND * 2).await;
        assert_eq!(
            waits(&mut patience, SECOND * 10).await,
            8000,
            "a longer one counts from the same beginning"
        );
        patience.restart();
        assert!(is_patient(&mut patience, SECOND * 10));
        tokio::time::advance(SECOND * 4).await;
        assert!(is_patient(&mut patience, SECOND * 10));
        assert_eq!(waits(&mut patience, SECOND * 3).await, 1000, "a shorter one is noticed within a step");
    }

    #[tokio::test(start_paused = true)]
    async fn the_longest_limits_do_not_overflow() {
        let mut patience = Patience::new(Duration::MAX);
        assert!(is_patient(&mut patience, Duration::MAX));
        tokio::time::advance(LONGEST).await;
        assert!(!is_patient(&mut patience, Duration::MAX));
    }
}
