//! `gridpost run` as a process: the one place of the tests that starts the binary as a daemon.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
};

use serde_json::Value;

use super::{models, wait_for};

/// Lines of a log that a test which fails prints.
const TAIL_LINES: usize = 60;

/// A disk of its own for `data`: a small tmpfs in a mount namespace.
pub(crate) struct SmallDisk {
    mib: u32,
    /// What `unshare` must be told here.
    way: &'static [&'static str],
}

impl SmallDisk {
    /// None where nobody may mount.
    pub(crate) fn of(mib: u32) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("data")).unwrap();
        // As root, as anybody, in a chroot.
        let ways: [&[&str]; 3] = [
            &["--mount"],
            &["--map-root-user", "--mount"],
            &["--mount", "--propagation", "unchanged"],
        ];
        let way = ways.into_iter().find(|way| {
            let mount = "mount -t tmpfs -o size=1m tmpfs data";
            let mut unshare = Command::new("unshare");
            unshare.args(*way).args(["sh", "-c", mount]).current_dir(&folder).stderr(Stdio::null());
            unshare.status().is_ok_and(|status| status.success())
        });
        way.map(|way| Self { mib, way })
    }

    fn command(&self, binary: &str, config: &Path, data: &Path) -> Command {
        let run = format!(
            "mount -t tmpfs -o size={}m,mode=700 tmpfs {} && exec {binary} run -c {}",
            self.mib,
            data.display(),
            config.display()
        );
        let mut command = Command::new("unshare");
        command.args(self.way).args(["sh", "-c", &run]);
        command
    }
}

/// A process in a folder that holds its configuration, its `data` and its `log`. It ends with this
/// value, and when the test has failed its log is printed.
pub(crate) struct Daemon {
    child: Child,
    log: PathBuf,
    /// As this process sees it.
    data: PathBuf,
}

impl Daemon {
    /// `config`: a file of the folder.
    pub(crate) fn spawn(
        folder: &Path,
        config: &str,
        environment: &[(String, String)],
        disk: Option<SmallDisk>,
    ) -> Self {
        let (binary, config, data) =
            (env!("CARGO_BIN_EXE_gridpost"), folder.join(config), folder.join("data"));
        let log = folder.join("log");
        let stderr = fs::OpenOptions::new().create(true).append(true).open(&log).unwrap();
        let _ = fs::remove_file(data.join("run.json"));
        let mut command = match &disk {
            Some(disk) => disk.command(binary, &config, &data),
            None => {
                let mut command = Command::new(binary);
                command.args(["run", "-c"]).arg(&config);
                command
            }
        };
        let child = command
            .env("GRIDPOST_MODELS", models())
            .envs(environment.iter().map(|(key, value)| (key, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(stderr)
            .spawn()
            .unwrap();
        // In its namespace it is another folder of the same name.
        let inside = format!("/proc/{}/root{}", child.id(), data.display());
        Self { child, log, data: if disk.is_some() { inside.into() } else { data } }
    }

    /// Where it listens, once it does; None if it ended before.
    pub(crate) async fn started(&mut self) -> Option<Value> {
        wait_for("the gateway to start or to end", || {
            let (ended, run) = (self.has_ended(), self.run());
            async move { if ended.is_some() { Some(None) } else { run.map(Some) } }
        })
        .await
    }

    /// `run.json`, in which it says where it listens.
    pub(crate) fn run(&self) -> Option<Value> {
        serde_json::from_slice(&fs::read(self.data.join("run.json")).ok()?).ok()
    }

    /// Of one of its listeners: `web`, `intake`, `sl651`.
    pub(crate) fn port(&self, listener: &str) -> Option<u16> {
        self.run()?[listener].as_str()?.rsplit(':').next()?.parse().ok()
    }

    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.pid().to_string();
        let status = Command::new("kill").args([&format!("-{name}"), &pid]).status();
        assert!(status.unwrap().success());
    }

    pub(crate) fn has_ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    pub(crate) async fn ended(&mut self) -> ExitStatus {
        wait_for("the gateway to end", || {
            let ended = self.has_ended();
            async move { ended }
        })
        .await
    }

    /// SIGTERM, and wait for the end.
    pub(crate) async fn stop(&mut self) -> ExitStatus {
        self.signal("TERM");
        self.ended().await
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("--- log of the gateway\n{}", tail(&self.log(), TAIL_LINES));
        }
    }
}

/// The last lines of a log.
pub(crate) fn tail(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}
