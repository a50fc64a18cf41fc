//! How `ccproxy lua` finds the workbench that runs, and shows that it may come in: a file in the data folder that
//! only its owner can read, for as long as the workbench runs.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use ccproxy_core::secret::Secret;
use serde::{Deserialize, Serialize};

use crate::cli::Failure;

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
        let secret: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Door { path: path(data_dir), secret: Secret::new(secret) })
    }

    /// What lets one in.
    pub(crate) fn secret(&self) -> Secret {
        self.secret.clone()
    }

    /// Writes the file. Two workbenches with one data folder: the later one is found.
    pub(crate) fn name(&self, url: &str) -> Result<(), Failure> {
        let told =
            |error: std::io::Error| Failure::new(format!("cannot write `{}`: {error}", self.path.display()));
        let plate = Plate { url: url.to_owned(), secret: self.secret.expose().to_owned() };
        let text = serde_json::to_string(&plate).map_err(|error| Failure::new(error.to_string()))?;
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder).map_err(told)?;
        }
        let _ = fs::remove_file(&self.path);
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.open(&self.path).and_then(|mut file| file.write_all(text.as_bytes())).map_err(told)
    }

    /// What the file of a workbench that runs says.
    pub(crate) fn read(data_dir: &Path) -> Result<Plate, Failure> {
        let none = || {
            Failure::new("no workbench runs").with_hint("start one with `ccproxy dev`, in another terminal")
        };
        let text = fs::read_to_string(path(data_dir)).map_err(|_| none())?;
        serde_json::from_str(&text).map_err(|_| none())
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        // Another workbench may have put its own there.
        let own = fs::read_to_string(&self.path).is_ok_and(|text| text.contains(self.secret.expose()));
        if own {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn path(data_dir: &Path) -> PathBuf {
    data_dir.join("dev.json")
}
