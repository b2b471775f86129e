//! The table of cameras for people: written beside the journal by a running gateway, read by `gridpost cameras`.

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::shared::{Shared, StreamUrlsByCamera};
use crate::{
    base::{Registry, Sync, lock, stopped, write_whole},
    config::Config,
    domain::{Metric, SourceId, label_pair},
};

const WRITE_EVERY: Duration = Duration::from_secs(2);
const FILE: &str = "cameras.json";

/// One camera's figures since the gateway started.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct CameraState {
    /// Of the configuration.
    pub id: String,
    /// Packets arrive.
    pub up: bool,
    /// 0 packets only, 1 asleep, 2 awake.
    pub level: u8,
    /// Times it woke, by cause.
    pub wakes: BTreeMap<String, u64>,
    /// What its signs are worth: `event` is its own event (ONVIF), `signal` the size of packets.
    #[serde(default)]
    pub signs: BTreeMap<String, SignState>,
    /// Whether its own events are heard; absent for a camera without `onvif`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events_up: Option<bool>,
    /// Which streams it was asked for and why, or why none; absent for a camera with a `url`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub onvif_streams: Option<String>,
    /// Key frames compared with the scene, asleep.
    pub looks: u64,
    /// Pictures the detector looked at, and runs of the model for them.
    pub detected: u64,
    /// See `detected`.
    pub runs: u64,
    /// Looks that were due and not taken.
    pub skipped: u64,
    /// `software`, a device, or `software (device: why not)`; empty until something was decoded.
    #[serde(default)]
    pub decoding: String,
    /// Why it decodes everything though it need not be awake: `long-gop`, `no-key-frame`; empty while
    /// its key frames let it sleep.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub sleepless: String,
    /// Which of its two streams it is looked at and seen with; empty for a camera with one stream.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub streams: String,
    /// Processor seconds of looks.
    pub look_s: f64,
    /// Processor seconds of decoding and comparing, awake.
    pub awake_s: f64,
    /// Processor seconds of detection.
    pub detect_s: f64,
    /// Between key frames.
    pub gop_s: f64,
    /// How far decoding is behind the stream.
    pub lag_s: f64,
    /// Seconds of packets in the ring.
    pub ring_s: f64,
    /// Bytes of packets in the ring.
    pub ring_bytes: f64,
    /// Looks that wait for the detector.
    pub queue: u64,
}

/// How often one sign of a camera was right, judged by its looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SignState {
    /// Right ones of all signs, 0..1.
    pub precision: f64,
    /// Announced ones of all that was seen, 0..1.
    pub recall: f64,
    /// It wakes the camera.
    pub believed: bool,
}

/// All cameras, and when this was written.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CameraTable {
    /// When it was written.
    pub at: Timestamp,
    /// Seconds since the gateway started.
    pub up_s: f64,
    /// By id.
    pub cameras: Vec<CameraState>,
}

/// Writes the table every few seconds, until it is told to stop.
pub(super) async fn keep(
    shared: Shared,
    data: std::path::PathBuf,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        let now = shared.clock.now();
        let table = CameraTable {
            at: now.wall,
            up_s: now.mono_ms as f64 / 1000.0,
            cameras: states(&shared.registry, &streams(&shared.stream_urls)),
        };
        let path = data.join(FILE);
        let written = tokio::task::spawn_blocking(move || write(&path, &table)).await;
        if let Ok(Err(error)) = written {
            // A failing disk is reported by the store.
            tracing::debug!(%error, "cameras.json could not be written");
        }
        tokio::select! {
            () = tokio::time::sleep(WRITE_EVERY) => {}
            () = stopped(&mut stop) => return,
        }
    }
}

fn write(path: &Path, table: &CameraTable) -> Result<(), String> {
    let text = serde_json::to_string(table).map_err(|error| error.to_string())?;
    write_whole(path, text.as_bytes(), Sync::No).map_err(|error| error.to_string())
}

/// What was found of streams that were asked for.
pub(super) fn streams(urls: &StreamUrlsByCamera) -> BTreeMap<SourceId, String> {
    let known = lock(urls);
    known.iter().map(|(id, urls)| (id.clone(), urls.shown())).collect()
}

/// Of all cameras now; `found`: which streams they were asked for.
pub(super) fn states(registry: &Registry, found: &BTreeMap<SourceId, String>) -> Vec<CameraState> {
    let mut wakes: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
    for (camera, cause) in registry.pairs(Metric::CameraWakes) {
        let count = registry.get(Metric::CameraWakes, &label_pair(&camera, &cause)) as u64;
        wakes.entry(camera).or_default().insert(cause, count);
    }
    let decoding: BTreeMap<_, _> = registry.pairs(Metric::CameraDecoding).into_iter().collect();
    let mut sleepless = registry.pairs(Metric::CameraSleepless);
    sleepless.retain(|(camera, why)| {
        registry.get(Metric::CameraSleepless, &label_pair(camera, why)) > 0.0
    });
    let sleepless: BTreeMap<_, _> = sleepless.into_iter().collect();
    let streams: BTreeMap<_, _> = registry.pairs(Metric::CameraStreams).into_iter().collect();
    let mut signs: BTreeMap<String, BTreeMap<String, SignState>> = BTreeMap::new();
    for (camera, sign) in registry.pairs(Metric::CameraSignBelieved) {
        let get = |metric| registry.get(metric, &label_pair(&camera, &sign));
        let state = SignState {
            precision: get(Metric::CameraSignPrecision),
            recall: get(Metric::CameraSignRecall),
            believed: get(Metric::CameraSignBelieved) > 0.0,
        };
        signs.entry(camera).or_default().insert(sign, state);
    }
    let hearing = registry.labels(Metric::CameraEventsUp);
    let of = |id: String| {
        let get = |metric| registry.get(metric, &id);
        let count = |metric| get(metric) as u64;
        CameraState {
            up: get(Metric::CameraUp) > 0.0,
            level: get(Metric::CameraLevel) as u8,
            wakes: wakes.get(&id).cloned().unwrap_or_default(),
            signs: signs.get(&id).cloned().unwrap_or_default(),
            events_up: hearing.contains(&id).then(|| get(Metric::CameraEventsUp) > 0.0),
            onvif_streams: found.get(&SourceId::from(id.as_str())).cloned(),
            looks: count(Metric::CameraLooks),
            detected: count(Metric::CameraDetected),
            runs: count(Metric::CameraRuns),
            skipped: count(Metric::CameraSkipped),
            streams: streams.get(&id).cloned().unwrap_or_default(),
            decoding: decoding.get(&id).cloned().unwrap_or_default(),
            sleepless: sleepless.get(&id).cloned().unwrap_or_default(),
            look_s: get(Metric::CameraLookSeconds),
            awake_s: get(Metric::CameraAwakeSeconds),
            detect_s: get(Metric::CameraDetectSeconds),
            gop_s: get(Metric::CameraGop),
            lag_s: get(Metric::CameraLag),
            ring_s: get(Metric::CameraRing),
            ring_bytes: get(Metric::RingBytes),
            queue: count(Metric::CameraQueue),
            id,
        }
    };
    registry.labels(Metric::CameraUp).into_iter().filter(|id| !id.is_empty()).map(of).collect()
}

/// What a gateway on this data folder wrote last; the error is one sentence.
pub fn camera_table(config: &Config) -> Result<CameraTable, String> {
    let path = config.data.path.join(FILE);
    let text = fs::read_to_string(&path).map_err(|error| {
        format!("{}: {error}; a running gateway writes it every 2 s", path.display())
    })?;
    serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))
}
