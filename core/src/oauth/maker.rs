//! From what a plugin says of its identity provider to one that can be spoken to.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{Account, Failure, OAuthProvider};
use crate::plugin::OAuthProviderSpec;
use crate::secret::Secret;
use crate::step::BoxFuture;

/// Makes OAuth providers of declarations. It speaks to servers and stores tokens; a plugin does neither.
pub trait Maker: Send + Sync + 'static {
    /// The provider of a declaration; `settings` count before it, and `dialect` is what the plugin says differently
    /// than RFC 6749.
    fn make(
        &self,
        spec: &OAuthProviderSpec,
        settings: &Endpoints,
        dialect: Option<Arc<dyn Dialect>>,
    ) -> Result<Arc<dyn OAuthProvider>, Failure>;
}

/// Where an identity provider answers and what it wants to hear.
#[derive(Clone, Debug, Default)]
pub struct Endpoints {
    /// What is no secret, under the names of `[oauth.<name>]`.
    pub plain: Map<String, Value>,
    /// For clients that are not public.
    pub client_secret: Option<Secret>,
}

/// What a plugin says in its own way. No secret goes in: where one belongs stands its name in braces, such as
/// `{code}`, and whoever sends the request puts it there.
pub trait Dialect: Send + Sync + 'static {
    /// Which of these it has something to say to.
    fn speaks(&self) -> Speaks;

    /// The page where a person logs in, as `url` and `query`; `asked` is how it would be.
    fn authorization(&self, asked: Value) -> BoxFuture<'_, Result<Value, Failure>>;

    /// A request for tokens, or to take them back, as `url`, `headers`, `fields` and `body`; `asked` is how it would be.
    fn request(&self, asked: Value) -> BoxFuture<'_, Result<Value, Failure>>;

    /// Whose the tokens are, from what is known of that and is no secret.
    fn account(&self, known: Value) -> BoxFuture<'_, Result<Account, Failure>>;

    /// What is told of tokens, from what may be told.
    fn summary(&self, summary: Map<String, Value>) -> BoxFuture<'_, Result<Map<String, Value>, Failure>>;
}

/// Which functions a dialect has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Speaks {
    /// [`Dialect::authorization`]
    pub authorization: bool,
    /// [`Dialect::request`]
    pub request: bool,
    /// [`Dialect::account`]
    pub account: bool,
    /// [`Dialect::summary`]
    pub summary: bool,
}
