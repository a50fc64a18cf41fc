//! The settings of the core, resolved. What the user typed is a [`Node`]; nothing
//! reads settings after start.

mod plugins;
mod routing;
mod section;
mod server;
mod upstream;

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;

pub use plugins::PluginSettings;
pub use routing::RoutingSettings;
pub use section::Section;
pub use server::{ServerSettings, TlsSettings};
pub use upstream::UpstreamSettings;

use crate::config::{Environment, Field, Node, Problem, Schema};
use crate::keys::KeyFile;

/// Everything the core is told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Listening and guarding.
    pub server: ServerSettings,
    /// Requests to providers.
    pub upstream: UpstreamSettings,
    /// Which provider and model the front door chooses.
    pub routing: RoutingSettings,
    /// Which plugins, and their own settings.
    pub plugins: PluginSettings,
    /// Where data is kept: the SQLite file, plugin folders, logs.
    pub data_dir: PathBuf,
}

impl Settings {
    /// What may be written, described once. A program may add sections of its own.
    pub fn schema() -> Schema {
        let mut schema =
            Schema::of([Field::path("data_dir", "Where data is kept; CCPROXY_DATA_DIR is its variable.")
                .or("~/.local/share/ccproxy")]);
        schema.fields.extend(PluginSettings::fields());
        schema
            .with(Field::table(
                "server",
                ServerSettings::schema(),
                "Where clients are listened to, and their limits.",
            ))
            .with(Field::table("upstream", UpstreamSettings::schema(), "Requests to providers."))
            .with(Field::table(
                "routing",
                RoutingSettings::schema(),
                "Which provider and model a request to `/v1/...` goes to. docs/routing.md has the whole of it.",
            ))
    }

    /// The settings in a tree of values, and everything that is wrong with it. Keys that this schema
    /// does not describe are refused: see [`Settings::from_validated`] for a program with more of them.
    pub fn read(node: &Node, environment: Arc<Environment>) -> (Self, Vec<Problem>) {
        let (value, mut problems) = Self::schema().validate(node, &environment);
        let (settings, more) = Self::from_validated(&value, node, environment);
        problems.extend(more);
        (settings, problems)
    }

    /// The settings in a value that was validated against a schema that holds [`Settings::schema`].
    pub fn from_validated(value: &Value, node: &Node, environment: Arc<Environment>) -> (Self, Vec<Problem>) {
        let data_dir = Section(value).path("data_dir").unwrap_or_default();
        let keys = KeyFile::of(&data_dir);
        let (server, mut problems) = ServerSettings::read(&value["server"], node.get(&["server"]), keys);
        let (plugins, more) = PluginSettings::read(value, node, environment);
        problems.extend(more);
        let (routing, more) = RoutingSettings::read(&value["routing"], node.get(&["routing"]));
        problems.extend(more);
        let upstream = UpstreamSettings::read(&value["upstream"]);
        (Settings { server, upstream, routing, plugins, data_dir }, problems)
    }
}

#[cfg(test)]
mod tests;
