//! Cases and pictures for which memory has no room: figures, lists and evidence have them all the same.

use std::{fs, path::Path, sync::Arc};

use jiff::Timestamp;

use super::{
    case_files::case_lines,
    disk::RealDisk,
    open::open_with,
    tests::{change, config, put, record, tuning},
    *,
};
use crate::domain::{CaseStep, NoMeter, ReplyTo, Severity, Stage};

/// More than memory has room for at the least that may be configured: 409 cases, 289 pieces.
const CASES: usize = 600;

fn open_small(folder: &Path) -> Store {
    let config = Config { memory_max_bytes: 256 << 10, segment_bytes: 64 << 10, ..config(folder) };
    open_with(&config, &[], Arc::new(NoMeter), tuning(Arc::new(RealDisk))).unwrap().store
}

fn case(id: IncidentId, revision: u32, stage: Stage) -> Record {
    let mut record = record(id, revision, Severity::NOTICE);
    (record.incident.stage, record.incident.active) = (stage, !stage.is_over());
    let step = CaseStep::new(ReplyTo::Accepted, "甲", tests::noon(), revision);
    record.incident.life.push(step);
    record
}

fn closed(store: &Store, count: usize) -> Vec<IncidentId> {
    let mut ids: Vec<IncidentId> = (0..count).map(|_| IncidentId::new()).collect();
    ids.sort();
    for ids in ids.chunks(50) {
        let entries = |id: &IncidentId| {
            [(1, Stage::Opened), (2, Stage::Closed)].map(|(n, stage)| change(case(*id, n, stage)))
        };
        put(store, ids.iter().flat_map(entries).collect());
    }
    ids
}

fn counted(store: &Store) -> (usize, u64) {
    let lines = store.case_lines(Timestamp::MIN, Timestamp::MAX);
    let over = lines.lines.iter().filter(|line| line.stage == Stage::Closed).count();
    (over, lines.unreadable)
}

#[test]
fn l3_cases_that_left_memory_before_their_line_was_written_are_in_the_figures() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_small(folder.path());
    let ids = closed(&store, CASES);
    assert!(lock(&store.inner.shared.state).incidents.len() < CASES);
    assert_eq!(counted(&store), (CASES, 0), "nothing is written yet");
    store.close_blocking().unwrap();
    for (n, part) in (3..).step_by(2).zip(["figures", "index", "both"]) {
        for lost in ["figures", "index"].into_iter().filter(|lost| part == "both" || part == *lost)
        {
            fs::remove_dir_all(folder.path().join(lost)).unwrap();
        }
        let store = open_small(folder.path());
        assert_eq!(counted(&store), (CASES, 0), "without {part}");
        let of_folder = case_lines(folder.path(), Timestamp::MIN, Timestamp::MAX).unwrap();
        assert_eq!((of_folder.lines.len(), of_folder.unreadable), (CASES, 0));
        while store.keep_case_lines().unwrap() > 0 {}
        assert!(lock(&store.inner.shared.state).left.lines().0.is_empty());
        assert_eq!(counted(&store), (CASES, 0));
        // Reopened and closed again: its newest line counts.
        put(&store, vec![change(case(ids[0], n, Stage::Opened))]);
        assert_eq!(counted(&store), (CASES - 1, 0));
        put(&store, vec![change(case(ids[0], n + 1, Stage::Closed))]);
        assert_eq!(counted(&store), (CASES, 0));
        store.close_blocking().unwrap();
    }
    fs::remove_dir_all(folder.path().join("journal")).unwrap();
    fs::remove_dir_all(folder.path().join("index")).unwrap();
    let store = open_small(folder.path());
    assert_eq!(counted(&store), (CASES, 0), "the files alone");
    store.close_blocking().unwrap();
}

#[test]
fn l3_segments_take_no_case_with_them_that_memory_had_no_room_for() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config {
        memory_max_bytes: 256 << 10,
        segment_bytes: 64 << 10,
        // More than memory has room for.
        max_bytes: 1_200_000,
        ..config(folder.path())
    };
    let tuning = tuning(Arc::new(RealDisk));
    let store = open_with(&config, &[], Arc::new(NoMeter), tuning).unwrap().store;
    let ids = closed(&store, 2 * CASES);
    assert!(store.incident(ids[0]).is_none(), "its segment is still there");
    assert_eq!(counted(&store), (2 * CASES, 0));
    store.close_blocking().unwrap();
}

#[test]
fn a_case_that_left_memory_and_goes_on_keeps_its_place_and_its_class() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_small(folder.path());
    let ids = closed(&store, CASES);
    let first = |store: &Store, id: IncidentId| {
        let state = lock(&store.inner.shared.state);
        state.incidents.get(&id).map(|brief| brief.first)
    };
    assert!(first(&store, ids[0]).is_none() && first(&store, ids[1]).is_none());
    assert!(store.recall(ids[1]).is_some(), "whoever replies to it is answered");
    let forever = IncidentFilter { limit: 2 * CASES, ..IncidentFilter::default() };
    for id in [ids[0], ids[1]] {
        put(&store, vec![change(case(id, 3, Stage::Opened))]);
    }
    let (a, b) = (first(&store, ids[0]).unwrap(), first(&store, ids[1]).unwrap());
    let next = first(&store, ids[CASES - 1]).unwrap();
    assert!(a < b && b < next, "{a} {b} {next}: they are the oldest, and not the newest");
    let listed = || store.incidents(&forever).iter().map(|one| one.incident.id).collect::<Vec<_>>();
    // The index has them a moment later.
    while listed().len() < CASES {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let listed = listed();
    assert_eq!(listed[0], ids[CASES - 1]);
    store.close_blocking().unwrap();
}

#[test]
fn p5_pictures_of_open_cases_are_known_after_a_start_however_many_there_are() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_small(folder.path());
    let piece = || Evidence {
        id: EvidenceId::new(),
        media_type: "image/jpeg".into(),
        sha256: String::new(),
        bytes: 1,
        starts_at: None,
        ends_at: None,
        pre_roll_ms: None,
        pre_roll_limit: None,
    };
    let with_a_piece = |stage: Stage| {
        let (id, evidence) = (IncidentId::new(), piece());
        let mut record = case(id, 1, stage);
        record.incident.evidence = vec![evidence.clone()];
        (evidence.id, vec![Entry::Evidence { incident: id, evidence }, change(record)])
    };
    // More than memory has room for, and all of them needed.
    let mut pieces = Vec::new();
    for n in 0..400 {
        let stage = if n % 10 == 0 { Stage::Closed } else { Stage::Accepted };
        let (id, entries) = with_a_piece(stage);
        pieces.extend((stage == Stage::Accepted).then_some(id));
        put(&store, entries);
    }
    let knows = |store: &Store| {
        let state = lock(&store.inner.shared.state);
        pieces.iter().all(|id| state.evidence.contains_key(id))
    };
    assert!(knows(&store));
    store.close_blocking().unwrap();
    let store = open_small(folder.path());
    assert!(knows(&store), "from the index");
    store.close_blocking().unwrap();
    fs::remove_dir_all(folder.path().join("index")).unwrap();
    let store = open_small(folder.path());
    assert!(knows(&store), "from the journal");
    store.close_blocking().unwrap();
}
