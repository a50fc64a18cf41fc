//! `ccproxy serve`: runs the proxy until a signal ends it.

mod banner;

use std::path::PathBuf;
use std::time::Duration;

use ccproxy_core::config::{Node, Origin};
use ccproxy_core::generation::Generation;
use ccproxy_core::proxy::Proxy;
use ccproxy_core::secret::Secret;
use ccproxy_core::server::{Server, signals};
use clap::Args;
use serde_json::{Value, json};

use super::context::sound;
use super::output::Output;
use super::{Failure, Global, Outcome};
use crate::config::{Inputs, Loaded, load};
use crate::excerpt::Excerpts;
use crate::logging;
use crate::wiring::Search;
use banner::Banner;

/// Hears of a reload: what was live before, what is now.
pub(crate) type Told = Box<dyn Fn(&Generation, &Generation) + Send>;

/// What `ccproxy dev` adds.
pub(crate) struct Workbench {
    /// The scripts, to be shown beside messages.
    pub(crate) excerpts: Excerpts,
    /// What lets a session in.
    pub(crate) secret: Secret,
    /// Hears of each reload.
    pub(crate) told: Told,
}

/// Hears the first address and what is live before the first request is taken; a failure ends the command.
pub(crate) type Ready<'a> = &'a dyn Fn(&str, &Generation) -> Outcome;

/// How long the end waits for tokens that a server has handed out already.
const SETTLE: Duration = Duration::from_secs(35);

/// Run the proxy
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Serve {
    /// Address to listen on
    #[arg(long)]
    host: Option<String>,
    /// Port to listen on; 0 takes a free one
    #[arg(long, short)]
    port: Option<u16>,
    /// The key that clients send; `env:NAME` and `file:/path` keep it out of the process list
    #[arg(long, value_name = "KEY")]
    auth_token: Option<String>,
    /// How much is logged: off, error, warn, info, debug, trace
    #[arg(long, value_name = "LEVEL")]
    pub(crate) log_level: Option<String>,
    /// The form of log lines: auto, pretty, plain, json
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<String>,
    /// Append log lines to a file instead of standard error
    #[arg(long, value_name = "FILE")]
    log_file: Option<PathBuf>,
    /// Run only this plugin (may be repeated)
    #[arg(long, value_name = "NAME")]
    enable_plugin: Vec<String>,
    /// Do not run this plugin (may be repeated)
    #[arg(long, value_name = "NAME")]
    disable_plugin: Vec<String>,
    /// Print what is served as one JSON object
    #[arg(long)]
    json: bool,
}

impl Serve {
    pub(crate) fn run(self, global: &Global, output: &mut Output) -> Outcome {
        let loaded = self.load_over(Node::empty(), global, output)?;
        self.run_with(&loaded, output, None, &|_, _| Ok(()))
    }

    /// The same with a plugin more, where only some run.
    pub(super) fn with_plugin(mut self, name: &str) -> Self {
        if !self.enable_plugin.is_empty() {
            self.enable_plugin.push(name.to_owned());
        }
        self
    }

    /// The configuration under the flags, and under settings that outrank all others.
    pub(super) fn load_over(
        &self,
        settings: Node,
        global: &Global,
        output: &mut Output,
    ) -> Result<Loaded, Failure> {
        let mut flags = self.flags();
        flags.merge(settings);
        sound(load(&Inputs { flags, ..global.inputs()? }), output)
    }

    /// Serves.
    pub(crate) fn run_with(
        &self,
        loaded: &Loaded,
        output: &mut Output,
        workbench: Option<Workbench>,
        ready: Ready<'_>,
    ) -> Outcome {
        let excerpts = workbench.as_ref().map(|workbench| workbench.excerpts.clone());
        logging::start(&loaded.settings.logging, excerpts).map_err(Failure::new)?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Failure::new(format!("cannot start: {error}")))?;
        runtime.block_on(self.serve(loaded, output, workbench, ready))
    }

    async fn serve(
        &self,
        loaded: &Loaded,
        output: &mut Output,
        workbench: Option<Workbench>,
        ready: Ready<'_>,
    ) -> Outcome {
        let settings = loaded.settings.core.clone();
        let server = Server::bind(&settings.server)?;
        // Heard from here on: a signal during the start of the plugins is not lost.
        let shutdown = signals(server.drain())?;
        let search = Search::of(loaded);
        let proxy =
            Proxy::start(settings, &server, search.discover(), search.logins().registry().clone()).await?;
        let logins = search.logins().clone();
        logins.keeper().announce_on(proxy.bus());
        search.balancer().announce_on(proxy.bus());
        // A keyring that is slow is asked before anybody waits for it.
        tokio::spawn(async move {
            let vault = logins.keeper().vault();
            if vault.providers().is_ok_and(|providers| !providers.is_empty()) {
                vault.key().await;
            }
        });
        let told = match workbench {
            Some(workbench) => {
                proxy.open_workbench(workbench.secret);
                workbench.told
            }
            None => Box::new(|_: &Generation, _: &Generation| {}),
        };
        let _watch = search.watch(&proxy, told);
        let live = proxy.pipeline().live();
        let banner = Banner::of(&server, &live, loaded);
        ready(banner.address(), &live)?;
        drop(live);
        match self.json {
            true => output.json(&banner),
            false => output.text(&banner.to_string()),
        }
        proxy.serve(server, shutdown).await;
        search.logins().keeper().settle(SETTLE).await;
        search.balancer().settle();
        Ok(())
    }

    /// The settings that the flags stand for.
    pub(crate) fn flags(&self) -> Node {
        let mut node = Node::empty();
        let mut set = |flag: &str, key: &str, value: Option<Value>| {
            if let Some(value) = value {
                let path: Vec<String> = key.split('.').map(str::to_owned).collect();
                node.set(&path, Node::of(&value, &Origin::Flag(flag.into())));
            }
        };
        let names = |names: &Vec<String>| (!names.is_empty()).then(|| json!(names));
        set("--host", "server.host", self.host.clone().map(Value::from));
        set("--port", "server.port", self.port.map(Value::from));
        set("--auth-token", "server.auth_token", self.auth_token.clone().map(Value::from));
        set("--log-level", "logging.level", self.log_level.clone().map(Value::from));
        set("--log-format", "logging.format", self.log_format.clone().map(Value::from));
        set("--log-file", "logging.file", self.log_file.as_ref().map(|path| json!(path)));
        set("--enable-plugin", "enabled_plugins", names(&self.enable_plugin));
        set("--disable-plugin", "disabled_plugins", names(&self.disable_plugin));
        node
    }

    /// What `--port` and the others make of a configuration, for tests.
    #[cfg(test)]
    pub(crate) fn inputs(&self) -> Inputs {
        Inputs { flags: self.flags(), cwd: PathBuf::from("/"), ..Inputs::default() }
    }
}
