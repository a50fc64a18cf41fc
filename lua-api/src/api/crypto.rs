//! `ccproxy.crypto`: digests, random bytes and their spellings.

use std::sync::Arc;

use base64::Engine;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose};
use mlua::{Lua, LuaString, MultiValue, Table, Value};
use ring::rand::{SecureRandom, SystemRandom};
use ring::{digest, hmac};

use super::error::ErrorObject;
use crate::args::Args;
use crate::host::Host;

/// Most random bytes in one call.
const MOST_RANDOM: i64 = 64 << 10;

const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
/// Reads with and without padding, writes with it.
const STANDARD: GeneralPurpose = GeneralPurpose::new(&base64::alphabet::STANDARD, LENIENT);
/// Reads with and without padding, writes without it.
const URL: GeneralPurpose =
    GeneralPurpose::new(&base64::alphabet::URL_SAFE, LENIENT.with_encode_padding(false));

/// Builds the namespace.
pub fn table(lua: &Lua, host: &Arc<Host>) -> mlua::Result<Table> {
    let crypto = lua.create_table()?;
    crypto.set("sha256", lua.create_function(sha256)?)?;
    crypto.set("hmac_sha256", lua.create_function(hmac_sha256)?)?;
    crypto.set("random_bytes", lua.create_function(random_bytes)?)?;
    crypto.set("uuid", lua.create_function(uuid)?)?;
    crypto.set("equal", lua.create_function(equal)?)?;
    let limit = host.limits.output;
    let spellings: [(&str, &'static str, &'static str, Spelling); 3] = [
        ("base64", "crypto.base64_encode", "crypto.base64_decode", Spelling::Base64(&STANDARD)),
        ("base64url", "crypto.base64url_encode", "crypto.base64url_decode", Spelling::Base64(&URL)),
        ("hex", "crypto.hex_encode", "crypto.hex_decode", Spelling::Hex),
    ];
    for (name, encode, decode, spelling) in spellings {
        crypto.set(
            format!("{name}_encode"),
            lua.create_function(move |lua, values: MultiValue| {
                let bytes = bounded(&Args::new(encode, values), limit)?;
                lua.create_string(spelling.write(&bytes.as_bytes()))
            })?,
        )?;
        crypto.set(
            format!("{name}_decode"),
            lua.create_function(move |lua, values: MultiValue| {
                let text = bounded(&Args::new(decode, values), limit)?;
                match spelling.read(&text.as_bytes()) {
                    Some(bytes) => Ok((Value::String(lua.create_string(bytes)?), Value::Nil)),
                    None => ErrorObject::new(400, "crypto", format!("the text is not {name}")).pair(lua),
                }
            })?,
        )?;
    }
    Ok(crypto)
}

#[derive(Clone, Copy)]
enum Spelling {
    Base64(&'static GeneralPurpose),
    Hex,
}

impl Spelling {
    fn write(self, bytes: &[u8]) -> String {
        match self {
            Spelling::Base64(engine) => engine.encode(bytes),
            Spelling::Hex => hex(bytes),
        }
    }

    fn read(self, text: &[u8]) -> Option<Vec<u8>> {
        match self {
            Spelling::Base64(engine) => engine.decode(text).ok(),
            Spelling::Hex => unhex(text),
        }
    }
}

fn bounded(args: &Args, limit: usize) -> mlua::Result<LuaString> {
    let text = args.text(1)?;
    if text.as_bytes().len() > limit {
        return Err(args.refuse(1, &format!("longer than {limit} bytes")));
    }
    Ok(text)
}

fn sha256(lua: &Lua, values: MultiValue) -> mlua::Result<LuaString> {
    let args = Args::new("crypto.sha256", values);
    let digest = digest::digest(&digest::SHA256, &args.text(1)?.as_bytes());
    spelled(lua, &args, 2, digest.as_ref())
}

fn hmac_sha256(lua: &Lua, values: MultiValue) -> mlua::Result<LuaString> {
    let args = Args::new("crypto.hmac_sha256", values);
    let key = hmac::Key::new(hmac::HMAC_SHA256, &args.text(1)?.as_bytes());
    let tag = hmac::sign(&key, &args.text(2)?.as_bytes());
    spelled(lua, &args, 3, tag.as_ref())
}

/// A digest as the caller wants it: `"hex"` by default, `"base64"`, `"base64url"` or `"raw"`.
fn spelled(lua: &Lua, args: &Args, place: usize, bytes: &[u8]) -> mlua::Result<LuaString> {
    let wanted = args.text_or_nil(place)?;
    let wanted = wanted.as_ref().map(|text| text.as_bytes().to_vec());
    match wanted.as_deref() {
        None | Some(b"hex") => lua.create_string(hex(bytes)),
        Some(b"base64") => lua.create_string(general_purpose::STANDARD.encode(bytes)),
        Some(b"base64url") => lua.create_string(general_purpose::URL_SAFE_NO_PAD.encode(bytes)),
        Some(b"raw") => lua.create_string(bytes),
        Some(_) => Err(args.refuse(place, "expected `hex`, `base64`, `base64url` or `raw`")),
    }
}

fn random_bytes(lua: &Lua, values: MultiValue) -> mlua::Result<LuaString> {
    let args = Args::new("crypto.random_bytes", values);
    let count = args.integer(1)?;
    match usize::try_from(count) {
        Ok(length) if count <= MOST_RANDOM => {
            let mut bytes = vec![0; length];
            fill(&mut bytes)?;
            lua.create_string(bytes)
        }
        _ => Err(args.refuse(1, &format!("from 0 to {MOST_RANDOM} bytes"))),
    }
}

/// A random UUID, version 4 (RFC 9562).
fn uuid(_: &Lua, (): ()) -> mlua::Result<String> {
    let mut bytes = [0; 16];
    fill(&mut bytes)?;
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let text = hex(&bytes);
    Ok([&text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..]].join("-"))
}

/// Equal, in a time that does not depend on where the texts differ.
fn equal(_: &Lua, values: MultiValue) -> mlua::Result<bool> {
    let args = Args::new("crypto.equal", values);
    let one = digest::digest(&digest::SHA256, &args.text(1)?.as_bytes());
    let two = digest::digest(&digest::SHA256, &args.text(2)?.as_bytes());
    let differing = one.as_ref().iter().zip(two.as_ref()).fold(0, |sum, (a, b)| sum | (a ^ b));
    Ok(std::hint::black_box(differing) == 0)
}

fn fill(bytes: &mut [u8]) -> mlua::Result<()> {
    SystemRandom::new().fill(bytes).map_err(|_| mlua::Error::runtime("the system gives no random bytes"))
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits =
        bytes.iter().flat_map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    digits.map(char::from).collect()
}

fn unhex(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    if text.len() % 2 == 1 {
        return None;
    }
    text.chunks_exact(2).map(|pair| Some((digit(pair[0])? << 4 | digit(pair[1])?) as u8)).collect()
}
