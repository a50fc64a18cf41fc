//! Runs `tests/lua/<namespace>.lua` in a VM with the `ccproxy` table. A file fails where an `assert` in it does.

use std::sync::Arc;

use mlua::Lua;

use super::install;
use crate::host::{Capabilities, Host, Limits};

fn declaring() -> Arc<Host> {
    Arc::new(Host {
        plugin: Arc::from("probe"),
        capabilities: Capabilities::default(),
        limits: Limits::default(),
        context: None,
    })
}

fn vm(host: &Arc<Host>) -> Lua {
    let lua = Lua::new();
    let table = install(&lua, host).expect("the table is built");
    lua.globals().set("ccproxy", table).expect("a global");
    lua.load(include_str!("../../tests/lua/support.lua")).set_name("@support.lua").exec().expect("support");
    lua
}

fn run(lua: &Lua, name: &str, text: &str) {
    if let Err(error) = lua.load(text).set_name(format!("@{name}.lua")).exec() {
        panic!("{error}");
    }
}

#[test]
fn json() {
    run(&vm(&declaring()), "json", include_str!("../../tests/lua/json.lua"));
}

#[test]
fn error() {
    let lua = vm(&declaring());
    run(&lua, "error", include_str!("../../tests/lua/error.lua"));
    let raised = lua.load("error(ccproxy.error(429, 'rate_limit_error', 'slow down'))").exec();
    let raised = super::error::raised(&lua, &raised.expect_err("it raises")).expect("an error object");
    assert_eq!(raised.to_core().status().as_u16(), 429);
    let plain = lua.load("error('429 rate_limit_error: slow downs')").exec().expect_err("it raises");
    assert_eq!(super::error::raised(&lua, &plain), None);
}

#[test]
fn schema() {
    run(&vm(&declaring()), "schema", include_str!("../../tests/lua/schema.lua"));
}

#[test]
fn schema_reads_as_the_core_knows_it() {
    use ccproxy_core::config::FieldKind;
    let lua = vm(&declaring());
    let table: mlua::Table = lua
        .load(
            r#"local s = ccproxy.schema
            return {
                zeta = s.duration { default = "1m", doc = "first" },
                alpha = s.size { default = "1KiB", min = 1 },
                mid = s.list { s.enum { "a", "b" }, default = {} },
                inner = s.table { fields = { b = s.secret { required = true }, a = s.any() }, open = true },
            }"#,
        )
        .eval()
        .expect("it reads");
    let schema = super::schema::read(&lua, &table).expect("a schema");
    let names: Vec<&str> = schema.fields.iter().map(|field| field.name.as_str()).collect();
    assert_eq!(names, ["zeta", "alpha", "mid", "inner"]);
    assert_eq!(schema.fields[0].default, Some(60.0.into()));
    assert_eq!(schema.fields[0].doc, "first");
    assert_eq!(schema.fields[1].default, Some(1024.into()));
    assert_eq!(schema.fields[2].default, Some(serde_json::json!([])));
    let FieldKind::Table(inner) = &schema.fields[3].kind else { panic!("a table") };
    assert!(inner.open && inner.fields[0].name == "b" && inner.fields[0].required);
}
