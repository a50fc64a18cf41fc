//! What an answer must know of its request.

use std::sync::Arc;

use super::Names;

/// Facts of one request, kept until its answer is written.
#[derive(Clone, Debug, Default)]
pub(in crate::formats) struct Brief {
    /// The model as the client named it.
    pub(in crate::formats) model: String,
    pub(in crate::formats) stream: bool,
    /// A chat client asked for the usage chunk.
    pub(in crate::formats) include_usage: bool,
    /// When the exchange began, in seconds since 1970.
    pub(in crate::formats) created: u64,
    pub(in crate::formats) names: Arc<Names>,
    /// Fields of a Responses request that its answer repeats, as entries of an object.
    pub(in crate::formats) echo: String,
}

impl Brief {
    /// An id in the client's style: the provider's own where it has that style, else with the prefix.
    pub(in crate::formats) fn id(&self, prefix: &str, id: &str) -> String {
        if id.starts_with(prefix) {
            return id.to_owned();
        }
        let known = ["chatcmpl-", "gen-", "msg_", "resp_"];
        let bare = known.iter().find_map(|known| id.strip_prefix(known)).unwrap_or(id);
        let bare: String =
            bare.chars().filter(|letter| letter.is_ascii_alphanumeric() || *letter == '-').take(48).collect();
        format!("{prefix}{}", if bare.is_empty() { format!("{:x}", self.created) } else { bare })
    }
}
