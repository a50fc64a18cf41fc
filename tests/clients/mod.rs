//! Today's real clients, against the proxy. They run when `CCPROXY_TEST_CLIENTS` names a folder that holds them:
//! `node_modules` by `package.json`, and a virtual environment `python` by `requirements.txt`, both in this folder.
//! `.ci/run` installs them. What is not there is left out, and a line on stderr says so.

mod agent_sdk;
mod anthropic_sdk;
mod browser;
mod claude_code;
mod claude_code_faults;
mod claude_code_keys;
mod claude_sdk;
mod codex;
mod curl;
mod openai_sdk;
mod permissions;
mod permissions_page;
mod program;
mod turned;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Once;

use serde_json::Value;

use super::support::upstream::Recorded;
use super::support::{Config, Proxy, Tap, Upstream};
use program::Program;

/// A proxy between a scripted upstream and a wire that keeps what the client sends.
struct House {
    upstream: Upstream,
    proxy: Proxy,
    tap: Tap,
}

impl House {
    async fn new(script: impl Fn(&Recorded) -> super::support::Reply + Send + Sync + 'static) -> House {
        House::configured(script, Config::new()).await
    }

    async fn configured(
        script: impl Fn(&Recorded) -> super::support::Reply + Send + Sync + 'static,
        config: Config,
    ) -> House {
        let upstream = Upstream::with(script).await;
        // Clients name the wire's port.
        let codex = format!("plugins.codex.base_url = \"{}/codex\"", upstream.url());
        let config = config.upstream(&upstream).toml(&codex).toml("server.allowed_hosts = [\"127.0.0.1\"]");
        let proxy = Proxy::start(config).await;
        let tap = Tap::to(proxy.address()).await;
        House { upstream, proxy, tap }
    }

    /// The base URL of a provider, through the wire.
    fn url(&self, provider: &str) -> String {
        format!("http://{}/{provider}", self.tap.address())
    }

    /// The base URL of the front door, through the wire.
    fn front(&self) -> String {
        format!("http://{}", self.tap.address())
    }

    /// What came upstream is what the client sent, byte for byte.
    fn bodies_are_untouched(&self) {
        for request in self.upstream.requests() {
            assert!(
                self.tap.sent(&request.body),
                "a body changed: {}",
                String::from_utf8_lossy(&request.body)
            );
        }
    }
}

/// A script language the clients are written in.
#[derive(Clone, Copy, Debug)]
enum Language {
    JavaScript,
    Python,
}

const LANGUAGES: [Language; 2] = [Language::JavaScript, Language::Python];

/// `tests/clients/scripts/<name>.mjs` or `.py`, ready to run; `None` when its language is not installed.
fn script(language: Language, name: &str) -> Option<Program> {
    let (ending, runner) = match language {
        Language::JavaScript => ("mjs", "node_modules/.bin/node"),
        Language::Python => ("py", "python/bin/python"),
    };
    let runner = installed(runner)?;
    let file = format!("{}/tests/clients/scripts/{name}.{ending}", env!("CARGO_MANIFEST_DIR"));
    let program = Program::new(&runner);
    // JavaScript looks for packages beside the script, so the script goes where the packages can be seen.
    let home = program.home();
    if let Language::JavaScript = language {
        let packages = installed("node_modules")?;
        std::os::unix::fs::symlink(packages, home.join("node_modules")).unwrap();
    }
    // Not by its own name, which is the package's.
    let copy = home.join(format!("scene.{ending}"));
    std::fs::copy(&file, &copy).unwrap();
    Some(program.args([copy]))
}

/// A file of the clients' folder; `None`, said aloud, when it is not there.
fn installed(file: &str) -> Option<PathBuf> {
    match std::env::var_os("CCPROXY_TEST_CLIENTS") {
        Some(folder) => installed_at(&Path::new(&folder).join(file)),
        None => {
            static ONCE: Once = Once::new();
            ONCE.call_once(|| {
                say("LEFT OUT the tests of real clients: CCPROXY_TEST_CLIENTS names no folder")
            });
            None
        }
    }
}

/// A file; `None`, said aloud, when it is not there.
fn installed_at(path: &Path) -> Option<PathBuf> {
    let there = path.exists();
    if !there {
        let thread = std::thread::current();
        say(&format!("LEFT OUT {}: there is no {}", thread.name().unwrap_or_default(), path.display()));
    }
    there.then(|| path.to_owned())
}

/// Not `eprintln`, which the test harness keeps to itself when a test passes.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// The text of a JSON value; empty when it is none.
fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
