//! How `ccproxy lua` finds the workbench that runs, and shows that it may come in: a file in the data folder that
//! only its owner can read, for as long as the workbench runs.

use std::fs;
use std::path::{Path, PathBuf};

use ccproxy_core::secret::Secret;
use ccproxy_core::{hex, private_file};
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
        Ok(Door { path: path(data_dir), secret: Secret::new(hex::encode(&bytes)) })
    }

    /// What lets one in.
    pub(crate) fn secret(&self) -> Secret {
        self.secret.clone()
    }

    /// Writes the file. Two workbenches with one data folder: the later one is found.
    pub(crate) fn name(&self, url: &str) -> Result<(), Failure> {
        let plate = Plate { url: url.to_owned(), secret: self.secret.expose().to_owned() };
        let text = serde_json::to_string(&plate).map_err(|error| Failure::new(error.to_string()))?;
        let told = |trouble: private_file::Trouble| Failure::new(trouble.to_string());
        private_file::remove(&self.path).map_err(told)?;
        private_file::create(&self.path, text.as_bytes()).map_err(told)?;
        Ok(())
    }

    /// What the file of a workbench that runs says.
    pub(crate) fn read(data_dir: &Path) -> Result<Plate, Failure> {
        let none = || {
            Failure::new("no workbench runs").with_hint("start one with `ccproxy dev`, in another terminal")
        };
        let text =
            private_file::read(&path(data_dir)).map_err(|trouble| Failure::new(trouble.to_string()))?;
        serde_json::from_slice(&text.ok_or_else(none)?).map_err(|_| none())
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
