//! What may happen to the files of the vault, and what must not.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;

use ccproxy_core::oauth::{Storage, Tokens};
use ccproxy_core::secret::Secret;
use parking_lot::Mutex;
use zeroize::Zeroizing;

use super::*;

const PATIENCE: Duration = Duration::from_secs(5);
/// The steps of a save at which a process dies.
const POINTS: [&str; 7] =
    ["created", "half written", "written", "on disk", "previous kept", "renamed", "never"];
const DIE: &str = "CCPROXY_TEST_DIE_AT";
const FOLDER: &str = "CCPROXY_TEST_FOLDER";

/// Ends this process as a power cut would, when a test asked for it.
pub(super) fn die_at(point: &str) {
    if std::env::var(DIE).is_ok_and(|wanted| wanted == point) {
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    }
}

fn id() -> Id {
    Id::new("acme", "default").expect("an id")
}

fn tokens(access: &str) -> Tokens {
    let mut tokens = Tokens::new(Secret::new(access)).living(Duration::from_secs(3600));
    tokens.refresh = Some(Secret::new(format!("r-{access}")));
    tokens
}

fn off() -> Sealing {
    Sealing { mode: settings::Mode::Off, ..Sealing::default() }
}

fn with_key(folder: &Path) -> Sealing {
    let file = folder.join("key");
    if !file.exists() {
        fs::write(&file, "k".repeat(40)).expect("a key");
    }
    Sealing { file: Some(file), ..Sealing::default() }
}

async fn save(vault: &Arc<Vault>, record: Record) -> Result<(), Failure> {
    vault.lock(&id(), PATIENCE).await?.write(record).await
}

async fn access(vault: &Arc<Vault>) -> String {
    let record = vault.read(&id()).await.expect("readable").expect("there");
    record.tokens.access.expose().to_owned()
}

async fn is_sealed(vault: &Arc<Vault>) -> Option<bool> {
    vault.is_sealed(&id()).await.expect("readable")
}

#[tokio::test]
async fn a_round_trip_keeps_fields_that_nobody_knows() {
    let folder = tempfile::tempdir().expect("a folder");
    for sealing in [off(), with_key(folder.path())] {
        let vault = Vault::new(&folder.path().join(format!("{:?}", sealing.mode)), sealing);
        let mut first = tokens("a1");
        first.id = Some(Secret::new("i1"));
        first.scopes = vec!["x".into()];
        first.account.email = Some("a@example.com".into());
        first.more.insert("later".into(), serde_json::json!({ "deep": [1, {}] }));
        save(&vault, Record::new(first)).await.expect("saved");
        let record = vault.read(&id()).await.expect("readable").expect("there");
        let second = record.refreshed(tokens("a2"));
        save(&vault, second).await.expect("saved");
        let record = vault.read(&id()).await.expect("readable").expect("there");
        assert_eq!((record.tokens.access.expose(), record.generation), ("a2", 2));
        assert_eq!(record.tokens.id.as_ref().map(Secret::expose), Some("i1"));
        assert_eq!(record.tokens.more["later"], serde_json::json!({ "deep": [1, {}] }));
        assert_eq!(record.tokens.account.email.as_deref(), Some("a@example.com"));
        assert_eq!(record.tokens.lifetime(), Some(Duration::from_secs(3600)));
        assert_eq!(vault.providers().expect("names"), ["acme"]);
        assert_eq!(vault.accounts("acme").expect("names"), [id()]);
    }
}

#[tokio::test]
async fn fields_of_a_later_version_stay() {
    let folder = tempfile::tempdir().expect("a folder");
    let vault = Vault::new(folder.path(), off());
    disk::create_folder(&vault.folder().join("acme")).expect("a folder");
    let file = r#"{"version":1,"provider":"acme","account":"default","pool":{"weight":3},"tokens":{"access_token":"a"}}"#;
    fs::write(vault.path(&id()), file).expect("written");
    let record = vault.read(&id()).await.expect("readable").expect("there");
    save(&vault, record).await.expect("saved");
    let text = fs::read_to_string(vault.path(&id())).expect("text");
    assert!(text.contains(r#""weight": 3"#), "{text}");
    for (file, told) in [
        ("", "damaged"),
        ("{\"version\":1", "damaged"),
        (r#"{"version":2}"#, "later version"),
        (
            r#"{"version":1,"provider":"acme","account":"other","tokens":{"access_token":"a"}}"#,
            "another account",
        ),
        (
            r#"{"version":1,"provider":"acme","account":"default","tokens":{"access_token":""}}"#,
            "no access token",
        ),
    ] {
        fs::write(vault.path(&id()), file).expect("written");
        let error = vault.read(&id()).await.expect_err(file).to_string();
        assert!(error.contains(told) && error.contains("ccproxy auth logout"), "{error}");
    }
}

#[tokio::test]
async fn only_the_owner_reads_and_what_was_open_is_closed() {
    let folder = tempfile::tempdir().expect("a folder");
    let vault = Vault::new(folder.path(), off());
    save(&vault, Record::new(tokens("a1"))).await.expect("saved");
    save(&vault, Record::new(tokens("a2"))).await.expect("saved");
    let mode = |path: &Path| fs::metadata(path).expect("there").mode() & 0o777;
    let path = vault.path(&id());
    let previous = disk::beside(&path, "previous");
    assert!(fs::read_to_string(&previous).expect("kept").contains("a1"));
    for file in [&path, &previous, &disk::beside(&path, "lock")] {
        assert_eq!(mode(file), 0o600, "{}", file.display());
    }
    assert_eq!((mode(vault.folder()), mode(path.parent().expect("a folder"))), (0o700, 0o700));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("opened");
    fs::set_permissions(path.parent().expect("a folder"), fs::Permissions::from_mode(0o755)).expect("opened");
    assert_eq!(access(&vault).await, "a2");
    save(&vault, Record::new(tokens("a3"))).await.expect("saved");
    assert_eq!((mode(&path), mode(path.parent().expect("a folder"))), (0o600, 0o700));
}

#[tokio::test]
async fn links_and_files_of_others_and_huge_ones_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let vault = Vault::new(folder.path(), off());
    save(&vault, Record::new(tokens("a1"))).await.expect("saved");
    let path = vault.path(&id());
    let told = async || vault.read(&id()).await.expect_err("refused").to_string();
    let elsewhere = folder.path().join("elsewhere");
    fs::rename(&path, &elsewhere).expect("moved");
    symlink(&elsewhere, &path).expect("a link");
    assert!(told().await.contains("symbolic link"));
    assert!(save(&vault, Record::new(tokens("a2"))).await.is_err());
    assert!(
        fs::read_to_string(&elsewhere).expect("text").contains("a1"),
        "nothing is written through a link"
    );
    fs::remove_file(&path).expect("removed");
    fs::write(&path, vec![b' '; (1 << 20) + 1]).expect("written");
    assert!(told().await.contains("larger than"));
    fs::remove_file(&path).expect("removed");
    fs::create_dir(&path).expect("a folder");
    assert!(told().await.contains("no file"));
    // A file of somebody else: of root when we are not, of another when we are.
    let foreign = match rustix::process::geteuid().is_root() {
        true => {
            std::os::unix::fs::chown(&elsewhere, Some(12345), None).expect("given away");
            elsewhere
        }
        false => PathBuf::from("/etc/passwd"),
    };
    assert!(disk::read(&foreign).expect_err("refused").to_string().contains("belongs to user"));
}

#[tokio::test]
async fn a_turn_is_waited_for_and_not_for_ever() {
    let folder = tempfile::tempdir().expect("a folder");
    let vault = Vault::new(folder.path(), off());
    let turn = vault.lock(&id(), PATIENCE).await.expect("a turn");
    assert!(vault.try_lock(&id()).await.expect("no failure").is_none());
    let late = vault.lock(&id(), Duration::from_millis(30)).await.err().expect("no turn");
    assert!(late.to_string().contains("another process"), "{late}");
    let next = tokio::spawn({
        let vault = vault.clone();
        async move { vault.lock(&id(), PATIENCE).await.map(|_| ()) }
    });
    turn.write(Record::new(tokens("a1"))).await.expect("saved");
    assert!(turn.remove().await.expect("removed") && !turn.remove().await.expect("no failure"));
    drop(turn);
    next.await.expect("no panic").expect("a turn");
    assert!(vault.read(&id()).await.expect("readable").is_none());
}

#[tokio::test]
async fn a_shelf_is_a_store_of_one_provider() {
    let folder = tempfile::tempdir().expect("a folder");
    let shelf = Shelf::new(Vault::new(folder.path(), off()), "acme");
    shelf.save("work", tokens("a1")).await.expect("saved");
    assert_eq!(shelf.accounts().await.expect("names"), ["work"]);
    assert!(shelf.load("other").await.expect("no failure").is_none());
    assert_eq!(shelf.load("work").await.expect("readable").expect("there").access.expose(), "a1");
    assert!(shelf.load("../x").await.is_err());
    assert!(shelf.delete("work").await.expect("removed"));
    assert!(shelf.accounts().await.expect("names").is_empty());
}

/// A keyring that does as a test says.
#[derive(Default)]
struct Ring {
    kept: Mutex<Option<String>>,
    hangs: bool,
    broken: bool,
    asked: Mutex<usize>,
}

impl keyring::Keyring for Ring {
    fn get(&self) -> Result<Option<Zeroizing<String>>, String> {
        *self.asked.lock() += 1;
        if self.hangs {
            loop {
                std::thread::park();
            }
        }
        if self.broken { Err("no bus".into()) } else { Ok(self.kept.lock().clone().map(Zeroizing::new)) }
    }

    fn set(&self, text: &str) -> Result<(), String> {
        *self.kept.lock() = Some(text.to_owned());
        Ok(())
    }
}

fn auto() -> Sealing {
    Sealing::default()
}

#[tokio::test]
async fn what_a_keyring_sealed_is_never_opened_without_it_nor_overwritten() {
    let folder = tempfile::tempdir().expect("a folder");
    let ring = Arc::new(Ring::default());
    let vault = Vault::with_keyring(folder.path(), auto(), ring.clone());
    save(&vault, Record::new(tokens("s3cret"))).await.expect("saved");
    let bytes = fs::read(vault.path(&id())).expect("bytes");
    assert!(!bytes.windows(6).any(|part| part == b"s3cret"));
    assert_eq!(vault.is_sealed(&id()).await.expect("readable"), Some(true));
    // Another process, the same keyring.
    let again = Vault::with_keyring(folder.path(), auto(), ring.clone());
    assert_eq!(access(&again).await, "s3cret");
    // A keyring that is broken, or another one, or none at all.
    let broken = Arc::new(Ring { broken: true, ..Ring::default() });
    for (sealing, ring, why) in [
        (auto(), broken, "no bus"),
        (auto(), Arc::default(), "it was sealed with key"),
        (off(), ring.clone(), "`credentials.seal`"),
    ] {
        let without = Vault::with_keyring(folder.path(), sealing, ring);
        let told = without.read(&id()).await.expect_err("closed").to_string();
        assert!(told.contains(why) && told.contains("`ccproxy auth logout acme`"), "{told}");
        assert!(save(&without, Record::new(tokens("a2"))).await.is_err());
        assert_eq!(fs::read(without.path(&id())).expect("bytes"), bytes, "it stays as it is");
    }
    // An unsealed one is sealed when it is next saved.
    fs::remove_file(vault.path(&id())).expect("removed");
    save(&Vault::new(folder.path(), off()), Record::new(tokens("a3"))).await.expect("saved");
    assert_eq!(
        (access(&vault).await.as_str(), vault.is_sealed(&id()).await.expect("readable")),
        ("a3", Some(false))
    );
    save(&vault, Record::new(tokens("a4"))).await.expect("saved");
    assert_eq!(vault.is_sealed(&id()).await.expect("readable"), Some(true));
    assert!(ring.asked.lock().lt(&10));
}

#[tokio::test(start_paused = true)]
async fn a_keyring_that_hangs_is_left_behind() {
    let folder = tempfile::tempdir().expect("a folder");
    let ring = Arc::new(Ring { hangs: true, ..Ring::default() });
    let vault = Vault::with_keyring(folder.path(), auto(), ring.clone());
    let began = tokio::time::Instant::now();
    let (one, two) = tokio::join!(vault.key(), vault.key());
    for state in [one, two, vault.key().await] {
        let KeyState::Plain(why) = state else { panic!("no key came") };
        assert!(why.contains("did not answer within 3 s"), "{why}");
    }
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    assert!(*ring.asked.lock() <= 1, "one thread hangs, not one for each who asks");
    save(&vault, Record::new(tokens("a1"))).await.expect("saved");
    assert_eq!(vault.is_sealed(&id()).await.expect("readable"), Some(false));
    let required = Sealing { mode: settings::Mode::Required, ..Sealing::default() };
    let vault = Vault::with_keyring(folder.path(), required, ring);
    let told = save(&vault, Record::new(tokens("a2"))).await.expect_err("nothing unsealed").to_string();
    assert!(told.contains("nothing is stored unsealed"), "{told}");
}

#[tokio::test]
async fn a_command_or_a_file_may_hold_the_key() {
    let folder = tempfile::tempdir().expect("a folder");
    let command =
        |script: &str| Sealing { command: vec!["/bin/sh".into(), "-c".into(), script.into()], ..auto() };
    let (script, file) = (command("echo kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"), with_key(folder.path()));
    save(&Vault::new(folder.path(), script), Record::new(tokens("a1"))).await.expect("saved");
    assert_eq!(access(&Vault::new(folder.path(), file)).await, "a1", "the same text is the same key");
    for (script, why) in [("echo short", "32 to"), ("exit 3", "failed"), ("printf '\\377'", "no text")] {
        let KeyState::Missing(told) = Vault::new(folder.path(), command(script)).key().await else {
            panic!("what the settings name is never left out in silence")
        };
        assert!(told.contains(why), "{told}");
    }
}

#[tokio::test]
async fn what_was_stored_plain_is_sealed_with_the_first_save_and_so_is_the_one_before() {
    let folder = tempfile::tempdir().expect("a folder");
    let plain = Vault::new(folder.path(), off());
    save(&plain, Record::new(tokens("a1"))).await.expect("saved");
    save(&plain, Record::new(tokens("a2"))).await.expect("saved");
    let vault = Vault::new(folder.path(), with_key(folder.path()));
    assert_eq!(is_sealed(&vault).await, Some(false));
    save(&vault, Record::new(tokens("a3"))).await.expect("saved");
    let (path, previous) = (vault.path(&id()), disk::beside(&vault.path(&id()), "previous"));
    assert_eq!((is_sealed(&vault).await, access(&vault).await.as_str()), (Some(true), "a3"));
    let kept = seal::open(&fs::read(&previous).expect("kept"), &id(), &vault.key().await).expect("sealed");
    assert_eq!(Record::read(&kept, &id()).expect("whole").tokens.access.expose(), "a2");
    // One that an earlier version left in the clear beside a sealed one, and a login that is never saved again.
    for file in [&previous, &path] {
        fs::write(file, Record::new(tokens("a4")).write(&id()).expect("bytes")).expect("written");
        assert_eq!(is_sealed(&vault).await, Some(false));
        plain.seal().await.expect("nothing to do");
        assert_eq!(is_sealed(&vault).await, Some(false), "there is no key");
        vault.seal().await.expect("sealed");
        assert_eq!(is_sealed(&vault).await, Some(true));
    }
    assert_eq!(access(&vault).await, "a4");
}

#[tokio::test]
async fn whoever_dies_at_any_step_of_a_first_sealed_save_leaves_a_whole_file_and_the_next_save_seals_all() {
    for point in POINTS {
        let folder = tempfile::tempdir().expect("a folder");
        let plain = Vault::new(folder.path(), off());
        save(&plain, Record::new(tokens("old1"))).await.expect("saved");
        save(&plain, Record::new(tokens("old2"))).await.expect("saved");
        let vault = Vault::new(folder.path(), with_key(folder.path()));
        save_and_die(folder.path(), point);
        let wanted = if point == "never" { "new".repeat(5000) } else { "old2".to_owned() };
        assert_eq!(access(&vault).await, wanted, "{point}");
        save(&vault, Record::new(tokens("last"))).await.expect("saved");
        assert_eq!(is_sealed(&vault).await, Some(true), "{point}");
        for file in fs::read_dir(vault.folder().join("acme")).expect("a folder").flatten() {
            let bytes = fs::read(file.path()).expect("readable");
            assert!(bytes.is_empty() || seal::is_sealed(&bytes), "{point}: {}", file.path().display());
        }
    }
}

/// A process of its own saves, and dies at this point of it.
fn save_and_die(folder: &Path, point: &str) {
    let program = std::env::current_exe().expect("this program");
    let status = Command::new(program)
        .args(["--exact", "vault::tests::a_process_that_saves", "--ignored"])
        .env(DIE, point)
        .env(FOLDER, folder)
        .stdout(std::process::Stdio::null())
        .status()
        .expect("a process");
    assert_eq!(status.signal(), (point != "never").then_some(9), "{point}");
}

#[test]
#[ignore = "what the processes of `save_and_die` do"]
fn a_process_that_saves() {
    let folder = PathBuf::from(std::env::var_os(FOLDER).expect("a folder"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let vault = Vault::new(&folder, with_key(&folder));
        save(&vault, Record::new(tokens(&"new".repeat(5000)))).await.expect("saved");
    });
}

#[tokio::test]
async fn whoever_dies_at_any_step_of_a_save_leaves_a_whole_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let vault = Vault::new(folder.path(), with_key(folder.path()));
    for round in 0..200 {
        let point = POINTS[round % POINTS.len()];
        let old = format!("old{round}");
        save(&vault, Record::new(tokens(&old))).await.expect("whoever died is no obstacle");
        save_and_die(folder.path(), point);
        let renamed = ["renamed", "never"].contains(&point);
        let wanted = if renamed { "new".repeat(5000) } else { old.clone() };
        assert_eq!(access(&vault).await, wanted, "{point}");
        let previous = fs::read(disk::beside(&vault.path(&id()), "previous"));
        if let Ok(previous) = previous {
            seal::open(&previous, &id(), &vault.key().await).expect("what was there before is whole too");
        }
    }
    save(&vault, Record::new(tokens("last"))).await.expect("saved");
    let left: Vec<_> = fs::read_dir(vault.folder().join("acme")).expect("a folder").flatten().collect();
    assert_eq!(left.len(), 3, "the file, the one before and the lock: {left:?}");
}
