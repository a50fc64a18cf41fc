//! Sessions whose process is gone and that can go on all the same: their names, the CLI's own ids of them, and
//! digests of what they know; no words. A file keeps them over a restart of the proxy.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ccproxy_core::private_file::{self, Saving, Trouble};
use ccproxy_core::unix_time::now;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

/// Sessions that are kept; beyond that the oldest is given up.
const MOST: usize = 1000;
/// Turns of a session that is kept.
const LONGEST: usize = 2000;
/// Bytes of the file that are read.
const LARGEST: u64 = 16 << 20;

/// A session's owner and name.
pub(super) type Key = (Arc<str>, String);

/// What is left of a session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Ended {
    /// The CLI's own name of the conversation.
    pub(super) id: String,
    pub(super) setup: u64,
    /// Of each turn its digest.
    pub(super) known: Vec<u64>,
    /// In seconds since 1970.
    pub(super) since: u64,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    client: Arc<str>,
    name: String,
    #[serde(flatten)]
    ended: Ended,
}

/// All of them.
pub(super) struct Resumable {
    path: PathBuf,
    limit: Duration,
    entries: Mutex<HashMap<Key, Ended>>,
    /// One writes at a time.
    writes: Mutex<()>,
}

impl Resumable {
    /// What the file has, as far as it is not older than `limit`. One that cannot be read counts as empty.
    pub(super) fn open(path: PathBuf, limit: Duration) -> Self {
        let entries = match read(&path) {
            Ok(entries) => entries,
            Err(error) => {
                tracing::warn!(file = %path.display(), %error, "sessions of the CLI are forgotten");
                Vec::new()
            }
        };
        let entries = entries.into_iter().map(|entry| ((entry.client, entry.name), entry.ended)).collect();
        let resumable = Resumable { path, limit, entries: Mutex::new(entries), writes: Mutex::new(()) };
        bound(&mut resumable.entries.lock(), limit);
        resumable
    }

    /// Keeps a session.
    pub(super) fn put(&self, key: Key, ended: Ended) {
        if ended.known.is_empty() || ended.known.len() > LONGEST {
            return;
        }
        let mut entries = self.entries.lock();
        entries.insert(key, ended);
        bound(&mut entries, self.limit);
    }

    /// What is left of a session.
    pub(super) fn get(&self, key: &Key) -> Option<Ended> {
        let mut entries = self.entries.lock();
        bound(&mut entries, self.limit);
        entries.get(key).cloned()
    }

    /// Gives a session up: a process goes on with it, or begins anew under its name.
    pub(super) fn remove(&self, key: &Key) {
        self.entries.lock().remove(key);
    }

    /// Writes the file: these, and those that `alive` gives, which could go on as well if the proxy ended now.
    pub(super) fn save(&self, alive: impl FnOnce() -> Vec<(Key, Ended)>) {
        let _one = self.writes.lock();
        let mut entries = self.entries.lock().clone();
        entries.extend(alive().into_iter().filter(|(_, ended)| (1..=LONGEST).contains(&ended.known.len())));
        bound(&mut entries, self.limit);
        let entries: Vec<Entry> =
            entries.into_iter().map(|((client, name), ended)| Entry { client, name, ended }).collect();
        if let Err(error) = write(&self.path, &entries) {
            tracing::warn!(file = %self.path.display(), %error, "sessions of the CLI are not kept over a restart");
        }
    }
}

/// Gives up the old, and the oldest beyond [`MOST`].
fn bound(entries: &mut HashMap<Key, Ended>, limit: Duration) {
    let begin = now().saturating_sub(limit.as_secs());
    entries.retain(|_, ended| ended.since >= begin);
    while entries.len() > MOST {
        let oldest = entries.iter().min_by_key(|(_, ended)| ended.since).map(|(key, _)| key.clone());
        let Some(oldest) = oldest else { return };
        entries.remove(&oldest);
    }
}

fn read(path: &Path) -> Result<Vec<Entry>, String> {
    let told = |error: Trouble| error.to_string();
    match private_file::read_within(path, LARGEST).map_err(told)? {
        Some(text) => serde_json::from_slice(&text).map_err(|error| error.to_string()),
        None => Ok(Vec::new()),
    }
}

fn write(path: &Path, entries: &[Entry]) -> Result<(), String> {
    let text = serde_json::to_vec(entries).map_err(|error| error.to_string())?;
    Saving::of(path).save(&text).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn ended(since: u64) -> Ended {
        Ended { id: format!("id-{since}"), setup: u64::MAX, known: vec![1, u64::MAX], since }
    }

    fn key(number: usize) -> Key {
        (Arc::from("me"), number.to_string())
    }

    #[test]
    fn they_are_kept_over_a_restart_and_bounded() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("sessions.json");
        let week = Duration::from_secs(604_800);
        let open = || Resumable::open(path.clone(), week);
        let first = open();
        let begin = now();
        for number in 0..=MOST {
            first.put(key(number), ended(begin - MOST as u64 + number as u64));
        }
        first.put(key(5000), ended(begin - 604_900));
        first.put(key(5001), Ended { known: vec![1; LONGEST + 1], ..ended(begin) });
        first.save(|| vec![(key(7), Ended { id: "alive".into(), ..ended(begin) })]);
        let second = open();
        assert_eq!(second.get(&key(0)), None, "the oldest has made room");
        assert_eq!(second.get(&key(7)).map(|ended| ended.id).as_deref(), Some("alive"));
        second.remove(&key(7));
        assert_eq!(second.get(&key(7)), None, "given up");
        assert_eq!(second.get(&key(MOST)), Some(ended(begin)));
        assert_eq!((second.get(&key(5000)), second.get(&key(5001))), (None, None));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&path).expect("it").permissions().mode() & 0o777, 0o600);
        }
        for odd in ["", "{}", "[{\"client\":1}]", "no JSON"] {
            fs::write(&path, odd).expect("written");
            assert_eq!(open().get(&key(7)), None, "{odd}");
        }
        // What cannot be read is written anew.
        let third = open();
        third.put(key(1), ended(begin));
        third.save(Vec::new);
        assert_eq!(open().get(&key(1)), Some(ended(begin)));
    }
}
