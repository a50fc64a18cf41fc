//! One VM: who may run in it, for how long, and what becomes of values dropped elsewhere.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use mlua::{Function, Lua, VmState};
use parking_lot::Mutex as ShortLock;
use tokio::sync::{Mutex, MutexGuard, Notify};

use crate::budget::Deadline;
use crate::engine::Engine;
use crate::handle::texts::Texts;
use crate::host::{Host, Limits, Sources};
use crate::sandbox;

/// A hardened VM behind a gate.
///
/// mlua guards a VM with a mutex that blocks the thread. Here everything that touches the VM happens
/// inside the gate, which is asynchronous: a busy VM parks the task, never the worker. Values that
/// outlive their call are handed to [`Vm::discard`] instead of being dropped wherever they are.
pub(crate) struct Vm {
    pub(crate) lua: Lua,
    pub(crate) engine: Arc<Engine>,
    pub(crate) limits: Limits,
    pub(crate) deadline: Arc<Deadline>,
    /// Runs a handler and keeps what it raises whole.
    pub(crate) trampoline: Function,
    /// Header values that scripts have read.
    pub(crate) texts: Arc<Texts>,
    gate: Mutex<()>,
    dead: AtomicBool,
    killed: Notify,
    dirty: AtomicBool,
    trash: ShortLock<Vec<Box<dyn Any + Send>>>,
    slices: AtomicU32,
}

/// The right to touch the VM.
pub(crate) struct Entered<'a> {
    vm: &'a Vm,
    /// `None` once the gate is left.
    guard: Option<MutexGuard<'a, ()>>,
}

/// How many slices pass between two looks at the memory.
const MEMORY_LOOK: u32 = 256;

impl Vm {
    /// Builds and hardens it.
    pub(crate) fn new(engine: &Arc<Engine>, host: &Arc<Host>, sources: &Arc<Sources>) -> mlua::Result<Self> {
        let (lua, trampoline) = sandbox::build(host, sources)?;
        let deadline = Deadline::new(engine.clock.face());
        let watched = deadline.clone();
        let limit = host.limits.cpu;
        lua.set_interrupt(move |_| {
            if watched.late() {
                return Err(mlua::Error::RuntimeError(format!("the CPU budget of {limit:?} is used up")));
            }
            Ok(VmState::Continue)
        });
        lua.set_memory_limit(host.limits.memory)?;
        engine.vms.fetch_add(1, Ordering::Relaxed);
        Ok(Vm {
            lua,
            engine: engine.clone(),
            limits: host.limits.clone(),
            deadline,
            trampoline,
            texts: Arc::default(),
            gate: Mutex::new(()),
            dead: AtomicBool::new(false),
            killed: Notify::new(),
            dirty: AtomicBool::new(false),
            trash: ShortLock::new(Vec::new()),
            slices: AtomicU32::new(0),
        })
    }

    /// Enters when nobody is inside.
    #[inline]
    pub(crate) fn try_enter(&self) -> Option<Entered<'_>> {
        self.gate.try_lock().ok().map(|guard| Entered { vm: self, guard: Some(guard) })
    }

    /// Enters when it is this task's turn.
    pub(crate) async fn enter(&self) -> Entered<'_> {
        Entered { vm: self, guard: Some(self.gate.lock().await) }
    }

    /// Marks it as spoiled: it will be replaced before the next call.
    pub(crate) fn kill(&self) {
        self.dead.store(true, Ordering::Release);
        self.killed.notify_waiters();
    }

    /// Done when it is spoiled from now on. To be asked inside the gate, where it is known not to be yet.
    pub(crate) fn spoiled(&self) -> impl Future<Output = ()> + '_ {
        // Counts from here, not from its first poll.
        self.killed.notified()
    }

    /// Whether it is spoiled.
    #[inline]
    pub(crate) fn is_dead(&self) -> bool {
        self.dead.load(Ordering::Acquire)
    }

    /// Drops values of this VM inside the gate: now when it is free, else when who is inside leaves.
    pub(crate) fn discard(&self, value: Box<dyn Any + Send>) {
        self.trash.lock().push(value);
        self.dirty.store(true, Ordering::Release);
        // Leaving the gate empties the trash.
        drop(self.try_enter());
    }

    /// A script is about to run: its allocations are limited. Outside of slices they are not, since the host
    /// makes only handles and values of a known size there, and what mlua makes under a limit costs three
    /// times as much: each value then needs a protected call of its own.
    #[inline]
    pub(crate) fn limit_memory(&self) {
        let _ = self.lua.set_memory_limit(self.limits.memory);
    }

    /// The script has returned or waits.
    #[inline]
    pub(crate) fn unlimit_memory(&self) {
        let _ = self.lua.set_memory_limit(0);
    }

    /// Bytes in use. Takes mlua's lock: only for those inside the gate.
    pub(crate) fn used_memory(&self) -> usize {
        self.lua.used_memory()
    }

    fn tidy(&self) {
        if self.dirty.swap(false, Ordering::AcqRel) {
            let trash = std::mem::take(&mut *self.trash.lock());
            drop(trash);
        }
        // The collector is paced by growth, not by the limit: near the limit it needs a push.
        if self.slices.fetch_add(1, Ordering::Relaxed) % MEMORY_LOOK == MEMORY_LOOK - 1
            && self.lua.used_memory() > self.limits.memory / 4 * 3
        {
            let _ = self.lua.gc_collect();
        }
    }
}

impl Drop for Vm {
    fn drop(&mut self) {
        self.engine.vms.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        self.vm.tidy();
        drop(self.guard.take());
        // What was discarded after the tidying, while the gate was still shut, is nobody else's.
        if self.vm.dirty.load(Ordering::Acquire) {
            drop(self.vm.try_enter());
        }
    }
}
