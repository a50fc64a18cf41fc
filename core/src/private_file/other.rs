//! What there is elsewhere: files in the user's own folder, which the system keeps from others. Processes do not
//! wait for each other here.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use zeroize::Zeroizing;

use super::Trouble;

/// No lock among processes.
pub struct Held;

pub(super) fn make_folder(folder: &Path) -> Result<(), Trouble> {
    create_folder(folder)
}

pub fn create_folder(folder: &Path) -> Result<(), Trouble> {
    std::fs::create_dir_all(folder).map_err(|error| Trouble::failed("make", folder, &error))
}

pub(super) fn create_new(path: &Path) -> std::io::Result<File> {
    File::options().write(true).create_new(true).open(path)
}

pub(super) fn sync_folder(_: &Path) -> std::io::Result<()> {
    Ok(())
}

pub fn read_within(path: &Path, largest: u64) -> Result<Option<Zeroizing<Vec<u8>>>, Trouble> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Trouble::failed("read", path, &error)),
    };
    let mut bytes = Zeroizing::new(Vec::with_capacity(64 << 10));
    file.take(largest + 1).read_to_end(&mut bytes).map_err(|error| Trouble::failed("read", path, &error))?;
    match bytes.len() as u64 > largest {
        true => Err(Trouble::refused(path, &format!("it is larger than {largest} bytes"))),
        false => Ok(Some(bytes)),
    }
}

pub fn hold(_: &Path) -> Result<Option<Held>, Trouble> {
    Ok(Some(Held))
}
