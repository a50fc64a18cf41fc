//! What is known of a test while it runs: why it failed, what it started, what it noted.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::house::House;
use super::snapshot::Snapshots;
use crate::call::Allowed;
use crate::cost::{Handler, Handlers};

/// Virtual time after which a test that waits for nothing that could come is over. Below the longest wait of tokio
/// (2.2 years).
const FOREVER: Duration = Duration::from_secs(700 * 86_400);

/// A failed assertion, where it stands.
#[derive(Clone, Debug)]
pub(super) struct Assertion {
    pub(super) message: String,
    /// File in the plugin's folder, and line.
    pub(super) position: Option<(String, usize)>,
}

/// One run of one test.
pub(super) struct Record {
    /// Where the plugin is.
    pub(super) folder: PathBuf,
    /// The test's file, in that folder.
    pub(super) file: String,
    /// The test's name.
    pub(super) name: String,
    pub(super) snapshots: Snapshots,
    /// What calls into the test's VM are accounted to.
    pub(super) handler: Arc<Handler>,
    /// Lua that the test may run in all.
    cpu: Duration,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    assertion: Option<Assertion>,
    aside: Option<String>,
    notes: Vec<String>,
    skipped: Option<String>,
    houses: Vec<Arc<House>>,
    /// Snapshots met, and written.
    met: usize,
    written: Vec<String>,
}

impl Record {
    pub(super) fn new(
        folder: PathBuf,
        file: &str,
        name: &str,
        snapshots: Snapshots,
        cpu: Duration,
    ) -> Arc<Self> {
        let (file, name) = (file.to_owned(), name.to_owned());
        let handler = Handlers::default().get("test", "test");
        Arc::new(Record { folder, file, name, snapshots, handler, cpu, state: Mutex::default() })
    }

    /// What a call into the test's VM may use.
    pub(super) fn allowed(&self) -> Allowed {
        Allowed { cpu: self.cpu, wall: FOREVER }
    }

    /// An assertion fails; the script may still catch it.
    pub(super) fn failed(&self, message: &str, position: Option<(String, usize)>) {
        self.state.lock().assertion = Some(Assertion { message: message.to_owned(), position });
    }

    /// Something failed that the script of the test does not see. The first one counts.
    pub(super) fn failed_aside(&self, message: &str) {
        self.state.lock().aside.get_or_insert_with(|| message.to_owned());
    }

    /// The assertion that failed last, when this is what it said.
    pub(super) fn assertion(&self, said: &str) -> Option<Assertion> {
        self.state.lock().assertion.clone().filter(|assertion| said.ends_with(&assertion.message))
    }

    pub(super) fn aside(&self) -> Option<String> {
        self.state.lock().aside.clone()
    }

    /// Stands beside a failure.
    pub(super) fn note(&self, note: String) {
        self.state.lock().notes.push(note);
    }

    pub(super) fn notes(&self) -> Vec<String> {
        self.state.lock().notes.clone()
    }

    pub(super) fn skip(&self, why: String) {
        self.state.lock().skipped = Some(why);
    }

    pub(super) fn skipped(&self) -> Option<String> {
        self.state.lock().skipped.clone()
    }

    pub(super) fn keep(&self, house: &Arc<House>) {
        self.state.lock().houses.push(house.clone());
    }

    pub(super) fn houses(&self) -> Vec<Arc<House>> {
        self.state.lock().houses.clone()
    }

    /// Lets go of the proxies.
    pub(super) fn clear(&self) {
        self.state.lock().houses.clear();
    }

    /// The number of a snapshot without a name.
    pub(super) fn next_snapshot(&self) -> usize {
        let mut state = self.state.lock();
        state.met += 1;
        state.met
    }

    pub(super) fn wrote(&self, path: String) {
        self.state.lock().written.push(path);
    }

    pub(super) fn written(&self) -> Vec<String> {
        self.state.lock().written.clone()
    }
}
