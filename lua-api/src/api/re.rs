//! `ccproxy.re`: regular expressions that never backtrack. Syntax: <https://docs.rs/regex/#syntax>.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ccproxy_core::chain;
use mlua::{Lua, MetaMethod, MultiValue, Table, UserData, UserDataMethods, Value};
use parking_lot::Mutex;
use regex::bytes::{Captures, Regex};

use super::error::ErrorObject;
use crate::args::Args;
use crate::cpu;
use crate::data;
use crate::host::Host;
use crate::pattern::{self, Cache};

const CACHED: NonZeroUsize = NonZeroUsize::new(64).expect("64 is not 0");

/// A function of a pattern: its name, and what it does with the arguments behind the pattern.
type Step = fn(&Lua, &Search, &Args) -> mlua::Result<MultiValue>;

const FUNCTIONS: &[(&str, &str, Step)] = &[
    ("is", "re.is", is),
    ("find", "re.find", find),
    ("match", "re.match", first),
    ("captures", "re.captures", captures),
    ("all", "re.all", all),
    ("gsub", "re.gsub", gsub),
    ("split", "re.split", split),
];

/// A compiled pattern with the bounds of its plugin.
#[derive(Clone)]
struct Search {
    pattern: Arc<pattern::Pattern>,
    limit: usize,
    cpu: Duration,
}

/// What `re.compile` returns.
struct Pattern(Search);

impl UserData for Pattern {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        for (name, function, step) in FUNCTIONS {
            // The pattern itself is argument 1, as it is for the functions of the module.
            methods.add_method(*name, move |lua, this, mut values: MultiValue| {
                values.push_front(Value::Nil);
                step(lua, &this.0, &Args::new(function, values))
            });
        }
        methods
            .add_meta_method(MetaMethod::ToString, |_, this, _: ()| Ok(this.0.regex().as_str().to_owned()));
    }
}

/// Builds the namespace.
pub fn table(lua: &Lua, host: &Arc<Host>) -> mlua::Result<Table> {
    let re = lua.create_table()?;
    let (limit, cpu) = (host.limits.output, host.limits.cpu);
    let compile = lua.create_function(move |lua, values: MultiValue| {
        let args = Args::new("re.compile", values);
        match pattern::compile(&args.utf8(1)?) {
            Ok(compiled) => {
                let pattern = Pattern(Search { pattern: Arc::new(compiled), limit, cpu });
                Ok((Value::UserData(lua.create_userdata(pattern)?), Value::Nil))
            }
            Err(reason) => ErrorObject::new(400, "re", reason).pair(lua),
        }
    })?;
    re.set("compile", compile)?;
    re.set(
        "escape",
        lua.create_function(|_, values: MultiValue| {
            Ok(regex::escape(&Args::new("re.escape", values).utf8(1)?))
        })?,
    )?;
    re.set("glob", lua.create_function(|_, values: MultiValue| glob(&Args::new("re.glob", values)))?)?;
    re.set(
        "closest",
        lua.create_function(|_, values: MultiValue| closest(&Args::new("re.closest", values)))?,
    )?;
    let cache = Arc::new(Mutex::new(Cache::new(CACHED)));
    for (name, function, step) in FUNCTIONS {
        let cache = cache.clone();
        re.set(
            *name,
            lua.create_function(move |lua, values: MultiValue| {
                let args = Args::new(function, values);
                let search = match args.any(1) {
                    Value::UserData(data) if data.is::<Pattern>() => data.borrow::<Pattern>()?.0.clone(),
                    Value::String(_) => {
                        let compiled = cache.lock().get(&args.utf8(1)?);
                        let pattern = compiled.map_err(|reason| args.refuse(1, &reason))?;
                        Search { pattern, limit, cpu }
                    }
                    other => return Err(args.wrong(1, "pattern", &other)),
                };
                step(lua, &search, &args)
            })?,
        )?;
    }
    Ok(re)
}

/// Most steps that the patterns with `*` of one call may take.
const GLOB_WORK: usize = 50_000_000;

/// What is left of [`GLOB_WORK`]: at worst a pattern is compared at each place of the text.
fn matches(pattern: &str, text: &str, args: &Args, left: &mut usize) -> mlua::Result<bool> {
    let steps = (pattern.len() + 1).saturating_mul(text.len() + 1);
    *left =
        left.checked_sub(steps).ok_or_else(|| args.refuse(1, "too much to compare with so long a text"))?;
    Ok(chain::glob(pattern, text))
}

/// Whether a text is what one of the patterns says: `*` is any run of characters, as in `when`.
fn glob(args: &Args) -> mlua::Result<bool> {
    let (text, mut left) = (args.utf8(2)?, GLOB_WORK);
    match args.any(1) {
        Value::Table(patterns) => {
            for pattern in patterns.sequence_values::<String>() {
                if matches(&pattern?, &text, args, &mut left)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        _ => matches(&args.utf8(1)?, &text, args, &mut left),
    }
}

/// What a table has for a text: under the text itself, else under the pattern that says most of it.
fn closest(args: &Args) -> mlua::Result<Value> {
    let (table, text) = (args.table(1)?, args.utf8(2)?);
    let exact: Value = table.raw_get(text.as_str())?;
    if !exact.is_nil() {
        return Ok(exact);
    }
    let mut left = GLOB_WORK;
    let mut best: Option<((usize, String), Value)> = None;
    for pair in table.pairs::<Value, Value>() {
        let (key, value) = pair?;
        let Some(pattern) = key.as_string().and_then(|key| key.to_str().ok().map(|key| key.to_owned()))
        else {
            continue;
        };
        if pattern.contains('*') && matches(&pattern, &text, args, &mut left)? {
            let said = pattern.bytes().filter(|byte| *byte != b'*').count();
            // Of two that say as much the first by name: never what the order of a table happens to be.
            let rank = (usize::MAX - said, pattern);
            if best.as_ref().is_none_or(|(other, _)| rank < *other) {
                best = Some((rank, value));
            }
        }
    }
    Ok(best.map_or(Value::Nil, |(_, value)| value))
}

impl Search {
    /// The text to search, argument 2.
    fn text(&self, args: &Args) -> mlua::Result<mlua::LuaString> {
        let text = args.text(2)?;
        if text.as_bytes().len() > self.limit {
            return Err(args.refuse(2, &format!("longer than {} bytes", self.limit)));
        }
        self.pattern.admits(text.as_bytes().len()).map_err(|reason| args.refuse(2, &reason))?;
        Ok(text)
    }

    fn regex(&self) -> &Regex {
        &self.pattern.regex
    }

    /// The matches, for as long as the call may run: each one is found in linear time, all of them are not.
    fn matches<'s, 't>(
        &'s self,
        bytes: &'t [u8],
    ) -> impl Iterator<Item = mlua::Result<Captures<'t>>> + use<'s, 't> {
        let (began, base) = (Instant::now(), cpu::nanos());
        let spent = move || {
            began.elapsed() > self.cpu && u128::from(cpu::nanos().saturating_sub(base)) > self.cpu.as_nanos()
        };
        self.regex().captures_iter(bytes).map(move |found| match spent() {
            true => Err(mlua::Error::runtime("the CPU budget is used up by a search")),
            false => Ok(found),
        })
    }
}

fn is(_: &Lua, search: &Search, args: &Args) -> mlua::Result<MultiValue> {
    let found = search.regex().is_match(&search.text(args)?.as_bytes());
    Ok(MultiValue::from_iter([Value::Boolean(found)]))
}

/// First and last byte of the first match from byte `init` on, counted from 1; nil when there is none.
fn find(_: &Lua, search: &Search, args: &Args) -> mlua::Result<MultiValue> {
    let text = search.text(args)?;
    let bytes = text.as_bytes();
    let init = usize::try_from(args.integer_or(3, 1)?.max(1) - 1).unwrap_or(usize::MAX);
    if init > bytes.len() {
        return Ok(MultiValue::from_iter([Value::Nil]));
    }
    Ok(match search.regex().find_at(&bytes, init) {
        Some(found) => MultiValue::from_iter([
            Value::Number((found.start() + 1) as f64),
            Value::Number(found.end() as f64),
        ]),
        None => MultiValue::from_iter([Value::Nil]),
    })
}

/// The groups of the first match, or the whole match when the pattern has no groups; nil when there is none.
fn first(lua: &Lua, search: &Search, args: &Args) -> mlua::Result<MultiValue> {
    let text = search.text(args)?;
    let bytes = text.as_bytes();
    match search.regex().captures(&bytes) {
        Some(found) => groups(lua, &found),
        None => Ok(MultiValue::from_iter([Value::Nil])),
    }
}

/// The first match as a table: groups by number, named ones by name too, the whole match as 0.
fn captures(lua: &Lua, search: &Search, args: &Args) -> mlua::Result<MultiValue> {
    let text = search.text(args)?;
    let bytes = text.as_bytes();
    let Some(found) = search.regex().captures(&bytes) else { return Ok(MultiValue::from_iter([Value::Nil])) };
    let table = lua.create_table()?;
    for (number, name) in search.regex().capture_names().enumerate() {
        let Some(group) = found.get(number) else { continue };
        let group = lua.create_string(group.as_bytes())?;
        table.raw_set(number, &group)?;
        if let Some(name) = name {
            table.raw_set(name, group)?;
        }
    }
    Ok(MultiValue::from_iter([Value::Table(table)]))
}

/// Every match (its first group, when there are groups), at most `max` of them.
fn all(lua: &Lua, search: &Search, args: &Args) -> mlua::Result<MultiValue> {
    let text = search.text(args)?;
    let bytes = text.as_bytes();
    let list = list(lua)?;
    for found in search.matches(&bytes).take(most(args, 3)?) {
        let found = found?;
        let group = found.get(1).or_else(|| found.get(0)).map_or(b"".as_slice(), |group| group.as_bytes());
        list.raw_push(lua.create_string(group)?)?;
    }
    Ok(MultiValue::from_iter([Value::Table(list)]))
}

/// Replaces matches, at most `max`, by text (`$1` and `${name}` are groups, `$$` a dollar) or by what a
/// function makes of the groups (nil: as it was). Returns the text and how many were replaced.
fn gsub(lua: &Lua, search: &Search, args: &Args) -> mlua::Result<MultiValue> {
    let text = search.text(args)?;
    let bytes = text.as_bytes();
    let replacement = args.any(3);
    if !matches!(replacement, Value::String(_) | Value::Function(_)) {
        return Err(args.wrong(3, "string or function", &replacement));
    }
    let mut out = Vec::new();
    let (mut copied, mut count) = (0usize, 0usize);
    for found in search.matches(&bytes).take(most(args, 4)?) {
        let found = found?;
        let Some(whole) = found.get(0) else { continue };
        out.extend_from_slice(&bytes[copied..whole.start()]);
        copied = whole.end();
        count += 1;
        match &replacement {
            Value::String(template) => found.expand(&template.as_bytes(), &mut out),
            Value::Function(function) => match function.call::<Value>(groups(lua, &found)?)? {
                Value::Nil | Value::Boolean(false) => out.extend_from_slice(whole.as_bytes()),
                Value::String(text) => out.extend_from_slice(&text.as_bytes()),
                Value::Integer(number) => out.extend_from_slice(number.to_string().as_bytes()),
                other => return Err(args.wrong(3, "function that returns a string or nil", &other)),
            },
            _ => {}
        }
        if out.len() > search.limit {
            return Err(args.refuse(3, &format!("the result is longer than {} bytes", search.limit)));
        }
    }
    out.extend_from_slice(&bytes[copied..]);
    Ok(MultiValue::from_iter([Value::String(lua.create_string(out)?), Value::Number(count as f64)]))
}

/// The pieces between matches, at most `max` of them; the last one holds the rest.
fn split(lua: &Lua, search: &Search, args: &Args) -> mlua::Result<MultiValue> {
    let text = search.text(args)?;
    let bytes = text.as_bytes();
    let list = list(lua)?;
    let most = most(args, 3)?;
    let mut from = 0;
    for found in search.matches(&bytes).take(most.saturating_sub(1)) {
        let found = found?;
        let Some(whole) = found.get(0) else { continue };
        list.raw_push(lua.create_string(&bytes[from..whole.start()])?)?;
        from = whole.end();
    }
    if most > 0 {
        list.raw_push(lua.create_string(&bytes[from..])?)?;
    }
    Ok(MultiValue::from_iter([Value::Table(list)]))
}

fn groups(lua: &Lua, found: &Captures<'_>) -> mlua::Result<MultiValue> {
    let from = usize::from(found.len() > 1);
    let group = |number| match found.get(number) {
        Some(group) => lua.create_string(group.as_bytes()).map(Value::String),
        None => Ok(Value::Nil),
    };
    (from..found.len()).map(group).collect()
}

fn list(lua: &Lua) -> mlua::Result<Table> {
    let list = lua.create_table()?;
    list.set_metatable(Some(data::array_mark(lua)))?;
    Ok(list)
}

fn most(args: &Args, place: usize) -> mlua::Result<usize> {
    Ok(usize::try_from(args.integer_or(place, i64::MAX)?).unwrap_or(0))
}
