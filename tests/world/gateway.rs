//! The real binary in a folder of its own; it and its folder end with the test.

use std::{
    fs,
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

use super::{http, root, wait_for};

/// What a command printed and how it ended.
pub(crate) struct Output {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs a gridpost command to its end.
pub(crate) fn gridpost(args: &[&str]) -> Output {
    let output = Command::new(env!("CARGO_BIN_EXE_gridpost"))
        .args(args)
        .env("GRIDPOST_MODELS", root().join("models"))
        .output()
        .unwrap();
    Output {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// A running gateway.
pub(crate) struct Gateway {
    child: Child,
    pub(crate) folder: TempDir,
    pub(crate) web: String,
    pub(crate) intake: Option<u16>,
    pub(crate) token: String,
}

impl Gateway {
    /// `config` is everything but `[data]`, `[web]` and `[intake]`, which are made here with
    /// ports of the system's choice.
    pub(crate) async fn start(config: &str) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), config, &[]).await
    }

    pub(crate) async fn start_in(folder: TempDir, config: &str, env: &[(&str, &str)]) -> Self {
        Self::start_with(folder, config, env, "").await
    }

    /// `tls`: lines for both listeners, `[web]` and `[intake]`.
    pub(crate) async fn start_with(
        folder: TempDir,
        config: &str,
        env: &[(&str, &str)],
        tls: &str,
    ) -> Self {
        let text = format!(
            "{config}\n[data]\npath = \"data\"\nmin_free_bytes = 1048576\n\n[web]\nlisten = \"127.0.0.1:0\"\n{tls}\n[intake]\nlisten = \"127.0.0.1:0\"\nallow_anonymous = true\n{tls}"
        );
        let file = folder.path().join("gridpost.toml");
        fs::write(&file, text).unwrap();
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(folder.path().join("log"))
            .unwrap();
        let addresses = folder.path().join("data/run.json");
        let _ = fs::remove_file(&addresses);
        let mut command = Command::new(env!("CARGO_BIN_EXE_gridpost"));
        command
            .args(["run", "-c"])
            .arg(&file)
            .env("GRIDPOST_MODELS", root().join("models"))
            .envs(env.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        let mut child = command.spawn().unwrap();
        let said: Value = wait_for("the gateway to start", || {
            let said =
                fs::read(&addresses).ok().and_then(|text| serde_json::from_slice(&text).ok());
            let ended = child.try_wait().unwrap();
            let log = folder.path().join("log");
            async move {
                assert!(
                    ended.is_none(),
                    "ended with {ended:?}:\n{}",
                    fs::read_to_string(log).unwrap()
                );
                said
            }
        })
        .await;
        let intake =
            said["intake"].as_str().map(|at| at.rsplit(':').next().unwrap().parse().unwrap());
        Self {
            child,
            web: format!("http://{}", said["web"].as_str().unwrap()),
            intake,
            token: fs::read_to_string(folder.path().join("data/token")).unwrap().trim().into(),
            folder,
        }
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// GET with the token; status and JSON (or Null).
    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        let answer = http()
            .get(format!("{}{path}", self.web))
            .bearer_auth(&self.token)
            .send()
            .await
            .unwrap();
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let answer = http()
            .post(format!("{}{path}", self.web))
            .bearer_auth(&self.token)
            .json(body)
            .send()
            .await
            .unwrap();
        let status = answer.status().as_u16();
        (status, answer.json().await.unwrap_or(Value::Null))
    }

    /// All of them, as text.
    pub(crate) async fn metrics(&self) -> String {
        http().get(format!("{}/metrics", self.web)).send().await.unwrap().text().await.unwrap()
    }

    /// Sum over the labels of one metric.
    pub(crate) async fn metric(&self, name: &str) -> f64 {
        let text = self.metrics().await;
        text.lines()
            .filter(|line| line.starts_with(name) && line[name.len()..].starts_with(['{', ' ']))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum()
    }

    pub(crate) fn signal(&self, name: &str) {
        let status =
            Command::new("kill").args([&format!("-{name}"), &self.pid().to_string()]).status();
        assert!(status.unwrap().success());
    }

    /// SIGTERM, and wait for the end.
    pub(crate) async fn stop(&mut self) -> ExitStatus {
        self.signal("TERM");
        self.ended().await
    }

    pub(crate) async fn ended(&mut self) -> ExitStatus {
        wait_for("the gateway to end", || {
            let ended = self.child.try_wait().unwrap();
            async move { ended }
        })
        .await
    }

    /// SIGKILL; gives the folder back for the next start.
    pub(crate) async fn kill(mut self) -> TempDir {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let empty = tempfile::tempdir().unwrap();
        std::mem::replace(&mut self.folder, empty)
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- log of the gateway\n{}", tail(&self.log()));
        }
    }
}

fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(60)..].join("\n")
}
