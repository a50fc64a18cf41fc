//! Watches plugin folders and says when a plugin's text has really changed.
//!
//! Editors save by writing, by renaming over, by deleting and creating; folders are swapped whole. So an
//! event only means "look": what is told is that the hash of all Lua files is another one.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};

use crate::discovery::{Look, look};

/// Quiet time after an event before the files are read: half of a save is not looked at.
const QUIET: Duration = Duration::from_millis(30);

/// Events that may wait; more say nothing new.
const SIGNALS: usize = 64;

/// The longest that a storm of events can hold the look back.
const PATIENCE: Duration = Duration::from_millis(500);

/// How long a plugin that is gone may still come back: deleting and creating is a way to save.
const GONE: Duration = Duration::from_millis(300);

/// How often folders are looked at when the system cannot tell of changes, or they are not there yet.
const POLL: Duration = Duration::from_secs(1);

/// A watch. Dropping it ends it.
pub struct Watch {
    signals: SyncSender<Signal>,
}

enum Signal {
    /// Something happened in a folder.
    Event,
    /// Nobody wants to know any more.
    Stop,
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.signals.send(Signal::Stop);
    }
}

impl Watch {
    /// Calls `changed`, on a thread of its own, each time the plugins in `folders` are other ones than
    /// before. Folders that are not there yet count as empty. Fails only when no thread can be started.
    pub fn start(folders: Vec<PathBuf>, changed: impl Fn() + Send + 'static) -> std::io::Result<Watch> {
        let (sender, signals) = sync_channel(SIGNALS);
        // Read before this returns: what is saved from now on is a change.
        let last = look(&folders);
        let eyes = Eyes::open(folders, sender.clone());
        thread::Builder::new()
            .name("lua-watch".to_owned())
            .spawn(move || eyes.run(&signals, last, &changed))?;
        Ok(Watch { signals: sender })
    }
}

/// The folders, and what tells of events in them.
struct Eyes {
    folders: Vec<PathBuf>,
    watcher: Option<RecommendedWatcher>,
    /// Which folder is watched at each path.
    watched: Vec<Option<Identity>>,
}

/// What tells a folder from another one that took its path.
type Identity = (u64, u64);

impl Eyes {
    fn open(folders: Vec<PathBuf>, heard: SyncSender<Signal>) -> Self {
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            let worth = event.map_or(true, |event| !event.kind.is_access());
            if worth {
                // A full queue holds enough reasons to look.
                let _ = heard.try_send(Signal::Event);
            }
        });
        let watcher = watcher
            .inspect_err(|error| tracing::warn!(%error, "plugin folders are polled: no file events here"))
            .ok();
        let watched = vec![None; folders.len()];
        let mut eyes = Eyes { folders, watcher, watched };
        eyes.attach();
        eyes
    }

    /// Watches the folders that are there and not watched yet: new ones, and those that replaced another.
    fn attach(&mut self) {
        let Some(watcher) = &mut self.watcher else { return };
        for (folder, watched) in self.folders.iter().zip(&mut self.watched) {
            let there = identity(folder);
            if *watched == there {
                continue;
            }
            if watched.take().is_some() {
                let _ = watcher.unwatch(folder);
            }
            if there.is_some() {
                match watcher.watch(folder, RecursiveMode::Recursive) {
                    Ok(()) => *watched = there,
                    Err(error) => tracing::debug!(folder = %folder.display(), %error, "folder is polled"),
                }
            }
        }
    }

    fn run(mut self, signals: &Receiver<Signal>, mut last: Look, changed: &dyn Fn()) {
        loop {
            let polls = self.watched.contains(&None);
            let wait = if polls { POLL } else { Duration::from_secs(3600) };
            match signals.recv_timeout(wait) {
                Ok(Signal::Event) => {
                    if settle(signals) {
                        return;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Ok(Signal::Stop) | Err(RecvTimeoutError::Disconnected) => return,
            }
            self.attach();
            let Some(now) = self.look(signals, &last) else { return };
            if now != last {
                last = now;
                changed();
            }
        }
    }

    /// Looks, and when a plugin is gone, for a while again. `None` when the watch ended.
    fn look(&mut self, signals: &Receiver<Signal>, last: &Look) -> Option<Look> {
        let until = Instant::now() + GONE;
        loop {
            let now = look(&self.folders);
            if last.names.is_subset(&now.names) {
                return Some(now);
            }
            match signals.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(Signal::Event) if !settle(signals) => self.attach(),
                Err(RecvTimeoutError::Timeout) => return Some(now),
                _ => return None,
            }
        }
    }
}

#[cfg(unix)]
fn identity(folder: &Path) -> Option<Identity> {
    use std::os::unix::fs::MetadataExt;
    let metadata = std::fs::metadata(folder).ok().filter(std::fs::Metadata::is_dir)?;
    Some((metadata.dev(), metadata.ino()))
}

#[cfg(not(unix))]
fn identity(folder: &Path) -> Option<Identity> {
    folder.is_dir().then_some((0, 0))
}

/// Waits until the events pause; whether the watch ended meanwhile.
fn settle(signals: &Receiver<Signal>) -> bool {
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        match signals.recv_timeout(QUIET) {
            Ok(Signal::Event) => {}
            Ok(Signal::Stop) => return true,
            Err(_) => return false,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::mpsc::sync_channel;

    use super::*;

    fn save(folder: &Path, text: &str) {
        fs::create_dir_all(folder).expect("a folder");
        let draft = folder.join("plugin.lua.tmp");
        fs::write(&draft, text).expect("a draft");
        fs::rename(draft, folder.join("plugin.lua")).expect("renamed");
    }

    #[test]
    fn saves_new_and_removed_folders_are_told_and_touches_are_not() {
        let home = tempfile::tempdir().expect("a folder");
        let plugin = home.path().join("one");
        save(&plugin, "return 1");
        let (told, changes) = sync_channel(16);
        let tell = move || told.send(()).unwrap_or_default();
        let watch = Watch::start(vec![home.path().to_owned()], tell).expect("a watch");
        let patience = Duration::from_secs(10);
        save(&plugin, "return 2");
        changes.recv_timeout(patience).expect("an edit by rename");
        fs::write(plugin.join("plugin.lua"), "return 3").expect("written");
        changes.recv_timeout(patience).expect("an edit in place");
        save(&home.path().join("two"), "return 1");
        changes.recv_timeout(patience).expect("a new folder");
        save(&home.path().join("two"), "return 1");
        fs::write(plugin.join("notes.txt"), "x").expect("written");
        assert!(changes.recv_timeout(Duration::from_millis(200)).is_err(), "no plugin's text changed");
        fs::remove_dir_all(home.path().join("two")).expect("removed");
        changes.recv_timeout(patience).expect("a removed folder");
        drop(watch);
    }

    /// A watch over `home/scripts` with one plugin, and how many changes it told.
    fn watched(home: &Path) -> (Watch, std::sync::mpsc::Receiver<()>) {
        let (told, changes) = sync_channel(64);
        let tell = move || told.send(()).unwrap_or_default();
        (Watch::start(vec![home.join("scripts")], tell).expect("a watch"), changes)
    }

    const SOON: Duration = Duration::from_secs(10);

    #[test]
    fn deleting_and_creating_is_one_save_and_deleting_alone_is_a_removal() {
        let home = tempfile::tempdir().expect("a folder");
        let plugin = home.path().join("scripts/one");
        save(&plugin, "return 1");
        let (_watch, changes) = watched(home.path());
        let began = Instant::now();
        fs::remove_file(plugin.join("plugin.lua")).expect("removed");
        // Longer than the quiet time: the watch has seen that it is gone.
        std::thread::park_timeout(QUIET * 3);
        fs::write(plugin.join("plugin.lua"), "return 2").expect("written");
        let quick = began.elapsed() < GONE / 2;
        changes.recv_timeout(SOON).expect("the new text");
        let again = changes.recv_timeout(GONE * 2).is_ok();
        assert!(!(quick && again), "told once");
        fs::remove_file(plugin.join("plugin.lua")).expect("removed");
        changes.recv_timeout(SOON).expect("the removal");
    }

    #[test]
    fn a_folder_that_takes_the_place_of_another_is_watched_from_then_on() {
        let home = tempfile::tempdir().expect("a folder");
        let (scripts, other) = (home.path().join("scripts"), home.path().join("other"));
        save(&scripts.join("one"), "return 1");
        save(&other.join("one"), "return 2");
        let (_watch, changes) = watched(home.path());
        fs::rename(&scripts, home.path().join("old")).expect("moved away");
        fs::rename(&other, &scripts).expect("moved here");
        changes.recv_timeout(SOON).expect("another folder");
        save(&scripts.join("one"), "return 3");
        changes.recv_timeout(SOON).expect("an edit in it");
        fs::remove_dir_all(&scripts).expect("removed");
        changes.recv_timeout(SOON).expect("the folder is gone");
        save(&scripts.join("two"), "return 1");
        changes.recv_timeout(SOON).expect("and back");
        save(&scripts.join("two"), "return 2");
        changes.recv_timeout(SOON).expect("an edit in it");
    }
}
