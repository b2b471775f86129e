//! A person's own words: an incident by which it is known who said what, with no limit and an end of its own.

use jiff::SignedDuration;

use super::{Desk, Directory, Effects};
use crate::domain::{
    AnnounceOrder, Answer, Body, Entry, Grid, IdMint, Incident, Kind, Now, Observation, Severity,
    SourceId, SourceInfo, SourceKind, Stage, Stamp, What,
};

fn directory() -> Directory {
    let source = |id: &str, kind, code: &str| {
        let grid = Grid { code: code.into(), name: code.into(), ..Grid::default() };
        let info = SourceInfo {
            id: id.into(),
            kind,
            name: id.into(),
            place: None,
            grid: Some(grid.into()),
            contact: None,
            note: None,
        };
        (SourceId::from(id), info)
    };
    let sources = [
        source("bank", SourceKind::Speaker, "G1"),
        source("yard", SourceKind::Speaker, "G1"),
        source("hall", SourceKind::Speaker, "G2"),
        source("b1", SourceKind::Button, "G3"),
    ];
    Directory { sources: sources.into(), auto_close_after_s: 86_400, ..Directory::default() }
}

fn order(speakers: Option<&[&str]>, grid: Option<&str>) -> AnnounceOrder {
    AnnounceOrder {
        speakers: speakers.map(|all| all.iter().map(|id| SourceId::from(*id)).collect()),
        grid: grid.map(str::to_owned),
        text: "请<b>离开</b>".into(),
        valid_s: 60,
        severity: Severity::ALERT,
        by: "李建国".into(),
    }
}

fn say(desk: &mut Desk, now: Now, order: AnnounceOrder) -> Effects {
    let stamp = Stamp::of_gateway(now);
    let observation = Observation { source: "x".into(), stamp, body: Body::Announce(order) };
    desk.apply(now, &observation, Vec::new())
}

fn opened(effects: Effects) -> Incident {
    let Answer::Changed(incident) = effects.answer else { panic!("{:?}", effects.answer) };
    *incident
}

#[test]
fn it_says_who_said_what_where_has_no_limit_and_is_closed_when_its_time_is_over() {
    let mut now = Now { wall: "2026-07-01T03:00:00Z".parse().unwrap(), mono_ms: 1_000 };
    let mut desk = Desk::new(directory(), IdMint::new([0; 32]));
    let said = opened(say(&mut desk, now, order(None, Some("G1"))));
    assert_eq!((said.kind, said.stage, said.active), (Kind::Announcement, Stage::Opened, false));
    assert_eq!(said.title.zh, "喊话广播：请 离开");
    assert_eq!(said.detail["by"], "李建国");
    assert_eq!(said.detail["speakers"], serde_json::json!(["bank", "yard"]));
    assert!(said.deadline.is_none());
    let mut closed = None;
    for second in 1..=200u32 {
        now.mono_ms += 1_000;
        now.wall += SignedDuration::from_secs(1);
        for entry in desk.tick(now, Vec::new()).entries {
            if let Entry::Change(record) = entry {
                assert_eq!((record.what, record.incident.id), (What::Closed, said.id));
                closed = closed.or(Some(second));
            }
        }
    }
    assert_eq!(closed, Some(120), "a minute after it was of no use any more");
}

#[test]
fn what_is_wrong_is_said_and_opens_nothing() {
    let now = Now { wall: "2026-07-01T03:00:00Z".parse().unwrap(), mono_ms: 1_000 };
    let mut desk = Desk::new(directory(), IdMint::new([0; 32]));
    let good = || order(Some(&["hall"]), None);
    for (order, why) in [
        (order(Some(&["b1"]), None), "no speaker is called `b1`"),
        (order(Some(&["hal"]), None), "no speaker is called `hal`"),
        (order(Some(&[]), None), "`speakers` names none"),
        (order(None, None), "expected `speakers` or `grid`, one of the two"),
        (order(Some(&["hall"]), Some("G2")), "expected `speakers` or `grid`, one of the two"),
        (order(None, Some("G3")), "no speaker stands in grid `G3`"),
        (
            AnnounceOrder { text: "🔥<b>".into(), ..good() },
            "`text`: there is nothing in it that can be spoken",
        ),
        (
            AnnounceOrder { text: "请".repeat(501), ..good() },
            "`text`: expected at most 500 characters",
        ),
        (AnnounceOrder { by: " ".into(), ..good() }, "`by`: expected who says it"),
        (AnnounceOrder { valid_s: 0, ..good() }, "`valid_s` 0: expected 1 to 3600 seconds"),
        (AnnounceOrder { valid_s: 3_601, ..good() }, "`valid_s` 3601: expected 1 to 3600 seconds"),
    ] {
        let effects = say(&mut desk, now, order);
        assert!(
            matches!(&effects.answer, Answer::Refused(told) if told == why),
            "{why}: {:?}",
            effects.answer
        );
        assert!(effects.entries.is_empty());
    }
    for valid_s in [1, 3_600] {
        opened(say(&mut desk, now, AnnounceOrder { valid_s, ..good() }));
    }
    opened(say(&mut desk, now, AnnounceOrder { text: "请".repeat(500), ..good() }));
}
