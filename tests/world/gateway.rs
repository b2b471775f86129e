//! A running gateway in a folder of its own; both end with the test.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitStatus,
};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{
    Output, Site, commands,
    daemon::{Daemon, SmallDisk},
    gridpost, http, library, press, wait_for,
};

/// How a gateway is started that wants more than a site.
pub(crate) struct Launch {
    site: Site,
    folder: TempDir,
    environment: Vec<(String, String)>,
    disk: Option<SmallDisk>,
}

impl Launch {
    pub(crate) fn of(site: impl Into<Site>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { site: site.into(), folder, environment: Vec::new(), disk: None }
    }

    /// In which files of the test lie already, or the data of a life before.
    pub(crate) fn in_folder(mut self, folder: TempDir) -> Self {
        self.folder = folder;
        self
    }

    pub(crate) fn env(mut self, key: &str, value: impl AsRef<Path>) -> Self {
        self.environment.push((key.into(), value.as_ref().display().to_string()));
        self
    }

    pub(crate) fn envs<'a>(mut self, all: impl IntoIterator<Item = (&'a str, String)>) -> Self {
        self.environment.extend(all.into_iter().map(|(key, value)| (key.to_owned(), value)));
        self
    }

    /// Its disk is the preloaded library of `tests/rig/cut.c`, which does what
    /// [`Gateway::disk_does`] says: `-` nothing, `e` each sync fails, `s` each takes `slow_ms`.
    pub(crate) fn faulty_disk(self, does: &str, slow_ms: u64) -> Self {
        let (data, control) = (self.folder.path().join("data"), self.folder.path().join("control"));
        fs::write(&control, does).unwrap();
        self.env("LD_PRELOAD", library())
            .env("CUT_ROOT", data)
            .env("CUT_CONTROL", control)
            .env("CUT_SLOW_MS", slow_ms.to_string())
    }

    pub(crate) fn small_disk(mut self, disk: SmallDisk) -> Self {
        self.disk = Some(disk);
        self
    }

    pub(crate) async fn start(self) -> Gateway {
        let Self { site, folder, environment, disk } = self;
        fs::write(folder.path().join("gridpost.toml"), site.text_to_run()).unwrap();
        if disk.is_some() {
            // There must be something to mount on.
            fs::create_dir(folder.path().join("data")).unwrap();
        }
        let mut daemon = Daemon::spawn(folder.path(), "gridpost.toml", &environment, disk);
        let run = daemon.started().await.expect("the gateway ended while it started");
        Gateway {
            web: format!("http://{}", run["web"].as_str().unwrap()),
            intake: daemon.port("intake"),
            token: fs::read_to_string(daemon.data().join("token")).unwrap().trim().into(),
            daemon,
            folder,
        }
    }
}

/// A running gateway.
pub(crate) struct Gateway {
    // Before its folder: it must have ended when that goes.
    daemon: Daemon,
    pub(crate) folder: TempDir,
    pub(crate) web: String,
    pub(crate) intake: Option<u16>,
    pub(crate) token: String,
}

impl Gateway {
    pub(crate) async fn start(site: impl Into<Site>) -> Self {
        Launch::of(site).start().await
    }

    pub(crate) async fn start_in(
        folder: TempDir,
        site: impl Into<Site>,
        environment: &[(&str, &str)],
    ) -> Self {
        let environment = environment.iter().map(|(key, value)| (*key, (*value).to_owned()));
        Launch::of(site).in_folder(folder).envs(environment).start().await
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.daemon.data().to_owned()
    }

    /// A file of its folder, as an argument.
    pub(crate) fn file(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    pub(crate) fn log(&self) -> String {
        self.daemon.log()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.daemon.pid()
    }

    /// Of one of its listeners, as it says where it listens.
    pub(crate) fn port(&self, listener: &str) -> u16 {
        self.daemon.port(listener).unwrap_or_else(|| panic!("it has no {listener}"))
    }

    /// A press at its intake, which is acknowledged.
    pub(crate) fn press(&self, device: &str, id: &str) {
        assert!(press(self.intake.unwrap(), device, id), "{device} {id} was not acknowledged");
    }

    /// GET with the token; status and JSON (or Null).
    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        let url = format!("{}{path}", self.web);
        let answer = http().get(url).bearer_auth(&self.token).send().await.unwrap();
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let url = format!("{}{path}", self.web);
        let sent = http().post(url).bearer_auth(&self.token).json(body).send().await;
        let answer = sent.unwrap();
        let status = answer.status().as_u16();
        (status, answer.json().await.unwrap_or(Value::Null))
    }

    /// Waits until the case is there; what it is then.
    pub(crate) async fn stage_is(&self, incident: &str, stage: &str) -> Value {
        wait_for(&format!("{incident} {stage}"), || async {
            let (_, data) = self.get(&format!("/api/v1/incidents/{incident}")).await;
            (data["stage"] == stage).then_some(data)
        })
        .await
    }

    /// The bytes of a piece of evidence, by the `id` of a record.
    pub(crate) async fn evidence(&self, piece: &Value) -> Vec<u8> {
        let url = format!("{}/api/v1/evidence/{}", self.web, piece["id"].as_str().unwrap());
        let answer = http().get(url).bearer_auth(&self.token).send().await.unwrap();
        answer.bytes().await.unwrap().into()
    }

    /// A command of gridpost that reads its configuration: `cameras`, `devices`.
    pub(crate) fn command(&self, name: &str, more: &[&str]) -> Output {
        gridpost(&[&[name, "-c", &self.file("gridpost.toml")], more].concat())
    }

    /// `gridpost store …` on its data; what it printed.
    pub(crate) fn store(&self, args: &[&str]) -> String {
        commands::store(self.daemon.data(), args)
    }

    /// Its ledger, whose sums hold.
    pub(crate) fn ledger(&self) -> String {
        commands::ledger(self.daemon.data())
    }

    /// The bytes of its journal, as text.
    pub(crate) fn journal(&self) -> String {
        let files = fs::read_dir(self.daemon.data().join("journal")).unwrap();
        let bytes: Vec<u8> =
            files.flat_map(|file| fs::read(file.unwrap().path()).unwrap_or_default()).collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Ends it, and nothing is wrong with what it leaves.
    pub(crate) async fn must_stop_sound(&mut self) {
        let status = self.stop().await;
        assert!(status.success(), "{status:?}");
        commands::store_must_be_sound(self.daemon.data());
    }

    /// See [`Launch::faulty_disk`].
    pub(crate) fn disk_does(&self, what: &str) {
        fs::write(self.folder.path().join("control"), what).unwrap();
    }

    /// Another configuration in its file; it does not know yet.
    pub(crate) fn rewrite(&self, site: impl Into<Site>) {
        fs::write(self.file("gridpost.toml"), site.into().text_to_run()).unwrap();
    }

    /// Status and answer of a reload over HTTP.
    pub(crate) async fn reload(&self) -> (u16, Value) {
        self.post("/api/v1/reload", &json!({})).await
    }

    /// The same, whatever it takes away.
    pub(crate) async fn reload_confirmed(&self) -> (u16, Value) {
        self.post("/api/v1/reload?confirm=true", &json!({})).await
    }

    /// A reload that is applied, whatever it takes away; its answer.
    pub(crate) async fn reload_to(&self, site: impl Into<Site>) -> Value {
        self.rewrite(site);
        let (status, answer) = self.reload_confirmed().await;
        assert_eq!((status, &answer["applied"]), (200, &json!(true)), "{answer}");
        answer
    }

    /// Waits for `/readyz` to answer so; its body.
    pub(crate) async fn readiness(&self, status: u16, part: &str) -> Value {
        wait_for(&format!("readiness {status} {part}"), || async {
            let (is, body) = self.get("/readyz").await;
            (is == status && body.to_string().contains(part)).then_some(body)
        })
        .await
    }

    /// Waits for this in its log.
    pub(crate) async fn logs(&self, part: &str) {
        wait_for(&format!("`{part}` in the log"), || {
            let there = self.log().contains(part);
            async move { there.then_some(()) }
        })
        .await;
    }

    pub(crate) fn signal(&self, name: &str) {
        self.daemon.signal(name);
    }

    /// SIGTERM, and wait for the end.
    pub(crate) async fn stop(&mut self) -> ExitStatus {
        self.daemon.stop().await
    }

    pub(crate) async fn ended(&mut self) -> ExitStatus {
        self.daemon.ended().await
    }

    /// SIGKILL; gives the folder back for the next start.
    pub(crate) async fn kill(self) -> TempDir {
        let Self { mut daemon, folder, .. } = self;
        daemon.kill();
        folder
    }
}
