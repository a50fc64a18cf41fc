//! Runs the tasks of plugins: each by itself, never twice at once, slower after failures.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::Mutex as Turn;
use tokio::task::AbortHandle;

use crate::error::{Error, Kind, Result, Side};
use crate::plugin::{Task, TaskSpec};
use crate::unix_time::precise;

/// The tasks of one plugin instance. Dropping it stops them.
pub struct Schedule {
    tasks: Vec<Arc<Scheduled>>,
    runners: Vec<AbortHandle>,
}

struct Scheduled {
    plugin: String,
    spec: TaskSpec,
    task: Arc<dyn Task>,
    /// Held while it runs: a run by hand waits for the run by the clock.
    turn: Turn<()>,
    record: Mutex<Record>,
}

#[derive(Default)]
struct Record {
    runs: u64,
    failures: u64,
    consecutive_failures: u32,
    running: bool,
    last_run: Option<SystemTime>,
    last_duration: Option<Duration>,
    last_error: Option<String>,
    next_run: Option<SystemTime>,
}

impl Schedule {
    /// Starts the tasks that are enabled. Must run inside a tokio runtime.
    pub fn start(plugin: &str, tasks: Vec<(TaskSpec, Arc<dyn Task>)>) -> Self {
        let tasks: Vec<Arc<Scheduled>> = tasks
            .into_iter()
            .map(|(spec, task)| {
                Arc::new(Scheduled {
                    plugin: plugin.to_owned(),
                    spec,
                    task,
                    turn: Turn::new(()),
                    record: Mutex::new(Record::default()),
                })
            })
            .collect();
        let runners = tasks
            .iter()
            .filter(|task| task.spec.enabled)
            .map(|task| tokio::spawn(repeat(task.clone())).abort_handle())
            .collect();
        Schedule { tasks, runners }
    }

    /// Runs a task now, after a run that is under way.
    pub async fn run_now(&self, name: &str) -> Result<Value> {
        let Some(task) = self.tasks.iter().find(|task| task.spec.name == name) else {
            let names: Vec<_> = self.tasks.iter().map(|task| format!("`{}`", task.spec.name)).collect();
            let known = if names.is_empty() {
                "it has none".to_owned()
            } else {
                format!("it has {}", names.join(", "))
            };
            return Err(Error::client(Kind::NotFound, format!("no task `{name}`; {known}")));
        };
        task.run().await?;
        Ok(task.status())
    }

    /// The state of every task.
    pub fn status(&self) -> Vec<Value> {
        self.tasks.iter().map(|task| task.status()).collect()
    }
}

impl Drop for Schedule {
    fn drop(&mut self) {
        for runner in &self.runners {
            runner.abort();
        }
    }
}

async fn repeat(task: Arc<Scheduled>) {
    let mut delay = if task.spec.at_start { Duration::ZERO } else { task.delay() };
    loop {
        task.record.lock().next_run = Some(SystemTime::now() + delay);
        tokio::time::sleep(delay).await;
        if let Err(error) = task.run().await {
            tracing::warn!(plugin = %task.plugin, task = %task.spec.name, "{error}");
        }
        delay = task.delay();
    }
}

impl Scheduled {
    async fn run(&self) -> Result<()> {
        let _turn = self.turn.lock().await;
        let began = Instant::now();
        {
            let mut record = self.record.lock();
            record.running = true;
            record.last_run = Some(SystemTime::now());
        }
        let outcome = match tokio::time::timeout(self.spec.timeout, self.task.run()).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Error::new(
                Side::Plugin,
                Kind::Unavailable,
                format!("task `{}` took longer than {} s", self.spec.name, self.spec.timeout.as_secs_f64()),
            )),
        };
        let mut record = self.record.lock();
        record.running = false;
        record.runs += 1;
        record.last_duration = Some(began.elapsed());
        match &outcome {
            Ok(()) => {
                record.consecutive_failures = 0;
                record.last_error = None;
            }
            Err(error) => {
                record.failures += 1;
                record.consecutive_failures += 1;
                record.last_error = Some(error.to_string());
            }
        }
        outcome
    }

    /// The time to the next run: the interval, doubled for each failure in a row, give or take the jitter.
    fn delay(&self) -> Duration {
        let failures = self.record.lock().consecutive_failures;
        let TaskSpec { every, backoff, jitter, .. } = self.spec;
        let base = every.saturating_mul(1 << failures.min(16)).min(backoff.max(every));
        base.mul_f64(1.0 + jitter * (2.0 * fraction() - 1.0))
    }

    fn status(&self) -> Value {
        let record = self.record.lock();
        json!({
            "name": self.spec.name,
            "every_seconds": self.spec.every.as_secs_f64(),
            "enabled": self.spec.enabled,
            "running": record.running,
            "runs": record.runs,
            "failures": record.failures,
            "consecutive_failures": record.consecutive_failures,
            "last_run": record.last_run.map(precise),
            "last_duration_ms": record.last_duration.map(|duration| duration.as_secs_f64() * 1000.0),
            "last_error": record.last_error,
            "next_run": record.next_run.filter(|_| self.spec.enabled).map(precise),
        })
    }
}

/// A random number from 0 to 1, good enough to keep tasks from marching in step.
fn fraction() -> f64 {
    let mut bytes = [0u8; 2];
    let random = ring::rand::SystemRandom::new();
    match ring::rand::SecureRandom::fill(&random, &mut bytes) {
        Ok(()) => f64::from(u16::from_le_bytes(bytes)) / f64::from(u16::MAX),
        Err(_) => 0.5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::step::BoxFuture;
    use std::sync::atomic::{AtomicU32, Ordering};

    struct Counter {
        runs: AtomicU32,
        at_once: AtomicU32,
        fails: bool,
    }

    impl Task for Counter {
        fn run(&self) -> BoxFuture<'_, Result<()>> {
            Box::pin(async {
                assert_eq!(self.at_once.fetch_add(1, Ordering::SeqCst), 0, "two runs at once");
                tokio::time::sleep(Duration::from_millis(500)).await;
                self.at_once.fetch_sub(1, Ordering::SeqCst);
                self.runs.fetch_add(1, Ordering::SeqCst);
                if self.fails { Err(Error::internal("on purpose")) } else { Ok(()) }
            })
        }
    }

    fn counter(fails: bool) -> Arc<Counter> {
        Arc::new(Counter { runs: AtomicU32::new(0), at_once: AtomicU32::new(0), fails })
    }

    fn spec(every: u64) -> TaskSpec {
        TaskSpec {
            name: "sweep".into(),
            every: Duration::from_secs(every),
            enabled: true,
            at_start: true,
            timeout: Duration::from_secs(10),
            jitter: 0.1,
            backoff: Duration::from_secs(300),
            args: Value::Null,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn it_runs_at_its_interval_and_by_hand_and_never_twice_at_once() {
        let task = counter(false);
        let schedule = Schedule::start("p", vec![(spec(10), task.clone())]);
        tokio::time::sleep(Duration::from_millis(100)).await;
        let status = schedule.run_now("sweep").await.expect("runs");
        assert_eq!(status["runs"], 2);
        tokio::time::sleep(Duration::from_secs(100)).await;
        assert!((9..=13).contains(&task.runs.load(Ordering::SeqCst)), "{}", task.runs.load(Ordering::SeqCst));
        assert!(schedule.run_now("swep").await.expect_err("unknown").message().contains("it has `sweep`"));
    }

    #[tokio::test(start_paused = true)]
    async fn failures_slow_it_down_and_the_limit_is_never_shorter_than_the_interval() {
        let task = counter(true);
        let schedule = Schedule::start("p", vec![(spec(10), task.clone())]);
        tokio::time::sleep(Duration::from_secs(200)).await;
        // 0, 20, 40, 80 seconds apart instead of every 10
        assert!((3..=5).contains(&task.runs.load(Ordering::SeqCst)), "{}", task.runs.load(Ordering::SeqCst));
        assert!(schedule.status()[0]["last_error"].as_str().expect("error").contains("on purpose"));
        let slow = Schedule::start("p", vec![(spec(3600), counter(true))]);
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(slow.tasks[0].delay() >= Duration::from_secs(3200), "{:?}", slow.tasks[0].delay());
    }

    #[tokio::test(start_paused = true)]
    async fn jitter_and_backoff_are_the_task_s_own() {
        let exact = TaskSpec { jitter: 0.0, backoff: Duration::from_secs(15), at_start: false, ..spec(10) };
        let schedule = Schedule::start("p", vec![(exact, counter(true))]);
        assert_eq!(schedule.tasks[0].delay(), Duration::from_secs(10));
        for _ in 0..3 {
            schedule.run_now("sweep").await.expect_err("it fails");
            assert_eq!(schedule.tasks[0].delay(), Duration::from_secs(15), "doubled, up to its limit");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn dropping_the_schedule_stops_it() {
        let task = counter(false);
        let schedule = Schedule::start("p", vec![(spec(1), task.clone())]);
        drop(schedule);
        tokio::time::sleep(Duration::from_secs(30)).await;
        assert_eq!(task.runs.load(Ordering::SeqCst), 0);
    }
}
