//! Where the tokens of one provider are kept.

use super::{Failure, Tokens};
use crate::step::BoxFuture;

/// The store of one provider: a set of tokens for each account.
pub trait Storage: Send + Sync + 'static {
    /// The names of the accounts, in order.
    fn accounts(&self) -> BoxFuture<'_, Result<Vec<String>, Failure>>;

    /// The tokens of an account; `None` when there are none. Fails rather than say so of a store that cannot be
    /// opened.
    fn load<'a>(&'a self, account: &'a str) -> BoxFuture<'a, Result<Option<Tokens>, Failure>>;

    /// Keeps the tokens of a login in place of what was there.
    fn save<'a>(&'a self, account: &'a str, tokens: Tokens) -> BoxFuture<'a, Result<(), Failure>>;

    /// Forgets an account; says whether there was one.
    fn delete<'a>(&'a self, account: &'a str) -> BoxFuture<'a, Result<bool, Failure>>;
}
