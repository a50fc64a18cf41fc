//! When a websocket's other end is gone, and when it has had enough time to say something.

use std::time::Duration;

use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, sleep_until};

/// How often a silent client is asked whether it is still there.
const PING_EVERY: Duration = Duration::from_secs(30);
/// A client that has answered none of that for so long has gone without a word.
const GONE_AFTER: Duration = Duration::from_secs(100);

/// The clocks of one session.
pub(super) struct Clocks {
    beat: Interval,
    heard: Instant,
    asked: Instant,
    idle: Duration,
}

impl Clocks {
    /// `idle` is how long a client may ask nothing.
    pub(super) fn new(idle: Duration) -> Self {
        let now = Instant::now();
        let mut beat = interval_at(now + PING_EVERY, PING_EVERY);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Clocks { beat, heard: now, asked: now, idle }
    }

    /// A frame of the client came, of whatever kind.
    pub(super) fn heard(&mut self) {
        self.heard = Instant::now();
    }

    /// An answer is over: the time to ask the next thing begins.
    pub(super) fn answered(&mut self) {
        self.asked = Instant::now();
    }

    /// Waits until it is time for a ping; false when the client has gone.
    pub(super) async fn beat(&mut self) -> bool {
        loop {
            self.beat.tick().await;
            let silence = self.heard.elapsed();
            if silence >= GONE_AFTER {
                return false;
            }
            if silence >= PING_EVERY / 2 {
                return true;
            }
        }
    }

    /// Waits until the client has asked nothing for too long.
    pub(super) fn idle(&self) -> impl Future<Output = ()> + use<> {
        sleep_until(self.asked + self.idle)
    }
}
