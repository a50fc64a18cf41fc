//! One call of a handler: at once when the VM is free and the handler does not wait, else as a future.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use ccproxy_core::middleware::BodyAccess;
use ccproxy_core::step::{BoxFuture, Step};
use mlua::Value;
use mlua::function::AsyncCallFuture;

use crate::budget::Budget;
use crate::cost::Handler;
use crate::fault::Fault;
use crate::handle::next::Outside;
use crate::handle::view::{Lease, View};
use crate::outcome;
use crate::script::Script;
use crate::vm::{Entered, Vm};

/// What the trampoline gives back: whether it went well, and up to three values.
pub(crate) type Raw = (bool, Value, Value, Value);

/// A coroutine that runs a handler.
pub(crate) type Coroutine = AsyncCallFuture<Raw>;

/// The limits of a call.
#[derive(Clone, Copy)]
pub(crate) struct Allowed {
    /// Running Lua.
    pub(crate) cpu: Duration,
    /// From call to return, waiting included.
    pub(crate) wall: Duration,
}

/// A handler about to run, made inside the gate.
pub(crate) struct Begun {
    pub(crate) coroutine: Coroutine,
    /// The exchange it runs for, if any, and what it may do with the bodies.
    pub(crate) exchange: Option<(Arc<View>, BodyAccess)>,
    /// Where `next()` of an `around` runs.
    pub(crate) outside: Option<Arc<Outside>>,
}

impl Begun {
    /// A handler that belongs to no exchange.
    pub(crate) fn alone(coroutine: Coroutine) -> Self {
        Begun { coroutine, exchange: None, outside: None }
    }

    /// A handler for an exchange.
    pub(crate) fn within(coroutine: Coroutine, view: Arc<View>, access: BodyAccess) -> Self {
        Begun { coroutine, exchange: Some((view, access)), outside: None }
    }
}

/// Calls a handler. `begin` makes its coroutine, `finish` takes what it returned; both run inside the gate.
/// `renew` gives another script when this one's VM was spoiled while the call waited for its turn.
pub(crate) fn call<'a, R, N, B, F>(
    script: Arc<Script>,
    handler: &'a Handler,
    allowed: Allowed,
    renew: N,
    begin: B,
    finish: F,
) -> Step<'a, Result<R, Fault>>
where
    R: Send + 'a,
    N: Fn() -> BoxFuture<'a, Result<Arc<Script>, Fault>> + Send + 'a,
    B: FnOnce(&Arc<Script>) -> Result<Begun, Fault> + Send + 'a,
    F: FnOnce(&Arc<Script>, [Value; 3]) -> Result<R, Fault> + Send + 'a,
{
    let Some(entered) = script.vm.try_enter().filter(|_| !script.vm.is_dead()) else {
        return Step::Later(Box::pin(async move {
            let mut script = script;
            let running = loop {
                let entered = within(allowed.wall, script.vm.enter()).await?;
                if !script.vm.is_dead() {
                    // Begins and runs in one turn: between two, another call may spoil the VM.
                    let mut running = Running::begin(&script, handler, &entered, allowed, begin)?;
                    match running.slice(&entered, Waker::noop()) {
                        Poll::Ready(result) => return result.and_then(|values| finish(&script, values)),
                        Poll::Pending => break running,
                    }
                }
                drop(entered);
                script = renew().await?;
            };
            drive(running, allowed, finish).await
        }));
    };
    let mut running = match Running::begin(&script, handler, &entered, allowed, begin) {
        Ok(running) => running,
        Err(fault) => return Step::Ready(Err(fault)),
    };
    match running.slice(&entered, Waker::noop()) {
        Poll::Ready(result) => Step::Ready(result.and_then(|values| finish(&script, values))),
        Poll::Pending => {
            drop(entered);
            Step::Later(Box::pin(drive(running, allowed, finish)))
        }
    }
}

/// Polls a parked coroutine, inside the gate only, until it returns or its time is over.
async fn drive<R, F>(mut running: Running<'_>, allowed: Allowed, finish: F) -> Result<R, Fault>
where
    F: FnOnce(&Arc<Script>, [Value; 3]) -> Result<R, Fault>,
{
    let script = running.script.clone();
    let mut left = allowed.wall;
    loop {
        if let Some(outside) = running.outside.clone() {
            // The rest of the way has clocks of its own and may need this very VM: it runs outside.
            outside.run().await;
        }
        let began = tokio::time::Instant::now();
        let entered = within(left, script.vm.enter()).await?;
        let polled =
            std::future::poll_fn(|context| Poll::Ready(running.slice(&entered, context.waker()))).await;
        if let Poll::Ready(result) = polled {
            return result.and_then(|values| finish(&script, values));
        }
        let spoiled = script.vm.spoiled();
        drop(entered);
        let waits_outside = running.outside.as_ref().is_some_and(|outside| outside.is_waiting());
        if !waits_outside {
            let wait = within(left.saturating_sub(began.elapsed()), woken());
            tokio::select! {
                biased;
                woken = wait => woken?,
                // What it waits for may still come, but there is nothing left to come to.
                () = spoiled => return Err(Fault::Gone),
            }
        }
        // The end of the time wakes the task as well, and then looks like any other wake-up.
        left = left.saturating_sub(began.elapsed());
        if left.is_zero() {
            return Err(timeout());
        }
    }
}

/// No other script will do: what is to be called lives in this VM alone.
pub(crate) fn gone<'a>() -> BoxFuture<'a, Result<Arc<Script>, Fault>> {
    Box::pin(async { Err(Fault::Gone) })
}

/// A wait with an end.
async fn within<T>(left: Duration, wait: impl Future<Output = T>) -> Result<T, Fault> {
    tokio::time::timeout(left, wait).await.map_err(|_| timeout())
}

fn timeout() -> Fault {
    Fault::Timeout("it took longer than its time limit".to_owned())
}

/// Pending once: whatever the coroutine waits for has the task's waker.
fn woken() -> impl Future<Output = ()> {
    let mut parked = false;
    std::future::poll_fn(move |_| {
        if parked {
            return Poll::Ready(());
        }
        parked = true;
        Poll::Pending
    })
}

/// A call that has begun. Dropped while parked, its coroutine is ended inside the gate.
struct Running<'a> {
    script: Arc<Script>,
    handler: &'a Handler,
    /// When it began, until its first slice, which that time counts for.
    began: Option<Instant>,
    coroutine: Option<Coroutine>,
    budget: Budget,
    lease: Option<Lease>,
    outside: Option<Arc<Outside>>,
}

impl<'a> Running<'a> {
    fn begin<B>(
        script: &Arc<Script>,
        handler: &'a Handler,
        _inside: &Entered<'_>,
        allowed: Allowed,
        begin: B,
    ) -> Result<Self, Fault>
    where
        B: FnOnce(&Arc<Script>) -> Result<Begun, Fault>,
    {
        if script.vm.is_dead() {
            return Err(Fault::Gone);
        }
        let began = Some(Instant::now());
        let begun = begin(script)?;
        let around = begun.outside.is_some();
        let lease = begun.exchange.map(|(view, access)| Lease::new(view, access, around));
        let exchange = lease.as_ref().map(Lease::budget);
        Ok(Running {
            script: script.clone(),
            handler,
            began,
            coroutine: Some(begun.coroutine),
            budget: Budget::new(allowed.cpu, script.vm.limits.cpu, exchange),
            lease,
            outside: begun.outside,
        })
    }

    /// Runs until the handler returns or waits.
    fn slice(&mut self, _inside: &Entered<'_>, waker: &Waker) -> Poll<Result<[Value; 3], Fault>> {
        let vm: &Vm = &self.script.vm;
        if vm.is_dead() {
            return Poll::Ready(Err(Fault::Gone));
        }
        let Some(coroutine) = self.coroutine.as_mut() else { return Poll::Ready(Err(Fault::Gone)) };
        let Some(allowance) = self.budget.allowance() else {
            self.coroutine = None;
            if self.budget.exchange_is_spent() {
                return Poll::Ready(Err(Fault::Spent));
            }
            return Poll::Ready(Err(self.spoil(late(&self.budget))));
        };
        if let Some(lease) = &self.lease {
            lease.enter();
        }
        vm.engine.clock.start();
        vm.limit_memory();
        let began = self.began.take().unwrap_or_else(Instant::now);
        vm.deadline.arm(allowance, began);
        let mut context = Context::from_waker(waker);
        // A panic of a host function that the script caught comes back when its value is read: `split`.
        let polled = std::panic::catch_unwind(AssertUnwindSafe(|| {
            Pin::new(coroutine)
                .poll(&mut context)
                .map(|raw| raw.map_err(Fault::from).and_then(outcome::split))
        }));
        let was_late = vm.deadline.disarm();
        vm.unlimit_memory();
        self.budget.spend(vm.deadline.spent(began));
        let result = match polled {
            Ok(Poll::Pending) if !was_late => return Poll::Pending,
            Ok(Poll::Pending) => Err(late(&self.budget)),
            Err(panic) => Err(Fault::Panic(panic_text(&*panic))),
            Ok(Poll::Ready(_)) if was_late => Err(late(&self.budget)),
            Ok(Poll::Ready(result)) => result,
        };
        self.coroutine = None;
        self.script.meter.spent(self.budget.used());
        self.handler.took(self.budget.used());
        Poll::Ready(result.map_err(|fault| self.spoil(fault)))
    }

    fn spoil(&self, fault: Fault) -> Fault {
        if fault.spoils_vm() {
            self.script.vm.kill();
        }
        fault
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if let Some(coroutine) = self.coroutine.take() {
            self.script.vm.discard(Box::new(coroutine));
        }
        if let Some(outside) = &self.outside {
            outside.close();
        }
    }
}

fn late(budget: &Budget) -> Fault {
    Fault::Late(format!("used {} ms of CPU, more than its budget", budget.used().as_millis()))
}

/// What a panic said, when it said anything.
pub(crate) fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}
