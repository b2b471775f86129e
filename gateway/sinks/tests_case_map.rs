//! The map of cases over restarts, torn lines, disks that fail, and many cases.

use std::{fs, os::unix::fs::PermissionsExt, sync::Arc};

use serde_json::json;

use super::{
    case_map::{Case, CaseMap, CaseMaps},
    profile::{PlatformReply, ToldStep},
};
use crate::{
    base::Readiness,
    domain::{IncidentId, NoMeter, SinkId},
};

fn maps(data: &std::path::Path) -> CaseMaps {
    CaseMaps::new(data, Arc::new(NoMeter), Readiness::default())
}

fn map(data: &std::path::Path) -> Arc<CaseMap> {
    maps(data).of(&SinkId::from("district"))
}

fn now() -> jiff::Timestamp {
    "2026-07-01T00:00:00Z".parse().unwrap()
}

fn id(n: u128) -> IncidentId {
    format!("01900000-0000-7000-8000-{n:012x}").parse().unwrap()
}

#[test]
fn s1_what_is_written_is_there_after_any_cut_and_belongs_to_us_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("platforms/district.jsonl");
    let one = map(folder.path());
    // The state of the first case after each change, with the bytes that were on disk by then.
    let mut states = vec![(0, None)];
    let changes: [fn(&mut Case); 5] = [
        |case| case.opening = true,
        |case| {
            (case.open, case.opening, case.id) = (true, false, Some("号/1\n".into()));
        },
        |case| case.sent = 1,
        |case| case.replies.push_back("district:r1:受理".into()),
        |case| case.received = 2,
    ];
    for change in changes {
        one.change(id(1), change).unwrap();
        states.push((fs::metadata(&file).unwrap().len(), one.case(id(1))));
        // Others between them.
        one.change(id(2), |case| case.sent += 1).unwrap();
        one.done(&format!("d{}", states.len())).unwrap();
        one.set_cursor(&states.len().to_string()).unwrap();
    }
    one.keep_early(&json!({"case": "C-9"}), now()).unwrap();
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&file), mode(file.parent().unwrap())), (0o600, 0o700));
    drop(one);
    let whole = fs::read(&file).unwrap();
    for cut in 0..=whole.len() {
        fs::write(&file, &whole[..cut]).unwrap();
        let again = map(folder.path());
        let expected = states.iter().rfind(|(bytes, _)| *bytes <= cut as u64 + 1).unwrap();
        // At a cut right before the line break the line is whole.
        assert_eq!(again.case(id(1)), expected.1, "cut at {cut}");
        // What is written behind a cut line is a line of its own.
        again.change(id(3), |case| case.open = true).unwrap();
        let third = map(folder.path());
        assert_eq!(
            (third.case(id(1)), third.case(id(3)).unwrap().open),
            (expected.1.clone(), true)
        );
    }
    fs::write(&file, &whole).unwrap();
    let again = map(folder.path());
    assert_eq!(again.by_id("号/1\n"), Some(id(1)));
    assert!(again.is_done("d3") && !again.is_done("d9"));
    assert_eq!((again.cursor().as_str(), again.early(now()).len()), ("6", 1));
    again.early_taken(&[json!({"case": "C-9"})]).unwrap();
    assert!(map(folder.path()).early(now()).is_empty());
}

#[test]
fn s1_a_line_that_cannot_be_read_costs_itself_and_a_disk_that_fails_costs_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("platforms/district.jsonl");
    let one = map(folder.path());
    for n in 1..4 {
        one.change(id(n), |case| case.open = true).unwrap();
    }
    let mut bytes = fs::read(&file).unwrap();
    let second = bytes.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    bytes[second] = 0xff;
    fs::write(&file, &bytes).unwrap();
    let again = map(folder.path());
    assert_eq!(
        (again.case(id(1)).is_some(), again.case(id(2)), again.case(id(3)).is_some()),
        (true, None, true)
    );

    // Its folder is gone and cannot be made again.
    fs::remove_dir_all(folder.path().join("platforms")).unwrap();
    fs::write(folder.path().join("platforms"), "").unwrap();
    let blind = map(folder.path());
    assert!(blind.change(id(4), |case| case.open = true).is_err());
    assert!(blind.case(id(4)).unwrap().open, "in memory it goes on");
    fs::remove_file(folder.path().join("platforms")).unwrap();
    blind.change(id(5), |case| case.open = true).unwrap();
    let healed = map(folder.path());
    assert!(healed.case(id(4)).unwrap().open && healed.case(id(5)).unwrap().open);
}

/// The disk fails for a moment (here: something else stands in the file's place): it is no empty map.
#[test]
fn s1_a_map_that_cannot_be_read_is_no_empty_one_and_is_never_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let (file, aside) = (folder.path().join("platforms/district.jsonl"), folder.path().join("x"));
    let one = map(folder.path());
    one.change(id(1), |case| (case.open, case.id, case.sent) = (true, Some("C-1".into()), 3))
        .unwrap();
    one.done("r1").unwrap();
    one.keep_early(&json!({"case": "C-9"}), now()).unwrap();
    fs::rename(&file, &aside).unwrap();
    fs::create_dir(&file).unwrap();

    let readiness = Readiness::default();
    let maps = CaseMaps::new(folder.path(), Arc::new(NoMeter), readiness.clone());
    let blind = maps.of(&"district".into());
    assert!(blind.is_unread() && blind.ready().is_err());
    assert!(readiness.notes()[0].starts_with("platform district, cases: "));
    // More than a megabyte of what must not wait: told, and in memory alone.
    for n in 0..60 {
        let id_there = format!("{n}{}", "y".repeat(30_000));
        assert!(blind.change(id(2), |case| case.id = Some(id_there)).is_err());
    }
    assert!(blind.change(id(1), |case| (case.opening, case.sent) = (true, 2)).is_err());
    assert!(blind.done("r2").is_err() && blind.set_cursor("7").is_err());
    assert!(file.is_dir());

    fs::remove_dir(&file).unwrap();
    fs::rename(&aside, &file).unwrap();
    blind.change(id(3), |case| case.open = true).unwrap();
    assert!(!blind.is_unread() && readiness.notes().is_empty());
    for known in [&blind, &map(folder.path())] {
        let first = known.case(id(1)).unwrap();
        assert_eq!(
            (first.open, first.opening, first.id.as_deref(), first.sent),
            (true, false, Some("C-1"), 3)
        );
        assert!(known.case(id(2)).unwrap().id.unwrap().starts_with("59y"));
        assert!(known.case(id(3)).unwrap().open && known.by_id("C-1") == Some(id(1)));
        assert!(known.is_done("r1") && known.is_done("r2") && known.cursor() == "7");
        assert_eq!(known.early(now()).len(), 1);
    }
}

/// Most are of strangers' cases and stay: taking ours writes a line for each of ours and none for them.
#[test]
fn early_replies_that_stay_are_not_written_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("platforms/district.jsonl");
    let one = map(folder.path());
    let all: Vec<_> = (0..500).map(|n| json!({"case": n, "note": "x".repeat(1_000)})).collect();
    all.iter().for_each(|item| one.keep_early(item, now()).unwrap());
    let before = fs::metadata(&file).unwrap().len();
    one.early_taken(&all[100..120]).unwrap();
    let grown = fs::metadata(&file).unwrap().len() - before;
    assert!(grown < 20 * 64, "{grown} bytes for 20");
    one.early_taken(&all[100..120]).unwrap();
    assert_eq!(fs::metadata(&file).unwrap().len() - before, grown, "none is there any more");
    for known in [&one, &map(folder.path())] {
        let left = known.early(now());
        assert_eq!((left.len(), &left[99], &left[100]), (480, &all[99], &all[120]));
    }
    // As earlier versions wrote it.
    fs::write(&file, "{\"early\":{\"case\":1}}\n{\"early\":{\"case\":2}}\n{\"early-gone\":1}\n")
        .unwrap();
    assert_eq!(map(folder.path()).early(now()), [json!({"case": 2})]);
}

#[test]
fn s1_one_lane_at_a_time_tells_of_an_incident() {
    let folder = tempfile::tempdir().unwrap();
    let all = maps(folder.path());
    let (one, two) = (all.of(&"a".into()), all.of(&"a".into()));
    let busy = one.begin(id(1)).unwrap();
    assert!(two.begin(id(1)).is_none() && two.begin(id(2)).is_some());
    drop(busy);
    assert!(two.begin(id(1)).is_some());
    assert!(all.of(&"b".into()).case(id(1)).is_none());
    all.of(&"../../x".into()).change(id(1), |case| case.open = true).unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "a name leads nowhere else");
}

#[test]
fn p11_s1_the_map_keeps_its_bounds_in_memory_and_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    let one = map(folder.path());
    for n in 0..80 {
        one.change(id(1), |case| case.replies.push_back(format!("r{n}"))).unwrap();
    }
    let replies = one.case(id(1)).unwrap().replies;
    assert_eq!((replies.len(), replies.back().unwrap().as_str()), (64, "r79"));
    const EARLY: usize = 500;
    let long = json!({"note": "x".repeat(4_000)});
    for _ in 0..EARLY + 40 {
        one.keep_early(&long, now()).unwrap();
    }
    for n in 0..60 {
        one.change(id(2), |case| case.id = Some(format!("{n}{}", "y".repeat(9_000)))).unwrap();
    }
    assert_eq!(one.early(now()).len(), EARLY);
    // What is kept takes 2 MiB: the file is never far above four times that.
    let bytes = fs::metadata(folder.path().join("platforms/district.jsonl")).unwrap().len();
    assert!(bytes < 10 * 1024 * 1024, "{bytes} bytes");
    let again = map(folder.path());
    assert_eq!((again.case(id(2)), again.early(now()).len()), (one.case(id(2)), EARLY));
}

/// What it finds at a start is mostly old: it is not what the file would be if it were written anew.
#[test]
fn p11_s1_a_map_that_is_often_opened_anew_keeps_its_bounds_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("platforms/district.jsonl");
    map(folder.path())
        .change(id(1), |case| {
            case.replies = (0..64).map(|n| format!("{n}{}", "r".repeat(140))).collect();
        })
        .unwrap();
    let line = fs::metadata(&file).unwrap().len();
    // Each time less than is worth writing anew, and 14 MB in all.
    assert!(line * 100 < 1024 * 1024 && line * 1_500 > 13 * 1024 * 1024, "{line} bytes");
    for _ in 0..15 {
        let again = map(folder.path());
        for _ in 0..100 {
            again.change(id(1), |case| case.sent += 1).unwrap();
        }
    }
    let bytes = fs::metadata(&file).unwrap().len();
    assert!(bytes < 10 * 1024 * 1024, "{bytes} bytes");
    let case = map(folder.path()).case(id(1)).unwrap();
    assert_eq!((case.sent, case.replies.len()), (1_500, 64));
}

/// Pictures that fail for good and all make no line longer and longer.
#[test]
fn p11_records_whose_pictures_are_owed_are_bounded() {
    let mut case = Case::default();
    let kept = (1..=1_000).filter(|revision| case.say(*revision)).count();
    assert_eq!((kept, case.said.len()), (256, 256));
    assert!(case.say(1) && case.has_said(256) && !case.has_said(257));
    // A line of an earlier version has none.
    let line = r#"{"open":true,"opening":false,"sent":1,"received":0,"evidence":0,"over":false}"#;
    assert!(serde_json::from_str::<Case>(line).unwrap().said.is_empty());
}

fn told() -> ToldStep {
    let (word, by) = ("1".to_owned(), "王芳".to_owned());
    ToldStep { revision: 2, word, by, notes: Vec::new(), until: None }
}

/// Who accepts it there after it was opened again is heard, though his acceptance of before was never listed.
#[test]
fn s2_a_step_of_before_a_reopening_is_expected_for_a_while_only() {
    let mut case = Case::default();
    case.will_tell(told());
    case.told_counts_until(now());
    // It went out once more: it is the same one.
    case.will_tell(told());
    assert_eq!(case.told.len(), 1);
    let (word, by) = ("1".to_owned(), Some("王芳".to_owned()));
    let said = PlatformReply {
        incident: None,
        case: None,
        id: None,
        word,
        step: None,
        by,
        note: None,
        department: None,
    };
    let later = now() + jiff::SignedDuration::from_secs(1);
    assert!(case.told[0].is(&said, now()) && !case.told[0].is(&said, later));
    assert!(told().is(&said, later), "without a reopening it may come late");
}

/// Cut anywhere, a step that is expected no more was dealt with: it comes back as no reply.
#[test]
fn s2_a_listing_of_ours_is_dealt_with_before_it_is_expected_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("platforms/district.jsonl");
    let one = map(folder.path());
    one.change(id(1), |case| {
        case.open = true;
        case.will_tell(told());
    })
    .unwrap();
    let before = fs::read(&file).unwrap().len();
    one.told_is_listed(id(1), &told(), "r").unwrap();
    assert!(one.is_done("r") && one.case(id(1)).unwrap().told.is_empty());
    drop(one);
    let whole = fs::read(&file).unwrap();
    for cut in before..=whole.len() {
        fs::write(&file, &whole[..cut]).unwrap();
        let again = map(folder.path());
        let gone = again.case(id(1)).unwrap().told.is_empty();
        assert!(!gone || again.is_done("r"), "{cut} of {}", whole.len());
        assert!(cut < whole.len() || gone);
    }
}
