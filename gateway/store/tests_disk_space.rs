//! P11: what goes, in which order, when space runs low, and that presses go through when all else has stopped.

use std::{collections::HashSet, fs, sync::Arc};

use tempfile::tempdir;

use super::{
    disk::RealDisk,
    evidence,
    fake_disk::{ENOSPC, FakeDisk, Op},
    open::open_with,
    tests::{
        change, config, due, kept, new_store, noon, press, put, receipt, record, sink, tuning,
    },
    *,
};
use crate::domain::{Kind, NoMeter, Now, Outcome, Quarantined, Severity, Stage};

fn now() -> Now {
    Now { wall: noon(), mono_ms: 1 }
}

#[test]
fn p11_notices_are_shed_with_a_reason_and_nothing_more_urgent_is() {
    let folder = tempdir().unwrap();
    let free = evidence::free_bytes(folder.path()).unwrap();
    // A disk that has less than half of what is asked for, for as long as this test lasts.
    let config = Config { min_free_bytes: 4 * free, ..config(folder.path()) };
    let sinks = [sink("a").into()];
    let open =
        || open_with(&config, &sinks, Arc::new(NoMeter), tuning(Arc::new(RealDisk))).unwrap();
    let store = open().store;
    for severity in [Severity::EMERGENCY, Severity::ALERT, Severity::NOTICE, Severity::MINOR] {
        put(&store, vec![change(record(IncidentId::new(), 1, severity))]);
    }
    assert!(store.new_evidence(EvidenceId::new(), "jpg").is_err());
    let flying = store.try_next_due(&sink("a"), Lane::Bulk).unwrap();
    assert_eq!(flying.class, Class::Alert);
    let check = store.check_space(now()).unwrap();
    assert_eq!((check.level, check.shed), (SpaceLevel::Tight, 2));
    assert!(check.short.unwrap().contains("are free"));
    store.release(&sink("a"), flying.seq);
    let sums = store.ledger().of(&sink("a"));
    assert_eq!(sums, Sums { accepted: 4, pending: 2, shed: 2, ..Sums::default() });
    let classes =
        |lane| -> Vec<Class> { due(&store, "a", lane).iter().map(|due| due.class).collect() };
    assert_eq!(classes(Lane::Emergency), [Class::Emergency]);
    assert_eq!(classes(Lane::Bulk), [Class::Alert]);
    assert_eq!(store.check_space(now()).unwrap().shed, 0);
    store.close_blocking().unwrap();
    fs::remove_dir_all(folder.path().join("index")).unwrap();
    let store = open().store;
    assert_eq!(store.ledger().of(&sink("a")), sums, "the recount says the same");
}

#[test]
fn p11_a_full_disk_lets_the_reserve_go_and_takes_presses_until_there_is_room() {
    let folder = tempdir().unwrap();
    let disk = Arc::new(FakeDisk::new(1));
    let config = Config { min_free_bytes: 64 << 10, ..config(folder.path()) };
    let store = open_with(&config, &[], Arc::new(NoMeter), tuning(disk.clone())).unwrap().store;
    assert_eq!(store.check_space(now()).unwrap().level, SpaceLevel::Fine);
    let reserve = folder.path().join("reserve");
    assert_eq!(fs::metadata(&reserve).unwrap().len(), 8 << 10, "an eighth of what is kept free");
    let answers = Default::default();
    // Two: one may meet a write of the store's own, and the press must meet one too.
    disk.fail(Op::Write, 2, ENOSPC);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let batch = Batch { entries: vec![press("1")], receipts: vec![receipt(&answers, 1)] };
    runtime.block_on(store.commit(batch));
    // A second one may still come into the same failure.
    while store.commit_blocking(Batch { entries: vec![press("2")], receipts: vec![] }).is_err() {}
    assert_eq!(*answers.lock().unwrap(), [(1, false)], "not acknowledged, and yet not forgotten");
    assert!(!reserve.exists(), "the reserve was let go");
    assert_eq!(store.space_level(), SpaceLevel::Full);
    // There is room (the fake disk has all of the real one): the next check finds it.
    assert_eq!(store.check_space(now()).unwrap().level, SpaceLevel::Fine);
    store.check_space(now()).unwrap();
    assert!(reserve.exists(), "and keeps a reserve again");
    assert_eq!(store.ledger().accepted.len(), 0);
}

#[test]
fn p11_a_quarantine_that_is_full_keeps_the_reasons() {
    let folder = tempdir().unwrap();
    let config = Config { quarantine_max_bytes: 10_000, ..config(folder.path()) };
    let store =
        open_with(&config, &[], Arc::new(NoMeter), tuning(Arc::new(RealDisk))).unwrap().store;
    for _ in 0..5 {
        let payload = Quarantined {
            origin: "intake x".into(),
            reason: "not JSON".into(),
            text: "y".repeat(1000),
            hex: "79".repeat(1000),
            at: noon(),
        };
        put(&store, vec![Entry::Quarantine(payload)]);
    }
    store.close_blocking().unwrap();
    let payloads = quarantine(folder.path()).unwrap();
    let bytes: Vec<usize> = payloads.iter().map(|payload| payload.text.len()).collect();
    assert_eq!(bytes, [1000, 1000, 1000, 0, 0]);
    assert!(payloads[4].reason.contains("was not kept"), "{}", payloads[4].reason);
}

#[test]
fn p11_evidence_keeps_its_bound_by_the_oldest_that_nobody_needs() {
    let (folder, store) = new_store(&[]);
    store.close_blocking().unwrap();
    let config = Config { evidence_max_bytes: 120, ..config(folder.path()) };
    let store =
        open_with(&config, &[], Arc::new(NoMeter), tuning(Arc::new(RealDisk))).unwrap().store;
    let mut ids = Vec::new();
    for _ in 0..3 {
        let new = store.new_evidence(EvidenceId::new(), "jpg").unwrap();
        ids.push(kept(&store, new, "image/jpeg", &[0; 50]).id);
    }
    // Of one millisecond the ids alone say which is older.
    ids.sort_unstable();
    assert!(matches!(
        store.new_evidence(EvidenceId::new(), "jpg"),
        Err(EvidenceError::Bound { bytes: 150, max_bytes: 120 })
    ));
    assert_eq!(store.check_space(now()).unwrap().pieces, 1);
    let left = evidence::files(&folder::DataFolder::new(folder.path())).unwrap();
    assert_eq!(
        left.iter().map(|(id, _)| *id).collect::<HashSet<_>>(),
        HashSet::from([ids[1], ids[2]])
    );
    assert_eq!(store.space().evidence_bytes, 100);
    assert!(store.new_evidence(EvidenceId::new(), "jpg").is_ok());
}

#[test]
fn p11_no_flood_of_residents_pictures_takes_the_room_of_what_cameras_saw() {
    let folder = tempdir().unwrap();
    let config = Config { evidence_max_bytes: 1_000, ..config(folder.path()) };
    let open =
        || open_with(&config, &[], Arc::new(NoMeter), tuning(Arc::new(RealDisk))).unwrap().store;
    let store = open();
    store.keep_room_for_reports();
    // Each of a case of its own that is over: nobody needs any of them.
    let keep = |store: &Store, kind: Kind, bytes: usize| -> Result<EvidenceId, EvidenceError> {
        let new = match kind {
            Kind::Report => store.new_report_picture(EvidenceId::new()),
            _ => store.new_evidence(EvidenceId::new(), "jpg"),
        }?;
        let piece = kept(store, new, "image/jpeg", &vec![0; bytes]);
        let id = piece.id;
        let mut over = record(IncidentId::new(), 1, Severity::NOTICE);
        (over.incident.stage, over.incident.active, over.incident.kind) =
            (Stage::Closed, false, kind);
        over.incident.evidence.push(piece.clone());
        let incident = over.incident.id;
        put(store, vec![Entry::Evidence { incident, evidence: piece }, change(over)]);
        Ok(id)
    };
    let seen: Vec<EvidenceId> =
        (0..18).map(|_| keep(&store, Kind::FireLane, 50).unwrap()).collect();
    let there = |ids: &[EvidenceId]| {
        let files = evidence::files(&folder::DataFolder::new(folder.path())).unwrap();
        ids.iter().filter(|id| files.iter().any(|(one, _)| one == *id)).count()
    };
    let flood = |store: &Store| {
        let mut sent = Vec::new();
        for n in 0..200 {
            match keep(store, Kind::Report, 20) {
                Ok(id) => sent.push(id),
                Err(EvidenceError::Bound { max_bytes: 100, .. }) => {}
                Err(error) => panic!("{error}"),
            }
            if n % 5 == 0 {
                store.check_space(now()).unwrap();
            }
        }
        assert_eq!(there(&seen), 18, "none of the cameras' has gone");
        assert!((3..=5).contains(&there(&sent)), "{} of {}", there(&sent), sent.len());
        assert!(sent.len() > 30, "the oldest of them leave for newer ones: {}", sent.len());
    };
    flood(&store);
    assert!(keep(&store, Kind::FireLane, 50).is_err(), "its own bound holds");
    // Whose each piece is, is known after a start with an index and without one.
    store.close_blocking().unwrap();
    for without_index in [false, true] {
        if without_index {
            fs::remove_dir_all(folder.path().join("index")).unwrap();
        }
        let store = open();
        store.keep_room_for_reports();
        flood(&store);
        store.close_blocking().unwrap();
    }
    // Nobody reports here any more: all of it is one again.
    assert_eq!(open().share_bytes(room::Share::Others).1, 1_000);
}

#[test]
fn open_reports_are_counted_as_they_come_end_and_are_forgotten() {
    let (folder, store) = new_store(&[]);
    let mut ids = Vec::new();
    let put_report = |store: &Store, id: IncidentId, revision: u32, stage: Stage| {
        let mut report = record(id, revision, Severity::NOTICE);
        (report.incident.kind, report.incident.stage) = (Kind::Report, stage);
        put(store, vec![change(report)]);
    };
    for _ in 0..5 {
        ids.push(IncidentId::new());
        put_report(&store, ids[ids.len() - 1], 1, Stage::Opened);
        put(&store, vec![change(record(IncidentId::new(), 1, Severity::ALERT))]);
    }
    assert_eq!(store.open_reports(), 5);
    put_report(&store, ids[0], 2, Stage::Accepted);
    assert_eq!(store.open_reports(), 5);
    put_report(&store, ids[0], 3, Stage::Closed);
    put_report(&store, ids[1], 2, Stage::Dismissed);
    assert_eq!(store.open_reports(), 3);
    put_report(&store, ids[1], 3, Stage::Opened);
    assert_eq!(store.open_reports(), 4, "reopened");
    store.close_blocking().unwrap();
    fs::remove_dir_all(folder.path().join("index")).unwrap();
    let store =
        open_with(&config(folder.path()), &[], Arc::new(NoMeter), tuning(Arc::new(RealDisk)));
    assert_eq!(store.unwrap().store.open_reports(), 4);
}

#[test]
fn p11_a_segment_that_was_needed_leaves_once_it_is_not_though_little_is_written() {
    let folder = tempdir().unwrap();
    let free = evidence::free_bytes(folder.path()).unwrap();
    // The journal is to shrink to four segments, for as long as this test lasts. Settlements of what one
    // holds take less than a quarter of it: its records are large, and few.
    let segment_bytes = 64 << 10;
    let config = Config { min_free_bytes: 4 * free, segment_bytes, ..config(folder.path()) };
    let disk = Arc::new(FakeDisk::new(3));
    let sinks = [sink("a").into()];
    let store = open_with(&config, &sinks, Arc::new(NoMeter), tuning(disk.clone())).unwrap().store;
    let oldest = || fs::exists(folder.path().join("journal/00000001.log")).unwrap();
    while lock(&store.inner.shared.state).due.pending.values().all(|one| one.location.segment < 6) {
        let mut over = record(IncidentId::new(), 1, Severity::ALERT);
        (over.incident.stage, over.incident.active) = (Stage::Closed, false);
        over.incident.title.zh = "暴雨".repeat(700);
        put(&store, vec![change(over)]);
    }
    let here = |segment| -> Vec<u64> {
        let state = lock(&store.inner.shared.state);
        let pending = state.due.pending.iter();
        pending.filter(|(_, one)| one.location.segment == segment).map(|(&seq, _)| seq).collect()
    };
    // Each check wakes the writer; what is put behind it is written after the segment was looked at.
    let looked = || {
        store.check_space(now()).unwrap();
        put(&store, vec![press("1")]);
        put(&store, vec![]);
    };
    looked();
    assert!(oldest(), "all of it is owed");
    let looked_at = store.space().journal_bytes;
    let settle = |seqs: Vec<u64>| {
        let done = |seq| Entry::Settled(tests::settled("a", seq, Outcome::Delivered));
        put(&store, seqs.into_iter().map(done).collect());
    };
    disk.fail(Op::Write, 2, ENOSPC);
    while store.commit_blocking(Batch { entries: vec![press("2")], receipts: vec![] }).is_err() {}
    assert_eq!(store.space_level(), SpaceLevel::Full);
    settle(here(1));
    // Growth alone is no reason to look at it again.
    assert!(store.space().journal_bytes + 1_000 < looked_at + segment_bytes / 4);
    looked();
    assert!(!oldest(), "nothing of it is owed any more, and it was not looked at again");
    store.close_blocking().unwrap();
}
