//! `ccproxy.schema`: describes the settings of a plugin, for validation, defaults, help and the editor.

use std::sync::atomic::{AtomicU64, Ordering};

use ccproxy_core::config::{Field, FieldKind, Schema};
use mlua::{Lua, MultiValue, Table, UserData, Value};

use crate::args::Args;
use crate::data;
use crate::setting::{self, Builder};

/// One described setting, not yet named: the key in the manifest's table names it.
#[derive(Clone, Debug)]
pub struct Described {
    /// Builders are called in the order they are written, which a Lua table forgets.
    order: u64,
    field: Field,
}

impl UserData for Described {}

impl Described {
    /// What the setting may be.
    pub fn kind(&self) -> &FieldKind {
        &self.field.kind
    }
}

/// Builds the namespace.
pub fn table(lua: &Lua) -> mlua::Result<Table> {
    let schema = lua.create_table()?;
    for builder in setting::BUILDERS {
        let function = lua.create_function(|lua, values: MultiValue| {
            let described = describe(lua, builder, &Args::new(builder.name, values))?;
            lua.create_userdata(described)
        })?;
        let name = builder.name.rsplit('.').next().unwrap_or(builder.name);
        schema.set(name, function)?;
    }
    Ok(schema)
}

/// Reads a table of described settings: the manifest's `config`. Fields keep the order of the source text.
pub fn read(lua: &Lua, table: &Table) -> mlua::Result<Schema> {
    let mut described = Vec::new();
    table.for_each(|key: Value, value: Value| {
        let name = match &key {
            Value::String(name) => name.to_str()?.to_owned(),
            _ => return Err(mlua::Error::runtime("the keys of a schema are the names of settings")),
        };
        if !is_setting_name(&name) {
            return Err(mlua::Error::runtime(format!(
                "`{name}` cannot name a setting; use lower case letters, digits and `_`"
            )));
        }
        match of(&value) {
            Some(mut found) => {
                found.field.name = name;
                described.push(found);
                Ok(())
            }
            None => Err(mlua::Error::runtime(format!(
                "setting `{name}` is described by a {}; use a builder such as `ccproxy.schema.string {{}}`",
                value.type_name()
            ))),
        }
    })?;
    let _ = lua;
    described.sort_by_key(|item| item.order);
    Ok(Schema { fields: described.into_iter().map(|item| item.field).collect(), open: false })
}

/// The described setting that a value is, if it is one.
pub fn of(value: &Value) -> Option<Described> {
    match value {
        Value::UserData(data) => data.borrow::<Described>().ok().map(|described| described.clone()),
        _ => None,
    }
}

fn describe(lua: &Lua, builder: &'static Builder, args: &Args) -> mlua::Result<Described> {
    static ORDER: AtomicU64 = AtomicU64::new(0);
    let place = builder.place;
    let options = match args.any(place) {
        Value::Nil => lua.create_table()?,
        _ => args.table(place)?,
    };
    check_names(builder, args, &options)?;
    let kind = (builder.kind)(lua, args, &options)?;
    let doc = match options.raw_get::<Value>("doc")? {
        Value::Nil => String::new(),
        Value::String(doc) => doc.to_str()?.to_owned(),
        other => return Err(args.wrong(place, "string for `doc`", &other)),
    };
    let required = match options.raw_get::<Value>("required")? {
        Value::Nil => false,
        Value::Boolean(required) => required,
        other => return Err(args.wrong(place, "boolean for `required`", &other)),
    };
    let default = match options.raw_get::<Value>("default")? {
        Value::Nil => None,
        value => Some(
            data::to_value(lua, &value, 64 << 10)
                .map_err(|refused| args.refuse(place, &format!("`default` is not plain data: {refused}")))?,
        ),
    };
    if required && default.is_some() {
        return Err(args.refuse(place, "a setting is either `required` or has a `default`"));
    }
    let default = match default {
        Some(value) => Some(
            setting::admit(&kind, value)
                .map_err(|reason| args.refuse(place, &format!("`default` {reason}")))?,
        ),
        None => None,
    };
    let order = ORDER.fetch_add(1, Ordering::Relaxed);
    Ok(Described { order, field: Field { name: String::new(), doc, kind, default, required } })
}

/// What every builder takes.
const COMMON: &[&str] = &["doc", "required", "default"];

fn check_names(builder: &Builder, args: &Args, options: &Table) -> mlua::Result<()> {
    #[cfg(test)]
    for name in COMMON.iter().chain(builder.options) {
        crate::witness::note(builder.name, || format!("{}.{name}", builder.place));
    }
    options.for_each(|key: Value, _: Value| {
        let known = match &key {
            Value::String(name) => {
                let name = name.to_string_lossy();
                COMMON.contains(&name.as_str()) || builder.options.contains(&name.as_str())
            }
            _ => false,
        };
        if known {
            return Ok(());
        }
        let name = key.to_string().unwrap_or_default();
        let mut list = vec!["doc", "required", "default"];
        list.extend(builder.options);
        Err(args
            .refuse(builder.place, &format!("unknown option `{name}`; there are `{}`", list.join("`, `"))))
    })
}

fn is_setting_name(name: &str) -> bool {
    let plain = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    // Two underscores separate tables in the names of environment variables.
    plain && (1..=64).contains(&name.len()) && !name.contains("__") && name != "enabled"
}
