//! The connections to one origin: idle HTTP/1.1 lanes, and HTTP/2 connections that are shared.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Waker};
use std::time::Duration;

use http::HeaderValue;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::lane::Lane;
use super::proxy::Way;
use super::trunk::Trunk;
use crate::provider::Origin;

/// An origin and the connections to it.
pub(super) struct Host {
    pub(super) origin: Arc<Origin>,
    pub(super) way: Way,
    /// The `host` field of requests to it.
    pub(super) name: HeaderValue,
    idle: Mutex<VecDeque<Box<Lane>>>,
    trunks: Mutex<Vec<Arc<Trunk>>>,
    keep: Keep,
    swept: AtomicBool,
}

/// How many idle connections are kept, and how long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keep {
    pub(super) most: usize,
    pub(super) idle: Duration,
}

impl Host {
    pub(super) fn new(origin: Arc<Origin>, way: Way, name: HeaderValue, keep: Keep) -> Arc<Self> {
        Arc::new(Host {
            origin,
            way,
            name,
            idle: Mutex::new(VecDeque::new()),
            trunks: Mutex::new(Vec::new()),
            keep,
            swept: AtomicBool::new(false),
        })
    }

    /// An idle lane whose other end is still there; the one used last, so that the others may age.
    pub(super) fn lane(&self) -> Option<Box<Lane>> {
        // Only a look: nobody has to be woken for what it finds.
        let cx = &mut Context::from_waker(Waker::noop());
        loop {
            let mut lane = self.idle.lock().pop_back()?;
            let idle = lane.idle_since.elapsed();
            if idle < self.keep.idle && lane.is_fresh(cx, idle) {
                return Some(lane);
            }
        }
    }

    /// Takes a lane back that can be used again.
    pub(super) fn give_back(self: &Arc<Self>, mut lane: Box<Lane>) {
        lane.idle_since = Instant::now();
        let mut idle = self.idle.lock();
        if idle.len() < self.keep.most {
            idle.push_back(lane);
            drop(idle);
            self.sweep_later();
        }
    }

    /// An HTTP/2 connection with room for another stream; the stream is counted in.
    pub(super) fn trunk(&self) -> Option<super::trunk::Place> {
        let trunks = self.trunks.lock();
        // Mostly there is none: HTTP/1.1 origins pass by here too.
        trunks.iter().find_map(|trunk| trunk.enter())
    }

    /// Shares a new HTTP/2 connection.
    pub(super) fn share(self: &Arc<Self>, trunk: Arc<Trunk>) {
        self.trunks.lock().push(trunk);
        self.sweep_later();
    }

    /// Connections that are kept and not in use now.
    #[cfg(test)]
    pub(super) fn idle_lanes(&self) -> usize {
        self.idle.lock().len()
    }

    /// Lets go of what has been idle for too long or is dead; whether something is left.
    fn sweep(&self) -> bool {
        let old: Vec<Box<Lane>> = {
            let mut idle = self.idle.lock();
            let keep = idle.iter().position(|lane| lane.idle_since.elapsed() < self.keep.idle);
            let count = keep.unwrap_or(idle.len());
            idle.drain(..count).collect()
        };
        drop(old);
        let mut trunks = self.trunks.lock();
        trunks.retain(|trunk| trunk.is_wanted(self.keep.idle));
        !trunks.is_empty() || !self.idle.lock().is_empty()
    }

    /// One task sweeps while there is something to sweep.
    fn sweep_later(self: &Arc<Self>) {
        if self.swept.swap(true, Ordering::AcqRel) {
            return;
        }
        let host: Weak<Host> = Arc::downgrade(self);
        let pause = (self.keep.idle / 2).clamp(Duration::from_millis(10), Duration::from_secs(60));
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(pause).await;
                let Some(host) = host.upgrade() else { return };
                if !host.sweep() {
                    host.swept.store(false, Ordering::Release);
                    // A connection may have come between the look and the store.
                    if host.idle.lock().is_empty() && host.trunks.lock().is_empty() {
                        return;
                    }
                    if host.swept.swap(true, Ordering::AcqRel) {
                        return;
                    }
                }
            }
        });
    }
}
