//! A night of many ends: one folder, one load, and a judge of what came out at the sinks.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::process::ExitStatusExt,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::{
    Broker, Disk, Load, Receiver, gridpost, http, library,
    load::{GAUGE, Rain},
    root, street, wait_for,
};

/// One camera life in so many.
const CAMERA_EVERY: usize = 8;
/// Between two presses of a button at the intake: so that the officers keep up, cases are closed,
/// and the journal's segments can leave.
const BUTTON_PACE: Duration = Duration::from_millis(40);
/// Between two presses that come by the broker.
const DISTRICT_PACE: Duration = Duration::from_millis(60);

/// How each life of a night ends.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum End {
    /// What was not synced is drawn by lot.
    PowerCut,
    /// The same with a journal whose syncs do nothing.
    PowerCutUnsynced,
    /// SIGKILL; the disk keeps everything that was written.
    Kill,
}

/// A gateway's folder, its sinks and its broker, for as many lives as it takes.
pub(crate) struct House {
    folder: TempDir,
    pub(crate) receiver: Receiver,
    broker: Broker,
    end: End,
}

/// How a night went.
#[derive(Debug, Default)]
pub(crate) struct Night {
    /// Lives that ended in the middle of something.
    pub(crate) ends: usize,
    /// Writes, syncs and renames of the disk.
    pub(crate) operations: usize,
    pub(crate) pressed: u64,
    pub(crate) acknowledged: usize,
    pub(crate) closed: usize,
    /// Segments that left the journal meanwhile.
    pub(crate) retired: usize,
    /// Reports of the gauge that were acknowledged.
    pub(crate) readings: u64,
    pub(crate) pictures: usize,
    /// Pictures that left to keep their bound.
    pub(crate) removed: usize,
    pub(crate) lost: usize,
    pub(crate) doubled: usize,
    pub(crate) disordered: usize,
    pub(crate) unsound: usize,
}

impl House {
    pub(crate) async fn new(end: End) -> Self {
        // A night's messages for a gateway that is away: more than mosquitto's own thousand.
        let broker = Broker::start_with("max_queued_messages 0\n").await;
        let (folder, receiver) = (tempfile::tempdir().unwrap(), Receiver::start().await);
        let house = Self { folder, receiver, broker, end };
        let syncs_lie = end == End::PowerCutUnsynced;
        fs::write(house.path("control"), if syncs_lie { "n" } else { "-" }).unwrap();
        let base = format!(
            "[site]\nid = \"demo\"\nauto_close_after_s = 1\n[data]\npath = \"data\"\nmin_free_bytes = 1048576\nevidence_max_bytes = 1000000\nsegment_bytes = 65536\nmax_bytes = 524288\n[web]\nlisten = \"127.0.0.1:0\"\n[intake]\nlisten = \"127.0.0.1:0\"\nallow_anonymous = true\n[[sink]]\nid = \"grid\"\nkind = \"http\"\nurl = \"{}\"\n[[sink]]\nid = \"file\"\nkind = \"jsonl\"\npath = \"events.jsonl\"\n[[mqtt]]\nid = \"district\"\nurl = \"mqtt://127.0.0.1:{}\"\n",
            house.receiver.url, house.broker.port
        );
        let camera = format!(
            "[[camera]]\nid = \"street\"\nurl = \"{}\"\nclip_max_s = 3\npost_roll_s = 1\nspeed = \"max\"\n[[rule]]\nid = \"walkers\"\nkind = \"intrusion\"\ncooldown_s = 0\n",
            street("h264").display()
        );
        fs::write(house.path("blind.toml"), &base).unwrap();
        fs::write(house.path("seeing.toml"), base + &camera).unwrap();
        house
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.path("data")
    }

    pub(crate) fn spawn(&self, config: &str, cut_after: u64) -> Child {
        let _ = fs::remove_file(self.path("log-of-disk"));
        let _ = fs::remove_file(self.data().join("run.json"));
        let log = fs::OpenOptions::new().create(true).append(true).open(self.path("log")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_gridpost"));
        if self.end != End::Kill {
            command.env("LD_PRELOAD", library());
        }
        command
            .args(["run", "-c"])
            .arg(self.path(config))
            .env("GRIDPOST_MODELS", root().join("models"))
            .env("CUT_ROOT", self.data())
            .env("CUT_LOG", self.path("log-of-disk"))
            .env("CUT_CONTROL", self.path("control"))
            .env("CUT_AFTER", cut_after.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap()
    }

    /// Where the intake is, once it is; None if the process ended before.
    pub(crate) async fn port(&self, child: &mut Child) -> Option<u16> {
        wait_for("the gateway to start or to die", || {
            let port = self.intake();
            let ended = child.try_wait().unwrap().is_some();
            async move { if ended { Some(None) } else { port.map(Some) } }
        })
        .await
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// One life and its end; how many operations the disk saw. Err: it would not live.
    async fn life(&self, load: &Load, random: &mut StdRng, camera: bool) -> Result<usize, String> {
        let (config, most, patience_ms) =
            if camera { ("seeing.toml", 2_000, 6_000) } else { ("blind.toml", 400, 2_000) };
        // Half of the lives end early, some in the middle of recovery itself.
        let early = random.random_bool(0.5);
        let (cut_after, patience_ms) = match self.end {
            End::Kill => (0, random.random_range(0..if early { 150 } else { patience_ms / 3 })),
            _ => (random.random_range(1..if early { most / 15 } else { most }), patience_ms),
        };
        let before = (self.end != End::Kill).then(|| Disk::of(&self.data()));
        let until = Instant::now() + Duration::from_millis(patience_ms);
        let mut child = self.spawn(config, cut_after);
        let ended = loop {
            load.at(self.intake());
            match child.try_wait().unwrap() {
                Some(status) => break Some(status),
                None if Instant::now() > until => break None,
                None => tokio::time::sleep(Duration::from_millis(2)).await,
            }
        };
        match ended {
            None => {
                child.kill().unwrap();
                child.wait().unwrap();
            }
            Some(status) if status.signal() == Some(9) => {}
            Some(status) => return Err(format!("ended by itself with {status:?}")),
        }
        load.at(None);
        let Some(mut disk) = before else { return Ok(0) };
        let operations = disk.play(&fs::read(self.path("log-of-disk")).unwrap_or_default());
        disk.cut(&self.data(), random);
        Ok(operations)
    }

    fn run_json(&self) -> Option<Value> {
        serde_json::from_slice(&fs::read(self.data().join("run.json")).ok()?).ok()
    }

    /// Where the intake says it is.
    fn intake(&self) -> Option<u16> {
        self.run_json()?["intake"].as_str()?.rsplit(':').next()?.parse().ok()
    }

    /// Of the rain that the gauge was acknowledged, is any missing in the sums; is there rain that
    /// it never told?
    async fn rain_lost(&self, rain: Option<Rain>, readings: &mut u64) -> usize {
        let Some(rain) = rain else { return 0 };
        *readings = rain.last - rain.first + 1;
        let web = self.run_json().unwrap()["web"].as_str().unwrap().to_owned();
        let token = fs::read_to_string(self.data().join("token")).unwrap();
        let address = format!("http://{web}/api/v1/rain");
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
            println!("{}{}", checked.stdout, checked.stderr);
        }
        checked.code == 0
    }

    /// So many lives under load, then one with which everything must come out right.
    pub(crate) async fn night(&self, seed: u64, ends: usize) -> Night {
        println!("GRIDPOST_SEED={seed}");
        let mut random = StdRng::seed_from_u64(seed);
        let mut night = Night::default();
        fs::create_dir(self.data()).unwrap();
        let mut load = Load::start("b", 4, 4, BUTTON_PACE, &self.receiver);
        load.gauge();
        // These reach the gateway by the district's broker, which never goes away: at full speed
        // they would pile up there faster than a gateway can take them that mostly dies.
        let district = Load::start("d", 1, 0, DISTRICT_PACE, &self.receiver);
        self.subscribed().await;
        district.at(Some(self.broker.port));
        while night.ends < ends {
            let camera = night.ends % CAMERA_EVERY == CAMERA_EVERY - 1;
            match self.life(&load, &mut random, camera).await {
                Ok(operations) => night.operations += operations,
                Err(reason) => {
                    println!("life {}: {reason}\n{}", night.ends, self.log_tail());
                    night.unsound += 1;
                    return night;
                }
            }
            night.ends += 1;
            if self.data().join("journal").is_dir() && !self.is_sound() {
                println!("after life {}", night.ends);
                night.unsound += 1;
            }
        }
        let rain = load.rain();
        let (mut presses, closed, pressed) = load.stop().await;
        let (more, _, also) = district.stop().await;
        presses.extend(more);
        (night.acknowledged, night.closed) = (presses.len(), closed.len());
        night.pressed = pressed + also;
        // The power is back for good: everything that was promised is delivered.
        let mut child = self.spawn("blind.toml", 0);
        assert!(self.port(&mut child).await.is_some(), "it does not start:\n{}", self.log_tail());
        // A broker's message has no place in the ledger before it is here. One that is lost never
        // comes: that is for the judge to say, not for the clock.
        let patient = if self.end == End::PowerCutUnsynced { 0 } else { 30 };
        let until = Instant::now() + Duration::from_secs(patient);
        while presses.difference(&self.receiver.sources()).next().is_some()
            && Instant::now() < until
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.drained().await;
        night.lost += self.rain_lost(rain, &mut night.readings).await;
        let stopped = Command::new("kill").arg(child.id().to_string()).status().unwrap();
        assert!(stopped.success() && child.wait().unwrap().success());
        for (name, events) in [("grid", self.receiver.events()), ("file", self.lines())] {
            night.judge(name, &events, &presses);
            let state = latest(&events);
            let open =
                closed.iter().filter(|id| state.get(*id).is_none_or(|d| d["stage"] != "closed"));
            night.lost += open.count();
            (night.pictures, night.removed) = self.pictures(&state);
        }
        // Also that nothing is missing which no record says was removed.
        night.unsound += usize::from(!self.is_sound());
        night.retired = self.log().matches("has left the journal").count();
        if night.lost > 0 && self.end != End::PowerCutUnsynced {
            println!("{}", self.log_tail());
        }
        night
    }

    /// The broker keeps messages for the gateway from its first subscription on.
    async fn subscribed(&self) {
        let mut child = self.spawn("blind.toml", 0);
        self.port(&mut child).await;
        wait_for("the subscription", || {
            let payload = r#"{"event":"press","id":"first"}"#;
            let published = Command::new("mosquitto_pub")
                .args(["-h", "127.0.0.1", "-p", &self.broker.port.to_string(), "-q", "1"])
                .args(["-t", "gridpost/demo/button/first", "-m", payload])
                .status();
            assert!(published.unwrap().success());
            let there = self.receiver.sources().contains("first");
            async move { there.then_some(()) }
        })
        .await;
        let stopped = Command::new("kill").arg(child.id().to_string()).status().unwrap();
        assert!(stopped.success() && child.wait().unwrap().success());
    }

    fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    /// Until the ledger says that nothing is pending, and its sums hold.
    async fn drained(&self) {
        let data = self.data().display().to_string();
        wait_for("everything to be delivered", || {
            let ledger = gridpost(&["store", "ledger", "--data", &data]).stdout;
            let done = ledger.lines().all(|l| !l.contains("pending") || l.contains("pending 0 "));
            let done = done && ledger.contains("the sums hold");
            async move { done.then_some(()) }
        })
        .await;
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
            let ending = if piece["media_type"] == "video/mp4" { "mp4" } else { "jpg" };
            let file =
                self.data().join(format!("evidence/{}.{ending}", piece["id"].as_str().unwrap()));
            // Removed to keep its bound: on record, or the check says that it is missing.
            let Ok(bytes) = fs::read(&file) else {
                removed += 1;
                continue;
            };
            let sha256: String =
                Sha256::digest(&bytes).iter().map(|b| format!("{b:02x}")).collect();
            assert_eq!(piece["sha256"], sha256, "{}", file.display());
            count += 1;
        }
        (count, removed)
    }
}

/// The highest revision of each incident.
fn latest(events: &[Value]) -> BTreeMap<String, Value> {
    let mut state: BTreeMap<String, Value> = BTreeMap::new();
    for data in events.iter().map(|event| &event["data"]) {
        let id = data["incident"].as_str().unwrap().to_owned();
        let newer = |old: &Value| old["revision"].as_u64() < data["revision"].as_u64();
        if state.get(&id).is_none_or(newer) {
            state.insert(id, data.clone());
        }
    }
    state
}

impl Night {
    pub(crate) fn must_be_right(&self) {
        let wrong = [self.lost, self.doubled, self.disordered, self.unsound];
        assert_eq!(wrong, [0; 4], "{self:?}");
    }

    fn judge(&mut self, sink: &str, events: &[Value], acknowledged: &BTreeSet<String>) {
        let state = latest(events);
        let mut incidents: BTreeMap<&str, usize> = BTreeMap::new();
        for data in state.values().filter(|data| data["kind"] == "emergency-button") {
            *incidents.entry(data["sources"][0]["id"].as_str().unwrap()).or_default() += 1;
        }
        for device in acknowledged {
            match incidents.get(device.as_str()) {
                None => {
                    println!("{sink}: the press of {device} is LOST");
                    self.lost += 1;
                }
                Some(1) => {}
                Some(more) => {
                    println!("{sink}: the press of {device} made {more} incidents");
                    self.doubled += 1;
                }
            }
        }
        // Within a class and a source, what was first came first; copies may come again later.
        let mut first: BTreeSet<(&str, u64)> = BTreeSet::new();
        let mut highest: BTreeMap<(&str, u64), u64> = BTreeMap::new();
        for data in events.iter().map(|event| &event["data"]) {
            let (id, revision) =
                (data["incident"].as_str().unwrap(), data["revision"].as_u64().unwrap());
            if first.insert((id, revision)) {
                let highest = highest.entry((id, data["severity"].as_u64().unwrap())).or_default();
                if revision < *highest {
                    println!("{sink}: {id} revision {revision} came after {highest}");
                    self.disordered += 1;
                }
                *highest = revision.max(*highest);
            }
        }
        // Each revision from the first to the highest came, and the same one is always the same.
        let mut seen: BTreeMap<(String, u64), &Value> = BTreeMap::new();
        for data in events.iter().map(|event| &event["data"]) {
            let key =
                (data["incident"].as_str().unwrap().into(), data["revision"].as_u64().unwrap());
            if let Some(before) = seen.insert(key, data) {
                self.doubled += usize::from(before != data);
            }
        }
        for (id, data) in &state {
            let all = (1..data["revision"].as_u64().unwrap())
                .all(|n| seen.contains_key(&(id.clone(), n)));
            if !all {
                println!("{sink}: {id} has a gap in its revisions");
                self.lost += 1;
            }
        }
    }
}
