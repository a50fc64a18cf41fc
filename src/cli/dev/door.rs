//! How `ccproxy lua` finds the workbench that runs, and shows that it may come in: a file in the data folder that
//! only its owner can read, for as long as the workbench runs. Each workbench has its own, named by its process.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use ccproxy_core::secret::Secret;
use ccproxy_core::{hex, private_file};
use serde::{Deserialize, Serialize};

use crate::cli::Failure;

/// Around the number of the process in the file's name.
const BEGIN: &str = "dev-";
const END: &str = ".json";

/// An open door. Dropped, its file is removed.
pub(crate) struct Door {
    path: PathBuf,
    secret: Secret,
}

/// What the file says.
#[derive(Serialize, Deserialize)]
pub(crate) struct Plate {
    /// Where the workbench listens.
    pub(crate) url: String,
    /// What lets one in.
    pub(crate) secret: String,
}

impl Door {
    /// Makes a secret. The file is written when the address is known.
    pub(crate) fn open(data_dir: &Path) -> Result<Self, Failure> {
        let mut bytes = [0; 32];
        ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut bytes)
            .map_err(|_| Failure::new("the system gives no random numbers"))?;
        let path = data_dir.join(format!("{BEGIN}{}{END}", std::process::id()));
        Ok(Door { path, secret: Secret::new(hex::encode(&bytes)) })
    }

    /// What lets one in.
    pub(crate) fn secret(&self) -> Secret {
        self.secret.clone()
    }

    /// Writes the file.
    pub(crate) fn name(&self, url: &str) -> Result<(), Failure> {
        let plate = Plate { url: url.to_owned(), secret: self.secret.expose().to_owned() };
        let text = serde_json::to_string(&plate).map_err(|error| Failure::new(error.to_string()))?;
        let told = |trouble: private_file::Trouble| Failure::new(trouble.to_string());
        private_file::remove(&self.path).map_err(told)?;
        private_file::create(&self.path, text.as_bytes()).map_err(told)?;
        Ok(())
    }

    /// What the file of a workbench that runs says; of several the one that began last.
    pub(crate) fn read(data_dir: &Path) -> Result<Plate, Failure> {
        let none = || {
            Failure::new("no workbench runs").with_hint("start one with `ccproxy dev`, in another terminal")
        };
        let mut doors: Vec<(SystemTime, PathBuf)> = fs::read_dir(data_dir)
            .map_err(|_| none())?
            .flatten()
            .filter(|entry| process(&entry.file_name().to_string_lossy()).is_some_and(runs))
            .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
            .collect();
        doors.sort();
        let (_, path) = doors.pop().ok_or_else(none)?;
        let text = private_file::read(&path).map_err(|trouble| Failure::new(trouble.to_string()))?;
        serde_json::from_slice(&text.ok_or_else(none)?).map_err(|_| none())
    }
}

/// The process of a door's file.
fn process(name: &str) -> Option<i32> {
    name.strip_prefix(BEGIN)?.strip_suffix(END)?.parse().ok()
}

/// Whether a process is there. One that was killed left its file.
#[cfg(unix)]
fn runs(process: i32) -> bool {
    let process = rustix::process::Pid::from_raw(process);
    process.is_some_and(|process| rustix::process::test_kill_process(process).is_ok())
}

/// Where that cannot be asked it is taken to be.
#[cfg(not(unix))]
fn runs(_: i32) -> bool {
    true
}

impl Drop for Door {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}
