//! Everything that may be written in a configuration: the core's settings and the program's own.

use ccproxy_core::config::{Field, FieldKind, Schema};
use ccproxy_core::settings;
use ccproxy_lua::host::Limits;
use ccproxy_providers::{balancer, oauth, vault};
use serde_json::json;

/// The whole schema, in the order of `docs/ccproxy.toml`.
pub(crate) fn schema() -> Schema {
    let mut schema = settings::Settings::schema();
    // The tables whose names are the user's come last.
    let open = |field: &Field| ["plugins", "providers"].contains(&&*field.name);
    let (plugins, rest) = schema.fields.into_iter().partition::<Vec<_>, _>(open);
    schema.fields = rest;
    let schema = schema
        .with(Field::table("logging", logging(), "What the proxy says about itself."))
        .with(Field::table("plugin_discovery", discovery(), "Where plugins are looked for."))
        .with(Field::table(
            "responses",
            responses(),
            "Clients of OpenAI's Responses on providers that keep nothing.",
        ))
        .with(Field::table("credentials", vault::schema(), "How logins are stored."))
        .with(Field::table("lua", lua(), "What a plugin's script may use."))
        .with(Field::map(
            "oauth",
            FieldKind::Table(oauth::schema()),
            "A table for each identity provider, `[oauth.<name>]`: another client, other endpoints, or one of one's own.",
        ));
    let schema = schema.with(Field::map(
        "credential_balancer",
        FieldKind::Table(balancer::schema()),
        "A table for each provider that has several credentials, `[credential_balancer.<provider>]`: `strategy`\n\
         (failover, round_robin, least_used, sticky), `credentials` (each an `account` or an `api_key`, with a `name`),\n\
         `cooldown`, `longest_cooldown`, `remember`. docs/credentials.md has the whole of it.",
    ));
    plugins.into_iter().fold(schema, Schema::with)
}

fn logging() -> Schema {
    Schema::of([
        Field::choice("level", &["off", "error", "warn", "info", "debug", "trace"], "How much is said.")
            .or("info"),
        Field::choice(
            "format",
            &["auto", "pretty", "plain", "json"],
            "`auto` is `pretty` on a terminal and `plain` elsewhere; `json` is one object a line.",
        )
        .or("auto"),
        Field::path("file", "A file to append to, instead of standard error."),
    ])
}

fn discovery() -> Schema {
    let doc = "Folders with plugins, nearest first. The nearer of two plugins with one name wins.";
    Schema::of([
        Field::list("directories", FieldKind::Path, doc).or(json!(["~/.config/ccproxy/plugins"])),
        Field::boolean("local", "Whether `./scripts` of the working folder counts, once it is trusted.")
            .or(true),
    ])
}

fn responses() -> Schema {
    let doc = "What is kept in memory of answers, so that clients may go on by `previous_response_id`; 0 keeps nothing.";
    Schema::of([Field::size("memory", doc).between(0, 4u64 << 30).or("64MiB")])
}

fn lua() -> Schema {
    let d = Limits::default();
    Schema::of([
        Field::duration("cpu", "Running time of one call of a handler; waiting does not count.")
            .between(0.001, 60.0)
            .or(d.cpu.as_secs_f64()),
        Field::duration("wall", "Time of one call of a handler, waiting included.")
            .between(0.001, 3600.0)
            .or(d.wall.as_secs_f64()),
        Field::size("memory", "Memory of one plugin.").between(1u64 << 20, 4u64 << 30).or(d.memory),
        Field::size("output", "Largest body, event or log field that a script may make.")
            .between(1u64 << 10, 1u64 << 30)
            .or(d.output),
        Field::integer("log_rate", "Most log lines a second of one plugin.")
            .between(1, 100_000)
            .or(d.log_rate),
        Field::boolean("watch", "Whether a plugin is loaded again when its files change.").or(true),
    ])
}
