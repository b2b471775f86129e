//! Readings in, findings out: a rain that rises and falls, late and lost reports, restarts, faults.

use super::*;
use crate::domain::{
    Class, ClockError, Incident, IncidentId, Measure, Phase, Place, Reading, SourceKind, SourceRef,
    Stage, Title, What,
};

const START: i64 = 1_782_820_800;

fn at(minute: i64) -> Timestamp {
    Timestamp::from_second(START + minute * 60).unwrap()
}

fn now(minute: i64) -> Now {
    Now { wall: at(minute), mono_ms: (minute * 60_000).unsigned_abs() }
}

fn site(gauges: &[&str], rain: &str) -> Site {
    let gauges = gauges.iter().map(|text| {
        let config: GaugeConfig = toml::from_str(text).unwrap();
        assert_eq!(config.problems(), []);
        let info = SourceInfo {
            id: config.id.as_str().into(),
            kind: SourceKind::Gauge,
            name: config.id.clone(),
            place: None::<Place>,
            grid: config.grid.as_ref().map(|code| {
                std::sync::Arc::new(crate::domain::Grid {
                    code: code.clone(),
                    name: format!("{code}网格"),
                    ..Default::default()
                })
            }),
            contact: None,
            note: None,
        };
        (config, info)
    });
    Site {
        gauges: gauges.collect(),
        rain: toml::from_str(rain).unwrap(),
        posture: PostureConfig::default(),
    }
}

fn rain(gauges: &[&str], rain: &str) -> Rain {
    let mut all = Rain::default();
    all.configure(site(gauges, rain), &TimeZone::UTC, now(0), &mut Vec::new());
    all
}

fn report(id: &str, made: i64, arrived: i64, measure: Measure) -> Observation {
    let readings = vec![Reading { at: at(made), measure }];
    Observation {
        source: id.into(),
        stamp: Stamp { device: Some(at(made)), ..Stamp::of_gateway(now(arrived)) },
        body: Body::Gauge(GaugeReport {
            id: None,
            via: "t".into(),
            readings,
            ..GaugeReport::default()
        }),
    }
}

fn total(mm: f64) -> Measure {
    Measure::TotalUm((mm * 1000.0).round() as i64)
}

/// What was found, shortly: phase, key, severity and level or mark.
fn short(findings: &[Finding]) -> Vec<String> {
    let text = |one: &Finding, key: &str| {
        one.detail.get(key).and_then(|value| value.as_str()).unwrap_or_default().to_owned()
    };
    findings
        .iter()
        .filter(|one| one.notable || one.phase != Phase::Continues)
        .map(|one| {
            let level = text(one, "level") + &text(one, "mark");
            format!("{:?} {} {} {level}", one.phase, one.key, one.severity.level())
        })
        .collect()
}

/// A reading every 5 min from `from`, each with so much more; what is found.
fn fall(all: &mut Rain, id: &str, from: i64, mm: &mut f64, each: &[f64]) -> Vec<String> {
    let mut lines = Vec::new();
    for (n, more) in each.iter().enumerate() {
        *mm += more;
        let minute = from + 5 * i64::try_from(n).unwrap();
        let mut findings = Vec::new();
        all.observe(&report(id, minute, minute, total(*mm)), &mut findings);
        lines.extend(short(&findings));
    }
    lines.retain(|line| !line.contains("posture/"));
    lines
}

const GAUGE: &str = "id = \"g\"\ngrid = \"G1\"\n";

#[test]
fn r2_one_rain_is_one_happening_that_rises_and_falls() {
    let mut all = rain(&[GAUGE], "");
    let mut mm = 100.0;
    let mut lines = fall(&mut all, "g", 0, &mut mm, &[0.0, 0.4]);
    assert!(lines.is_empty(), "{lines:?}");
    // 4 mm in 5 min: 48 mm an hour.
    lines = fall(&mut all, "g", 10, &mut mm, &[4.0; 30]);
    let levels: Vec<&str> = lines.iter().map(|line| line.rsplit(' ').next().unwrap()).collect();
    assert_eq!(lines[0], "Begins rain/G1 4 heavy");
    assert!(levels.contains(&"orange") && levels.contains(&"red"), "{lines:?}");
    assert!(lines.iter().any(|line| line == "Continues rain/G1 1 red"), "{lines:?}");
    assert!(!lines.iter().any(|line| line.starts_with("Ends")));
    // It stops; time passes without a word (the gauge reports no change every hour).
    let mut falls = Vec::new();
    for minute in 160..1_600 {
        let mut findings = Vec::new();
        if minute % 60 == 0 {
            all.observe(&report("g", minute, minute, total(mm)), &mut findings);
        }
        all.tick(now(minute), &mut findings);
        falls.extend(short(&findings));
    }
    falls.retain(|line| line.contains("rain/"));
    let kinds: Vec<&str> = falls.iter().map(|line| line.rsplit(' ').next().unwrap()).collect();
    assert_eq!(kinds, ["orange", "yellow", "blue", "none"], "{falls:?}");
    assert!(falls[3].starts_with("Ends"), "over when it was dry for 6 h: {falls:?}");
}

#[test]
fn its_beginning_is_the_first_drop() {
    let mut all = rain(&[GAUGE], "");
    let mut mm = 0.0;
    fall(&mut all, "g", 0, &mut mm, &[0.0, 0.0, 0.2, 0.0, 0.2]);
    let mut findings = Vec::new();
    all.observe(&report("g", 60, 60, total(30.4)), &mut findings);
    let begins = findings.iter().find(|one| one.key == "rain/G1").unwrap();
    assert_eq!((begins.began_at, begins.at), (at(5), at(60)));
    assert!(begins.title.as_ref().unwrap().zh.starts_with("G1网格：大雨（"), "{:?}", begins.title);
}

#[test]
fn r1_late_and_repeated_reports_change_nothing_that_is_true() {
    let all_in_order = |order: &[i64]| {
        let mut all = rain(&[GAUGE], "");
        for minute in order {
            let report = report("g", *minute, 120, total(*minute as f64));
            all.observe(&report, &mut Vec::new());
        }
        all.view(now(120), &TimeZone::UTC).gauges[0].sums_mm.clone()
    };
    let plain = all_in_order(&[0, 5, 60, 90, 120]);
    assert_eq!(plain["1h"], 60.0);
    assert_eq!(plain["3h"], 120.0);
    assert_eq!(all_in_order(&[120, 90, 5, 5, 0, 120, 60, 90]), plain);
}

#[test]
fn r2_a_restart_knows_the_sums_and_goes_on_with_the_happening() {
    let mut all = rain(&[GAUGE], "");
    let mut seen = Vec::new();
    let mut findings = Vec::new();
    for n in 0..30 {
        let one = report("g", n * 5, n * 5, total(n as f64 * 4.0));
        let Body::Gauge(report) = one.body.clone() else { unreachable!() };
        seen.push(SeenReport { source: one.source.clone(), stamp: one.stamp, report });
        all.observe(&one, &mut findings);
    }
    let last = findings.iter().rfind(|one| one.key == "rain/G1").unwrap();
    let record = record(last);
    let before = all.view(now(145), &TimeZone::UTC);
    // A new process, whose own clock begins at 0, five minutes later.
    let later = Now { wall: at(150), mono_ms: 1_000 };
    let mut again = Rain::default();
    let mut lines = Vec::new();
    again.configure(site(&[GAUGE], ""), &TimeZone::UTC, later, &mut lines);
    again.restore(later, &seen, std::slice::from_ref(&record), &mut lines);
    assert!(lines.is_empty(), "{lines:?}");
    let after = again.view(later, &TimeZone::UTC);
    assert_eq!(after.gauges[0].sums_mm["24h"], before.gauges[0].sums_mm["24h"]);
    assert_eq!(after.grids[0].level, before.grids[0].level);
    let mut findings = Vec::new();
    let next = Observation {
        stamp: Stamp::of_gateway(Now { wall: at(150), mono_ms: 1_500 }),
        ..report("g", 150, 150, total(120.0))
    };
    again.observe(&next, &mut findings);
    let goes_on = findings.iter().find(|one| one.key == "rain/G1").unwrap();
    assert_eq!((goes_on.phase, goes_on.began_at), (Phase::Continues, last.began_at));
    // After two days without power nothing of it is known: it is over.
    let days = Now { wall: at(150 + 2_880), mono_ms: 1_000 };
    let mut old = Rain::default();
    old.configure(site(&[GAUGE], ""), &TimeZone::UTC, days, &mut Vec::new());
    old.restore(days, &[], std::slice::from_ref(&record), &mut Vec::new());
    let mut lines = Vec::new();
    old.tick(days, &mut lines);
    assert_eq!(short(&lines)[0], "Ends rain/G1 4 none");
    // The same incident, whose gauge is gone: it ends.
    let mut gone = Rain::default();
    let mut lines = Vec::new();
    gone.configure(site(&[], ""), &TimeZone::UTC, later, &mut lines);
    gone.restore(later, &[], &[record], &mut lines);
    assert_eq!(short(&lines), ["Ends rain/G1 4 "]);
}

fn record(finding: &Finding) -> Record {
    let id = IncidentId::new();
    let clock = ClockError { device: None, gateway: at(0), error_ms: 0 };
    let title = Title { zh: String::new(), en: String::new() };
    let source = SourceRef { id: "g".into(), kind: SourceKind::Gauge, name: "g".into() };
    let incident = Incident {
        id,
        revision: 3,
        stage: Stage::Opened,
        active: true,
        kind: finding.kind,
        severity: finding.severity,
        title,
        grid: None,
        place: None,
        began_at: finding.began_at,
        opened_at: finding.began_at,
        changed_at: finding.at,
        ended_at: None,
        sources: vec![source],
        objects: Vec::new(),
        evidence: Vec::new(),
        deadline: None,
        route: None,
        life: Default::default(),
        clock,
        why: String::new(),
        detail: finding.detail.clone(),
        rule: None,
        key: finding.key.clone(),
    };
    let record = Record { what: What::Updated, incident };
    assert_eq!(record.class(), Class::Emergency);
    record
}

#[test]
fn thresholds_to_move_are_the_sites_own() {
    let rain_config = "prepare = [{ window_h = 1.0, mm = 30.0 }, { window_h = 0.5, mm = 20.0 }]\nmove_now = [{ window_h = 1.0, mm = 45.0 }]\ntell_from = \"never\"\nsignals = []\n";
    let mut all = rain(&[GAUGE], rain_config);
    let mut mm = 0.0;
    let lines = fall(&mut all, "g", 0, &mut mm, &[0.0, 4.0, 4.0, 4.0, 4.0, 4.0]);
    assert_eq!(lines, ["Begins rain/G1 2 none"]);
    let lines = fall(&mut all, "g", 30, &mut mm, &[10.0, 10.0, 10.0]);
    assert!(lines.contains(&"Continues rain/G1 1 none".to_owned()), "{lines:?}");
}

#[test]
fn water_rises_over_both_marks_and_falls_with_hysteresis() {
    let gauge =
        "id = \"w\"\nkind = \"level\"\nwarning_m = 29.5\nguarantee_m = 31.0\nzero_m = 20.0\n";
    let mut all = rain(&[gauge], "");
    let mut lines = Vec::new();
    for (n, m) in [9.0, 9.49, 9.5, 9.45, 9.39, 9.6, 10.9, 11.0, 10.95, 10.8, 9.0].iter().enumerate()
    {
        let mut findings = Vec::new();
        let minute = n as i64 * 10;
        let mm = Measure::LevelMm((m * 1000.0_f64).round() as i64);
        all.observe(&report("w", minute, minute, mm), &mut findings);
        lines.extend(short(&findings));
    }
    lines.retain(|line| {
        line.contains("water-level") && !line.starts_with("Continues water-level/w 2 warning")
    });
    assert_eq!(
        lines,
        [
            "Begins water-level/w 2 warning",
            "Ends water-level/w 2 below",
            "Begins water-level/w 2 warning",
            "Continues water-level/w 1 guarantee",
            "Ends water-level/w 2 below"
        ]
    );
    // 20 m in ten minutes is told at once, and believed when two more readings agree.
    let level = |minute, mm| report("w", minute, minute, Measure::LevelMm(mm));
    let mut findings = Vec::new();
    all.observe(&level(110, 29_000), &mut findings);
    assert_eq!(short(&findings), ["Begins fault/device-fault/w 2 "]);
    assert_eq!(findings[0].detail["doubtful"], true);
    findings.clear();
    all.observe(&level(120, 29_000), &mut findings);
    assert!(short(&findings).is_empty(), "{findings:?}");
    all.observe(&level(130, 29_010), &mut findings);
    let lines = short(&findings);
    assert!(lines.contains(&"Begins water-level/w 1 guarantee".to_owned()), "{findings:?}");
    assert!(lines.contains(&"Ends fault/device-fault/w 3 ".to_owned()), "{findings:?}");
}

#[test]
fn r3_silent_stuck_and_wild_gauges_are_told_and_told_well_again() {
    let other = "id = \"h\"\ngrid = \"G1\"\nsilent_after_s = 14400\n";
    let mut all = rain(&[GAUGE, other], "");
    let (mut mm, mut lines) = (0.0, Vec::new());
    // One stays dry while 40 mm fall beside it.
    for n in 0..10 {
        lines.extend(fall(&mut all, "g", n * 10, &mut mm, &[4.0]));
        let mut findings = Vec::new();
        all.observe(&report("h", n * 10, n * 10, total(7.0)), &mut findings);
        lines.extend(short(&findings));
    }
    assert!(lines.contains(&"Begins fault/device-fault/h 3 ".to_owned()), "{lines:?}");
    let mut findings = Vec::new();
    all.observe(&report("h", 100, 100, total(8.0)), &mut findings);
    assert!(short(&findings).contains(&"Ends fault/device-fault/h 3 ".to_owned()));
    // A counter that jumps by a million is told and not counted.
    let sums = |all: &Rain| all.view(now(110), &TimeZone::UTC).gauges[0].sums_mm["3h"];
    let before = sums(&all);
    findings.clear();
    all.observe(&report("g", 110, 110, total(mm + 1e6)), &mut findings);
    assert!(short(&findings).contains(&"Begins fault/device-fault/g 2 ".to_owned()));
    assert_eq!(sums(&all), before);
    // Silence of 7800 s, and speech.
    findings.clear();
    all.tick(now(110 + 131), &mut findings);
    let silent = "Begins fault/device-silent/g 3 ".to_owned();
    assert!(short(&findings).contains(&silent), "{findings:?}");
    assert!(!short(&findings).iter().any(|line| line.contains("device-silent/h")));
    findings.clear();
    all.observe(&report("g", 242, 242, total(mm)), &mut findings);
    assert!(short(&findings).contains(&"Ends fault/device-silent/g 3 ".to_owned()));
}

#[test]
fn rain_and_water_make_it_flood() {
    let mut all = rain(&[GAUGE], "");
    let mut mm = 0.0;
    fall(&mut all, "g", 0, &mut mm, &[0.0]);
    assert!(!all.holds(Posture::Flood));
    fall(&mut all, "g", 5, &mut mm, &[4.5; 14]);
    assert!(all.holds(Posture::Flood), "63 mm in 70 min");
    // A step of the wall clock, as NTP makes one: sums run on what passed, and stay.
    let stepped = Now { wall: at(5_000_000), mono_ms: now(76).mono_ms };
    let mut findings = Vec::new();
    all.tick(stepped, &mut findings);
    assert!(short(&findings).iter().all(|line| !line.starts_with("Ends")), "{findings:?}");
    assert!(all.holds(Posture::Flood));
}

#[test]
fn the_mean_of_a_grid_is_of_those_that_speak() {
    let other = "id = \"h\"\ngrid = \"G1\"\n";
    let mut all = rain(&[GAUGE, other], "");
    for (id, mm) in [("g", 10.0), ("h", 20.0)] {
        all.observe(&report(id, 0, 0, total(0.0)), &mut Vec::new());
        all.observe(&report(id, 30, 30, total(mm)), &mut Vec::new());
    }
    let view = all.view(now(30), &TimeZone::UTC);
    assert_eq!((view.grids[0].mean_mm["1h"], view.grids[0].most_mm["1h"]), (15.0, 20.0));
    assert_eq!(view.gauges[1].grade_24h.zh, "中雨");
    let curve = &view.gauges[0].curve;
    assert_eq!(curve.len(), 288);
    let sum: f64 = curve.iter().map(|point| point.mm).sum();
    assert!((sum - 10.0).abs() < 0.2, "{sum}");
}

#[test]
fn stations_that_nobody_knows_are_counted_and_bounded() {
    let mut all = rain(&[], "");
    for n in 0..3_000 {
        all.observe(&report(&format!("mad-{n}"), 0, 0, total(0.0)), &mut Vec::new());
    }
    assert_eq!(all.gauges.len(), GAUGES_MAX);
    let mut findings = Vec::new();
    all.tick(now(10_000), &mut findings);
    assert!(findings.is_empty(), "nobody supervises what nobody configured");
}

#[test]
fn p9_a_clock_of_ours_that_was_years_ahead_leaves_nobody_deaf() {
    let mut all = rain(&[GAUGE], "");
    let year = 525_600;
    let wall = |minute: i64, mono: i64| Stamp {
        ..Stamp::of_gateway(Now { wall: at(minute), mono_ms: (mono * 60_000).unsigned_abs() })
    };
    // Dated on arrival by a clock that is 70 years ahead; then it is set right, and once it falls
    // to 1970 for a moment.
    for (minute, mono, mm) in
        [(70 * year, 0, 1.0), (70 * year + 5, 5, 2.0), (10, 10, 3.0), (15, 15, 5.0)]
    {
        let lines =
            Observation { stamp: wall(minute, mono), ..report("g", minute, mono, total(mm)) };
        all.observe(&lines, &mut Vec::new());
    }
    let view = |all: &Rain| {
        all.view(Now { wall: at(20), mono_ms: 20 * 60_000 }, &TimeZone::UTC).gauges[0].sums_mm["24h"]
    };
    assert_eq!(view(&all), 2.0);
    let boot = -START / 60;
    let lines = Observation { stamp: wall(boot, 17), ..report("g", boot, 17, total(6.0)) };
    all.observe(&lines, &mut Vec::new());
    let lines = Observation { stamp: wall(20, 20), ..report("g", 20, 20, total(7.0)) };
    all.observe(&lines, &mut Vec::new());
    assert_eq!(view(&all), 4.0);
}

#[test]
fn r3_a_first_level_beyond_the_marks_is_doubtful_and_a_flood_is_not() {
    let gauge = "id = \"w\"\nkind = \"level\"\nwarning_m = 29.5\nguarantee_m = 31.0\n";
    let first = |mm: i64| {
        let mut all = rain(&[gauge], "");
        let mut findings = Vec::new();
        all.observe(&report("w", 0, 0, Measure::LevelMm(mm)), &mut findings);
        let mut lines = short(&findings);
        lines.retain(|line| !line.contains("posture"));
        lines.join("|")
    };
    assert_eq!(first(28_500), "");
    assert_eq!(first(29_500), "Begins water-level/w 2 warning");
    assert_eq!(first(31_000), "Begins water-level/w 1 guarantee");
    assert_eq!(first(61_000), "Begins water-level/w 1 guarantee", "the end of the range");
    assert_eq!(first(61_001), "Begins fault/device-fault/w 2 ");
    assert_eq!(first(9_999_998), "Begins fault/device-fault/w 2 ");
    assert_eq!(first(-70_501), "Begins fault/device-fault/w 2 ");
}

#[test]
fn r3_what_one_gauge_says_alone_is_believed_with_a_second_one() {
    let other = "id = \"h\"\ngrid = \"G1\"\n";
    let sum = |of: &[(&str, i64, f64)]| {
        let mut all = rain(&[GAUGE, other], "");
        for (id, minute, mm) in of {
            all.observe(&report(id, *minute, *minute, total(*mm)), &mut Vec::new());
        }
        all.view(now(10), &TimeZone::UTC).gauges[0].sums_mm["1h"]
    };
    // 70 mm in five minutes.
    assert_eq!(sum(&[("g", 0, 0.0), ("g", 5, 70.0)]), 0.0);
    assert_eq!(sum(&[("g", 0, 0.0), ("h", 0, 0.0), ("g", 5, 70.0), ("h", 5, 1.0)]), 0.0);
    assert_eq!(sum(&[("g", 0, 0.0), ("h", 0, 0.0), ("g", 5, 70.0), ("h", 5, 30.0)]), 70.0);
    assert_eq!(sum(&[("g", 0, 0.0), ("h", 0, 0.0), ("h", 5, 80.0), ("g", 5, 70.0)]), 70.0);
}

/// A report with these readings and whatever else is said.
fn full(id: &str, minute: i64, measures: &[Measure], more: GaugeReport) -> Observation {
    let mut one = report(id, minute, minute, Measure::Tips(0));
    let readings = measures.iter().map(|measure| Reading { at: at(minute), measure: *measure });
    one.body = Body::Gauge(GaugeReport { readings: readings.collect(), ..more });
    one
}

#[test]
fn a_test_is_shown_and_counts_nowhere() {
    let gauge = "id = \"g\"\nwarning_m = 29.5\nguarantee_m = 31.0\n";
    let mut all = rain(&[gauge], "");
    let mut findings = Vec::new();
    all.observe(
        &full("g", 0, &[total(100.0), Measure::LevelMm(28_500)], GaugeReport::default()),
        &mut findings,
    );
    for n in 1..4 {
        let poured = [total(100.0 + 40.0 * n as f64), Measure::LevelMm(31_500)];
        let test = GaugeReport {
            test: true,
            battery: Some(3),
            status: Some(crate::domain::StationStatus(2)),
            ..GaugeReport::default()
        };
        all.observe(&full("g", 10 * n, &poured, test), &mut findings);
    }
    assert_eq!(short(&findings), Vec::<String>::new());
    let gauge = &all.view(now(40), &TimeZone::UTC).gauges[0];
    assert_eq!((gauge.sums_mm["24h"], gauge.level_m), (0.0, Some(28.5)));
    let test = gauge.last_test.as_ref().unwrap();
    assert!(test.said.contains("TotalUm(220000)") && test.at.contains("12:30"), "{test:?}");
    // What comes after it is compared with what came before.
    all.observe(&report("g", 50, 50, total(100.4)), &mut findings);
    assert_eq!(all.view(now(50), &TimeZone::UTC).gauges[0].sums_mm["1h"], 0.4);
}

#[test]
fn what_a_station_says_of_itself_is_told_once_and_told_well_again() {
    let mut all = rain(&[GAUGE], "");
    let said = |minute: i64, bits: Option<u32>, all: &mut Rain| {
        let mut findings = Vec::new();
        let status = bits.map(crate::domain::StationStatus);
        let report = GaugeReport { status, ..GaugeReport::default() };
        all.observe(&full("g", minute, &[total(1.0)], report), &mut findings);
        short(&findings).join("|")
    };
    assert_eq!(said(0, Some(0x80), &mut all), "");
    assert_eq!(said(5, Some(0xC0), &mut all), "Begins fault/device-fault/g 3 ");
    assert_eq!(said(10, Some(0xC0), &mut all), "");
    assert_eq!(said(15, None, &mut all), "", "a report without a status changes nothing");
    assert_eq!(said(20, Some(0xC2), &mut all), "Begins fault/device-battery/g 4 ");
    assert_eq!(said(25, Some(0x42), &mut all), "Begins fault/device-tamper/g 3 ");
    assert_eq!(
        said(30, Some(0x80), &mut all),
        "Ends fault/device-battery/g 4 |Ends fault/device-tamper/g 3 |Ends fault/device-fault/g 3 "
    );
    // One that has never been closed may have no switch at its door.
    let mut other = rain(&[GAUGE], "");
    assert_eq!(said(0, Some(0), &mut other), "Begins fault/device-tamper/g 4 ");
}

#[test]
fn a_gauge_of_which_nothing_can_be_read_is_told_until_something_can() {
    let mut all = rain(&[GAUGE], "");
    let unread = |minute: i64| Observation {
        source: "g".into(),
        stamp: Stamp::of_gateway(now(minute)),
        body: Body::Unreadable(crate::domain::Unreadable {
            origin: "broker gauge/g".into(),
            reason: "not JSON".into(),
            payload: b"{".to_vec(),
        }),
    };
    let mut findings = Vec::new();
    all.observe(&unread(0), &mut findings);
    assert_eq!(short(&findings), ["Begins fault/device-fault/g 3 "]);
    assert_eq!(all.unreadable(), ["g: not JSON"]);
    findings.clear();
    for minute in (60..600).step_by(60) {
        all.observe(&unread(minute), &mut findings);
        all.tick(now(minute + 30), &mut findings);
    }
    assert_eq!(short(&findings), Vec::<String>::new(), "once, and it is not silent");
    all.observe(&report("g", 600, 600, total(1.0)), &mut findings);
    assert!(all.unreadable().is_empty());
    all.observe(&report("g", 800, 800, total(1.0)), &mut findings);
    assert_eq!(short(&findings), ["Ends fault/device-fault/g 3 "]);
    // Only null: the same.
    let none = GaugeReport { doubt: Some("level_m null".into()), ..GaugeReport::default() };
    all.observe(&full("g", 810, &[], none), &mut findings);
    assert_eq!(all.unreadable().len(), 1);
}

#[test]
fn the_day_begins_at_eight() {
    // 20:00 Beijing time is minute 0: 08:00 is minute 720.
    let mut all = rain(&[GAUGE], "");
    for (minute, mm) in [(600, 100.0), (660, 110.0), (720, 130.0), (780, 131.0), (840, 135.0)] {
        all.observe(&report("g", minute, minute, total(mm)), &mut Vec::new());
        let view = all.view(now(minute), &TimeZone::UTC);
        let day = view.gauges[0].sums_mm["day"];
        assert_eq!(day, if minute <= 720 { mm - 100.0 } else { mm - 130.0 }, "{minute}");
        assert_eq!((view.grids[0].mean_mm["day"], view.grids[0].most_mm["day"]), (day, day));
    }
    let gauge = &all.view(now(840), &TimeZone::UTC).gauges[0];
    assert_eq!(gauge.day_began_at, "2026-07-01T00:00:00+00:00");
    let at = |end: &str| gauge.curve.iter().find(|point| point.at.contains(end)).unwrap().day_mm;
    // The day before began 26 h ago: not all of it is known any more.
    assert_eq!((at("T00:00"), at("T01:00"), at("T02:00")), (None, Some(1.0), Some(5.0)));
    assert_eq!(gauge.counts_from.as_deref(), Some("2026-06-30T22:00:00+00:00"));
}
