//! `/health`, `/health/live`, `/health/ready`: each tests what it claims.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use serde_json::{Map, Value, json};

use super::health_json;
use crate::body::Answer;
use crate::error::Result;
use crate::plugin::{Health, HealthStatus, PluginKind};
use crate::proxy::Proxy;
use crate::registry::Entry;
use crate::server::Phase;

/// A plugin that does not say how it is within this time is not well.
const PATIENCE: Duration = Duration::from_secs(2);

/// The process answers: that is all it says.
pub(super) async fn live(_: Arc<Proxy>) -> Result<Answer> {
    Ok(health_json(StatusCode::OK, &head(HealthStatus::Pass, "the process answers")))
}

/// Requests can be served: it is not draining, and a provider runs.
pub(super) async fn ready(proxy: Arc<Proxy>) -> Result<Answer> {
    let live = proxy.pipeline().live();
    let providers = live
        .entries
        .iter()
        .filter(|entry| entry.manifest.kind == PluginKind::Provider && entry.state.runs())
        .count();
    let (status, output) = if proxy.drain().is_some_and(|drain| drain.phase() > Phase::Running) {
        (HealthStatus::Fail, "it is draining")
    } else if providers == 0 {
        (HealthStatus::Fail, "no provider plugin runs")
    } else {
        (HealthStatus::Pass, "providers run and requests are taken")
    };
    let code = if status == HealthStatus::Fail { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    Ok(health_json(code, &head(status, output)))
}

/// Asks every plugin. A plugin that fails is a warning for the whole: the others serve.
pub(super) async fn health(proxy: Arc<Proxy>) -> Result<Answer> {
    let live = proxy.pipeline().live();
    let asked =
        live.entries.iter().filter(|entry| !matches!(entry.state, crate::registry::State::Disabled(_)));
    let answers = futures_util::future::join_all(
        asked.map(|entry| async move { (entry.manifest.name.clone(), ask(entry).await) }),
    )
    .await;
    let mut checks = Map::new();
    let mut worst = HealthStatus::Pass;
    for (name, health) in answers {
        if health.status != HealthStatus::Pass {
            worst = HealthStatus::Warn;
        }
        checks.insert(
            format!("plugin:{name}"),
            json!([{ "componentType": "plugin", "status": health.status, "output": health.output }]),
        );
    }
    let draining = proxy.drain().is_some_and(|drain| drain.phase() > Phase::Running);
    let output = if draining { "draining" } else { "serving" };
    let mut value = head(worst, output);
    value["serviceId"] = "ccproxy".into();
    value["checks"] = Value::Object(checks);
    Ok(health_json(StatusCode::OK, &value))
}

/// Asks a plugin how it is, now; one that does not run says why.
pub(super) async fn ask(entry: &Entry) -> Health {
    match (&entry.runtime, entry.state.reason()) {
        (Some(runtime), reason) => match tokio::time::timeout(PATIENCE, runtime.health()).await {
            Ok(mut health) => {
                if let Some(reason) = reason {
                    health.status = if health.status == HealthStatus::Fail {
                        HealthStatus::Fail
                    } else {
                        HealthStatus::Warn
                    };
                    health.output = format!("runs its last good code: {reason}");
                }
                health
            }
            Err(_) => Health::fail(format!("no answer within {} s", PATIENCE.as_secs())),
        },
        (None, reason) => Health::fail(reason.unwrap_or("it does not run")),
    }
}

fn head(status: HealthStatus, output: &str) -> Value {
    json!({ "status": status, "version": env!("CARGO_PKG_VERSION"), "output": output })
}
