//! What is known of credentials, on disk, so that rests survive a restart. Nothing in it is secret.
//!
//! One small file beside the logins. It is written soon after a rest begins or ends, and at the end of the process; one that
//! cannot be read is as good as none.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::standing::{Limits, Now, Rest, Standing};
use super::verdict::Why;
use crate::vault::Vault;

/// Its name in the folder of the logins.
const NAME: &str = "balancer.json";
/// How long changes are gathered before they are written.
const SOON: Duration = Duration::from_millis(50);
/// Most rests of one credential that are read.
const MOST: usize = 64;

/// The file, and what is to be in it.
pub(super) struct Ledger {
    vault: Arc<Vault>,
    entries: Mutex<BTreeMap<String, Entry>>,
    /// Something is not written yet.
    dirty: AtomicBool,
    /// Somebody is about to write it.
    waiting: AtomicBool,
    /// One writer at a time.
    turn: Mutex<()>,
}

/// The file.
#[derive(Default, Serialize, Deserialize)]
struct File {
    #[serde(default)]
    credentials: BTreeMap<String, Entry>,
}

/// One credential. Times are milliseconds since 1970.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Entry {
    uses: u64,
    errors: u64,
    last_used: Option<u64>,
    rests: Vec<Written>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Written {
    model: Option<String>,
    why: String,
    #[serde(default)]
    asked: bool,
    #[serde(default)]
    strikes: u32,
    since: u64,
    until: u64,
}

impl Ledger {
    /// Reads what is there.
    pub(super) fn open(vault: &Arc<Vault>) -> Arc<Self> {
        let read =
            vault.read_state(NAME).map_err(|failure| failure.to_string()).and_then(|bytes| match bytes {
                None => Ok(File::default()),
                Some(bytes) => serde_json::from_slice(&bytes).map_err(|error| format!("`{NAME}`: {error}")),
            });
        let file = read.unwrap_or_else(|why| {
            tracing::warn!("what credentials rest from is not known any more: {why}");
            File::default()
        });
        Arc::new(Ledger {
            vault: vault.clone(),
            entries: Mutex::new(file.credentials),
            dirty: AtomicBool::new(false),
            waiting: AtomicBool::new(false),
            turn: Mutex::new(()),
        })
    }

    /// How a credential stood when the file was written.
    pub(super) fn standing(&self, name: &str, now: Now, limits: Limits) -> Standing {
        let entry = self.entries.lock().get(name).cloned().unwrap_or_default();
        let rests = entry.rests.into_iter().take(MOST).filter_map(|rest| rest.read(now, limits)).collect();
        let last_used = entry.last_used.map(|millis| UNIX_EPOCH + Duration::from_millis(millis));
        Standing { rests, uses: entry.uses, errors: entry.errors, last_used, ..Standing::default() }
    }

    /// Takes down how a credential stands now; it is written soon when that is of weight.
    pub(super) fn note(self: &Arc<Self>, name: &str, standing: &Standing, soon: bool) {
        let entry = Entry {
            uses: standing.uses,
            errors: standing.errors,
            last_used: standing.last_used.map(millis),
            rests: standing.rests.iter().map(Written::of).collect(),
        };
        self.entries.lock().insert(name.to_owned(), entry);
        self.dirty.store(true, Ordering::Release);
        // One writer gathers what comes while it waits. Counts alone are written with the next rest, or at the end.
        if !soon || self.waiting.swap(true, Ordering::AcqRel) {
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            self.waiting.store(false, Ordering::Release);
            return;
        };
        let ledger = self.clone();
        runtime.spawn(async move {
            tokio::time::sleep(SOON).await;
            ledger.waiting.store(false, Ordering::Release);
            let _ = tokio::task::spawn_blocking(move || ledger.write()).await;
        });
    }

    /// Writes what is not written yet.
    pub(super) fn write(&self) {
        let _turn = self.turn.lock();
        if !self.dirty.swap(false, Ordering::AcqRel) {
            return;
        }
        let file = File { credentials: self.entries.lock().clone() };
        let saved = serde_json::to_vec_pretty(&file).map_err(|error| error.to_string());
        let saved = saved
            .and_then(|bytes| self.vault.save_state(NAME, &bytes).map_err(|failure| failure.to_string()));
        if let Err(why) = saved {
            tracing::warn!("what credentials rest from is not kept over a restart: {why}");
        }
    }

    /// Forgets credentials that are in no pool.
    pub(super) fn retain(&self, known: impl Fn(&str) -> bool) {
        self.entries.lock().retain(|name, _| known(name));
    }
}

impl Written {
    fn of(rest: &Rest) -> Self {
        Written {
            model: rest.model.as_deref().map(str::to_owned),
            why: rest.why.word().to_owned(),
            asked: rest.firm,
            strikes: rest.strikes,
            since: millis(rest.since.wall),
            until: millis(rest.until.wall),
        }
    }

    /// No rest is longer than it ever was, nor than the settings allow, whatever the clock was set to meanwhile.
    fn read(self, now: Now, limits: Limits) -> Option<Rest> {
        let length = Duration::from_millis(self.until.saturating_sub(self.since));
        let left = Duration::from_millis(self.until.saturating_sub(millis(now.wall)));
        let left = left.min(length).min(limits.longest);
        Some(Rest {
            model: self.model.map(Into::into),
            why: Why::of(&self.why)?,
            firm: self.asked,
            strikes: self.strikes.clamp(1, 30),
            since: now,
            until: now.after(left),
        })
    }
}

fn millis(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis().try_into().unwrap_or(u64::MAX))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::super::verdict::Verdict;
    use super::*;
    use crate::vault::Sealing;

    const LIMITS: Limits = Limits { cooldown: Duration::from_secs(30), longest: Duration::from_secs(600) };

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn rests_survive_and_clocks_that_jump_do_not_lengthen_them() {
        let folder = tempfile::tempdir().unwrap();
        let vault = Vault::new(folder.path(), Sealing::default());
        let (now, mut standing) = (Now::take(), Standing { uses: 7, errors: 1, ..Standing::default() });
        let verdict = Verdict { why: Why::RateLimited, wait: Some(seconds(100)), firm: true, whole: false };
        standing.failed(&verdict, Some("m"), now, LIMITS);
        let ledger = Ledger::open(&vault);
        ledger.note("p/a", &standing, true);
        ledger.write();
        let again = |now: Now| Ledger::open(&vault).standing("p/a", now, LIMITS);
        let read = again(now);
        assert_eq!((read.uses, read.errors), (7, 1));
        let left = read.resting(Some("m"), now).unwrap().left(now);
        assert!(left <= seconds(100) && left > seconds(98), "{left:?}");
        assert!(read.resting(Some("m"), now).unwrap().firm && read.resting(Some("x"), now).is_none());
        let later = Now { steady: now.steady, wall: now.wall + seconds(60) };
        assert!(again(later).resting(Some("m"), later).unwrap().left(later) <= seconds(41));
        let set_back = Now { steady: now.steady, wall: now.wall - seconds(86_400 * 365) };
        assert!(again(set_back).resting(Some("m"), set_back).unwrap().left(set_back) <= seconds(100));
        let over = Now { steady: now.steady, wall: now.wall + seconds(101) };
        assert!(again(over).resting(Some("m"), over).is_none());
        let shorter = Limits { longest: seconds(5), ..LIMITS };
        assert!(
            Ledger::open(&vault).standing("p/a", now, shorter).resting(Some("m"), now).unwrap().left(now)
                <= seconds(5)
        );
    }

    #[test]
    fn a_file_of_nonsense_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let vault = Vault::new(folder.path(), Sealing::default());
        for nonsense in
            ["", "{", "[]", r#"{"credentials":{"p/a":{"rests":[{"why":"?","since":1,"until":2}]}}}"#]
        {
            vault.save_state(NAME, nonsense.as_bytes()).unwrap();
            assert!(Ledger::open(&vault).standing("p/a", Now::take(), LIMITS).rests.is_empty(), "{nonsense}");
        }
        assert!(vault.providers().unwrap().is_empty(), "it is no provider");
    }
}
