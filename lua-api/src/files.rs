//! The files a plugin may write: in a folder of its own, private, bounded, off the exchange's path.
//!
//! Appends go through a queue to one thread per plugin instance, in order. A full queue drops the text and
//! counts it; a failing disk is logged once a minute and never reaches the exchange.

#![expect(clippy::disallowed_types, reason = "bounded by bytes: see `QUEUE_BYTES`")]

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::time::{Duration, Instant};

/// Bytes that may wait for the disk.
const QUEUE_BYTES: usize = 8 << 20;
/// What a waiting text costs beside its bytes.
const OVERHEAD: usize = 128;
/// Files kept open at once.
const OPEN_FILES: usize = 32;
/// How often a failing disk is mentioned.
const COMPLAINT: Duration = Duration::from_secs(60);

/// When a file is turned over, and how many old ones are kept.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rotation {
    /// Most bytes of the file; 0 is without end.
    pub(crate) max_size: u64,
    /// Old files kept: `name.1` is the youngest.
    pub(crate) keep: u32,
}

/// A plugin's hand on its folder.
pub(crate) struct Files {
    folder: PathBuf,
    allowed: Vec<PathBuf>,
    shared: Arc<Shared>,
    jobs: Sender<Job>,
}

#[derive(Default)]
struct Shared {
    queued: AtomicUsize,
    dropped: AtomicU64,
}

enum Job {
    Append(PathBuf, Vec<u8>, Rotation),
    Remove(PathBuf),
    Flush(SyncSender<()>),
}

impl Files {
    /// `folder` is the plugin's own; `allowed` are absolute paths the operator wrote in its settings.
    pub(crate) fn new(plugin: &str, folder: PathBuf, allowed: Vec<PathBuf>) -> std::io::Result<Self> {
        let (jobs, inbox) = channel();
        let shared = Arc::new(Shared::default());
        let writer = Writer {
            plugin: plugin.to_owned(),
            open: HashMap::new(),
            complained: None,
            shared: shared.clone(),
        };
        std::thread::Builder::new().name(format!("files:{plugin}")).spawn(move || writer.run(&inbox))?;
        Ok(Files { folder, allowed, shared, jobs })
    }

    /// Where a script's path leads. An error says what is wrong with it.
    pub(crate) fn resolve(&self, path: &str) -> Result<PathBuf, String> {
        let given = Path::new(path);
        if given.is_absolute() {
            return if self.allowed.iter().any(|allowed| allowed == given) {
                Ok(given.to_owned())
            } else {
                Err("an absolute path must be one that the operator wrote in a `path` setting of this plugin"
                    .to_owned())
            };
        }
        let plain = given.components().all(|part| matches!(part, Component::Normal(_)));
        if path.is_empty() || !plain || path.contains('\0') || path.len() > 512 {
            return Err("a path is relative to the plugin's data folder, without `.` and `..`".to_owned());
        }
        Ok(self.folder.join(given))
    }

    /// Queues text for the end of a file. False when the queue is full and the text was dropped.
    pub(crate) fn append(&self, path: PathBuf, text: Vec<u8>, rotation: Rotation) -> bool {
        // A text weighs a little even when it is empty, so that the count of texts is bounded too.
        let length = text.len() + OVERHEAD;
        if self.shared.queued.fetch_add(length, Ordering::Relaxed) + length > QUEUE_BYTES {
            self.shared.queued.fetch_sub(length, Ordering::Relaxed);
            self.shared.dropped.fetch_add(1, Ordering::Relaxed);
            return false;
        }
        self.jobs.send(Job::Append(path, text, rotation)).is_ok()
    }

    /// Queues a file, or an empty folder, for removal, after what is queued for it.
    pub(crate) fn remove(&self, path: PathBuf) -> bool {
        self.jobs.send(Job::Remove(path)).is_ok()
    }

    /// Waits until everything queued so far is on its way to the disk.
    pub(crate) async fn flush(&self) {
        let (done, written) = sync_channel(1);
        if self.jobs.send(Job::Flush(done)).is_ok() {
            // Not awaited here: a clock that jumps while everybody waits must not jump over a thread at work.
            let _ = tokio::task::spawn_blocking(move || written.recv()).await;
        }
    }

    /// The same, while this thread waits: for tests, which read what a plugin wrote.
    pub(crate) fn finish(&self) {
        let (done, written) = sync_channel(1);
        if self.jobs.send(Job::Flush(done)).is_ok() {
            let _ = written.recv();
        }
    }

    /// Texts dropped because the queue was full.
    pub(crate) fn dropped(&self) -> u64 {
        self.shared.dropped.load(Ordering::Relaxed)
    }

    /// Names of the files in a folder below the plugin's own, sorted; none when there is no such folder.
    pub(crate) fn list(&self, folder: &Path) -> Vec<String> {
        let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
        let mut names: Vec<String> =
            entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).take(10_000).collect();
        names.sort();
        names
    }

    /// The plugin's own folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }
}

/// The bytes of a file; `None` when there is none. Waits for the disk. An error says what is in the way.
pub(crate) fn read(path: &Path, max_size: usize) -> Result<Option<Vec<u8>>, String> {
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    // A pipe would never end, and a link may lead anywhere.
    if !metadata.is_file() {
        return Err("this is no plain file".to_owned());
    }
    let file = File::open(path).map_err(|error| error.to_string())?;
    let mut bytes = Vec::new();
    // One more than may be, to see that there is more.
    file.take(max_size as u64 + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() > max_size {
        return Err(format!("the file is larger than {max_size} bytes"));
    }
    Ok(Some(bytes))
}

struct Writer {
    plugin: String,
    open: HashMap<PathBuf, Open>,
    complained: Option<Instant>,
    shared: Arc<Shared>,
}

struct Open {
    file: File,
    size: u64,
}

impl Writer {
    fn run(mut self, inbox: &Receiver<Job>) {
        while let Ok(job) = inbox.recv() {
            match job {
                Job::Append(path, text, rotation) => {
                    let outcome = self.append(&path, &text, rotation);
                    self.shared.queued.fetch_sub(text.len() + OVERHEAD, Ordering::Relaxed);
                    if let Err(error) = outcome {
                        self.open.remove(&path);
                        self.complain(&path, &error);
                    }
                }
                Job::Remove(path) => {
                    self.open.remove(&path);
                    // A folder goes when it is empty; what is not there need not go.
                    let _ = fs::remove_file(&path).or_else(|_| fs::remove_dir(&path));
                }
                Job::Flush(done) => {
                    let _ = done.send(());
                }
            }
        }
    }

    fn append(&mut self, path: &Path, text: &[u8], rotation: Rotation) -> std::io::Result<()> {
        let full = |open: &Open| {
            rotation.max_size > 0 && open.size > 0 && open.size + text.len() as u64 > rotation.max_size
        };
        // Someone may have moved or removed the file under us (logrotate): then a new one is begun.
        let stale = self.open.get(path).is_some_and(|open| !same_file(&open.file, path));
        if stale {
            self.open.remove(path);
        }
        if !self.open.contains_key(path) {
            if self.open.len() >= OPEN_FILES {
                self.open.clear();
            }
            self.open.insert(path.to_owned(), open(path)?);
        }
        if self.open.get(path).is_some_and(full) {
            self.open.remove(path);
            rotate(path, rotation.keep)?;
            self.open.insert(path.to_owned(), open(path)?);
        }
        if let Some(open) = self.open.get_mut(path) {
            open.file.write_all(text)?;
            open.size += text.len() as u64;
        }
        Ok(())
    }

    fn complain(&mut self, path: &Path, error: &std::io::Error) {
        if self.complained.is_none_or(|last| last.elapsed() > COMPLAINT) {
            self.complained = Some(Instant::now());
            tracing::warn!(plugin = %self.plugin, path = %path.display(), "cannot write: {error}");
        }
    }
}

/// Opens for appending; new files are for their owner only, and so are new folders.
fn open(path: &Path) -> std::io::Result<Open> {
    if let Some(folder) = path.parent() {
        make_folder(folder)?;
    }
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    let size = file.metadata()?.len();
    Ok(Open { file, size })
}

fn make_folder(folder: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

#[cfg(unix)]
fn same_file(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (file.metadata(), fs::metadata(path)) {
        (Ok(open), Ok(there)) => open.ino() == there.ino() && open.dev() == there.dev(),
        _ => false,
    }
}

#[cfg(not(unix))]
fn same_file(_: &File, path: &Path) -> bool {
    path.exists()
}

/// `name` becomes `name.1`, `name.1` becomes `name.2`, and so on; the oldest goes.
fn rotate(path: &Path, keep: u32) -> std::io::Result<()> {
    let old = |number: u32| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{number}"));
        PathBuf::from(name)
    };
    if keep == 0 {
        return fs::remove_file(path);
    }
    for number in (1..keep).rev() {
        if old(number).exists() {
            fs::rename(old(number), old(number + 1))?;
        }
    }
    fs::rename(path, old(1))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn files(folder: &tempfile::TempDir) -> Files {
        Files::new("p", folder.path().join("plugins/p"), vec![folder.path().join("operator.log")]).unwrap()
    }

    #[tokio::test]
    async fn text_is_appended_in_order_and_files_are_private() {
        let folder = tempfile::tempdir().unwrap();
        let files = files(&folder);
        for line in 0..100 {
            let path = files.resolve("logs/a.log").unwrap();
            assert!(files.append(path, format!("{line}\n").into_bytes(), Rotation::default()));
        }
        files.flush().await;
        let path = folder.path().join("plugins/p/logs/a.log");
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(
            text.lines().map(|line| line.parse::<u32>().unwrap()).collect::<Vec<_>>(),
            (0..100).collect::<Vec<_>>()
        );
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            assert_eq!(fs::metadata(path.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
        }
    }

    #[tokio::test]
    async fn a_full_file_is_turned_over_and_the_oldest_goes() {
        let folder = tempfile::tempdir().unwrap();
        let files = files(&folder);
        let rotation = Rotation { max_size: 10, keep: 2 };
        for word in ["aaaaaaaa", "bbbbbbbb", "cccccccc", "dddddddd"] {
            files.append(files.resolve("a").unwrap(), word.into(), rotation);
        }
        files.flush().await;
        let read = |name: &str| fs::read_to_string(files.folder().join(name)).ok();
        assert_eq!(read("a").as_deref(), Some("dddddddd"));
        assert_eq!(read("a.1").as_deref(), Some("cccccccc"));
        assert_eq!(read("a.2").as_deref(), Some("bbbbbbbb"));
        assert_eq!(read("a.3"), None);
        assert_eq!(files.list(files.folder()), ["a", "a.1", "a.2"]);
    }

    #[tokio::test]
    async fn a_file_moved_away_is_begun_anew() {
        let folder = tempfile::tempdir().unwrap();
        let files = files(&folder);
        let path = files.resolve("a").unwrap();
        files.append(path.clone(), "one".into(), Rotation::default());
        files.flush().await;
        fs::rename(&path, folder.path().join("away")).unwrap();
        files.append(path.clone(), "two".into(), Rotation::default());
        files.flush().await;
        assert_eq!(fs::read_to_string(path).unwrap(), "two");
    }

    #[test]
    fn paths_stay_in_the_folder_unless_the_operator_said_otherwise() {
        let folder = tempfile::tempdir().unwrap();
        let files = files(&folder);
        for bad in ["", "../x", "a/../../x", "./x", "/etc/passwd", "a\0b"] {
            assert!(files.resolve(bad).is_err(), "{bad:?}");
        }
        let operator = folder.path().join("operator.log");
        assert_eq!(files.resolve(operator.to_str().unwrap()).unwrap(), operator);
    }

    #[tokio::test]
    async fn a_full_queue_drops_and_counts() {
        let folder = tempfile::tempdir().unwrap();
        let files = files(&folder);
        let path = files.resolve("a").unwrap();
        assert!(!files.append(path, vec![0; QUEUE_BYTES + 1], Rotation::default()));
        assert_eq!(files.dropped(), 1);
    }
}
