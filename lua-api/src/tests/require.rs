//! `require` in a real VM.

use ccproxy_core::middleware::Flow;
use ccproxy_core::plugin::PluginFactory;

use super::{Bench, body, context, declare_in, engine, manifest, request_fields};

#[tokio::test]
async fn modules_run_once_and_see_each_other() {
    let main = format!(
        "local a = require('lib.a') local again = require('./lib/a') assert(a == again) {}",
        manifest(&request_fields("return { body = require('lib.a').word .. count }"))
    );
    let files = [
        ("plugin.lua", main.as_str()),
        ("lib/a.lua", "count = (count or 0) + 1 return { word = require('b') }"),
        ("b/init.lua", "return 'found'"),
    ];
    let factory = declare_in(&engine(), &files).expect("a sound plugin");
    let services = std::sync::Arc::default();
    let runtime = factory.create(context(None, &services)).expect("a runtime");
    runtime.initialize().await.expect("initialised");
    match (Bench { runtime, services }).run().await {
        Ok(Flow::Answer(answer)) => assert_eq!(body(answer).await, "found1"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn circles_broken_modules_and_strangers_are_named() {
    let cases: &[(&[(&str, &str)], &str)] = &[
        (
            &[("plugin.lua", "require 'a'"), ("a.lua", "require 'b'"), ("b.lua", "require 'a'")],
            "modules require each other: a.lua -> b.lua -> a.lua",
        ),
        (&[("plugin.lua", "require 'a'"), ("a.lua", "\nlocal x = = 1")], "a.lua:2:"),
        (&[("plugin.lua", "require 'a'"), ("a.lua", "\nerror('sad')")], "a.lua:2: sad"),
        (&[("plugin.lua", "require 'nope'")], "no `nope.lua` in the plugin's folder"),
        (&[("plugin.lua", "require '../other/plugin'")], "only files in the plugin's own folder"),
    ];
    for (files, words) in cases {
        let told = declare_in(&engine(), files).map(|_| ()).expect_err("refused").join("\n");
        assert!(told.contains(words), "{told}\nshould hold {words}");
    }
}
