//! A year of the reference district, counted: from its lines, as a spreadsheet, and from the journal alone.

use std::{fs, hint::black_box, path::Path, sync::Arc, time::Instant};

use gridpost::{
    domain::{
        CaseStep, ClockError, Detail, Entry, Grid, Incident, Kind, NoMeter, Record, ReplyTo,
        Severity, SourceKind, SourceRef, Stage, Title, What,
    },
    figures::{FiguresQuery, figures, workbook},
    store::{self, Batch, Config, Store},
};
use jiff::{SignedDuration, Timestamp, civil::date, tz::TimeZone};
use serde_json::json;

use crate::results::{Row, grouped};

/// Reported in the reference year.
const CASES: usize = 30_528;
const BATCH: usize = 500;

fn open(data: &Path) -> Store {
    let config = Config { min_free_bytes: 1 << 20, ..Config::at(data) };
    store::open(&config, &[], Arc::new(NoMeter)).unwrap().store
}

/// One case in fifty is still open.
fn case(n: usize) -> Vec<Entry> {
    let opened: Timestamp = "2026-02-28T16:00:00Z".parse().unwrap();
    let opened = opened + SignedDuration::from_secs(n as i64 * 1_032);
    let at = |minutes: i64| opened + SignedDuration::from_mins(minutes);
    let mut incident = Incident {
        id: format!("00000000-0000-7000-8000-{n:012x}").parse().unwrap(),
        revision: 1,
        stage: Stage::Opened,
        active: true,
        kind: [Kind::FireLane, Kind::Loiter, Kind::EmergencyButton, Kind::DeviceSilent][n % 4],
        severity: Severity::ALERT,
        title: Title {
            zh: "车辆占用消防通道".into(), en: "vehicle in the fire lane".into()
        },
        grid: Some(Grid {
            code: format!("G{}", n % 810),
            name: format!("第{}网格", n % 810),
            community: Some(format!("第{}社区", n % 81)),
            township: Some(format!("第{}镇", n % 27)),
            ..Grid::default()
        }),
        place: None,
        began_at: opened,
        opened_at: opened,
        changed_at: opened,
        ended_at: Some(at(3)),
        sources: vec![SourceRef {
            id: format!("cam-{}", n % 686).into(),
            kind: SourceKind::Camera,
            name: "东门".into(),
        }],
        objects: Vec::new(),
        evidence: Vec::new(),
        deadline: Some(
            serde_json::from_value(
                json!({"tier": "small", "accept_by": at(15), "finish_by": at(120)}),
            )
            .unwrap(),
        ),
        route: None,
        life: Default::default(),
        clock: ClockError { device: None, gateway: opened, error_ms: 0 },
        why: "a vehicle stood in the fire lane for 180 s, longer than 120 s".into(),
        detail: Detail::from([("lasted_s".into(), 180.into())]),
        rule: Some("lane".into()),
        key: format!("lane/{n}"),
    };
    let mut entries = Vec::new();
    let mut change = |incident: &Incident, what| {
        let record = Record { what, incident: incident.clone() };
        entries.push(Entry::Change(Box::new(record)));
    };
    change(&incident, What::Opened);
    let steps = [
        (ReplyTo::Accepted, Stage::Accepted, 2),
        (ReplyTo::Dispatched, Stage::Dispatched, 9),
        (ReplyTo::Handled, Stage::Handled, 60 + n as i64 % 90),
        (ReplyTo::Verified, Stage::Verified, 155),
        (ReplyTo::Closed, Stage::Closed, 160),
    ];
    let steps = &steps[..if n.is_multiple_of(50) { 2 } else { 5 }];
    for (to, stage, minutes) in steps {
        incident.revision += 1;
        let step = CaseStep::new(*to, "李建国", at(*minutes), incident.revision);
        incident.life.push(step.with_department(Some(["城管", "交警", "水务"][n % 3])));
        (incident.stage, incident.active, incident.changed_at) = (*stage, false, at(*minutes));
        change(&incident, to.what());
    }
    entries
}

fn bytes(folder: &Path) -> u64 {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().metadata().unwrap());
    files.map(|metadata| metadata.len()).sum()
}

pub(crate) fn run() -> Vec<Row> {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let store = open(&data);
    for first in (0..CASES).step_by(BATCH) {
        let entries = (first..CASES.min(first + BATCH)).flat_map(case).collect();
        store.commit_blocking(Batch { entries, receipts: Vec::new() }).unwrap();
    }
    let zone = TimeZone::get("Asia/Shanghai").unwrap();
    let year = [("from", "2026-03-01"), ("until", "2027-03-01"), ("group", "grid")];
    let query = FiguresQuery::parse(year, date(2027, 3, 1)).unwrap();
    let (from, until) = query.times(&zone).unwrap();
    let goal = |row: Row, seconds: f64| row.goal("≤ 1 s", seconds <= 1.0);
    let timed = |what: &str, store: &Store| {
        let started = Instant::now();
        let cases = store.case_lines(from, until);
        let table = figures(black_box(&cases), &query, &zone, until);
        let seconds = started.elapsed().as_secs_f64();
        assert_eq!((table.total.reported, table.rows.len()), (CASES as u64, 810));
        goal(Row::new(what, format!("{seconds:.2} s")), seconds)
    };
    let fresh = timed("a year by 810 grids, nothing written yet: all from the journal", &store);
    let started = Instant::now();
    while store.keep_case_lines().unwrap() > 0 {}
    let written = started.elapsed().as_secs_f64();
    let usual = timed("a year by 810 grids, from its lines", &store);
    let cases = store.case_lines(from, until);
    let started = Instant::now();
    let book = workbook(&cases, &query, &zone, until).unwrap();
    let seconds = started.elapsed().as_secs_f64();
    let size = format!("{seconds:.2} s, {} KB", book.len() / 1000);
    let book = goal(Row::new("the district's spreadsheet of it, 13 sheets", size), seconds);
    let each = bytes(&data.join("figures")) as f64 / CASES as f64;
    store.close_blocking().unwrap();
    vec![
        Row::new("cases, one in fifty open", grouped(CASES as f64)),
        Row::new("a line of a case, on disk", format!("{each:.0} bytes")),
        Row::new("all lines written and synced", format!("{written:.2} s")),
        usual,
        fresh,
        book,
    ]
}
