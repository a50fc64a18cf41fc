//! What the server hands its requests to: steps 2 to 12 of the way of an exchange.

use std::future::Future;
use std::sync::Arc;

use http::{Request, Response};

use super::RequestBody;
use crate::body::Body;
use crate::exchange::Peer;

/// Answers requests. One for the process, shared by all connections.
///
/// Errors are answers too: a handler always has one. Its future is dropped when the client leaves.
pub trait Handler: Send + Sync + 'static {
    /// Answers one request. The body has not been read; reading it is what makes the server send
    /// `100 Continue`.
    fn handle(
        self: Arc<Self>,
        request: Request<RequestBody>,
        peer: Peer,
    ) -> impl Future<Output = Response<Body>> + Send + 'static;
}
