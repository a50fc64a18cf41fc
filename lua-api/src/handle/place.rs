//! Where a handle's head and body live: in the exchange, or in an answer that a handler holds.

use std::sync::Arc;

use ccproxy_core::body::{Answer, Body};
use ccproxy_core::document::Document;
use ccproxy_core::exchange::Moment;
use ccproxy_core::middleware::BodyAccess;
use http::{HeaderMap, StatusCode};
use parking_lot::Mutex;

use super::view::View;
use super::{BodySlot, DeadHandle};

/// One of the messages of an exchange.
#[derive(Clone)]
pub(crate) enum Place {
    /// What the client asked.
    Request(Arc<View>),
    /// What goes to the provider.
    Outbound(Arc<View>),
    /// The head of the answer on its way up.
    Response(Arc<View>),
    /// An answer that `next()` returned.
    Own(Arc<Own>),
}

/// An answer in a handler's hands.
pub(crate) struct Own {
    pub(crate) view: Arc<View>,
    pub(crate) answer: Mutex<Held>,
}

/// The answer; its body as a document once a script looked at it.
pub(crate) struct Held {
    pub(crate) answer: Option<Answer>,
    pub(crate) document: Option<Document>,
}

impl Own {
    pub(crate) fn new(answer: Answer, view: Arc<View>) -> Arc<Self> {
        Arc::new(Own { view, answer: Mutex::new(Held { answer: Some(answer), document: None }) })
    }
}

impl Held {
    /// Takes the answer out, with the body as the script left it.
    pub(crate) fn take(&mut self) -> Option<Answer> {
        let mut answer = self.answer.take()?;
        if let Some(document) = self.document.take() {
            answer.body = Body::full(document.bytes().clone());
        }
        Some(answer)
    }
}

impl Place {
    /// Looks at the header fields.
    #[inline]
    pub(crate) fn headers<R>(&self, look: impl FnOnce(&HeaderMap) -> R) -> Result<R, DeadHandle> {
        match self {
            Place::Request(view) => Ok(look(&view.exchange()?.request.lock().headers)),
            Place::Outbound(view) => match &*view.exchange()?.outbound.lock() {
                Some(outbound) => Ok(look(&outbound.headers)),
                None => Err(gone("the request to the provider")),
            },
            Place::Response(view) => match &*view.exchange()?.response.lock() {
                Some(head) => Ok(look(&head.headers)),
                None => Err(gone("the answer's head")),
            },
            Place::Own(own) => {
                own.view.exchange()?;
                match &own.answer.lock().answer {
                    Some(answer) => Ok(look(&answer.headers)),
                    None => Err(gone("this answer")),
                }
            }
        }
    }

    /// Edits the header fields, when it is not too late.
    #[inline]
    pub(crate) fn edit_headers<R>(&self, edit: impl FnOnce(&mut HeaderMap) -> R) -> Result<R, DeadHandle> {
        match self {
            Place::Request(view) => {
                let exchange = view.exchange_until(Moment::Request, "the request's headers")?;
                let mut request = exchange.request.lock();
                Ok(edit(&mut request.headers))
            }
            Place::Outbound(view) => match &mut *view.exchange()?.outbound.lock() {
                Some(outbound) => Ok(edit(&mut outbound.headers)),
                None => Err(super::view::too_late("the request to the provider", Moment::Prepared)),
            },
            Place::Response(view) => match &mut *view.exchange()?.response.lock() {
                Some(head) => Ok(edit(&mut head.headers)),
                None => Err(super::view::too_late("the answer's headers", Moment::Response)),
            },
            Place::Own(own) => {
                own.view.exchange()?;
                match &mut own.answer.lock().answer {
                    Some(answer) => Ok(edit(&mut answer.headers)),
                    None => Err(gone("this answer")),
                }
            }
        }
    }

    /// The status, of an answer.
    pub(crate) fn status(&self) -> Result<StatusCode, DeadHandle> {
        match self {
            Place::Response(view) => match &*view.exchange()?.response.lock() {
                Some(head) => Ok(head.status),
                None => Err(gone("the answer's head")),
            },
            Place::Own(own) => {
                own.view.exchange()?;
                own.answer
                    .lock()
                    .answer
                    .as_ref()
                    .map(|answer| answer.status)
                    .ok_or_else(|| gone("this answer"))
            }
            Place::Request(_) | Place::Outbound(_) => Err(gone("a status")),
        }
    }

    /// Sets the status of an answer.
    pub(crate) fn set_status(&self, status: StatusCode) -> Result<(), DeadHandle> {
        match self {
            Place::Response(view) => match &mut *view.exchange()?.response.lock() {
                Some(head) => head.status = status,
                None => return Err(super::view::too_late("the status", Moment::Response)),
            },
            Place::Own(own) => {
                own.view.exchange()?;
                match &mut own.answer.lock().answer {
                    Some(answer) => answer.status = status,
                    None => return Err(gone("this answer")),
                }
            }
            Place::Request(_) | Place::Outbound(_) => return Err(gone("a status")),
        }
        Ok(())
    }

    pub(super) fn view(&self) -> &Arc<View> {
        match self {
            Place::Request(view) | Place::Outbound(view) | Place::Response(view) => view,
            Place::Own(own) => &own.view,
        }
    }

    /// Whether there is a whole body to look at now.
    pub(crate) fn has_body(&self) -> Result<bool, DeadHandle> {
        Ok(match self {
            Place::Request(view) => {
                view.exchange()?;
                true
            }
            Place::Outbound(view) => view.exchange()?.outbound.lock().is_some(),
            Place::Response(view) => {
                view.exchange()?.response.lock().as_ref().is_some_and(|head| head.body.is_some())
            }
            Place::Own(own) => {
                own.view.exchange()?;
                let held = own.answer.lock();
                matches!(&held.answer, Some(answer) if matches!(answer.body, Body::Full(_)))
            }
        })
    }

    /// Lends the body.
    fn document(&self, edit: bool, f: &mut dyn FnMut(&mut Document)) -> Result<(), DeadHandle> {
        if self.view().exchange()?.is_private() {
            if edit {
                return Err(gone("a body that may be changed on this route"));
            }
            // An empty object: who reads bodies of every route finds nothing in this one.
            f(&mut Document::new(bytes::Bytes::from_static(b"{}")));
            return Ok(());
        }
        match self {
            Place::Request(view) => {
                let exchange = match edit {
                    true => view.exchange_until(Moment::Request, "the request's body")?,
                    false => view.exchange()?,
                };
                f(&mut exchange.request.lock().body);
            }
            Place::Outbound(view) => match &mut *view.exchange()?.outbound.lock() {
                Some(outbound) => f(&mut outbound.body),
                None => return Err(super::view::too_late("the request to the provider", Moment::Prepared)),
            },
            Place::Response(view) => {
                match view.exchange()?.response.lock().as_mut().and_then(|head| head.body.as_mut()) {
                    Some(body) => f(body),
                    None => return Err(gone("the answer's body")),
                }
            }
            Place::Own(own) => {
                own.view.exchange()?;
                let held = &mut *own.answer.lock();
                if held.document.is_none()
                    && let Some(Answer { body: Body::Full(bytes), .. }) = &mut held.answer
                {
                    held.document = Some(Document::new(bytes.take().unwrap_or_default()));
                }
                match &mut held.document {
                    Some(document) => f(document),
                    None => return Err(gone("this answer's body (it is a stream: call `res:read()` first)")),
                }
            }
        }
        Ok(())
    }
}

impl BodySlot for Place {
    fn with(&self, f: &mut dyn FnMut(&mut Document)) -> Result<(), DeadHandle> {
        self.document(false, f)
    }

    fn edit(&self, f: &mut dyn FnMut(&mut Document)) -> Result<(), DeadHandle> {
        self.document(true, f)
    }

    fn access(&self) -> BodyAccess {
        self.view().access()
    }
}

fn gone(what: &str) -> DeadHandle {
    DeadHandle(format!("{what} is not there at this moment"))
}
