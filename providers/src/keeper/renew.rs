//! A refresh, from the turn to the disk.

use std::sync::Arc;
use std::time::Duration;

use ccproxy_core::hooks::Kind;
use ccproxy_core::oauth::{Failure, Reason};
use ccproxy_core::secret::Secret;
use ccproxy_core::unix_time;
use tokio::time::Instant;

use super::decide::{Seen, Verdict};
use super::{Login, UnderWay};
use crate::vault::{Locked, NeedsLogin, Record};

/// How long a server has for its answer, whatever its provider allows.
const ANSWER: Duration = Duration::from_secs(30);
/// How long to wait for another process: as long as its server has, and a little.
const TURN: Duration = Duration::from_secs(35);
/// How long to wait between two looks at another process' lock.
const PAUSE: Duration = Duration::from_millis(10);
/// After a failure: how long no other try is made, and how long at most after many.
const REST: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(300));
/// How often a write that failed is tried again, at least.
const REWRITE: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(30));

/// Why fresh tokens are wanted.
pub(super) enum Why {
    /// It is time.
    Early,
    /// The token is over.
    Over,
    /// The provider refused this one.
    Refused(Secret),
}

/// The last failure.
pub(super) struct Trouble {
    pub(super) failure: Failure,
    /// The refresh token that was sent: of another login it says nothing.
    pub(super) sent: Option<Secret>,
    /// Whether there was no token meanwhile: the one before was over, or refused.
    pub(super) without: bool,
    until: Instant,
    count: u32,
}

impl Login {
    /// Fresh tokens, or those that somebody else brought in the meantime. Goes on when the caller leaves.
    pub(super) async fn renew(self: &Arc<Self>, why: Why) -> Result<Seen, Failure> {
        let login = self.clone();
        match tokio::spawn(async move { login.in_turn(&why).await }).await {
            Ok(done) => done,
            Err(_) => Err(Failure::storage("the refresh was broken off")),
        }
    }

    /// The last failure, while no other try is made.
    pub(super) fn resting(&self) -> Option<Failure> {
        let trouble = self.trouble.lock();
        let trouble = trouble.as_ref().filter(|trouble| Instant::now() < trouble.until)?;
        Some(trouble.failure.clone().with_retry_after(Some(trouble.until - Instant::now())))
    }

    async fn in_turn(self: &Arc<Self>, why: &Why) -> Result<Seen, Failure> {
        let _turn = self.turn.lock().await;
        if let Some(seen) = self.seen.lock().clone().filter(|seen| why.is_met_by(seen)) {
            return Ok(seen);
        }
        if self.resting().is_some() {
            // Unless somebody has logged in meanwhile.
            self.look().await?;
        }
        if let Some(failure) = self.resting() {
            return Err(failure);
        }
        let locked = match self.lock_or_adopt(why).await? {
            Turn::Ours(locked) => locked,
            Turn::Adopted(seen) => return Ok(seen),
        };
        // Now nobody else writes: what is stored is the last word.
        let Some(seen) = self.read().await? else { return Err(self.nobody()) };
        if why.is_met_by(&seen) {
            return Ok(seen);
        }
        let provider = self.provider();
        let record = &seen.record;
        if record.needs_login.is_some() || record.tokens.refresh.is_none() || !provider.supports_refresh() {
            return Err(self.spent(record));
        }
        let under_way = UnderWay::begin(&self.house);
        self.house.asks(Kind::OauthRefreshRequest, &self.id, why.word());
        let began = Instant::now();
        let asked = tokio::time::timeout(ANSWER, provider.refresh(&record.tokens)).await;
        let late = || Err(Failure::new(Reason::Unreachable, "the server did not answer the refresh in time"));
        match asked.unwrap_or_else(|_| late()) {
            Ok(fresh) if fresh.access.expose().is_empty() => {
                let failure =
                    Failure::new(Reason::Unreachable, "the server answered the refresh without a token");
                Err(self.refused(&locked, record, failure, why).await?)
            }
            Ok(fresh) => {
                self.house.got(Kind::OauthRefreshResponse, &self.id, began.elapsed(), &fresh);
                *self.trouble.lock() = None;
                Ok(self.keep(locked, record.refreshed(fresh), under_way).await)
            }
            Err(failure) => Err(self.refused(&locked, record, failure, why).await?),
        }
    }

    /// The lock of the account; or, while another process has it, what that one brought.
    async fn lock_or_adopt(&self, why: &Why) -> Result<Turn, Failure> {
        let vault = &self.house.vault;
        let end = Instant::now() + TURN;
        loop {
            if let Some(locked) = vault.try_lock(&self.id).await? {
                return Ok(Turn::Ours(locked));
            }
            let known = self.seen.lock().as_ref().and_then(|seen| seen.stamp);
            if vault.stamp(&self.id) != known
                && let Some(seen) = self.read().await?
                && why.is_met_by(&seen)
            {
                return Ok(Turn::Adopted(seen));
            }
            if Instant::now() >= end {
                let told =
                    format!("another process has held the lock of {} for {} s", self.id, TURN.as_secs());
                return Err(Failure::storage(told));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Writes what came. The tokens that bought it are worth nothing any more, so when the disk is full the lock
    /// is held until it takes them: better that others wait than that they spend a token twice.
    async fn keep(self: &Arc<Self>, locked: Locked, record: Record, under_way: UnderWay) -> Seen {
        let Err(failure) = locked.write(record.clone()).await else { return self.remember(record, true) };
        self.house.failed(&self.id, "save", &failure);
        let seen = self.remember(record.clone(), false);
        let login = self.clone();
        tokio::spawn(async move {
            let _under_way = under_way;
            let mut pause = REWRITE.0;
            loop {
                tokio::time::sleep(pause).await;
                if locked.write(record.clone()).await.is_ok() {
                    break;
                }
                pause = (pause * 2).min(REWRITE.1);
            }
            login.remember(record, true);
        });
        seen
    }

    /// A refusal is told, noted, and followed by a rest; it deletes nothing.
    async fn refused(
        &self,
        locked: &Locked,
        asked_with: &Record,
        failure: Failure,
        why: &Why,
    ) -> Result<Failure, Failure> {
        if failure.reason() == Reason::InvalidGrant {
            // It speaks of the bytes that were sent. Somebody without our lock may have stored others.
            let stored = locked.read().await?;
            if let Some(stored) =
                stored.filter(|stored| is_same(&stored.tokens.refresh, &asked_with.tokens.refresh))
            {
                let needs = NeedsLogin { reason: failure.told().to_owned(), since: unix_time::now() };
                let marked = stored.refused(needs);
                let told = self.spent(&marked);
                *self.trouble.lock() = None;
                locked.write(marked.clone()).await?;
                self.remember(marked, true);
                self.house.failed(&self.id, why.word(), &told);
                return Ok(told);
            }
        }
        self.house.failed(&self.id, why.word(), &failure);
        let mut trouble = self.trouble.lock();
        let count = trouble.as_ref().map_or(0, |trouble| trouble.count + 1);
        let rest = REST.0.saturating_mul(1 << count.min(16)).min(REST.1);
        let rest = rest.max(failure.retry_after().unwrap_or_default().min(Duration::from_secs(3600)));
        *trouble = Some(Trouble {
            failure: failure.clone(),
            sent: asked_with.tokens.refresh.clone(),
            without: !matches!(why, Why::Early),
            until: Instant::now() + rest,
            count,
        });
        Ok(failure.with_retry_after(Some(rest)))
    }
}

/// Whether these are the same refresh token.
pub(super) fn is_same(one: &Option<Secret>, other: &Option<Secret>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => one.matches(other.expose().as_bytes()),
        (None, None) => true,
        _ => false,
    }
}

enum Turn {
    Ours(Locked),
    Adopted(Seen),
}

impl Why {
    /// Whether what is there now is what was wanted.
    fn is_met_by(&self, seen: &Seen) -> bool {
        match self {
            Why::Early => seen.verdict() == Verdict::Good,
            Why::Over => seen.verdict() != Verdict::Over,
            Why::Refused(refused) => {
                let same = refused.matches(seen.record.tokens.access.expose().as_bytes());
                !same && seen.verdict() != Verdict::Over
            }
        }
    }

    fn word(&self) -> &'static str {
        match self {
            Why::Early => "early",
            Why::Over => "expired",
            Why::Refused(_) => "refused",
        }
    }
}
