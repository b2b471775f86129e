//! `gridpost replay` of a site: clips and signals in, events and explanations out.

use std::{fs, path::Path};

use jiff::Timestamp;
use serde_json::Value;

use super::{
    Output, Site,
    commands::{gridpost_command, output},
};

/// As replay starts its clock without signals: noon at the site.
const START: &str = "2026-01-01T04:00:00Z";

/// What is to be replayed.
pub(crate) struct Replay {
    /// Its text, or a file of `config/`.
    site: Result<Site, String>,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    signals: Option<String>,
}

impl Replay {
    pub(crate) fn of(site: &Site) -> Self {
        Self::with(Ok(site.clone()))
    }

    /// A shipped configuration, such as `config/demo.toml`.
    pub(crate) fn of_file(file: &str) -> Self {
        Self::with(Err(file.into()))
    }

    fn with(site: Result<Site, String>) -> Self {
        Self { site, arguments: Vec::new(), environment: Vec::new(), signals: None }
    }

    /// Further arguments.
    pub(crate) fn arguments(mut self, more: &[&str]) -> Self {
        self.arguments.extend(more.iter().map(|&one| one.to_owned()));
        self
    }

    /// This camera is played from this clip.
    pub(crate) fn camera(self, id: &str, clip: &Path) -> Self {
        self.arguments(&["--camera", &format!("{id}={}", clip.display())])
    }

    /// Each decision on this camera is told.
    pub(crate) fn explain(self, id: &str) -> Self {
        self.arguments(&["--explain", id])
    }

    /// Lines of JSON.
    pub(crate) fn signals(mut self, lines: &str) -> Self {
        self.signals = Some(lines.into());
        self
    }

    pub(crate) fn envs<'a>(mut self, all: impl IntoIterator<Item = (&'a str, String)>) -> Self {
        self.environment.extend(all.into_iter().map(|(key, value)| (key.to_owned(), value)));
        self
    }

    /// However it ends.
    pub(crate) fn try_run(self) -> Output {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let file = match self.site {
            Ok(site) => {
                fs::write(path("gridpost.toml"), site.text()).unwrap();
                path("gridpost.toml")
            }
            Err(file) => file,
        };
        let mut command = gridpost_command(&["replay", "-c", &file]);
        command.args(&self.arguments).envs(self.environment);
        if let Some(lines) = self.signals {
            fs::write(path("signals.jsonl"), lines).unwrap();
            command.args(["--signals", &path("signals.jsonl")]);
        }
        output(command)
    }

    /// To its good end.
    pub(crate) fn run(self) -> Played {
        let Output { code, stdout, stderr } = self.try_run();
        assert_eq!(code, 0, "{stderr}");
        let events = stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        Played { events, log: stderr }
    }
}

/// What a replay told.
pub(crate) struct Played {
    pub(crate) events: Vec<Value>,
    pub(crate) log: String,
}

/// A moment of the data, in seconds since the replay began.
pub(crate) fn seconds(data: &Value, key: &str) -> Option<f64> {
    let at: Timestamp = data[key].as_str()?.parse().ok()?;
    Some(at.duration_since(START.parse().unwrap()).as_secs_f64())
}

/// So many seconds after it began.
pub(crate) fn moment(seconds: f64) -> Timestamp {
    let start: Timestamp = START.parse().unwrap();
    start + jiff::SignedDuration::from_millis((seconds * 1000.0) as i64)
}

impl Played {
    /// Data of the events of this kind.
    pub(crate) fn of(&self, kind: &str) -> Vec<&Value> {
        let data = self.events.iter().map(|event| &event["data"]);
        data.filter(|data| data["kind"] == kind).collect()
    }

    /// From when to when somebody was there, in seconds of the clip, in order.
    pub(crate) fn happenings(&self) -> Vec<(f64, f64)> {
        let ended = self.of("intrusion").into_iter().filter(|data| data["what"] == "ended");
        let mut spans: Vec<(f64, f64)> = ended
            .map(|data| (seconds(data, "began_at").unwrap(), seconds(data, "ended_at").unwrap()))
            .collect();
        spans.sort_by(|a, b| a.0.total_cmp(&b.0));
        spans
    }

    /// What was explained of a camera, line by line.
    pub(crate) fn explained(&self, camera: &str) -> Vec<&str> {
        let start = format!("{camera} ");
        self.log.lines().filter(|line| line.starts_with(&start)).collect()
    }

    /// Seconds of the clip at which the gate decided something, by its first word or two.
    pub(crate) fn gate(&self, what: &str) -> Vec<f64> {
        let lines = self.log.lines().filter(|line| line.contains(&format!(": gate {what}")));
        lines.map(|line| line.split_whitespace().nth(1).unwrap().parse().unwrap()).collect()
    }

    /// All events, ids included, without addresses and without the bytes of clips (a clip's file says
    /// when it was made): everything else must be the same each time.
    pub(crate) fn comparable(&self) -> Vec<Value> {
        let mut events = self.events.clone();
        for event in &mut events {
            for evidence in event["data"]["evidence"].as_array_mut().unwrap() {
                let is_clip = evidence["media_type"] == "video/mp4";
                let left_out: &[&str] = if is_clip { &["sha256", "url"] } else { &["url"] };
                let evidence = evidence.as_object_mut().unwrap();
                evidence.retain(|key, _| !left_out.contains(&key.as_str()));
            }
        }
        events
    }
}
