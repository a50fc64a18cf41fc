//! The clocks that watch a provider. One timer serves them all.

use std::task::{Context, Poll};
use std::time::Duration;

use crate::patience::Patience;
use crate::settings::UpstreamSettings;

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
            head: settings.head_timeout,
            first_data: settings.first_data_timeout,
            data_idle: settings.data_idle_timeout,
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
    patience: Patience,
}

impl Clock {
    pub(super) fn new(limits: Limits) -> Self {
        Clock { limits, wait: Wait::Head, patience: Patience::new(limits.shortest()) }
    }

    /// What is waited for.
    pub(super) fn wait(&self) -> Wait {
        self.wait
    }

    /// Something came, or another wait begins.
    #[inline]
    pub(super) fn restart(&mut self, wait: Wait) {
        self.wait = wait;
        self.patience.restart();
    }

    /// Ready when the present wait has lasted too long. Called only when there is nothing else to do.
    pub(super) fn poll_expired(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.patience.poll_expired(cx, self.limits.of(self.wait))
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Instant;

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
