//! One test from beginning to end, on this thread: a runtime of its own, whose clock moves only when everybody waits.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::case::{self, Case, TestFile};
use super::house::Workbench;
use super::logs::Logs;
use super::record::Record;
use super::snapshot::Snapshots;
use super::table::{self, SKIPPED, Stand};
use super::{CPU, Failure, Listed, Outcome, STRETCH, Subject, Verdict};
use crate::call::{Begun, call, gone};
use crate::engine::Engine;
use crate::fault::Fault;
use crate::outcome;

/// How often the clock of the budgets is woken.
const AWAKE: Duration = Duration::from_secs(1);

/// How a test runs.
#[derive(Clone, Debug)]
pub struct Rules {
    /// What becomes of snapshots.
    pub snapshots: Snapshots,
    /// The most that a test may take, on the real clock.
    pub limit: Duration,
}

/// The tests of a file, without running any. `Err` says why it cannot be loaded.
pub fn list(engine: &Arc<Engine>, subject: &Subject, file: &str) -> Result<Vec<Listed>, Box<Failure>> {
    let runtime = runtime().map_err(|why| Box::new(Failure { message: why, ..Failure::default() }))?;
    let _inside = runtime.enter();
    let _awake = Watch::start(engine, Duration::MAX, || {});
    let loaded = case::load(engine, &subject.name, &subject.sources, file)
        .map_err(|fault| Box::new(failure_of(fault, file)))?;
    let listed =
        |case: &Case| Listed { name: case.name.clone(), line: case.line, skipped: case.skip.is_some() };
    Ok(loaded.cases.iter().map(listed).collect())
}

/// Runs the test of this name.
pub fn run(
    engine: &Arc<Engine>,
    bench: &Arc<dyn Workbench>,
    subject: &Subject,
    file: &str,
    name: &str,
    rules: &Rules,
) -> Outcome {
    let began = Instant::now();
    let logs = Logs::default();
    let folder = subject.sources.folder.clone().unwrap_or_default();
    let record = Record::new(folder, file, name, rules.snapshots, CPU);
    let verdict = tracing::subscriber::with_default(logs.clone(), || match runtime() {
        Ok(runtime) => runtime.block_on(within(engine, rules.limit, async {
            let loaded = case::load(engine, &subject.name, &subject.sources, file);
            match loaded {
                Ok(loaded) => Bench { bench, subject, record: &record, logs: &logs, loaded }.run(name).await,
                Err(fault) => Verdict::Failed(failure_of(fault, file)),
            }
        })),
        Err(why) => Verdict::Failed(Failure { message: why, ..Failure::default() }),
    });
    let verdict = match verdict {
        Verdict::Failed(mut failure) => {
            failure.notes = record.notes();
            failure.log = logs.lines().iter().map(super::logs::Line::show).collect();
            Verdict::Failed(failure)
        }
        other => other,
    };
    Outcome {
        verdict,
        took: began.elapsed(),
        written: record.written().into_iter().map(PathBuf::from).collect(),
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.map_err(|error| format!("no runtime for a test: {error}"))
}

/// The real time is watched from outside: inside, it stands still.
async fn within(engine: &Arc<Engine>, limit: Duration, test: impl Future<Output = Verdict>) -> Verdict {
    let (late, over) = oneshot::channel::<()>();
    let _watch = Watch::start(engine, limit, move || {
        let _ = late.send(());
    });
    tokio::select! {
        verdict = test => verdict,
        Ok(()) = over => Verdict::Failed(Failure {
            message: format!("took longer than {} s: it loops, or waits for what never comes", limit.as_secs_f64()),
            ..Failure::default()
        }),
    }
}

/// A thread that looks at the real clock, until it is dropped.
struct Watch {
    _stop: SyncSender<()>,
}

impl Watch {
    /// Calls `late` when the time is over.
    fn start(engine: &Arc<Engine>, limit: Duration, late: impl FnOnce() + Send + 'static) -> Option<Watch> {
        let (stop, stopped) = sync_channel::<()>(1);
        let engine = engine.clone();
        let watch = move || {
            let (began, mut late) = (Instant::now(), Some(late));
            loop {
                // The clock of the budgets sleeps when no script has begun for a while; one that loops must not outlive that.
                engine.clock.start();
                let left = limit.saturating_sub(began.elapsed());
                if left.is_zero()
                    && let Some(late) = late.take()
                {
                    late();
                }
                let wait = if late.is_some() { left.min(AWAKE) } else { AWAKE };
                if stopped.recv_timeout(wait) != Err(RecvTimeoutError::Timeout) {
                    return;
                }
            }
        };
        let started = std::thread::Builder::new().name("test-watch".to_owned()).spawn(watch);
        started.ok().map(|_| Watch { _stop: stop })
    }
}

struct Bench<'a> {
    bench: &'a Arc<dyn Workbench>,
    subject: &'a Subject,
    record: &'a Arc<Record>,
    logs: &'a Logs,
    loaded: TestFile,
}

impl Bench<'_> {
    async fn run(self, name: &str) -> Verdict {
        let Some(case) = self.loaded.cases.iter().find(|case| case.name == name).cloned() else {
            return Verdict::Failed(Failure {
                message: "this test is registered only sometimes".to_owned(),
                ..Failure::default()
            });
        };
        if let Some(why) = case.skip {
            return Verdict::Skipped(why);
        }
        let stand = Arc::new(Stand {
            record: self.record.clone(),
            bench: self.bench.clone(),
            plugin: self.subject.name.clone(),
            clock: self.loaded.clock.clone(),
            logs: self.logs.clone(),
        });
        let script = self.loaded.script.clone();
        let begin = |script: &Arc<crate::script::Script>| {
            let t = table::table(script, &stand)?;
            Ok(Begun::alone(script.vm.trampoline.call_async((case.run, t))))
        };
        let done = |_: &Arc<crate::script::Script>, values| outcome::plain(values).map(|_| ());
        let ran = call(script, &self.record.handler, self.record.allowed(), gone, begin, done).get().await;
        let verdict = self.judge(ran, case.line);
        for house in self.record.houses() {
            house.proxy.shutdown().await;
        }
        self.record.clear();
        verdict
    }

    fn judge(&self, ran: Result<(), Fault>, line: usize) -> Verdict {
        let file = &self.record.file;
        let here = Some((file.clone(), line));
        let failed = |message: String| {
            Verdict::Failed(Failure { message, position: here.clone(), ..Failure::default() })
        };
        if let Some(why) = self.record.skipped()
            && let Err(Fault::Script { message, .. }) = &ran
            && message.ends_with(SKIPPED)
        {
            return Verdict::Skipped(why);
        }
        if let Err(fault) = ran {
            if let Fault::Script { message, .. } = &fault
                && let Some(assertion) = self.record.assertion(message)
            {
                return Verdict::Failed(Failure {
                    message: assertion.message,
                    position: assertion.position,
                    ..Failure::default()
                });
            }
            let mut failure = match fault {
                Fault::Late(_) => Failure {
                    message: format!(
                        "runs Lua without end: a test has {CPU:?} of CPU, {STRETCH:?} at a stretch"
                    ),
                    ..Failure::default()
                },
                Fault::Timeout(_) => {
                    Failure { message: "waits for what never comes".to_owned(), ..Failure::default() }
                }
                fault => failure_of(fault, file),
            };
            if failure.position.is_none() {
                failure.position = here;
            }
            return Verdict::Failed(failure);
        }
        if let Some(aside) = self.record.aside() {
            return failed(aside);
        }
        for house in self.record.houses() {
            let failures = house.failures();
            if failures > 0 && !house.is_forgiven() {
                return failed(format!(
                    "the plugin failed {failures} time{} meanwhile; `p:failures()` tells how often, and that it is meant",
                    if failures == 1 { "" } else { "s" }
                ));
            }
            let left = house.world.queued();
            if left > 0 {
                return failed(format!(
                    "{left} of the queued answers of the upstream {} never asked for",
                    if left == 1 { "was" } else { "were" }
                ));
            }
        }
        Verdict::Passed
    }
}

/// A raised error, where it was raised; and where the test's file stands, when that is elsewhere.
fn failure_of(fault: Fault, file: &str) -> Failure {
    let traceback = match &fault {
        Fault::Script { traceback, .. } => traceback.clone(),
        _ => String::new(),
    };
    let told = crate::script::told(fault);
    let (position, message) = match positioned(&told) {
        Some((source, line, rest)) => (Some((source.to_owned(), line)), rest.to_owned()),
        None => (None, told.strip_prefix("plugin.lua: ").unwrap_or(&told).to_owned()),
    };
    let mut stack: Vec<String> = Vec::new();
    for line in traceback.lines().map(str::trim).filter(|line| line.contains(".lua:")) {
        stack.push(line.to_owned());
    }
    if stack.len() == 1 && stack[0].starts_with(file) {
        stack.clear();
    }
    Failure { message, position, stack, ..Failure::default() }
}

/// `limits_test.lua:12: text`.
fn positioned(text: &str) -> Option<(&str, usize, &str)> {
    let end = text.find(".lua:")? + ".lua".len();
    let (source, rest) = text.split_at(end);
    let rest = rest.strip_prefix(':')?;
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let line = rest[..digits].parse().ok()?;
    let message = rest[digits..].strip_prefix(':')?;
    (!source.contains(char::is_whitespace)).then(|| (source, line, message.trim_start()))
}
