//! Who was where, as boxes and without pictures: `tracks/`, for whoever tries rules on it later. Losing it harms nothing.
//!
//! A line of JSON a look, in files of an hour by the gateway's clock (UTC), never synced. A thread of
//! its own writes; nobody waits for it, and what it cannot take is counted. Where room runs low,
//! tracks stop before anything else does, and the oldest of them leave.

use std::{
    fmt::Write as _,
    io,
    path::Path,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{evidence::free_bytes, track_folder::TrackFolder};
use crate::{
    base::spawn,
    domain::{Clock, Meter, Metric, SourceId, Track},
};

/// Looks that wait for the thread. At 5 a second of 40 cameras: five seconds of a disk that hangs.
const LOOKS_MAX: usize = 1_024;
/// What was seen is in the file so much later.
const WRITE_EVERY: Duration = Duration::from_secs(2);
/// What is too old leaves at most this late.
const TIDY_EVERY: Duration = Duration::from_secs(600);
/// Bytes that are written before that.
const WRITE_BYTES: usize = 64 << 10;
/// Less than this holds no hour of a busy camera.
const MAX_BYTES_MIN: u64 = 1 << 20;

/// `[tracks]`: who was where, as boxes without pictures, in `tracks/` of the data folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TracksConfig {
    /// Days that they are kept; 0 keeps none. Default 7.
    #[serde(default = "default_keep_days")]
    pub keep_days: u32,
    /// Most bytes of them, beyond which the oldest leave; 0 keeps none. Default 1 GiB.
    #[serde(default = "default_max_bytes")]
    pub max_bytes: u64,
}

fn default_keep_days() -> u32 {
    7
}
fn default_max_bytes() -> u64 {
    1 << 30
}

impl Default for TracksConfig {
    fn default() -> Self {
        Self { keep_days: default_keep_days(), max_bytes: default_max_bytes() }
    }
}

impl TracksConfig {
    /// Errors as (key, message).
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        if (1..MAX_BYTES_MIN).contains(&self.max_bytes) {
            let message =
                format!("{}: expected 0 (none), or at least {MAX_BYTES_MIN}", self.max_bytes);
            problems.push(("max_bytes", message));
        }
        if self.keep_days > 36_500 {
            problems.push(("keep_days", format!("{}: expected 0 to 36500", self.keep_days)));
        }
        problems
    }

    /// Whether any are kept.
    pub fn is_on(&self) -> bool {
        self.keep_days > 0 && self.max_bytes > 0
    }
}

/// What a look of one camera made of it.
struct LoggedLook {
    camera: SourceId,
    at: Timestamp,
    tracks: Vec<Track>,
}

/// Where looks are handed in; the thread ends when it is gone.
pub struct TrackLog {
    queue: SyncSender<LoggedLook>,
    meter: Arc<dyn Meter>,
    thread: JoinHandle<()>,
}

impl TrackLog {
    /// Starts the thread; nothing is touched before the first look. `min_free_bytes`: of `[data]`.
    pub fn start(
        config: &TracksConfig,
        data: &Path,
        min_free_bytes: u64,
        meter: Arc<dyn Meter>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, String> {
        let (queue, looks) = sync_channel(LOOKS_MAX);
        // Evidence stops at `min_free_bytes`; tracks stop before it.
        let limit = min_free_bytes.saturating_add(min_free_bytes / 4);
        let data = data.to_owned();
        let folder = TrackFolder::new(data.join("tracks"), config.keep_days, config.max_bytes);
        let now = move || clock.now().wall;
        let has_room = move || free_bytes(&data).is_ok_and(|free| free >= limit);
        let counted = meter.clone();
        let thread = spawn("tracks", move || write(folder, &looks, has_room, now, &*counted))?;
        Ok(Self { queue, meter, thread })
    }

    /// Removes what is there from before, where none are to be kept any more.
    pub fn remove_all(data: &Path) {
        let mut folder = TrackFolder::new(data.join("tracks"), 0, 0);
        if let Err(error) = folder.tidy(Timestamp::MAX) {
            tracing::warn!(%error, "tracks are not kept any more, and those of before cannot be removed");
        }
    }

    /// Never waits: where the thread is too far behind, the look is dropped and counted.
    pub fn put(&self, camera: &SourceId, at: Timestamp, tracks: &[Track]) {
        let look = LoggedLook { camera: camera.clone(), at, tracks: tracks.to_vec() };
        if self.queue.try_send(look).is_err() {
            self.meter.add(Metric::TracksDropped, "", rows(tracks));
        }
    }

    /// What was handed in is written. Blocks on the disk.
    pub fn close(self) {
        drop(self.queue);
        let _ = self.thread.join();
    }
}

/// A look with nobody is a row too.
fn rows(tracks: &[Track]) -> u64 {
    (tracks.len() as u64).max(1)
}

/// Lines that wait to be written, and the rows in them.
#[derive(Default)]
struct Waiting {
    lines: String,
    rows: u64,
}

/// The thread: until the other end is gone.
fn write(
    mut folder: TrackFolder,
    looks: &Receiver<LoggedLook>,
    has_room: impl Fn() -> bool,
    now: impl Fn() -> Timestamp,
    meter: &dyn Meter,
) {
    let (mut waiting, mut said) = (Waiting::default(), None);
    let (mut written_at, mut tidied_at) = (Instant::now(), Instant::now());
    loop {
        let left = WRITE_EVERY.saturating_sub(written_at.elapsed());
        let open = match looks.recv_timeout(left.max(Duration::from_millis(1))) {
            Ok(look) => {
                waiting.rows += rows(&look.tracks);
                line(&mut waiting.lines, &look);
                true
            }
            Err(RecvTimeoutError::Timeout) => true,
            Err(RecvTimeoutError::Disconnected) => false,
        };
        let is_late = written_at.elapsed() >= WRITE_EVERY;
        if !waiting.lines.is_empty() && (!open || is_late || waiting.lines.len() >= WRITE_BYTES) {
            let Waiting { lines, rows } = std::mem::take(&mut waiting);
            let outcome = match has_room() {
                true => folder.append(lines.as_bytes(), now()),
                false => folder.leave_oldest().and(Err(io::ErrorKind::StorageFull.into())),
            };
            if outcome.is_err() {
                meter.add(Metric::TracksDropped, "", rows);
            }
            say(&mut said, outcome);
            written_at = Instant::now();
        } else if is_late {
            written_at = Instant::now();
        }
        // Where nobody comes for weeks, what is too old leaves all the same.
        if tidied_at.elapsed() >= TIDY_EVERY {
            say(&mut said, folder.tidy(now()));
            tidied_at = Instant::now();
        }
        if !open {
            return;
        }
    }
}

/// A trouble is said when it begins and when it is over, however long it lasts.
fn say(said: &mut Option<io::ErrorKind>, outcome: io::Result<()>) {
    match outcome {
        Ok(()) if said.take().is_some() => tracing::info!("tracks are kept again"),
        Ok(()) => {}
        Err(error) => {
            if said.replace(error.kind()) != Some(error.kind()) {
                tracing::warn!(%error, "tracks are not kept; nothing else depends on them");
            }
        }
    }
}

/// `{"at":"…","camera":"…","tracks":[[id,"label",score,left,top,right,bottom,seen],…]}`, places in 0..1.
fn line(out: &mut String, look: &LoggedLook) {
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let _ = write!(
        out,
        "{{\"at\":\"{}\",\"camera\":{},\"tracks\":[",
        look.at,
        quoted(look.camera.as_str())
    );
    for (n, track) in look.tracks.iter().enumerate() {
        let b = &track.bbox;
        // What is no number has no place in JSON.
        let [score, x0, y0, x1, y1] = [track.score, b.x0, b.y0, b.x1, b.y1]
            .map(|part| if part.is_finite() { part } else { 0.0 });
        let comma = if n == 0 { "" } else { "," };
        let (id, label, seen) = (track.id, quoted(&track.label), u8::from(track.seen));
        let _ =
            write!(out, "{comma}[{id},{label},{score:.3},{x0:.4},{y0:.4},{x1:.4},{y1:.4},{seen}]");
    }
    out.push_str("]}\n");
}

#[cfg(test)]
#[path = "tests_tracks.rs"]
mod tests;
