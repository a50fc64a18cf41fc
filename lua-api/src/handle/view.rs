//! One exchange as one plugin sees it: what its handles look through, and when they are dead.

use std::any::Any;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use ccproxy_core::exchange::{Exchange, Moment};
use ccproxy_core::middleware::BodyAccess;
use mlua::{AnyUserData, Table};
use parking_lot::Mutex;

use super::DeadHandle;
use super::texts::Texts;
use crate::budget::ExchangeBudget;
use crate::script::Script;

/// Shared by the handles of one exchange in one VM.
pub(crate) struct View {
    exchange: Weak<Exchange>,
    /// Handlers of this plugin that are at work on this exchange, parked ones included.
    live: AtomicU32,
    /// What the handler that runs now may do with bodies.
    access: AtomicU8,
    budget: Arc<ExchangeBudget>,
    /// Bytes of events that the plugin was given and has not given on.
    kept_back: AtomicUsize,
    /// Header values of this VM.
    pub(super) texts: Arc<Texts>,
    pub(crate) refs: Mutex<Refs>,
}

/// The Lua values kept for an exchange. They live in the exchange's slot, not in the handles, so that
/// a script's references among them never keep each other alive.
#[derive(Default)]
pub(crate) struct Refs {
    pub(crate) request: Option<AnyUserData>,
    pub(crate) request_headers: Option<AnyUserData>,
    pub(crate) request_body: Option<AnyUserData>,
    pub(crate) response: Option<AnyUserData>,
    pub(crate) response_headers: Option<AnyUserData>,
    pub(crate) outbound: Option<AnyUserData>,
    pub(crate) state: Option<Table>,
}

impl View {
    /// The view of an exchange; made at its first handler, found again by the later ones.
    pub(crate) fn of(script: &Arc<Script>, key: usize, exchange: &Arc<Exchange>) -> Arc<View> {
        let mut budget = None;
        if let Some(slot) = exchange.slot(key)
            && let Ok(keeper) = slot.downcast::<Keeper>()
        {
            if std::ptr::eq(keeper.script.as_ptr(), Arc::as_ptr(script)) {
                return keeper.view.clone();
            }
            // What a spoiled VM used stays used.
            budget = Some(keeper.view.budget.clone());
        }
        let view = Arc::new(View {
            exchange: Arc::downgrade(exchange),
            live: AtomicU32::new(0),
            access: AtomicU8::new(0),
            budget: budget.unwrap_or_default(),
            kept_back: AtomicUsize::new(0),
            texts: script.vm.texts.clone(),
            refs: Mutex::default(),
        });
        exchange.set_slot(key, Arc::new(Keeper { view: view.clone(), script: Arc::downgrade(script) }));
        view
    }

    /// Whether the plugin has used up what it may use for this exchange, and whether this is the first to
    /// ask since.
    pub(crate) fn spent(key: usize, exchange: &Exchange) -> Option<bool> {
        let keeper = exchange.slot(key)?.downcast::<Keeper>().ok()?;
        let budget = &keeper.view.budget;
        budget.is_spent().then(|| budget.tell())
    }

    /// The exchange, for a handle that is used now.
    #[inline]
    pub(crate) fn exchange(&self) -> Result<Arc<Exchange>, DeadHandle> {
        if self.live.load(Ordering::Acquire) == 0 {
            return Err(dead());
        }
        self.exchange.upgrade().ok_or_else(dead)
    }

    /// The exchange, for an edit that works only up to `last`.
    pub(crate) fn exchange_until(&self, last: Moment, what: &str) -> Result<Arc<Exchange>, DeadHandle> {
        let exchange = self.exchange()?;
        // An `around` may edit the request between two tries, when the moment is long past.
        let between_tries = last == Moment::Request && self.access.load(Ordering::Relaxed) & AROUND != 0;
        if exchange.moment() > last && !between_tries {
            return Err(too_late(what, last));
        }
        Ok(exchange)
    }

    /// Bytes of events that `event` handlers removed so far and put nothing in the place of.
    pub(crate) fn kept_back(&self) -> usize {
        self.kept_back.load(Ordering::Relaxed)
    }

    /// Notes how many they are now.
    pub(crate) fn keep_back(&self, bytes: usize) {
        self.kept_back.store(bytes, Ordering::Relaxed);
    }

    /// What the handler that runs now may do with bodies.
    pub(crate) fn access(&self) -> BodyAccess {
        match self.access.load(Ordering::Relaxed) & !AROUND {
            0 => BodyAccess::None,
            1 => BodyAccess::Read,
            _ => BodyAccess::Write,
        }
    }
}

/// Set in `access` while an `around` runs.
const AROUND: u8 = 0x80;

/// The words for an edit that comes too late.
pub(crate) fn too_late(what: &str, last: Moment) -> DeadHandle {
    let place = match last {
        Moment::Request => "`request` of a middleware (and `around`, before `next()`)",
        Moment::Prepared | Moment::Sent => "the hook `provider.request.prepared`",
        Moment::Response => "`response` of a middleware",
        Moment::Streaming | Moment::Finished => "a handler of its exchange",
    };
    DeadHandle(format!("too late to change {what}: the last moment for it is {place}"))
}

fn dead() -> DeadHandle {
    DeadHandle(
        "this handle belongs to an exchange that no handler of this plugin is at work on; \
         keep plain values in `req.state`, not handles in variables"
            .to_owned(),
    )
}

/// What the exchange's slot holds.
struct Keeper {
    view: Arc<View>,
    script: Weak<Script>,
}

impl Drop for Keeper {
    fn drop(&mut self) {
        let refs = std::mem::take(&mut *self.view.refs.lock());
        if let Some(script) = self.script.upgrade() {
            let refs: Box<dyn Any + Send> = Box::new(refs);
            script.vm.discard(refs);
        }
    }
}

/// A handler at work on an exchange: while it lives, the handles do.
pub(crate) struct Lease {
    view: Arc<View>,
    access: u8,
}

impl Lease {
    pub(crate) fn new(view: Arc<View>, access: BodyAccess, around: bool) -> Self {
        view.live.fetch_add(1, Ordering::AcqRel);
        Lease { view, access: access as u8 | if around { AROUND } else { 0 } }
    }

    /// The handler runs now: handles act with its rights.
    #[inline]
    pub(crate) fn enter(&self) {
        self.view.access.store(self.access, Ordering::Relaxed);
    }

    pub(crate) fn budget(&self) -> Arc<ExchangeBudget> {
        self.view.budget.clone()
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.view.live.fetch_sub(1, Ordering::AcqRel);
    }
}
