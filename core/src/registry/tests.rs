//! Building generations: failures stay with their plugin, reloads keep what did not change.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use parking_lot::Mutex;
use serde_json::{Value, json};

use super::{Build, Entry, State, build};
use crate::config::{Field, Schema};
use crate::error::{Error, Result};
use crate::hooks::Bus;
use crate::plugin::{Health, Manifest, PluginContext, PluginFactory, PluginRuntime, Services};
use crate::settings::{PluginSettings, UpstreamSettings};
use crate::step::BoxFuture;
use crate::store::Store;
use crate::upstream::Upstream;

/// What one fake plugin does; shared by all instances the factory makes.
#[derive(Default)]
struct Script {
    manifest: Manifest,
    code: u64,
    fails: &'static str,
    log: Arc<Mutex<Vec<String>>>,
    made: AtomicU32,
}

struct Factory(Arc<Script>);

impl PluginFactory for Factory {
    fn manifest(&self) -> &Manifest {
        &self.0.manifest
    }
    fn fingerprint(&self) -> u64 {
        self.0.code
    }
    fn create(&self, context: PluginContext) -> Result<Arc<dyn PluginRuntime>> {
        if self.0.fails == "create" {
            return Err(Error::plugin(&self.0.manifest.name, "cannot be made"));
        }
        let number = self.0.made.fetch_add(1, Ordering::SeqCst) + 1;
        Ok(Arc::new(Runtime { script: self.0.clone(), number, previous: context.previous }))
    }
}

struct Runtime {
    script: Arc<Script>,
    number: u32,
    previous: Option<Value>,
}

impl PluginRuntime for Runtime {
    fn initialize(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async {
            let name = &self.script.manifest.name;
            self.script.log.lock().push(format!("{name} up after {:?}", self.previous));
            if self.script.fails == "initialize" { Err(Error::plugin(name, "cannot start")) } else { Ok(()) }
        })
    }
    fn validate(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async {
            if self.script.fails == "validate" { Err(Error::plugin("it", "not valid")) } else { Ok(()) }
        })
    }
    fn health(&self) -> BoxFuture<'_, Health> {
        Box::pin(async { Health::pass() })
    }
    fn shutdown(&self) -> BoxFuture<'_, ()> {
        self.script.log.lock().push(format!("{} down", self.script.manifest.name));
        Box::pin(async {})
    }
    fn snapshot(&self) -> BoxFuture<'_, Option<Value>> {
        Box::pin(async { Some(json!(self.number)) })
    }
}

type Log = Arc<Mutex<Vec<String>>>;

fn plugin(log: &Log, name: &str, change: impl FnOnce(&mut Script)) -> Arc<dyn PluginFactory> {
    let mut script = Script { log: log.clone(), ..Script::default() };
    script.manifest.name = name.to_owned();
    change(&mut script);
    Arc::new(Factory(Arc::new(script)))
}

async fn generation(
    factories: Vec<Arc<dyn PluginFactory>>,
    broken: Vec<(String, String)>,
    previous: &[Arc<Entry>],
) -> Vec<Arc<Entry>> {
    with_settings(&PluginSettings::default(), factories, broken, previous).await.0
}

async fn with_settings(
    settings: &PluginSettings,
    factories: Vec<Arc<dyn PluginFactory>>,
    broken: Vec<(String, String)>,
    previous: &[Arc<Entry>],
) -> (Vec<Arc<Entry>>, Vec<String>) {
    build(Build {
        settings,
        data_dir: "unused".into(),
        factories,
        broken,
        previous,
        generation: 1,
        services: Arc::new(Services::default()),
        bus: Arc::new(Bus::default()),
        upstream: Arc::new(Upstream::new(UpstreamSettings::default()).unwrap()),
        oauth: Arc::default(),
        store: Arc::new(Store::default()),
    })
    .await
}

fn states(entries: &[Arc<Entry>]) -> Vec<(String, &'static str)> {
    entries.iter().map(|entry| (entry.manifest.name.clone(), entry.state.word())).collect()
}

fn named(entries: &[Arc<Entry>], name: &str) -> Arc<Entry> {
    entries.iter().find(|entry| entry.manifest.name == name).unwrap().clone()
}

#[tokio::test]
async fn each_failure_stays_with_its_plugin_and_who_needs_it() {
    let log = Log::default();
    let needs =
        |name: &'static str| move |script: &mut Script| script.manifest.dependencies = vec![name.into()];
    let entries = generation(
        vec![
            plugin(&log, "a", |script| script.fails = "initialize"),
            plugin(&log, "b", needs("a")),
            plugin(&log, "c", |script| script.fails = "validate"),
            plugin(&log, "d", |script| script.fails = "create"),
            plugin(&log, "e", |_| {}),
            plugin(&log, "f", needs("missing")),
        ],
        vec![("g".into(), "plugin.lua:3: unexpected symbol".into())],
        &[],
    )
    .await;
    let states = states(&entries);
    assert_eq!(states[0], ("e".into(), "active"), "those that run stand first");
    for (name, state) in [
        ("a", "failed"),
        ("b", "skipped"),
        ("c", "failed"),
        ("d", "failed"),
        ("f", "skipped"),
        ("g", "failed"),
    ] {
        assert!(states.contains(&(name.into(), state)), "{name}: {states:?}");
    }
    assert_eq!(named(&entries, "b").state.reason().unwrap(), "it needs plugin `a`, which does not run");
    assert!(named(&entries, "g").state.reason().unwrap().contains("plugin.lua:3"));
    assert!(log.lock().contains(&"c down".to_owned()), "what was half up is taken down");
}

#[tokio::test]
async fn the_nearer_plugin_wins_by_name_and_a_broken_one_does_not_wake_the_farther() {
    let log = Log::default();
    let near = plugin(&log, "a", |script| script.manifest.version = "2".into());
    let far = plugin(&log, "a", |script| script.manifest.version = "1".into());
    let entries = generation(vec![near, far.clone()], vec![], &[]).await;
    assert_eq!(named(&entries, "a").manifest.version, "2");
    let entries = generation(vec![far], vec![("a".into(), "broken".into())], &[]).await;
    assert_eq!(states(&entries), [("a".to_owned(), "failed")]);
}

#[tokio::test]
async fn a_reload_keeps_what_did_not_change_and_hands_state_over_to_what_did() {
    let log = Log::default();
    let same = plugin(&log, "same", |_| {});
    let first =
        generation(vec![same.clone(), plugin(&log, "new", |script| script.code = 1)], vec![], &[]).await;
    let second = generation(vec![same, plugin(&log, "new", |script| script.code = 2)], vec![], &first).await;
    let pointer = |entries: &[Arc<Entry>], name| {
        Arc::as_ptr(named(entries, name).runtime.as_ref().unwrap()).cast::<()>()
    };
    assert_eq!(pointer(&first, "same"), pointer(&second, "same"));
    assert_ne!(pointer(&first, "new"), pointer(&second, "new"));
    assert_eq!(*log.lock(), ["new up after None", "same up after None", "new up after Some(Number(1))"]);
}

#[tokio::test]
async fn a_broken_reload_keeps_the_old_instance_and_says_why_until_it_is_mended() {
    let log = Log::default();
    let good = plugin(&log, "a", |script| script.code = 1);
    let first = generation(vec![good.clone()], vec![], &[]).await;
    let worse = plugin(&log, "a", |script| {
        script.code = 2;
        script.fails = "initialize";
    });
    for (factories, broken) in
        [(vec![worse], vec![]), (vec![], vec![("a".to_owned(), "plugin.lua:1: oops".to_owned())])]
    {
        let second = generation(factories, broken, &first).await;
        let entry = named(&second, "a");
        assert!(matches!(&entry.state, State::Outdated(reason) if !reason.is_empty()), "{:?}", entry.state);
        assert!(Arc::ptr_eq(entry.runtime.as_ref().unwrap(), first[0].runtime.as_ref().unwrap()));
        let mended = generation(vec![good.clone()], vec![], &second).await;
        assert_eq!(named(&mended, "a").state, State::Active);
    }
}

#[tokio::test]
async fn wrong_settings_fail_their_plugin_with_every_problem() {
    let log = Log::default();
    let (node, _) =
        crate::config::read_toml("[plugins.a]\nlimti = 3\nsize = \"x\"\n", std::path::Path::new("c.toml"));
    let tables = node.get(&["plugins"]).and_then(|node| node.table()).unwrap().clone().into_iter().collect();
    let settings = PluginSettings { tables, ..PluginSettings::default() };
    let factory = plugin(&log, "a", |script| {
        script.manifest.config = Schema::of([Field::integer("limit", "x"), Field::integer("size", "y")]);
    });
    let (entries, _) = with_settings(&settings, vec![factory], vec![], &[]).await;
    let reason = entries[0].state.reason().unwrap().to_owned();
    assert_eq!(entries[0].state.word(), "failed");
    assert!(
        reason.contains("c.toml:2") && reason.contains("limit") && reason.contains("c.toml:3"),
        "{reason}"
    );
}

#[tokio::test]
async fn switched_off_plugins_are_listed_with_the_reason() {
    let log = Log::default();
    let settings = PluginSettings {
        disabled: vec!["a".into()],
        enabled: vec!["a".into(), "b".into()],
        ..PluginSettings::default()
    };
    let (entries, warnings) =
        with_settings(&settings, vec![plugin(&log, "a", |_| {}), plugin(&log, "b", |_| {})], vec![], &[])
            .await;
    assert_eq!(states(&entries), [("b".to_owned(), "active"), ("a".to_owned(), "disabled")]);
    assert!(warnings[0].contains('a') && warnings[0].contains("off"), "{warnings:?}");
}
