//! A plugin that could be added, as its user should see it before saying yes.

use ccproxy_core::middleware::{BodyAccess, layer};
use ccproxy_core::plugin::{Manifest, MiddlewareSpec};
use ccproxy_core::routes::manifest_json;
use serde_json::{Value, json};

use super::offer::Offer;
use super::tree::sum;
use crate::cli::plain;

/// Lines about it: what it is, where it comes from, what it may touch, where it takes part.
pub(crate) fn lines(offer: &Offer) -> Vec<String> {
    let manifest = offer.manifest();
    let mut lines = vec![format!("{} {}: {}", manifest.name, manifest.version, described(manifest))];
    let mut row = |what: &str, values: Vec<String>| {
        for (index, value) in values.into_iter().enumerate() {
            let what = if index == 0 { what } else { "" };
            lines.push(format!("  {what:<11} {}", flat(&value)));
        }
    };
    row("source", vec![offer.source.text()]);
    row("revision", offer.revision.iter().cloned().collect());
    row("files", vec![files(offer)]);
    let none =
        |list: &[String]| if list.is_empty() { vec!["nothing".to_owned()] } else { vec![list.join(", ")] };
    row("may touch", none(&manifest.capabilities));
    row("bodies", vec![bodies(manifest).to_owned()]);
    row("middleware", manifest.middleware.iter().map(middleware).collect());
    let hooks: Vec<String> = manifest.hooks.iter().map(|hook| hook.name.clone()).collect();
    row("hooks", if hooks.is_empty() { hooks } else { vec![hooks.join(", ")] });
    row("routes", routes(manifest));
    let tasks =
        manifest.tasks.iter().map(|task| format!("{} every {} s", task.name, task.every.as_secs_f64()));
    row("tasks", tasks.collect());
    let commands =
        manifest.commands.iter().map(|command| format!("ccproxy x {} {}", manifest.name, command.name));
    row("commands", commands.collect());
    row(
        "logins",
        offer.rights.iter().filter_map(|right| right.strip_prefix("logins of ")).map(str::to_owned).collect(),
    );
    for (what, list) in [
        ("provides", &manifest.provides),
        ("requires", &manifest.requires),
        ("depends on", &manifest.dependencies),
    ] {
        row(what, if list.is_empty() { Vec::new() } else { vec![list.join(", ")] });
    }
    let settings = manifest.config.leaves();
    row("settings", settings.into_iter().map(|(key, field)| format!("{key}: {}", field.doc)).collect());
    lines
}

/// The same for programs.
pub(crate) fn json(offer: &Offer) -> Value {
    let files = offer.tree.hashes();
    let mut manifest = manifest_json(offer.manifest());
    if let Some(manifest) = manifest.as_object_mut() {
        // Where it was looked at means nothing to anybody.
        manifest.shift_remove("source");
    }
    json!({
        "name": offer.name(),
        "version": offer.manifest().version,
        "description": offer.manifest().description,
        "source": offer.source.text(),
        "revision": offer.revision,
        "hash": sum(&files),
        "bytes": offer.tree.bytes(),
        "files": files,
        "rights": offer.rights,
        "manifest": manifest,
    })
}

/// One line, whatever the author wrote: a description must not look like a line of ours.
fn flat(text: &str) -> String {
    plain::line(&text.split_whitespace().collect::<Vec<_>>().join(" "))
}

fn described(manifest: &Manifest) -> String {
    match flat(&manifest.description) {
        text if text.is_empty() => "(no description)".to_owned(),
        text => text.chars().take(300).collect(),
    }
}

fn files(offer: &Offer) -> String {
    let (mut lua, mut others) = (0, 0);
    for (path, _) in offer.tree.files() {
        *(if path.ends_with(".lua") { &mut lua } else { &mut others }) += 1;
    }
    let bytes = offer.tree.bytes();
    match others {
        0 => format!("{lua} of Lua, {bytes} bytes"),
        _ => format!("{lua} of Lua, {others} others, {bytes} bytes"),
    }
}

fn bodies(manifest: &Manifest) -> &'static str {
    let middleware = manifest.middleware.iter().map(|spec| spec.body);
    match middleware.chain(manifest.hooks.iter().map(|hook| hook.body)).max() {
        Some(BodyAccess::Write) => "READS AND CHANGES what is asked and answered",
        Some(BodyAccess::Read) => "READS what is asked and answered",
        _ => "neither read nor changed",
    }
}

fn middleware(spec: &MiddlewareSpec) -> String {
    let moments = json!(spec.moments);
    let moments = moments.as_object().into_iter().flatten().filter(|(_, has)| **has == Value::Bool(true));
    let moments: Vec<&str> = moments.map(|(name, _)| name.as_str()).collect();
    let body = json!(spec.body);
    format!(
        "{} ({} {}): {}; body {}",
        spec.name,
        layer::name(spec.layer),
        spec.layer,
        moments.join(", "),
        body.as_str().unwrap_or("none")
    )
}

fn routes(manifest: &Manifest) -> Vec<String> {
    let route = manifest.routes.iter().map(|route| {
        let open = if route.auth { "" } else { "  WITHOUT a client key" };
        format!("{} {}{open}", route.method, route.full_path())
    });
    route.collect()
}
