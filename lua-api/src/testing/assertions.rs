//! The assertions of `t`: each says what was expected, what came, and where it stands.

use std::sync::Arc;

use mlua::{Function, Lua, MultiValue, Table, Value};

use super::diff::unequal;
use super::plain::{Plain, quoted};
use super::record::Record;
use super::snapshot;
use crate::args::Args;
use crate::data::{self, Style};
use crate::fault::cause_text;

/// What an assertion comes to: fine, or what is wrong.
type Verdict = mlua::Result<Result<(), String>>;

/// Largest snapshot as JSON, in bytes.
const LARGEST: usize = 1 << 20;

/// Adds them to `t`.
pub(super) fn install(lua: &Lua, t: &Table, record: &Arc<Record>) -> mlua::Result<()> {
    let add = |name: &'static str, place: usize, check: fn(&Lua, &Args) -> Verdict| {
        t.raw_set(short(name), assertion(lua, record, name, place, check)?)
    };
    add("t.eq", 3, |lua, args| {
        let (got, expected) = pair(lua, args);
        Ok(if got == expected { Ok(()) } else { Err(unequal(&got, &expected)) })
    })?;
    add("t.ne", 3, |lua, args| {
        let (got, other) = pair(lua, args);
        Ok(if got == other { Err(format!("expected anything but {}", other.show())) } else { Ok(()) })
    })?;
    add("t.has", 3, |lua, args| {
        args.table(2)?;
        let (got, part) = pair(lua, args);
        Ok(if got.holds(&part) { Ok(()) } else { Err(unequal(&got.within(&part), &part)) })
    })?;
    add("t.truthy", 2, |lua, args| {
        let got = args.any(1);
        let fine = !matches!(got, Value::Nil | Value::Boolean(false));
        Ok(if fine {
            Ok(())
        } else {
            Err(format!("expected something, got {}", Plain::of(lua, &got).show()))
        })
    })?;
    add("t.falsy", 2, |lua, args| {
        let got = args.any(1);
        let fine = matches!(got, Value::Nil | Value::Boolean(false));
        Ok(if fine {
            Ok(())
        } else {
            Err(format!("expected nil or false, got {}", Plain::of(lua, &got).show()))
        })
    })?;
    add("t.near", 4, |_, args| {
        let (got, expected) = (args.number(1)?, args.number(2)?);
        let most = if args.any(3).is_nil() { 1e-6 } else { args.number(3)? };
        let off = (got - expected).abs();
        Ok(if off <= most {
            Ok(())
        } else {
            Err(format!("expected {expected} give or take {most}\n     got {got}"))
        })
    })?;
    add("t.contains", 3, |lua, args| {
        let Some(found) = contains(lua, args)? else { return Ok(Err(no_whole(lua, args))) };
        Ok(if found {
            Ok(())
        } else {
            Err(format!("expected {}\n  in {}", item(lua, args), whole(lua, args)))
        })
    })?;
    add("t.lacks", 3, |lua, args| {
        let Some(found) = contains(lua, args)? else { return Ok(Err(no_whole(lua, args))) };
        Ok(if found {
            Err(format!("expected no {}\n  in {}", item(lua, args), whole(lua, args)))
        } else {
            Ok(())
        })
    })?;
    add("t.matches", 3, |lua, args| {
        let pattern = args.utf8(2)?;
        let Value::String(text) = args.any(1) else { return Ok(Err(no_whole(lua, args))) };
        let regex = regex::bytes::RegexBuilder::new(&pattern).size_limit(1 << 20).build();
        let regex = regex.map_err(|error| args.refuse(2, &format!("no pattern: {error}")))?;
        let fine = regex.is_match(&text.as_bytes());
        Ok(if fine {
            Ok(())
        } else {
            Err(format!("expected a match of `{pattern}`\n  in {}", quoted(&text.as_bytes())))
        })
    })?;
    add("t.fail", 2, |_, args| Ok(Err(args.utf8(1)?)))?;
    t.raw_set("raises", raises(lua, record)?)?;
    t.raw_set("snapshot", snapshots(lua, record)?)?;
    Ok(())
}

fn short(name: &str) -> &str {
    name.trim_start_matches("t.")
}

/// A function of `t`; at `place` stands what the author says beside a failure.
fn assertion(
    lua: &Lua,
    record: &Arc<Record>,
    name: &'static str,
    place: usize,
    check: fn(&Lua, &Args) -> Verdict,
) -> mlua::Result<Function> {
    let record = record.clone();
    lua.create_function(move |lua, values: MultiValue| {
        let args = Args::new(name, own(values));
        match check(lua, &args)? {
            Ok(()) => Ok(()),
            Err(wrong) => Err(fail(lua, &record, &with_message(&args, place, wrong)?)),
        }
    })
}

/// `t:eq(...)` is `t.eq(...)`.
pub(super) fn own(mut values: MultiValue) -> MultiValue {
    let is_t = values.front().is_some_and(|first| {
        first.as_table().is_some_and(|table| table.raw_get::<Value>(MARK).is_ok_and(|mark| !mark.is_nil()))
    });
    if is_t {
        values.pop_front();
    }
    values
}

/// What tells `t` from other tables.
pub(super) const MARK: &str = "__ccproxy_test";

fn with_message(args: &Args, place: usize, wrong: String) -> mlua::Result<String> {
    Ok(match args.text_or_nil(place)? {
        Some(message) if place > 1 => format!("{}: {wrong}", message.to_string_lossy()),
        _ => wrong,
    })
}

/// An assertion that failed, here.
pub(super) fn fail(lua: &Lua, record: &Record, message: &str) -> mlua::Error {
    record.failed(message, position(lua, &record.file));
    mlua::Error::runtime(message)
}

/// Where the script stands: in the test's own file if it is on the stack, else where Lua is.
fn position(lua: &Lua, file: &str) -> Option<(String, usize)> {
    let mut nearest = None;
    for level in 1..40 {
        let place = lua.inspect_stack(level, |debug| {
            let source = debug.source().source.map(|source| source.into_owned());
            Some((source?.trim_start_matches(['@', '=']).to_owned(), debug.current_line()?))
        })?;
        let Some((source, line)) = place.filter(|(source, _)| source.ends_with(".lua")) else { continue };
        if source == file {
            return Some((source, line));
        }
        nearest.get_or_insert((source, line));
    }
    nearest
}

fn pair(lua: &Lua, args: &Args) -> (Plain, Plain) {
    (Plain::of(lua, &args.any(1)), Plain::of(lua, &args.any(2)))
}

fn no_whole(lua: &Lua, args: &Args) -> String {
    format!("expected a text or a list, got {}", whole(lua, args))
}

/// Whether a text holds a text, or a list an item; `None` when it is neither.
fn contains(lua: &Lua, args: &Args) -> mlua::Result<Option<bool>> {
    match args.any(1) {
        Value::String(whole) => {
            let part = args.text(2)?;
            let (whole, part) = (whole.as_bytes(), part.as_bytes());
            Ok(Some(memchr::memmem::find(&whole, &part).is_some()))
        }
        Value::Table(list) => {
            let wanted = Plain::of(lua, &args.any(2));
            for item in list.sequence_values::<Value>() {
                if Plain::of(lua, &item?).holds(&wanted) {
                    return Ok(Some(true));
                }
            }
            Ok(Some(false))
        }
        _ => Ok(None),
    }
}

fn item(lua: &Lua, args: &Args) -> String {
    Plain::of(lua, &args.any(2)).show()
}

fn whole(lua: &Lua, args: &Args) -> String {
    let shown = Plain::of(lua, &args.any(1)).show();
    match shown.char_indices().nth(4000) {
        Some((end, _)) => format!("{} ... (cut)", &shown[..end]),
        None => shown,
    }
}

/// `t.raises(function, part, message)`: what it raised, as text.
fn raises(lua: &Lua, record: &Arc<Record>) -> mlua::Result<Function> {
    let record = record.clone();
    lua.create_async_function(move |lua, values: MultiValue| {
        let record = record.clone();
        let at = position(&lua, &record.file);
        async move {
            let args = Args::new("t.raises", own(values));
            let (function, part) = (args.function(1)?, args.text_or_nil(2)?);
            let told = match function.call_async::<MultiValue>(()).await {
                Ok(_) => Err("expected an error, got none".to_owned()),
                Err(error) => Ok(match crate::api::error::raised(&lua, &error) {
                    Some(error) => error.to_core().message().to_owned(),
                    None => {
                        let told = cause_text(&error);
                        told.split("\nstack traceback:").next().unwrap_or(&told).to_owned()
                    }
                }),
            };
            let wrong = match (told, part.map(|part| part.to_string_lossy())) {
                (Ok(told), Some(part)) if !told.contains(&part) => {
                    format!(
                        "expected an error with {}\n     got {}",
                        quoted(part.as_bytes()),
                        quoted(told.as_bytes())
                    )
                }
                (Ok(told), _) => return Ok(told),
                (Err(wrong), _) => wrong,
            };
            let wrong = with_message(&args, 3, wrong)?;
            record.failed(&wrong, at);
            Err(mlua::Error::runtime(wrong))
        }
    })
}

/// `t.snapshot(value, name)`: text as it is, everything else as JSON.
fn snapshots(lua: &Lua, record: &Arc<Record>) -> mlua::Result<Function> {
    let record = record.clone();
    lua.create_function(move |lua, values: MultiValue| {
        let args = Args::new("t.snapshot", own(values));
        let text = match args.any(1) {
            Value::String(text) => text.to_string_lossy(),
            value => {
                let json = data::to_json(lua, &value, LARGEST, Style::Compact);
                let json = json.map_err(|why| args.refuse(1, &why.to_string()))?;
                pretty(&json)
            }
        };
        let name = args.text_or_nil(2)?.map(|name| name.to_string_lossy());
        let number = if name.is_none() { record.next_snapshot() } else { 1 };
        let path = snapshot::place(&record.folder, &record.file, &record.name, name.as_deref(), number);
        match snapshot::meet(&path, &snapshot::steady(&text), record.snapshots) {
            Ok(false) => Ok(()),
            Ok(true) => {
                record.wrote(path.display().to_string());
                Ok(())
            }
            Err(wrong) => Err(fail(lua, &record, &wrong)),
        }
    })
}

/// JSON for people, its keys sorted: tables of Lua have no order.
fn pretty(json: &[u8]) -> String {
    fn sorted(value: serde_json::Value) -> serde_json::Value {
        match value {
            serde_json::Value::Object(fields) => {
                let mut fields: Vec<_> =
                    fields.into_iter().map(|(key, value)| (key, sorted(value))).collect();
                fields.sort_by(|(a, _), (b, _)| a.cmp(b));
                serde_json::Value::Object(fields.into_iter().collect())
            }
            serde_json::Value::Array(items) => items.into_iter().map(sorted).collect(),
            other => other,
        }
    }
    let value = serde_json::from_slice(json).map(sorted).unwrap_or_default();
    serde_json::to_string_pretty(&value).unwrap_or_default()
}
