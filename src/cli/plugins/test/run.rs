//! Runs tests on a few threads, and hands the results on in order.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use ccproxy_lua::Engine;
use ccproxy_lua::testing::{self, Failure, Outcome, Rules, Subject, Verdict, Workbench};

use super::find::Found;
use super::report::{Done, Report};

/// Most tests at once.
const AT_ONCE: usize = 8;

/// What every run needs.
pub(super) struct Runner {
    pub(super) engine: Arc<Engine>,
    pub(super) bench: Arc<dyn Workbench>,
    pub(super) rules: Rules,
    pub(super) filter: Option<String>,
    pub(super) fail_fast: bool,
}

/// A test to run, or what kept a file from being read.
struct Job {
    subject: Option<Arc<Subject>>,
    plugin: String,
    folder: PathBuf,
    file: String,
    name: String,
    line: usize,
    broken: Option<Failure>,
}

impl Runner {
    /// Runs them; `tell` hears of each as soon as those before it are done.
    pub(super) fn run(&self, found: &[Found], tell: &mut dyn FnMut(&Done)) -> Report {
        let began = Instant::now();
        let jobs: Vec<Job> = found.iter().flat_map(|found| self.jobs(found)).collect();
        let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
        let threads = std::thread::available_parallelism().map_or(1, |count| count.get()).min(AT_ONCE);
        let (sender, results) = sync_channel(threads);
        let sender = Mutex::new(Some(sender));
        let mut done: Vec<Option<Done>> = jobs.iter().map(|_| None).collect();
        let (mut told, mut report) = (0, Report::default());
        std::thread::scope(|scope| {
            for _ in 0..threads {
                let sender = sender.lock().ok().and_then(|sender| sender.clone());
                scope.spawn(|| {
                    let sender = sender;
                    while !stop.load(Ordering::Relaxed) {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        let Some(job) = jobs.get(index) else { break };
                        let outcome = self.one(job);
                        let failed = matches!(outcome.verdict, Verdict::Failed(_));
                        if failed && self.fail_fast {
                            stop.store(true, Ordering::Relaxed);
                        }
                        if sender.as_ref().is_none_or(|sender| sender.send((index, outcome)).is_err()) {
                            break;
                        }
                    }
                });
            }
            if let Ok(mut sender) = sender.lock() {
                *sender = None;
            }
            while let Ok((index, outcome)) = results.recv() {
                done[index] = Some(jobs[index].done(outcome));
                while let Some(ready) = done.get(told).and_then(Option::as_ref) {
                    tell(ready);
                    told += 1;
                }
            }
        });
        // After the first failure there may be gaps.
        done.iter().skip(told).flatten().for_each(tell);
        report.left_out = done.iter().filter(|done| done.is_none()).count();
        report.tests = done.into_iter().flatten().collect();
        report.took = began.elapsed();
        report
    }

    fn jobs(&self, found: &Found) -> Vec<Job> {
        let plugin = found.folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let broken = |file: &str, failure: Failure| Job {
            subject: None,
            plugin: plugin.clone(),
            folder: found.folder.clone(),
            file: file.to_owned(),
            name: "(the file is loaded)".to_owned(),
            line: 0,
            broken: Some(failure),
        };
        let (subject, files) = match found.read() {
            Ok(read) => read,
            Err(message) => return vec![broken("plugin.lua", Failure { message, ..Failure::default() })],
        };
        let subject = Arc::new(subject);
        let mut jobs = Vec::new();
        for file in files {
            let listed = match testing::list(&self.engine, &subject, &file) {
                Ok(listed) => listed,
                Err(failure) => {
                    jobs.push(broken(&file, *failure));
                    continue;
                }
            };
            jobs.extend(listed.into_iter().map(|test| Job {
                subject: Some(subject.clone()),
                plugin: plugin.clone(),
                folder: found.folder.clone(),
                file: file.clone(),
                name: test.name,
                line: test.line,
                broken: None,
            }));
        }
        jobs.retain(|job| job.broken.is_some() || self.wants(job));
        jobs
    }

    fn wants(&self, job: &Job) -> bool {
        let Some(filter) = &self.filter else { return true };
        format!("{} > {} > {}", job.plugin, job.file, job.name)
            .to_lowercase()
            .contains(&filter.to_lowercase())
    }

    fn one(&self, job: &Job) -> Outcome {
        match (&job.subject, &job.broken) {
            (Some(subject), None) => {
                testing::run(&self.engine, &self.bench, subject, &job.file, &job.name, &self.rules)
            }
            (_, failure) => Outcome {
                verdict: Verdict::Failed(failure.clone().unwrap_or_default()),
                took: Default::default(),
                written: Vec::new(),
            },
        }
    }
}

impl Job {
    fn done(&self, outcome: Outcome) -> Done {
        Done {
            plugin: self.plugin.clone(),
            folder: self.folder.clone(),
            file: self.file.clone(),
            name: self.name.clone(),
            line: self.line,
            outcome,
        }
    }
}
