//! Lines of cases: what leaves the journal stays in the figures, whatever was cut off, torn or deleted.

use std::{fs, path::Path};

use jiff::{SignedDuration, Timestamp};

use super::{CaseFiles, case_lines};
use crate::{
    domain::{
        CaseLine, CaseLines, CaseStep, Entry, IncidentId, Kind, Now, ReplyTo, Severity, Stage,
    },
    store::{
        Config, Opened, Store, backup, check,
        disk::RealDisk,
        folder::DataFolder,
        restore,
        tests::{change, new_store, noon, put, record, reopen},
    },
};

/// A case that was opened so many days after the first of July, as it is at this revision.
fn case(id: IncidentId, revision: u32, stage: Stage, day: i64) -> Entry {
    let mut record = record(id, revision, Severity::NOTICE);
    let incident = &mut record.incident;
    incident.opened_at += SignedDuration::from_hours(24 * day);
    (incident.stage, incident.active) = (stage, !stage.is_over());
    incident.life.push(CaseStep::new(ReplyTo::Accepted, "甲", noon(), revision));
    incident.why = "x".repeat(500);
    change(record)
}

fn all(store: &Store) -> CaseLines {
    store.case_lines(Timestamp::MIN, Timestamp::MAX)
}

/// Cases that are over; ids in the order of the lines.
fn closed(store: &Store, count: usize) -> Vec<IncidentId> {
    let mut ids: Vec<IncidentId> = (0..count).map(|_| IncidentId::new()).collect();
    ids.sort();
    for (n, id) in ids.iter().enumerate() {
        put(store, vec![case(*id, 1, Stage::Opened, n as i64)]);
        put(store, vec![case(*id, 2, Stage::Closed, n as i64)]);
    }
    ids
}

fn without_the_journal(folder: &Path) {
    for part in ["journal", "index"] {
        fs::remove_dir_all(folder.join(part)).unwrap();
    }
}

#[test]
fn what_the_journal_lost_is_in_the_figures_all_the_same() {
    let (folder, store) = new_store(&[]);
    let ids = closed(&store, 40);
    let open = IncidentId::new();
    put(&store, vec![case(open, 1, Stage::Accepted, 3)]);
    let before = all(&store);
    assert_eq!((before.lines.len(), before.unreadable), (41, 0));
    store.close_blocking().unwrap();
    assert_eq!(case_lines(folder.path(), Timestamp::MIN, Timestamp::MAX).unwrap(), before);
    let months: Vec<String> = ["2026-07", "2026-08"].map(|month| format!("{month}.jsonl")).into();
    for month in &months {
        assert!(folder.path().join("figures").join(month).is_file(), "{month}");
    }

    without_the_journal(folder.path());
    let store = reopen(folder.path(), &[]).store;
    let after = all(&store);
    let known = |lines: &CaseLines| lines.lines.iter().map(|line| line.id).collect::<Vec<_>>();
    assert_eq!(known(&after), ids, "what was open is gone with its record");
    assert!(after.lines.iter().all(|line| before.lines.contains(line)));
    // A month is read, and what is before and after it is not.
    let august = noon() + SignedDuration::from_hours(24 * 31);
    let only = store.case_lines(august, Timestamp::MAX);
    assert_eq!(known(&only), ids[31..], "from the first of August at noon on");
    // A new journal begins at the same numbers: nothing of it is taken for written.
    let more = closed(&store, 2);
    store.close_blocking().unwrap();
    without_the_journal(folder.path());
    let store = reopen(folder.path(), &[]).store;
    assert_eq!(all(&store).lines.len(), 42);
    assert!(more.iter().all(|id| known(&all(&store)).contains(id)));
}

#[test]
fn l3_segments_leave_and_the_figures_stay() {
    let (folder, store) = new_store(&[]);
    store.close_blocking().unwrap();
    let config = Config {
        min_free_bytes: 0,
        segment_bytes: 16 << 10,
        max_bytes: 64 << 10,
        ..Config::at(folder.path())
    };
    let meter = std::sync::Arc::new(crate::domain::NoMeter);
    let store = crate::store::open(&config, &[], meter).unwrap().store;
    let open = IncidentId::new();
    put(&store, vec![case(open, 1, Stage::Accepted, 0)]);
    let ids = closed(&store, 200);
    let left = DataFolder::new(folder.path()).journal().read_dir().unwrap().count();
    assert!(left < 8 && store.incident(ids[0]).is_none(), "{left} segments: none has left");
    let lines = all(&store);
    assert_eq!((lines.lines.len(), lines.unreadable), (201, 0));
    let revisions = lines.lines.iter().filter(|line| line.revision == 2).count();
    assert_eq!(revisions, 200);
    store.close_blocking().unwrap();
    assert_eq!(case_lines(folder.path(), Timestamp::MIN, Timestamp::MAX).unwrap(), lines);
}

#[test]
fn a_case_that_is_reopened_counts_as_it_is_now() {
    let (folder, store) = new_store(&[]);
    let ids = closed(&store, 2);
    store.keep_case_lines().unwrap();
    put(&store, vec![case(ids[0], 3, Stage::Opened, 0)]);
    let stages = |store: &Store| {
        all(store).lines.iter().map(|line| (line.revision, line.stage)).collect::<Vec<_>>()
    };
    assert_eq!(stages(&store), [(3, Stage::Opened), (2, Stage::Closed)]);
    put(&store, vec![case(ids[0], 4, Stage::Dismissed, 0)]);
    assert_eq!(stages(&store), [(4, Stage::Dismissed), (2, Stage::Closed)]);
    store.close_blocking().unwrap();
    without_the_journal(folder.path());
    let store = reopen(folder.path(), &[]).store;
    assert_eq!(stages(&store), [(4, Stage::Dismissed), (2, Stage::Closed)]);
    let text = fs::read_to_string(folder.path().join("figures/2026-07.jsonl")).unwrap();
    assert_eq!(text.lines().count(), 3, "both of its lines are there");
}

#[test]
fn a_torn_line_costs_nothing_and_a_bent_one_itself() {
    let (folder, store) = new_store(&[]);
    let ids = closed(&store, 3);
    store.close_blocking().unwrap();
    let path = folder.path().join("figures/2026-07.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    // Cut in the middle of the last line, and the note of what is complete not written.
    fs::write(&path, &text[..text.len() - 20]).unwrap();
    fs::remove_file(folder.path().join("figures/through")).unwrap();
    let store = reopen(folder.path(), &[]).store;
    assert_eq!(all(&store).lines.len(), 3, "the journal has it");
    assert_eq!(store.keep_case_lines().unwrap(), 3, "all is written again");
    assert_eq!(store.keep_case_lines().unwrap(), 0);
    store.close_blocking().unwrap();
    without_the_journal(folder.path());
    let Opened { store, .. } = reopen(folder.path(), &[]);
    let lines = all(&store);
    assert_eq!((lines.lines.len(), lines.unreadable), (3, 1), "the torn one is there, and told");
    store.close_blocking().unwrap();
    // Bytes that are no text, a line that is no case, an empty one: each costs itself.
    let mut bytes = text.replace("\n", "\n\n").replacen("revision", "reversion", 1).into_bytes();
    bytes.extend([0xff, b'\n', b'7', b'\n']);
    fs::write(&path, bytes).unwrap();
    let lines = case_lines(folder.path(), Timestamp::MIN, Timestamp::MAX).unwrap();
    let left: Vec<IncidentId> = lines.lines.iter().map(|line| line.id).collect();
    assert_eq!((left.as_slice(), lines.unreadable), (&ids[1..], 3));
    let report = check(folder.path());
    assert!(
        report.lines.iter().any(|line| line.contains("3 of them cannot be read")),
        "{report:?}"
    );
}

#[test]
fn a_case_that_cannot_be_read_back_is_missed_and_never_in_silence() {
    let (folder, store) = new_store(&[]);
    let ids = closed(&store, 2);
    let segment = folder.path().join("journal/00000001.log");
    let mut bytes = fs::read(&segment).unwrap();
    let id = ids[0].to_string();
    let at = bytes.windows(id.len()).rposition(|window| window == id.as_bytes()).unwrap();
    bytes[at] ^= 1;
    // In place: the store has the file open.
    let file = fs::OpenOptions::new().write(true).open(&segment).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &bytes, 0).unwrap();
    for written in [2, 0] {
        let lines = all(&store);
        let left: Vec<IncidentId> = lines.lines.iter().map(|line| line.id).collect();
        assert_eq!((left.as_slice(), lines.unreadable), (&ids[1..], 1));
        assert_eq!(store.keep_case_lines().unwrap(), written);
    }
    store.close_blocking().unwrap();
}

#[test]
fn a_journal_of_years_is_written_off_in_parts() {
    let (folder, store) = new_store(&[]);
    closed(&store, 30);
    let files = |most| {
        let shared = &store.inner.shared;
        let part = super::Part::AtMost(most);
        shared.case_files.catch_up(shared, &RealDisk, part).unwrap()
    };
    let written = || {
        let read = |path: &Path| fs::read_to_string(path).unwrap().lines().count();
        let all = super::months(&folder.path().join("figures")).unwrap();
        all.iter().map(|(_, path)| read(path)).sum::<usize>()
    };
    for (most, now, sum) in [(7, 7, 7), (0, 0, 7), (20, 20, 27), (20, 3, 30), (20, 0, 30)] {
        assert_eq!((files(most), written()), (now, sum));
        assert_eq!(all(&store).lines.len(), 30, "none twice, none missing");
    }
    store.close_blocking().unwrap();
}

#[test]
fn a_line_of_silence_is_found_in_whatever_month() {
    let (_folder, store) = new_store(&[]);
    let id = IncidentId::new();
    let mut silence = record(id, 1, Severity::NOTICE);
    silence.incident.kind = Kind::DeviceSilent;
    (silence.incident.stage, silence.incident.active) = (Stage::Closed, false);
    put(&store, vec![change(silence)]);
    closed(&store, 1);
    store.keep_case_lines().unwrap();
    let later = noon() + SignedDuration::from_hours(24 * 100);
    let found = store.case_lines(later, Timestamp::MAX).lines;
    assert_eq!(found.iter().map(|line| line.id).collect::<Vec<_>>(), [id]);
    let before = noon() - SignedDuration::from_secs(1);
    assert!(store.case_lines(Timestamp::MIN, before).lines.is_empty());
}

#[test]
fn p9_months_leave_by_age_and_by_bytes_and_never_by_a_wrong_clock() {
    let folder = tempfile::tempdir().unwrap();
    let data_folder = DataFolder::new(folder.path());
    fs::create_dir(data_folder.figures()).unwrap();
    let all = ["1970-01", "2026-01", "2026-06", "2026-07", "2031-01"];
    let left = |days, max_bytes, wall: &str| {
        for month in all {
            fs::write(data_folder.figures().join(format!("{month}.jsonl")), [b'x'; 100]).unwrap();
        }
        let config = Config {
            figures_days: days,
            figures_max_bytes: max_bytes,
            ..Config::at(folder.path())
        };
        let files = CaseFiles::open(&data_folder, &config);
        let now = Now { wall: wall.parse().unwrap(), mono_ms: 0 };
        files.prune(&RealDisk, now).unwrap();
        let months = super::months(&data_folder.figures()).unwrap();
        months.iter().map(|(month, _)| month.to_string()[..7].to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(left(1096, 500, "2026-07-15T00:00:00Z"), all);
    assert_eq!(left(31, 500, "2026-08-01T00:00:01Z"), ["1970-01", "2026-07", "2031-01"]);
    let a_second_before = left(31, 500, "2026-08-01T00:00:00Z");
    assert_eq!(a_second_before, ["1970-01", "2026-06", "2026-07", "2031-01"]);
    assert_eq!(left(31, 500, "1970-01-02T00:00:00Z"), all, "a clock that was not set yet");
    assert_eq!(left(1096, 499, "2026-07-15T00:00:00Z"), all[1..], "the oldest one first");
    assert_eq!(left(1096, 0, "2026-07-15T00:00:00Z"), ["2031-01"], "one month stays");
}

#[test]
fn a_backup_has_the_figures_too() {
    let (folder, store) = new_store(&[]);
    closed(&store, 5);
    store.keep_case_lines().unwrap();
    let before = all(&store);
    let copies = tempfile::tempdir().unwrap();
    let (copy, restored) = (copies.path().join("copy"), copies.path().join("restored"));
    backup(folder.path(), &copy, None).unwrap();
    restore(&copy, &restored, noon(), None).unwrap();
    let figures = |path: &Path| fs::read_to_string(path.join("figures/2026-07.jsonl")).unwrap();
    assert_eq!(figures(&restored), figures(folder.path()), "and nothing is written twice");
    let found = case_lines(&restored, Timestamp::MIN, Timestamp::MAX).unwrap();
    assert_eq!(found, before);
    store.close_blocking().unwrap();
}

#[test]
fn a_disk_that_refuses_the_figures_costs_no_press() {
    use crate::store::{
        open::open_with,
        tests::{config, press, tuning},
    };
    let folder = tempfile::tempdir().unwrap();
    // A file stands where the folder should be: no line can be written, and all else can.
    fs::write(folder.path().join("figures"), "").unwrap();
    let disk = std::sync::Arc::new(RealDisk);
    let config = Config { max_bytes: 64 << 10, ..config(folder.path()) };
    let meter = std::sync::Arc::new(crate::domain::NoMeter);
    let store = open_with(&config, &[], meter, tuning(disk)).unwrap().store;
    closed(&store, 200);
    assert!(store.keep_case_lines().is_err());
    assert_eq!(all(&store).unreadable, 1, "and the table says that something is missing");
    put(&store, vec![press("1")]);
    assert!(store.is_available().is_ok());
    let journal = store.space().journal_bytes;
    assert!((64 << 10..128 << 10).contains(&journal), "{journal}: kept longer, and not for ever");
    store.close_blocking().unwrap();
}

/// A line is what its record says, also where it is read back from the file.
#[test]
fn a_line_in_the_file_is_that_of_the_record() {
    let (folder, store) = new_store(&[]);
    let id = closed(&store, 1)[0];
    let record = store.incident(id).unwrap();
    store.close_blocking().unwrap();
    let text = fs::read_to_string(folder.path().join("figures/2026-07.jsonl")).unwrap();
    let line: CaseLine = serde_json::from_str(&text).unwrap();
    assert_eq!(line, CaseLine::of(&record.incident));
}
