//! Values as a test compares and shows them.

use std::cmp::Ordering;

use mlua::{Lua, Table, Value};

use crate::data;

/// Deepest nesting that is looked at.
const DEEPEST: usize = 64;
/// Most values in one that is looked at.
const MOST: usize = 100_000;
/// A value that fits in so many characters is shown on one line.
const LINE: usize = 72;

/// A value, without its identity.
#[derive(Clone, Debug)]
pub(super) enum Plain {
    Nil,
    Null,
    Boolean(bool),
    Number(f64),
    Text(Vec<u8>),
    /// Keys 1 to n, or an array of JSON.
    List(Vec<Plain>),
    /// By key, sorted.
    Table(Vec<(Plain, Plain)>),
    /// Only the same thing is equal to it: a function, an object of the host.
    Thing(String, usize),
    /// Too deep, too large, or in itself.
    Deep,
}

impl Plain {
    /// Reads a value of a script; bounded.
    pub(super) fn of(lua: &Lua, value: &Value) -> Plain {
        let mut room = MOST;
        read(lua, value, 0, &mut room)
    }

    /// Whether every field of `part` is in it with that value; lists and anything else must be equal.
    pub(super) fn holds(&self, part: &Plain) -> bool {
        match (self, part) {
            (Plain::Table(mine), Plain::Table(wanted)) => wanted
                .iter()
                .all(|(key, value)| mine.iter().any(|(known, mine)| known == key && mine.holds(value))),
            (Plain::List(mine), Plain::List(wanted)) => {
                mine.len() == wanted.len() && mine.iter().zip(wanted).all(|(mine, wanted)| mine.holds(wanted))
            }
            (mine, wanted) => mine == wanted,
        }
    }

    /// The fields that `part` has, too: what a comparison with it should show.
    pub(super) fn within(&self, part: &Plain) -> Plain {
        match (self, part) {
            (Plain::Table(mine), Plain::Table(wanted)) => {
                let common = mine.iter().filter_map(|(key, mine)| {
                    let (_, wanted) = wanted.iter().find(|(known, _)| known == key)?;
                    Some((key.clone(), mine.within(wanted)))
                });
                Plain::Table(common.collect())
            }
            (Plain::List(mine), Plain::List(wanted)) if mine.len() == wanted.len() => {
                Plain::List(mine.iter().zip(wanted).map(|(mine, wanted)| mine.within(wanted)).collect())
            }
            (mine, _) => mine.clone(),
        }
    }

    /// As it would be written in Lua; on several lines when it is long.
    pub(super) fn show(&self) -> String {
        let mut out = String::new();
        self.write(&mut out, 0);
        out
    }

    fn write(&self, out: &mut String, indent: usize) {
        let short = self.one_line();
        if short.chars().count() + indent <= LINE || !matches!(self, Plain::List(_) | Plain::Table(_)) {
            out.push_str(&short);
            return;
        }
        let inner = " ".repeat(indent + 2);
        out.push_str("{\n");
        match self {
            Plain::List(items) => items.iter().for_each(|item| {
                out.push_str(&inner);
                item.write(out, indent + 2);
                out.push_str(",\n");
            }),
            Plain::Table(fields) => fields.iter().for_each(|(key, value)| {
                out.push_str(&inner);
                out.push_str(&key.as_key());
                out.push_str(" = ");
                value.write(out, indent + 2);
                out.push_str(",\n");
            }),
            _ => {}
        }
        out.push_str(&" ".repeat(indent));
        out.push('}');
    }

    fn one_line(&self) -> String {
        match self {
            Plain::Nil => "nil".to_owned(),
            Plain::Null => "ccproxy.null".to_owned(),
            Plain::Boolean(truth) => truth.to_string(),
            Plain::Number(number) => number.to_string(),
            Plain::Text(text) => quoted(text),
            Plain::List(items) if items.is_empty() => "{}".to_owned(),
            Plain::Table(fields) if fields.is_empty() => "{}".to_owned(),
            Plain::List(items) => {
                let items: Vec<String> = items.iter().map(Plain::one_line).collect();
                format!("{{ {} }}", items.join(", "))
            }
            Plain::Table(fields) => {
                let fields: Vec<String> = fields
                    .iter()
                    .map(|(key, value)| format!("{} = {}", key.as_key(), value.one_line()))
                    .collect();
                format!("{{ {} }}", fields.join(", "))
            }
            Plain::Thing(kind, _) => format!("<{kind}>"),
            Plain::Deep => "<too deep to show>".to_owned(),
        }
    }

    fn as_key(&self) -> String {
        match self {
            Plain::Text(text) if is_name(text) => String::from_utf8_lossy(text).into_owned(),
            other => format!("[{}]", other.one_line()),
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Plain::Nil => 0,
            Plain::Null => 1,
            Plain::Boolean(_) => 2,
            Plain::Number(_) => 3,
            Plain::Text(_) => 4,
            _ => 5,
        }
    }
}

impl PartialEq for Plain {
    fn eq(&self, other: &Plain) -> bool {
        match (self, other) {
            (Plain::Nil, Plain::Nil) | (Plain::Null, Plain::Null) => true,
            (Plain::Boolean(a), Plain::Boolean(b)) => a == b,
            (Plain::Number(a), Plain::Number(b)) => a == b || (a.is_nan() && b.is_nan()),
            (Plain::Text(a), Plain::Text(b)) => a == b,
            (Plain::List(a), Plain::List(b)) => a == b,
            (Plain::Table(a), Plain::Table(b)) => a == b,
            // `{}` is both.
            (Plain::List(list), Plain::Table(table)) | (Plain::Table(table), Plain::List(list)) => {
                list.is_empty() && table.is_empty()
            }
            (Plain::Thing(_, a), Plain::Thing(_, b)) => a == b,
            _ => false,
        }
    }
}

/// A text as Lua writes it.
pub(super) fn quoted(text: &[u8]) -> String {
    let mut out = String::from("\"");
    for chunk in text.utf8_chunks() {
        for letter in chunk.valid().chars() {
            match letter {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                letter if letter.is_control() => out.push_str(&format!("\\u{{{:x}}}", letter as u32)),
                letter => out.push(letter),
            }
        }
        chunk.invalid().iter().for_each(|byte| out.push_str(&format!("\\x{byte:02x}")));
    }
    out.push('"');
    out
}

fn is_name(text: &[u8]) -> bool {
    let letter = |byte: &u8| byte.is_ascii_alphabetic() || *byte == b'_';
    text.first().is_some_and(letter) && text.iter().all(|byte| letter(byte) || byte.is_ascii_digit())
}

fn read(lua: &Lua, value: &Value, depth: usize, room: &mut usize) -> Plain {
    if depth > DEEPEST || *room == 0 {
        return Plain::Deep;
    }
    *room -= 1;
    match value {
        Value::Nil => Plain::Nil,
        Value::Boolean(truth) => Plain::Boolean(*truth),
        Value::Integer(number) => Plain::Number(*number as f64),
        Value::Number(number) => Plain::Number(*number),
        Value::String(text) => Plain::Text(text.as_bytes().to_vec()),
        Value::LightUserData(_) => Plain::Null,
        Value::Table(table) => read_table(lua, table, depth, room),
        Value::Error(error) => Plain::Text(crate::fault::cause_text(error).into_bytes()),
        other => Plain::Thing(other.type_name().to_owned(), other.to_pointer() as usize),
    }
}

fn read_table(lua: &Lua, table: &Table, depth: usize, room: &mut usize) -> Plain {
    let length = table.raw_len();
    let mut fields = Vec::new();
    let walked = table.for_each(|key: Value, value: Value| {
        if *room == 0 {
            return Err(mlua::Error::runtime("too large"));
        }
        fields.push((read(lua, &key, depth + 1, room), read(lua, &value, depth + 1, room)));
        Ok(())
    });
    if walked.is_err() {
        return Plain::Deep;
    }
    fields.sort_by(|(a, _), (b, _)| order(a, b));
    let marked = table.metatable().is_some_and(|mark| mark == data::array_mark(lua));
    if (marked || length > 0) && fields.len() == length {
        return Plain::List(fields.into_iter().map(|(_, value)| value).collect());
    }
    Plain::Table(fields)
}

fn order(a: &Plain, b: &Plain) -> Ordering {
    match (a, b) {
        (Plain::Number(a), Plain::Number(b)) => a.total_cmp(b),
        (Plain::Text(a), Plain::Text(b)) => a.cmp(b),
        (Plain::Boolean(a), Plain::Boolean(b)) => a.cmp(b),
        (a, b) => a.rank().cmp(&b.rank()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(lua: &Lua, text: &str) -> Plain {
        Plain::of(lua, &lua.load(text).eval().expect("it runs"))
    }

    #[test]
    fn values_are_compared_by_what_is_in_them() {
        let lua = Lua::new();
        let same = [("{1, 2}", "{1, 2}"), ("{a = {b = 'c'}}", "{a = {b = 'c'}}"), ("1", "1.0"), ("{}", "{}")];
        for (a, b) in same {
            assert_eq!(plain(&lua, a), plain(&lua, b));
        }
        for (a, b) in
            [("1", "'1'"), ("{1}", "{1, 2}"), ("{a = 1}", "{a = 2}"), ("nil", "false"), ("{nil, 2}", "{2}")]
        {
            assert_ne!(plain(&lua, a), plain(&lua, b), "{a} {b}");
        }
        let whole = plain(&lua, "{ a = 1, b = { c = 2, d = 3 }, e = { 1, { f = 1, g = 2 } } }");
        let part = plain(&lua, "{ b = { d = 3 }, e = { 1, { g = 2 } } }");
        assert!(whole.holds(&part) && !part.holds(&whole));
        assert_eq!(whole.within(&part), part);
        let circle = plain(&lua, "local t = {} t.t = t return t");
        assert!(circle.show().contains("too deep"));
    }

    #[test]
    fn values_are_shown_as_lua_would_write_them() {
        let lua = Lua::new();
        assert_eq!(
            plain(&lua, "{ b = 'x\\n\"', a = { 1, true }, ['c d'] = 2 }").show(),
            r#"{ a = { 1, true }, b = "x\n\"", ["c d"] = 2 }"#
        );
        let long = plain(&lua, "{ first = string.rep('x', 50), second = { string.rep('y', 50) } }").show();
        assert_eq!(long.lines().count(), 4, "{long}");
        assert_eq!(quoted(b"\xff\x01"), "\"\\xff\\u{1}\"");
    }
}
