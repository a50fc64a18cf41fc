//! `/plugins`: what runs, what does not, and why. The shapes are the mission's.

use std::sync::Arc;

use http::StatusCode;
use serde_json::{Map, Value, json};

use super::{health::ask, param};
use crate::body::Answer;
use crate::error::{Error, Kind, Result, Side};
use crate::exchange::Exchange;
use crate::plugin::{HealthStatus, Manifest};
use crate::proxy::Proxy;
use crate::registry::{Entry, State};
use crate::unix_time;

/// `GET /plugins`: every plugin that is not switched off.
pub(super) async fn list(exchange: Arc<Exchange>) -> Result<Answer> {
    let plugins: Vec<Value> = exchange
        .generation
        .entries
        .iter()
        .filter(|entry| !matches!(entry.state, State::Disabled(_)))
        .map(|entry| {
            json!({
                "name": entry.manifest.name,
                "type": entry.manifest.kind,
                "status": entry.state.word(),
                "version": entry.manifest.version,
            })
        })
        .collect();
    Ok(Answer::json(StatusCode::OK, &json!({ "total": plugins.len(), "plugins": plugins })))
}

/// `GET /plugins/{name}/health`: asks the plugin now.
pub(super) async fn health(exchange: Arc<Exchange>) -> Result<Answer> {
    let entry = entry(&exchange)?;
    let health = ask(entry).await;
    let provider = entry.runtime.as_ref().and_then(|runtime| runtime.provider());
    let mut details = Map::new();
    details.insert("type".into(), json!(entry.manifest.kind));
    details.insert("initialized".into(), entry.runtime.is_some().into());
    details.insert("state".into(), entry.state.word().into());
    if !health.output.is_empty() {
        details.insert("output".into(), health.output.clone().into());
    }
    details.extend(health.details);
    let status = match health.status {
        HealthStatus::Pass => "healthy",
        HealthStatus::Warn => "degraded",
        HealthStatus::Fail => "unhealthy",
    };
    let code =
        if health.status == HealthStatus::Fail { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    Ok(Answer::json(
        code,
        &json!({
            "plugin": entry.manifest.name,
            "status": status,
            "adapter_loaded": provider.is_some(),
            "details": details,
        }),
    ))
}

/// `GET /plugins/status`: initialization order, services, and each plugin's manifest and state.
pub(super) async fn status(proxy: Arc<Proxy>, exchange: Arc<Exchange>) -> Result<Answer> {
    let generation = &exchange.generation;
    let order: Vec<&str> = generation
        .entries
        .iter()
        .filter(|entry| entry.state.runs())
        .map(|entry| entry.manifest.name.as_str())
        .collect();
    let plugins: Vec<Value> =
        generation.entries.iter().map(|entry| describe(&proxy, &exchange, entry)).collect();
    let chain: Vec<Value> = generation
        .chain
        .links()
        .iter()
        .map(|link| json!({ "plugin": link.plugin, "name": link.spec.name, "layer": link.spec.layer, "priority": link.spec.priority }))
        .collect();
    Ok(Answer::json(
        StatusCode::OK,
        &json!({
            "version": env!("CARGO_PKG_VERSION"),
            "generation": generation.number,
            "initialization_order": order,
            "services": proxy.services().list(),
            "middleware_order": chain,
            "warnings": generation.warnings,
            "routing": generation.routing.status(),
            "reload": proxy.reloads(),
            "retiring": proxy.retiring(),
            "plugins": plugins,
        }),
    ))
}

/// `POST /plugins/{name}/tasks/{task}/run`.
pub(super) async fn run_task(proxy: Arc<Proxy>, exchange: Arc<Exchange>) -> Result<Answer> {
    let name = entry(&exchange)?.manifest.name.clone();
    let task = param(&exchange, "task");
    let status = proxy.run_task(&name, &task).await.map_err(|error| match error.side() {
        // What a script raised is for operators: it is in the status and in the log.
        Side::Plugin => {
            let said = format!(
                "task `{task}` of plugin `{name}` failed; its `last_error` in `GET /plugins/status` says why"
            );
            Error::new(Side::Plugin, error.kind(), said).with_log(error.to_string())
        }
        _ => error,
    })?;
    Ok(Answer::json(StatusCode::OK, &status))
}

/// `POST /plugins/{name}/commands/{command}` with `{"args": [...]}`.
pub(super) async fn run_command(exchange: Arc<Exchange>) -> Result<Answer> {
    let entry = entry(&exchange)?;
    let wanted = param(&exchange, "command");
    // The auth commands follow the commands, as in the runtime.
    let names = entry.manifest.commands.iter().map(|command| &command.name);
    let mut names = names.chain(entry.manifest.auth_commands.iter().map(|command| &command.name));
    let index = names.position(|name| *name == wanted);
    let command = index.and_then(|index| entry.runtime.as_ref()?.command(index));
    let Some(command) = command else {
        return Err(Error::client(
            Kind::NotFound,
            format!("plugin `{}` has no command `{wanted}` that could run", entry.manifest.name),
        ));
    };
    let body = exchange.request.lock().body.bytes().clone();
    #[derive(Default, serde::Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Words {
        args: Vec<String>,
    }
    let words: Words = if body.is_empty() {
        Words::default()
    } else {
        serde_json::from_slice(&body).map_err(|error| {
            Error::client(Kind::InvalidRequest, format!("expected `{{\"args\": [...]}}`: {error}"))
        })?
    };
    let result = command.run(words.args).await?;
    Ok(Answer::json(StatusCode::OK, &json!({ "result": result })))
}

/// The plugin that the path names.
pub(super) fn entry(exchange: &Exchange) -> Result<&Arc<Entry>> {
    let name = param(exchange, "name");
    exchange.generation.entry(&name).ok_or_else(|| {
        Error::client(Kind::NotFound, format!("no plugin `{name}`; `GET /plugins` lists them"))
    })
}

fn describe(proxy: &Proxy, exchange: &Exchange, entry: &Entry) -> Value {
    let Manifest { name, version, description, .. } = &*entry.manifest;
    json!({
        "name": name,
        "version": version,
        "description": description,
        "type": entry.manifest.kind,
        "state": entry.state.word(),
        "reason": entry.state.reason(),
        "initialized": entry.runtime.is_some(),
        "since": unix_time::precise(entry.since),
        "manifest": manifest_json(&entry.manifest),
        "tasks": proxy.tasks(name),
        "dropped_events": exchange.generation.listeners.dropped(name),
        "stats": entry.runtime.as_ref().map(|runtime| Value::Object(runtime.stats())),
        "provides": entry.manifest.provides,
        "requires": entry.manifest.requires,
        "optional_requires": entry.manifest.optional_requires,
    })
}

/// A manifest as JSON.
pub fn manifest_json(manifest: &Manifest) -> Value {
    json!({
        "source": manifest.source,
        "dormant": manifest.dormant,
        "dependencies": manifest.dependencies,
        "capabilities": manifest.capabilities,
        "models": manifest.models,
        "credential_marks": manifest.credential_marks,
        "settings": manifest.config.fields.iter().map(|field| field.name.as_str()).collect::<Vec<_>>(),
        "middleware": manifest.middleware.iter().map(|spec| json!({
            "name": spec.name,
            "layer": spec.layer,
            "priority": spec.priority,
            "moments": spec.moments,
            "when": spec.when,
            "body": spec.body,
            "on_error": spec.on_error,
            "guards": spec.guards,
            "args": spec.args,
        })).collect::<Vec<_>>(),
        "routes": manifest.routes.iter().map(|spec| json!({
            "method": spec.method.as_str(),
            "prefix": spec.prefix,
            "path": spec.full_path(),
            "summary": spec.summary,
            "tags": spec.tags,
            "auth": spec.auth,
        })).collect::<Vec<_>>(),
        "tasks": manifest.tasks.iter().map(|spec| json!({
            "name": spec.name,
            "every_seconds": spec.every.as_secs_f64(),
            "enabled": spec.enabled,
            "at_start": spec.at_start,
            "timeout_seconds": spec.timeout.as_secs_f64(),
            "jitter": spec.jitter,
            "backoff_seconds": spec.backoff.as_secs_f64(),
            "args": spec.args,
        })).collect::<Vec<_>>(),
        "hooks": manifest.hooks.iter().map(|spec| json!({ "event": spec.name, "priority": spec.priority, "body": spec.body })).collect::<Vec<_>>(),
        "commands": manifest.commands,
        "auth_commands": manifest.auth_commands,
        "oauth_provider": manifest.oauth_provider,
    })
}
