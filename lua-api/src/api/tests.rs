//! Runs `tests/lua/<namespace>.lua` in a VM with the `ccproxy` table. A file fails where an `assert` in it does.

mod server;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ccproxy_core::config::FieldKind;
use ccproxy_core::error::{Error, Kind, Result};
use ccproxy_core::plugin::{PluginContext, Service, Services};
use ccproxy_core::settings::UpstreamSettings;
use ccproxy_core::step::BoxFuture;
use ccproxy_core::upstream::Upstream;
use mlua::Lua;
use serde_json::Value;

use super::install;
use crate::host::{Capabilities, Host, Limits};

/// A plugin while its manifest is read.
fn manifest() -> Arc<Host> {
    Arc::new(Host {
        plugin: Arc::from("probe"),
        capabilities: Capabilities::default(),
        limits: Limits::default(),
        paths: Vec::new(),
        context: None,
    })
}

/// A plugin that runs.
fn running(capabilities: &[&str]) -> Arc<Host> {
    running_in("unused".into(), capabilities)
}

/// The same, with a folder for its files.
fn running_in(data_dir: PathBuf, capabilities: &[&str]) -> Arc<Host> {
    let services = Arc::new(Services::default());
    services.provide("echo", "other", Arc::new(Echo));
    let context = PluginContext {
        name: Arc::from("probe"),
        config: Arc::new(Value::Null),
        data_dir,
        generation: 1,
        services,
        bus: Arc::default(),
        upstream: Arc::new(Upstream::new(UpstreamSettings::default()).expect("an upstream")),
        oauth: Arc::default(),
        store: Arc::default(),
        previous: None,
    };
    let rights: Vec<String> = capabilities.iter().map(|right| (*right).to_owned()).collect();
    Arc::new(Host {
        plugin: Arc::from("probe"),
        capabilities: Capabilities::new(&rights),
        limits: Limits::default(),
        paths: Vec::new(),
        context: Some(context),
    })
}

/// A service whose functions return what they were called with, but for `fail`.
struct Echo;

impl Service for Echo {
    fn call<'a>(&'a self, function: &'a str, args: Vec<Value>) -> BoxFuture<'a, Result<Value>> {
        Box::pin(async move {
            if function == "fail" {
                return Err(Error::client(Kind::InvalidRequest, "no"));
            }
            Ok([Value::from(function)].into_iter().chain(args).collect())
        })
    }
}

fn vm(host: &Arc<Host>) -> Lua {
    let lua = Lua::new();
    let table = install(&lua, host).expect("the table is built");
    lua.globals().set("ccproxy", table).expect("a global");
    lua.load(include_str!("../../tests/lua/support.lua")).set_name("@support.lua").exec().expect("support");
    lua.load("watch(ccproxy)").exec().expect("watched");
    lua
}

/// A VM of a running plugin and nothing else.
pub(crate) fn bare(capabilities: &[&str]) -> Lua {
    let lua = Lua::new();
    let table = install(&lua, &running(capabilities)).expect("the table is built");
    lua.globals().set("ccproxy", table).expect("a global");
    lua
}

/// A VM of a plugin with every right, whose files are in a folder of their own and which may ask a server.
/// The server's address is given, and it answers while the test runs.
pub(crate) async fn served() -> (Lua, String) {
    let server = server::Server::start().await;
    let base = format!("http://{}", server.address);
    let folder = tempfile::tempdir().expect("a folder");
    let lua = Lua::new();
    let host = running_in(folder.path().join("probe"), &["kv", "files", &format!("http:{}", server.address)]);
    let table = install(&lua, &host).expect("the table is built");
    lua.globals().set("ccproxy", table).expect("a global");
    lua.set_app_data((server, folder));
    (lua, base)
}

async fn run(lua: &Lua, name: &str, text: &str) {
    if let Err(error) = lua.load(text).set_name(format!("@{name}.lua")).exec_async().await {
        panic!("{error}");
    }
    for function in COVERED.iter().filter(|(file, _)| *file == name).flat_map(|(_, names)| *names) {
        let unmet: Vec<String> =
            lua.load(format!("return unmet({function:?})")).eval().expect("a list of what is missing");
        let unmet: Vec<_> = unmet.iter().filter(|case| !CANNOT_FAIL.contains(&case.as_str())).collect();
        assert!(unmet.is_empty(), "{name}.lua has no case for {unmet:?}");
    }
}

/// Which functions each file must show going well and failing.
const COVERED: &[(&str, &[&str])] = &[
    ("crypto", &["crypto"]),
    ("error", &["error", "has"]),
    ("events", &["events"]),
    ("file", &["file"]),
    ("http", &["http"]),
    ("json", &["json"]),
    ("kv", &["kv"]),
    ("log", &["log"]),
    ("re", &["re"]),
    ("schema", &["schema"]),
    ("services", &["services"]),
    ("sse", &["sse"]),
    ("time", &["time"]),
    ("toml", &["toml"]),
    ("wait", &["wait", "notify"]),
];

const CANNOT_FAIL: &[&str] = &["crypto.uuid: bad", "file.flush: bad", "time.monotonic: bad", "time.now: bad"];

macro_rules! lua_tests {
    ($($name:ident: $host:expr;)*) => {
        $(
            #[tokio::test]
            async fn $name() {
                let text = include_str!(concat!("../../tests/lua/", stringify!($name), ".lua"));
                run(&vm(&$host), stringify!($name), text).await;
            }
        )*
    };
}

lua_tests! {
    crypto: running(&[]);
    declaring: manifest();
    error: manifest();
    events: running(&[]);
    json: running(&[]);
    kv: running(&["kv"]);
    log: running(&[]);
    re: running(&[]);
    schema: manifest();
    services: running(&[]);
    sse: running(&[]);
    time: running(&[]);
    toml: running(&[]);
    wait: running(&[]);
}

#[tokio::test]
async fn file() {
    let folder = tempfile::tempdir().expect("a folder");
    let lua = vm(&running_in(folder.path().join("probe"), &["files"]));
    run(&lua, "file", include_str!("../../tests/lua/file.lua")).await;
}

#[tokio::test]
async fn http() {
    let server = server::Server::start().await;
    let other = server::Server::start().await;
    let lua = vm(&running(&[&format!("http:{}", server.address)]));
    lua.globals().set("base", format!("http://{}", server.address)).expect("a global");
    lua.globals().set("other", format!("http://{}", other.address)).expect("a global");
    lua.globals().set("port", server.address.port()).expect("a global");
    run(&lua, "http", include_str!("../../tests/lua/http.lua")).await;
    assert_eq!(other.asked(), 0, "no request reached a host that is not named");
}

#[tokio::test]
async fn rights_that_were_not_asked_for_are_not_there() {
    let lua = vm(&running(&[]));
    for (call, right) in
        [("kv.get('x')", "kv"), ("file.list()", "files"), ("http.get('http://127.0.0.1/')", "http")]
    {
        let error = lua.load(format!("ccproxy.{call}")).exec_async().await.expect_err("it raises");
        let expected = format!("needs the capability `{right}`; add it to `capabilities` in the manifest");
        assert!(error.to_string().contains(&expected), "{error}");
    }
}

#[tokio::test]
async fn a_raised_error_object_is_found_again() {
    let lua = vm(&manifest());
    let raise =
        lua.load("error(ccproxy.error(429, 'rate_limit_error', 'slow down', { ['retry-after'] = 5 }))");
    let error = raise.exec_async().await.expect_err("it raises");
    let raised = super::error::raised(&lua, &error).expect("an error object").to_core();
    assert_eq!((raised.status().as_u16(), raised.message()), (429, "slow down"));
    assert_eq!(raised.headers()[0].1, "5");
    let plain = lua.load("error('429 rate_limit_error: slow downs')").exec().expect_err("it raises");
    assert_eq!(super::error::raised(&lua, &plain), None);
}

#[tokio::test]
async fn a_wait_is_woken_from_another_vm_of_the_plugin() {
    let host = running(&[]);
    let (waiting, notifying) = (vm(&host), vm(&host));
    let wait = waiting.load("return ccproxy.wait('answer', 30)");
    let notify = notifying.load(
        "local woken repeat woken = ccproxy.notify('answer', 'yes', { keep = 0 }) ccproxy.time.sleep(0.001)
        until woken > 0 return woken",
    );
    let both = async { tokio::join!(wait.eval_async::<String>(), notify.eval_async::<u32>()) };
    let (heard, woken) = tokio::time::timeout(Duration::from_secs(20), both).await.expect("in time");
    assert_eq!((heard.expect("heard").as_str(), woken.expect("woken")), ("yes", 1));
}

#[test]
fn schema_reads_as_the_core_knows_it() {
    let lua = vm(&manifest());
    let table: mlua::Table = lua
        .load(
            r#"local s = ccproxy.schema
            return {
                zeta = s.duration { default = "1m", doc = "first" },
                alpha = s.size { default = "1KiB", min = 1 },
                mid = s.list { of = s.enum { "a", "b" }, default = {} },
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
