//! The crash harness: one folder, one load, and a gateway that ends in the middle of something, again and again.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::Value;
use tempfile::TempDir;

use super::{
    Broker, CrashReport, Disk, Load, Receiver, Site,
    crash_report::latest,
    daemon::{Daemon, tail},
    gridpost, http, library,
    load::{GAUGE, Rain},
    sha256, street, wait_for,
};

/// One life with a camera in so many.
const CAMERA_EVERY: usize = 8;
/// Between two presses of a button at the intake: so that the officers keep up, cases are closed,
/// and the journal's segments can leave.
const BUTTON_PACE: Duration = Duration::from_millis(40);
/// Between two presses that come by the broker.
const DISTRICT_PACE: Duration = Duration::from_millis(60);

/// How each life ends.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Crash {
    /// What was not synced is drawn by lot.
    PowerCut,
    /// The same with a journal whose syncs do nothing.
    PowerCutUnsynced,
    /// SIGKILL; the disk keeps everything that was written.
    Kill,
}

/// Which configuration a life has.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Life {
    WithoutCamera,
    WithCamera,
}

impl Life {
    fn config(self) -> &'static str {
        match self {
            Self::WithoutCamera => "without-camera.toml",
            Self::WithCamera => "with-camera.toml",
        }
    }
}

/// A gateway's folder, its sinks and its broker, for as many lives as it takes.
pub(crate) struct CrashHarness {
    folder: TempDir,
    pub(crate) receiver: Receiver,
    broker: Broker,
    crash: Crash,
}

impl CrashHarness {
    pub(crate) async fn new(crash: Crash) -> Self {
        // Messages of all lives for a gateway that is away: more than mosquitto's own thousand.
        let broker = Broker::start_with("max_queued_messages 0\n").await;
        let (folder, receiver) = (tempfile::tempdir().unwrap(), Receiver::start().await);
        let harness = Self { folder, receiver, broker, crash };
        let syncs_lie = crash == Crash::PowerCutUnsynced;
        fs::write(harness.path("control"), if syncs_lie { "n" } else { "-" }).unwrap();
        let site = Site::demo()
            .set("auto_close_after_s", 1)
            .section("[data]")
            .set("evidence_max_bytes", 1_000_000)
            .set("segment_bytes", 65_536)
            .set("max_bytes", 524_288)
            .http(&harness.receiver)
            .section("[[sink]]")
            .set("id", "file")
            .set("kind", "jsonl")
            .set("path", "events.jsonl")
            .mqtt_source("district", &harness.broker);
        let camera = site.clone().camera("street", street("h264"));
        let camera = camera.set("clip_max_s", 3).set("post_roll_s", 1).set("speed", "max");
        let camera = camera.walkers().set("cooldown_s", 0);
        for (life, site) in [(Life::WithoutCamera, site), (Life::WithCamera, camera)] {
            fs::write(harness.path(life.config()), site.text_to_run()).unwrap();
        }
        harness
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.path("data")
    }

    /// What the disk did since the last start.
    pub(crate) fn disk_log(&self) -> Vec<u8> {
        fs::read(self.path("log-of-disk")).unwrap_or_default()
    }

    /// `cut_after`: so many operations of the disk, then SIGKILL; 0 is never.
    pub(crate) fn spawn(&self, life: Life, cut_after: u64) -> Daemon {
        let _ = fs::remove_file(self.path("log-of-disk"));
        let text = |path: &Path| path.display().to_string();
        let mut environment: Vec<(String, String)> = [
            ("CUT_ROOT", text(&self.data())),
            ("CUT_LOG", text(&self.path("log-of-disk"))),
            ("CUT_CONTROL", text(&self.path("control"))),
            ("CUT_AFTER", cut_after.to_string()),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .into();
        if self.crash != Crash::Kill {
            environment.push(("LD_PRELOAD".into(), text(library())));
        }
        Daemon::spawn(self.folder.path(), life.config(), &environment, None)
    }

    /// The same, running.
    pub(crate) async fn start(&self, life: Life) -> Daemon {
        let mut daemon = self.spawn(life, 0);
        assert!(daemon.started().await.is_some(), "it does not start:\n{}", self.log_tail());
        daemon
    }

    /// One life and its end; how many operations the disk saw. Err: it would not live.
    async fn life(&self, load: &Load, random: &mut StdRng, life: Life) -> Result<usize, String> {
        let (most, patience_ms) =
            if life == Life::WithCamera { (2_000, 6_000) } else { (400, 2_000) };
        // Half of the lives end early, some in the middle of recovery itself.
        let early = random.random_bool(0.5);
        let (cut_after, patience_ms) = match self.crash {
            Crash::Kill => (0, random.random_range(0..if early { 150 } else { patience_ms / 3 })),
            _ => (random.random_range(1..if early { most / 15 } else { most }), patience_ms),
        };
        let before = (self.crash != Crash::Kill).then(|| Disk::of(&self.data()));
        let until = Instant::now() + Duration::from_millis(patience_ms);
        let mut daemon = self.spawn(life, cut_after);
        let ended = loop {
            load.at(daemon.port("intake"));
            match daemon.has_ended() {
                Some(status) => break Some(status),
                None if Instant::now() > until => break None,
                None => tokio::time::sleep(Duration::from_millis(2)).await,
            }
        };
        match ended {
            None => daemon.kill(),
            Some(status) if status.signal() == Some(9) => {}
            Some(status) => return Err(format!("ended by itself with {status:?}")),
        }
        load.at(None);
        let Some(mut disk) = before else { return Ok(0) };
        let operations = disk.play(&self.disk_log());
        disk.cut(&self.data(), random);
        Ok(operations)
    }

    /// Of the rain that the gauge was acknowledged, is any missing in the sums; is there rain that
    /// it never told?
    async fn rain_lost(&self, daemon: &Daemon, rain: Option<Rain>, readings: &mut u64) -> usize {
        let Some(rain) = rain else { return 0 };
        *readings = rain.last - rain.first + 1;
        let token = fs::read_to_string(self.data().join("token")).unwrap();
        let address = format!("http://127.0.0.1:{}/api/v1/rain", daemon.port("web").unwrap());
        let answer = http().get(address).bearer_auth(token.trim()).send().await.unwrap();
        let view: Value = answer.json().await.unwrap();
        let gauges = view["gauges"].as_array().unwrap();
        let gauge = gauges.iter().find(|gauge| gauge["id"] == GAUGE);
        let sum = gauge.map_or(0.0, |gauge| gauge["sums_mm"]["24h"].as_f64().unwrap());
        let sum = (sum * 100.0).round() as u64;
        // A report that was stored and not acknowledged may have been the first.
        let (least, most) = (rain.last - rain.first, rain.tried - 1);
        if !(least..=most).contains(&sum) {
            println!("rain: {sum} hundredths, acknowledged {least}, told {most}");
        }
        usize::from(!(least..=most).contains(&sum))
    }

    fn is_sound(&self) -> bool {
        let checked = gridpost(&["store", "check", "--data", &self.data().display().to_string()]);
        if checked.code != 0 {
            println!("{}", checked.said());
        }
        checked.code == 0
    }

    /// So many lives under load, then one with which everything must come out right.
    pub(crate) async fn run(&self, seed: u64, crashes: usize) -> CrashReport {
        println!("GRIDPOST_SEED={seed}");
        let mut random = StdRng::seed_from_u64(seed);
        let mut report = CrashReport::default();
        fs::create_dir(self.data()).unwrap();
        let mut load = Load::start("b", 4, 4, BUTTON_PACE, &self.receiver);
        load.gauge();
        // These reach the gateway by the district's broker, which never goes away: at full speed
        // they would pile up there faster than a gateway can take them that mostly dies.
        let district = Load::start("d", 1, 0, DISTRICT_PACE, &self.receiver);
        self.subscribed().await;
        district.at(Some(self.broker.port));
        if !self.lives(&load, &mut random, crashes, &mut report).await {
            return report;
        }
        let rain = load.rain();
        let (mut presses, closed, pressed) = load.stop().await;
        let (more, _, also) = district.stop().await;
        presses.extend(more);
        (report.acknowledged, report.closed) = (presses.len(), closed.len());
        report.pressed = pressed + also;
        self.last_life(&presses, &closed, rain, &mut report).await;
        report
    }

    /// False if one of them would not live.
    async fn lives(
        &self,
        load: &Load,
        random: &mut StdRng,
        crashes: usize,
        report: &mut CrashReport,
    ) -> bool {
        while report.crashes < crashes {
            let camera = report.crashes % CAMERA_EVERY == CAMERA_EVERY - 1;
            let life = if camera { Life::WithCamera } else { Life::WithoutCamera };
            match self.life(load, random, life).await {
                Ok(operations) => report.operations += operations,
                Err(reason) => {
                    println!("life {}: {reason}\n{}", report.crashes, self.log_tail());
                    report.unsound += 1;
                    return false;
                }
            }
            report.crashes += 1;
            if self.data().join("journal").is_dir() && !self.is_sound() {
                println!("after life {}", report.crashes);
                report.unsound += 1;
            }
        }
        true
    }

    /// The power is back for good: everything that was promised is delivered.
    async fn last_life(
        &self,
        presses: &BTreeSet<String>,
        closed: &BTreeSet<String>,
        rain: Option<Rain>,
        report: &mut CrashReport,
    ) {
        let mut daemon = self.start(Life::WithoutCamera).await;
        // A broker's message has no place in the ledger before it is here. One that is lost never
        // comes: that is for the judge to say, not for the clock.
        let patient = if self.crash == Crash::PowerCutUnsynced { 0 } else { 30 };
        let until = Instant::now() + Duration::from_secs(patient);
        while presses.difference(&self.receiver.sources()).next().is_some()
            && Instant::now() < until
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.drained().await;
        report.lost += self.rain_lost(&daemon, rain, &mut report.readings).await;
        assert!(daemon.stop().await.success());
        for (name, events) in [("grid", self.receiver.events()), ("file", self.lines())] {
            report.judge(name, &events, presses);
            let state = latest(&events);
            let open =
                closed.iter().filter(|id| state.get(*id).is_none_or(|d| d["stage"] != "closed"));
            report.lost += open.count();
            (report.pictures, report.removed) = self.pictures(&state);
        }
        // Also that nothing is missing which no record says was removed.
        report.unsound += usize::from(!self.is_sound());
        report.retired = self.log().matches("has left the journal").count();
        if report.lost > 0 && self.crash != Crash::PowerCutUnsynced {
            println!("{}", self.log_tail());
        }
    }

    /// The broker keeps messages for the gateway from its first subscription on.
    async fn subscribed(&self) {
        let mut daemon = self.start(Life::WithoutCamera).await;
        wait_for("the subscription", || {
            self.broker.publish("gridpost/demo/button/first", r#"{"event":"press","id":"first"}"#);
            let there = self.receiver.sources().contains("first");
            async move { there.then_some(()) }
        })
        .await;
        assert!(daemon.stop().await.success());
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    fn log_tail(&self) -> String {
        tail(&self.log(), 20)
    }

    /// Until the ledger says that nothing is pending, and its sums hold.
    async fn drained(&self) {
        let data = self.data().display().to_string();
        if self.crash == Crash::PowerCutUnsynced {
            return self.nothing_moves(&data).await;
        }
        let began = Instant::now();
        let mut told = false;
        wait_for("everything to be delivered", || {
            let ledger = gridpost(&["store", "ledger", "--data", &data]).stdout;
            // Said once, before the patience ends.
            if !told && began.elapsed() > Duration::from_secs(50) {
                told = true;
                println!("{ledger}\n{}", tail(&self.log(), 60));
            }
            let done = ledger.lines().all(|l| !l.contains("pending") || l.contains("pending 0 "));
            let done = done && ledger.contains("the sums hold");
            async move { done.then_some(()) }
        })
        .await;
    }

    /// What a disk that lies has destroyed after the index knew it stays pending for ever: until nothing
    /// is delivered any more.
    async fn nothing_moves(&self, data: &str) {
        let (mut before, mut since) = (String::new(), Instant::now());
        while since.elapsed() < Duration::from_secs(3) {
            let ledger = gridpost(&["store", "ledger", "--data", data]).stdout;
            if ledger != before {
                (before, since) = (ledger, Instant::now());
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    fn lines(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.path("events.jsonl")).unwrap_or_default();
        // A line that a cut tore was sent again.
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// P5: every picture that a delivered record names is there, and is what the record says.
    fn pictures(&self, state: &BTreeMap<String, Value>) -> (usize, usize) {
        let (mut count, mut removed) = (0, 0);
        for piece in state.values().flat_map(|data| data["evidence"].as_array().unwrap()) {
            if piece["original_of"].is_string() {
                // Sealed: `store check` opens it.
                continue;
            }
            let ending = if piece["media_type"] == "video/mp4" { "mp4" } else { "jpg" };
            let file =
                self.data().join(format!("evidence/{}.{ending}", piece["id"].as_str().unwrap()));
            // Removed to keep its bound: on record, or the check says that it is missing.
            let Ok(bytes) = fs::read(&file) else {
                removed += 1;
                continue;
            };
            assert_eq!(piece["sha256"], sha256(&bytes), "{}", file.display());
            count += 1;
        }
        (count, removed)
    }
}
