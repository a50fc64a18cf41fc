//! The scenarios: what is sent, how often, and what the CPU time is divided by.

use serde::{Deserialize, Serialize};

/// One way of loading a target.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scenario {
    /// For `--only` and the tables.
    pub(crate) name: &'static str,
    /// For people.
    pub(crate) about: &'static str,
    /// The load, for a full run.
    pub(crate) shape: Shape,
    /// The load, for `--quick`.
    pub(crate) quick: Shape,
}

/// What the load does. Times in milliseconds.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) enum Shape {
    /// Each connection sends its next request when the answer is whole.
    Closed { connections: usize, millis: u64, request_bytes: usize },
    /// One connection, a fixed rate a second.
    Open { rate: u32, millis: u64 },
    /// Streams of `deltas` deltas `every` milliseconds apart (0: as fast as they go), in `waves` one after the other.
    Streams { streams: usize, deltas: usize, every: u64, waves: usize },
}

impl Shape {
    /// Whether the unit of work is a delta of a stream.
    pub(crate) fn streams(self) -> bool {
        matches!(self, Shape::Streams { .. })
    }
}

/// All of them, in the order of the tables.
pub(crate) const ALL: &[Scenario] = &[
    Scenario {
        name: "sat",
        about: "1 KB request, 1 KB answer, 64 connections, as fast as they go",
        shape: Shape::Closed { connections: 64, millis: 1500, request_bytes: 1024 },
        quick: Shape::Closed { connections: 64, millis: 700, request_bytes: 1024 },
    },
    Scenario {
        name: "low",
        about: "200 requests a second on one connection: latency",
        shape: Shape::Open { rate: 200, millis: 2000 },
        quick: Shape::Open { rate: 200, millis: 1000 },
    },
    Scenario {
        name: "sse200",
        about: "200 streams of 50 deltas, 20 ms apart",
        shape: Shape::Streams { streams: 200, deltas: 50, every: 20, waves: 1 },
        quick: Shape::Streams { streams: 200, deltas: 30, every: 20, waves: 1 },
    },
    Scenario {
        name: "sse1000",
        about: "1000 streams of 50 deltas, 20 ms apart",
        shape: Shape::Streams { streams: 1000, deltas: 50, every: 20, waves: 1 },
        quick: Shape::Streams { streams: 1000, deltas: 25, every: 20, waves: 1 },
    },
    Scenario {
        name: "burst",
        about: "64 streams at once, 2000 deltas each, as fast as they go",
        shape: Shape::Streams { streams: 64, deltas: 2000, every: 0, waves: 5 },
        quick: Shape::Streams { streams: 64, deltas: 2000, every: 0, waves: 2 },
    },
    Scenario {
        name: "big",
        about: "200 KB request, 1 KB answer, 16 connections",
        shape: Shape::Closed { connections: 16, millis: 1500, request_bytes: 200 * 1024 },
        quick: Shape::Closed { connections: 16, millis: 700, request_bytes: 200 * 1024 },
    },
];

/// What one run of the load found.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Found {
    /// Requests or deltas that arrived whole.
    pub(crate) units: u64,
    /// Requests that failed.
    pub(crate) errors: u64,
    /// What the first failure was.
    pub(crate) first_error: Option<String>,
    /// From first to last byte of the run, in seconds.
    pub(crate) seconds: f64,
    /// Of requests: to the whole answer. Of deltas: from the upstream's write. Microseconds.
    pub(crate) p50_us: f64,
    /// The same, 99th percentile.
    pub(crate) p99_us: f64,
    /// CPU time of the load itself, in seconds.
    pub(crate) load_cpu: f64,
}
