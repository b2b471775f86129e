//! Tracks: every bound holds, nobody waits, and what is in the folder can be read line by line.

use std::{
    collections::BTreeMap,
    fs::{self, OpenOptions},
    io::Write as _,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use serde_json::Value;
use tempfile::tempdir;

use super::{
    super::track_folder::{hour, is_ours},
    *,
};
use crate::{
    base::SimulatedClock,
    domain::{Bbox, NoMeter},
};

/// Rows that were dropped.
#[derive(Default)]
struct Dropped(Mutex<u64>);

impl Meter for Dropped {
    fn add(&self, metric: Metric, _: &str, n: u64) {
        assert_eq!(metric, Metric::TracksDropped);
        *self.0.lock().unwrap() += n;
    }
    fn set(&self, _: Metric, _: &str, _: f64) {}
}

fn at(hours: i64) -> Timestamp {
    Timestamp::from_second(1_764_460_800 + hours * 3_600).unwrap()
}

fn track(id: u64, label: &str) -> Track {
    let bbox = Bbox::new(0.25, 0.5, 0.375, 1.0);
    Track {
        id,
        label: label.into(),
        score: 0.87654,
        bbox,
        seen: id != 2,
        since: at(0),
        origin: bbox.foot(),
        shown_in_crop: false,
    }
}

fn files(folder: &Path) -> BTreeMap<String, u64> {
    let Ok(entries) = fs::read_dir(folder.join("tracks")) else { return BTreeMap::new() };
    let one = |entry: io::Result<fs::DirEntry>| {
        let entry = entry.unwrap();
        (entry.file_name().into_string().unwrap(), entry.metadata().unwrap().len())
    };
    entries.map(one).collect()
}

fn looks(folder: &Path) -> Vec<Value> {
    let text = |name: &String| fs::read_to_string(folder.join("tracks").join(name)).unwrap();
    let all: String = files(folder).keys().map(text).collect();
    all.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn folder_of(data: &Path, config: &TracksConfig) -> TrackFolder {
    TrackFolder::new(data.join("tracks"), config.keep_days, config.max_bytes)
}

#[test]
fn looks_are_written_as_lines_that_can_be_read() {
    let data = tempdir().unwrap();
    let config = TracksConfig::default();
    let clock = SimulatedClock::at(at(0));
    let log = TrackLog::start(&config, data.path(), 0, Arc::new(NoMeter), clock).unwrap();
    let mut odd = track(2, "a \"b\"\n");
    odd.bbox.x0 = f32::NAN;
    log.put(&"gate".into(), at(0), &[track(1, "person"), odd]);
    log.put(&"gate".into(), at(1), &[]);
    log.close();
    let looks = looks(data.path());
    assert_eq!(looks.len(), 2);
    assert_eq!(looks[0]["camera"], "gate");
    assert_eq!(looks[0]["at"], at(0).to_string());
    let rows = &looks[0]["tracks"];
    assert_eq!(rows[0], serde_json::json!([1, "person", 0.877, 0.25, 0.5, 0.375, 1.0, 1]));
    assert_eq!(rows[1], serde_json::json!([2, "a \"b\"\n", 0.877, 0.0, 0.5, 0.375, 1.0, 0]));
    assert_eq!(looks[1]["tracks"], serde_json::json!([]));
}

#[test]
fn p11_days_and_bytes_are_bounded_and_the_oldest_leave_first() {
    let data = tempdir().unwrap();
    let config = TracksConfig { keep_days: 1, max_bytes: 16_000 };
    let mut folder = folder_of(data.path(), &config);
    let line = [b'x'; 99].as_slice();
    let line = [line, b"\n"].concat();
    for n in 0..1_000 {
        // Ten lines an hour; now and then the process starts anew.
        folder.append(&line, at(n / 10)).unwrap();
        let held: u64 = files(data.path()).values().sum();
        assert!(held <= config.max_bytes, "{held} after {n}");
        if n % 37 == 0 {
            folder = folder_of(data.path(), &config);
        }
    }
    let left = files(data.path());
    assert!(left.keys().all(|name| is_ours(name)), "{left:?}");
    // 24 hours are there, and not one more: 25 files at most, of 1,000 bytes each at least.
    let oldest = hour(at(99 - 24));
    assert!(left.keys().next().unwrap().as_str() >= oldest.as_str(), "{left:?}");
    let held: u64 = left.values().sum();
    assert!(held > 14_000, "{held}");
    // More bytes: the days bound it.
    let config = TracksConfig { keep_days: 1, max_bytes: 1 << 20 };
    let mut folder = folder_of(data.path(), &config);
    for hours in 100..200 {
        folder.append(&line, at(hours)).unwrap();
    }
    assert_eq!(files(data.path()).len(), 25);
}

#[test]
fn what_is_too_old_leaves_though_nobody_comes_and_all_where_none_are_kept() {
    let data = tempdir().unwrap();
    let config = TracksConfig { keep_days: 1, max_bytes: 1 << 20 };
    let mut folder = folder_of(data.path(), &config);
    folder.tidy(at(0)).unwrap();
    assert!(!data.path().join("tracks").exists(), "nothing was seen, nothing is made");
    folder.append(b"{}\n", at(0)).unwrap();
    folder.append(b"{}\n", at(3)).unwrap();
    for (hours, left) in [(3, 2), (24, 2), (25, 1), (27, 1), (28, 0)] {
        folder.tidy(at(hours)).unwrap();
        assert_eq!(files(data.path()).len(), left, "{hours}");
    }
    folder.append(b"{}\n", at(29)).unwrap();
    fs::write(data.path().join("tracks/notes.txt"), "mine").unwrap();
    TrackLog::remove_all(data.path());
    assert_eq!(files(data.path()).into_keys().collect::<Vec<_>>(), ["notes.txt"]);
}

#[test]
fn a_torn_line_is_ended_and_foreign_files_are_let_be() {
    let data = tempdir().unwrap();
    let tracks = data.path().join("tracks");
    fs::create_dir(&tracks).unwrap();
    let names =
        ["notes.txt", "2026-11-30T04.jsonl", "2026-11-30T04-00x0.jsonl", "é026-11-30T04-000.jsonl"];
    names.iter().for_each(|name| fs::write(tracks.join(name), "mine").unwrap());
    let config = TracksConfig { keep_days: 1, max_bytes: 1 << 20 };
    let name = format!("{}-0000.jsonl", hour(at(0)));
    fs::write(tracks.join(&name), "{\"at\":\"20").unwrap();
    let mut folder = folder_of(data.path(), &config);
    folder.append(b"{}\n", at(0)).unwrap();
    // What is there is not written to again: a file is one process's.
    assert_eq!(fs::read_to_string(tracks.join(&name)).unwrap(), "{\"at\":\"20");
    let next = format!("{}-0001.jsonl", hour(at(0)));
    assert_eq!(fs::read_to_string(tracks.join(&next)).unwrap(), "{}\n");
    // Somebody tears the one that is written.
    OpenOptions::new().append(true).open(tracks.join(&next)).unwrap().write_all(b"{\"a").unwrap();
    folder.append(b"{}\n", at(0)).unwrap();
    assert_eq!(fs::read_to_string(tracks.join(&next)).unwrap(), "{}\n{\"a\n{}\n");
    folder.append(b"{}\n", at(1_000)).unwrap();
    let left = files(data.path());
    assert!(names.iter().all(|name| left.contains_key(*name)), "{left:?}");
    assert_eq!(left.len(), names.len() + 1);
}

#[test]
fn where_room_runs_low_nothing_is_written_and_the_oldest_leave() {
    let data = tempdir().unwrap();
    let config = TracksConfig::default();
    let line = b"{}\n";
    let mut folder = folder_of(data.path(), &config);
    (0..3).for_each(|hours| folder.append(line, at(hours)).unwrap());
    assert_eq!(files(data.path()).len(), 3);
    let (room, dropped) = (AtomicBool::new(false), Dropped::default());
    let play = |folder: TrackFolder| {
        let (queue, looks) = sync_channel(LOOKS_MAX);
        for id in 0..3 {
            let tracks = vec![track(id, "person"), track(9, "car")];
            queue.try_send(LoggedLook { camera: "c".into(), at: at(0), tracks }).unwrap();
        }
        drop(queue);
        write(folder, &looks, || room.load(Ordering::Relaxed), || at(9), &dropped);
    };
    play(folder_of(data.path(), &config));
    assert_eq!(*dropped.0.lock().unwrap(), 6);
    let left = files(data.path());
    assert_eq!(left.len(), 2, "{left:?}");
    assert!(!left.keys().any(|name| name.starts_with(&hour(at(0)))));
    room.store(true, Ordering::Relaxed);
    play(folder_of(data.path(), &TracksConfig { keep_days: 36_500, ..config }));
    assert_eq!(*dropped.0.lock().unwrap(), 6, "nothing more");
    assert_eq!(files(data.path()).len(), 3);
}

#[test]
fn p7_a_folder_that_cannot_be_made_costs_the_rows_and_nothing_else() {
    let data = tempdir().unwrap();
    fs::write(data.path().join("tracks"), "no folder").unwrap();
    let dropped = Arc::new(Dropped::default());
    let (config, clock) = (TracksConfig::default(), SimulatedClock::at(at(0)));
    let log = TrackLog::start(&config, data.path(), 0, dropped.clone(), clock).unwrap();
    (0..10).for_each(|id| log.put(&"c".into(), at(0), &[track(id, "person")]));
    log.close();
    assert_eq!(*dropped.0.lock().unwrap(), 10);
    assert_eq!(fs::read_to_string(data.path().join("tracks")).unwrap(), "no folder");
}

#[test]
fn p11_a_thread_that_hangs_makes_nobody_wait() {
    let dropped = Arc::new(Dropped::default());
    let (queue, looks) = sync_channel(LOOKS_MAX);
    // Takes nothing for as long as `looks` is only held.
    let thread = spawn("hangs", || {}).unwrap();
    let log = TrackLog { queue, meter: dropped.clone(), thread };
    for id in 0..LOOKS_MAX as u64 + 500 {
        log.put(&"c".into(), at(0), &[track(id, "person")]);
    }
    assert_eq!(*dropped.0.lock().unwrap(), 500);
    drop(looks);
    log.close();
}

#[test]
fn what_is_said_of_the_bounds() {
    let problems = |keep_days, max_bytes| TracksConfig { keep_days, max_bytes }.problems();
    assert!(problems(7, 1 << 30).is_empty() && problems(0, 0).is_empty());
    assert!(problems(36_500, MAX_BYTES_MIN).is_empty());
    assert_eq!(problems(36_501, MAX_BYTES_MIN - 1).len(), 2);
    assert_eq!(problems(7, 1)[0].0, "max_bytes");
    let on = |keep_days, max_bytes| TracksConfig { keep_days, max_bytes }.is_on();
    assert!(on(1, 1 << 20) && !on(0, 1 << 20) && !on(1, 0));
}
