//! Header values as strings of a VM. The same few come with each exchange, and finding one costs a
//! fifth of making it anew.

use mlua::{Lua, LuaString};
use parking_lot::Mutex;

/// Each value has one place, and takes it from the value that had it before.
const PLACES: usize = 64;
/// Longer values are made anew each time.
const LONGEST: usize = 128;

/// The values of one VM that were read last.
#[derive(Default)]
pub(crate) struct Texts(Mutex<Vec<Option<Kept>>>);

struct Kept {
    bytes: Box<[u8]>,
    text: LuaString,
}

impl Texts {
    /// These bytes as a string. Called inside the gate.
    pub(super) fn of(&self, lua: &Lua, bytes: &[u8]) -> mlua::Result<LuaString> {
        if bytes.len() > LONGEST {
            return lua.create_string(bytes);
        }
        let mut places = self.0.lock();
        if places.is_empty() {
            places.resize_with(PLACES, || None);
        }
        let place = &mut places[place(bytes)];
        match place {
            Some(kept) if *kept.bytes == *bytes => Ok(kept.text.clone()),
            _ => {
                let text = lua.create_string(bytes)?;
                *place = Some(Kept { bytes: bytes.into(), text: text.clone() });
                Ok(text)
            }
        }
    }
}

/// Scatters by both ends and the length: values that differ only in their middle share a place.
fn place(bytes: &[u8]) -> usize {
    let end = |part: Option<&[u8; 4]>| part.map_or(0, |part| u32::from_le_bytes(*part));
    let first = end(bytes.first_chunk()).wrapping_mul(0x9e37_79b1);
    let last = end(bytes.last_chunk()).wrapping_mul(0x85eb_ca77);
    let short = bytes.first().map_or(0, |byte| u32::from(*byte));
    let mixed = first ^ last.rotate_left(15) ^ short ^ (bytes.len() as u32).wrapping_mul(0xc2b2_ae3d);
    (mixed.wrapping_mul(0x27d4_eb2f) >> 26) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_bytes_are_one_string_and_others_are_themselves() {
        let lua = Lua::new();
        let texts = Texts::default();
        let long = "x".repeat(LONGEST + 1);
        for round in 0..3 {
            for value in ["", "a", "b", "2023-06-01", "2023-06-02", "2x23-06-01", &long] {
                let text = texts.of(&lua, value.as_bytes()).expect("a string");
                assert_eq!(text.as_bytes(), value.as_bytes(), "round {round}");
            }
        }
        let many: Vec<String> = (0..1000).map(|number| format!("req_{number:010}_end")).collect();
        for value in &many {
            assert_eq!(texts.of(&lua, value.as_bytes()).expect("a string").as_bytes(), value.as_bytes());
        }
        assert_eq!(texts.0.lock().len(), PLACES);
    }

    #[test]
    fn every_place_is_one_of_them() {
        for length in 0..=LONGEST {
            for byte in 0..=255u8 {
                assert!(place(&vec![byte; length]) < PLACES);
            }
        }
    }
}
