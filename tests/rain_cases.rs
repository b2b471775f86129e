//! Reports as stations of the field send them, replayed: what becomes an incident, and what must not.

use jiff::{Timestamp, ToSpan, civil::DateTime};
use serde_json::{Value, json};

use crate::world::{Played, Replay, Site};

const STATION: &str = "0012345678";

/// CRC-16/MODBUS.
fn crc(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0xFFFF, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte), |crc, _| {
            if crc & 1 == 1 { (crc >> 1) ^ 0xA001 } else { crc >> 1 }
        })
    })
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len() / 2).map(|n| u8::from_str_radix(&hex[2 * n..2 * n + 2], 16).unwrap()).collect()
}

fn digits(at: DateTime, pattern: &str) -> String {
    at.strftime(pattern).to_string()
}

/// `10:05` of the day.
fn time(text: &str) -> DateTime {
    format!("2026-07-02T{text}:00").parse().unwrap()
}

/// A whole report in HEX form, as a line of signals that arrives ten seconds after it was sent.
fn line(function: u8, serial: usize, sent: DateTime, observed: DateTime, elements: &str) -> String {
    let body = bytes(&format!(
        "{serial:04X}{}F1F1{STATION}50F0F0{}{elements}",
        digits(sent, "%y%m%d%H%M%S"),
        digits(observed, "%y%m%d%H%M"),
    ));
    let mut frame = bytes(&format!("7E7E01{STATION}1234{function:02X}{:04X}02", body.len()));
    frame.extend(body);
    frame.push(3);
    let check = crc(&frame).to_be_bytes();
    frame.extend(check);
    let hex: String = frame.iter().map(|byte| format!("{byte:02X}")).collect();
    let at = sent.checked_add(10.seconds()).unwrap();
    let at = digits(at, "%Y-%m-%dT%H:%M:%S+08:00");
    json!({"at": at, "via": "tcp", "listener": "sl651", "hex": hex}).to_string()
}

fn total(tenths: usize) -> String {
    format!("2619{tenths:06}")
}

fn today(tenths: usize) -> String {
    format!("2019{tenths:06}")
}

fn level(mm: usize) -> String {
    format!("3923{mm:08}")
}

/// What a site with this station, and one beside it, makes of these lines.
fn play(lines: &[String]) -> Played {
    let site = Site::demo()
        .gauge("upper")
        .set("device", STATION)
        .set("warning_m", 29.5)
        .set("guarantee_m", 31.0)
        .gauge("lower")
        .set("device", "0012345699")
        .gauge("roof")
        .set("device", "24e124aabbccddee");
    Replay::of(&site).signals(&lines.join("\n")).run()
}

/// Kind, severity and title's words of each incident when it was opened or updated.
fn told(played: &Played) -> Vec<String> {
    let of = |event: &Value| {
        let data = &event["data"];
        let text = |key: &str| data[key].as_str().unwrap_or_default().to_owned();
        format!("{} {} {}", text("what"), text("kind"), data["severity"])
    };
    played.events.iter().map(of).collect()
}

fn most_in_an_hour(played: &Played) -> f64 {
    let sums =
        played.of("rain").into_iter().filter_map(|data| data["detail"]["sums_mm"]["1h"].as_f64());
    sums.fold(0.0, f64::max)
}

#[test]
fn a_status_beside_the_rain_costs_no_rain_and_is_told() {
    // 60 mm in an hour, with the level instrument at fault; the same without the status.
    let report = |n: usize, status: &str| {
        let at = time("10:00").checked_add((5 * n as i64).minutes()).unwrap();
        let rain = today(50 * n) + &total(1_000 + 50 * n);
        line(0x32, n + 1, at, at, &format!("{rain}{status}{}38121210", level(28_000 + 10 * n)))
    };
    let with: Vec<String> = (0..13).map(|n| report(n, "4520000000C0")).collect();
    let without: Vec<String> = (0..13).map(|n| report(n, "")).collect();
    let (with, without) = (play(&with), play(&without));
    assert_eq!(most_in_an_hour(&with), 60.0, "{:?}", told(&with));
    assert_eq!(most_in_an_hour(&with), most_in_an_hour(&without));
    let fault = with.of("device-fault");
    assert_eq!(fault[0]["detail"]["status"], json!(["水位仪表故障"]), "{fault:?}");
    assert_eq!(fault[0]["severity"], 3);
    assert!(without.of("device-fault").is_empty());
}

#[test]
fn two_stations_in_one_report_are_two() {
    // Neither of them has a drop more in an hour.
    let lines: Vec<String> = (0..13)
        .map(|n| {
            let at = time("10:00").checked_add((5 * n).minutes()).unwrap();
            let then = digits(at.checked_add(1.minutes()).unwrap(), "%y%m%d%H%M");
            let second = format!("F1F1001234569950F0F0{then}{}", total(120));
            let sent = at.checked_add(1.minutes()).unwrap();
            line(0x32, n as usize + 1, sent, at, &(total(100) + &second))
        })
        .collect();
    assert_eq!(told(&play(&lines)), Vec::<String>::new());
}

#[test]
fn a_station_without_a_probe_is_told_and_never_floods() {
    for first in ["28500", "9999999"] {
        let lines: Vec<String> = (0..5)
            .map(|n| {
                let at = time("10:00").checked_add((60 * n as i64).minutes()).unwrap();
                let mm = if n < 2 { first.parse().unwrap() } else { 9_999_999 };
                line(0x32, n + 1, at, at, &(level(mm) + &total(0) + "38122400"))
            })
            .collect();
        let played = play(&lines);
        assert!(played.of("water-level").is_empty(), "{:?}", told(&played));
        let faults = played.of("device-fault");
        assert_eq!(faults.len(), 1, "{:?}", told(&played));
        assert_eq!(faults[0]["severity"], 3);
    }
}

#[test]
fn a_level_that_leaps_is_doubtful_at_once_and_believed_the_third_time() {
    let report = |n: usize, mm: usize| {
        let at = time("10:00").checked_add((10 * n as i64).minutes()).unwrap();
        line(0x32, n + 1, at, at, &level(mm))
    };
    // 31.2 m, 2.7 m higher within ten minutes, is within the rate: a flood is told at once.
    let flood = play(&[report(0, 28_500), report(1, 31_200)]);
    assert!(told(&flood).contains(&"opened water-level 1".to_owned()), "{:?}", told(&flood));
    // 17 m higher is not.
    let leap: Vec<String> =
        [28_500, 45_500, 45_510, 45_520].iter().enumerate().map(|(n, mm)| report(n, *mm)).collect();
    let played = play(&leap[..3]);
    assert!(played.of("water-level").is_empty(), "{:?}", told(&played));
    let fault = played.of("device-fault")[0];
    assert_eq!((&fault["severity"], &fault["detail"]["doubtful"]), (&json!(2), &json!(true)));
    let played = play(&leap);
    assert!(told(&played).contains(&"opened water-level 1".to_owned()), "{:?}", told(&played));
}

#[test]
fn a_test_of_the_maintainers_alarms_nobody() {
    let mut lines =
        vec![line(0x32, 1, time("10:00"), time("10:00"), &(total(1_000) + &level(28_500)))];
    for n in 1..4 {
        let at = time("10:00").checked_add((10 * n as i64).minutes()).unwrap();
        let poured = today(400 * n) + &total(1_000 + 400 * n) + &level(31_500);
        lines.push(line(0x30, n + 1, at, at, &poured));
    }
    lines.push(line(0x32, 9, time("11:00"), time("11:00"), &(total(1_002) + &level(28_500))));
    assert_eq!(told(&play(&lines)), Vec::<String>::new());
}

#[test]
fn the_days_rain_begins_anew_at_eight() {
    // 20.0 mm on the day before; 45.0 mm between 08:00 and 09:00.
    let rows = [("06:00", 200), ("07:00", 200), ("08:00", 200), ("09:00", 450), ("10:00", 450)];
    let lines: Vec<String> = rows
        .iter()
        .enumerate()
        .map(|(n, (at, tenths))| {
            let at = time(at);
            line(0x32, n + 1, at, at, &format!("2219000000{}38121210", today(*tenths)))
        })
        .collect();
    let played = play(&lines);
    assert_eq!(most_in_an_hour(&played), 45.0, "{:?}", told(&played));
    let rain = played.of("rain")[0];
    assert_eq!(rain["detail"]["sums_mm"]["day"], 45.0);
}

#[test]
fn five_minute_amounts_are_the_same_rain_in_every_kind_of_report() {
    let amounts = "000050".repeat(12);
    let slots = "32".repeat(12);
    for (function, elements) in [
        (0x31, format!("04180000052219{amounts}")),
        (0x31, format!("0418000000F460{slots}")),
        (0x34, format!("F460{slots}")),
        (0x33, format!("F460{slots}")),
        (0x38, format!("04180000052219{amounts}")),
    ] {
        let lines: Vec<String> = (10..13)
            .map(|hour| {
                let (first, sent) = (format!("{hour}:05"), format!("{}:00", hour + 1));
                line(function, hour, time(&sent), time(&first), &elements)
            })
            .collect();
        let played = play(&lines);
        assert_eq!(most_in_an_hour(&played), 60.0, "{function:02X} {elements}");
        let last = played.of("rain").last().unwrap()["detail"]["sums_mm"]["3h"].clone();
        assert_eq!(last, 180.0, "{function:02X} {elements}");
    }
}

#[test]
fn doubles_texts_and_the_text_of_version_3_are_tips_too() {
    let start: Timestamp = "2026-07-02T10:00:00+08:00".parse().unwrap();
    let message = |n: i64, object: Value| {
        let at = start + jiff::SignedDuration::from_mins(15 * n);
        let mut payload = json!({"deduplicationId": format!("d{n}"), "time": at.to_string(),
            "deviceInfo": {"deviceProfileName": "WSC2", "devEui": "24e124aabbccddee"}, "fPort": 2});
        payload.as_object_mut().unwrap().extend(object.as_object().unwrap().clone());
        json!({"at": at.to_string(), "via": "mqtt",
            "topic": "application/1/device/24e124aabbccddee/event/up", "payload": payload})
        .to_string()
    };
    let decoded = |rain: Value| json!({"BatV": 3.3, "rain": rain, "TEM": 21.0});
    let as_double = |tips: i64| json!({"object": decoded(json!(tips as f64))});
    let as_text = |tips: i64| json!({"object": decoded(json!(tips.to_string()))});
    let as_v3 = |tips: i64| json!({"objectJSON": decoded(json!(tips)).to_string()});
    let whole = |tips: i64| json!({"object": decoded(json!(tips))});
    // 100 tips of 0.2 mm in an hour.
    let told_of = |shape: &dyn Fn(i64) -> Value| {
        let lines: Vec<String> = (0..5).map(|n| message(n, shape(1_000 + 25 * n))).collect();
        let played = play(&lines);
        assert!(played.of("device-fault").is_empty());
        (told(&played), most_in_an_hour(&played))
    };
    let expected = told_of(&whole);
    assert!(expected.1 >= 15.0, "{expected:?}");
    let shapes: [&dyn Fn(i64) -> Value; 3] = [&as_double, &as_text, &as_v3];
    for (which, shape) in shapes.into_iter().enumerate() {
        assert_eq!(told_of(shape), expected, "{which}");
    }
}
