//! How long evidence stays: by kind and camera, by holds, and when bytes run out; each deletion is on record.

use std::{fs, sync::Arc};

use jiff::{SignedDuration, Timestamp};

use super::{
    disk::RealDisk,
    open::open_with,
    tests::{change, config, kept, new_store, put, record, tuning},
    *,
};
use crate::domain::{NoMeter, Now, Severity, SourceKind, SourceRef, Stage};

/// A closed incident of this kind and camera, with one piece of so many bytes.
fn closed(store: &Store, kind: Kind, camera: &str, bytes: usize) -> (IncidentId, EvidenceId) {
    let new = store.new_evidence(EvidenceId::new(), "jpg").unwrap();
    let piece = kept(store, new, "image/jpeg", &vec![7; bytes]);
    let id = piece.id;
    let mut record = record(IncidentId::new(), 1, Severity::NOTICE);
    let incident = record.incident.id;
    record.incident.stage = Stage::Closed;
    record.incident.kind = kind;
    let source = SourceRef { id: camera.into(), kind: SourceKind::Camera, name: camera.into() };
    record.incident.sources.push(source);
    record.incident.evidence.push(piece);
    put(store, vec![change(record)]);
    (incident, id)
}

/// So many days after this piece was made, and the same by the monotonic clock.
fn after(piece: EvidenceId, days: i64, hours: u64) -> Now {
    let (seconds, _) = piece.0.get_timestamp().unwrap().to_unix();
    let made = Timestamp::from_second(i64::try_from(seconds).unwrap()).unwrap();
    let wall = made + SignedDuration::from_hours(days * 24 + i64::try_from(hours).unwrap());
    Now { wall, mono_ms: hours * 3_600_000 }
}

#[test]
fn each_kind_and_camera_has_its_own_days_and_a_hold_outlasts_them() {
    let (folder, store) = new_store(&[]);
    let over = |kind: Option<Kind>, camera: Option<&str>, days| KeepOverride {
        kind,
        camera: camera.map(Into::into),
        days,
    };
    store.keep_by(&EvidenceConfig {
        keep_days: Some(30),
        keep: vec![over(Some(Kind::Intrusion), None, 60), over(None, Some("vault"), 90)],
        ..EvidenceConfig::default()
    });
    let (_, plain) = closed(&store, Kind::Line, "gate", 10);
    let (_, intrusion) = closed(&store, Kind::Intrusion, "gate", 10);
    let (_, vault) = closed(&store, Kind::Intrusion, "vault", 10);
    let (case, held) = closed(&store, Kind::Line, "gate", 10);
    let hold = |at: Timestamp| HoldOrder {
        incident: case,
        by: "李警官".into(),
        why: "案件".into(),
        days: 180,
        at,
    };
    assert!(store.hold(&hold(after(held, 0, 0).wall)).unwrap().is_some());
    let unknown = HoldOrder { incident: IncidentId::new(), ..hold(after(held, 0, 0).wall) };
    assert_eq!(store.hold(&unknown).unwrap(), None);
    let left = |store: &Store| {
        let all = [plain, intrusion, vault, held].into_iter();
        all.map(|id| store.evidence_path(id).is_some()).collect::<Vec<bool>>()
    };
    // The clock is proved by an hour at each of these times.
    for (days, expected) in [
        (29, [true, true, true, true]),
        (31, [false, true, true, true]),
        (61, [false, false, true, true]),
        (91, [false, false, false, true]),
        (179, [false, false, false, true]),
        (181, [false, false, false, false]),
    ] {
        store.tidy(after(plain, days, 0)).unwrap();
        store.tidy(after(plain, days, 2)).unwrap();
        assert_eq!(left(&store), expected, "{days} days");
    }
    store.close_blocking().unwrap();
    let report = check(folder.path());
    assert!(report.sound, "each that is gone is on record: {:?}", report.lines);
    assert!(report.lines.iter().any(|line| line.contains("4 named, 4 removed")), "{report:?}");
}

#[test]
fn when_bytes_run_out_the_oldest_goes_first_and_what_is_held_last() {
    let (_folder, store) = new_store(&[]);
    let (case, oldest) = closed(&store, Kind::Line, "gate", 100);
    let (_, older) = closed(&store, Kind::Line, "gate", 100);
    let (_, newest) = closed(&store, Kind::Line, "gate", 100);
    let now = after(oldest, 1, 0);
    let (by, why) = ("李警官".into(), "案件".into());
    let order = HoldOrder { incident: case, by, why, days: 180, at: now.wall };
    store.hold(&order).unwrap();
    let is_there = |id| store.evidence_path(id).is_some();
    assert_eq!(store.make_room(None, (0, 0), "a test", now).unwrap(), 0);
    // Ids of one millisecond may come in any order: of two that nobody holds one is left.
    assert_eq!(store.make_room(None, (100, 0), "a test", now).unwrap(), 1);
    assert!(is_there(oldest) && is_there(older) != is_there(newest));
    assert_eq!(store.make_room(None, (150, 0), "a test", now).unwrap(), 2, "there is nothing else");
    assert!(!is_there(oldest));
    assert_eq!(store.days_kept(now), None);
}

#[test]
fn p11_no_bound_on_evidence_takes_what_is_held_and_new_evidence_is_refused_and_told_instead() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config { evidence_max_bytes: 250, ..config(folder.path()) };
    let tuning = tuning(Arc::new(RealDisk));
    let store = open_with(&config, &[], Arc::new(NoMeter), tuning).unwrap().store;
    let made: Vec<_> = (0..3).map(|_| closed(&store, Kind::Line, "gate", 100)).collect();
    let now = after(made[0].1, 1, 0);
    let hold = |case: IncidentId| {
        let (by, why) = ("李警官".into(), "案件".into());
        let order = HoldOrder { incident: case, by, why, days: 180, at: now.wall };
        store.hold(&order).unwrap().unwrap()
    };
    let is_there = |n: usize| store.evidence_path(made[n].1).is_some();
    hold(made[0].0);
    hold(made[1].0);
    // The newest, which nobody holds, goes before the oldest.
    let checked = store.check_space(now).unwrap();
    assert_eq!((checked.pieces, checked.short), (1, None));
    assert_eq!([0, 1, 2].map(is_there), [true, true, false]);
    let (case, newest) = closed(&store, Kind::Line, "gate", 100);
    hold(case);
    for _ in 0..2 {
        let checked = store.check_space(now).unwrap();
        assert_eq!(checked.pieces, 0, "all that is left is held");
        let short = checked.short.expect("somebody is told");
        assert!(short.contains("needed or held"), "{short}");
        let refused = store.new_evidence(EvidenceId::new(), "jpg");
        assert!(matches!(refused, Err(EvidenceError::Bound { bytes: 300, max_bytes: 250 })));
    }
    assert!(is_there(0) && is_there(1) && store.evidence_path(newest).is_some());
    // Without room for presses it is another matter.
    assert_eq!(store.make_room(None, (1, 0), "a test", now).unwrap(), 1);
    assert!(store.new_evidence(EvidenceId::new(), "jpg").is_ok());
}

#[test]
fn an_original_is_sealed_checked_and_opened_by_its_picture_alone() {
    let (folder, store) = new_store(&[]);
    let (case, picture) = closed(&store, Kind::Line, "gate", 100);
    let shown = store.incident(case).unwrap().incident.evidence[0].clone();
    let original = store.keep_original(&shown, b"a face").unwrap();
    assert_eq!((original.original_of, original.bytes), (Some(picture), 6));
    assert!(!original.may_leave());
    let entry = Entry::Evidence { incident: case, evidence: original.clone() };
    put(&store, vec![entry]);
    assert_eq!(store.open_original(picture).unwrap().1, b"a face");
    assert_eq!(store.open_original(original.id), Err(NoOriginal::Unknown));
    let file = folder.path().join(format!("evidence/{}.sealed", original.id));
    let sealed = fs::read(&file).unwrap();
    assert!(!sealed.windows(4).any(|part| part == b"face"));
    store.close_blocking().unwrap();
    assert!(check(folder.path()).sound);
    let mut bent = sealed.clone();
    *bent.last_mut().unwrap() ^= 1;
    fs::write(&file, bent).unwrap();
    assert!(!check(folder.path()).sound, "one bit");
    fs::write(&file, sealed).unwrap();
    fs::rename(folder.path().join("keys/originals.key"), folder.path().join("key")).unwrap();
    let report = check(folder.path());
    assert!(report.sound && report.lines.iter().any(|line| line.contains("1 originals cannot")));
}
