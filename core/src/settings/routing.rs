//! `[routing]`: which provider and model the front door chooses, and when it asks another.

use std::collections::{BTreeMap, BTreeSet};

use http::StatusCode;
use serde_json::{Value, json};

use super::section::Section;
use super::server::clock;
use crate::choice::{Aim, CircuitSettings, Pattern, Rule};
use crate::config::{Field, FieldKind, Node, Origin, Problem, Schema, nearest};
use crate::plugin::{Manifest, PluginKind, RouteTarget};

/// Most candidates of one request.
const MOST_CANDIDATES: usize = 16;
/// Statuses of a provider that another one may mend.
const FAIL_OVER_ON: [u16; 7] = [408, 429, 500, 502, 503, 504, 529];

/// Aliases, rules, fail-over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoutingSettings {
    /// Candidates of a model that nothing else knows.
    pub default: Vec<Aim>,
    /// Candidates by the exact name of a model.
    pub aliases: BTreeMap<String, Vec<Aim>>,
    /// The first that fits counts.
    pub rules: Vec<Rule>,
    /// Statuses after which the next candidate is asked.
    pub fail_over_on: Vec<StatusCode>,
    /// Whether the next candidate is asked when one sent no head in time.
    pub fail_over_on_timeout: bool,
    /// When a candidate is left alone.
    pub circuit: CircuitSettings,
    mentions: Vec<Mention>,
}

/// A name in the settings that must be that of something else; known only once there are plugins.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mention {
    what: What,
    name: String,
    key: String,
    origin: Origin,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Provider,
    Format,
}

impl Default for RoutingSettings {
    fn default() -> Self {
        RoutingSettings {
            default: Vec::new(),
            aliases: BTreeMap::new(),
            rules: Vec::new(),
            fail_over_on: FAIL_OVER_ON.iter().filter_map(|code| StatusCode::from_u16(*code).ok()).collect(),
            fail_over_on_timeout: false,
            circuit: CircuitSettings::default(),
            mentions: Vec::new(),
        }
    }
}

impl RoutingSettings {
    /// What may be written under `[routing]`.
    pub fn schema() -> Schema {
        let d = CircuitSettings::default();
        let status = FieldKind::Integer { min: Some(400), max: Some(599) };
        Schema::of([
            Field::list(
                "default",
                FieldKind::string(),
                "Candidates of a model that nothing else knows, in order: `provider/model`, or `provider` for the\n\
                 model as asked.",
            )
            .or(json!([])),
            Field::map(
                "aliases",
                FieldKind::Any,
                "Candidates by the name of a model: `fast = \"groq/llama-3.3-70b\"`, or a list of them.",
            )
            .or(json!({})),
            Field::list(
                "rules",
                FieldKind::Table(rule_schema()),
                "The first rule that fits counts: `{ model = \"gpt-*\", candidates = [\"openai\", \"groq/llama\"] }`;\n\
                 `format`, `client` and `stream` narrow it. A `*` of a candidate is what the pattern's `*` stood for.",
            )
            .or(json!([])),
            Field::list(
                "fail_over_on",
                status,
                "Statuses of a provider after which the next candidate is asked.",
            )
            .or(json!(FAIL_OVER_ON)),
            Field::boolean(
                "fail_over_on_timeout",
                "Whether the next candidate is asked when one sent no answer within `upstream.head_timeout`. It may\n\
                 have worked all that time, so both are paid.",
            )
            .or(false),
            Field::integer("breaker_failures", "Failures in a row after which other candidates go first.")
                .between(1, 1000)
                .or(d.failures),
            clock(
                "breaker_cooldown",
                "Time until one request tries whether such a candidate is well again.",
                d.cooldown,
            ),
            clock(
                "longest_rest",
                "Longest time that a candidate's `retry-after` lets others go first.",
                d.longest_rest,
            ),
        ])
    }

    /// The settings in a validated table; `node` is the table as it was written, for the places.
    pub(super) fn read(table: &Value, node: Option<&Node>) -> (Self, Vec<Problem>) {
        let empty = Node::empty();
        let mut reader = Reader::default();
        let node = node.unwrap_or(&empty);
        let default = reader.aims(&table["default"], node.get(&["default"]), "routing.default", 0);
        let aliases = reader.aliases(&table["aliases"], node.get(&["aliases"]));
        let rules = reader.rules(&table["rules"], node.get(&["rules"]));
        let section = Section(table);
        let statuses = table["fail_over_on"].as_array().into_iter().flatten();
        let statuses = statuses.filter_map(|code| StatusCode::from_u16(code.as_u64()?.try_into().ok()?).ok());
        let settings = RoutingSettings {
            default,
            aliases,
            rules,
            fail_over_on: statuses.collect(),
            fail_over_on_timeout: section.flag("fail_over_on_timeout"),
            circuit: CircuitSettings {
                failures: section.count("breaker_failures").try_into().unwrap_or(u32::MAX),
                cooldown: section.duration("breaker_cooldown"),
                longest_rest: section.duration("longest_rest"),
            },
            mentions: reader.mentions,
        };
        (settings, reader.problems)
    }

    /// Names of providers and formats that none of these plugins has. Warnings: one may be installed later.
    pub fn strangers<'m>(&self, manifests: impl Iterator<Item = &'m Manifest>) -> Vec<Problem> {
        let (mut providers, mut formats) = (Vec::new(), BTreeSet::new());
        for manifest in manifests {
            if manifest.kind == PluginKind::Provider {
                providers.push(manifest.name.as_str());
            }
            formats.extend(manifest.routes.iter().filter_map(|route| match &route.target {
                RouteTarget::Provider(operation) | RouteTarget::Choose(operation) => {
                    Some(operation.format.name())
                }
                RouteTarget::Handler => None,
            }));
        }
        self.unknown(&providers, &formats.into_iter().collect::<Vec<_>>())
    }

    fn unknown(&self, providers: &[&str], formats: &[&str]) -> Vec<Problem> {
        let stranger = |mention: &&Mention| match mention.what {
            What::Provider => !providers.contains(&mention.name.as_str()),
            What::Format => !formats.contains(&mention.name.as_str()),
        };
        let problem = |mention: &Mention| {
            let (what, known) = match mention.what {
                What::Provider => ("provider", providers),
                What::Format => ("format", formats),
            };
            let message = format!("there is no {what} `{}`", mention.name);
            let problem = Problem::warning(&mention.origin, mention.key.clone(), message);
            match nearest(&mention.name, known.iter().copied()) {
                Some(near) => problem.with_hint(format!("did you mean `{near}`")),
                None => problem.with_hint(format!("there are: {}", known.join(", "))),
            }
        };
        self.mentions.iter().filter(stranger).map(problem).collect()
    }
}

fn rule_schema() -> Schema {
    Schema::of([
        Field::string("model", "Models it is for; `*` is any run of characters").or("*"),
        Field::string("format", "The client's wire format it is for"),
        Field::string("client", "The client it is for, by the name of its key"),
        Field::boolean("stream", "Only requests for a stream, or only others"),
        Field::list("candidates", FieldKind::string(), "Who is asked, in order").required(),
    ])
}

/// One run over the settings.
#[derive(Default)]
struct Reader {
    problems: Vec<Problem>,
    mentions: Vec<Mention>,
}

impl Reader {
    fn aliases(&mut self, value: &Value, node: Option<&Node>) -> BTreeMap<String, Vec<Aim>> {
        let mut aliases = BTreeMap::new();
        for (alias, value) in value.as_object().into_iter().flatten() {
            let (key, node) = (format!("routing.aliases.{alias}"), node.and_then(|node| node.get(&[alias])));
            if alias.contains('*') {
                let message = "an alias is one model's name, without `*`";
                let problem = Problem::error(&Node::origin_of(node), key, message);
                self.problems.push(problem.with_hint("patterns stand in `routing.rules`"));
                continue;
            }
            let aims = match value {
                Value::String(text) => self.aim(text, &Node::origin_of(node), &key, 0).into_iter().collect(),
                Value::Array(items) if items.iter().all(Value::is_string) => self.aims(value, node, &key, 0),
                _ => {
                    let message = "expected a candidate such as `groq/llama-3.3-70b`, or a list of them";
                    self.problems.push(Problem::error(&Node::origin_of(node), key, message));
                    continue;
                }
            };
            if aims.is_empty() && value.as_array().is_some_and(Vec::is_empty) {
                self.problems.push(Problem::error(&Node::origin_of(node), key, "the list names nobody"));
            }
            aliases.insert(alias.clone(), aims);
        }
        aliases
    }

    fn rules(&mut self, value: &Value, node: Option<&Node>) -> Vec<Rule> {
        let mut rules = Vec::new();
        for (index, rule) in value.as_array().into_iter().flatten().enumerate() {
            let key = format!("routing.rules[{index}]");
            let node = node.and_then(|node| node.item(index));
            let at = |name: &str| node.and_then(|node| node.get(&[name]));
            let model = Pattern::new(rule["model"].as_str().unwrap_or("*"));
            let candidates = format!("{key}.candidates");
            let aims = self.aims(&rule["candidates"], at("candidates"), &candidates, model.stars());
            if rule["candidates"].as_array().is_some_and(Vec::is_empty) {
                self.problems.push(Problem::error(
                    &Node::origin_of(at("candidates")),
                    candidates,
                    "the list names nobody",
                ));
            }
            let section = Section(rule);
            if let Some(format) = section.text("format") {
                self.mention(What::Format, &format, format!("{key}.format"), &Node::origin_of(at("format")));
            }
            rules.push(Rule {
                model,
                format: section.text("format"),
                client: section.text("client"),
                stream: rule["stream"].as_bool(),
                candidates: aims,
            });
        }
        rules
    }

    fn aims(&mut self, value: &Value, node: Option<&Node>, key: &str, stars: usize) -> Vec<Aim> {
        let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
        if items.len() > MOST_CANDIDATES {
            let message = format!("{} candidates, and at most {MOST_CANDIDATES} are asked", items.len());
            self.problems.push(Problem::error(&Node::origin_of(node), key, message));
        }
        let texts = items.iter().enumerate().filter_map(|(index, item)| Some((index, item.as_str()?)));
        texts
            .filter_map(|(index, text)| {
                let origin = Node::origin_of(node.and_then(|node| node.item(index)).or(node));
                self.aim(text, &origin, &format!("{key}[{index}]"), stars)
            })
            .collect()
    }

    fn aim(&mut self, text: &str, origin: &Origin, key: &str, stars: usize) -> Option<Aim> {
        match Aim::parse(text, stars) {
            Ok(aim) => {
                self.mention(What::Provider, &aim.provider, key.to_owned(), origin);
                Some(aim)
            }
            Err(message) => {
                self.problems.push(Problem::error(origin, key, message));
                None
            }
        }
    }

    fn mention(&mut self, what: What, name: &str, key: String, origin: &Origin) {
        self.mentions.push(Mention { what, name: name.to_owned(), key, origin: origin.clone() });
    }
}
