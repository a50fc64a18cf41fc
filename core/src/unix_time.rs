//! Moments as seconds since 1970; one before that is 0.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Whole seconds until now, by this machine's clock.
pub fn now() -> u64 {
    seconds(SystemTime::now())
}

/// Whole seconds until a moment.
pub fn seconds(time: SystemTime) -> u64 {
    since(time).as_secs()
}

/// Seconds and their parts until a moment.
pub fn precise(time: SystemTime) -> f64 {
    since(time).as_secs_f64()
}

fn since(time: SystemTime) -> Duration {
    time.duration_since(UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_before_all_is_none() {
        let time = UNIX_EPOCH + Duration::from_millis(1500);
        assert_eq!((seconds(time), precise(time)), (1, 1.5));
        assert_eq!(seconds(UNIX_EPOCH - Duration::from_secs(5)), 0);
        assert!(now() > 1_700_000_000);
    }
}
