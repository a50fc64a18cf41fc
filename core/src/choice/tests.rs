//! From models to candidates, with providers made for the purpose.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use serde_json::Value;

use super::{Choice, Routing, Wish};
use crate::body::Answer;
use crate::config::read_toml;
use crate::document::Document;
use crate::error::{Error, Result};
use crate::exchange::Exchange;
use crate::format::{Format, Grammar, Tracker, Usage};
use crate::generation::Generation;
use crate::plugin::{Health, Manifest, PluginKind, PluginRuntime, RouteSpec, RouteTarget};
use crate::provider::{Credential, Operation, Outbound, Provider};
use crate::registry::{Entry, State};
use crate::settings::Settings;
use crate::step::BoxFuture;

#[derive(Debug)]
struct Named(&'static str);

impl Format for Named {
    fn name(&self) -> &'static str {
        self.0
    }
    fn error_body(&self, _: &Error, _: &str) -> Bytes {
        Bytes::new()
    }
    fn error_event(&self, _: &Error) -> Bytes {
        Bytes::new()
    }
    fn tracker(&self) -> Box<dyn Tracker> {
        unreachable!("nothing is sent")
    }
    fn grammar(&self) -> Box<dyn Grammar> {
        unreachable!("nothing is sent")
    }
    fn usage(&self, _: &[u8]) -> Option<Usage> {
        None
    }
}

struct Silent;

impl Provider for Silent {
    fn prepare<'a>(
        &'a self,
        _: &'a Arc<Exchange>,
        _: &'a Operation,
        _: Document,
        _sent: bool,
    ) -> BoxFuture<'a, Result<Outbound>> {
        Box::pin(async { Err(Error::internal("nothing is sent")) })
    }
    fn send<'a>(
        &'a self,
        _: &'a Arc<Exchange>,
        _: &'a Operation,
        _: Outbound,
    ) -> BoxFuture<'a, Result<Answer>> {
        Box::pin(async { Err(Error::internal("nothing is sent")) })
    }
    fn credential(&self) -> Credential {
        Credential { kind: "none", present: true, hint: String::new(), login: None }
    }
}

impl PluginRuntime for Silent {
    fn health(&self) -> BoxFuture<'_, Health> {
        Box::pin(async { Health::pass() })
    }
    fn provider(&self) -> Option<Arc<dyn Provider>> {
        Some(Arc::new(Silent))
    }
}

fn chat() -> Operation {
    Operation::new("chat", Arc::new(Named("plain")))
}

fn entry(name: &str, models: &[&str], operations: &[&'static str], state: State) -> Arc<Entry> {
    let route = |operation: &&'static str| RouteSpec {
        method: http::Method::POST,
        prefix: format!("/{name}"),
        path: format!("/{operation}"),
        tags: Vec::new(),
        summary: String::new(),
        auth: true,
        landing: false,
        private: false,
        target: RouteTarget::Provider(Operation::new(operation, Arc::new(Named("plain")))),
    };
    let manifest = Manifest {
        name: name.to_owned(),
        kind: PluginKind::Provider,
        models: models.iter().map(|&model| model.to_owned()).collect(),
        routes: operations.iter().map(route).collect(),
        ..Manifest::default()
    };
    Arc::new(Entry {
        manifest: Arc::new(manifest),
        config: Arc::new(Value::Null),
        fingerprint: 0,
        runtime: state.runs().then(|| Arc::new(Silent) as Arc<dyn PluginRuntime>),
        state,
        since: SystemTime::now(),
    })
}

/// `alpha` and `beta` run and share a family, `gamma` has no chat, `delta` sleeps, `broken` failed.
fn generation(toml: &str) -> Generation {
    let (node, problems) = read_toml(toml, Path::new("/c.toml"));
    assert_eq!(problems, []);
    let (settings, problems) = Settings::read(&node, Arc::default());
    assert_eq!(problems, []);
    let entries = vec![
        entry("alpha", &["m-*", "alpha-*"], &["chat", "embed"], State::Active),
        entry("beta", &["m-big-*"], &["chat"], State::Active),
        entry("gamma", &["m-big-huge-*"], &["embed"], State::Active),
        entry("delta", &["d-*"], &["chat"], State::Disabled("off by default".to_owned())),
        entry("broken", &["b-*"], &["chat"], State::Failed("a secret of its code".to_owned())),
    ];
    Generation::assemble(1, entries, &[], Vec::new()).with_routing(Routing::new(settings.routing))
}

fn ask<'a>(model: &'a str) -> Wish<'a> {
    Wish { model, format: "plain", client: "anonymous", stream: false, issuer: None }
}

fn choose(generation: &Generation, wish: &Wish<'_>) -> Result<Choice> {
    generation.routing.choose(generation, &chat(), wish)
}

/// The candidates and the reason, in one line.
fn told(choice: &Choice) -> String {
    let names: Vec<String> = choice.candidates.iter().map(ToString::to_string).collect();
    format!("{}: {}", names.join(" "), choice.reason)
}

fn chosen(generation: &Generation, model: &str) -> String {
    told(&choose(generation, &ask(model)).unwrap())
}

fn refused(generation: &Generation, model: &str) -> (u16, String) {
    let error = choose(generation, &ask(model)).unwrap_err();
    (error.status().as_u16(), error.message().to_owned())
}

#[tokio::test]
async fn without_configuration_names_and_families_decide() {
    let generation = generation("");
    assert_eq!(chosen(&generation, "beta/x/y"), "beta/x/y: the provider stands in the model's name");
    assert_eq!(chosen(&generation, "m-1"), "alpha/m-1: it serves `m-*`");
    assert_eq!(chosen(&generation, "m-big-1"), "beta/m-big-1: it serves `m-big-*`", "who says most");
    assert_eq!(chosen(&generation, "m-big-huge-1"), "beta/m-big-huge-1: it serves `m-big-*`", "who can");
    let issued = |issuer: &'static str| Wish { issuer: Some(issuer), ..ask("m-big-huge-1") };
    for (issuer, provider) in [("alpha", "alpha"), ("gamma", "beta"), ("delta", "beta")] {
        let choice = choose(&generation, &issued(issuer)).unwrap();
        assert_eq!(&*choice.candidates[0].provider, provider, "whose credential the client has, if it can");
    }
}

#[tokio::test]
async fn what_nobody_knows_says_how_to_name_it() {
    let generation = generation("routing.aliases.quick = 'alpha/x'");
    let (status, message) = refused(&generation, "zeta-1");
    assert_eq!(status, 404);
    assert!(message.contains("`alpha/zeta-1`") && message.contains("alpha, beta, gamma"), "{message}");
    let (_, message) = refused(&generation, "quik");
    assert!(message.contains("did you mean `quick`?"), "{message}");
    let (_, message) = refused(&generation, "alhpa/x");
    assert!(message.contains("did you mean `alpha/x`?"), "{message}");
    let (status, message) = refused(&generation, "delta/x");
    assert_eq!((status, &*message), (404, "provider `delta` is off: off by default"));
    let (status, message) = refused(&generation, "broken/x");
    assert_eq!(status, 503);
    assert!(!message.contains("secret"), "{message}");
    let (status, message) = refused(&generation, "gamma/x");
    assert_eq!((status, &*message), (400, "provider `gamma` has no `chat` for `plain` clients"));
    let (status, message) = refused(&generation, "");
    assert_eq!(status, 400);
    assert!(message.contains("`model` is missing"), "{message}");
    let (status, message) = refused(&generation, &"x".repeat(500));
    assert!(status == 404 && message.len() < 600, "{}", message.len());
    for model in ["x".repeat(10_000), "alpha/x\ny".to_owned(), "m-\u{1b}[31m".to_owned()] {
        let (status, message) = refused(&generation, &model);
        assert!(status == 400 && message.starts_with("`model` is no name"), "{message}");
    }
    assert_eq!(refused(&generation, "alpha/").0, 404);
    assert_eq!(refused(&generation, "/").0, 404);
}

#[tokio::test]
async fn aliases_come_before_rules_and_rules_before_everything_else() {
    let generation = generation(
        "[routing]\n\
         default = ['beta/fallback', 'alpha']\n\
         aliases = { quick = 'alpha/fast', 'm-1' = ['beta', 'alpha/other'] }\n\
         [[routing.rules]]\n\
         model = 'quick'\n\
         candidates = ['beta/never']\n\
         [[routing.rules]]\n\
         model = 'beta/old-*'\n\
         candidates = ['beta/new-*', 'alpha/m-*', 'beta/new-*']\n\
         [[routing.rules]]\n\
         model = 'm-*'\n\
         candidates = ['gamma/x', 'beta/*', 'delta/y', 'nobody/z']\n",
    );
    assert_eq!(chosen(&generation, "quick"), "alpha/fast: alias `quick`");
    assert_eq!(chosen(&generation, "m-1"), "beta/m-1 alpha/other: alias `m-1`");
    assert_eq!(chosen(&generation, "beta/old-7"), "beta/new-7 alpha/m-7: rule 2, `beta/old-*`", "each once");
    let choice = choose(&generation, &ask("m-2")).unwrap();
    assert_eq!(told(&choice), "beta/m-2: rule 3, `m-*`");
    let left: Vec<_> =
        choice.left_out.iter().map(|one| format!("{}: {}", one.candidate, one.reason)).collect();
    assert_eq!(left.len(), 3, "{left:?}");
    assert_eq!(left[0], "gamma/x: provider `gamma` has no `chat` for `plain` clients");
    assert!(left[2].starts_with("nobody/z: there is no provider"), "{left:?}");
    assert_eq!(chosen(&generation, "alpha/q"), "alpha/q: the provider stands in the model's name");
    assert_eq!(chosen(&generation, "unheard"), "beta/fallback alpha/unheard: `routing.default`");
    assert_eq!(chosen(&generation, ""), "beta/fallback alpha: `routing.default`");
}

#[tokio::test]
async fn conditions_narrow_a_rule() {
    let generation = generation(
        "[[routing.rules]]\nstream = true\nclient = 'team'\ncandidates = ['beta']\n\
         [[routing.rules]]\nformat = 'other'\ncandidates = ['beta']\n\
         [[routing.rules]]\nformat = 'plain'\ncandidates = ['alpha']\n",
    );
    let wish = |client: &'static str, stream: bool| Wish { client, stream, ..ask("m") };
    let rule = |wish: Wish<'_>| told(&choose(&generation, &wish).unwrap());
    assert_eq!(rule(wish("team", true)), "beta/m: rule 1, `*`");
    assert_eq!(rule(wish("team", false)), "alpha/m: rule 3, `*`");
    assert_eq!(rule(wish("anonymous", true)), "alpha/m: rule 3, `*`");
}

#[tokio::test]
async fn a_rule_whose_candidates_all_cannot_says_why() {
    let generation = generation("[[routing.rules]]\ncandidates = ['gamma', 'delta', 'broken']\n");
    let (status, message) = refused(&generation, "m-1");
    assert_eq!(status, 400);
    assert!(
        message.starts_with("provider `gamma` has no `chat` for `plain` clients (rule 1, `*`)"),
        "{message}"
    );
    assert!(message.contains("provider `delta` is off"), "{message}");
}

#[tokio::test]
async fn strange_names_in_the_configuration_are_warnings_with_a_place() {
    let generation = generation(
        "[routing]\ndefault = ['alpah']\n[[routing.rules]]\nformat = 'plian'\ncandidates = ['delta/x', 'nobody']\n",
    );
    let warnings = &generation.warnings;
    assert_eq!(warnings.len(), 3, "{warnings:?}");
    let expected = "`routing.default[0]`: there is no provider `alpah` (did you mean `alpha`)";
    assert!(warnings[0].starts_with("/c.toml:2:") && warnings[0].ends_with(expected), "{warnings:?}");
    assert!(
        warnings
            .iter()
            .any(|warning| warning.contains("`routing.rules[0].format`: there is no format `plian`"))
    );
    assert!(
        warnings.iter().any(|warning| warning.contains("`routing.rules[0].candidates[1]`")),
        "{warnings:?}"
    );
}
