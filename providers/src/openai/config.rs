//! Settings under `[plugins.<vendor>]` and `[providers.<name>]`.

use std::collections::BTreeMap;

use ccproxy_core::config::{Field, FieldKind, Schema};
use ccproxy_core::secret::Secret;
use serde::Deserialize;
use serde_json::Value;

use super::vendor::Vendor;
use crate::credentials::Choice;
use crate::fixed_headers;
use crate::formats::{Dialect, Quirk, Quirks};
use crate::own;

/// The settings as validated against the schema.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Config {
    pub(super) base_url: Option<String>,
    #[serde(default)]
    pub(super) credential: Choice,
    pub(super) api_key: Option<Secret>,
    #[serde(default)]
    pub(super) headers: BTreeMap<String, Secret>,
    messages_via: Option<Via>,
    quirks: Option<Vec<Quirk>>,
}

/// The format that clients of Messages are turned into.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Via {
    Chat,
    Responses,
}

impl Config {
    /// Reads the validated settings.
    pub(super) fn read(value: &Value) -> Result<Self, String> {
        // Settings of nobody are those of a vendor that was never mentioned.
        if value.is_null() {
            return Ok(Config::default());
        }
        Self::deserialize(value).map_err(|error| format!("its settings: {error}"))
    }

    /// The format that clients of Messages are turned into: Responses at OpenAI itself, where chat loses what
    /// the model thought; chat elsewhere, since every server has it.
    pub(super) fn via(&self, vendor: &Vendor) -> Dialect {
        let at_home =
            vendor.stores && (self.base_url.is_none() || self.base_url.as_deref() == vendor.base_url);
        match self.messages_via {
            Some(Via::Responses) => Dialect::Responses,
            Some(Via::Chat) => Dialect::Chat,
            None if at_home => Dialect::Responses,
            None => Dialect::Chat,
        }
    }

    /// How the server's chat differs: as the settings say, else as the vendor's row does.
    pub(super) fn quirks(&self, vendor: &Vendor) -> Quirks {
        Quirks::of(self.quirks.as_deref().unwrap_or(vendor.quirks))
    }
}

pub(super) fn schema(vendor: &Vendor) -> Schema {
    let base_url = Field::url("base_url", "Where it answers, version included: `https://host/v1`");
    let base_url = match vendor.base_url {
        Some(url) => base_url.or(url),
        None if vendor.section == "providers" => base_url.required(),
        // Not required here: a vendor that sleeps need not be told where it is.
        None => base_url,
    };
    let key = match vendor.variable {
        Some(variable) => format!("An API key; without it the environment variable {variable} counts"),
        None => "An API key, where the server asks for one".to_owned(),
    };
    let quirk = FieldKind::Enum(Quirk::WORDS.map(str::to_owned).into());
    Schema::of([
        base_url,
        credential(vendor.section == "providers"),
        Field::secret("api_key", &key),
        fixed_headers::field(),
        Field::choice(
            "messages_via",
            &["chat", "responses"],
            "The format that requests to `/v1/messages` are turned into; at OpenAI itself `responses`, else `chat`",
        ),
        Field::list("quirks", quirk, "How its chat differs from OpenAI's, instead of what is known of it"),
    ])
}

/// Vendors of the table have no logins.
fn credential(own: bool) -> Field {
    match own {
        true => Field::choice(
            "credential",
            &own::CHOICES,
            "Whose credential goes upstream: the client's own, the key, a stored login, or `auto`: the key when there is one, else the login that `oauth` names when somebody is logged in",
        ),
        false => Field::choice(
            "credential",
            &["auto", "passthrough", "api_key"],
            "Whose credential goes upstream: the client's own, the key, or `auto`: the key when there is one",
        ),
    }
    .or("auto")
}

/// What a table of one's own may hold besides.
pub(super) fn own_fields() -> [Field; 2] {
    [
        Field::boolean("responses", "Whether it has `/responses` too; else chat answers for it").or(false),
        Field::boolean("embeddings", "Whether it has `/embeddings`").or(true),
    ]
}
