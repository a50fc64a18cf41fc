//! What there is elsewhere: files in the user's own folder, which the system keeps from others. Processes do not
//! wait for each other here.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use ccproxy_core::oauth::Failure;
use zeroize::Zeroizing;

use super::{LARGEST, cannot};

/// No lock among processes.
pub(in crate::vault) struct Held;

pub(in crate::vault) fn create_folder(folder: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(folder).map_err(|error| cannot("make", folder, &error))
}

pub(super) fn create_new(path: &Path) -> std::io::Result<File> {
    File::options().write(true).create_new(true).open(path)
}

pub(super) fn sync_folder(_: &Path) -> std::io::Result<()> {
    Ok(())
}

pub(in crate::vault) fn read(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, Failure> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(cannot("read", path, &error)),
    };
    let mut bytes = Zeroizing::new(Vec::with_capacity(64 << 10));
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(|error| cannot("read", path, &error))?;
    match bytes.len() as u64 > LARGEST {
        true => Err(Failure::storage(format!("`{}` is larger than {LARGEST} bytes", path.display()))),
        false => Ok(Some(bytes)),
    }
}

pub(in crate::vault) fn hold(_: &Path) -> Result<Option<Held>, Failure> {
    Ok(Some(Held))
}
