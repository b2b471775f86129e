//! An update that brings new words, before it is confirmed and after, and the program before it, which knows none of them.
//!
//! The words are today's. The program that has them as new ones is of the next format; the one before is simulated: what
//! it does not know cannot be read while [`OldProgram`] stands on this thread.

use std::{
    borrow::Cow,
    cell::Cell,
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use serde_json::Value;
use tempfile::tempdir;

use super::{
    disk::RealDisk,
    facts::{Fact, Occasion, Standing},
    format::{FORMAT_VERSION, PAYLOAD_BYTES_MAX},
    newer_words::{NEWER, NewerWord, WritableForms, WrittenForm},
    open::{FORK_REVISIONS, Tuning, open_with},
    tests::{change, config, deliver, due, press, put, record, reopen, settled, sink, tuning},
    *,
};
use crate::{
    base::Trial,
    domain::{NoMeter, Outcome, Severity, SourceKind, SourceRef, What},
};

/// Of the program that is being tried.
const NEXT: u32 = FORMAT_VERSION + 1;
const WORDS: &[NewerWord] = &[
    NewerWord { of: "Kind", word: "fallen", since: NEXT, read_as: "seen" },
    NewerWord { of: "What", word: "lapsed", since: NEXT, read_as: "updated" },
    NewerWord { of: "Outcome", word: "expired", since: NEXT, read_as: "shed" },
    NewerWord { of: "Sums", word: "expired", since: NEXT, read_as: "shed" },
];
/// As they stand in a payload.
const UNKNOWN: &[&str] = &["\"fallen\"", "\"lapsed\"", "\"expired\":{"];

thread_local! {
    static IS_OLD: Cell<bool> = const { Cell::new(false) };
}

/// As long as it stands, this thread reads journals as the program before.
struct OldProgram;

impl OldProgram {
    fn new() -> Self {
        IS_OLD.set(true);
        Self
    }
}

impl Drop for OldProgram {
    fn drop(&mut self) {
        IS_OLD.set(false);
    }
}

/// What the program before reads of a payload: not the field `newer`, and nothing that has an unknown word.
pub(super) fn as_an_older_program_reads(payload: &[u8]) -> Result<Cow<'_, [u8]>, String> {
    if !IS_OLD.get() {
        return Ok(payload.into());
    }
    let mut value: Value = serde_json::from_slice(payload).map_err(|error| error.to_string())?;
    if let Some(fields) = value.as_object_mut() {
        fields.remove("newer");
    }
    let text = value.to_string();
    match UNKNOWN.iter().find(|word| text.contains(*word)) {
        Some(word) => Err(format!("unknown variant {word}")),
        None => Ok(text.into_bytes().into()),
    }
}

fn written(words: &'static [NewerWord], trial: Option<Trial>) -> WritableForms {
    WritableForms { own: NEXT, words, trial: Arc::new(move || trial) }
}

fn tried() -> Option<Trial> {
    Some(Trial { before_reads: Some(FORMAT_VERSION) })
}

fn open_as(folder: &Path, written: WritableForms) -> Result<Opened, OpenError> {
    let tuning = Tuning { written, ..tuning(Arc::new(RealDisk)) };
    open_with(&config(folder), &[sink("a").into()], Arc::new(NoMeter), tuning)
}

fn format(folder: &Path) -> u32 {
    format_of(folder).unwrap()
}

/// The format in the header of the newest segment.
fn newest_header(folder: &Path) -> u32 {
    let journal = folder.join("journal");
    let last = journal::segments(&journal).unwrap().pop().unwrap();
    let bytes = fs::read(journal::segment_path(&journal, last)).unwrap();
    u32::from_le_bytes(bytes[8..12].try_into().unwrap())
}

fn of_kind(kind: Kind, revision: u32) -> Record {
    let mut record = record(IncidentId::new(), revision, Severity::ALERT);
    record.incident.kind = kind;
    record
}

fn is_told_unread(report: &[String]) -> bool {
    report.iter().any(|line| line.contains("is kept for a newer one"))
}

/// As the writer writes it in a folder of the format before.
fn older(fact: &Fact) -> Option<Vec<u8>> {
    let form = WrittenForm::new(written(WORDS, None), FORMAT_VERSION);
    let payload = fact.encode().unwrap();
    let written = form.older(std::slice::from_ref(fact), std::slice::from_ref(&payload))?;
    let [written] = <[_; 1]>::try_from(written).unwrap();
    assert_eq!((written.kind, written.version), (payload.kind, payload.version));
    (written != payload).then_some(written.bytes)
}

fn as_the_old_one(fact: &Fact, bytes: &[u8]) -> Result<Fact, String> {
    let payload = fact.encode().unwrap();
    let _old = OldProgram::new();
    Fact::decode(payload.kind, payload.version, bytes)
}

#[test]
fn a_record_with_a_newer_word_is_read_by_both_programs_each_with_its_own() {
    let mut record = of_kind(Kind::Fallen, 1);
    record.what = What::Lapsed;
    record.incident.why = "he says \"fallen\", {\"newer\":1}".into();
    let source =
        SourceRef { id: "fallen".into(), kind: SourceKind::Camera, name: "expired".into() };
    record.incident.sources.push(source);
    let fact = Fact::Entry(change(record.clone()));
    let bytes = older(&fact).unwrap();
    assert_eq!(Fact::decode(2, 1, &bytes), Ok(fact.clone()), "the new one reads its own words");
    // Of the simulated one only enums count here: what people wrote stays.
    let read: Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!((&read["what"], &read["incident"]["kind"]), (&"updated".into(), &"seen".into()));
    assert_eq!(read["incident"]["why"], record.incident.why.as_str());
    assert_eq!(read["incident"]["sources"][0]["id"], "fallen");
    assert_eq!(read["entry"], "change");
    // A record without a newer word is written once.
    assert_eq!(older(&Fact::Entry(change(of_kind(Kind::Seen, 1)))), None);
    assert_eq!(older(&Fact::Entry(press("1"))), None);
}

#[test]
fn sums_of_a_newer_word_are_added_to_those_of_the_older_one() {
    let mut ledger = Ledger::default();
    ledger.accepted.extend([(Kind::Fallen, 2), (Kind::Seen, 3), (Kind::Rain, 1)]);
    let fallen = Sums { accepted: 2, expired: 1, shed: 0, delivered: 1, ..Sums::default() };
    let seen = Sums { accepted: 3, shed: 1, pending: 2, ..Sums::default() };
    let sums = [(Kind::Fallen, fallen), (Kind::Seen, seen)].into_iter().collect();
    ledger.sinks.insert(sink("a"), sums);
    let standing = |ledger| {
        let (sinks, carriers) = (vec![sink("a")], Vec::new());
        Fact::Standing(Standing { occasion: Occasion::Closed, sinks, carriers, ledger })
    };
    let fact = standing(ledger);
    let bytes = older(&fact).unwrap();
    assert_eq!(Fact::decode(16, 1, &bytes), Ok(fact.clone()));
    let Ok(Fact::Standing(read)) = as_the_old_one(&fact, &bytes) else { panic!() };
    assert_eq!(read.ledger.accepted, [(Kind::Seen, 5), (Kind::Rain, 1)].into_iter().collect());
    let sums = read.ledger.sinks[&sink("a")][&Kind::Seen];
    assert_eq!(sums, Sums { accepted: 5, shed: 2, pending: 2, delivered: 1, ..Sums::default() });
    assert!(read.ledger.holds() && sums.holds());
}

#[test]
fn a_record_too_large_for_both_is_written_for_the_program_that_may_come_back() {
    let mut record = of_kind(Kind::Fallen, 1);
    record.incident.why = "x".repeat(PAYLOAD_BYTES_MAX / 2);
    let fact = Fact::Entry(change(record));
    let bytes = older(&fact).unwrap();
    assert!(!bytes.starts_with(NEWER) && bytes.len() < PAYLOAD_BYTES_MAX);
    let Ok(Fact::Entry(Entry::Change(read))) = as_the_old_one(&fact, &bytes) else { panic!() };
    assert_eq!(read.incident.kind, Kind::Seen);
}

#[test]
fn a_payload_that_begins_as_one_of_both_is_read_or_refused_and_never_panics() {
    let fact = Fact::Entry(change(of_kind(Kind::Fallen, 1)));
    let bytes = older(&fact).unwrap();
    for length in 0..bytes.len() {
        // The first of both may be whole already: that is what counts.
        if let Ok(read) = Fact::decode(2, 1, &bytes[..length]) {
            assert_eq!(read, fact, "cut at {length}");
        }
    }
    for wrong in
        ["{\"newer\":", "{\"newer\":}", "{\"newer\":null}", "{\"newer\":{},\"entry\":\"no\"}"]
    {
        assert!(Fact::decode(2, 1, wrong.as_bytes()).is_err(), "{wrong}");
    }
    // A word that even this program does not know: it is the older one for whoever came after.
    let text = String::from_utf8(bytes).unwrap().replace("\"fallen\"", "\"flying\"");
    let Ok(Fact::Entry(Entry::Change(read))) = Fact::decode(2, 1, text.as_bytes()) else {
        panic!()
    };
    assert_eq!(read.incident.kind, Kind::Seen);
}

#[test]
fn j13_what_was_written_while_an_update_was_tried_is_served_by_the_program_before() {
    [true, false].into_iter().for_each(takes_back);
}

/// `indexed`: each program finds the index of the one before it.
fn takes_back(indexed: bool) {
    let folder = tempdir().unwrap();
    let forget_index = || {
        if !indexed {
            fs::remove_dir_all(folder.path().join("index")).unwrap();
        }
    };
    reopen(folder.path(), &["a"]).store.close_blocking().unwrap();
    assert_eq!(format(folder.path()), FORMAT_VERSION);
    // The update: presses and records with new words.
    let store = open_as(folder.path(), written(WORDS, tried())).unwrap().store;
    let (mut fallen, told) = (of_kind(Kind::Fallen, 1), of_kind(Kind::Fallen, 1));
    fallen.incident.severity = Severity::EMERGENCY;
    let id = fallen.incident.id;
    put(&store, vec![press("during"), change(fallen.clone()), change(told)]);
    let seq = due(&store, "a", Lane::Bulk)[0].seq;
    let expired = Outcome::Expired { reason: "too late".into() };
    put(&store, vec![Entry::Settled(settled("a", seq, expired))]);
    assert_eq!(store.incident(id).unwrap().incident.kind, Kind::Fallen);
    store.migrate_when_confirmed().unwrap();
    store.close_blocking().unwrap();
    assert_eq!(
        (format(folder.path()), newest_header(folder.path())),
        (FORMAT_VERSION, FORMAT_VERSION)
    );
    assert!(check(folder.path()).sound, "{:?}", check(folder.path()));
    // It is taken back.
    forget_index();
    {
        let _old = OldProgram::new();
        let Opened { store, restored, report } = reopen(folder.path(), &["a"]);
        assert!(
            !is_told_unread(&report) && !report.iter().any(|line| line.contains("lost")),
            "{report:?}"
        );
        assert_eq!(restored.presses.len(), 1);
        let there = restored.live.iter().find(|record| record.incident.id == id).unwrap();
        assert_eq!((there.incident.kind, there.incident.revision), (Kind::Seen, 1));
        let sums = store.ledger().of(&sink("a"));
        assert_eq!(sums, Sums { accepted: 2, pending: 1, shed: 1, ..Sums::default() });
        let emergency = due(&store, "a", Lane::Emergency);
        assert_eq!(emergency.len(), 1, "it is owed still");
        deliver(&store, "a", emergency[0].seq);
        let mut next = there.clone();
        next.incident.revision = 2;
        put(&store, vec![change(next)]);
        store.close_blocking().unwrap();
        let report = check(folder.path());
        assert!(report.sound, "{report:?}");
    }
    // The update once more, and this time it counts.
    forget_index();
    let Opened { store, report, .. } = open_as(folder.path(), written(WORDS, None)).unwrap();
    assert!(!is_told_unread(&report), "{report:?}");
    assert_eq!(format(folder.path()), NEXT);
    assert_eq!(store.incident(id).unwrap().incident.revision, 2);
    assert!(store.ledger().holds());
    store.close_blocking().unwrap();
    let Err(OpenError::Newer { found, known, .. }) =
        open_with(&config(folder.path()), &[], Arc::new(NoMeter), Tuning::default())
    else {
        panic!("the program before opens what it cannot read")
    };
    assert_eq!((found, known), (NEXT, FORMAT_VERSION));
}

#[test]
fn j13_the_folder_is_migrated_when_the_update_is_confirmed_and_not_before() {
    let folder = tempdir().unwrap();
    reopen(folder.path(), &["a"]).store.close_blocking().unwrap();
    let confirmed = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&confirmed);
    let trial = move || if asked.load(Ordering::SeqCst) { None } else { tried() };
    let written = WritableForms { own: NEXT, words: WORDS, trial: Arc::new(trial) };
    let store = open_as(folder.path(), written).unwrap().store;
    let both = || {
        let text = fs::read(folder.path().join("journal/00000001.log")).unwrap();
        text.windows(NEWER.len()).filter(|part| *part == NEWER).count()
    };
    put(&store, vec![change(of_kind(Kind::Rain, 1))]);
    store.migrate_when_confirmed().unwrap();
    assert_eq!((format(folder.path()), both()), (FORMAT_VERSION, 0));
    put(&store, vec![change(of_kind(Kind::Fallen, 1))]);
    assert_eq!(both(), 1);
    confirmed.store(true, Ordering::SeqCst);
    store.migrate_when_confirmed().unwrap();
    assert_eq!(format(folder.path()), NEXT);
    put(&store, vec![change(of_kind(Kind::Fallen, 1))]);
    assert_eq!(both(), 1, "from now on once");
    store.migrate_when_confirmed().unwrap();
    store.close_blocking().unwrap();
    assert_eq!(format(folder.path()), NEXT);
}

#[test]
fn a_folder_has_the_format_that_both_versions_read() {
    let form = |trial, found| {
        WritableForms { own: 5, words: &[], trial: Arc::new(move || trial) }.format_of(found)
    };
    let reads = |before_reads| Some(Trial { before_reads });
    for (trial, found, format) in [
        // It counts: its own.
        (None, None, 5),
        (None, Some(1), 5),
        (None, Some(5), 5),
        // Tried: what is there; of a new folder what the version before reads.
        (reads(Some(4)), Some(3), 3),
        (reads(None), Some(4), 4),
        (reads(Some(4)), None, 4),
        (reads(Some(9)), None, 5),
        (reads(None), None, 5),
        // Older than what this program can write: that was given up with `--no-way-back`.
        (reads(Some(1)), Some(1), 5),
        (reads(Some(1)), None, 5),
    ] {
        assert_eq!(form(trial, found), format, "{trial:?} {found:?}");
    }
}

/// A folder to which a newer program has written what the one before cannot read, without a word for it. Returns the
/// incident that nobody else knows, and one that went on in a record that cannot be read.
fn with_unreadable_records(folder: &Path) -> (IncidentId, IncidentId) {
    let store =
        open_as(folder, WritableForms { own: FORMAT_VERSION, ..written(&[], None) }).unwrap().store;
    let (fallen, rain) = (of_kind(Kind::Fallen, 1), of_kind(Kind::Rain, 1));
    let (one, other) = (fallen.incident.id, rain.incident.id);
    let mut lapsed = rain.clone();
    (lapsed.what, lapsed.incident.revision) = (What::Lapsed, 2);
    put(&store, vec![press("p"), change(fallen), change(rain)]);
    put(&store, vec![change(lapsed)]);
    store.close_blocking().unwrap();
    (one, other)
}

/// Anywhere in the journal.
fn journal_holds(folder: &Path, text: &str) -> bool {
    let files = fs::read_dir(folder.join("journal")).unwrap();
    let mut bytes = files.map(|file| fs::read(file.unwrap().path()).unwrap());
    bytes.any(|bytes| bytes.windows(text.len()).any(|part| part == text.as_bytes()))
}

#[test]
fn j12_a_record_that_cannot_be_read_is_told_kept_never_counted_and_served_by_who_can_read_it() {
    let folder = tempdir().unwrap();
    let (one, other) = with_unreadable_records(folder.path());
    fs::remove_dir_all(folder.path().join("index")).unwrap();
    {
        let _old = OldProgram::new();
        let Opened { store, restored, report } = reopen(folder.path(), &["a"]);
        assert!(is_told_unread(&report), "{report:?}");
        assert!(report.iter().all(|line| !line.contains("lost")), "{report:?}");
        assert!(store.incident(one).is_none());
        // A receiver may have its revision 2.
        let there = restored.live.iter().find(|record| record.incident.id == other).unwrap();
        assert_eq!(there.incident.revision, 1 + FORK_REVISIONS);
        assert_eq!(store.recall(other).unwrap().incident.revision, 1 + FORK_REVISIONS);
        let sums = store.ledger().of(&sink("a"));
        assert!(store.ledger().holds() && sums.lost == 0, "{sums:?}");
        store.close_blocking().unwrap();
        let report = check(folder.path());
        assert!(report.sound && is_told_unread(&report.lines), "{report:?}");
        // With its index too.
        reopen(folder.path(), &["a"]).store.close_blocking().unwrap();
    }
    let Opened { store, report, .. } = reopen(folder.path(), &["a"]);
    let why = "the version before could not read all records";
    // The simulated one knows the same format, so that the index alone would not tell.
    assert!(report.iter().any(|line| line.contains(why)), "{report:?}");
    assert_eq!(store.incident(one).unwrap().incident.kind, Kind::Fallen);
    let owed: Vec<IncidentId> =
        due(&store, "a", Lane::Bulk).iter().map(|due| due.record.incident.id).collect();
    assert!(owed.contains(&one), "{owed:?}");
    assert!(store.ledger().holds());
    store.close_blocking().unwrap();
    let report = reopen(folder.path(), &["a"]).report;
    assert!(!report.iter().any(|line| line.contains(why)), "once: {report:?}");
}

#[test]
fn j12_a_record_that_cannot_be_read_does_not_leave_with_its_segment() {
    let folder = tempdir().unwrap();
    let (one, _) = with_unreadable_records(folder.path());
    fs::remove_dir_all(folder.path().join("index")).unwrap();
    {
        let _old = OldProgram::new();
        let (segment_bytes, max_bytes) = (32 << 10, 96 << 10);
        let small = Config { segment_bytes, max_bytes, ..config(folder.path()) };
        let tuning = tuning(Arc::new(RealDisk));
        let store = open_with(&small, &[], Arc::new(NoMeter), tuning).unwrap().store;
        for _ in 0..200 {
            let mut over = record(IncidentId::new(), 1, Severity::NOTICE);
            (over.incident.stage, over.incident.active) = (crate::domain::Stage::Closed, false);
            put(&store, vec![change(over)]);
        }
        store.close_blocking().unwrap();
        let first = journal::segments(&folder.path().join("journal")).unwrap()[0];
        assert!(first > 1, "the segment with these records has left");
        assert!(journal_holds(folder.path(), &one.to_string()));
        let report = check(folder.path());
        assert!(report.sound && is_told_unread(&report.lines), "{report:?}");
    }
    let store = reopen(folder.path(), &[]).store;
    assert_eq!(store.incident(one).unwrap().incident.kind, Kind::Fallen);
    store.close_blocking().unwrap();
}

#[test]
fn of_many_records_that_cannot_be_read_ten_are_told_and_the_rest_counted() {
    let folder = tempdir().unwrap();
    let written = WritableForms { own: FORMAT_VERSION, ..written(&[], None) };
    let store = open_as(folder.path(), written).unwrap().store;
    for _ in 0..25 {
        put(&store, vec![change(of_kind(Kind::Fallen, 1))]);
    }
    store.close_blocking().unwrap();
    fs::remove_dir_all(folder.path().join("index")).unwrap();
    let _old = OldProgram::new();
    let Opened { store, report, .. } = reopen(folder.path(), &["a"]);
    let told = report.iter().filter(|line| line.contains("is kept for a newer one")).count();
    assert_eq!(told, 10);
    // The sums that were written at the close have the kind too.
    assert!(
        report.iter().any(|line| line.contains("more records that this version cannot read")),
        "{report:?}"
    );
    store.close_blocking().unwrap();
}
