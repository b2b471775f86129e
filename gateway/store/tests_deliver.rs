//! What goes out besides records: evidence after its record, dead letters sent again, sinks that change, old folders.

use std::{fs, path::Path, sync::Arc};

use tempfile::{TempDir, tempdir};

use super::{
    disk::RealDisk,
    open::{FORK_REVISIONS, open_with},
    tests::{
        KIND, change, config, deliver, due, kept, new_store, noon, put, record, reopen, settled,
        sink, tuning,
    },
    *,
};
use crate::domain::{NoMeter, Now, Outcome, Severity, Stage};

/// Sinks `a` and `b`; `a` carries evidence.
fn carrying(folder: &Path) -> Opened {
    let sinks = [
        Subscriber { id: sink("a"), evidence: true },
        Subscriber { id: sink("b"), evidence: false },
    ];
    open_with(&config(folder), &sinks, Arc::new(NoMeter), tuning(Arc::new(RealDisk))).unwrap()
}

/// A picture on disk, as the evidence worker makes one.
fn picture(store: &Store) -> Evidence {
    let new = store.new_evidence(EvidenceId::new(), "jpg").unwrap();
    kept(store, new, "image/jpeg", b"picture")
}

/// An incident that names a picture, which was made before.
fn with_picture(store: &Store, severity: Severity) -> (IncidentId, Evidence) {
    let (incident, evidence) = (IncidentId::new(), picture(store));
    put(store, vec![Entry::Evidence { incident, evidence: evidence.clone() }]);
    let mut record = record(incident, 1, severity);
    record.incident.stage = Stage::Closed;
    record.incident.evidence.push(evidence.clone());
    put(store, vec![change(record)]);
    (incident, evidence)
}

fn pieces(store: &Store, name: &str) -> Vec<DuePiece> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let mut found = Vec::new();
    runtime.block_on(async {
        let next = std::time::Duration::from_millis(20);
        let sink = sink(name);
        while let Ok(piece) = tokio::time::timeout(next, store.next_piece(&sink)).await {
            found.push(piece);
        }
    });
    found.iter().for_each(|piece| store.release(&sink(name), piece.seq));
    found
}

#[test]
fn p2_p4_evidence_goes_after_its_record_and_has_its_own_place_in_the_ledger() {
    let folder = tempdir().unwrap();
    let store = carrying(folder.path()).store;
    let (incident, evidence) = with_picture(&store, Severity::NOTICE);
    assert!(pieces(&store, "a").is_empty(), "its record has not arrived");
    deliver(&store, "a", due(&store, "a", Lane::Bulk)[0].seq);
    let found = pieces(&store, "a");
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].incident, &found[0].evidence), (incident, &evidence));
    assert_eq!(fs::read(found[0].path.as_ref().unwrap()).unwrap(), b"picture");
    assert!(pieces(&store, "b").is_empty(), "b carries none");
    let owed = store.ledger().evidence[&sink("a")];
    assert_eq!(owed, Sums { accepted: 1, pending: 1, ..Sums::default() });
    // Named again, it is not owed again; and all this is still so after a rebuild.
    let mut again = record(incident, 2, Severity::NOTICE);
    again.incident.evidence.push(evidence.clone());
    put(&store, vec![change(again)]);
    deliver(&store, "a", due(&store, "a", Lane::Bulk)[0].seq);
    let ledger = store.ledger();
    store.close_blocking().unwrap();
    for index in ["kept", "deleted"] {
        if index == "deleted" {
            fs::remove_dir_all(folder.path().join("index")).unwrap();
        }
        let store = carrying(folder.path()).store;
        assert_eq!(store.ledger(), ledger, "{index}");
        assert_eq!(pieces(&store, "a").len(), 1, "{index}");
        store.close_blocking().unwrap();
    }
    let store = carrying(folder.path()).store;
    deliver(&store, "a", found[0].seq);
    let sent = store.ledger().evidence[&sink("a")];
    assert_eq!(sent, Sums { accepted: 1, delivered: 1, ..Sums::default() });
    assert!(store.ledger().holds());
    store.close_blocking().unwrap();
    assert!(check(folder.path()).sound, "{:?}", check(folder.path()));
}

#[test]
fn p4_p5_evidence_that_is_owed_outlives_its_segment_and_its_days() {
    let folder = tempdir().unwrap();
    let config = Config { max_bytes: 32 << 10, evidence_max_bytes: 1, ..config(folder.path()) };
    let sinks = [Subscriber { id: sink("a"), evidence: true }];
    let open =
        || open_with(&config, &sinks, Arc::new(NoMeter), tuning(Arc::new(RealDisk))).unwrap();
    let store = open().store;
    let (_, evidence) = with_picture(&store, Severity::ALERT);
    deliver(&store, "a", due(&store, "a", Lane::Bulk)[0].seq);
    for _ in 0..200 {
        let mut other = record(IncidentId::new(), 1, Severity::NOTICE);
        other.incident.stage = Stage::Closed;
        put(&store, vec![change(other)]);
        deliver(&store, "a", due(&store, "a", Lane::Bulk)[0].seq);
    }
    assert!(!folder.path().join("journal/00000001.log").exists(), "its segment has left");
    let now = Now { wall: noon(), mono_ms: 1 };
    assert_eq!(store.check_space(now).unwrap().pieces, 0, "owed, though over its bound");
    for index in ["kept", "deleted"] {
        store_round(&store, &evidence, index);
    }
    store.close_blocking().unwrap();
    fs::remove_dir_all(folder.path().join("index")).unwrap();
    let store = open().store;
    store_round(&store, &evidence, "rebuilt");
    deliver(&store, "a", pieces(&store, "a")[0].seq);
    assert_eq!(store.check_space(now).unwrap().pieces, 1, "delivered: it may go");
    store.close_blocking().unwrap();
    assert!(check(folder.path()).sound, "{:?}", check(folder.path()));
}

fn store_round(store: &Store, evidence: &Evidence, when: &str) {
    let found = pieces(store, "a");
    assert_eq!(found.len(), 1, "{when}");
    assert_eq!(&found[0].evidence, evidence, "{when}");
    assert!(found[0].path.is_some(), "{when}");
}

#[test]
fn p4_dead_letters_are_kept_with_their_answer_and_can_be_sent_again() {
    let (folder, store) = new_store(&["a", "b"]);
    put(&store, vec![change(record(IncidentId::new(), 1, Severity::NOTICE))]);
    let seq = due(&store, "a", Lane::Bulk)[0].seq;
    let dead = Outcome::Dead { answer: "422 no such kind".into() };
    put(&store, vec![Entry::Settled(settled("a", seq, dead))]);
    deliver(&store, "b", seq);
    let of_a = |store: &Store| store.ledger().of(&sink("a"));
    assert_eq!(of_a(&store), Sums { accepted: 1, dead: 1, ..Sums::default() });
    assert_eq!(store.retry(Some(&sink("b")), None, noon()).unwrap(), 0, "b refused nothing");
    store.close_blocking().unwrap();
    let letters = letters(folder.path()).unwrap();
    assert_eq!(letters.len(), 1);
    assert!(letters[0].answer.contains("no such kind"), "{letters:?}");
    for index in ["kept", "deleted"] {
        if index == "deleted" {
            fs::remove_dir_all(folder.path().join("index")).unwrap();
        }
        let store = reopen(folder.path(), &["a", "b"]).store;
        assert_eq!(of_a(&store).dead, 1, "{index}");
        store.close_blocking().unwrap();
    }
    let store = reopen(folder.path(), &["a", "b"]).store;
    assert_eq!(store.retry(Some(&sink("a")), Some(seq), noon()).unwrap(), 1);
    assert_eq!(of_a(&store), Sums { accepted: 1, pending: 1, ..Sums::default() });
    assert!(due(&store, "b", Lane::Bulk).is_empty(), "b has it already");
    store.close_blocking().unwrap();
    fs::remove_dir_all(folder.path().join("index")).unwrap();
    let store = reopen(folder.path(), &["a", "b"]).store;
    deliver(&store, "a", due(&store, "a", Lane::Bulk)[0].seq);
    assert_eq!(of_a(&store), Sums { accepted: 1, delivered: 1, ..Sums::default() });
    assert_eq!(store.retry(None, None, noon()).unwrap(), 0);
    store.close_blocking().unwrap();
    assert!(check(folder.path()).sound, "{:?}", check(folder.path()));
}

#[test]
fn p2_sinks_may_change_while_the_store_runs() {
    let (folder, store) = new_store(&["a"]);
    let one = || put(&store, vec![change(record(IncidentId::new(), 1, Severity::NOTICE))]);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    one();
    runtime.block_on(store.set_sinks(vec![sink("b").into()]));
    one();
    runtime.block_on(store.set_sinks(vec![sink("a").into(), sink("b").into()]));
    one();
    let counts = |store: &Store| ["a", "b"].map(|name| due(store, name, Lane::Bulk).len());
    assert_eq!(counts(&store), [2, 2]);
    store.close_blocking().unwrap();
    fs::remove_dir_all(folder.path().join("index")).unwrap();
    let store = reopen(folder.path(), &["a", "b"]).store;
    assert_eq!(counts(&store), [2, 2]);
    assert!(store.ledger().holds());
}

/// A folder that a gateway of format 1 wrote: four presses of which one was closed by a
/// reply, one unreadable payload, one sink that got everything and one that was down.
fn of_format_1() -> TempDir {
    let folder = tempdir().unwrap();
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stores/v1");
    fs::create_dir(folder.path().join("journal")).unwrap();
    for name in ["format", "journal/00000001.log"] {
        fs::copy(from.join(name), folder.path().join(name)).unwrap();
    }
    folder
}

#[test]
fn a_folder_of_format_1_is_migrated_and_nothing_in_it_is_lost() {
    let folder = of_format_1();
    assert!(check(folder.path()).sound, "{:?}", check(folder.path()));
    let Opened { store, restored, report } = reopen(folder.path(), &["grid", "file"]);
    assert!(report.iter().all(|line| line.contains("index was rebuilt")), "{report:?}");
    assert_eq!(restored.presses.len(), 3);
    assert_eq!(restored.live.len(), 3, "two presses, and the sink that was down");
    assert_eq!(restored.replies.len(), 1);
    let (grid, file) = (store.ledger().of(&sink("grid")), store.ledger().of(&sink("file")));
    assert_eq!(grid, Sums { accepted: 5, pending: 5, ..Sums::default() });
    assert_eq!(file, Sums { accepted: 5, delivered: 5, ..Sums::default() });
    put(&store, vec![change(record(IncidentId::new(), 1, Severity::NOTICE))]);
    store.close_blocking().unwrap();
    let format = fs::read_to_string(folder.path().join("format")).unwrap();
    assert_eq!(format, "gridpost-store 3\n");
    let store = reopen(folder.path(), &["grid", "file"]).store;
    assert_eq!(store.ledger().of(&sink("grid")).pending, 6);
    store.close_blocking().unwrap();
    assert!(check(folder.path()).sound, "{:?}", check(folder.path()));
}

#[test]
fn a_backup_of_a_running_store_is_sound_and_goes_on_elsewhere_without_using_an_id_twice() {
    let (folder, store) = new_store(&["a"]);
    let (live, done) = (IncidentId::new(), IncidentId::new());
    let (_, evidence) = with_picture(&store, Severity::ALERT);
    put(&store, vec![change(record(live, 1, Severity::EMERGENCY))]);
    let mut closed = record(done, 1, Severity::NOTICE);
    closed.incident.stage = Stage::Closed;
    put(&store, vec![change(closed)]);
    let place = tempdir().unwrap();
    let (copy, box2) = (place.path().join("copy"), place.path().join("box2"));
    // Written all the time while it is copied.
    let writing = std::thread::spawn({
        let store = store.clone();
        move || {
            for _ in 0..300 {
                put(&store, vec![change(record(IncidentId::new(), 1, Severity::NOTICE))]);
            }
        }
    });
    let lines = backup(folder.path(), &copy, None).unwrap();
    assert!(lines.iter().any(|line| line.contains("sound")), "{lines:?}");
    writing.join().unwrap();
    // The first box goes on after the backup.
    put(&store, vec![change(record(live, 2, Severity::EMERGENCY))]);
    store.close_blocking().unwrap();
    assert!(backup(folder.path(), &copy, None).unwrap_err().contains("not empty"));
    restore(&copy, &box2, noon(), None).unwrap();
    assert!(restore(&copy, &box2, noon(), None).unwrap_err().contains("not empty"));
    let Opened { store, restored, .. } = reopen(&box2, &["a"]);
    let there = restored.live.iter().find(|record| record.incident.id == live).unwrap();
    assert_eq!(there.incident.revision, 1 + FORK_REVISIONS);
    assert!(store.evidence_path(evidence.id).is_some());
    put(&store, vec![change(record(live, 2 + FORK_REVISIONS, Severity::EMERGENCY))]);
    store.close_blocking().unwrap();
    // And only once: from then on it counts as before.
    let Opened { store, restored, .. } = reopen(&box2, &["a"]);
    let there = restored.live.iter().find(|record| record.incident.id == live).unwrap();
    assert_eq!(there.incident.revision, 2 + FORK_REVISIONS);
    store.close_blocking().unwrap();
    assert!(check(&box2).sound, "{:?}", check(&box2));
    assert_eq!(read_ledger(&box2).unwrap().accepted[&KIND], store.ledger().accepted[&KIND]);
}
