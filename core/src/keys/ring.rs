//! The keys of a running proxy: those of the file as it is now.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use parking_lot::Mutex;

use super::key::hash;
use super::{Key, KeyFile};
use crate::unix_time::now;

/// How long a change of the file may go unseen.
const LOOK: Duration = Duration::from_secs(1);

/// Looks keys up.
#[derive(Debug)]
pub struct KeyRing {
    file: KeyFile,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    looked: Option<Instant>,
    /// When the file was written, and its size; `None` when there was none.
    seen: Option<(SystemTime, u64)>,
    required: bool,
    keys: Arc<HashMap<String, Arc<Key>>>,
}

impl KeyRing {
    /// Of this file, which need not be there yet.
    pub fn new(file: KeyFile) -> Self {
        let ring = KeyRing { file, held: Mutex::default() };
        ring.required();
        ring
    }

    /// Whether a key is asked for.
    pub fn required(&self) -> bool {
        self.look().0
    }

    /// The key that a client sent, by its SHA-256, if it is one and its time is not over.
    pub fn find(&self, sent: &[u8; 32]) -> Option<Arc<Key>> {
        // Found by its hash: how long that takes says nothing of the key.
        let key = self.look().1.get(&hash(sent))?.clone();
        (!key.is_expired(now())).then_some(key)
    }

    /// Whether a key that was found before still is one, and its time is not over.
    pub fn still_has(&self, key: &Key) -> bool {
        self.look().1.get(&key.hash).is_some_and(|held| **held == *key && !held.is_expired(now()))
    }

    /// The keys as they are now, at most a moment old.
    fn look(&self) -> (bool, Arc<HashMap<String, Arc<Key>>>) {
        let mut held = self.held.lock();
        if held.looked.is_none_or(|looked| looked.elapsed() >= LOOK) {
            held.looked = Some(Instant::now());
            self.refresh(&mut held);
        }
        (held.required, held.keys.clone())
    }

    fn refresh(&self, held: &mut Held) {
        let metadata = std::fs::metadata(self.file.path()).ok();
        let seen = metadata.and_then(|metadata| Some((metadata.modified().ok()?, metadata.len())));
        let required = self.file.exists();
        if seen.is_some() && seen == held.seen && required == held.required {
            return;
        }
        match self.file.read() {
            Ok(keys) => {
                let by_hash = keys.into_iter().map(|key| (key.hash.clone(), Arc::new(key)));
                held.keys = Arc::new(by_hash.collect());
                held.seen = seen;
            }
            // The keys that were good stay so; nobody new comes in.
            Err(problem) => tracing::warn!("client keys are not read again: {problem}"),
        }
        held.required = required;
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::super::digest;
    use super::*;

    /// A look that does not wait for its time.
    fn again(ring: &KeyRing) {
        ring.held.lock().looked = None;
    }

    #[test]
    fn changes_of_the_file_count_and_an_empty_file_opens_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = KeyFile::of(folder.path());
        let ring = KeyRing::new(file.clone());
        assert!(!ring.required());
        let new = Key::make("desk", None, vec![], vec![]).unwrap();
        file.edit(|keys| keys.push(new.key.clone())).unwrap();
        assert!(ring.find(&digest(new.secret.expose().as_bytes())).is_none(), "not looked yet");
        again(&ring);
        assert_eq!(ring.find(&digest(new.secret.expose().as_bytes())).unwrap().name, "desk");
        assert!(ring.find(&digest(b"ccp_other")).is_none());
        let past = Key { expires: Some(1), ..new.key.clone() };
        file.edit(|keys| *keys = vec![past]).unwrap();
        again(&ring);
        assert!(ring.find(&digest(new.secret.expose().as_bytes())).is_none(), "its time is over");
        file.edit(Vec::clear).unwrap();
        again(&ring);
        assert!(ring.required(), "the last key is gone, and nobody comes in");
        std::fs::write(file.path(), "{").unwrap();
        again(&ring);
        assert!(ring.required());
    }
}
