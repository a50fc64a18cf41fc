//! The Claude Code CLI that the user has installed and logged in, as a provider: it runs as a subprocess and
//! is spoken to by its stream-json protocol. Nothing of a request decides what it may do on this machine.

mod active;
mod actor;
mod adapter;
mod command;
mod config;
mod detection;
mod digest;
mod failure;
pub mod guard;
mod history;
mod mcp;
mod models;
mod pool;
mod process;
mod protocol;
mod questions;
mod render;
mod reservations;
mod resumable;
mod routes;
mod rules;
mod session;
mod stats;
#[cfg(test)]
mod tests;
mod whole;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ccproxy_core::approval::{Approver, SERVICE};
use ccproxy_core::plugin::{
    Health, Manifest, PluginContext, PluginKind, PluginRuntime, Source, Task, TaskSpec,
};
use ccproxy_core::provider::Provider;
use ccproxy_core::step::BoxFuture;
use ccproxy_core::{Error, Result};
use serde_json::{Map, Value};

use crate::Memory;
use crate::factory::Factory;
use adapter::Adapter;
use command::Command;
use config::Config;
use detection::Detection;
use pool::Pool;
use resumable::Resumable;
use rules::Rules;

const NAME: &str = "claude_sdk";

/// The plugin. `own` is the proxy's binary, when it knows [`guard::WORD`].
pub(crate) fn factory(memory: &Arc<Memory>, own: Option<PathBuf>) -> Factory {
    let manifest = Manifest {
        name: NAME.into(),
        version: env!("CARGO_PKG_VERSION").into(),
        description: "The locally installed, logged-in Claude Code CLI".into(),
        kind: PluginKind::Provider,
        source: Source::Native,
        config: config::schema(),
        optional_requires: vec![SERVICE.into()],
        routes: routes::routes(memory),
        tasks: vec![TaskSpec {
            name: "sweep".into(),
            every: Duration::from_secs(15),
            enabled: true,
            at_start: false,
            timeout: Duration::from_secs(5),
            jitter: 0.1,
            backoff: Duration::from_secs(60),
            args: Value::Null,
        }],
        ..Manifest::default()
    };
    Factory::new(manifest, move |context| create(&context, own.clone()))
        .checking(|settings| Config::read(settings).and_then(|config| Rules::read(&config.allow)).map(drop))
}

fn create(context: &PluginContext, own: Option<PathBuf>) -> Result<Arc<dyn PluginRuntime>> {
    let failed = |why: String| Error::plugin(NAME, why);
    let config = Config::read(&context.config).map_err(failed)?;
    let rules = Rules::read(&config.allow).map_err(failed)?;
    let command = Command::new(&config, &context.data_dir, own.as_deref());
    // Its own is made when it is needed.
    if let Some(trouble) = config.directory.as_ref().and_then(|_| command.folder_trouble()) {
        tracing::warn!("{trouble}");
    }
    let approver = Approver::new(context.services.clone(), Arc::new(rules), config.approval_timeout);
    let resumable = Resumable::open(context.data_dir.join("sessions.json"), config.resume_ttl);
    let pool = Pool::new(config, command, approver, resumable);
    Ok(Arc::new(Runtime { adapter: Arc::new(Adapter::new(pool.clone())), pool, detection: Detection::new() }))
}

struct Runtime {
    adapter: Arc<Adapter>,
    pool: Arc<Pool>,
    detection: Detection,
}

impl PluginRuntime for Runtime {
    fn health(&self) -> BoxFuture<'_, Health> {
        Box::pin(async {
            let command = &self.pool.command;
            let path = command.program();
            let trouble = command.folder_trouble();
            let cli = match path.clone().filter(|_| trouble.is_none()) {
                Some(path) => self.detection.look(command, path).await,
                None => None,
            };
            let health = match (&path, &cli) {
                (None, _) => Health::warn(failure::missing_text(command.name())),
                _ if let Some(trouble) = trouble => Health::fail(trouble),
                (_, None) => Health::warn(failure::asking_text()),
                (_, Some(cli)) if !cli.answers => Health::warn(failure::mute_text(detection::LIMIT)),
                (_, Some(cli)) if cli.logged_in == Some(false) => Health::warn(failure::no_login_text()),
                _ => Health::pass(),
            };
            let logged_in = cli.as_ref().and_then(|cli| cli.logged_in);
            health
                .with("type", "provider")
                .with("initialized", true)
                .with("has_adapter", true)
                .with("has_detection", true)
                .with("has_credentials", logged_in.unwrap_or(path.is_some()))
                .with("logged_in", logged_in)
                .with("cli_version", cli.and_then(|cli| cli.version))
                .with("cli_path", path.map(|path| path.display().to_string()))
        })
    }

    fn shutdown(&self) -> BoxFuture<'_, ()> {
        Box::pin(async { self.pool.shutdown() })
    }

    fn provider(&self) -> Option<Arc<dyn Provider>> {
        Some(self.adapter.clone())
    }

    fn task(&self, index: usize) -> Option<Arc<dyn Task>> {
        (index == 0).then(|| Arc::new(Sweep(self.pool.clone())) as Arc<dyn Task>)
    }

    fn stats(&self) -> Map<String, Value> {
        self.pool.stats()
    }
}

struct Sweep(Arc<Pool>);

impl Task for Sweep {
    fn run(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async {
            self.0.sweep();
            Ok(())
        })
    }
}
