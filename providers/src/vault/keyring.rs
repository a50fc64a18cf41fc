//! The keyring of the system. It may answer late, or never: who asks does so on a thread that may be left behind.

use zeroize::Zeroizing;

/// Keeps one text.
pub(super) trait Keyring: Send + Sync + 'static {
    /// The text; `None` when there is none yet.
    fn get(&self) -> Result<Option<Zeroizing<String>>, String>;

    /// Keeps a text.
    fn set(&self, text: &str) -> Result<(), String>;
}

/// Secret Service, Keychain or Credential Manager.
pub(super) struct System;

impl System {
    fn entry(&self) -> Result<keyring::Entry, String> {
        keyring::Entry::new("ccproxy", "sealing key").map_err(|error| told(&error))
    }
}

impl Keyring for System {
    fn get(&self) -> Result<Option<Zeroizing<String>>, String> {
        match self.entry()?.get_password() {
            Ok(text) => Ok(Some(Zeroizing::new(text))),
            Err(keyring::Error::NoEntry) => Ok(None),
            Err(error) => Err(told(&error)),
        }
    }

    fn set(&self, text: &str) -> Result<(), String> {
        self.entry()?.set_password(text).map_err(|error| told(&error))
    }
}

/// Without what it holds: some errors carry the bytes of a secret.
fn told(error: &keyring::Error) -> String {
    match error {
        keyring::Error::NoStorageAccess(_) => "the system's keyring is locked".to_owned(),
        keyring::Error::PlatformFailure(why) => format!("the system has no keyring that answers ({why})"),
        _ => "the system's keyring holds nothing of use under `ccproxy`".to_owned(),
    }
}
