//! Gauges of every make: what is read, what is not and why, and whose a message is.

use super::*;

fn codecs() -> Codecs {
    Codecs::new(&"s".into(), &[], &[])
}

fn check(topic: &str, payload: &str) -> String {
    let now = Now { wall: "2026-07-01T03:00:00Z".parse().unwrap(), mono_ms: 0 };
    let message = Message { topic, payload: payload.as_bytes(), retained: false, via: "broker" };
    let observation = codecs().decode(&message, now).pop().unwrap();
    match observation.body {
        Body::Gauge(report) => {
            let said: Vec<String> =
                report.readings.iter().map(|one| format!("{:?}", one.measure)).collect();
            let more = report.doubt.map(|doubt| format!(" ({doubt})")).unwrap_or_default();
            let battery = report.battery.map(|n| format!(" {n}%")).unwrap_or_default();
            format!("{} {}{battery}{more}", observation.source, said.join(" "))
        }
        Body::Unreadable(unreadable) => format!("unreadable: {}", unreadable.reason),
        Body::Posture(order) => format!("{} {:?}", order.posture.as_str(), order.to),
        other => format!("{other:?}"),
    }
}

fn uplink(object: &str) -> String {
    format!(
        r#"{{"deduplicationId":"3ac7","deviceInfo":{{"devEui":"24E124AABBCCDDEE"}},"fPort":85,"data":"qg==","object":{object}}}"#
    )
}

#[test]
fn dialects_are_read() {
    let up = "application/1/device/24e124aabbccddee/event/up";
    let table: &[(&str, String, &str)] = &[
        ("gridpost/s/gauge/g1", r#"{"tips":17,"battery":90}"#.into(), "g1 Tips(17) 90%"),
        ("gridpost/s/gauge/g1", r#"{"total_mm":12.4}"#.into(), "g1 TotalUm(12400)"),
        ("gridpost/s/gauge/g1", r#"{"tips":17.0,"battery":90.0}"#.into(), "g1 Tips(17) 90%"),
        ("gridpost/s/gauge/g1", r#"{"tips":"17","total_mm":" 12.4 "}"#.into(), "g1 Tips(17) TotalUm(12400)"),
        (up, uplink(r#"{"BatV":3.3,"rain":42.0}"#), "24e124aabbccddee Tips(42)"),
        (
            up,
            r#"{"deviceInfo":{"devEui":"x"},"fPort":2,"objectJSON":"{\"BatV\":3.3,\"rain\":42}"}"#.into(),
            "24e124aabbccddee Tips(42)",
        ),
        (
            up,
            uplink(r#"{"messages":[[{"measurementValue":"12.4","measurementId":4113.0},{"measurementValue":80.5,"measurementId":"4213"}]]}"#),
            "24e124aabbccddee RateUmPerHour(12400) TotalUm(80500)",
        ),
        (
            "rtl_433/box/events",
            r#"{"model":"Fineoffset-WH24","id":220.0,"rain_mm":"1086.9"}"#.into(),
            "Fineoffset-WH24-220 TotalUm(1086900)",
        ),
        (
            "gridpost/s/gauge/g1",
            r#"{"device":"g2","mm":0.5,"period_s":300,"level_m":29.61}"#.into(),
            "g2 Fallen { um: 500, period_s: 300 } LevelMm(29610)",
        ),
        (
            up,
            uplink(r#"{"wind_direction":121,"rainfall_total":1.23,"rainfall_counter":1}"#),
            "24e124aabbccddee TotalUm(1230)",
        ),
        (up, uplink(r#"{"battery":100,"depth":2}"#), "24e124aabbccddee LevelMm(20) 100%"),
        (up, uplink(r#"{"BatV":3.3,"rain":42}"#), "24e124aabbccddee Tips(42)"),
        (
            up,
            uplink(
                r#"{"valid":true,"messages":[[{"measurementValue":12.4,"measurementId":"4113","type":"Rain Gauge"}],[{"Battery(%)":84}]]}"#,
            ),
            "24e124aabbccddee RateUmPerHour(12400) 84%",
        ),
        (
            "rtl_433/box/events",
            r#"{"time":"2024-02-05 14:27:39","model":"Fineoffset-WH24","id":220,"battery_ok":1,"rain_mm":1086.90002}"#.into(),
            "Fineoffset-WH24-220 TotalUm(1086900)",
        ),
        (
            "gridpost/s/posture",
            r#"{"posture":"flood","to":"on","by":"李建国"}"#.into(),
            "flood On",
        ),
        (
            "gridpost/s/posture",
            "\u{feff}{\"posture\":\"flood\",\"to\":\"on\",\"by\":\"李建国\"}".into(),
            "flood On",
        ),
    ];
    for (topic, payload, expected) in table {
        assert_eq!(&check(topic, payload), expected, "{payload}");
    }
}

#[test]
fn bad_readings_say_why() {
    let table = [
        (r#"{"total_mm":-40}"#, "unreadable: total_mm -40: rain is never below 0"),
        (r#"{"total_mm":"much"}"#, "unreadable: total_mm \"much\": expected a number"),
        (r#"{"tips":1.5}"#, "unreadable: tips 1.5: expected a whole number"),
        (r#"{"mm":3}"#, "unreadable: `mm` needs `period_s`, 1 to 86400 seconds"),
        (r#"{"x":3}"#, "unreadable: no reading: expected tips, total_mm"),
        (
            r#"{"tips":3,"at":"soon"}"#,
            "g Tips(3) (at \"soon\": expected a time in RFC 3339; counted as made on arrival)",
        ),
        ("{", "unreadable: not JSON"),
        (r#"{"total_mm":1e300}"#, "unreadable: total_mm 1e+300: expected a number"),
        (
            r#"{"tips":3,"at":"1970-01-01T00:00:00Z"}"#,
            "g Tips(3) (its clock says 1970-01-01T00:00:00Z: counted as made on arrival)",
        ),
        (r#"{"tips":3,"at":"2026-06-01T00:00:00Z"}"#, "g  (older than 25 h: kept"),
    ];
    for (payload, expected) in table {
        let said = check("gridpost/s/gauge/g", payload);
        assert!(said.starts_with(expected), "{payload}: {said}");
    }
}

/// A field that has no value, or that nobody can read, costs itself and is told.
#[test]
fn one_bad_field_costs_itself_alone() {
    for (fields, expected) in [
        (r#""tips":null"#, "tips null: it has no value"),
        (r#""tips":"""#, "tips \"\": it has no value"),
        (r#""tips":65535"#, "tips 65535: it has no value"),
        (r#""tips":"0xFFFF""#, "tips 65535: it has no value"),
        (r#""tips":1.5"#, "tips 1.5: expected a whole number of tips"),
        (r#""total_mm":-9999"#, "total_mm -9999: it has no value"),
        (r#""total_mm":3276.7"#, "total_mm 3276.7: it has no value"),
        (r#""total_mm":NaN"#, "total_mm null: it has no value"),
        (r#""total_mm":-40"#, "total_mm -40: rain is never below 0"),
        (r#""total_mm":{}"#, "total_mm {}: expected a number"),
        (r#""mm_h":"N/A""#, "mm_h \"N/A\": it has no value"),
        (r#""mm":3"#, "`mm` needs `period_s`"),
        (r#""at":"soon""#, "at \"soon\": expected a time"),
    ] {
        let said = check("gridpost/s/gauge/g", &format!("\u{feff}{{\"level_m\":29.5,{fields}}}\0"));
        let start = format!("g LevelMm(29500) ({expected}");
        assert!(said.starts_with(&start), "{fields}: {said}");
    }
    for (level, expected) in [
        ("9999.999", "g  (level_m 9999.999: it has no value)"),
        ("-9999", "g  (level_m -9999: it has no value)"),
        ("null", "g  (level_m null: it has no value)"),
        ("\"\"", "g  (level_m \"\": it has no value)"),
        ("65535", "g  (level_m 65535: it has no value)"),
        // A river may stand there.
        ("655.35", "g LevelMm(655350)"),
        ("9998.5", "g LevelMm(9998500)"),
    ] {
        let said = check("gridpost/s/gauge/g", &format!("{{\"level_m\":{level}}}"));
        assert_eq!(said, expected);
    }
    // Centimetres of a probe whose register is full.
    let up = "application/1/device/24e1/event/up";
    let said = check(up, &uplink(r#"{"battery":100,"depth":65535}"#));
    assert_eq!(said, "24e1  100% (depth 65535: it has no value)");
}

#[test]
fn a_listed_gauge_with_words_of_its_own_does_not_look_well() {
    let listed = crate::sources::codecs::Listed {
        id: "roof".into(),
        device: Some("24e1".into()),
        user: None,
        model: None,
    };
    let codecs = codecs().with_gauges(&[listed]);
    let now = Now { wall: "2026-07-01T03:00:00Z".parse().unwrap(), mono_ms: 0 };
    for (object, unread) in [
        (r#"{"Rainfall_mm":3.2}"#, true),
        (r#"{"water_cm":3}"#, true),
        (r#"{"battery":80,"temperature":21.5}"#, false),
    ] {
        let payload = uplink(object);
        let message = Message {
            topic: "application/1/device/24e1/event/up",
            payload: payload.as_bytes(),
            retained: false,
            via: "b",
        };
        let one = codecs.decode(&message, now).pop().unwrap();
        assert_eq!(one.source.as_str(), "roof");
        assert_eq!(matches!(one.body, Body::Unreadable(_)), unread, "{object}: {one:?}");
    }
}

/// Good messages of every dialect, broken in one place: read right, or kept and told.
#[test]
fn a_mutated_message_of_a_gauge_is_read_or_kept_and_told() {
    use rand::{Rng, SeedableRng, rngs::StdRng};
    let mut random = StdRng::seed_from_u64(crate::domain::seed());
    let up = "application/1/device/24e124aabbccddee/event/up";
    let good = [
        ("gridpost/s/gauge/g", r#"{"tips":17,"battery":90}"#.to_owned()),
        ("gridpost/s/gauge/g", r#"{"total_mm":12.4,"at":"2026-07-01T02:59:00Z"}"#.into()),
        ("gridpost/s/gauge/g", r#"{"mm":0.5,"period_s":300,"level_m":29.61}"#.into()),
        (up, uplink(r#"{"rainfall_total":1.23,"rainfall_counter":1}"#)),
        (up, uplink(r#"{"battery":100,"depth":2}"#)),
        (up, uplink(r#"{"BatV":3.3,"rain":42}"#)),
        ("rtl_433/box/events", r#"{"model":"WH24","id":220,"rain_mm":1086.9}"#.into()),
    ];
    let listed = |id: &str| crate::sources::codecs::Listed {
        id: id.into(),
        device: None,
        user: None,
        model: None,
    };
    let codecs = codecs().with_gauges(&[listed("24e124aabbccddee"), listed("g")]);
    let now = Now { wall: "2026-07-01T03:00:00Z".parse().unwrap(), mono_ms: 0 };
    for _ in 0..10_000 {
        let (topic, text) = &good[random.random_range(0..good.len())];
        let mut payload = text.clone().into_bytes();
        let at = random.random_range(0..payload.len());
        match random.random_range(0..4) {
            0 => payload.truncate(at),
            1 => payload[at] = random.random(),
            2 => drop(payload.remove(at)),
            _ => payload.insert(at, random.random()),
        }
        let message = Message { topic, payload: &payload, retained: false, via: "broker" };
        let all = codecs.decode(&message, now);
        let shown = String::from_utf8_lossy(&payload);
        assert!(!all.is_empty(), "{topic} {shown}");
        for one in all {
            match one.body {
                Body::Gauge(report) => {
                    assert_eq!(report.unknown.is_some(), report.doubt.is_some(), "{shown}");
                }
                Body::Unreadable(unreadable) => {
                    assert!(!unreadable.payload.is_empty() || payload.is_empty())
                }
                // A message whose word of rain was broken is of nobody here; it must not be a press.
                Body::Device(_) => {}
                other => panic!("{topic} {shown}: {other:?}"),
            }
        }
    }
}

#[test]
fn a_gauge_and_a_button_never_take_each_others_messages() {
    let listed = |id: &str, device: &str| crate::sources::codecs::Listed {
        id: id.into(),
        device: Some(device.into()),
        user: None,
        model: None,
    };
    let codecs = Codecs::new(&"s".into(), &[listed("btn", "B1B1")], &[])
        .with_gauges(&[listed("rain", "A1A1")]);
    let said = |topic: &str, payload: &str| {
        let now = Now { wall: "2026-07-01T03:00:00Z".parse().unwrap(), mono_ms: 0 };
        let payload = payload.as_bytes();
        let message = Message { topic, payload, retained: false, via: "broker" };
        let last = codecs.decode(&message, now).pop().unwrap();
        let what = match last.body {
            Body::Gauge(_) => "gauge",
            Body::Press(_) => "press",
            Body::Device(_) => "device",
            Body::Unreadable(_) => "unreadable",
            _ => "?",
        };
        format!("{} {what}", last.source)
    };
    let up = |eui: &str| format!("application/1/device/{eui}/event/up");
    let rain = r#"{"rainfall_total":1.2,"depth":3}"#;
    let pressed = r#"{"press":"short","depth":3}"#;
    // WTS506's bytes, and those of a WS101 that was pressed long.
    let raw =
        |data: &str| format!(r#"{{"deviceInfo":{{"devEui":"x"}},"fPort":85,"data":"{data}"}}"#);
    let table = [
        (up("a1a1"), uplink(rain), "rain gauge"),
        (up("A1A1"), raw("COx7AAAAAQ=="), "rain gauge"),
        // A listed button whose decoder has a word of gauges in it stays a button.
        (up("b1b1"), uplink(rain), "btn device"),
        (up("b1b1"), uplink(pressed), "btn press"),
        // What nobody can read of a listed button may be a press.
        (up("b1b1"), raw("COx7AAAAAQ=="), "btn press"),
        // Nobody's: what it says decides.
        (up("c1c1"), uplink(rain), "c1c1 gauge"),
        (up("c1c1"), uplink(r#"{"press":"short"}"#), "c1c1 press"),
        (up("c1c1"), raw("COx7AAAAAQ=="), "c1c1 gauge"),
        // A gauge that says nothing of rain is no press either: it lives.
        (up("a1a1"), uplink(r#"{"battery":80}"#), "rain gauge"),
        (up("a1a1"), uplink(r#"{"press":"short"}"#), "rain gauge"),
        (up("a1a1").replace("up", "status"), r#"{"batteryLevel":9.5}"#.into(), "rain gauge"),
        (up("a1a1"), raw("AXUQ/y4B"), "rain unreadable"),
        (up("b1b1").replace("up", "status"), r#"{"batteryLevel":9.5}"#.into(), "btn device"),
        ("gridpost/s/gauge/A1A1".into(), r#"{"tips":1}"#.into(), "rain gauge"),
        ("gridpost/s/gauge/a1a1".into(), "{".into(), "rain unreadable"),
        ("gridpost/s/button/B1B1".into(), r#"{"event":"press"}"#.into(), "btn press"),
        // Whoever calls for help is heard, whatever else it says.
        ("x/b1b1".into(), r#"{"event":"press","rain_mm":3,"model":"y"}"#.into(), "btn press"),
    ];
    for (topic, payload, expected) in table {
        assert_eq!(said(&topic, &payload), expected, "{topic} {payload}");
    }
}

#[test]
fn an_uplink_that_is_no_gauge_is_left_to_others() {
    let message = Message {
        topic: "application/1/device/24e1/event/up",
        payload: uplink(r#"{"battery":16,"button_event":{"status":"short press"}}"#)
            .leak()
            .as_bytes(),
        retained: false,
        via: "b",
    };
    let now = Now { wall: Timestamp::UNIX_EPOCH, mono_ms: 0 };
    assert!(foreign(&codecs(), &message, now).is_none());
}
