//! A value that cannot be printed, serialised or compared by accident.

use std::fmt;

use zeroize::Zeroizing;

/// A credential. It has no `Display`, no `Serialize`; `Debug` shows nothing of it. Its memory is overwritten
/// when it goes.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes the text in.
    pub fn new(text: impl Into<String>) -> Self {
        Secret(Zeroizing::new(text.into()))
    }

    /// The one way out, named so that each use can be found.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Equal, in a time that does not depend on where the texts differ.
    pub fn matches(&self, other: &[u8]) -> bool {
        let ours = ring::digest::digest(&ring::digest::SHA256, self.0.as_bytes());
        let theirs = ring::digest::digest(&ring::digest::SHA256, other);
        let differing = ours.as_ref().iter().zip(theirs.as_ref()).fold(0u8, |acc, (a, b)| acc | (a ^ b));
        std::hint::black_box(differing) == 0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl<'de> serde::Deserialize<'de> for Secret {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Secret::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing_and_matches_compares() {
        let secret = Secret::new("sk-ant-123");
        assert_eq!(format!("{secret:?}"), "[secret]");
        assert!(secret.matches(b"sk-ant-123"));
        assert!(!secret.matches(b"sk-ant-124"));
        assert!(!secret.matches(b""));
    }
}
