//! A rule: which requests it is for, and their candidates.

use super::pattern::{Captures, Pattern};
use super::{Aim, Wish};

/// One of `routing.rules`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Models it is for.
    pub model: Pattern,
    /// The client's wire format it is for; any when `None`.
    pub format: Option<String>,
    /// The client it is for, by the name of its key; any when `None`.
    pub client: Option<String>,
    /// Only requests for a stream, or only others; any when `None`.
    pub stream: Option<bool>,
    /// In order.
    pub candidates: Vec<Aim>,
}

impl Rule {
    /// What the stars of its pattern stand for when it is for this request.
    pub(super) fn captures<'w>(&self, wish: &Wish<'w>) -> Option<Captures<'w>> {
        let meant = |wanted: &Option<String>, value: &str| wanted.as_deref().is_none_or(|one| one == value);
        let fits = meant(&self.format, wish.format)
            && meant(&self.client, wish.client)
            && self.stream.is_none_or(|stream| stream == wish.stream);
        if fits { self.model.captures(wish.model) } else { None }
    }
}
