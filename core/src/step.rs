//! The outcome of a step that is mostly known at once: no box and no wake-up unless it has to wait.

use std::future::Future;
use std::pin::Pin;

/// A boxed future that may move between workers.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Either the value, or the future that will have it.
pub enum Step<'a, T> {
    /// Known already.
    Ready(T),
    /// Has to wait for something.
    Later(BoxFuture<'a, T>),
}

impl<T> Step<'_, T> {
    /// The value, waiting only if it must.
    #[inline]
    pub async fn get(self) -> T {
        match self {
            Step::Ready(value) => value,
            Step::Later(future) => future.await,
        }
    }
}
