//! The OAuth provider that a script declares: made by the host of data and the script's functions. The script sees names
//! of secrets, never secrets; tokens are the host's.

use std::sync::Arc;
use std::time::Duration;

use ccproxy_core::config::FieldKind;
use ccproxy_core::error::Error;
use ccproxy_core::oauth::{Account, Dialect, Endpoints, Failure, OAuthProvider, Reason, Speaks};
use ccproxy_core::secret::Secret;
use ccproxy_core::step::BoxFuture;
use mlua::Function;
use serde_json::{Map, Value};

use crate::call::Begun;
use crate::data;
use crate::fault::Fault;
use crate::manifest::OAuthHandlers;
use crate::manifest::oauth::TEXTS;
use crate::outcome;
use crate::plugin::{self, Plugin};
use crate::script::Script;

/// How long a function may take, waiting included.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The setting that only the host reads.
pub(crate) const CLIENT_SECRET: &str = "client_secret";

/// The provider of a plugin; `None` when it declares none, or leaves speaking to it to its own commands.
pub(crate) fn provider(plugin: &Arc<Plugin>) -> Result<Option<Arc<dyn OAuthProvider>>, Failure> {
    let manifest = &plugin.declaration.manifest;
    let (Some(spec), Some(context)) = (&manifest.oauth_provider, &plugin.host.context) else {
        return Ok(None);
    };
    let mut settings = Endpoints::default();
    for field in &manifest.config.fields {
        let value = &context.config[&field.name];
        let is_secret = field.kind == FieldKind::Secret;
        match value {
            Value::Null => {}
            Value::String(text) if is_secret && field.name == CLIENT_SECRET => {
                settings.client_secret = Some(Secret::new(text));
            }
            value if !is_secret && is_endpoint(&field.name) => {
                settings.plain.insert(field.name.clone(), value.clone());
            }
            _ => {}
        }
    }
    if spec.endpoints.is_empty() && settings.plain.is_empty() {
        return Ok(None);
    }
    let speaks = plugin.declaration.oauth;
    let dialect = (speaks != Speaks::default())
        .then(|| Arc::new(LuaDialect { plugin: plugin.clone(), speaks }) as Arc<dyn Dialect>);
    context.oauth.make(spec, &settings, dialect).map(Some)
}

/// Settings of the plugin that count before what its `oauth_provider` says, beside its texts.
const NAMES: [&str; 5] = ["scopes", "authorize_params", "body", "send_state", "refresh_scopes"];

/// Whether a setting of this name says something about the provider.
fn is_endpoint(name: &str) -> bool {
    TEXTS.contains(&name) || NAMES.contains(&name)
}

/// The functions of a script.
struct LuaDialect {
    plugin: Arc<Plugin>,
    speaks: Speaks,
}

impl LuaDialect {
    /// Calls one of them with plain data; null when it gave nothing.
    async fn call(
        &self,
        label: &'static str,
        which: fn(&OAuthHandlers) -> Option<&Function>,
        asked: Value,
    ) -> Result<Value, Failure> {
        let begin = |script: &Arc<Script>| {
            let function = which(&script.handlers.oauth).ok_or(Fault::Gone)?;
            let asked = plugin::json(script, &asked)?;
            Ok(Begun::alone(script.vm.trampoline.call_async((function, asked, &script.plugin))))
        };
        let finish = |script: &Arc<Script>, values| {
            let [value, ..] = outcome::plain(values)?;
            data::to_value(&script.vm.lua, &value, script.vm.limits.output)
                .map_err(|refused| Fault::Value(format!("returned no plain data: {refused}")))
        };
        let handler = self.plugin.handlers.get(label.trim_matches('`'), label);
        let called = self.plugin.call(None, self.plugin.allowed_apart(TIMEOUT), &handler, begin, finish);
        called.get().await.map_err(|error| self.failure(&error))
    }

    /// The script's own words are for the log.
    fn failure(&self, error: &Error) -> Failure {
        tracing::warn!(plugin = &*self.plugin.name, "{}", error.log().unwrap_or(error.message()));
        let told = format!("the OAuth provider of plugin `{}` failed; the log says how", self.plugin.name);
        Failure::new(Reason::Unsupported, told)
    }

    fn no_sense(&self, label: &str, wanted: &str) -> Failure {
        let told = format!("plugin `{}`: {label} must return {wanted}", self.plugin.name);
        Failure::new(Reason::Unsupported, told)
    }
}

impl Dialect for LuaDialect {
    fn speaks(&self) -> Speaks {
        self.speaks
    }

    fn authorization(&self, asked: Value) -> BoxFuture<'_, Result<Value, Failure>> {
        Box::pin(self.call(
            "`oauth_provider.authorization`",
            |handlers| handlers.authorization.as_ref(),
            asked,
        ))
    }

    fn request(&self, asked: Value) -> BoxFuture<'_, Result<Value, Failure>> {
        Box::pin(self.call("`oauth_provider.request`", |handlers| handlers.request.as_ref(), asked))
    }

    fn account(&self, known: Value) -> BoxFuture<'_, Result<Account, Failure>> {
        Box::pin(async move {
            let label = "`oauth_provider.account`";
            match self.call(label, |handlers| handlers.account.as_ref(), known).await? {
                Value::Null => Ok(Account::default()),
                told => serde_json::from_value(told)
                    .map_err(|_| self.no_sense(label, "`id`, `email`, `plan` and `organization`, all texts")),
            }
        })
    }

    fn summary(&self, summary: Map<String, Value>) -> BoxFuture<'_, Result<Map<String, Value>, Failure>> {
        Box::pin(async move {
            let label = "`oauth_provider.summary`";
            let asked = Value::Object(summary.clone());
            match self.call(label, |handlers| handlers.summary.as_ref(), asked).await? {
                Value::Null => Ok(summary),
                Value::Object(told) => Ok(told),
                _ => Err(self.no_sense(label, "a table")),
            }
        })
    }
}
