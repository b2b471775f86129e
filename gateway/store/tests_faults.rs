//! The store's promises on a broken disk: full, failing, torn, bent, or with parts missing.

use std::{fs, path::PathBuf, sync::Arc};

use tempfile::tempdir;

use super::{
    fake_disk::{EIO, ENOSPC, FakeDisk, Op},
    format::{SEGMENT_HEADER_BYTES, walk},
    journal::segments,
    open::open_with,
    tests::{change, config, due, press, put, receipt, record, reopen, sink, tuning},
    *,
};
use crate::domain::{NoMeter, Outcome, Severity};

fn segment_paths(folder: &std::path::Path) -> Vec<PathBuf> {
    let journal = folder.join("journal");
    let numbers = segments(&journal).unwrap();
    numbers.into_iter().map(|number| journal::segment_path(&journal, number)).collect()
}

fn ids(store: &Store) -> Vec<IncidentId> {
    due(store, "a", Lane::Bulk).iter().map(|due| due.record.incident.id).collect()
}

/// A closed store with so many notices, one a sync.
fn filled(folder: &std::path::Path, count: usize) -> Vec<IncidentId> {
    let store = reopen(folder, &["a"]).store;
    let ids: Vec<IncidentId> = (0..count).map(|_| IncidentId::new()).collect();
    for &id in &ids {
        put(&store, vec![change(record(id, 1, Severity::NOTICE))]);
    }
    store.close_blocking().unwrap();
    ids
}

#[test]
fn p1_a_failing_disk_acknowledges_nothing_and_nothing_is_lost_when_it_mends() {
    for (op, errno) in [
        (Op::Write, ENOSPC),
        (Op::Sync, EIO),
        (Op::Sync, ENOSPC),
        (Op::Create, ENOSPC),
        (Op::Folder, EIO),
    ] {
        let folder = tempdir().unwrap();
        let disk = Arc::new(FakeDisk::new(7));
        let opened = open_with(
            &config(folder.path()),
            &[sink("a").into()],
            Arc::new(NoMeter),
            tuning(disk.clone()),
        );
        let store = opened.unwrap().store;
        // Enough to need a new segment again and again.
        let kept: Vec<IncidentId> = (0..40).map(|_| IncidentId::new()).collect();
        for &id in &kept[..20] {
            put(&store, vec![change(record(id, 1, Severity::NOTICE))]);
        }
        disk.fail(op, u32::MAX, errno);
        let mut refused = 0;
        for &id in &kept[20..] {
            let entries = vec![change(record(id, 1, Severity::NOTICE))];
            if refused == 0 {
                refused += usize::from(
                    store.commit_blocking(Batch { entries, receipts: vec![] }).is_err(),
                );
            } else {
                // Now unavailable: it queues up.
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                runtime.block_on(store.commit(Batch { entries, receipts: vec![] }));
            }
        }
        assert_eq!(refused, 1, "{op:?}: one was answered that it is not on disk");
        assert!(store.is_available().is_err(), "{op:?}");
        let seen = ids(&store).len();
        assert!((20..40).contains(&seen), "{op:?}: no sink sees what is not on disk");
        disk.mend();
        put(&store, vec![]);
        assert_eq!(store.is_available(), Ok(()), "{op:?}");
        assert_eq!(ids(&store), kept, "{op:?}");
        store.close_blocking().unwrap();
        assert!(check(folder.path()).sound, "{op:?}: {:?}", check(folder.path()));
        assert_eq!(ids(&reopen(folder.path(), &["a"]).store), kept, "{op:?}");
    }
}

#[test]
fn p1_receipts_of_a_failed_group_answer_lost_and_a_copy_waits_its_turn() {
    let folder = tempdir().unwrap();
    let disk = Arc::new(FakeDisk::new(7));
    let opened = open_with(&config(folder.path()), &[], Arc::new(NoMeter), tuning(disk.clone()));
    let store = opened.unwrap().store;
    put(&store, vec![press("0")]);
    disk.fail(Op::Sync, u32::MAX, EIO);
    let answers = Arc::default();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let send = |entries, number| {
        let receipts = vec![receipt(&answers, number)];
        runtime.block_on(store.commit(Batch { entries, receipts }));
    };
    send(vec![press("1")], 1);
    while answers.lock().unwrap().is_empty() {
        std::thread::yield_now();
    }
    assert_eq!(*answers.lock().unwrap(), [(1, false)]);
    // The device sends again; the desk knows the press and sends an empty batch.
    send(vec![], 2);
    disk.mend();
    put(&store, vec![]);
    assert_eq!(*answers.lock().unwrap(), [(1, false), (2, true)]);
    store.close_blocking().unwrap();
    assert_eq!(reopen(folder.path(), &[]).restored.presses.len(), 2);
}

#[test]
fn j3_what_arrives_during_a_sync_shares_the_next() {
    let folder = tempdir().unwrap();
    let disk = Arc::new(FakeDisk::new(7));
    let opened = open_with(&config(folder.path()), &[], Arc::new(NoMeter), tuning(disk.clone()));
    let store = opened.unwrap().store;
    put(&store, vec![press("0")]);
    disk.fail(Op::Sync, u32::MAX, EIO);
    let refused = store.commit_blocking(Batch { entries: vec![press("1")], receipts: vec![] });
    assert!(refused.is_err());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for number in 0..500 {
        let entries = vec![press(&number.to_string())];
        runtime.block_on(store.commit(Batch { entries, receipts: vec![] }));
    }
    let before = disk.syncs();
    disk.mend();
    put(&store, vec![]);
    // Cutting back, a new segment and its standing, the kept one, the rest together.
    assert!(disk.syncs() - before < 12, "{} syncs for 500 presses", disk.syncs() - before);
    store.close_blocking().unwrap();
    assert_eq!(reopen(folder.path(), &[]).restored.presses.len(), 502);
}

#[test]
fn j4_j6_a_tail_cut_anywhere_loses_only_whole_unsynced_batches() {
    let folder = tempdir().unwrap();
    filled(folder.path(), 2);
    let path = segment_paths(folder.path()).pop().unwrap();
    let bytes = fs::read(&path).unwrap();
    fs::remove_dir_all(folder.path().join("index")).unwrap();
    let (frames, _) = walk(&bytes, SEGMENT_HEADER_BYTES, 0);
    for len in (0..bytes.len()).rev().step_by(37) {
        fs::write(&path, &bytes[..len]).unwrap();
        let whole = frames.iter().filter(|frame| frame.offset + frame.len <= len);
        let changes = whole.filter(|frame| frame.header.kind == 2).count();
        let opened = reopen(folder.path(), &["a"]);
        assert_eq!(ids(&opened.store).len(), changes, "cut at {len}");
        opened.store.close_blocking().unwrap();
        let report = check(folder.path());
        assert!(report.sound, "cut at {len}: {report:?}");
        for extra in segment_paths(folder.path()) {
            fs::remove_file(extra).unwrap();
        }
        fs::remove_dir_all(folder.path().join("index")).unwrap();
    }
}

#[test]
fn j6_a_flipped_bit_costs_its_own_record_and_is_told() {
    for index in ["kept", "deleted"] {
        let folder = tempdir().unwrap();
        let all = filled(folder.path(), 20);
        let path = &segment_paths(folder.path())[0];
        let mut bytes = fs::read(path).unwrap();
        let (frames, _) = walk(&bytes, SEGMENT_HEADER_BYTES, 0);
        let hit = frames.iter().filter(|frame| frame.header.kind == 2).nth(1).unwrap();
        bytes[hit.offset + hit.len / 2] ^= 4;
        fs::write(path, &bytes).unwrap();
        if index == "deleted" {
            fs::remove_dir_all(folder.path().join("index")).unwrap();
        }
        let report = check(folder.path());
        assert!(!report.sound && report.lines.iter().any(|line| line.contains("damaged")));
        let Opened { store, report, .. } = reopen(folder.path(), &["a"]);
        assert!(report.iter().any(|line| line.contains("damaged")), "{index}: {report:?}");
        let left: Vec<IncidentId> = all.iter().copied().filter(|id| *id != all[1]).collect();
        let got: Vec<IncidentId> =
            std::iter::from_fn(|| store.try_next_due(&sink("a"), Lane::Bulk))
                .map(|due| due.record.incident.id)
                .collect();
        assert_eq!(got, left, "{index}: the rest is served");
        assert!(store.ledger().holds(), "{index}: {:?}", store.ledger());
        assert_eq!(store.ledger().of(&sink("a")).accepted, 20, "{index}");
        put(&store, vec![press("on it goes")]);
        store.close_blocking().unwrap();
    }
}

#[test]
fn j6_a_bent_last_record_that_was_synced_is_told_and_never_overwritten() {
    let folder = tempdir().unwrap();
    filled(folder.path(), 3);
    let path = segment_paths(folder.path()).pop().unwrap();
    let mut bytes = fs::read(&path).unwrap();
    let last = bytes.len() - 3;
    bytes[last] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let Opened { store, report, .. } = reopen(folder.path(), &["a"]);
    assert!(
        report.iter().any(|line| line.contains("damaged") || line.contains("gone")),
        "{report:?}"
    );
    put(&store, vec![press("on it goes")]);
    store.close_blocking().unwrap();
    assert_eq!(fs::read(&path).unwrap(), bytes, "what was acknowledged is left for inspection");
    assert_eq!(segment_paths(folder.path()).len(), 2, "writing went on in a new segment");
}

#[test]
fn j6_a_flipped_bit_in_the_newest_segment_is_not_taken_for_a_torn_tail() {
    let folder = tempdir().unwrap();
    let all = filled(folder.path(), 5);
    let path = segment_paths(folder.path()).pop().unwrap();
    let mut bytes = fs::read(&path).unwrap();
    let (frames, _) = walk(&bytes, SEGMENT_HEADER_BYTES, 0);
    let hit = frames.iter().filter(|frame| frame.header.kind == 2).nth(2).unwrap();
    bytes[hit.offset + 5] ^= 128;
    fs::write(&path, &bytes).unwrap();
    fs::remove_dir_all(folder.path().join("index")).unwrap();
    let Opened { store, report, .. } = reopen(folder.path(), &["a"]);
    assert!(report.iter().any(|line| line.contains("damaged")), "{report:?}");
    assert_eq!(ids(&store), [all[0], all[1], all[3], all[4]]);
    let set_aside = folder.path().join("quarantine").read_dir().unwrap().count();
    assert_eq!(set_aside, 1);
    assert_eq!(store.ledger().of(&sink("a")).lost, 1);
    store.close_blocking().unwrap();
    assert_eq!(reopen(folder.path(), &["a"]).store.ledger().of(&sink("a")).lost, 1);
}

#[test]
fn j9_after_a_failed_sync_the_file_is_cut_back_and_a_new_segment_begun() {
    let folder = tempdir().unwrap();
    let disk = Arc::new(FakeDisk::new(7));
    let opened = open_with(&config(folder.path()), &[], Arc::new(NoMeter), tuning(disk.clone()));
    let store = opened.unwrap().store;
    put(&store, vec![press("0")]);
    let synced = fs::metadata(&segment_paths(folder.path())[0]).unwrap().len();
    disk.fail(Op::Sync, 1, EIO);
    assert!(store.commit_blocking(Batch { entries: vec![press("1")], receipts: vec![] }).is_err());
    put(&store, vec![press("2")]);
    let paths = segment_paths(folder.path());
    assert_eq!(paths.len(), 2);
    assert_eq!(fs::metadata(&paths[0]).unwrap().len(), synced);
    store.close_blocking().unwrap();
    assert_eq!(reopen(folder.path(), &[]).restored.presses.len(), 3);
}

#[test]
fn j11_an_index_that_silently_lost_something_is_not_believed() {
    let folder = tempdir().unwrap();
    let all = filled(folder.path(), 5);
    super::index::lose_one_due(&folder.path().join("index"));
    let Opened { store, report, .. } = reopen(folder.path(), &["a"]);
    assert!(report.iter().any(|line| line.contains("does not add up")), "{report:?}");
    assert_eq!(ids(&store), all);
    store.close_blocking().unwrap();
}

#[test]
fn j7_a_missing_segment_is_told_and_the_rest_is_served() {
    for victim in [0, 1, 2] {
        let folder = tempdir().unwrap();
        filled(folder.path(), 60);
        let paths = segment_paths(folder.path());
        assert!(paths.len() > 3);
        fs::remove_file(&paths[victim]).unwrap();
        fs::remove_dir_all(folder.path().join("index")).unwrap();
        assert!(!check(folder.path()).sound);
        let Opened { store, report, .. } = reopen(folder.path(), &["a"]);
        assert!(report.iter().any(|line| line.contains("missing")), "{victim}: {report:?}");
        let left = ids(&store).len();
        assert!((40..60).contains(&left), "{victim}: {left}");
        let sums = store.ledger().of(&sink("a"));
        assert_eq!((sums.accepted, sums.pending), (60, left as u64), "{victim}");
        assert!(sums.holds(), "{victim}: {sums:?}");
        store.close_blocking().unwrap();
    }
}

#[test]
fn j2_a_record_that_was_cut_out_is_found_though_every_crc_is_right() {
    let folder = tempdir().unwrap();
    filled(folder.path(), 3);
    let path = &segment_paths(folder.path())[0];
    let bytes = fs::read(path).unwrap();
    let (frames, _) = walk(&bytes, SEGMENT_HEADER_BYTES, 0);
    let out = &frames[3];
    fs::write(path, [&bytes[..out.offset], &bytes[out.offset + out.len..]].concat()).unwrap();
    let report = check(folder.path());
    assert!(!report.sound);
    assert!(report.lines.iter().any(|line| line.contains("does not continue")), "{report:?}");
}

#[test]
fn j11_an_index_ahead_of_the_journal_is_told_and_no_seq_is_used_twice() {
    let folder = tempdir().unwrap();
    filled(folder.path(), 20);
    let paths = segment_paths(folder.path());
    fs::remove_file(paths.last().unwrap()).unwrap();
    let Opened { store, report, .. } = reopen(folder.path(), &["a"]);
    assert!(report.iter().any(|line| line.contains("the index has seen")), "{report:?}");
    let before: Vec<u64> = due(&store, "a", Lane::Bulk).iter().map(|due| due.seq).collect();
    put(&store, vec![change(record(IncidentId::new(), 1, Severity::NOTICE))]);
    let last = due(&store, "a", Lane::Bulk).pop().unwrap().seq;
    assert!(last > 22 && before.iter().all(|&seq| seq < last));
    store.close_blocking().unwrap();
}

#[test]
fn j5_a_segment_torn_while_it_was_created_is_made_anew_before_anything_is_appended() {
    let folder = tempdir().unwrap();
    filled(folder.path(), 2);
    let path = segment_paths(folder.path()).pop().unwrap();
    let before = fs::metadata(&path).unwrap().len();
    let next = journal::segment_path(&folder.path().join("journal"), 2);
    fs::write(&next, b"GRIDPJNL torn").unwrap();
    let Opened { store, report, .. } = reopen(folder.path(), &["a"]);
    assert!(report.iter().any(|line| line.contains("was being created")), "{report:?}");
    put(&store, vec![change(record(IncidentId::new(), 1, Severity::NOTICE))]);
    store.close_blocking().unwrap();
    assert_eq!(fs::metadata(&path).unwrap().len(), before);
    assert_eq!(ids(&reopen(folder.path(), &["a"]).store).len(), 3);
    assert!(check(folder.path()).sound);
}

/// A folder whose journal holds just these batches, every frame and hash right.
fn written(facts: &[Vec<Fact>]) -> tempfile::TempDir {
    let folder = tempdir().unwrap();
    reopen(folder.path(), &["a"]).store.close_blocking().unwrap();
    let data_folder = folder::DataFolder::new(folder.path());
    fs::remove_dir_all(data_folder.journal()).unwrap();
    fs::remove_dir_all(data_folder.index()).unwrap();
    fs::create_dir(data_folder.journal()).unwrap();
    let disk = Arc::new(disk::RealDisk);
    let (end, sizes) = (journal::JournalEnd::EMPTY, Default::default());
    let mut journal =
        journal::Journal::new(data_folder.journal(), disk, 1 << 20, end, sizes, false);
    journal.roll(format::FORMAT_VERSION).unwrap();
    for batch in facts {
        let payloads: Vec<_> = batch.iter().map(|fact| fact.encode().unwrap()).collect();
        journal.append(&[&payloads]).unwrap();
    }
    folder
}

#[test]
fn j8_a_segment_that_does_not_begin_with_its_sums_is_found() {
    let standing = Fact::Standing(facts::Standing {
        occasion: facts::Occasion::Opened,
        sinks: vec![sink("a")],
        carriers: Vec::new(),
        ledger: Ledger::default(),
    });
    let entry = || Fact::Entry(press("1"));
    let right = written(&[vec![standing.clone()], vec![entry()]]);
    assert!(check(right.path()).sound, "{:?}", check(right.path()));
    let wrong = check(written(&[vec![entry()], vec![standing]]).path());
    assert!(!wrong.sound);
    assert!(wrong.lines.iter().any(|line| line.contains("(J8)")), "{wrong:?}");
    assert!(wrong.lines.iter().any(|line| line.contains("what can be done")), "{wrong:?}");
}

#[test]
fn j10_a_settlement_is_taken_once_and_one_that_was_written_twice_is_found() {
    let standing = Fact::Standing(facts::Standing {
        occasion: facts::Occasion::Opened,
        sinks: vec![sink("a")],
        carriers: Vec::new(),
        ledger: Ledger::default(),
    });
    let settled = || {
        let settled = super::tests::settled("a", 2, Outcome::Delivered);
        Fact::Settled(facts::SettledFact { settled, kind: super::tests::KIND, piece: None })
    };
    let change = Fact::Entry(change(record(IncidentId::new(), 1, Severity::NOTICE)));
    let twice = written(&[vec![standing], vec![change], vec![settled()], vec![settled()]]);
    let wrong = check(twice.path());
    assert!(wrong.lines.iter().any(|line| line.contains("written twice")), "{wrong:?}");
    // The store itself takes it once, whoever asks: see `p4_the_ledger_adds_up…`.
    let store = reopen(twice.path(), &["a"]).store;
    let again = super::tests::settled("a", 2, Outcome::Delivered);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    assert_eq!(runtime.block_on(store.settle(again)), Err(SettleError::NotDue));
    store.close_blocking().unwrap();
}
