//! A signed update: taken only from the vendor, tried beside presses, taken back by itself, and no press is lost.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use tempfile::TempDir;

use crate::world::{
    Output, Receiver, Site, free_port, gridpost_command, models, output, press, root, run, wait_for,
};

/// A box with a version that runs, the vendor's key and a configuration.
struct Appliance {
    folder: TempDir,
    intake: u16,
}

impl Appliance {
    fn new(receiver: &Receiver) -> Self {
        let (folder, intake) = (tempfile::tempdir().unwrap(), free_port());
        let own = Self { folder, intake };
        let old = own.path("versions/0.1.0");
        fs::create_dir_all(&old).unwrap();
        fs::copy(env!("CARGO_BIN_EXE_gridpost"), old.join("gridpost")).unwrap();
        symlink("versions/0.1.0", own.path("current")).unwrap();
        let key = own.path("update.pem").display().to_string();
        run("openssl", &["genpkey", "-algorithm", "ed25519", "-out", &key]);
        let public = run(make(), &["--public", &key]);
        fs::write(own.path("update.pub"), format!("# the vendor's\n{public}")).unwrap();
        own.configure(&Site::demo().http(receiver));
        own
    }

    fn configure(&self, site: &Site) {
        let listen = format!("127.0.0.1:{}", self.intake);
        let site = site.clone().section("[intake]").set("listen", listen);
        fs::write(self.path("gridpost.toml"), site.text_to_run()).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Of this program, signed by the key of the box's vendor unless another is named.
    fn archive(&self, version: &str, program: &Path, key: Option<&str>, format: &str) -> String {
        self.archive_that_writes(version, program, key, format, "")
    }

    /// `writes`: the oldest format that it can write while it is tried.
    fn archive_that_writes(
        &self,
        version: &str,
        program: &Path,
        key: Option<&str>,
        format: &str,
        writes: &str,
    ) -> String {
        let out = self.path(&format!("{version}.update")).display().to_string();
        let key = key.map_or(self.path("update.pem").display().to_string(), str::to_owned);
        let made = Command::new(make())
            .args([&program.display().to_string(), version, &key, &out])
            .env("STORE_FORMAT", format)
            .env("STORE_WRITES", writes)
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        out
    }

    fn same_program(&self, version: &str) -> String {
        self.archive(version, Path::new(env!("CARGO_BIN_EXE_gridpost")), None, "3")
    }

    /// `gridpost update …`, without a restart.
    fn update(&self, more: &[&str]) -> Output {
        let at = |name: &str| self.path(name).display().to_string();
        let (root, key, config) = (at(""), at("update.pub"), at("gridpost.toml"));
        let own = ["update", "--root", &root, "--key", &key, "-c", &config, "--no-restart"];
        output(gridpost_command(&[&own, more].concat()))
    }

    /// What the timer starts each minute: ExecStart of its unit, with the places of this box.
    fn look(&self) -> Output {
        let unit = fs::read_to_string(root().join("config/gridpost-update.service")).unwrap();
        let line = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
        let at = |name: &str| self.path(name).display().to_string();
        let line = line
            .replace("/usr/bin/gridpost", &at("current/gridpost"))
            .replace("/usr/lib/gridpost/", &at(""))
            .replace("/etc/gridpost/gridpost.toml", &at("gridpost.toml"))
            .replace("--watch", &format!("--watch --root {} --no-restart", at("")));
        let mut command = Command::new("sh");
        command.arg("-c").arg(line).env("GRIDPOST_MODELS", models()).current_dir(root());
        output(command)
    }

    fn current(&self) -> String {
        fs::read_link(self.path("current")).unwrap().file_name().unwrap().to_string_lossy().into()
    }
}

fn make() -> PathBuf {
    root().join("packaging/update/make.sh")
}

/// What systemd does: starts `current`, and starts it again when it has ended.
struct Service {
    ends: Arc<AtomicBool>,
    child: Arc<Mutex<Option<Child>>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Service {
    fn start(own: &Appliance) -> Self {
        let (ends, child) =
            (Arc::new(AtomicBool::new(false)), Arc::<Mutex<Option<Child>>>::default());
        let (program, config) = (own.path("current/gridpost"), own.path("gridpost.toml"));
        let (stop, place) = (ends.clone(), child.clone());
        let log = own.path("log");
        let thread = thread::spawn(move || {
            while !stop.load(Ordering::SeqCst) {
                let log = fs::OpenOptions::new().create(true).append(true).open(&log).unwrap();
                let started = Command::new(&program)
                    .args(["run", "-c"])
                    .arg(&config)
                    .env("GRIDPOST_MODELS", models())
                    .stdin(Stdio::null())
                    .stdout(Stdio::null())
                    .stderr(log)
                    .spawn();
                if let Ok(started) = started {
                    *place.lock().unwrap() = Some(started);
                    while !stop.load(Ordering::SeqCst)
                        && place
                            .lock()
                            .unwrap()
                            .as_mut()
                            .is_some_and(|child| child.try_wait().unwrap().is_none())
                    {
                        thread::sleep(Duration::from_millis(20));
                    }
                }
                thread::sleep(Duration::from_millis(50));
            }
        });
        Self { ends, child, thread: Some(thread) }
    }

    fn pid(&self) -> Option<u32> {
        self.child.lock().unwrap().as_ref().map(Child::id)
    }

    /// `systemctl restart`: another process stands there afterwards.
    async fn restart(&self, own: &Appliance) {
        let before = self.pid().unwrap();
        run("kill", &["-TERM", &before.to_string()]);
        wait_for("another process", || async { self.pid().filter(|pid| *pid != before).map(drop) })
            .await;
        self.runs(own).await;
    }

    /// Until it runs as `current`.
    async fn runs(&self, own: &Appliance) {
        let program = fs::canonicalize(own.path("current/gridpost")).unwrap();
        wait_for("the current version to run", || async {
            let text = fs::read_to_string(own.path("data/run.json")).ok()?;
            let run: serde_json::Value = serde_json::from_str(&text).ok()?;
            let pid = run["pid"].as_u64()?;
            (fs::read_link(format!("/proc/{pid}/exe")).ok()? == program).then_some(())
        })
        .await;
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::SeqCst);
        if let Some(child) = self.child.lock().unwrap().as_mut() {
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = self.thread.take().map(thread::JoinHandle::join);
    }
}

/// Presses of buttons one after another until told to stop; those that were acknowledged.
fn presses(intake: u16, stop: Arc<AtomicBool>) -> thread::JoinHandle<Vec<String>> {
    thread::spawn(move || {
        let mut acknowledged = Vec::new();
        // Below the bound of devices that nobody listed.
        for number in 0..150 {
            let device = format!("b-{number:03}");
            // As a button does: again, until somebody has it.
            while !press(intake, &device, "1") {
                thread::sleep(Duration::from_millis(50));
            }
            acknowledged.push(device);
            if stop.load(Ordering::SeqCst) {
                break;
            }
            thread::sleep(Duration::from_millis(100));
        }
        acknowledged
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn p1_no_press_is_lost_by_an_update_and_its_roll_back() {
    let receiver = Receiver::start().await;
    let own = Appliance::new(&receiver);
    let service = Service::start(&own);
    service.runs(&own).await;
    let stop = Arc::new(AtomicBool::new(false));
    let pressing = presses(own.intake, stop.clone());

    let update = own.same_program("0.1.1");
    own.update(&[&update]).must_say(0, ["0.1.0 → 0.1.1"]);
    assert_eq!(own.current(), "0.1.1");
    service.restart(&own).await;
    own.update(&["--status"]).must_say(0, ["0.1.1", "0.1.0 was before"]);
    // Nothing is to be decided yet.
    own.update(&["--watch"]).must_say(0, [""]);
    assert_eq!(own.current(), "0.1.1");
    own.update(&["--roll-back"]).must_say(0, ["0.1.1 → 0.1.0"]);
    service.restart(&own).await;
    assert_eq!(own.current(), "0.1.0");

    // Once more, and this time it stays.
    own.update(&[&update]).must_say(0, ["0.1.0 → 0.1.1"]);
    service.restart(&own).await;
    own.update(&["--confirm"]).must_say(0, ["0.1.1"]);
    own.update(&["--roll-back"]).must_say(1, ["no update is being tried"]);
    stop.store(true, Ordering::SeqCst);
    let acknowledged = tokio::task::spawn_blocking(move || pressing.join().unwrap()).await.unwrap();
    assert!(acknowledged.len() > 5, "{acknowledged:?}");
    for device in &acknowledged {
        let what = format!("the press of {device}");
        receiver.wait(&what, |data| data["sources"][0]["id"] == device.as_str()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_does_not_run_goes_by_itself() {
    let receiver = Receiver::start().await;
    let own = Appliance::new(&receiver);
    // It takes the configuration, finds itself well, and runs nowhere: /bin/true is a program too.
    let update = own.archive("0.1.1", &fs::canonicalize("/bin/true").unwrap(), None, "2");
    own.update(&[&update]).must_say(0, ["0.1.1"]);
    for _ in 0..2 {
        own.look().must_say(0, [""]);
        assert_eq!(own.current(), "0.1.1");
    }
    own.look().must_say(0, ["0.1.1 → 0.1.0", "does not run"]);
    assert_eq!(own.current(), "0.1.0");
    assert!(!own.path("update.json").exists() && !own.path("judge").exists());
    // Nothing is being tried, and nobody is to judge: the one that runs looks.
    own.look().must_say(0, [""]);
    assert_eq!(own.current(), "0.1.0");
    // One that does not take the configuration is not even tried.
    let refuses = own.archive("0.1.2", &fs::canonicalize("/bin/false").unwrap(), None, "2");
    own.update(&[&refuses]).must_say(1, ["cannot use this configuration"]);
    assert_eq!(own.current(), "0.1.0");
    assert!(!own.path("versions/0.1.2").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_the_vendor_signed_is_taken_and_only_newer_versions() {
    let receiver = Receiver::start().await;
    let own = Appliance::new(&receiver);
    let refused = |update: &str, why: &str| {
        own.update(&[update]).must_say(1, [why]);
        assert_eq!(own.current(), "0.1.0");
        assert!(!own.path("update.json").exists());
    };
    let small = fs::canonicalize("/bin/true").unwrap();
    let update = own.archive("0.1.1", &small, None, "2");
    // One byte in the manifest, in the signature, in the program.
    let bytes = fs::read(&update).unwrap();
    for at in [512 + 12, 512 * 3 + 5, bytes.len() / 2] {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1;
        let path = own.path("flipped.update");
        fs::write(&path, flipped).unwrap();
        refused(&path.display().to_string(), "flipped.update");
    }
    for (name, length) in [("half", bytes.len() / 2), ("nothing", 0)] {
        let path = own.path(name);
        fs::write(&path, &bytes[..length]).unwrap();
        refused(&path.display().to_string(), name);
    }
    let stranger = own.path("stranger.pem").display().to_string();
    run("openssl", &["genpkey", "-algorithm", "ed25519", "-out", &stranger]);
    refused(&own.archive("0.1.3", &small, Some(&stranger), "2"), "not signed by the vendor");
    refused(&own.archive("0.1.0", &small, None, "2"), "not newer");
    refused(&own.archive("0.0.9", &small, None, "2"), "not newer");
    refused(&own.archive("0.1.4", &small, None, "4"), "--no-way-back");
    // It writes older ones, and none that is old enough.
    let too_new = own.archive_that_writes("0.1.5", &small, None, "5", "4");
    refused(&too_new, "--no-way-back");
    refused(&own.path("none").display().to_string(), "none");
    fs::rename(own.path("update.pub"), own.path("elsewhere")).unwrap();
    refused(&update, "the vendor's key cannot be read");
}

#[tokio::test(flavor = "multi_thread")]
async fn there_is_no_way_back_past_a_store_that_the_old_version_cannot_read() {
    let receiver = Receiver::start().await;
    let own = Appliance::new(&receiver);
    let update = own.archive("0.2.0", &fs::canonicalize("/bin/true").unwrap(), None, "4");
    own.update(&[&update, "--no-way-back"]).must_say(0, ["0.2.0"]);
    // What the new version does at its start.
    fs::create_dir_all(own.path("data")).unwrap();
    fs::write(own.path("data/format"), "gridpost-store 4\n").unwrap();
    own.update(&["--roll-back"]).must_say(1, ["format 4", "store restore"]);
    assert_eq!(own.current(), "0.2.0");
    fs::write(own.path("data/format"), "gridpost-store 3\n").unwrap();
    own.update(&["--roll-back"]).must_say(0, ["0.2.0 → 0.1.0"]);
    // Nor forth to one that cannot read what is there now.
    let old = own.archive("0.0.9", &fs::canonicalize("/bin/true").unwrap(), None, "1");
    own.update(&[&old, "--older"]).must_say(1, ["format 3", "store restore"]);
    assert_eq!(own.current(), "0.1.0");
    assert!(!own.path("versions/0.0.9").exists());
    // One that writes what this one reads is taken without a word, and says what confirming means.
    let program = fs::canonicalize("/bin/true").unwrap();
    let update = own.archive_that_writes("0.3.0", &program, None, "4", "3");
    own.update(&[&update])
        .must_say(0, ["0.1.0 → 0.3.0", "migrated to format 4 when it is confirmed"]);
    own.update(&["--roll-back"]).must_say(0, ["0.3.0 → 0.1.0"]);
}

/// The version before reads format 2, as `update.json` says then; here it is this program under another name.
fn the_version_before_reads_format_2(own: &Appliance) {
    let text = fs::read_to_string(own.path("update.json")).unwrap();
    let older = text.replace(r#""before_reads":3"#, r#""before_reads":2"#);
    assert_ne!(older, text);
    fs::write(own.path("update.json"), older).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn p1_an_update_writes_what_the_version_before_reads_until_it_is_confirmed() {
    let receiver = Receiver::start().await;
    let own = Appliance::new(&receiver);
    // A box of format 2, which was pressed at before.
    fs::create_dir_all(own.path("data")).unwrap();
    fs::write(own.path("data/format"), "gridpost-store 2\n").unwrap();
    let format = || fs::read_to_string(own.path("data/format")).unwrap().trim().to_owned();
    let header = |segment: &str| {
        let bytes = fs::read(own.path("data/journal").join(segment)).unwrap();
        u32::from_le_bytes(bytes[8..12].try_into().unwrap())
    };
    let update = own.same_program("0.1.1");
    own.update(&[&update]).must_say(0, ["0.1.0 → 0.1.1"]);
    the_version_before_reads_format_2(&own);
    let service = Service::start(&own);
    service.runs(&own).await;
    let stop = Arc::new(AtomicBool::new(false));
    let pressing = presses(own.intake, stop.clone());
    receiver.wait("a press", |data| data["sources"][0]["id"] == "b-000").await;
    assert_eq!((format(), header("00000001.log")), ("gridpost-store 2".into(), 2));
    // Started anew while it is tried, it is as before; and there is a way back.
    service.restart(&own).await;
    assert_eq!(format(), "gridpost-store 2");
    own.update(&["--roll-back"]).must_say(0, ["0.1.1 → 0.1.0"]);
    assert_eq!(format(), "gridpost-store 2");

    own.update(&[&update]).must_say(0, ["0.1.0 → 0.1.1"]);
    the_version_before_reads_format_2(&own);
    service.restart(&own).await;
    assert_eq!(format(), "gridpost-store 2");
    own.update(&["--confirm"]).must_say(0, ["0.1.1"]);
    // The one that runs migrates, beside the presses.
    wait_for("the data folder to be migrated", || async {
        (format() == "gridpost-store 3").then_some(())
    })
    .await;
    own.update(&["--roll-back"])
        .must_say(1, ["no update is being tried", "--older", "store restore"]);
    assert_eq!(own.current(), "0.1.1");
    // Nor by the file of the version before.
    let before = own.archive("0.1.0", Path::new(env!("CARGO_BIN_EXE_gridpost")), None, "2");
    own.update(&[&before, "--older"]).must_say(1, ["format 3", "store restore"]);
    stop.store(true, Ordering::SeqCst);
    let acknowledged = tokio::task::spawn_blocking(move || pressing.join().unwrap()).await.unwrap();
    for device in &acknowledged {
        let what = format!("the press of {device}");
        receiver.wait(&what, |data| data["sources"][0]["id"] == device.as_str()).await;
    }
    drop(service);
    let data = own.path("data").display().to_string();
    output(gridpost_command(&["store", "check", "--data", &data]))
        .must_say(0, ["format 3", "sound"]);
}
