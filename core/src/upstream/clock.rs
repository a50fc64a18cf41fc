//! The clocks that watch a provider. One timer serves them all, and it is not moved while bytes flow:
//! when it fires it looks at how long the present wait has really lasted.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

use crate::settings::UpstreamSettings;

/// No wait is longer, so that sums of instants cannot overflow.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);

/// The clocks that run once a connection is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// From sending to the head.
    Head,
    /// From the head to the first data.
    FirstData,
    /// Between data.
    DataIdle,
}

/// How long each of them may run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) head: Duration,
    pub(super) first_data: Duration,
    pub(super) data_idle: Duration,
}

impl Limits {
    pub(super) fn new(settings: &UpstreamSettings) -> Self {
        Limits {
            head: settings.head_timeout.min(LONGEST),
            first_data: settings.first_data_timeout.min(LONGEST),
            data_idle: settings.data_idle_timeout.min(LONGEST),
        }
    }

    pub(super) fn of(&self, wait: Wait) -> Duration {
        match wait {
            Wait::Head => self.head,
            Wait::FirstData => self.first_data,
            Wait::DataIdle => self.data_idle,
        }
    }

    fn shortest(&self) -> Duration {
        self.head.min(self.first_data).min(self.data_idle)
    }
}

/// A running clock.
#[derive(Debug)]
pub(super) struct Clock {
    limits: Limits,
    wait: Wait,
    /// When the present wait began: at the first poll that found nothing.
    since: Option<Instant>,
    /// Made at the first wait. Never set further away than the shortest limit, so that it never has to
    /// be moved closer when another wait begins.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Clock {
    pub(super) fn new(limits: Limits) -> Self {
        Clock { limits, wait: Wait::Head, since: None, timer: None }
    }

    /// What is waited for.
    pub(super) fn wait(&self) -> Wait {
        self.wait
    }

    /// Something came, or another wait begins.
    #[inline]
    pub(super) fn restart(&mut self, wait: Wait) {
        self.wait = wait;
        self.since = None;
    }

    /// Ready when the present wait has lasted too long. Called only when there is nothing else to do.
    pub(super) fn poll_expired(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let limit = self.limits.of(self.wait);
        let shortest = self.limits.shortest();
        let since = *self.since.get_or_insert_with(Instant::now);
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(since + shortest)));
        while timer.as_mut().poll(cx).is_ready() {
            let now = Instant::now();
            if now >= since + limit {
                return Poll::Ready(());
            }
            timer.as_mut().reset((since + limit).min(now + shortest));
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    fn limits(head: u64, first_data: u64, data_idle: u64) -> Limits {
        let seconds = Duration::from_secs;
        Limits { head: seconds(head), first_data: seconds(first_data), data_idle: seconds(data_idle) }
    }

    /// Waits until the clock expires; how long that took.
    async fn expiry(clock: &mut Clock) -> Duration {
        let began = Instant::now();
        poll_fn(|cx| clock.poll_expired(cx)).await;
        began.elapsed()
    }

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime")
    }

    #[test]
    fn each_wait_has_its_own_limit_from_its_own_start() {
        let milliseconds = Duration::from_millis;
        let limits =
            Limits { head: milliseconds(60), first_data: milliseconds(30), data_idle: milliseconds(10) };
        runtime().block_on(async {
            let mut clock = Clock::new(limits);
            assert!(expiry(&mut clock).await >= limits.head);
            clock.restart(Wait::FirstData);
            assert!(expiry(&mut clock).await >= limits.first_data);
            clock.restart(Wait::DataIdle);
            assert!(expiry(&mut clock).await >= limits.data_idle);
        });
    }

    #[test]
    fn the_shortest_is_the_step_of_the_timer() {
        assert_eq!(limits(600, 300, 120).shortest(), Duration::from_secs(120));
        assert_eq!(limits(1, 300, 120).shortest(), Duration::from_secs(1));
    }
}
