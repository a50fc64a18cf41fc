//! JSON to Lua: exact, bounded, arrays marked.

use mlua::{Lua, Table, Value};

use super::{MAX_DEPTH, MAX_EXACT, MAX_TABLES, array_mark, integer};

/// Reads JSON text that may be anything. The error names what is wrong and where.
pub fn from_json(lua: &Lua, text: &[u8]) -> mlua::Result<Value> {
    let text = std::str::from_utf8(text).map_err(|error| {
        mlua::Error::runtime(format!("not UTF-8 from byte {} on", error.valid_up_to() + 1))
    })?;
    serde_json::from_str::<serde::de::IgnoredAny>(text)
        .map_err(|error| mlua::Error::runtime(format!("not valid JSON: {error}")))?;
    from_trusted_json(lua, text.as_bytes())
}

/// Reads JSON text that was checked before: a part of a document, a stored value. Text that is not JSON
/// gives an error or some value, never a panic.
pub fn from_trusted_json(lua: &Lua, text: &[u8]) -> mlua::Result<Value> {
    let mut reader = Reader { lua, text, at: 0, tables: 0, array: None };
    reader.value(0)
}

/// The Lua value of what `serde_json` holds.
pub fn from_value(lua: &Lua, value: &serde_json::Value) -> mlua::Result<Value> {
    build(lua, value, &array_mark(lua), 0)
}

fn build(lua: &Lua, value: &serde_json::Value, mark: &Table, depth: usize) -> mlua::Result<Value> {
    use serde_json::Value as Json;
    if depth > MAX_DEPTH {
        return Err(too_deep());
    }
    Ok(match value {
        Json::Null => Value::NULL,
        Json::Bool(truth) => Value::Boolean(*truth),
        Json::Number(number) => match number.as_i64() {
            Some(whole) => integer(lua, whole)?,
            None if number.is_u64() => Value::String(lua.create_string(number.to_string())?),
            None => Value::Number(number.as_f64().unwrap_or_default()),
        },
        Json::String(text) => Value::String(lua.create_string(text)?),
        Json::Array(items) => {
            let table = lua.create_table_with_capacity(items.len(), 0)?;
            for (index, item) in items.iter().enumerate() {
                table.raw_set(index + 1, build(lua, item, mark, depth + 1)?)?;
            }
            table.set_metatable(Some(mark.clone()))?;
            Value::Table(table)
        }
        Json::Object(fields) => {
            let table = lua.create_table_with_capacity(0, fields.len())?;
            for (key, item) in fields {
                table.raw_set(key.as_str(), build(lua, item, mark, depth + 1)?)?;
            }
            Value::Table(table)
        }
    })
}

struct Reader<'a> {
    lua: &'a Lua,
    text: &'a [u8],
    at: usize,
    tables: usize,
    array: Option<Table>,
}

impl Reader<'_> {
    fn value(&mut self, depth: usize) -> mlua::Result<Value> {
        if depth > MAX_DEPTH {
            return Err(too_deep());
        }
        self.skip_space();
        let next = self.peek();
        if matches!(next, Some(b'{' | b'[')) {
            self.tables += 1;
            if self.tables > MAX_TABLES {
                return Err(mlua::Error::runtime(format!("more than {MAX_TABLES} arrays and objects")));
            }
        }
        match next {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => self.string(),
            Some(b't') => self.word(b"true", Value::Boolean(true)),
            Some(b'f') => self.word(b"false", Value::Boolean(false)),
            Some(b'n') => self.word(b"null", Value::NULL),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => Err(self.broken()),
        }
    }

    fn object(&mut self, depth: usize) -> mlua::Result<Value> {
        let table = self.lua.create_table()?;
        self.at += 1;
        self.skip_space();
        if self.take(b'}') {
            return Ok(Value::Table(table));
        }
        loop {
            self.skip_space();
            if self.peek() != Some(b'"') {
                return Err(self.broken());
            }
            let key = self.string()?;
            self.skip_space();
            if !self.take(b':') {
                return Err(self.broken());
            }
            let value = self.value(depth + 1)?;
            table.raw_set(key, value)?;
            self.skip_space();
            if self.take(b'}') {
                return Ok(Value::Table(table));
            }
            if !self.take(b',') {
                return Err(self.broken());
            }
        }
    }

    fn array(&mut self, depth: usize) -> mlua::Result<Value> {
        let mark = self.array.get_or_insert_with(|| array_mark(self.lua)).clone();
        let table = self.lua.create_table()?;
        table.set_metatable(Some(mark))?;
        self.at += 1;
        self.skip_space();
        if self.take(b']') {
            return Ok(Value::Table(table));
        }
        for index in 1usize.. {
            let value = self.value(depth + 1)?;
            table.raw_set(index, value)?;
            self.skip_space();
            if self.take(b']') {
                break;
            }
            if !self.take(b',') {
                return Err(self.broken());
            }
        }
        Ok(Value::Table(table))
    }

    fn string(&mut self) -> mlua::Result<Value> {
        let start = self.at + 1;
        let mut at = start;
        let mut escaped = false;
        loop {
            let rest = self.text.get(at..).unwrap_or_default();
            let Some(found) = memchr::memchr2(b'"', b'\\', rest) else { return Err(self.broken()) };
            at += found;
            if self.text.get(at) == Some(&b'"') {
                break;
            }
            escaped = true;
            at += 2;
        }
        self.at = at + 1;
        let inner = self.text.get(start..at).unwrap_or_default();
        let text = match escaped {
            false => self.lua.create_string(inner)?,
            true => self.lua.create_string(unescape(inner))?,
        };
        Ok(Value::String(text))
    }

    fn number(&mut self) -> mlua::Result<Value> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let length = rest
            .iter()
            .position(|byte| !matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'))
            .unwrap_or(rest.len());
        let text = std::str::from_utf8(&rest[..length]).unwrap_or_default();
        let Ok(number) = text.parse::<f64>() else { return Err(self.broken()) };
        self.at += length;
        let whole = !text.bytes().any(|byte| matches!(byte, b'.' | b'e' | b'E'));
        if !number.is_finite() || (whole && number.abs() > MAX_EXACT as f64) {
            return Ok(Value::String(self.lua.create_string(text)?));
        }
        // 2^53 + 1 rounds to 2^53, so the edge is decided on the digits.
        if whole && number.abs() == MAX_EXACT as f64 {
            return match text.parse::<i64>() {
                Ok(exact) => integer(self.lua, exact),
                Err(_) => Err(self.broken()),
            };
        }
        Ok(Value::Number(number))
    }

    fn word(&mut self, word: &[u8], value: Value) -> mlua::Result<Value> {
        if !self.text.get(self.at..).unwrap_or_default().starts_with(word) {
            return Err(self.broken());
        }
        self.at += word.len();
        Ok(value)
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn broken(&self) -> mlua::Error {
        mlua::Error::runtime(format!("not valid JSON at byte {}", self.at + 1))
    }
}

fn too_deep() -> mlua::Error {
    mlua::Error::runtime(format!("nested deeper than {MAX_DEPTH}"))
}

/// Resolves the escapes of a JSON string. Half of a surrogate pair, which no UTF-8 can hold, becomes U+FFFD.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        if byte != b'\\' {
            out.push(byte);
            at += 1;
            continue;
        }
        at += 2;
        match text.get(at - 1) {
            Some(b'b') => out.push(8),
            Some(b'f') => out.push(12),
            Some(b'n') => out.push(b'\n'),
            Some(b'r') => out.push(b'\r'),
            Some(b't') => out.push(b'\t'),
            Some(b'u') => {
                let (letter, length) = unicode(text, at);
                out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
                at += length;
            }
            Some(other) => out.push(*other),
            None => {}
        }
    }
    out
}

/// The letter whose four digits start at `at`, with the bytes it takes: 4, or 10 for a pair.
fn unicode(text: &[u8], at: usize) -> (char, usize) {
    let high = digits(text, at);
    if (0xd800..0xdc00).contains(&high) && text.get(at + 4..at + 6) == Some(b"\\u") {
        let low = digits(text, at + 6);
        if (0xdc00..0xe000).contains(&low) {
            let joined = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
            return (char::from_u32(joined).unwrap_or(char::REPLACEMENT_CHARACTER), 10);
        }
    }
    (char::from_u32(high).unwrap_or(char::REPLACEMENT_CHARACTER), 4)
}

fn digits(text: &[u8], at: usize) -> u32 {
    let hex = text.get(at..at + 4).and_then(|hex| std::str::from_utf8(hex).ok());
    // Half a surrogate stands for "no letter".
    hex.and_then(|hex| u32::from_str_radix(hex, 16).ok()).unwrap_or(0xd800)
}
