//! Cases and pictures for which memory has no room: figures, lists and evidence have them all the same.

use std::{fs, path::Path, sync::Arc};

use jiff::Timestamp;

use super::{
    case_files::case_lines,
    disk::RealDisk,
    open::open_with,
    tests::{change, config, deliver, piece, put, record, sink, tuning},
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
fn an_index_that_is_built_of_more_cases_than_memory_and_queue_hold_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_small(folder.path());
    // Memory has room for 409, and as many wait for the index.
    let many = 4 * CASES;
    let ids = closed(&store, many);
    store.close_blocking().unwrap();
    let path = folder.path().join("index");
    fs::remove_dir_all(&path).unwrap();
    let store = open_small(folder.path());
    let all = IncidentFilter { limit: 2 * many, ..IncidentFilter::default() };
    let listed = || store.incidents(&all).iter().map(|one| one.incident.id).collect::<Vec<_>>();
    // One of the oldest goes on before the index has it.
    put(&store, vec![change(case(ids[1], 3, Stage::Opened))]);
    let until = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while listed().len() < many && std::time::Instant::now() < until {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert_eq!(
        (listed().len(), store.incident(ids[0]).map(|one| one.incident.revision)),
        (many, Some(2))
    );
    assert!(store.incident(ids[1]).is_some_and(|one| one.incident.revision == 3));
    store.close_blocking().unwrap();
    let bounds = memory::Bounds::within(256 << 10);
    let loaded = index::load(
        &path,
        state::State { bounds, knows: format::FORMAT_VERSION, ..state::State::default() },
    );
    let (_, state) = loaded.unwrap_or_else(|why| panic!("it is not whole: {why}"));
    assert!(state.incidents.contains_key(&ids[1]) && state.has_older);
    drop(state);
    let store = open_small(folder.path());
    let listed: Vec<_> = store.incidents(&all).iter().map(|one| one.incident.id).collect();
    assert_eq!(listed.len(), many);
    assert_eq!(counted(&store), (many - 1, 0));
    store.close_blocking().unwrap();
}

#[test]
fn a_flood_for_which_the_queue_of_an_open_index_has_no_room_is_found_and_listed_without_a_restart()
{
    let folder = tempfile::tempdir().unwrap();
    let store = open_small(folder.path());
    let many = 4 * CASES + 1;
    let mut ids: Vec<IncidentId> = (1..many).map(|_| IncidentId::new()).collect();
    let first = IncidentId::new();
    put(&store, vec![change(case(first, 1, Stage::Closed))]);
    let is_open =
        || store.inner.shared.on_disk().is_some_and(|on_disk| on_disk.brief(first).is_some());
    while !is_open() {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    // In one write: the index cannot come between.
    put(&store, ids.iter().map(|id| change(case(*id, 1, Stage::Closed))).collect());
    ids.push(first);
    let is_there =
        |id: &&IncidentId| store.incident(**id).is_some_and(|one| one.incident.id == **id);
    assert_eq!(ids.iter().filter(is_there).count(), many, "at once");
    // Two of the oldest go on: what is known of them from before is told no more.
    put(&store, ids[..2].iter().map(|id| change(case(*id, 2, Stage::Opened))).collect());
    let all = IncidentFilter { limit: 2 * many, ..IncidentFilter::default() };
    let until = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while store.incidents(&all).len() < many && std::time::Instant::now() < until {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert_eq!(store.incidents(&all).len(), many);
    let newest = |id: &IncidentId| store.incident(*id).map(|one| one.incident.revision);
    assert_eq!([newest(&ids[0]), newest(&ids[1]), newest(&ids[2])], [Some(2), Some(2), Some(1)]);
    assert!(!lock(&store.inner.shared.state).left.has_untold());
    store.close_blocking().unwrap();
}

#[test]
fn p5_pictures_of_open_cases_are_known_after_a_start_however_many_there_are() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_small(folder.path());
    let with_a_piece = |stage: Stage| {
        let id = IncidentId::new();
        let evidence = piece(EvidenceId::new(), "image/jpeg", (String::new(), 1));
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

/// A case that is closed, and of which one older record is owed to a sink that is down.
fn closed_and_owed(store: &Store, sink: &SinkId) -> IncidentId {
    let id = IncidentId::new();
    let severe = |mut record: Record| {
        record.incident.severity =
            if record.incident.revision == 1 { Severity::ALERT } else { Severity::NOTICE };
        record
    };
    for (n, stage) in [(1, Stage::Opened), (2, Stage::Accepted), (3, Stage::Closed)] {
        put(store, vec![change(severe(case(id, n, stage)))]);
    }
    let mine = |due: &Due| due.record.incident.id == id && due.record.incident.revision != 2;
    let all: Vec<Due> = std::iter::from_fn(|| store.try_next_due(sink, Lane::Bulk)).collect();
    all.iter().filter(|due| mine(due)).for_each(|due| deliver(store, sink.as_str(), due.seq));
    all.iter().for_each(|due| store.release(sink, due.seq));
    id
}

#[test]
fn p2_an_older_record_that_is_owed_never_stands_for_a_case_that_left_memory() {
    let folder = tempfile::tempdir().unwrap();
    let down = sink("down");
    let config = Config {
        memory_max_bytes: 256 << 10,
        segment_bytes: 64 << 10,
        max_bytes: 512 << 10,
        ..config(folder.path())
    };
    let open = |sinks: &[Subscriber]| {
        let tuning = tuning(Arc::new(RealDisk));
        open_with(&config, sinks, Arc::new(NoMeter), tuning).unwrap()
    };
    let store = open(&[down.clone().into()]).store;
    let id = closed_and_owed(&store, &down);
    store.close_blocking().unwrap();
    // Nobody is owed what comes from now on.
    let mut opened = open(&[]);
    for lost in ["nothing", "index", "nothing"] {
        closed(&opened.store, CASES);
        let store = opened.store;
        assert!(!folder.path().join("journal/00000001.log").exists(), "its segment has left");
        {
            let state = lock(&store.inner.shared.state);
            assert!(
                !state.incidents.contains_key(&id),
                "it is closed, and memory has no room for it"
            );
            let owed: Vec<_> =
                state.due.of_incident(id).map(|pending| pending.owed.clone()).collect();
            assert_eq!(owed, [[down.clone()]], "what is owed stays");
        }
        assert!(store.incident(id).is_none_or(|record| record.incident.stage == Stage::Closed));
        store.close_blocking().unwrap();
        if lost == "index" {
            fs::remove_dir_all(folder.path().join("index")).unwrap();
        }
        opened = open(&[]);
        assert!(opened.restored.live.is_empty(), "closed cases are open again, without {lost}");
        assert!(opened.store.ledger().holds());
    }
    let due = opened.store.try_next_due(&down, Lane::Bulk).unwrap();
    assert_eq!((due.record.incident.id, due.record.incident.revision), (id, 2));
    opened.store.close_blocking().unwrap();
}

#[test]
fn a_case_that_left_memory_and_goes_on_keeps_its_place_and_its_class_when_the_journal_is_read_back()
{
    let folder = tempfile::tempdir().unwrap();
    let store = open_small(folder.path());
    let id = IncidentId::new();
    let mut severe = case(id, 1, Stage::Opened);
    severe.incident.severity = Severity::ALERT;
    put(&store, vec![change(severe)]);
    put(&store, vec![change(case(id, 2, Stage::Closed))]);
    closed(&store, CASES);
    let known = |store: &Store| {
        let state = lock(&store.inner.shared.state);
        state.incidents.get(&id).map(|brief| (brief.first, brief.top))
    };
    assert_eq!(known(&store), None);
    store.close_blocking().unwrap();
    // The index lacks what comes now, and is begun anew.
    let kept = tempfile::tempdir().unwrap();
    let copy = |from: &Path, to: &Path| {
        fs::create_dir_all(to).unwrap();
        for file in fs::read_dir(from).unwrap().map(|file| file.unwrap().path()) {
            let target = to.join(file.file_name().unwrap());
            if file.is_file() {
                fs::copy(&file, target).unwrap();
            }
        }
    };
    let index = folder.path().join("index");
    copy(&index, kept.path());
    let store = open_small(folder.path());
    put(&store, vec![change(case(id, 3, Stage::Opened))]);
    let before = known(&store).unwrap();
    assert_eq!(before.1, Class::Alert);
    store.close_blocking().unwrap();
    for behind in [false, true] {
        fs::remove_dir_all(&index).unwrap();
        if behind {
            copy(kept.path(), &index);
        }
        let store = open_small(folder.path());
        assert_eq!(known(&store), Some(before), "an index that is behind: {behind}");
        store.close_blocking().unwrap();
    }
}
