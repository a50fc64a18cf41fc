//! What answers instead of the network, where plugins are tested.

use bytes::Bytes;
use http::{Request, Response};

use crate::body::Answer;
use crate::error::Result;
use crate::provider::Outbound;
use crate::step::BoxFuture;

/// Answers everything that would leave the process. Nothing is connected to.
pub trait StandIn: Send + Sync + 'static {
    /// A request to a provider, as step 8 would send it. The answer's body may arrive in pieces, and break off.
    fn provider(&self, outbound: Outbound) -> BoxFuture<'_, Result<Answer>>;

    /// A request that a plugin makes itself; `Err` says why there is no answer.
    fn plugin(&self, request: Request<Bytes>) -> BoxFuture<'_, Result<Response<Bytes>, String>>;
}
