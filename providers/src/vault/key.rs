//! The key that files are sealed with: from the system's keyring, a command or a file. It is asked for once, with
//! a limit, and a source that hangs holds nobody up longer than that.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ccproxy_core::hex;
use ccproxy_core::oauth::Failure;
use parking_lot::Mutex;
use ring::digest;
use ring::rand::{SecureRandom, SystemRandom};
use tokio::sync::Notify;
use zeroize::Zeroizing;

use super::keyring::{Keyring, System};
use super::settings::{Mode, Sealing};
use super::{blocking, disk};

/// How long the source of the key may take.
const LIMIT: Duration = Duration::from_secs(3);
/// After a failure it is asked again, no sooner than this.
const AGAIN: Duration = Duration::from_secs(60);
/// Shortest text that makes a key, and longest that is read.
const TEXT: std::ops::RangeInclusive<usize> = 32..=4096;

/// A key.
pub struct Key {
    bytes: Zeroizing<[u8; 32]>,
    name: String,
}

/// Whether files can be sealed.
#[derive(Clone)]
pub enum KeyState {
    /// They are sealed with this.
    Ready(Arc<Key>),
    /// They are not sealed, because of this; those that are cannot be opened.
    Plain(String),
    /// They must be sealed, and cannot be.
    Missing(String),
}

/// Asks for the key.
pub(super) struct Keys {
    sealing: Sealing,
    folder: PathBuf,
    keyring: Arc<dyn Keyring>,
    answer: Arc<Answer>,
    /// When it was last asked for. Held while waiting: those who ask together share one answer.
    asked: tokio::sync::Mutex<Option<Instant>>,
}

#[derive(Default)]
struct Answer {
    came: Mutex<Option<Result<Arc<Key>, String>>>,
    bell: Notify,
}

impl Key {
    /// Of a text that is long enough not to be guessed.
    pub(super) fn derive(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if !TEXT.contains(&text.len()) {
            return Err(format!("the key's text must have {} to {} characters", TEXT.start(), TEXT.end()));
        }
        let mut bytes = Zeroizing::new([0; 32]);
        bytes.copy_from_slice(hash(b"ccproxy sealing key\0", text.as_bytes()).as_ref());
        let name = hash(b"ccproxy key name\0", &*bytes);
        let name = hex::encode(&name.as_ref()[..4]);
        Ok(Key { bytes, name })
    }

    /// Says which key it is, and nothing of it.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.bytes
    }
}

impl Keys {
    pub(super) fn new(sealing: Sealing, folder: &Path) -> Self {
        Self::asking(sealing, folder, Arc::new(System))
    }

    pub(super) fn asking(sealing: Sealing, folder: &Path, keyring: Arc<dyn Keyring>) -> Self {
        let folder = folder.to_owned();
        Keys { sealing, folder, keyring, answer: Arc::default(), asked: tokio::sync::Mutex::default() }
    }

    /// Whether files can be sealed. Waits [`LIMIT`] at most, and only for those who ask first.
    pub(super) async fn get(&self) -> KeyState {
        if self.sealing.mode == Mode::Off {
            return self.off();
        }
        let mut asked = self.asked.lock().await;
        let came = self.answer.came.lock().clone();
        let ask = match (&came, *asked) {
            (_, None) => true,
            (Some(Err(_)), Some(at)) => at.elapsed() > AGAIN,
            // There, or still hanging.
            _ => false,
        };
        let came = if ask {
            *asked = Some(Instant::now());
            *self.answer.came.lock() = None;
            self.ask();
            self.answer.wait().await
        } else {
            came
        };
        let late = || Err(format!("{} did not answer within {} s", self.source(), LIMIT.as_secs()));
        self.state(came.unwrap_or_else(late))
    }

    /// What is known without asking; `None` when nothing came yet.
    pub(super) fn known(&self) -> Option<KeyState> {
        if self.sealing.mode == Mode::Off {
            return Some(self.off());
        }
        let came = self.answer.came.lock().clone();
        came.map(|came| self.state(came))
    }

    fn state(&self, came: Result<Arc<Key>, String>) -> KeyState {
        match came {
            Ok(key) => KeyState::Ready(key),
            Err(why) if self.sealing.mode == Mode::Required || self.sealing.is_explicit() => {
                KeyState::Missing(why)
            }
            Err(why) => KeyState::Plain(why),
        }
    }

    fn off(&self) -> KeyState {
        KeyState::Plain("`credentials.seal` is \"off\"".to_owned())
    }

    fn source(&self) -> &'static str {
        match &self.sealing {
            Sealing { command, .. } if !command.is_empty() => "`credentials.key_command`",
            Sealing { file: Some(_), .. } => "`credentials.key_file`",
            _ => "the system's keyring",
        }
    }

    fn ask(&self) {
        let answer = self.answer.clone();
        if !self.sealing.command.is_empty() {
            let command = self.sealing.command.clone();
            tokio::spawn(async move { answer.give(from_command(&command).await) });
        } else if let Some(file) = self.sealing.file.clone() {
            tokio::spawn(async move {
                let read = blocking(move || from_file(&file)).await.map_err(|error| error.to_string());
                answer.give(read);
            });
        } else {
            let (keyring, folder) = (self.keyring.clone(), self.folder.clone());
            // A thread of its own, which nobody joins: some keyrings never answer.
            let thread = std::thread::Builder::new().name("keyring".to_owned());
            let given = answer.clone();
            if thread.spawn(move || given.give(from_keyring(&*keyring, &folder))).is_err() {
                answer.give(Err("no thread could be started".to_owned()));
            }
        }
    }
}

impl Answer {
    fn give(&self, came: Result<Key, String>) {
        *self.came.lock() = Some(came.map(Arc::new));
        self.bell.notify_one();
    }

    async fn wait(&self) -> Option<Result<Arc<Key>, String>> {
        let _ = tokio::time::timeout(LIMIT, async {
            while self.came.lock().is_none() {
                self.bell.notified().await;
            }
        })
        .await;
        self.came.lock().clone()
    }
}

/// The key in the keyring; a new one where there is none yet.
fn from_keyring(keyring: &dyn Keyring, folder: &Path) -> Result<Key, String> {
    if let Some(text) = keyring.get()? {
        return Key::derive(&text);
    }
    // Of several processes that find none, one makes it. Whoever comes too soon asks again later.
    disk::create_folder(folder).map_err(|error| error.to_string())?;
    let held = disk::hold(&folder.join(".key.lock")).map_err(|error| error.to_string())?;
    let Some(_held) = held else {
        return Err("another process is making a key in the keyring".to_owned());
    };
    if let Some(text) = keyring.get()? {
        return Key::derive(&text);
    }
    let mut random = Zeroizing::new([0; 32]);
    SystemRandom::new().fill(&mut *random).map_err(|_| "the system has no random numbers")?;
    let text = Zeroizing::new(hex::encode(&*random));
    keyring.set(&text)?;
    // What the keyring has kept counts, not what it was given.
    match keyring.get()? {
        Some(kept) => Key::derive(&kept),
        None => Err("the system's keyring kept nothing".to_owned()),
    }
}

fn from_file(file: &Path) -> Result<Key, Failure> {
    let cannot = |why: String| Failure::storage(format!("the key file `{}`: {why}", file.display()));
    let data = std::fs::metadata(file).map_err(|error| cannot(error.to_string()))?;
    if !data.is_file() || data.len() > *TEXT.end() as u64 {
        return Err(cannot(format!("is no file of at most {} bytes", TEXT.end())));
    }
    let text = std::fs::read_to_string(file).map_err(|error| cannot(error.to_string()))?;
    Key::derive(&Zeroizing::new(text)).map_err(cannot)
}

/// What a command prints. It is ended when it takes too long.
async fn from_command(command: &[String]) -> Result<Key, String> {
    let Some((program, arguments)) = command.split_first() else {
        return Err("there is no command".to_owned());
    };
    let mut command = tokio::process::Command::new(program);
    command
        .args(arguments)
        .stdin(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .kill_on_drop(true);
    let output = match tokio::time::timeout(LIMIT, command.output()).await {
        Ok(Ok(output)) => output,
        Ok(Err(error)) => return Err(format!("`{program}` cannot be run: {error}")),
        Err(_) => return Err(format!("`{program}` printed no key within {} s", LIMIT.as_secs())),
    };
    let printed = Zeroizing::new(output.stdout);
    if !output.status.success() {
        return Err(format!("`{program}` failed ({})", output.status));
    }
    let text = std::str::from_utf8(&printed).map_err(|_| format!("`{program}` printed no text"))?;
    Key::derive(text)
}

fn hash(label: &[u8], text: &[u8]) -> digest::Digest {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(label);
    context.update(text);
    context.finish()
}
