//! Each figure by its definition, both ends of it; days of the site; and texts that a spreadsheet would run.

use jiff::{Timestamp, civil::date, tz::TimeZone};

use super::*;
use crate::domain::{
    CaseLine, CaseLines, DismissReason, IncidentId, Kind, LimitStep, Severity, SourceKind, Stage,
    StepLimits, Tier,
};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn shanghai() -> TimeZone {
    TimeZone::get("Asia/Shanghai").unwrap()
}

fn now() -> Timestamp {
    at("2026-11-20T00:00:00Z")
}

/// Opened on the 10th, to be finished on the 12th.
fn case() -> CaseLine {
    CaseLine {
        id: IncidentId::new(),
        revision: 1,
        kind: Kind::FireLane,
        severity: Severity::ALERT,
        stage: Stage::Opened,
        source: Some("cam-1".into()),
        source_kind: Some(SourceKind::Camera),
        rule: None,
        grid: Some("G1".into()),
        grid_name: Some("第一网格".into()),
        community: Some("桥北社区".into()),
        township: Some("城关镇".into()),
        tier: Some(Tier::Slow),
        began_at: at("2026-11-10T01:00:00Z"),
        opened_at: at("2026-11-10T01:00:00Z"),
        noted_at: None,
        ended_at: None,
        accepted_at: None,
        dispatched_at: None,
        handled_at: None,
        verified_at: None,
        over_at: None,
        accept_by: Some(at("2026-11-10T03:00:00Z")),
        finish_by: Some(at("2026-11-12T01:00:00Z")),
        auto_closed: false,
        merged: false,
        self_handled: false,
        drill: false,
        missed: false,
        reason: None,
        first_department: None,
        department: None,
        misdispatched: false,
        give_backs_asked: 0,
        give_backs: 0,
        transfers: 0,
        rework: 0,
        reopened: 0,
        extensions: 0,
        suspensions: 0,
        suspended_s: 0,
        suspended_since: None,
        steps_left_out: 0,
        step_limits: StepLimits::default(),
        step_due: None,
    }
}

/// Accepted ten minutes after it was opened.
fn accepted() -> CaseLine {
    let accepted_at = Some(at("2026-11-10T01:10:00Z"));
    CaseLine { stage: Stage::Accepted, accepted_at, ..case() }
}

fn closed(over_at: &str) -> CaseLine {
    CaseLine { stage: Stage::Closed, over_at: Some(at(over_at)), ..accepted() }
}

fn query(text: &[(&str, &str)]) -> FiguresQuery {
    FiguresQuery::parse(text.iter().copied(), date(2026, 11, 20)).unwrap()
}

fn lines(lines: &[CaseLine]) -> CaseLines {
    CaseLines { lines: lines.to_vec(), unreadable: 0 }
}

fn count(cases: &[CaseLine]) -> CaseCounts {
    figures(&lines(cases), &query(&[]), &shanghai(), now()).total
}

#[test]
fn what_is_due_and_what_is_in_time() {
    let just = "2026-11-12T01:00:00Z";
    let early = |by: &str| CaseLine { finish_by: Some(at(by)), ..accepted() };
    let after = CaseLine { finish_by: None, ..closed("2027-01-01T00:00:00Z") };
    let suspended = |since| CaseLine { suspended_since: Some(at(since)), ..accepted() };
    let withdrawn = CaseLine { stage: Stage::Dismissed, ..closed(just) };
    let by_itself = CaseLine { auto_closed: true, accepted_at: None, ..closed(just) };
    let lapsed = CaseLine { auto_closed: true, ..closed(just) };
    // Valid, due, closed, closed in time, open, overdue.
    for (what, one, expected) in [
        ("only reported", case(), [0, 0, 0, 0, 1, 1]),
        ("accepted, and late", accepted(), [1, 1, 0, 0, 1, 1]),
        ("at its limit", early("2026-11-20T00:00:00Z"), [1, 0, 0, 0, 1, 0]),
        ("a second later", early("2026-11-19T23:59:59Z"), [1, 1, 0, 0, 1, 1]),
        ("closed at its limit", closed(just), [1, 1, 1, 1, 0, 0]),
        ("closed a second later", closed("2026-11-12T01:00:01Z"), [1, 1, 1, 0, 0, 0]),
        ("closed, without a limit", after, [1, 1, 1, 1, 0, 0]),
        ("suspended before its limit", suspended("2026-11-11T01:00:00Z"), [1, 0, 0, 0, 1, 0]),
        ("suspended after it", suspended("2026-11-13T01:00:00Z"), [1, 1, 0, 0, 1, 1]),
        ("accepted and dismissed", withdrawn, [1, 0, 0, 0, 0, 0]),
        ("part of another", CaseLine { merged: true, ..closed(just) }, [1, 0, 0, 0, 0, 0]),
        ("closed by itself", by_itself, [0, 0, 0, 0, 0, 0]),
        ("accepted, closed by itself", lapsed, [1, 1, 0, 0, 0, 0]),
    ] {
        let c = count(&[one]);
        let found = [c.valid, c.due, c.closed, c.closed_in_time, c.open, c.overdue];
        assert_eq!((c.reported, found), (1, expected), "{what}");
    }
}

#[test]
fn rates_are_those_that_the_county_publishes() {
    // 应结案 972, 结案 911, 按期 737: 93.72 % and 75.82 %.
    let mut cases = vec![closed("2026-11-11T00:00:00Z"); 737];
    cases.extend(vec![closed("2026-11-13T00:00:00Z"); 911 - 737]);
    cases.extend(vec![accepted(); 972 - 911]);
    let c = count(&cases);
    assert_eq!((c.due, c.closed, c.closed_in_time), (972, 911, 737));
    assert_eq!((c.closing_rate, c.in_time_rate), (Some(0.9372), Some(0.7582)));
    let none = count(&[]);
    assert_eq!((none.closing_rate, none.right_rate, none.rework_rate), (None, None, None));
}

#[test]
fn dispatches_rework_and_reasons() {
    let sent = CaseLine { dispatched_at: Some(at("2026-11-10T01:30:00Z")), ..accepted() };
    let wrong =
        CaseLine { misdispatched: true, give_backs: 1, give_backs_asked: 2, ..sent.clone() };
    let handled_at = Some(at("2026-11-10T02:00:00Z"));
    let handled = CaseLine { handled_at, rework: 2, ..sent.clone() };
    let again = CaseLine { rework: 1, reopened: 1, ..sent.clone() };
    let dismissed = |reason| CaseLine { stage: Stage::Dismissed, reason, ..case() };
    let c = count(&[
        accepted(),
        sent,
        wrong,
        handled,
        again,
        dismissed(None),
        dismissed(Some(DismissReason::FalseAlarm)),
        dismissed(Some(DismissReason::FalseAlarm)),
    ]);
    assert_eq!((c.dispatched, c.dispatched_right, c.right_rate), (4, 3, Some(0.75)));
    assert_eq!((c.give_backs, c.give_backs_asked, c.reopened), (1, 2, 1));
    assert_eq!((c.rework, c.rework_cases, c.handled, c.rework_rate), (3, 2, 1, Some(1.0)));
    assert_eq!(Vec::from_iter(c.dismissed_by), [("false-alarm", 2), ("unstated", 1)]);
    assert_eq!((c.dismissed, c.valid, c.reported), (3, 5, 8));
}

#[test]
fn times_are_by_nearest_rank_and_none_runs_backwards() {
    let after = |seconds: i64| CaseLine {
        accepted_at: Some(case().opened_at + jiff::SignedDuration::from_secs(seconds)),
        ..accepted()
    };
    let found = |times: &[i64]| {
        let cases: Vec<CaseLine> = times.iter().map(|seconds| after(*seconds)).collect();
        let figures = figures(&lines(&cases), &query(&[]), &shanghai(), now());
        let StepTimes { count, median_s, p90_s, .. } = figures.total.accept;
        (count, median_s, p90_s, figures.left_out.times)
    };
    assert_eq!(found(&[]), (0, None, None, 0));
    assert_eq!(found(&[7]), (1, Some(7), Some(7), 0));
    assert_eq!(found(&[9, 1]), (2, Some(1), Some(9), 0));
    assert_eq!(found(&[5, 4, 3, 2, 1, 6, 7, 8, 9, 10]), (10, Some(5), Some(9), 0));
    assert_eq!(found(&[0, -1, -3_600]), (1, Some(0), Some(0), 2), "the clock was set");
}

#[test]
fn each_step_is_in_time_by_its_own_limit_and_what_is_not_taken_is_due_when_that_has_passed() {
    let taken = |accept, dispatch, handle, verify| CaseLine {
        step_limits: StepLimits { accept, dispatch, handle, verify },
        ..accepted()
    };
    let yet = |step, by: &str| CaseLine { step_due: Some((step, at(by))), ..accepted() };
    let (just, before) = ("2026-11-20T00:00:00Z", "2026-11-19T23:59:59Z");
    let suspended = |since: &str| CaseLine {
        suspended_since: Some(at(since)),
        ..yet(LimitStep::Handle, before)
    };
    let again = CaseLine {
        step_due: Some((LimitStep::Dispatch, at(before))),
        ..taken(Some(true), Some(true), None, None)
    };
    let (yes, no) = (Some(true), Some(false));
    // Due and in time: accepted, dispatched, handled, verified.
    for (what, one, expected) in [
        ("of an older version", accepted(), [(0, 0); 4]),
        ("all in time", taken(yes, yes, yes, yes), [(1, 1); 4]),
        ("handled late", taken(yes, yes, no, None), [(1, 1), (1, 1), (1, 0), (0, 0)]),
        ("due now", yet(LimitStep::Accept, just), [(0, 0); 4]),
        ("was due", yet(LimitStep::Accept, before), [(1, 0), (0, 0), (0, 0), (0, 0)]),
        (
            "was due to be verified",
            yet(LimitStep::Verify, before),
            [(0, 0), (0, 0), (0, 0), (1, 0)],
        ),
        ("its clock stands", suspended("2026-11-19T00:00:00Z"), [(0, 0); 4]),
        ("it was late before", suspended(just), [(0, 0), (0, 0), (1, 0), (0, 0)]),
        ("once in time, and late now", again, [(1, 1), (1, 0), (0, 0), (0, 0)]),
        ("no single step", yet(LimitStep::Finish, before), [(0, 0); 4]),
    ] {
        let c = count(&[one]);
        let found = [c.accept, c.dispatch, c.handle, c.verify].map(|step| (step.due, step.in_time));
        assert_eq!(found, expected, "{what}");
    }
    let c = count(&[taken(yes, None, None, None), taken(no, None, None, None), closed(just)]);
    assert_eq!((c.accept.in_time_rate, c.verify.in_time_rate), (Some(0.5), None));
    assert_eq!((c.close.due, c.close.in_time), (c.due, c.closed_in_time));
    let drill = CaseLine { drill: true, ..taken(yes, yes, yes, yes) };
    assert_eq!(count(&[drill]).accept.due, 0);
}

#[test]
fn a_day_is_one_of_the_site_in_summer_and_winter() {
    let opened = |text: &str| CaseLine { opened_at: at(text), ..case() };
    let days = |zone: &str, texts: &[&str], from: &str, until: &str| {
        let cases: Vec<CaseLine> = texts.iter().map(|text| opened(text)).collect();
        let query = query(&[("from", from), ("until", until), ("by", "day")]);
        let zone = TimeZone::get(zone).unwrap();
        let figures = figures(&lines(&cases), &query, &zone, now());
        let rows = figures.rows.iter();
        rows.map(|row| (row.period.to_string(), row.counts.reported)).collect::<Vec<_>>()
    };
    let day = |text: &str, count| (text.to_owned(), count);
    let shanghai = ["2026-10-31T15:59:59Z", "2026-10-31T16:00:00Z", "2026-11-02T15:59:59Z"];
    assert_eq!(
        days("Asia/Shanghai", &shanghai, "2026-11-01", "2026-11-03"),
        [day("2026-11-01", 1), day("2026-11-02", 1)]
    );
    // The day on which the clock is set back has 25 hours.
    let berlin = [
        "2026-10-24T21:59:59Z",
        "2026-10-24T22:00:00Z",
        "2026-10-25T22:59:59Z",
        "2026-10-25T23:00:00Z",
    ];
    assert_eq!(
        days("Europe/Berlin", &berlin, "2026-10-24", "2026-10-27"),
        [day("2026-10-24", 1), day("2026-10-25", 2), day("2026-10-26", 1)]
    );
}

#[test]
fn weeks_begin_on_monday_and_months_on_the_first() {
    let periods = |pairs: &[(&str, &str)]| -> Vec<String> {
        query(pairs).periods().iter().map(ToString::to_string).collect()
    };
    // 2026-11-01 is a Sunday.
    let weeks = periods(&[("from", "2026-11-01"), ("until", "2026-11-10"), ("by", "week")]);
    assert_eq!(weeks, ["2026-10-26", "2026-11-02", "2026-11-09"]);
    let months = periods(&[("from", "2026-11-30"), ("until", "2027-02-01"), ("by", "month")]);
    assert_eq!(months, ["2026-11-01", "2026-12-01", "2027-01-01"]);
    assert_eq!(periods(&[("month", "2026-12")]), ["2026-12-01"]);
    let this = query(&[]);
    assert_eq!((this.from, this.until), (date(2026, 11, 1), date(2026, 11, 21)));
    let december = query(&[("month", "2026-12")]);
    assert_eq!((december.from, december.until), (date(2026, 12, 1), date(2027, 1, 1)));
}

#[test]
fn a_query_that_means_nothing_is_answered_in_words() {
    for (pairs, part) in [
        (&[("month", "2026-13")][..], "month=2026-13: expected a month such as 2026-11"),
        (&[("month", "11")][..], "expected a month"),
        (&[("month", "2026-11"), ("from", "2026-11-01")][..], "not together with from and until"),
        (&[("from", "01.11.2026")][..], "from=01.11.2026: expected a day such as 2026-11-01"),
        (&[("from", "-009999-01-01")][..], "expected a day"),
        (&[("until", "9999-12-31")][..], "expected a day"),
        (&[("from", "2026-11-02"), ("until", "2026-11-02")][..], "expected after from=2026-11-02"),
        (&[("from", "2026-11-21")][..], "until=2026-11-21: expected after from=2026-11-21"),
        (&[("from", "1970-01-01"), ("until", "2026-11-02")][..], "expected at most 3660"),
        (&[("by", "hour")][..], "by=hour: expected one of day, week, month, all"),
        (&[("group", "")][..], "group=: expected one of none, class, grid"),
        (&[("gruop", "grid")][..], "gruop: known are month, from, until, by, group"),
    ] {
        let told = FiguresQuery::parse(pairs.iter().copied(), date(2026, 11, 20)).unwrap_err();
        assert!(told.contains(part), "{told}");
    }
    let ten_years = [("from", "2026-01-01"), ("until", "2036-01-09")];
    assert!(FiguresQuery::parse(ten_years, date(2026, 11, 20)).is_ok(), "3,660 days");
}

#[test]
fn groups_have_the_newest_name_and_those_without_one_are_together() {
    let renamed = CaseLine {
        grid_name: Some("新名".into()),
        opened_at: at("2026-11-11T01:00:00Z"),
        ..case()
    };
    let nowhere = CaseLine { grid: None, community: None, ..case() };
    let twin = CaseLine { township: Some("毛陈镇".into()), ..case() };
    let cases = lines(&[renamed, case(), nowhere, twin]);
    let groups = |group| {
        let figures = figures(&cases, &query(&[("group", group)]), &shanghai(), now());
        let row = |row: &FigureRow| {
            let group = row.group.clone().unwrap();
            format!("{} {} {}", group.id, group.name, row.counts.reported)
        };
        figures.rows.iter().map(row).collect::<Vec<_>>()
    };
    assert_eq!(groups("grid"), [" （无网格） 1", "G1 新名 3"]);
    assert_eq!(groups("township"), ["城关镇 城关镇 3", "毛陈镇 毛陈镇 1"]);
    assert_eq!(
        groups("community"),
        [" （无社区） 1", "城关镇/桥北社区 桥北社区 2", "毛陈镇/桥北社区 桥北社区 1"]
    );
    assert_eq!(groups("kind"), ["fire-lane 车辆占用消防通道 4"]);
    assert_eq!(groups("class"), ["event 事件 4"]);
    assert_eq!(groups("source"), ["cam-1 cam-1 4"]);
    assert_eq!(groups("department"), [" （无部门） 4"]);
}

#[test]
fn drills_and_other_days_are_never_counted() {
    let drill = CaseLine { drill: true, ..closed("2026-11-11T00:00:00Z") };
    let before = CaseLine { opened_at: at("2026-10-31T15:59:59Z"), ..case() };
    let cases = CaseLines { lines: vec![drill, before, case()], unreadable: 3 };
    let figures = figures(&cases, &query(&[]), &shanghai(), now());
    assert_eq!((figures.total.reported, figures.total.closed), (1, 0));
    let left = LeftOut { drills: 1, unreadable: 3, ..LeftOut::default() };
    assert_eq!(figures.left_out, left);
    assert_eq!(figures.as_of, "2026-11-20T08:00:00.000+08:00");
}

#[test]
fn a_source_is_offline_while_its_silence_goes_on() {
    let silent = |source: &str, began: &str, ended: Option<&str>| CaseLine {
        kind: Kind::CameraSilent,
        source: Some(source.into()),
        began_at: at(began),
        opened_at: at(began),
        ended_at: ended.map(at),
        ..case()
    };
    let cases = lines(&[
        // Since October, over the first hour of November in Shanghai.
        silent("cam-1", "2026-10-01T00:00:00Z", Some("2026-10-31T17:00:00Z")),
        // Two at once count once.
        silent("cam-2", "2026-11-10T00:00:00Z", Some("2026-11-10T02:00:00Z")),
        silent("cam-2", "2026-11-10T01:00:00Z", Some("2026-11-10T03:00:00Z")),
        // Until now.
        silent("cam-3", "2026-11-19T00:00:00Z", None),
        silent("cam-4", "2026-10-01T00:00:00Z", Some("2026-10-31T16:00:00Z")),
        CaseLine { source: Some("cam-5".into()), ..case() },
    ]);
    let found = figures(&cases, &query(&[]), &shanghai(), now()).outages;
    let told = |one: &Outages| (one.source.to_string(), one.outages, one.offline_s);
    assert_eq!(
        found.iter().map(told).collect::<Vec<_>>(),
        [("cam-3".into(), 1, 86_400), ("cam-2".into(), 2, 3 * 3_600), ("cam-1".into(), 1, 3_600)]
    );
    // From the 1st at midnight to now are 19 days and 8 hours.
    assert_eq!(found[0].offline_share, Some(0.0517));
}

/// What whoever names a grid, a device or a department may try.
const FORMULAS: [&str; 8] = [
    "=cmd|' /C calc'!A0",
    "+1+1",
    "-2+3",
    "@SUM(A1)",
    "\t=1+1",
    "\r=1+1",
    "  =HYPERLINK(\"http://x\")",
    "＝1+1",
];

#[test]
fn no_cell_of_the_csv_begins_a_formula() {
    let evil = FORMULAS.map(|text| CaseLine { department: Some(text.into()), ..accepted() });
    let group = query(&[("group", "department")]);
    let text = csv_text(&figures(&lines(&evil), &group, &shanghai(), now())).unwrap();
    let body = text.strip_prefix('\u{feff}').unwrap();
    assert!(body.starts_with("部门编码,部门,上报,有效,"), "{body}");
    let mut reader = csv::Reader::from_reader(body.as_bytes());
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), FORMULAS.len());
    for cell in rows.iter().flat_map(csv::StringRecord::iter) {
        let first = cell.trim_start().chars().next().unwrap_or(' ');
        assert!(!"=+-@＝\t\r".contains(first), "{cell:?}");
    }
    let (one, by_day) = (lines(&[closed("2026-11-11T01:00:00Z")]), query(&[("by", "day")]));
    let plain = csv_text(&figures(&one, &by_day, &shanghai(), now())).unwrap();
    let row = plain.lines().find(|line| line.starts_with("2026-11-10,")).unwrap();
    assert!(row.starts_with("2026-11-10,1,1,0,0,1,1,100.00%,1,100.00%,0,0,0,"), "{row}");
    let (times, limits) = (",10.0,10.0,,,,,,,1440.0,1440.0", ",0,0,,0,0,,0,0,,0,0,");
    assert!(row.ends_with(&format!("{times}{limits}")), "{row}");
}

#[test]
fn whoever_closes_it_at_once_has_handled_it_and_none_is_handled_by_himself_alone() {
    let at_once = CaseLine { self_handled: true, ..closed("2026-11-11T00:00:00Z") };
    let verified = CaseLine { verified_at: Some(at("2026-11-11T00:00:00Z")), ..accepted() };
    let dismissed = CaseLine { self_handled: true, stage: Stage::Dismissed, ..accepted() };
    let lines = vec![at_once, verified, dismissed, accepted(), case()];
    let figures = figures(&CaseLines { lines, unreadable: 0 }, &query(&[]), &shanghai(), now());
    assert_eq!((figures.total.self_handled, figures.total.handled), (2, 3));
}

#[test]
fn a_press_under_a_clock_of_1970_counts_when_it_can_have_come_or_as_of_no_time() {
    let wrong = at("1970-01-01T00:03:00Z");
    let noted = CaseLine {
        opened_at: wrong,
        noted_at: Some(at("2026-11-10T16:00:00Z")),
        accepted_at: Some(at("2026-11-10T16:00:00Z")),
        ..case()
    };
    let unknown = CaseLine { opened_at: wrong, ..case() };
    let lines = CaseLines { lines: vec![noted, unknown, case()], unreadable: 0 };
    let of_month = figures(&lines, &query(&[("by", "day")]), &shanghai(), now());
    assert_eq!((of_month.total.reported, of_month.left_out.cases_of_no_time), (2, 1));
    let day = of_month.rows.iter().find(|row| row.period == date(2026, 11, 11)).unwrap();
    assert_eq!(day.counts.reported, 1, "by the site's clock");
    // 56 years are no time in which anybody accepted it.
    assert_eq!((of_month.total.accept.count, of_month.left_out.times), (0, 1));
    let line = CaseLine { noted_at: None, ..lines.lines[0].clone() };
    assert_eq!(line.counted_at(), None);
}
