//! The district of `tests/rig/district.py`: a process of its own, which can be killed and started again where it was.

use std::{
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Gateway, http, root, wait_for};

pub(crate) struct District {
    child: Child,
    port: u16,
    folder: TempDir,
}

impl District {
    /// The answers to its first `silent` openings are lost.
    pub(crate) fn start(silent: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (child, port) = Self::spawn(folder.path().join("state.jsonl"), 0, silent);
        Self { child, port, folder }
    }

    fn spawn(state: PathBuf, port: u16, silent: u32) -> (Child, u16) {
        let mut child = Command::new("/usr/bin/python3")
            .arg(root().join("tests/rig/district.py"))
            .args(["--state", &state.display().to_string(), "--port", &port.to_string()])
            .args(["--silent", &silent.to_string()])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        (child, line.trim().parse().expect("the district says its port"))
    }

    /// As `url` of its sink.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/api", self.port)
    }

    /// By SIGKILL.
    pub(crate) fn goes_down(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// With what it had on disk, at the same address.
    pub(crate) fn comes_up(&mut self) {
        let state = self.folder.path().join("state.jsonl");
        (self.child, self.port) = Self::spawn(state, self.port, 0);
    }

    /// Where it pushes from now on.
    pub(crate) async fn pushes_to(&self, gateway: &Gateway) {
        let file = gateway.data().join("platforms/district.token");
        let token = std::fs::read_to_string(file).unwrap();
        let url = format!("{}/api/v1/platform/district", gateway.web);
        self.post("door", &json!({"url": url, "token": token.trim()})).await;
    }

    /// One of its people acts; it must be taken where it is pushed.
    pub(crate) async fn says(&self, via: &str, step: Value) {
        let mut step = step;
        step["via"] = via.into();
        let answer = self.post("say", &step).await;
        assert_eq!(answer["status"], "success", "{step}: {answer}");
    }

    async fn post(&self, path: &str, body: &Value) -> Value {
        let url = format!("http://127.0.0.1:{}/_/{path}", self.port);
        http().post(url).json(body).send().await.unwrap().json().await.unwrap()
    }

    /// All that it has got: `requests`, `cases`, `steps`.
    pub(crate) async fn state(&self) -> Value {
        let url = format!("http://127.0.0.1:{}/_/state", self.port);
        http().get(url).send().await.unwrap().json().await.unwrap()
    }

    /// Waits until it has so many cases of this category's code.
    pub(crate) async fn has(&self, count: usize, code: &str) -> Vec<Value> {
        wait_for(&format!("{count} cases {code} at the district"), || async {
            let state = self.state().await;
            let all = state["cases"].as_array().unwrap().iter();
            let found: Vec<Value> =
                all.filter(|case| case["eventType"]["code"] == code).cloned().collect();
            (found.len() >= count).then_some(found)
        })
        .await
    }
}

impl Drop for District {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
