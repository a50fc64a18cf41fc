//! The events of the proxy's life: their names and what they carry.

use std::sync::Arc;
use std::time::SystemTime;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::unix_time;

/// The name of an event. The fixed ones are numbered so that asking "does anyone listen" is one bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// The process started its first generation.
    AppStartup,
    /// The listeners accept.
    AppReady,
    /// No new connections are taken; exchanges in flight may finish.
    AppDraining,
    /// The process is about to end.
    AppShutdown,
    /// Step 2.
    RequestStarted,
    /// Step 12, delivered whole.
    RequestCompleted,
    /// Step 12, not delivered whole, or refused by the proxy.
    RequestFailed,
    /// Step 7, awaited, may edit.
    ProviderRequestPrepared,
    /// Step 8, the request is on its way.
    ProviderRequestSent,
    /// Step 8, the head is back.
    ProviderResponseReceived,
    /// The provider refused, stalled or broke.
    ProviderError,
    /// The first byte of a stream.
    ProviderStreamStart,
    /// A piece of a stream.
    ProviderStreamChunk,
    /// The stream ended, well or not.
    ProviderStreamEnd,
    /// A plugin runs.
    PluginLoaded,
    /// A plugin stopped.
    PluginUnloaded,
    /// A plugin failed.
    PluginError,
    /// An HTTP message went by, on the client's or the provider's side.
    HttpRequest,
    /// Its answer.
    HttpResponse,
    /// It had none.
    HttpError,
    /// Token request.
    OauthTokenRequest,
    /// Token answer.
    OauthTokenResponse,
    /// Refresh request.
    OauthRefreshRequest,
    /// Refresh answer.
    OauthRefreshResponse,
    /// A flow failed.
    OauthError,
    /// A credential of several is left alone for a while.
    CredentialRested,
    /// A credential that failed works again.
    CredentialRestored,
    /// A plugin's own event; its name is in the event.
    Custom,
}

impl Kind {
    /// All of them with their names, in the order of a life.
    pub const ALL: &'static [(Kind, &'static str)] = &[
        (Kind::AppStartup, "app.startup"),
        (Kind::AppReady, "app.ready"),
        (Kind::AppDraining, "app.draining"),
        (Kind::AppShutdown, "app.shutdown"),
        (Kind::RequestStarted, "request.started"),
        (Kind::RequestCompleted, "request.completed"),
        (Kind::RequestFailed, "request.failed"),
        (Kind::ProviderRequestPrepared, "provider.request.prepared"),
        (Kind::ProviderRequestSent, "provider.request.sent"),
        (Kind::ProviderResponseReceived, "provider.response.received"),
        (Kind::ProviderError, "provider.error"),
        (Kind::ProviderStreamStart, "provider.stream.start"),
        (Kind::ProviderStreamChunk, "provider.stream.chunk"),
        (Kind::ProviderStreamEnd, "provider.stream.end"),
        (Kind::PluginLoaded, "plugin.loaded"),
        (Kind::PluginUnloaded, "plugin.unloaded"),
        (Kind::PluginError, "plugin.error"),
        (Kind::HttpRequest, "http.request"),
        (Kind::HttpResponse, "http.response"),
        (Kind::HttpError, "http.error"),
        (Kind::OauthTokenRequest, "oauth.token.request"),
        (Kind::OauthTokenResponse, "oauth.token.response"),
        (Kind::OauthRefreshRequest, "oauth.refresh.request"),
        (Kind::OauthRefreshResponse, "oauth.refresh.response"),
        (Kind::OauthError, "oauth.error"),
        (Kind::CredentialRested, "credential.rested"),
        (Kind::CredentialRestored, "credential.restored"),
        (Kind::Custom, "custom"),
    ];

    /// The event's name.
    pub fn name(self) -> &'static str {
        Self::ALL[self as usize].1
    }

    /// The event of a name. A name with the prefix `custom.` is a plugin's own.
    pub fn parse(name: &str) -> Option<Kind> {
        if name.starts_with("custom.") {
            return Some(Kind::Custom);
        }
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(kind, _)| *kind)
    }
}

/// Something that happened.
#[derive(Clone, Debug, Serialize)]
pub struct Event {
    /// Which.
    #[serde(skip)]
    pub kind: Kind,
    /// Its name: `request.completed`, `custom.budget_spent`.
    pub name: Arc<str>,
    /// Seconds since 1970.
    pub time: f64,
    /// What it tells; the fields are documented in `docs/plugin-authoring.md`. Never a credential.
    pub data: Map<String, Value>,
    /// The bytes of a message's body or of a piece of a stream, for `http.*` and
    /// `provider.stream.chunk` only: prompts and answers, so a plugin needs a right to see them.
    #[serde(skip)]
    pub bytes: Option<bytes::Bytes>,
}

impl Event {
    /// An event of the proxy's own, now.
    pub fn new(kind: Kind, data: Map<String, Value>) -> Self {
        Self::named(kind, kind.name(), data)
    }

    /// An event with its own name, now.
    pub fn named(kind: Kind, name: &str, data: Map<String, Value>) -> Self {
        let time = unix_time::precise(SystemTime::now());
        Event { kind, name: Arc::from(name), time, data, bytes: None }
    }

    /// Adds the bytes it is about.
    pub fn with_bytes(mut self, bytes: bytes::Bytes) -> Self {
        self.bytes = Some(bytes);
        self
    }
}
