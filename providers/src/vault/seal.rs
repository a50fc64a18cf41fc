//! Sealed files: XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03), a fresh nonce for each save. Provider and account are
//! part of what is sealed, so that one account's file cannot stand in for another's.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use ccproxy_core::oauth::Failure;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::key::Key;
use super::{Id, KeyState};

/// How a sealed file begins.
const HEAD: &[u8] = br#"{"ccproxy":"sealed","#;
const VERSION: u8 = 1;
/// Length of a nonce.
const NONCE: usize = 24;

#[derive(Serialize, Deserialize)]
struct Envelope {
    ccproxy: String,
    version: u8,
    /// The name of the key, so that another one is told from a damaged file.
    key: String,
    nonce: String,
    text: String,
}

/// Whether a file is sealed.
pub(super) fn is_sealed(bytes: &[u8]) -> bool {
    bytes.starts_with(HEAD)
}

/// Seals a file.
pub(super) fn close(plain: &[u8], id: &Id, key: &Key) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let failed = |_| Failure::storage("the credential cannot be sealed");
    let mut nonce = [0; NONCE];
    SystemRandom::new().fill(&mut nonce).map_err(|_| Failure::storage("the system has no random numbers"))?;
    let aad = bound(id, key);
    let payload = Payload { msg: plain, aad: &aad };
    let text = cipher(key).encrypt(&XNonce::from(nonce), payload).map_err(failed)?;
    let envelope = Envelope {
        ccproxy: "sealed".to_owned(),
        version: VERSION,
        key: key.name().to_owned(),
        nonce: BASE64.encode(nonce),
        text: BASE64.encode(text),
    };
    let bytes =
        serde_json::to_vec(&envelope).map_err(|_| Failure::storage("the credential cannot be sealed"))?;
    Ok(Zeroizing::new(bytes))
}

/// Opens a sealed file. One that cannot be opened stays as it is.
pub(super) fn open(bytes: &[u8], id: &Id, state: &KeyState) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let closed = |why: String| {
        let (command, logout) = (id.login_command(), id.logout_command());
        Failure::storage(format!(
            "the credential of {id} is sealed and cannot be opened: {why}; bring the key back, or run `{logout}` and `{command}`"
        ))
    };
    let key = match state {
        KeyState::Ready(key) => key,
        KeyState::Plain(why) | KeyState::Missing(why) => return Err(closed(why.clone())),
    };
    let envelope: Option<Envelope> = serde_json::from_slice(bytes).ok();
    let envelope = envelope.ok_or_else(|| closed("the file is damaged".to_owned()))?;
    if envelope.version != VERSION {
        return Err(closed("a later version of ccproxy sealed it".to_owned()));
    }
    if envelope.key != key.name() {
        return Err(closed(format!(
            "it was sealed with key {}, and the key here is {}",
            plain(&envelope.key),
            key.name()
        )));
    }
    let nonce = BASE64.decode(&envelope.nonce).ok().and_then(|nonce| <[u8; NONCE]>::try_from(nonce).ok());
    let text = BASE64.decode(&envelope.text).ok();
    let opened = nonce.zip(text).and_then(|(nonce, text)| {
        let aad = bound(id, key);
        cipher(key).decrypt(&XNonce::from(nonce), Payload { msg: &text, aad: &aad }).ok()
    });
    opened
        .map(Zeroizing::new)
        .ok_or_else(|| closed("the file was changed, or belongs to another account".to_owned()))
}

fn cipher(key: &Key) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(&(*key.bytes()).into())
}

/// What a sealed file belongs to. Names hold no NUL.
fn bound(id: &Id, key: &Key) -> Vec<u8> {
    ["ccproxy credential 1", id.provider(), id.account(), key.name()].join("\0").into_bytes()
}

fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_hexdigit).take(8).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn key(text: &str) -> Arc<Key> {
        Arc::new(Key::derive(&text.repeat(32)).expect("a key"))
    }

    #[test]
    fn what_is_sealed_opens_for_its_account_and_key_only() {
        let id = Id::new("p", "a").expect("an id");
        let (ours, theirs) = (key("a"), key("b"));
        let sealed = close(b"s3cret", &id, &ours).expect("sealed");
        assert!(is_sealed(&sealed) && !sealed.windows(6).any(|part| part == b"s3cret"));
        assert_ne!(*sealed, *close(b"s3cret", &id, &ours).expect("sealed"), "a nonce is used once");
        assert_eq!(**open(&sealed, &id, &KeyState::Ready(ours.clone())).expect("opened"), *b"s3cret");
        let told =
            |id: &Id, bytes: &[u8], state: KeyState| open(bytes, id, &state).expect_err("closed").to_string();
        let other = Id::new("p", "b").expect("an id");
        assert!(told(&other, &sealed, KeyState::Ready(ours.clone())).contains("another account"));
        assert!(told(&id, &sealed, KeyState::Ready(theirs)).contains(ours.name()));
        assert!(told(&id, &sealed, KeyState::Plain("no keyring".into())).contains("no keyring"));
        let mut bent = sealed.to_vec();
        let at = bent.len() - 10;
        bent[at] = if bent[at] == b'A' { b'B' } else { b'A' };
        let told = told(&id, &bent, KeyState::Ready(ours));
        assert!(told.contains("was changed"), "{told}");
    }
}
