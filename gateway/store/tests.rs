//! The store's promises on a working disk: order, receipts, lanes, ledger, restart, evidence, retention.

use std::{
    fs,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use jiff::Timestamp;
use tempfile::{TempDir, tempdir};

use super::{
    disk::RealDisk,
    folder::DataFolder,
    open::{Tuning, open_with},
    *,
};
use crate::domain::{
    ClockError, Detail, Incident, NoMeter, Now, Outcome, Press, Reply, ReplyTo, Settled, Severity,
    Stage, Stamp, Title, What,
};

pub(super) const KIND: Kind = Kind::Rain;

pub(super) fn noon() -> Timestamp {
    "2026-07-01T04:00:00Z".parse().unwrap()
}

pub(super) fn sink(name: &str) -> SinkId {
    name.into()
}

pub(super) fn tuning(disk: Arc<dyn Disk>) -> Tuning {
    let retry = (Duration::from_millis(2), Duration::from_millis(10));
    Tuning { retry, disk, ..Tuning::default() }
}

/// Small segments, a real disk.
pub(super) fn reopen(folder: &Path, sinks: &[&str]) -> Opened {
    let sinks: Vec<Subscriber> = sinks.iter().map(|name| sink(name).into()).collect();
    let disk = Arc::new(RealDisk);
    open_with(&config(folder), &sinks, Arc::new(NoMeter), tuning(disk)).unwrap()
}

pub(super) fn config(folder: &Path) -> Config {
    Config { min_free_bytes: 0, segment_bytes: 8 << 10, ..Config::at(folder) }
}

pub(super) fn record(id: IncidentId, revision: u32, severity: Severity) -> Record {
    let incident = Incident {
        id,
        revision,
        stage: Stage::Opened,
        active: true,
        kind: KIND,
        severity,
        title: Title { zh: "暴雨".into(), en: "rain".into() },
        grid: None,
        place: None,
        began_at: noon(),
        opened_at: noon(),
        changed_at: noon(),
        ended_at: None,
        sources: Vec::new(),
        objects: Vec::new(),
        evidence: Vec::new(),
        deadline: None,
        route: None,
        life: Default::default(),
        clock: ClockError { device: None, gateway: noon(), error_ms: 0 },
        why: "a test".into(),
        detail: Detail::new(),
        rule: None,
        key: "k".into(),
    };
    Record { what: if revision == 1 { What::Opened } else { What::Updated }, incident }
}

pub(super) fn change(record: Record) -> Entry {
    Entry::Change(Box::new(record))
}

pub(super) fn press(id: &str) -> Entry {
    let press = Press {
        id: Some(id.into()),
        at: None,
        battery: None,
        retained: false,
        via: "intake".into(),
        ..Press::default()
    };
    let stamp = Stamp::of_gateway(Now { wall: noon(), mono_ms: 1 });
    Entry::Press { source: "btn".into(), stamp, press, stale: false, test: false, incident: None }
}

pub(super) fn settled(name: &str, change: u64, outcome: Outcome) -> Settled {
    Settled { sink: sink(name), change, outcome, at: noon() }
}

pub(super) fn put(store: &Store, entries: Vec<Entry>) {
    store.commit_blocking(Batch { entries, receipts: Vec::new() }).unwrap();
}

/// Everything due to a sink, in the order it leaves, put back afterwards.
pub(super) fn due(store: &Store, name: &str, lane: Lane) -> Vec<Due> {
    let all: Vec<Due> = std::iter::from_fn(|| store.try_next_due(&sink(name), lane)).collect();
    all.iter().for_each(|due| store.release(&sink(name), due.seq));
    all
}

pub(super) fn deliver(store: &Store, name: &str, seq: u64) {
    let done = settled(name, seq, Outcome::Delivered);
    put(store, vec![Entry::Settled(done)]);
}

type Answers = Arc<Mutex<Vec<(usize, bool)>>>;

/// A receipt that notes its number, and whether it said `Stored`.
pub(super) fn receipt(answers: &Answers, number: usize) -> (Receipt, Answer) {
    let answers = Arc::clone(answers);
    let note =
        move |answer| answers.lock().unwrap().push((number, matches!(answer, Answer::Stored)));
    (Receipt::new(note), Answer::Stored)
}

pub(super) fn new_store(sinks: &[&str]) -> (TempDir, Store) {
    let folder = tempdir().unwrap();
    let store = reopen(folder.path(), sinks).store;
    (folder, store)
}

/// What is known of a file, and nothing else.
pub(super) fn piece(id: EvidenceId, media_type: &str, (sha256, bytes): (String, u64)) -> Evidence {
    Evidence {
        id,
        media_type: media_type.into(),
        sha256,
        bytes,
        starts_at: None,
        ends_at: None,
        pre_roll_ms: None,
        pre_roll_limit: None,
        original_of: None,
        kept_here: false,
    }
}

/// A piece that is in its place, and which no record names yet.
pub(super) fn kept(store: &Store, new: NewEvidence, media_type: &str, content: &[u8]) -> Evidence {
    let id = new.id();
    fs::write(&new.path, content).unwrap();
    piece(id, media_type, store.finish_evidence(new).unwrap())
}

#[test]
fn p1_receipts_are_settled_in_order_after_everything_before_them() {
    let (folder, store) = new_store(&["a"]);
    let answers = Answers::default();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for number in 0..50 {
        // Every third is empty: a copy of a press that is on its way to disk.
        let entries = if number % 3 == 2 { vec![] } else { vec![press(&number.to_string())] };
        let receipts = vec![receipt(&answers, number)];
        runtime.block_on(store.commit(Batch { entries, receipts }));
    }
    store.close_blocking().unwrap();
    let expected: Vec<_> = (0..50).map(|number| (number, true)).collect();
    assert_eq!(*answers.lock().unwrap(), expected);
    let opened = reopen(folder.path(), &["a"]);
    assert_eq!(opened.restored.presses.len(), 34);
    assert_eq!(opened.report, Vec::<String>::new());
}

#[test]
fn what_was_closed_while_it_was_active_is_given_back_to_end_and_any_case_can_be_recalled() {
    let (folder, store) = new_store(&["a"]);
    let (active, ended) = (IncidentId::new(), IncidentId::new());
    for (id, is_active) in [(active, true), (ended, false)] {
        let mut last = record(id, 1, Severity::NOTICE);
        (last.incident.stage, last.incident.active) = (Stage::Closed, is_active);
        put(&store, vec![change(last)]);
    }
    store.close_blocking().unwrap();
    let Opened { store, restored, .. } = reopen(folder.path(), &["a"]);
    let ids: Vec<_> = restored.live.iter().map(|record| record.incident.id).collect();
    assert_eq!(ids, [active]);
    assert_eq!(store.recall(ended).map(|record| record.incident.id), Some(ended));
    assert!(store.recall(IncidentId::new()).is_none());
}

#[test]
fn i4_p2_everything_is_remembered_with_and_without_the_index() {
    let (folder, store) = new_store(&["a", "b"]);
    let (open, closed) = (IncidentId::new(), IncidentId::new());
    put(&store, vec![press("1"), change(record(open, 1, Severity::ALERT))]);
    put(&store, vec![change(record(open, 2, Severity::ALERT))]);
    let mut last = record(closed, 1, Severity::NOTICE);
    (last.incident.stage, last.incident.active) = (Stage::Closed, false);
    put(&store, vec![change(last)]);
    let reply = Reply { id: Some("r1".into()), ..Reply::new(open, ReplyTo::Accepted, "grid") };
    put(&store, vec![Entry::Reply { reply, at: noon() }]);
    let first = due(&store, "a", Lane::Bulk)[0].seq;
    deliver(&store, "a", first);
    let ledger = store.ledger();
    store.close_blocking().unwrap();
    for index in ["kept", "deleted", "damaged"] {
        let path = folder.path().join("index");
        match index {
            "deleted" => fs::remove_dir_all(&path).unwrap(),
            "damaged" => fs::write(path.join("db"), b"rubbish").unwrap(),
            _ => {}
        }
        let Opened { store, restored, .. } = reopen(folder.path(), &["a", "b"]);
        assert_eq!(restored.live, [record(open, 2, Severity::ALERT)], "{index}");
        assert_eq!(restored.presses.len(), 1, "{index}");
        assert_eq!(restored.replies, [(open, "r1".to_owned())], "{index}");
        assert_eq!(restored.latest, Some(noon()), "{index}");
        assert_eq!(due(&store, "a", Lane::Bulk).len(), 2, "{index}");
        assert_eq!(due(&store, "b", Lane::Bulk).len(), 3, "{index}");
        assert_eq!(store.ledger(), ledger, "{index}");
        assert!(store.incident(closed).is_some(), "{index}");
        store.close_blocking().unwrap();
    }
    assert!(check(folder.path()).sound, "{:?}", check(folder.path()));
    assert_eq!(read_ledger(folder.path()).unwrap(), ledger);
}

#[test]
fn p3_emergencies_have_their_own_lane_and_take_their_incident_along() {
    let (_folder, store) = new_store(&["a"]);
    let (notice, rising) = (IncidentId::new(), IncidentId::new());
    put(&store, vec![change(record(notice, 1, Severity::NOTICE))]);
    put(&store, vec![change(record(rising, 1, Severity::NOTICE))]);
    put(&store, vec![change(record(IncidentId::new(), 1, Severity::ALERT))]);
    assert!(due(&store, "a", Lane::Emergency).is_empty());
    put(&store, vec![change(record(rising, 2, Severity::EMERGENCY))]);
    let revisions = |lane| -> Vec<(Class, u32)> {
        let due = due(&store, "a", lane);
        due.iter().map(|due| (due.class, due.record.incident.revision)).collect()
    };
    assert_eq!(revisions(Lane::Emergency), [(Class::Emergency, 1), (Class::Emergency, 2)]);
    assert_eq!(revisions(Lane::Bulk), [(Class::Alert, 1), (Class::Notice, 1)]);
}

#[test]
fn p4_the_ledger_adds_up_and_an_emergency_is_never_given_up() {
    let (_folder, store) = new_store(&["a", "b"]);
    for severity in [Severity::EMERGENCY, Severity::ALERT, Severity::NOTICE, Severity::MINOR] {
        put(&store, vec![change(record(IncidentId::new(), 1, severity))]);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let give_up = |seq, outcome| runtime.block_on(store.settle(settled("a", seq, outcome)));
    let dead = || Outcome::Dead { answer: "400 no".into() };
    let emergency = store.try_next_due(&sink("a"), Lane::Emergency).unwrap();
    assert_eq!(give_up(emergency.seq, dead()), Err(SettleError::EmergencyKept));
    let shed = Outcome::Shed { reason: "no room".into() };
    assert_eq!(give_up(emergency.seq, shed.clone()), Err(SettleError::EmergencyKept));
    let bulk = due(&store, "a", Lane::Bulk);
    assert_eq!(give_up(bulk[0].seq, dead()), Ok(()));
    assert_eq!(give_up(bulk[1].seq, shed), Ok(()));
    assert_eq!(give_up(bulk[2].seq, Outcome::Delivered), Ok(()));
    assert_eq!(give_up(bulk[2].seq, Outcome::Delivered), Err(SettleError::NotDue), "once");
    put(&store, vec![]);
    let ledger = store.ledger();
    assert!(ledger.holds());
    let sums = Sums { accepted: 4, delivered: 1, pending: 1, dead: 1, shed: 1, ..Sums::default() };
    assert_eq!(ledger.of(&sink("a")), sums);
    assert_eq!(ledger.of(&sink("b")), Sums { accepted: 4, pending: 4, ..Sums::default() });
    assert_eq!(ledger.accepted[&KIND], 4);
}

#[test]
fn p2_a_courier_waits_and_is_woken_and_a_release_gives_back() {
    let (_folder, store) = new_store(&["a"]);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(async {
        let waiting = {
            let store = store.clone();
            tokio::spawn(async move { store.next_due(&sink("a"), Lane::Bulk).await })
        };
        let entries = vec![change(record(IncidentId::new(), 1, Severity::NOTICE))];
        store.commit(Batch { entries, receipts: vec![] }).await;
        let due = waiting.await.unwrap();
        assert!(store.try_next_due(&sink("a"), Lane::Bulk).is_none(), "in flight");
        store.release(&sink("a"), due.seq);
        assert_eq!(store.next_due(&sink("a"), Lane::Bulk).await.seq, due.seq);
        store.close().await.unwrap();
    });
}

#[test]
fn p2_a_sink_that_left_and_came_back_still_gets_what_it_was_owed() {
    let (folder, store) = new_store(&["a", "b"]);
    put(&store, vec![change(record(IncidentId::new(), 1, Severity::NOTICE))]);
    store.close_blocking().unwrap();
    let store = reopen(folder.path(), &["b", "c"]).store;
    put(&store, vec![change(record(IncidentId::new(), 1, Severity::NOTICE))]);
    store.close_blocking().unwrap();
    fs::remove_dir_all(folder.path().join("index")).unwrap();
    let store = reopen(folder.path(), &["a", "b", "c"]).store;
    let counts = ["a", "b", "c"].map(|name| due(&store, name, Lane::Bulk).len());
    assert_eq!(counts, [1, 2, 1]);
}

#[test]
fn p5_evidence_is_in_place_and_hashed_before_it_can_be_named() {
    let (folder, store) = new_store(&["a"]);
    let id = EvidenceId::new();
    let new = store.new_evidence(id, "jpg").unwrap();
    let evidence = kept(&store, new, "image/jpeg", b"picture");
    assert_eq!(evidence.bytes, 7);
    let incident = IncidentId::new();
    put(&store, vec![Entry::Evidence { incident, evidence: evidence.clone() }]);
    let (path, stated) = store.evidence_path(id).unwrap();
    assert_eq!((fs::read(&path).unwrap(), stated), (b"picture".to_vec(), evidence));
    let unfinished = store.new_evidence(EvidenceId::new(), "mp4").unwrap();
    fs::write(&unfinished.path, b"half").unwrap();
    std::mem::forget(unfinished);
    store.close_blocking().unwrap();
    assert!(check(folder.path()).sound);
    fs::write(&path, b"pictures").unwrap();
    assert!(!check(folder.path()).sound, "a changed file is found");
    fs::remove_file(&path).unwrap();
    let opened = reopen(folder.path(), &["a"]);
    assert!(opened.report.iter().any(|line| line.contains(&id.to_string())), "missing is reported");
    let left = DataFolder::new(folder.path()).unfinished().read_dir().unwrap().count();
    assert_eq!(left, 0, "what was half written is gone");
}

#[test]
fn p5_old_evidence_leaves_only_when_finished_and_delivered() {
    let (folder, store) = new_store(&["a"]);
    let put_one = |stage| {
        let new = store.new_evidence(EvidenceId::new(), "jpg").unwrap();
        let piece = kept(&store, new, "image/jpeg", b"picture");
        let id = piece.id;
        let mut record = record(IncidentId::new(), 1, Severity::NOTICE);
        record.incident.stage = stage;
        record.incident.evidence.push(piece);
        put(&store, vec![change(record)]);
        id
    };
    let (done, live, owed) =
        (put_one(Stage::Closed), put_one(Stage::Opened), put_one(Stage::Closed));
    let all = due(&store, "a", Lane::Bulk);
    deliver(&store, "a", all[0].seq);
    deliver(&store, "a", all[1].seq);
    let (seconds, _) = done.0.get_timestamp().unwrap().to_unix();
    let later = |hours: u64| {
        let wall = Timestamp::from_second((seconds + 31 * 86_400 + hours * 3600) as i64).unwrap();
        Now { wall, mono_ms: hours * 3_600_000 }
    };
    assert_eq!(store.tidy(later(0)).unwrap(), Tidied::default(), "p9: a clock is proved first");
    assert_eq!(store.tidy(later(2)).unwrap(), Tidied { pieces: 1, bytes: 7 });
    assert!(store.evidence_path(done).is_none());
    assert!(store.evidence_path(live).is_some() && store.evidence_path(owed).is_some());
    store.close_blocking().unwrap();
    assert!(check(folder.path()).sound, "{:?}", check(folder.path()));
}

#[test]
fn p11_the_journal_keeps_its_bound_and_everything_that_is_needed() {
    let folder = tempdir().unwrap();
    let config = Config { max_bytes: 40 << 10, ..config(folder.path()) };
    let sinks = [sink("a").into()];
    let open =
        || open_with(&config, &sinks, Arc::new(NoMeter), tuning(Arc::new(RealDisk))).unwrap();
    let store = open().store;
    let (live, owed) = (IncidentId::new(), IncidentId::new());
    put(&store, vec![press("1"), change(record(live, 1, Severity::EMERGENCY))]);
    put(&store, vec![change(record(owed, 1, Severity::NOTICE))]);
    deliver(&store, "a", due(&store, "a", Lane::Emergency)[0].seq);
    for _ in 0..300 {
        let mut record = record(IncidentId::new(), 1, Severity::ALERT);
        (record.incident.stage, record.incident.active) = (Stage::Closed, false);
        put(&store, vec![change(record)]);
        deliver(&store, "a", due(&store, "a", Lane::Bulk)[0].seq);
    }
    let ledger = store.ledger();
    assert!(store.space().journal_bytes < 50 << 10, "{:?}", store.space());
    store.close_blocking().unwrap();
    let report = check(folder.path());
    assert!(report.sound, "{report:?}");
    for index in ["kept", "deleted"] {
        if index == "deleted" {
            fs::remove_dir_all(folder.path().join("index")).unwrap();
        }
        let Opened { store, restored, report } = open();
        assert_eq!(report.iter().filter(|line| !line.contains("rebuilt")).count(), 0, "{report:?}");
        let ids: Vec<IncidentId> = restored.live.iter().map(|record| record.incident.id).collect();
        assert_eq!(ids, [live, owed], "{index}");
        assert_eq!(restored.presses.len(), 1, "{index}");
        let left = due(&store, "a", Lane::Bulk);
        assert_eq!(left.len(), 1, "{index}");
        assert_eq!(left[0].record.incident.id, owed);
        assert_eq!(store.ledger(), ledger, "{index}");
        store.close_blocking().unwrap();
    }
}

#[test]
fn p11_what_is_too_large_is_refused_and_harms_nothing() {
    let (_folder, store) = new_store(&["a"]);
    let mut large = record(IncidentId::new(), 1, Severity::NOTICE);
    large.incident.why = "x".repeat(format::PAYLOAD_BYTES_MAX);
    let refused = store.commit_blocking(Batch { entries: vec![change(large)], receipts: vec![] });
    assert!(refused.unwrap_err().0.contains("bytes as JSON"));
    put(&store, vec![press("1")]);
}

#[test]
fn p11_evidence_leaves_the_reserve_to_the_presses() {
    let folder = tempdir().unwrap();
    let config = Config { min_free_bytes: u64::MAX, ..Config::at(folder.path()) };
    let store = open(&config, &[], Arc::new(NoMeter)).unwrap().store;
    let refused = store.new_evidence(EvidenceId::new(), "jpg").unwrap_err();
    assert!(matches!(refused, EvidenceError::LowSpace { .. }));
    put(&store, vec![press("1")]);
}

#[test]
fn incidents_are_listed_newest_first_and_filtered() {
    let (_folder, store) = new_store(&[]);
    let ids: Vec<IncidentId> = (0..5).map(|_| IncidentId::new()).collect();
    for &id in &ids {
        put(&store, vec![change(record(id, 1, Severity::NOTICE))]);
    }
    let mut ended = record(ids[3], 2, Severity::NOTICE);
    ended.incident.active = false;
    put(&store, vec![change(ended)]);
    let list = |filter| -> Vec<IncidentId> {
        store.incidents(&filter).iter().map(|record| record.incident.id).collect()
    };
    let all = IncidentFilter::default();
    assert_eq!(list(all.clone()), ids.iter().rev().copied().collect::<Vec<_>>());
    assert_eq!(list(IncidentFilter { limit: 2, ..all.clone() }), [ids[4], ids[3]]);
    assert_eq!(list(IncidentFilter { active: Some(false), ..all.clone() }), [ids[3]]);
    assert!(list(IncidentFilter { kind: Some(Kind::Crowd), ..all.clone() }).is_empty());
    let after = noon() + Duration::from_secs(1);
    assert!(list(IncidentFilter { since: Some(after), ..all }).is_empty());
}

#[test]
fn a_second_gateway_is_refused_with_the_first_ones_pid() {
    let (folder, store) = new_store(&["a"]);
    let second = open(&config(folder.path()), &[], Arc::new(NoMeter)).err().unwrap();
    let pid = std::process::id().to_string();
    assert!(second.to_string().contains(&format!("process {pid} ")), "{second}");
    assert!(check(folder.path()).lines.iter().any(|line| line.contains(&pid)));
    store.close_blocking().unwrap();
    assert!(open(&config(folder.path()), &[], Arc::new(NoMeter)).is_ok());
}

#[test]
fn a_newer_or_foreign_folder_is_refused_in_plain_words() {
    let (folder, store) = new_store(&["a"]);
    store.close_blocking().unwrap();
    let refusal = |text: &str| {
        fs::write(folder.path().join("format"), text).unwrap();
        open(&config(folder.path()), &[], Arc::new(NoMeter)).err().unwrap().to_string()
    };
    assert!(refusal("gridpost-store 4\n").contains("newer gridpost (format 4"));
    assert!(refusal("something else").contains("is this a gridpost data folder?"));
}
