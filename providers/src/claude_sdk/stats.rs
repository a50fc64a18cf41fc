//! What `/plugins/status` says of the processes of the CLI.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::{Map, Value};

use super::pool::Pool;
use super::process::memory;
use super::session::{Session, State};

impl Pool {
    /// For `/plugins/status`.
    pub(super) fn stats(&self) -> Map<String, Value> {
        let mut counts = [0_u64; 3];
        let mut bytes = 0;
        // Not under the lock of the list: a session that ends holds its own and wants that one.
        let sessions: Vec<Arc<Session>> = self.sessions.lock().clone();
        for session in &sessions {
            let place = match session.facts.lock().state {
                State::Busy => 0,
                State::Idle => 1,
                State::Waiting(_) => 2,
                State::Ended => continue,
            };
            counts[place] += 1;
            bytes += session.process.and_then(memory).unwrap_or(0);
        }
        let warm = self.warm.lock();
        bytes += warm.iter().filter_map(|warm| memory(warm.process.id()?)).sum::<u64>();
        let stats = [
            ("sessions", counts.iter().sum::<u64>()),
            ("sessions_busy", counts[0]),
            ("sessions_idle", counts[1]),
            ("sessions_waiting", counts[2]),
            ("processes_warm", warm.len() as u64),
            ("processes_started", self.started.load(Ordering::Relaxed)),
            ("processes_recovered", self.recovered.load(Ordering::Relaxed)),
            ("requests_queued", self.queued.load(Ordering::Relaxed) as u64),
            ("memory_bytes", bytes),
        ];
        stats.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect()
    }
}
