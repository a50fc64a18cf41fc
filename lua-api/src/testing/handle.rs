//! `p`: a proxy in the hands of a test.

use std::sync::Arc;
use std::time::Duration;

use ccproxy_core::hooks::{Event, Kind};
use ccproxy_core::plugin::PluginContext;
use http::Method;
use mlua::{
    AnyUserData, Lua, MetaMethod, MultiValue, Table, UserData, UserDataFields, UserDataMethods, UserDataRef,
    Value,
};
use serde_json::Value as Json;

use super::client::{self, Asked, Format, Pending};
use super::house::House;
use super::logs::Logs;
use super::network::{Outside, Providers};
use super::record::Record;
use super::sight;
use crate::api;
use crate::args::Args;
use crate::data;
use crate::handle::no_field;
use crate::host::{Capabilities, Host, Limits};

/// The userdata.
pub(super) struct ProxyHandle {
    house: Arc<House>,
    logs: Logs,
    upstream: AnyUserData,
    http: AnyUserData,
    kv: Table,
    file: Table,
}

pub(super) const FIELDS: &[&str] = &[
    "upstream",
    "http",
    "kv",
    "file",
    "logs",
    "name",
    "anthropic",
    "openai_chat",
    "openai_responses",
    "request",
    "get",
    "post",
    "start",
    "emit",
    "run_task",
    "command",
    "call",
    "health",
    "status",
    "reload",
    "settle",
    "failures",
];

impl ProxyHandle {
    pub(super) fn new(
        lua: &Lua,
        house: &Arc<House>,
        record: &Arc<Record>,
        logs: &Logs,
    ) -> mlua::Result<Self> {
        let host = Arc::new(host(house));
        Ok(ProxyHandle {
            house: house.clone(),
            logs: logs.clone(),
            upstream: lua
                .create_userdata(Providers { world: house.world.clone(), record: record.clone() })?,
            http: lua.create_userdata(Outside { world: house.world.clone() })?,
            kv: api::kv::table(lua, &host)?,
            file: api::file::table(lua, &host)?,
        })
    }
}

/// The plugin's own keys and files, with every right to them.
fn host(house: &House) -> Host {
    let entry = house.entry();
    let context = PluginContext {
        name: house.plugin.as_str().into(),
        config: entry.map_or_else(Arc::default, |entry| entry.config.clone()),
        data_dir: house.data_dir(),
        generation: house.live().number,
        services: house.proxy.services().clone(),
        bus: house.proxy.bus().clone(),
        upstream: house.proxy.upstream().clone(),
        store: house.proxy.store().clone(),
        previous: None,
        oauth: Arc::default(),
    };
    let rights = ["kv", "files"].map(str::to_owned);
    Host {
        plugin: house.plugin.as_str().into(),
        capabilities: Capabilities::new(&rights),
        limits: Limits { wall: Duration::from_secs(3600), ..Limits::default() },
        paths: Vec::new(),
        context: Some(context),
    }
}

/// Sends it and waits for the answer.
async fn send(lua: &Lua, house: &Arc<House>, asked: Asked) -> mlua::Result<Table> {
    let pending = Pending::start(house, asked).map_err(mlua::Error::runtime)?;
    sight::answer(lua, &pending.wait(house).await)
}

/// What a method of this name asks; `None`: there is no such one.
fn asked(lua: &Lua, house: &House, name: &str, mut values: MultiValue) -> Option<mlua::Result<Asked>> {
    Some(match name {
        "anthropic" => client::question(
            lua,
            house,
            "p:anthropic",
            Format::Messages,
            values.pop_front().unwrap_or(Value::Nil),
        ),
        "openai_chat" => client::question(
            lua,
            house,
            "p:openai_chat",
            Format::Chat,
            values.pop_front().unwrap_or(Value::Nil),
        ),
        "openai_responses" => client::question(
            lua,
            house,
            "p:openai_responses",
            Format::Responses,
            values.pop_front().unwrap_or(Value::Nil),
        ),
        "request" => client::plain(lua, "p:request", None, values),
        "get" => client::plain(lua, "p:get", Some(Method::GET), values),
        "post" => client::plain(lua, "p:post", Some(Method::POST), values),
        _ => return None,
    })
}

const ASKING: [&str; 6] = ["anthropic", "openai_chat", "openai_responses", "request", "get", "post"];

impl UserData for ProxyHandle {
    fn add_fields<F: UserDataFields<Self>>(fields: &mut F) {
        fields.add_field_method_get("upstream", |_, this| Ok(this.upstream.clone()));
        fields.add_field_method_get("http", |_, this| Ok(this.http.clone()));
        fields.add_field_method_get("kv", |_, this| Ok(this.kv.clone()));
        fields.add_field_method_get("file", |_, this| Ok(this.file.clone()));
        fields.add_field_method_get("name", |_, this| Ok(this.house.plugin.clone()));
        fields.add_field_method_get("logs", |lua, this| {
            let list = lua.create_table()?;
            let lines = this.logs.lines();
            for line in lines.iter().filter(|line| line.plugin.as_deref() == Some(&this.house.plugin)) {
                let entry = lua.create_table()?;
                entry.raw_set("level", line.level.as_str().to_ascii_lowercase())?;
                entry.raw_set("message", line.message.as_str())?;
                if let Some(fields) = &line.fields {
                    let fields = data::from_json(lua, fields.as_bytes()).unwrap_or(Value::Nil);
                    entry.raw_set("fields", fields)?;
                }
                list.raw_push(entry)?;
            }
            Ok(list)
        });
    }

    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        for name in ASKING {
            methods.add_async_method(name, move |lua, this: UserDataRef<Self>, values: MultiValue| {
                let house = this.house.clone();
                let asked = asked(&lua, &house, name, values);
                async move {
                    match asked {
                        Some(asked) => send(&lua, &house, asked?).await,
                        None => Err(mlua::Error::runtime("no such request")),
                    }
                }
            });
        }
        methods.add_method("start", |lua, this, mut values: MultiValue| {
            let name = values.pop_front().unwrap_or(Value::Nil);
            let name = Args::new("p:start", MultiValue::from_iter([name])).utf8(1)?;
            let Some(asked) = asked(lua, &this.house, &name, values) else {
                let known = ASKING.join("`, `");
                return Err(mlua::Error::runtime(format!("`p:start` begins one of `{known}`")));
            };
            let pending = Pending::start(&this.house, asked?).map_err(mlua::Error::runtime)?;
            Ok(PendingHandle { pending, house: this.house.clone() })
        });
        methods.add_async_method("emit", |lua, this: UserDataRef<Self>, values: MultiValue| {
            let house = this.house.clone();
            async move { emit(&lua, &house, values).await }
        });
        methods.add_async_method("run_task", |lua, this: UserDataRef<Self>, values: MultiValue| {
            let house = this.house.clone();
            async move {
                let args = Args::new("p:run_task", values);
                let name = args.utf8(1)?;
                let run = house.proxy.run_task(&house.plugin, &name).await;
                house.settle().await;
                let status = run.map_err(|error| mlua::Error::runtime(error.to_string()))?;
                data::from_value(&lua, &status)
            }
        });
        methods.add_async_method("command", |lua, this: UserDataRef<Self>, values: MultiValue| {
            let house = this.house.clone();
            async move { command(&lua, &house, values).await }
        });
        methods.add_async_method("call", |lua, this: UserDataRef<Self>, values: MultiValue| {
            let house = this.house.clone();
            async move {
                let args = Args::new("p:call", values);
                let (service, function) = (args.utf8(1)?, args.utf8(2)?);
                let given =
                    (3..=args.len()).map(|place| plain(&lua, &args, place)).collect::<mlua::Result<_>>()?;
                let called = house.proxy.services().call(&service, &function, given).await;
                data::from_value(&lua, &called.map_err(|error| mlua::Error::runtime(error.to_string()))?)
            }
        });
        methods.add_async_method("health", |lua, this: UserDataRef<Self>, ()| {
            let house = this.house.clone();
            async move {
                let Some(runtime) = house.runtime() else { return Ok(Value::Nil) };
                let health = serde_json::to_value(runtime.health().await).unwrap_or_default();
                data::from_value(&lua, &health)
            }
        });
        methods.add_method("status", |lua, this, ()| {
            let stats = this.house.runtime().map(|runtime| runtime.stats()).unwrap_or_default();
            data::from_value(lua, &Json::Object(stats))
        });
        methods.add_async_method("reload", |_, this: UserDataRef<Self>, ()| {
            let house = this.house.clone();
            async move { house.reload().await.map_err(mlua::Error::runtime) }
        });
        methods.add_async_method("settle", |_, this: UserDataRef<Self>, ()| {
            let house = this.house.clone();
            async move {
                house.settle().await;
                Ok(())
            }
        });
        methods.add_method("failures", |_, this, ()| {
            this.house.forgive();
            Ok(this.house.failures())
        });
        methods.add_meta_method(MetaMethod::Index, |_, _, key: Value| -> mlua::Result<Value> {
            Err(no_field("p", &key.to_string()?, FIELDS))
        });
    }
}

fn plain(lua: &Lua, args: &Args, place: usize) -> mlua::Result<Json> {
    let value = data::to_value(lua, &args.any(place), 1 << 20);
    value.map_err(|why| args.refuse(place, &why.to_string()))
}

/// `p:emit(name, fields, body)`, and waits until it was heard.
async fn emit(lua: &Lua, house: &House, values: MultiValue) -> mlua::Result<()> {
    let args = Args::new("p:emit", values);
    let name = args.utf8(1)?;
    let Some(kind) = Kind::parse(&name).filter(|kind| *kind != Kind::ProviderRequestPrepared) else {
        return Err(args.refuse(1, &format!("there is no event `{name}` that only observes")));
    };
    let fields = match args.any(2) {
        Value::Nil => Json::default(),
        _ => client::object(lua, &args, 2, Some(args.table(2)?))?,
    };
    let fields = fields.as_object().cloned().unwrap_or_default();
    let mut event = Event::named(kind, &name, fields);
    if let Some(body) = args.text_or_nil(3)? {
        event = event.with_bytes(bytes::Bytes::copy_from_slice(&body.as_bytes()));
    }
    house.proxy.bus().emit(event);
    house.settle().await;
    Ok(())
}

/// `p:command(name, words...)`: what it printed.
async fn command(lua: &Lua, house: &House, values: MultiValue) -> mlua::Result<Value> {
    let args = Args::new("p:command", values);
    let name = args.utf8(1)?;
    let words = (2..=args.len()).map(|place| args.utf8(place)).collect::<mlua::Result<Vec<_>>>()?;
    let entry = house.entry().ok_or_else(|| mlua::Error::runtime("the plugin is not there"))?;
    let (own, auth) = (&entry.manifest.commands, &entry.manifest.auth_commands);
    let names = own.iter().map(|command| &command.name).chain(auth.iter().map(|command| &command.name));
    let index = names.clone().position(|known| *known == name);
    let command = index.and_then(|index| house.runtime()?.command(index));
    let Some(command) = command else {
        let known: Vec<String> = names.map(|name| format!("`{name}`")).collect();
        return Err(args.refuse(1, &format!("no command `{name}`; there are {}", known.join(", "))));
    };
    let said = command.run(words).await.map_err(|error| mlua::Error::runtime(error.to_string()))?;
    house.settle().await;
    data::from_value(lua, &said)
}

pub(super) const PENDING: &[&str] = &["wait", "so_far", "is_done", "leave"];

/// A request in the background.
pub(super) struct PendingHandle {
    pending: Pending,
    house: Arc<House>,
}

impl UserData for PendingHandle {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_async_method("wait", |lua, this: UserDataRef<Self>, ()| async move {
            let answered = this.pending.wait(&this.house).await;
            sight::answer(&lua, &answered)
        });
        methods.add_method("so_far", |lua, this, ()| sight::answer(lua, &this.pending.so_far()));
        methods.add_method("is_done", |_, this, ()| Ok(this.pending.is_done()));
        methods.add_async_method("leave", |_, this: UserDataRef<Self>, ()| async move {
            this.pending.leave();
            tokio::time::sleep(Duration::from_millis(1)).await;
            this.house.settle().await;
            Ok(())
        });
        methods.add_meta_method(MetaMethod::Index, |_, _, key: Value| -> mlua::Result<Value> {
            Err(no_field("a request in the background", &key.to_string()?, PENDING))
        });
    }
}
