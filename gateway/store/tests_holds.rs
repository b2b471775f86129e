//! What somebody holds outlasts the bound of the journal: its newest record, its pieces, and the proof of both, with
//! an index and without one, whether or not memory has room for it.

use std::{
    fs,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    disk::RealDisk,
    open::open_with,
    package::tests::{evidence, order_of},
    tests::{change, config, noon, put, record, tuning},
    *,
};
use crate::domain::{NoMeter, Severity, Stage};

const SEGMENT_BYTES: u64 = 64 << 10;

/// A case that is over and held.
struct HeldCase {
    incident: IncidentId,
    picture: Evidence,
    /// What the picture was before heads were blurred.
    original: Evidence,
    /// No change of the case names it.
    late: Evidence,
}

fn open_bounded(folder: &Path, max_bytes: u64, memory_max_bytes: u64) -> Store {
    let config =
        Config { segment_bytes: SEGMENT_BYTES, max_bytes, memory_max_bytes, ..config(folder) };
    open_with(&config, &[], Arc::new(NoMeter), tuning(Arc::new(RealDisk))).unwrap().store
}

fn hold_order(incident: IncidentId) -> HoldOrder {
    HoldOrder { incident, by: "李警官".into(), why: "案件".into(), days: 180, at: noon() }
}

/// The same on disk whether or not anybody holds it yet.
fn closed_case(store: &Store) -> HeldCase {
    let incident = IncidentId::new();
    let picture = evidence(store, "jpg", b"a blurred picture");
    let original = store.keep_original(&picture, b"a face").unwrap();
    let late = evidence(store, "mp4", &[7; 100]);
    let piece = |one: &Evidence| Entry::Evidence { incident, evidence: one.clone() };
    let mut told = record(incident, 1, Severity::ALERT);
    put(store, vec![change(told.clone())]);
    told.incident.revision = 2;
    told.incident.evidence = vec![picture.clone(), original.clone()];
    put(store, vec![piece(&picture), piece(&original), change(told.clone())]);
    told.incident.revision = 3;
    (told.incident.stage, told.incident.active) = (Stage::Closed, false);
    put(store, vec![change(told), piece(&late)]);
    HeldCase { incident, picture, original, late }
}

/// Cases of others that are over, with so many words in each.
fn flood(store: &Store, cases: usize, words: usize) {
    for _ in 0..cases / 10 {
        let over = |_| {
            let mut record = record(IncidentId::new(), 1, Severity::NOTICE);
            (record.incident.stage, record.incident.active) = (Stage::Closed, false);
            record.incident.why = "word ".repeat(words);
            change(record)
        };
        put(store, (0..10).map(over).collect());
    }
    // Before that, the writer has let go what may go.
    put(store, vec![]);
}

/// Whether this becomes true within some seconds.
fn comes_true(mut what: impl FnMut() -> bool) -> bool {
    let until = Instant::now() + Duration::from_secs(20);
    while Instant::now() < until {
        if what() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    false
}

impl HeldCase {
    /// The segments that it was written to have left, and everything of it is there all the same.
    fn is_whole(&self, store: &Store, folder: &Path, when: &str) {
        assert!(
            !folder.join("journal/00000001.log").exists(),
            "{when}: its segment is still there"
        );
        // An index that is begun anew has it after a moment.
        assert!(comes_true(|| store.incident(self.incident).is_some()), "{when}: it is forgotten");
        assert_eq!(store.incident(self.incident).unwrap().incident.revision, 3, "{when}");
        for piece in [&self.picture, &self.original, &self.late] {
            let found = store.evidence_path(piece.id).map(|(_, said)| said);
            assert_eq!(found.as_ref(), Some(piece), "{when}");
            assert_eq!(store.incident_of(piece.id), Some(self.incident), "{when}");
        }
        assert_eq!(store.open_original(self.picture.id).unwrap().1, b"a face", "{when}");
        assert!(store.hold(&hold_order(self.incident)).unwrap().is_some(), "{when}: held again");
        let to = folder.join("taken.zip");
        let made = store.export(&order_of(self.incident), &to).unwrap();
        assert_eq!((made.pieces, made.left_out), (1, 1), "{when}: the original stays");
        let said = verify(&to, Some(&made.key)).unwrap().join("\n");
        assert!(said.contains("1 files of evidence"), "{when}: {said}");
        // And what cannot be proved any more is said.
        assert!(said.contains("before revision 3") && said.contains("written again"), "{said}");
        fs::remove_file(to).unwrap();
    }
}

#[test]
fn p10_j7_a_held_case_is_exported_after_its_segments_have_left() {
    let folder = tempfile::tempdir().unwrap();
    let open = || open_bounded(folder.path(), 512 << 10, 64 << 20);
    let store = open();
    let (held, free) = (closed_case(&store), closed_case(&store));
    assert!(store.hold(&hold_order(held.incident)).unwrap().is_some());
    // Several times as much as the journal keeps: it is carried more than once.
    flood(&store, 1_000, 400);
    held.is_whole(&store, folder.path(), "at once");
    assert!(store.incident(free.incident).is_none(), "nobody holds it");
    assert!(store.evidence_path(free.picture.id).is_none());
    store.close_blocking().unwrap();
    assert!(check(folder.path()).sound, "{:?}", check(folder.path()));
    for index in ["kept", "deleted"] {
        if index == "deleted" {
            fs::remove_dir_all(folder.path().join("index")).unwrap();
        }
        let store = open();
        held.is_whole(&store, folder.path(), index);
        flood(&store, 300, 400);
        held.is_whole(&store, folder.path(), index);
        store.close_blocking().unwrap();
    }
    // What is over is carried no longer.
    let store = open();
    store.inner.shared.holds.forget_over(noon() + Duration::from_secs(181 * 86_400)).unwrap();
    flood(&store, 600, 400);
    assert!(store.incident(held.incident).is_none());
    store.close_blocking().unwrap();
}

#[test]
fn p10_j7_a_held_case_that_only_the_index_has_is_exported_after_its_segments_have_left() {
    let folder = tempfile::tempdir().unwrap();
    // Memory has room for 409 cases, the journal for some more.
    let open = || open_bounded(folder.path(), 1_200_000, 256 << 10);
    let store = open();
    let held = closed_case(&store);
    assert!(store.hold(&hold_order(held.incident)).unwrap().is_some());
    flood(&store, 600, 1);
    let is_in_the_index_alone = |store: &Store| {
        let is_there = |on_disk: on_disk::OnDisk| on_disk.brief(held.incident).is_some();
        let is_indexed = store.inner.shared.on_disk().is_some_and(is_there);
        let state = lock(&store.inner.shared.state);
        let is_here = state.incidents.contains_key(&held.incident);
        is_indexed && !is_here && state.left.trace(held.incident).is_none()
    };
    assert!(comes_true(|| is_in_the_index_alone(&store)));
    flood(&store, 2_000, 1);
    held.is_whole(&store, folder.path(), "at once");
    store.close_blocking().unwrap();
    for index in ["kept", "deleted"] {
        if index == "deleted" {
            fs::remove_dir_all(folder.path().join("index")).unwrap();
        }
        let store = open();
        held.is_whole(&store, folder.path(), index);
        store.close_blocking().unwrap();
    }
}

#[test]
fn a_held_piece_for_which_memory_has_no_room_is_described_by_its_case() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_bounded(folder.path(), 4 << 20, 256 << 10);
    let case = closed_case(&store);
    assert!(store.hold(&hold_order(case.incident)).unwrap().is_some());
    // Memory describes 289 pieces.
    let others = |_| {
        let evidence = Evidence { id: EvidenceId::new(), ..case.picture.clone() };
        Entry::Evidence { incident: IncidentId::new(), evidence }
    };
    put(&store, (0..400).map(others).collect());
    for piece in [&case.picture, &case.original] {
        let is_described = lock(&store.inner.shared.state).evidence.contains_key(&piece.id);
        assert!(!is_described, "memory had room for it");
        assert_eq!(store.evidence_path(piece.id).map(|(_, said)| said).as_ref(), Some(piece));
        assert_eq!(store.incident_of(piece.id), Some(case.incident));
    }
    assert_eq!(store.open_original(case.picture.id).unwrap().1, b"a face");
    store.close_blocking().unwrap();
}

#[test]
fn p11_while_nobody_can_tell_what_is_held_the_journal_grows_by_a_quarter_and_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let most = 512 << 10;
    fs::write(folder.path().join("holds.json"), "[{").unwrap();
    let store = open_bounded(folder.path(), most, 64 << 20);
    let case = closed_case(&store);
    let is_there = |store: &Store| {
        flood(store, 10, 1);
        folder.path().join("journal/00000001.log").exists()
    };
    while store.space().journal_bytes < most + most / 8 {
        flood(&store, 10, 400);
    }
    assert!(is_there(&store), "it may wait");
    assert!(store.incident(case.incident).is_some());
    flood(&store, 500, 400);
    let bytes = store.space().journal_bytes;
    assert!(bytes <= most + most / 4 + 2 * SEGMENT_BYTES, "{bytes}");
    assert!(!is_there(&store), "presses are worth more");
    store.close_blocking().unwrap();
}

#[test]
fn p10_j7_while_no_index_tells_where_a_held_case_lies_the_journal_waits_and_a_restart_finds_it() {
    let folder = tempfile::tempdir().unwrap();
    let open = || open_bounded(folder.path(), 1_200_000, 256 << 10);
    let store = open();
    let held = closed_case(&store);
    assert!(store.hold(&hold_order(held.incident)).unwrap().is_some());
    // More than memory and the queue have room for.
    flood(&store, 1_000, 1);
    let is_indexed = || {
        let shared = &store.inner.shared;
        let is_left = lock(&shared.state).left.trace(held.incident).is_none();
        is_left && shared.on_disk().is_some_and(|on_disk| on_disk.brief(held.incident).is_some())
    };
    assert!(comes_true(is_indexed));
    // As where sled fails: it is begun anew after ten seconds, and lacks what only it had.
    store.inner.shared.set_on_disk(None);
    let most = store.inner.config.max_bytes;
    let first = folder.path().join("journal/00000001.log");
    while first.exists() && store.space().journal_bytes < most + most / 8 {
        flood(&store, 10, 1);
    }
    assert!(first.exists(), "it may wait");
    store.close_blocking().unwrap();
    fs::remove_dir_all(folder.path().join("index")).unwrap();
    let store = open();
    flood(&store, 2_000, 1);
    held.is_whole(&store, folder.path(), "after a restart");
    store.close_blocking().unwrap();
}
