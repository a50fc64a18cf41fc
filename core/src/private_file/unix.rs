//! Owners, permissions, links and locks, as Unix has them.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::Path;

use rustix::fs::{CWD, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use zeroize::Zeroizing;

use super::Trouble;

/// A lock among all processes, until it is dropped; the kernel drops it with the process.
pub struct Held(#[expect(dead_code, reason = "it is held")] OwnedFd);

/// Makes a folder and those above it, for their owner only, where they are not there.
pub(super) fn make_folder(folder: &Path) -> Result<(), Trouble> {
    let build = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    build.map_err(|error| Trouble::failed("make", folder, &error))
}

/// Makes a folder and those above it, for its owner only; one that is open to others is closed, with a warning.
pub fn create_folder(folder: &Path) -> Result<(), Trouble> {
    make_folder(folder)?;
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = rustix::fs::openat(CWD, folder, flags, Mode::empty());
    let opened = File::from(opened.map_err(|error| Trouble::failed("open", folder, &error.into()))?);
    close_to_others(&opened, folder, Mode::RWXU)
}

/// A new file for its owner only; never one that is there, nor one that a link names.
pub(super) fn create_new(path: &Path) -> std::io::Result<File> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(File::from(rustix::fs::openat(CWD, path, flags, Mode::RUSR | Mode::WUSR)?))
}

/// Has the disk remember the names in a folder.
pub(super) fn sync_folder(folder: &Path) -> std::io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Reads a file of our own; `None` when there is none. Refuses links, files of others, and what has more than
/// `largest` bytes.
pub fn read_within(path: &Path, largest: u64) -> Result<Option<Zeroizing<Vec<u8>>>, Trouble> {
    // Not blocking: opening a pipe would wait for its other end.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let mut file = match rustix::fs::openat(CWD, path, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(Errno::NOENT) => return Ok(None),
        Err(Errno::LOOP) => return Err(Trouble::refused(path, "it is a symbolic link")),
        Err(error) => return Err(Trouble::failed("read", path, &error.into())),
    };
    let data = file.metadata().map_err(|error| Trouble::failed("read", path, &error))?;
    if !data.is_file() {
        return Err(Trouble::refused(path, "it is no file"));
    }
    if data.len() > largest {
        return Err(Trouble::refused(path, &format!("it is larger than {largest} bytes")));
    }
    close_to_others(&file, path, Mode::RUSR | Mode::WUSR)?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(data.len() as usize + 1));
    let read = Read::by_ref(&mut file).take(largest + 1).read_to_end(&mut bytes);
    read.map_err(|error| Trouble::failed("read", path, &error))?;
    Ok(Some(bytes))
}

/// Refuses what belongs to somebody else, and repairs permissions that let others in.
fn close_to_others(file: &File, path: &Path, wanted: Mode) -> Result<(), Trouble> {
    let data = file.metadata().map_err(|error| Trouble::failed("read", path, &error))?;
    let me = rustix::process::geteuid().as_raw();
    if data.uid() != me {
        return Err(Trouble::refused(path, &format!("it belongs to user {}, not to {me}", data.uid())));
    }
    if data.mode() & 0o077 != 0 {
        rustix::fs::fchmod(file, wanted).map_err(|error| Trouble::failed("close", path, &error.into()))?;
        tracing::warn!(
            "`{}` was open to other users (mode {:o}); it is closed now",
            path.display(),
            data.mode() & 0o777
        );
    }
    Ok(())
}

/// Tries to get the lock that this file stands for. The file stays: a new one would be another lock.
pub fn hold(path: &Path) -> Result<Option<Held>, Trouble> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = rustix::fs::openat(CWD, path, flags, Mode::RUSR | Mode::WUSR);
    let file = opened.map_err(|error| Trouble::failed("lock", path, &error.into()))?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(Held(file))),
        Err(Errno::WOULDBLOCK | Errno::INTR) => Ok(None),
        Err(error) => Err(Trouble::failed("lock", path, &error.into())),
    }
}
