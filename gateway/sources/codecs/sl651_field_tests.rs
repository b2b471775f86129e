//! What stations of the field put into their reports: each element by its kind, and none at another's cost.

use jiff::Timestamp;
use rand::{Rng, SeedableRng, rngs::StdRng, seq::SliceRandom};

use super::*;
use crate::{
    domain::{Body, GaugeReport, Measure, Now},
    sources::codecs::sl651_body::{ReadReport, read},
};

const STATION: &str = "0012345678";

fn now() -> Now {
    Now { wall: "2026-07-01T12:00:20+08:00".parse().unwrap(), mono_ms: 0 }
}

/// Of this function and form, with this body.
fn frame(form: Form, function: u8, body: Vec<u8>) -> StationFrame {
    StationFrame {
        form,
        centre: 1,
        station: STATION.into(),
        password: 0x1234,
        function,
        part: None,
        body,
        more: false,
    }
}

/// Elements of one station, observed and sent at 12:00.
fn hex_body(elements: &str) -> Vec<u8> {
    packed(&format!("0007260701120000F1F1{STATION}50F0F02607011200{elements}"))
}

fn of(function: u8, body: Vec<u8>) -> ReadReport {
    read(&frame(Form::Hex, function, body), "sl651", now()).unwrap()
}

fn report(read: &ReadReport, n: usize) -> &GaugeReport {
    let Body::Gauge(report) = &read.gauges[n].body else { panic!("{:?}", read.gauges[n]) };
    report
}

fn time(at: Timestamp) -> String {
    beijing(at).strftime("%d %H:%M").to_string()
}

/// Readings and doubts, shortly.
fn said(report: &GaugeReport) -> String {
    let mut all: Vec<String> = report
        .readings
        .iter()
        .map(|one| match one.measure {
            Measure::Fallen { um, period_s } => format!("{} {um}/{period_s}", time(one.at)),
            Measure::TotalUm(um) => format!("total {um}"),
            Measure::TodayUm(um) => format!("today {um}"),
            Measure::LevelMm(mm) => format!("level {mm}"),
            other => format!("{other:?}"),
        })
        .collect();
    all.extend(report.doubt.as_ref().map(|doubt| format!("! {doubt}")));
    all.join(", ")
}

/// What it is, the elements, and what is read of them.
const ELEMENTS: &[(&str, &str, &str)] = &[
    ("total", "2619001000", "total 100000"),
    ("a status, which is bits", "4520000000C02619001000", "total 100000"),
    ("a status of two bytes", "451000C02619001000", "total 100000"),
    ("today and total", "20190000452619001000", "today 4500, total 100000"),
    ("level with two decimals", "392200002850", "level 28500"),
    ("level with three", "392300028500", "level 28500"),
    ("a level of five bytes", "392B0000028500", "level 28500"),
    ("below datum", "3923FF001500", "level -1500"),
    ("river before gate", "3B23000300003923000285003A2300020000", "level 28500"),
    ("gate above before below", "3A23000200003B2300030000", "level 30000"),
    (
        "weather, flow, wind",
        "02110258031102101812095019080335120012272B0000012345392300028500",
        "level 28500",
    ),
    ("wind in letters of nobody", "3308AB2619001000", "total 100000"),
    ("a maker's own", "7A0829FFA01102882619001000", "total 100000"),
    ("an hour's amount", "1A19000305", "01 12:00 30500/3600"),
    (
        "all amounts",
        "2119000001221900000223190000032419000004",
        "01 12:00 100/60, 01 12:00 200/300, 01 12:00 300/600, 01 12:00 400/1800",
    ),
    (
        "of many hours",
        "1B190000011C190000021D190000031E19000004",
        "01 12:00 100/7200, 01 12:00 200/10800, 01 12:00 300/21600, 01 12:00 400/43200",
    ),
    ("a storm of 90 min", "051201302519000600", "01 12:00 60000/5400"),
    (
        "a storm of nobody knows how long",
        "2519000600",
        "! its rain (element 25) belongs to no time: counted nowhere",
    ),
    (
        "yesterday's rain at noon",
        "1F19000600",
        "! its rain (element 1F) belongs to no time: counted nowhere",
    ),
    ("beside a total", "1F190006002619001000", "total 100000"),
    (
        "no probe",
        "3923099999992619001000",
        "total 100000, ! element 39 says 09999999: it has no value",
    ),
    (
        "all nines",
        "3923999999992619001000",
        "total 100000, ! element 39 says 99999999: it has no value",
    ),
    (
        "all F",
        "3923FFFFFFFF2619001000",
        "total 100000, ! element 39 says FFFFFFFF: it has no value",
    ),
    (
        "all A",
        "3923AAAAAAAA2619001000",
        "total 100000, ! element 39 says AAAAAAAA: it has no value",
    ),
    ("rain of nines", "2619999999", "! element 26 says 999999: it has no value"),
    ("nearly nines", "392309999998", "level 9999998"),
    (
        "no BCD",
        "3923000A8500 2619001000",
        "total 100000, ! byte 23 of the body: element 39: 000A8500 is no BCD number",
    ),
    ("negative rain", "2621FF0004002619001000", "total 100000, ! -40 mm of rain: not counted"),
    ("no data", "26012619001000", "total 100000, ! byte 23 of the body: element 26 has no data"),
    (
        "cut off",
        "2619001000392300",
        "total 100000, ! byte 28 of the body: element 39 needs 4 bytes, 1 are left",
    ),
    (
        "a byte too many",
        "261900100038",
        "total 100000, ! byte 28 of the body: an element needs 2 bytes, 1 are left",
    ),
    ("twice", "26190010002619001005", "total 100000, total 100500"),
    (
        "a number too long",
        "26F8121212121212121212121212121212121212121212121212121212121212122019000045",
        "today 4500, ! byte 23 of the body: element 26: 12121212121212121212121212121212…: 31 bytes are too many",
    ),
];

#[test]
fn every_element_is_read_by_its_kind_and_costs_itself_alone() {
    for (what, elements, expected) in ELEMENTS {
        let read = of(0x32, hex_body(&elements.replace(' ', "")));
        let one = report(&read, 0);
        assert_eq!(said(one), *expected, "{what}");
        // What could not be read is kept as it came.
        let unread = one.doubt.as_ref().is_some_and(|doubt| doubt.contains("of the body"));
        assert_eq!(read.keep.is_some(), unread, "{what}: {:?}", read.keep);
    }
    let read = of(0x32, hex_body("4520000000C0381212457A0829FFA0110288"));
    let one = report(&read, 0);
    assert_eq!(one.status.map(|status| status.0), Some(0xC0));
    assert_eq!(one.voltage_mv, Some(12_450));
    assert_eq!(one.unknown.as_deref(), Some("7A 08 29; FFA0 11 0288"));
    // The answer to a query of the status has no class, and its element is a letter.
    let answer = packed(&format!("0007260701120000F1F1{STATION}4520000000C1"));
    assert_eq!(report(&of(0x46, answer), 0).status.map(|status| status.0), Some(0xC1));
}

#[test]
fn a_report_of_several_stations_is_read_for_each() {
    let body = hex_body(
        "26190001004520000000C0F1F1001234569950F0F026070112012619000120F1F1420106ABCD50F0F026070112003923000285",
    );
    let read = of(0x32, body);
    let names: Vec<&str> = read.gauges.iter().map(|one| one.source.as_str()).collect();
    assert_eq!(names, [STATION, "0012345699", "42010643981"]);
    assert_eq!(said(report(&read, 0)), "total 10000");
    assert_eq!(said(report(&read, 1)), "total 12000");
    assert_eq!(report(&read, 1).readings[0].at.to_string(), "2026-07-01T04:01:00Z");
    assert!(report(&read, 1).status.is_none(), "that was of the first");
    assert!(said(report(&read, 2)).starts_with("! byte"), "{}", said(report(&read, 2)));
    assert_eq!(read.keep.as_ref().map(|(of, _)| of.as_str()), Some("42010643981"));
    // Garbage in the first does not cost the second.
    let body = hex_body("39F8F1F1001234569950F0F026070112012619000120");
    let read = of(0x32, body);
    assert_eq!(said(report(&read, 1)), "total 12000");
    assert!(report(&read, 0).doubt.is_some() && read.keep.is_some());
    // No address of its own: it is the one whose frame it is.
    let read = of(0x32, packed("0007260701120000F1F1000000000050F0F026070112002619000120"));
    assert_eq!((read.gauges[0].source.as_str(), read.gauges.len()), (STATION, 1));
}

#[test]
fn a_uniform_report_gives_what_its_slots_give_in_an_hourly_one() {
    let first = "F0F02607011105";
    let expected: Vec<String> =
        (1..=12).map(|n| format!("01 {}:{:02} 5000/300", 11 + n / 12, n * 5 % 60)).collect();
    let series = format!("{first}04180000052219{}", "000050".repeat(12));
    let slots = format!("{first}F460{}", "32".repeat(12));
    for (function, elements) in [
        (0x31, series.clone()),
        (0x38, series.clone()),
        (0x31, format!("{first}0418000000F460{}", "32".repeat(12))),
        (0x34, slots.clone()),
        (0x33, slots.clone()),
        (0x3A, slots),
        // Dated by the end of the hour, as others do.
        (0x34, format!("F460{}", "32".repeat(12))),
        (0x32, format!("F460{}", "32".repeat(12))),
    ] {
        let read = of(function, hex_body(&elements));
        assert_eq!(said(report(&read, 0)), expected.join(", "), "{function:02X} {elements}");
        assert!(read.keep.is_none());
    }
    // Holes are no news, unless there is nothing else; leftovers are told; a voltage may end it.
    let holes = format!("{first}04180000052219FFFFFF000050");
    assert_eq!(said(report(&of(0x31, hex_body(&holes)), 0)), "01 11:10 5000/300");
    let none = format!("{first}04180000052219FFFFFFFFFFFF");
    assert!(said(report(&of(0x31, hex_body(&none)), 0)).contains("all 2 values"));
    let more = of(0x31, hex_body(&format!("{series}0000")));
    assert!(report(&more, 0).doubt.is_some() && report(&more, 0).readings.len() == 12);
    let voltage = of(0x31, hex_body(&format!("{series}38121245")));
    assert_eq!((report(&voltage, 0).voltage_mv, voltage.keep), (Some(12_450), None));
    // What is not used is skipped with its series, and the next station is read.
    let other = "04180000050311021002110213F1F1001234569950F0F026070112002619000120";
    assert_eq!(said(report(&of(0x31, hex_body(other)), 1)), "total 12000");
}

#[test]
fn times_are_those_of_the_station_unless_they_cannot_be() {
    let table = [
        ("the end of a day", "260630235959", "2606302400", "01 00:00", false),
        ("eight in the morning", "260701080003", "2607010800", "01 08:00", false),
        ("late, a day", "260701120000", "2606301130", "30 11:30", false),
        ("no time of its own", "260701120000", "2613391200", "01 12:00", true),
        // Ten minutes before it was sent, by a clock that is a year ahead: ten minutes ago.
        ("a clock ahead", "270701120020", "2707011150", "01 11:50", true),
        ("a clock that was never set", "000101000020", "0001010000", "01 12:00", true),
    ];
    for (what, sent, observed, expected, doubted) in table {
        let body = format!("0007{sent}F1F1{STATION}50F0F0{observed}2619000120");
        let read = of(0x32, packed(&body));
        let one = report(&read, 0);
        assert_eq!(time(one.readings[0].at), expected, "{what}");
        assert_eq!(one.doubt.is_some(), doubted, "{what}: {:?}", one.doubt);
    }
    let old = of(0x32, packed(&format!("0007260701120000F1F1{STATION}50F0F026062911302619000120")));
    assert_eq!(said(report(&old, 0)), "! older than 25 h: kept, counted nowhere");
    // Over the end of a year, sent in the new one.
    let new_year = Now { wall: "2027-01-01T00:00:30+08:00".parse().unwrap(), mono_ms: 0 };
    let body =
        packed(&format!("0007270101000010F1F1{STATION}50F0F02612312305F460{}", "32".repeat(12)));
    let read = read(&frame(Form::Hex, 0x34, body), "sl651", new_year).unwrap();
    let slots = &report(&read, 0).readings;
    assert_eq!((time(slots[0].at), time(slots[11].at)), ("31 23:05".into(), "01 00:00".into()));
}

#[test]
fn what_is_for_people_or_a_test_is_kept_as_such() {
    let read = of(0x30, hex_body("2619001000392300031500"));
    assert!(report(&read, 0).test);
    assert!(!report(&of(0x32, hex_body("2619001000")), 0).test);
    let mut entries = packed("0007260701120000F2F2");
    entries.extend(b"Q1234 NN");
    let read = of(0x35, entries);
    assert!(read.keep.is_some() && report(&read, 0).doubt.is_none(), "{read:?}");
    assert!(of(0x32, hex_body("FDF60102")).keep.is_none());
}

#[test]
fn the_text_form_is_read_by_the_same_rules() {
    let table: &[(&str, &str)] = &[
        ("PJ 4.5 PT 100.0 Z 28.50 VT 12.45", "today 4500, total 100000, level 28500"),
        ("PT 100.0 ZT 000000C0 Z 28.500", "total 100000, level 28500"),
        ("Z 9999.999 PT 100.0", "total 100000, ! element 39 says 9999.999: it has no value"),
        ("Z M PT 100.0", "total 100000, ! element 39 says M: it has no value"),
        ("Z 28.x PT 100.0", "total 100000, ! `Z 28.x`: expected a number"),
        ("Z PT 100.0", "total 100000, ! `Z`: its value is missing"),
        ("PT 100.0 Z", "total 100000, ! `Z`: its value is missing"),
        ("AI 25.3 UC 9 M10 33.1 QA 1.5 XYZ 3 PT 100.0", "total 100000"),
        ("P1 30.5", "01 12:00 30500/3600"),
        ("ZB 20.0 ZU 30.0", "level 30000"),
        (
            "DRH00 DRP 32323232FFFFFFFFFFFFFFFF PT 100.0",
            "01 11:05 5000/300, 01 11:10 5000/300, 01 11:15 5000/300, 01 11:20 5000/300, total 100000",
        ),
        ("DRN05 PN05 1.0 M 2.0", "01 12:00 1000/300, 01 12:10 2000/300"),
        ("DRH01 P1 Z 1.0 28.5 M 28.6", "01 12:00 1000/3600, level 28500, level 28600"),
        ("ST 0012345699 P TT 2607011200 PT 12.0", "|total 12000"),
    ];
    for (words, expected) in table {
        let body = format!("0007260701120000ST {STATION} P TT 2607011200 {words} ").into_bytes();
        let late = Now { wall: "2026-07-01T13:05:00+08:00".parse().unwrap(), mono_ms: 0 };
        let read = read(&frame(Form::Ascii, 0x32, body), "sl651", late).unwrap();
        let all: Vec<String> = (0..read.gauges.len()).map(|n| said(report(&read, n))).collect();
        assert_eq!(all.join("|"), *expected, "{words}");
    }
}

/// Whatever happens to a body whose check is right: the same is read, or what is not is kept and told.
#[test]
fn r4_a_mutated_report_is_read_or_kept_and_told() {
    let mut random = StdRng::seed_from_u64(crate::domain::seed());
    let groups = [
        "2619001000",
        "2019000045",
        "392300028500",
        "4520000000C0",
        "38121245",
        "1A19000305",
        "7A0829",
    ];
    for _ in 0..5_000 {
        let mut order = groups;
        order.shuffle(&mut random);
        let good = hex_body(&order.concat());
        let right = of(0x32, good.clone());
        assert!(right.keep.is_none() && report(&right, 0).readings.len() == 4, "in any order");
        let mut body = good.clone();
        let at = random.random_range(8..body.len());
        let mut expected = 4;
        match random.random_range(0..4) {
            // Cut between two elements it is a shorter report, and a good one.
            0 => {
                body.truncate(at);
                expected = 1;
            }
            // The number of an element may become that of another one, which is read for what it is.
            1 => {
                body[at] = random.random();
                expected = 3;
            }
            2 => drop(body.remove(at)),
            _ => body.insert(at, random.random()),
        }
        let mutated = of(0x32, body.clone());
        // A trace of all that came: a reading, a word of doubt, an unknown element, or the raw bytes.
        let shown: String = body.iter().map(|byte| format!("{byte:02X}")).collect();
        let readings: usize =
            (0..mutated.gauges.len()).map(|n| report(&mutated, n).readings.len()).sum();
        let told = mutated.gauges.iter().enumerate().any(|(n, _)| {
            let one = report(&mutated, n);
            let says = expected == 1 && (one.status.is_some() || one.voltage_mv.is_some());
            one.doubt.is_some() || one.unknown.is_some() || says
        });
        assert!(readings >= expected || told || mutated.keep.is_some(), "{shown}: {mutated:?}");
        if mutated.keep.is_some() {
            assert!(told, "kept and not told: {shown}");
        }
    }
}

/// Totals of a night in thirty disguises: order, other elements, several stations, slots beside them.
#[test]
fn thirty_of_thirty_sums_are_right() {
    let mut random = StdRng::seed_from_u64(crate::domain::seed());
    for _ in 0..30 {
        let tenths: u32 = random.random_range(0..99_999);
        let mut elements = vec![
            format!("2619{tenths:06}"),
            "4520000000C0".into(),
            "392309999999".into(),
            format!("20190{:05}", tenths % 10_000),
            "021102587A0829FFA0110288".into(),
            "381212993308FF".into(),
        ];
        elements.shuffle(&mut random);
        elements.truncate(random.random_range(1..=6));
        if !elements.iter().any(|one| one.starts_with("26")) {
            elements.push(format!("2619{tenths:06}"));
        }
        let mut body = elements.concat();
        if random.random() {
            body += "F1F1001234569950F0F026070112012619000120";
        }
        let read = of([0x31, 0x32, 0x33, 0x34, 0x37][random.random_range(0..5)], hex_body(&body));
        let total = i64::from(tenths) * 100;
        let found = report(&read, 0).readings.iter().find_map(|one| match one.measure {
            Measure::TotalUm(um) => Some(um),
            _ => None,
        });
        assert_eq!(found, Some(total), "{body}");
        assert!(read.keep.is_none(), "{body}: {:?}", read.keep);
    }
}
