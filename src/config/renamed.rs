//! Settings of the Python program of the same name that are called otherwise here, so that a message
//! about one of them can say where it went.

use ccproxy_core::config::{Environment, Origin, Problem};

const RENAMED: [(&str, &str); 12] = [
    ("security", "the client key is `server.auth_token`"),
    ("cors", "origins of web pages are listed in `server.allowed_origins`"),
    ("http", "connections to providers are set under `[upstream]`"),
    ("scheduler", "tasks belong to plugins: `ccproxy plugins show <name>`"),
    ("observability", "metrics and logs belong to plugins: `ccproxy plugins list`"),
    ("auth", "credentials are set under `[plugins.<provider>]`"),
    ("binary", "programs are never downloaded or guessed; this section has no successor"),
    ("llm", "formats are translated without switches; this section has no successor"),
    ("server.workers", "one process uses every core"),
    ("server.reload", "plugins are loaded again when their files change: `lua.watch`"),
    ("server.bypass_mode", "requests to `/mock` are answered without a provider"),
    ("plugins_disable_local_discovery", "`plugin_discovery.local` = false leaves `./scripts` out"),
];

/// Gives problems about settings of the older program a better hint.
pub(super) fn explain(problems: &mut [Problem]) {
    for problem in problems.iter_mut().filter(|problem| problem.message.starts_with("unknown")) {
        if let Some((_, hint)) = RENAMED.iter().find(|(key, _)| *key == problem.key) {
            problem.hint = Some((*hint).to_owned());
        }
    }
}

/// The one variable of the older program whose silent loss would open a door.
pub(super) fn variables(environment: &Environment) -> Option<Problem> {
    let name = "SECURITY__AUTH_TOKEN";
    environment.get(name)?;
    let origin = Origin::Environment(name.into());
    let problem = Problem::warning(
        &origin,
        "security.auth_token",
        "unknown setting, left out: no client key is set by it",
    );
    Some(problem.with_hint("the variable is `SERVER__AUTH_TOKEN` here"))
}
