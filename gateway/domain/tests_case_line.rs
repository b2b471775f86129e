//! What of a case's steps goes into its line, and what does not.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::CaseLine;
use crate::domain::{
    CaseStep, ClockError, Deadline, Detail, DismissReason, Grid, GridWorker, Incident, IncidentId,
    Kind, Life, ReplyTo, Severity, SourceKind, SourceRef, Stage, Title,
};

fn at(minutes: i64) -> Timestamp {
    "2026-07-01T03:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_mins(minutes)
}

fn deadline() -> Deadline {
    let value = json!({"tier": "small", "accept_by": at(15), "finish_by": at(120)});
    serde_json::from_value(value).unwrap()
}

fn incident() -> Incident {
    Incident {
        id: IncidentId::new(),
        revision: 1,
        stage: Stage::Opened,
        active: true,
        kind: Kind::FireLane,
        severity: Severity::ALERT,
        title: Title { zh: "王大爷门口：车辆占用消防通道".into(), en: "car".into() },
        grid: Some(Grid {
            code: "G1".into(),
            name: "桥北第一网格".into(),
            community: Some("桥北社区".into()),
            township: Some("城关镇".into()),
            head: Some("李建国".into()),
            head_phone: Some("13900000001".into()),
            workers: vec![GridWorker { name: "王芳".into(), phone: Some("13900000002".into()) }],
            outside_m: None,
        }),
        place: None,
        began_at: at(-1),
        opened_at: at(0),
        changed_at: at(500),
        ended_at: None,
        sources: vec![SourceRef {
            id: "cam-1".into(),
            kind: SourceKind::Camera,
            name: "王大爷门口".into(),
        }],
        objects: Vec::new(),
        evidence: Vec::new(),
        deadline: Some(deadline()),
        route: None,
        life: Life::default(),
        clock: ClockError { device: None, gateway: at(0), error_ms: 0 },
        why: "电话 13900000003".into(),
        detail: Detail::new(),
        rule: Some("lane".into()),
        key: "k".into(),
    }
}

/// Steps at their minutes, taken by `甲`, or by the gateway where the name is empty.
fn with(stage: Stage, steps: &[(ReplyTo, i64, &str)]) -> Incident {
    let mut incident = incident();
    for (step, minute, department) in steps {
        let revision = incident.revision + 1;
        let taken = CaseStep::new(*step, "甲", at(*minute), revision)
            .with_note(Some("张三家"))
            .with_department(Some(department));
        if taken.department.is_some() {
            incident.life.department.clone_from(&taken.department);
        }
        incident.life.push(taken);
        incident.revision = revision;
    }
    incident.stage = stage;
    incident
}

#[test]
fn a_whole_life_is_one_line_without_persons() {
    use ReplyTo as R;
    let steps = [
        (R::Accepted, 5, ""),
        (R::Dispatched, 10, "城管"),
        (R::AskGiveBack, 12, ""),
        (R::Granted, 20, ""),
        (R::Dispatched, 25, "交警"),
        (R::AskSuspend, 26, ""),
        (R::Granted, 30, ""),
        (R::Resumed, 90, ""),
        (R::AskExtend, 91, ""),
        (R::Refused, 92, ""),
        (R::Handled, 100, ""),
        (R::SentBack, 105, ""),
        (R::Handled, 110, ""),
        (R::Verified, 115, ""),
        (R::Closed, 118, ""),
    ];
    let line = CaseLine::of(&with(Stage::Closed, &steps));
    assert_eq!(line.accepted_at, Some(at(5)));
    assert_eq!((line.dispatched_at, line.handled_at), (Some(at(10)), Some(at(110))));
    assert_eq!((line.verified_at, line.over_at), (Some(at(115)), Some(at(118))));
    assert_eq!((line.give_backs_asked, line.give_backs, line.misdispatched), (1, 1, true));
    assert_eq!((line.suspensions, line.suspended_s, line.extensions), (1, 60 * 60, 0));
    assert_eq!((line.rework, line.reopened, line.transfers), (1, 0, 0));
    assert_eq!(line.first_department.as_deref(), Some("城管"));
    assert_eq!(line.department.as_deref(), Some("交警"));
    assert!(!line.auto_closed && !line.merged && !line.drill && line.is_valid());
    let text = serde_json::to_string(&line).unwrap();
    for person in ["李建国", "王芳", "1390000", "王大爷", "张三", "甲"] {
        assert!(!text.contains(person), "{person}: {text}");
    }
    assert!(text.len() < 900, "{} bytes: {text}", text.len());
    assert_eq!(serde_json::from_str::<CaseLine>(&text).unwrap(), line);
}

#[test]
fn whoever_closes_decides_how_it_counts() {
    use ReplyTo as R;
    let mut lapsed = with(Stage::Closed, &[(R::Closed, 500, "")]);
    lapsed.life.steps[0].by = "gridpost".into();
    let line = CaseLine::of(&lapsed);
    assert!(line.auto_closed && !line.is_valid());
    let by_hand = CaseLine::of(&with(Stage::Closed, &[(R::Closed, 500, "")]));
    assert!(!by_hand.auto_closed && by_hand.is_valid(), "accepted and closed at once");
    let merged = CaseLine::of(&with(Stage::Closed, &[(R::Accepted, 1, ""), (R::Merged, 2, "")]));
    assert!(merged.merged && merged.is_valid());
    let mut dismissed = with(Stage::Dismissed, &[(R::Dismissed, 3, "")]);
    assert_eq!(CaseLine::of(&dismissed).reason, None);
    dismissed.life.steps[0].reason = Some(DismissReason::NotOurs);
    let line = CaseLine::of(&dismissed);
    assert_eq!((line.reason, line.is_valid()), (Some(DismissReason::NotOurs), false));
    let mut drill = incident();
    drill.detail.insert("drill".into(), true.into());
    assert!(CaseLine::of(&drill).drill);
    drill.detail.insert("drill".into(), false.into());
    assert!(!CaseLine::of(&drill).drill);
}

#[test]
fn a_reopened_case_is_open_again_and_was_accepted_ever() {
    use ReplyTo as R;
    let steps = [(R::Accepted, 5, ""), (R::Closed, 9, ""), (R::Reopened, 60, "")];
    let line = CaseLine::of(&with(Stage::Opened, &steps));
    assert_eq!((line.accepted_at, line.over_at, line.reopened), (Some(at(5)), None, 1));
    assert_eq!((line.handled_at, line.verified_at), (None, None));
}

#[test]
fn a_suspension_ends_with_whatever_moves_the_case() {
    use ReplyTo as R;
    for (last, minutes) in [
        (R::Handled, 30),
        (R::Closed, 30),
        (R::Dismissed, 30),
        (R::Resumed, 30),
        // From one department to the next: the case stays dispatched.
        (R::Transferred, 0),
    ] {
        let steps = [
            (R::Dispatched, 1, "城管"),
            (R::AskSuspend, 2, ""),
            (R::Granted, 10, ""),
            (last, 40, "交警"),
        ];
        let mut incident = with(Stage::Handled, &steps);
        if minutes == 0 {
            incident.life.suspended = Some((at(10), at(9_000)));
        }
        let line = CaseLine::of(&incident);
        assert_eq!(line.suspended_s, minutes * 60, "{last:?}");
        let now = line.suspended_s_at(at(70));
        assert_eq!(now, if minutes == 0 { 3_600 } else { minutes * 60 }, "{last:?}");
        assert_eq!(line.suspended_s_at(at(-70)), line.suspended_s, "a clock set back");
    }
}

#[test]
fn a_line_of_another_version_is_read() {
    let mut value = serde_json::to_value(CaseLine::of(&incident())).unwrap();
    value["what_comes_one_day"] = 1.into();
    for optional in ["grid", "tier", "rule", "source", "finish_by", "step_limits", "step_due"] {
        value.as_object_mut().unwrap().remove(optional);
    }
    let line: CaseLine = serde_json::from_value(value).unwrap();
    assert_eq!((line.grid, line.finish_by, line.rework), (None, None, 0));
    assert_eq!((line.step_limits, line.step_due), (super::StepLimits::default(), None));
}
