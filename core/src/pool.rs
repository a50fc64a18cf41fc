//! Several credentials of one provider that take turns: what the pipeline asks about them, and what people are told.

use serde::Serialize;

/// What a provider makes of the outcome of the request that it sent last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// It stands.
    No,
    /// The credential is to blame, and there is another one: the request is prepared and sent once more.
    Another,
    /// The credential is to blame, and there is no other that could be tried.
    Exhausted,
}

/// The credentials of one provider.
#[derive(Clone, Debug, Serialize)]
pub struct Pool {
    /// How one of them is chosen: `round_robin`, `failover`, `least_used`, `sticky`.
    pub strategy: &'static str,
    /// In the order of the settings.
    pub members: Vec<Member>,
}

/// One credential. Never the secret itself.
#[derive(Clone, Debug, Serialize)]
pub struct Member {
    /// Its name in the pool.
    pub name: String,
    /// `login` or `api_key`.
    pub kind: &'static str,
    /// The stored login that it is, as `provider/account`.
    pub login: Option<String>,
    /// `in_use`, `standby`, `cooling` or `needs_login`.
    pub state: &'static str,
    /// Why it is or is not in use, in one line for people.
    pub why: String,
    /// When it is asked again, in seconds from now; for those that rest.
    pub ready_in: Option<f64>,
    /// What it rests from.
    pub rests: Vec<Rest>,
    /// Requests that are on their way with it.
    pub in_flight: u32,
    /// Requests that were sent with it.
    pub uses: u64,
    /// Those of them that failed because of it.
    pub errors: u64,
    /// When it was last sent, in seconds since 1970.
    pub last_used: Option<f64>,
}

/// A time in which a credential is left alone.
#[derive(Clone, Debug, Serialize)]
pub struct Rest {
    /// The model that it is about; `None`: all of them.
    pub model: Option<String>,
    /// `unauthorized`, `forbidden`, `payment_required`, `rate_limited`, `overloaded`, `quota`, `refresh_failed`,
    /// `needs_login`, `unreachable`.
    pub why: &'static str,
    /// Whether the provider said how long; then nothing is sent before.
    pub asked: bool,
    /// Seconds from now.
    pub ends_in: f64,
}
