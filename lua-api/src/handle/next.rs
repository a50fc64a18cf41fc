//! `next` of an `around`: runs the rest of the way, outside the VM, and returns a `res` handle.

use std::sync::Arc;

use ccproxy_core::body::Answer;
use ccproxy_core::error::{Error, Result};
use ccproxy_core::middleware::Next;
use ccproxy_core::step::BoxFuture;
use mlua::{Function, Lua, Value};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::place::{Own, Place};
use super::response::ResponseHandle;
use super::view::View;
use crate::api::error::ErrorObject;

/// Where the rest of the way waits to be run by the task that drives the handler.
///
/// It also keeps what the handler may hold of the exchange, so that all of it can be let go when the
/// handler ends and not when its VM next collects garbage.
pub(crate) struct Outside(Mutex<State>);

struct State {
    /// `None` once the handler has ended.
    next: Option<Next>,
    /// The answers that `next()` returned.
    answers: Vec<Arc<Own>>,
    asked: bool,
    pending: Option<Pending>,
    /// The last failure, whole, and what the script was shown of it.
    failure: Option<(ErrorObject, Error)>,
}

struct Pending {
    rest: BoxFuture<'static, Result<Answer>>,
    answer: oneshot::Sender<Result<Answer>>,
}

impl Outside {
    pub(crate) fn new(next: Next) -> Arc<Self> {
        let (answers, asked, pending, failure) = (Vec::new(), false, None, None);
        Arc::new(Outside(Mutex::new(State { next: Some(next), answers, asked, pending, failure })))
    }

    /// The handler has ended: answers that it did not return let their upstreams go.
    pub(crate) fn close(&self) {
        let (next, answers) = {
            let mut state = self.0.lock();
            (state.next.take(), std::mem::take(&mut state.answers))
        };
        drop(next);
        for own in answers {
            let left = own.answer.lock().take();
            drop(left);
        }
    }

    /// Whether something waits to be run.
    pub(crate) fn is_waiting(&self) -> bool {
        self.0.lock().pending.is_some()
    }

    /// Runs what waits.
    pub(crate) async fn run(&self) {
        let pending = self.0.lock().pending.take();
        if let Some(Pending { rest, answer }) = pending {
            // The handler may be gone; then the answer is dropped, which lets the upstream go.
            let _ = answer.send(rest.await);
        }
    }

    fn ask(&self) -> Option<oneshot::Receiver<Result<Answer>>> {
        let mut state = self.0.lock();
        if state.pending.is_some() {
            return None;
        }
        let rest = state.next.as_ref()?.run();
        let (answer, receiver) = oneshot::channel();
        state.asked = true;
        state.failure = None;
        state.pending = Some(Pending { rest, answer });
        Some(receiver)
    }

    /// Whether `next()` was called.
    pub(crate) fn was_asked(&self) -> bool {
        self.0.lock().asked
    }

    /// The failure of the rest of the way, when that is what the handler returned, or nothing at all.
    pub(crate) fn passed_on(&self, value: &mlua::Value) -> Option<Error> {
        let mut state = self.0.lock();
        let (shown, _) = state.failure.as_ref()?;
        let passed = value.is_nil() || crate::api::error::of(value).is_some_and(|error| error == *shown);
        if passed { state.failure.take().map(|(_, error)| error) } else { None }
    }
}

/// The function `next`. It works while its handler does.
pub(crate) fn function(lua: &Lua, outside: Arc<Outside>, view: Arc<View>) -> mlua::Result<Function> {
    lua.create_async_function(move |lua, ()| {
        let (outside, view) = (outside.clone(), view.clone());
        async move {
            view.exchange()?;
            let receiver = outside.ask().ok_or_else(|| {
                mlua::Error::runtime("`next()` is running already, or its handler has ended")
            })?;
            match receiver.await.unwrap_or_else(|_| Err(Error::internal("the rest of the way was dropped"))) {
                Ok(answer) => {
                    let own = Own::new(answer, view);
                    outside.0.lock().answers.push(own.clone());
                    let handle = lua.create_userdata(ResponseHandle::new(Place::Own(own)))?;
                    Ok((Value::UserData(handle), Value::Nil))
                }
                Err(error) => {
                    let shown = ErrorObject::from_core(&error);
                    outside.0.lock().failure = Some((shown.clone(), error));
                    shown.pair(&lua)
                }
            }
        }
    })
}
