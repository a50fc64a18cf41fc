//! One account: what is known of its tokens, and a token that is good now.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ccproxy_core::hooks::Kind;
use ccproxy_core::oauth::{Account, Failure, OAuthProvider, Reason, Tokens};
use ccproxy_core::secret::Secret;
use parking_lot::{Mutex, RwLock};
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::decide::{Seen, Verdict};
use super::renew::{Trouble, Why, is_same};
use super::{House, UnderWay};
use crate::vault::{Id, Record};

/// How long what was read is good for before the disk is asked whether it changed.
const LOOK: Duration = Duration::from_secs(1);
/// How long a login or a logout waits for a refresh that is under way.
const PATIENCE: Duration = Duration::from_secs(40);

/// The login of one account.
pub struct Login {
    pub(super) house: Arc<House>,
    pub(super) id: Id,
    provider: RwLock<Arc<dyn OAuthProvider>>,
    pub(super) seen: Mutex<Option<Seen>>,
    looked: Mutex<Option<Instant>>,
    stored: Mutex<Option<(Instant, bool)>>,
    pub(super) trouble: Mutex<Option<Trouble>>,
    asked_for_key: AtomicBool,
    /// One refresh at a time in this process.
    pub(super) turn: tokio::sync::Mutex<()>,
}

/// A token that is good now, and whose it is.
#[derive(Clone)]
pub struct Held(Arc<Record>);

impl Held {
    /// The access token.
    pub fn access(&self) -> &Secret {
        &self.0.tokens.access
    }

    /// Whose it is.
    pub fn account(&self) -> &Account {
        &self.0.tokens.account
    }

    /// Everything that came with it.
    pub fn tokens(&self) -> &Tokens {
        &self.0.tokens
    }
}

impl Login {
    pub(super) fn new(house: Arc<House>, id: Id, provider: Arc<dyn OAuthProvider>) -> Self {
        Login {
            house,
            id,
            provider: RwLock::new(provider),
            seen: Mutex::default(),
            looked: Mutex::default(),
            stored: Mutex::default(),
            trouble: Mutex::default(),
            asked_for_key: AtomicBool::default(),
            turn: tokio::sync::Mutex::default(),
        }
    }

    /// Whose login it is.
    pub fn id(&self) -> &Id {
        &self.id
    }

    pub(super) fn provider(&self) -> Arc<dyn OAuthProvider> {
        self.house.registry.get(self.id.provider()).unwrap_or_else(|| self.provider.read().clone())
    }

    pub(super) fn served_by(&self, provider: &Arc<dyn OAuthProvider>) {
        *self.provider.write() = provider.clone();
    }

    /// Whose login it is, as far as this process has read it.
    pub fn account(&self) -> Option<Account> {
        self.seen.lock().as_ref().map(|seen| seen.record.tokens.account.clone())
    }

    /// Whether anything is stored, as of a second ago at most.
    pub fn is_stored(&self) -> bool {
        let mut stored = self.stored.lock();
        match *stored {
            Some((when, known)) if when.elapsed() < LOOK => known,
            _ => {
                let known = self.house.vault.stamp(&self.id).is_some();
                *stored = Some((Instant::now(), known));
                known
            }
        }
    }

    /// A token that is good now. Fresh ones are asked for when it is time; until they come one that still lives
    /// is good enough.
    pub async fn token(self: &Arc<Self>) -> Result<Held, Failure> {
        let Some(seen) = self.look().await? else { return Err(self.nobody()) };
        match seen.verdict() {
            Verdict::Good => {}
            _ if !self.can_renew(&seen) => {}
            Verdict::Soon => {
                if self.resting().is_none() && self.turn.try_lock().is_ok() {
                    let login = self.clone();
                    tokio::spawn(async move { login.renew(Why::Early).await });
                }
            }
            Verdict::Over => {
                return match self.renew(Why::Over).await {
                    Ok(seen) => Ok(Held(seen.record)),
                    Err(_) if seen.left().is_some_and(|left| !left.is_zero()) => Ok(Held(seen.record)),
                    Err(failure) => Err(failure),
                };
            }
        }
        match seen.left() {
            Some(left) if left.is_zero() => Err(self.spent(&seen.record)),
            _ => Ok(Held(seen.record)),
        }
    }

    /// Another token after the provider refused this one. When a newer one is stored already, that is it.
    pub async fn after_refusal(self: &Arc<Self>, refused: &Secret) -> Result<Held, Failure> {
        let seen = self.renew(Why::Refused(refused.clone())).await?;
        Ok(Held(seen.record))
    }

    /// Fresh tokens, whatever is stored; a token that has no end and came without a refresh token is as fresh as it ever gets.
    pub async fn refresh(self: &Arc<Self>) -> Result<Held, Failure> {
        let Some(seen) = self.look().await? else { return Err(self.nobody()) };
        if seen.record.tokens.is_lasting() && seen.record.needs_login.is_none() {
            return Ok(Held(seen.record));
        }
        self.after_refusal(&seen.record.tokens.access).await
    }

    /// What is stored, for those who show it.
    pub async fn record(&self) -> Result<Option<Record>, Failure> {
        self.house.vault.read(&self.id).await
    }

    /// Why requests cannot be made with what is stored: it cannot be read, only another login helps, or there is no token and
    /// the last refresh failed. Does not wait: of a sealed file that nobody has opened yet nothing is known.
    pub fn lacks(&self) -> Option<Failure> {
        let seen = match self.glance() {
            Ok(Some(seen)) => seen,
            Ok(None) => return None,
            Err(failure) => return Some(failure),
        };
        self.forgive(Some(&seen.record));
        let over = seen.verdict() == Verdict::Over;
        let ended = seen.left().is_some_and(|left| left.is_zero());
        if seen.record.needs_login.is_some() || (ended && !self.can_renew(&seen)) {
            return Some(self.spent(&seen.record));
        }
        let trouble = self.trouble.lock();
        trouble.as_ref().filter(|trouble| over || trouble.without).map(|trouble| trouble.failure.clone())
    }

    /// What is stored, from memory as long as the file is the same.
    fn glance(&self) -> Result<Option<Seen>, Failure> {
        let stamp = self.house.vault.stamp(&self.id);
        let seen = self.seen.lock().clone();
        // What could not be written yet counts more than what is there.
        if let Some(seen) = seen.filter(|seen| seen.stamp.is_none() || seen.stamp == stamp) {
            return Ok(Some(seen));
        }
        let record = self.house.vault.peek(&self.id)?;
        if record.is_none() && stamp.is_some() {
            self.ask_for_key();
        }
        Ok(record.map(|record| Seen::new(record, stamp, chance())))
    }

    /// So that more is known next time.
    fn ask_for_key(&self) {
        if let Ok(runtime) = tokio::runtime::Handle::try_current()
            && !self.asked_for_key.swap(true, Ordering::Relaxed)
        {
            let house = self.house.clone();
            runtime.spawn(async move { house.vault.key().await });
        }
    }

    /// A failure says nothing of another login, nor does its rest hold that one up.
    fn forgive(&self, stored: Option<&Record>) {
        let mut trouble = self.trouble.lock();
        let same =
            |trouble: &Trouble| stored.is_some_and(|stored| is_same(&stored.tokens.refresh, &trouble.sent));
        if trouble.as_ref().is_some_and(|trouble| !same(trouble)) {
            *trouble = None;
        }
    }

    /// Keeps the tokens of a new login in place of what was there.
    pub async fn store(&self, tokens: Tokens) -> Result<(), Failure> {
        // Tokens that came are worth waiting for.
        let _under_way = UnderWay::begin(&self.house);
        let locked = self.house.vault.lock(&self.id, PATIENCE).await?;
        locked.write(Record::new(tokens)).await?;
        *self.trouble.lock() = None;
        self.forget();
        Ok(())
    }

    /// Says that a login asks for tokens.
    pub fn announce_asking(&self, flow: &str) {
        self.house.asks(Kind::OauthTokenRequest, &self.id, flow);
    }

    /// Says how a login went.
    pub fn announce(&self, took: Duration, result: Result<&Tokens, &Failure>) {
        match result {
            Ok(tokens) => self.house.got(Kind::OauthTokenResponse, &self.id, took, tokens),
            Err(failure) => self.house.failed(&self.id, "login", failure),
        }
    }

    /// What may be told of tokens of this login.
    pub async fn summary(&self, tokens: &Tokens) -> Map<String, Value> {
        self.provider().credential_summary(tokens).await
    }

    /// Takes the tokens back at the server, where that is possible, and forgets them. `Ok(None)` when nobody was
    /// logged in; else whether the server took them back.
    pub async fn logout(&self) -> Result<Option<Result<(), Failure>>, Failure> {
        let locked = self.house.vault.lock(&self.id, PATIENCE).await?;
        // What was taken back is not left in the store.
        let _under_way = UnderWay::begin(&self.house);
        let provider = self.provider();
        let revoked = match locked.read().await {
            Ok(None) => return Ok(None),
            Ok(Some(record)) if provider.supports_revocation() => provider.revoke(&record.tokens).await,
            Ok(Some(_)) => Err(Failure::new(
                Reason::Unsupported,
                format!("{} cannot revoke tokens; they end by themselves", provider.provider_display_name()),
            )),
            // What cannot be read can still be removed; what would mend it is no advice any more.
            Err(_) => Err(Failure::storage("the file of the login could not be read")),
        };
        let was_there = locked.remove().await?;
        self.forget();
        Ok(was_there.then_some(revoked))
    }

    pub(super) fn forget(&self) {
        *self.seen.lock() = None;
        *self.looked.lock() = None;
        *self.stored.lock() = None;
    }

    /// What is stored now, from memory as long as the file is the same.
    pub(super) async fn look(&self) -> Result<Option<Seen>, Failure> {
        let seen = self.seen.lock().clone();
        let recent = self.looked.lock().is_some_and(|looked| looked.elapsed() < LOOK);
        if seen.is_some() && recent {
            return Ok(seen);
        }
        let stamp = self.house.vault.stamp(&self.id);
        *self.looked.lock() = Some(Instant::now());
        match seen {
            Some(seen) if seen.stamp == stamp => Ok(Some(seen)),
            // What could not be written yet counts more than what is there.
            Some(seen) if seen.stamp.is_none() => Ok(Some(seen)),
            _ => self.read().await,
        }
    }

    /// Reads what is stored, and remembers it.
    pub(super) async fn read(&self) -> Result<Option<Seen>, Failure> {
        // The stamp first: when the file changes in between, it is read once more later.
        let stamp = self.house.vault.stamp(&self.id);
        let record = self.house.vault.read(&self.id).await?;
        self.forgive(record.as_ref());
        let seen = record.map(|record| Seen::new(record, stamp, chance()));
        *self.seen.lock() = seen.clone();
        Ok(seen)
    }

    pub(super) fn remember(&self, record: Record, on_disk: bool) -> Seen {
        let stamp = self.house.vault.stamp(&self.id).filter(|_| on_disk);
        let seen = Seen::new(record, stamp, chance());
        *self.seen.lock() = Some(seen.clone());
        seen
    }

    fn can_renew(&self, seen: &Seen) -> bool {
        let record = &seen.record;
        record.needs_login.is_none() && record.tokens.refresh.is_some() && self.provider().supports_refresh()
    }

    pub(super) fn nobody(&self) -> Failure {
        Failure::no_login(self.id.provider(), self.id.account())
    }

    /// The token is over and nothing buys another one.
    pub(super) fn spent(&self, record: &Record) -> Failure {
        let name = self.provider().provider_display_name().to_owned();
        let why = match &record.needs_login {
            Some(needs) => format!("{name} takes the stored login no more ({})", needs.reason),
            None => match record.tokens.left() {
                Some(left) if !left.is_zero() => format!("the stored login of {name} cannot be renewed"),
                _ => format!("the stored login of {name} has ended and cannot be refreshed"),
            },
        };
        Failure::new(Reason::NeedsLogin, format!("{why}; run `{}`", self.id.login_command()))
    }
}

/// A number from 0 to 1.
fn chance() -> f64 {
    RandomState::new().hash_one(0) as f64 / u64::MAX as f64
}
