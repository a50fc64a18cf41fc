//! Lua to JSON: exact, bounded, and a refusal that names the place of what JSON cannot spell.

use std::fmt;

use mlua::{Lua, LuaString, Table, Value};

use super::{MAX_DEPTH, MAX_TABLES, array_mark, object_mark};
use crate::api::error::ErrorObject;

/// How the text looks. Keys are sorted by their bytes in both: a Lua table has no order of its own, and
/// equal values give equal text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// No white space.
    Compact,
    /// Two spaces a level.
    Pretty,
}

/// A value that JSON cannot spell, or that is too large.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    path: String,
    reason: String,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => f.write_str(&self.reason),
            path => write!(f, "at `{}`: {}", path.trim_start_matches('.'), self.reason),
        }
    }
}

impl std::error::Error for Refused {}

impl Refused {
    fn new(reason: impl Into<String>) -> Self {
        Refused { path: String::new(), reason: reason.into() }
    }

    /// The same, seen from one level further out. The path stops growing when it is long enough to read.
    fn under(mut self, step: impl fmt::Display) -> Self {
        if self.path.len() < 200 {
            self.path = format!("{step}{}", self.path);
        }
        self
    }
}

/// The JSON text of a value, at most `limit` bytes of it.
pub fn to_json(lua: &Lua, value: &Value, limit: usize, style: Style) -> Result<Vec<u8>, Refused> {
    let object = object_mark(lua).map_err(|error| Refused::new(error.to_string()))?;
    let mut encoder = Encoder { out: Vec::new(), array: array_mark(lua), object, limit, style, tables: 0 };
    encoder.value(value, 0)?;
    Ok(encoder.out)
}

/// The value as `serde_json` holds it, of at most `limit` bytes as text.
pub fn to_value(lua: &Lua, value: &Value, limit: usize) -> Result<serde_json::Value, Refused> {
    let text = to_json(lua, value, limit, Style::Compact)?;
    // Nested objects of the last allowed depth are the only thing `serde_json` refuses in our own text.
    serde_json::from_slice(&text).map_err(|error| Refused::new(error.to_string()))
}

struct Encoder {
    out: Vec<u8>,
    array: Table,
    object: Table,
    limit: usize,
    style: Style,
    tables: usize,
}

/// What a table is going to be.
enum Shape {
    Array(usize),
    Object(Vec<Key>),
}

/// A key of an object: its text, and whether the table has it as a number.
struct Key {
    text: String,
    number: Option<i64>,
}

impl Encoder {
    fn value(&mut self, value: &Value, depth: usize) -> Result<(), Refused> {
        match value {
            Value::Nil => self.out.extend_from_slice(b"null"),
            value if value.is_null() => self.out.extend_from_slice(b"null"),
            Value::Boolean(truth) => {
                self.out.extend_from_slice(if *truth { b"true".as_slice() } else { b"false".as_slice() });
            }
            Value::Integer(number) => self.write(number)?,
            Value::Number(number) => self.number(*number)?,
            Value::String(text) => self.text(text)?,
            Value::Table(table) => self.table(table, depth)?,
            Value::UserData(data) => match data.borrow::<ErrorObject>() {
                Ok(error) => self.write(&*error)?,
                Err(_) => return Err(Refused::new("an object of the host is not plain data")),
            },
            Value::Error(error) => {
                let text = error.to_string();
                self.write(&text)?;
            }
            other => return Err(Refused::new(format!("a {} is not plain data", type_name(other)))),
        }
        self.check()
    }

    fn number(&mut self, number: f64) -> Result<(), Refused> {
        if !number.is_finite() {
            return Err(Refused::new(format!("{number} has no spelling in JSON")));
        }
        self.write(&number)
    }

    fn text(&mut self, text: &LuaString) -> Result<(), Refused> {
        let bytes = text.as_bytes();
        if bytes.len() > self.limit {
            return Err(self.too_large());
        }
        match std::str::from_utf8(&bytes) {
            Ok(text) => self.write(text),
            Err(error) => Err(Refused::new(format!(
                "text is not UTF-8 from byte {} on; encode bytes with `ccproxy.crypto.base64_encode`",
                error.valid_up_to() + 1
            ))),
        }
    }

    fn table(&mut self, table: &Table, depth: usize) -> Result<(), Refused> {
        if depth >= MAX_DEPTH {
            return Err(Refused::new(format!("nested deeper than {MAX_DEPTH}, or a table holds itself")));
        }
        self.tables += 1;
        if self.tables > MAX_TABLES {
            return Err(Refused::new(format!("more than {MAX_TABLES} tables")));
        }
        match self.shape(table)? {
            Shape::Array(length) => self.array(table, length, depth),
            Shape::Object(keys) => self.object(table, keys, depth),
        }
    }

    fn array(&mut self, table: &Table, length: usize, depth: usize) -> Result<(), Refused> {
        self.out.push(b'[');
        for index in 1..=length {
            self.separate(index == 1, depth + 1);
            let item: Value = table.raw_get(index).map_err(|error| Refused::new(error.to_string()))?;
            self.value(&item, depth + 1).map_err(|refused| refused.under(format_args!("[{index}]")))?;
        }
        self.close(b']', length == 0, depth);
        Ok(())
    }

    fn object(&mut self, table: &Table, keys: Vec<Key>, depth: usize) -> Result<(), Refused> {
        self.out.push(b'{');
        for (place, key) in keys.iter().enumerate() {
            self.separate(place == 0, depth + 1);
            self.write(key.text.as_str())?;
            self.out.extend_from_slice(if self.style == Style::Pretty {
                b": ".as_slice()
            } else {
                b":".as_slice()
            });
            let item: mlua::Result<Value> = match key.number {
                Some(number) => table.raw_get(number),
                None => table.raw_get(key.text.as_str()),
            };
            let item = item.map_err(|error| Refused::new(error.to_string()))?;
            self.value(&item, depth + 1).map_err(|refused| refused.under(format_args!(".{}", key.text)))?;
        }
        self.close(b'}', keys.is_empty(), depth);
        Ok(())
    }

    /// Decides between array and object by the marker, else by the keys. A mixture is refused.
    fn shape(&self, table: &Table) -> Result<Shape, Refused> {
        let mark = table.metatable();
        let marked_array = mark.as_ref() == Some(&self.array);
        let marked_object = mark.as_ref() == Some(&self.object);
        let length = table.raw_len();
        if !marked_object && (marked_array || length > 0) {
            let mut count = 0usize;
            let counted = table.for_each(|_: Value, _: Value| {
                count += 1;
                Ok(())
            });
            counted.map_err(|error| Refused::new(error.to_string()))?;
            return match count == length {
                true => Ok(Shape::Array(length)),
                false => Err(Refused::new(
                    "a table with both list items and other keys, or with holes, is neither array nor object",
                )),
            };
        }
        Ok(Shape::Object(self.keys(table, marked_object)?))
    }

    fn keys(&self, table: &Table, numbers_too: bool) -> Result<Vec<Key>, Refused> {
        let mut keys = Vec::new();
        let mut room = self.limit.saturating_sub(self.out.len());
        let mut refused = None;
        let walked = table.for_each(|key: Value, _: Value| {
            match key_of(&key, numbers_too) {
                // Every entry takes at least `"":0,`.
                Ok(key) if key.text.len() + 5 <= room => {
                    room -= key.text.len() + 5;
                    keys.push(key);
                    return Ok(());
                }
                Ok(_) => refused = Some(self.too_large()),
                Err(reason) => refused = Some(reason),
            }
            Err(mlua::Error::runtime("refused"))
        });
        if let Some(refused) = refused {
            return Err(refused);
        }
        walked.map_err(|error| Refused::new(error.to_string()))?;
        keys.sort_unstable_by(|a, b| a.text.cmp(&b.text));
        match keys.windows(2).find(|pair| pair[0].text == pair[1].text) {
            Some(pair) => {
                Err(Refused::new(format!("the key `{}` is there as number and as text", pair[0].text)))
            }
            None => Ok(keys),
        }
    }

    fn write(&mut self, value: &(impl serde::Serialize + ?Sized)) -> Result<(), Refused> {
        serde_json::to_writer(&mut self.out, value).map_err(|error| Refused::new(error.to_string()))?;
        self.check()
    }

    fn separate(&mut self, first: bool, depth: usize) {
        if !first {
            self.out.push(b',');
        }
        self.indent(depth);
    }

    fn close(&mut self, bracket: u8, empty: bool, depth: usize) {
        if !empty {
            self.indent(depth);
        }
        self.out.push(bracket);
    }

    fn indent(&mut self, depth: usize) {
        if self.style == Style::Pretty {
            self.out.push(b'\n');
            self.out.extend(std::iter::repeat_n(b' ', depth * 2));
        }
    }

    fn check(&self) -> Result<(), Refused> {
        if self.out.len() > self.limit { Err(self.too_large()) } else { Ok(()) }
    }

    fn too_large(&self) -> Refused {
        Refused::new(format!("the value is larger than {} bytes", self.limit))
    }
}

fn key_of(key: &Value, numbers_too: bool) -> Result<Key, Refused> {
    match key {
        Value::String(text) => match text.to_str() {
            Ok(text) => Ok(Key { text: text.to_owned(), number: None }),
            Err(_) => Err(Refused::new("a key is not UTF-8")),
        },
        Value::Integer(number) if numbers_too => Ok(Key { text: number.to_string(), number: Some(*number) }),
        Value::Integer(_) | Value::Number(_) => Err(Refused::new(
            "a list with holes, or a map with numbers as keys; mark the latter with `ccproxy.json.object`",
        )),
        other => Err(Refused::new(format!("a {} cannot be a key in JSON", type_name(other)))),
    }
}

/// The name that a script's `type()` gives.
fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Integer(_) => "number",
        Value::LightUserData(_) => "userdata",
        other => other.type_name(),
    }
}
