//! What a reload changed, in a few lines.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::Arc;

use ccproxy_core::generation::Generation;
use ccproxy_core::plugin::Manifest;
use ccproxy_core::registry::{Entry, State};
use ccproxy_lua::{Engine, lint};

use crate::excerpt::Excerpts;

/// A line for each plugin that is another one now, with what its manifest gained (`+`) and lost (`-`), or why it
/// could not be taken, with the lines of the script.
pub(super) fn told(
    before: &Generation,
    now: &Generation,
    engine: &Arc<Engine>,
    excerpts: &Excerpts,
) -> String {
    let mut out = String::new();
    for entry in &now.entries {
        let name = &entry.manifest.name;
        let old = before.entry(name);
        let same = old.is_some_and(|old| old.fingerprint == entry.fingerprint && old.state == entry.state);
        if same || (old.is_none() && matches!(entry.state, State::Disabled(_))) {
            continue;
        }
        match (&entry.state, old) {
            (State::Active, Some(old)) if old.state.runs() => {
                let news = differences(&old.manifest, &entry.manifest);
                let back = if matches!(old.state, State::Outdated(_)) { "mended and " } else { "" };
                let _ = writeln!(out, "~ {name} {back}reloaded{}{}", news, settings(old, entry));
            }
            (State::Active, _) => {
                let _ = writeln!(
                    out,
                    "+ {name} {} loaded{}",
                    entry.manifest.version,
                    differences(&Manifest::default(), &entry.manifest)
                );
            }
            (state, _) => {
                let reason = state.reason().unwrap_or_default();
                let word = match state {
                    State::Outdated(_) => "keeps its old code",
                    other => other.word(),
                };
                let _ = writeln!(out, "! {name} {word}: {reason}");
                let excerpt = excerpts.of(name, reason).or_else(|| declared_at(name, engine, excerpts));
                out.push_str(&excerpt.unwrap_or_default());
            }
        }
    }
    for old in before.entries.iter().filter(|old| old.state.runs()) {
        if now.entry(&old.manifest.name).is_none() {
            let _ = writeln!(out, "- {} is gone", old.manifest.name);
        }
    }
    for warning in now.warnings.iter().filter(|warning| !before.warnings.contains(warning)) {
        let _ = writeln!(out, "! {warning}");
    }
    out
}

/// The lines of a mistake in a manifest, whose message has a key and no place: it is looked for in the text.
fn declared_at(name: &str, engine: &Arc<Engine>, excerpts: &Excerpts) -> Option<String> {
    let findings = lint::check(engine, &excerpts.folder(name)?).findings;
    let mistake = findings.iter().find(|finding| finding.error && finding.place.is_some())?;
    excerpts.of(name, &format!("{}:{}", mistake.file, mistake.place.as_ref()?.line))
}

/// `: version 1.0.0 -> 1.1.0, +route GET /x, -task sweep`
fn differences(old: &Manifest, new: &Manifest) -> String {
    let mut news = Vec::new();
    if !old.version.is_empty() && old.version != new.version {
        news.push(format!("version {} -> {}", old.version, new.version));
    }
    let (had, has) = (parts(old), parts(new));
    news.extend(has.difference(&had).map(|part| format!("+{part}")));
    news.extend(had.difference(&has).map(|part| format!("-{part}")));
    if news.is_empty() { String::new() } else { format!(": {}", news.join(", ")) }
}

/// What a manifest declares, one text each.
fn parts(manifest: &Manifest) -> BTreeSet<String> {
    let mut parts = BTreeSet::new();
    parts.extend(manifest.capabilities.iter().map(|right| format!("capability {right}")));
    parts.extend(manifest.config.leaves().iter().map(|(key, _)| format!("setting {key}")));
    parts.extend(manifest.middleware.iter().map(|spec| {
        let body = if spec.body == Default::default() {
            String::new()
        } else {
            format!(" body {:?}", spec.body).to_lowercase()
        };
        format!("middleware {} at {}{body}", spec.name, spec.layer)
    }));
    parts.extend(manifest.hooks.iter().map(|spec| format!("hook {}", spec.name)));
    parts.extend(manifest.routes.iter().map(|spec| format!("route {} {}", spec.method, spec.full_path())));
    parts.extend(
        manifest.tasks.iter().map(|spec| format!("task {} every {} s", spec.name, spec.every.as_secs_f64())),
    );
    parts.extend(manifest.commands.iter().map(|spec| format!("command {}", spec.name)));
    parts.extend(manifest.provides.iter().map(|name| format!("service {name}")));
    parts.extend(manifest.requires.iter().map(|name| format!("need of {name}")));
    parts
}

/// Whether only the code is another one.
fn settings(old: &Entry, new: &Entry) -> &'static str {
    if old.config == new.config { "" } else { " (other settings)" }
}
