//! Drones whose telemetry is wrong: it is told, kept and counted, and disturbs neither flight nor press.

use std::path::Path;

use serde_json::Value;

use crate::world::{Broker, Gateway, Receiver, Uav, film, free_port, now_s, press, searched};

const UNREADABLE: &str = "gridpost_signals_unreadable_total";

/// What is wrong with a drone's telemetry, by the name that the script has for it, and a part of
/// the reason that is told; none where nothing of it is unreadable.
const KINDS: [(&str, &str); 7] = [
    ("sum", "checksum"),
    ("cut", "truncated"),
    ("null", "Null Island"),
    ("huge", "bytes long; at most"),
    ("replay", ""),
    ("clock70", ""),
    ("clock99", ""),
];

/// All of them at once, to their end.
async fn all_fly(ports: &[u16], film: &Path) {
    let fly = |((kind, _), port): (&(&str, &str), &u16)| {
        Uav::fly_badly(&format!("udp://127.0.0.1:{port}"), film, 5, kind)
    };
    let mut all: Vec<Uav> = KINDS.iter().zip(ports).map(fly).collect();
    for uav in &mut all {
        uav.landed().await;
    }
}

/// Straight from grid 1 to grid 3, and never off the line, to Null Island or back; in this century.
fn must_be_straight(kind: &str, patrol: &Value) {
    let line = patrol["detail"]["track"]["geometry"]["coordinates"].as_array().unwrap();
    for point in line {
        let (lon, lat) = (point[0].as_f64().unwrap(), point[1].as_f64().unwrap());
        assert!(
            (lon - 113.9131).abs() < 1e-4 && (30.921..30.928).contains(&lat),
            "{kind}: {line:?}"
        );
    }
    assert!(line.len() >= 2, "{kind}: {patrol:#}");
    let began = patrol["began_at"].as_str().unwrap();
    assert!(!began.starts_with("1970") && !began.starts_with("2099"), "{kind}: {began}");
}

/// In the log once it is quarantined, with the reason; nothing of what can be read.
fn must_be_told(log: &str, kind: &str, reason: &str) {
    assert_eq!(
        log.contains(&format!("drone=\"{kind}\" reason")) && !reason.is_empty(),
        !reason.is_empty(),
        "{kind}"
    );
    if !reason.is_empty() {
        let of = format!("drone=\"{kind}\"");
        let told = log.lines().find(|line| line.contains("quarantined") && line.contains(&of));
        assert!(told.is_some_and(|line| line.contains(reason)), "{kind}: {told:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_telemetry_is_told_kept_and_counted_and_the_good_half_still_counts() {
    let folder = tempfile::tempdir().unwrap();
    let film = film(folder.path(), 5, 1);
    let receiver = Receiver::start().await;
    let ports = KINDS.map(|_| free_port());
    let mut site = searched(&receiver, &["sum"]);
    for ((kind, _), port) in KINDS.iter().zip(ports) {
        let drone = site.drone(kind).set("listen", format!("udp://127.0.0.1:{port}"));
        site = drone.set("flight_end_s", 5).set("stall_timeout_s", 2).set("detect_fps", 0.2);
    }
    let mut gateway = Gateway::start(&site).await;
    all_fly(&ports, &film).await;
    for (kind, reason) in KINDS {
        let of = |data: &Value| {
            data["kind"] == "patrol" && data["what"] == "ended" && data["sources"][0]["id"] == kind
        };
        let patrol = receiver.wait(kind, of).await["data"].clone();
        must_be_straight(kind, &patrol);
        must_be_told(&gateway.log(), kind, reason);
    }
    for (kind, reason) in KINDS {
        let counted = gateway.figure(&format!("{UNREADABLE}{{origin=\"{kind}\"}}")).await;
        match reason {
            "" => assert_eq!(counted, None, "{kind}"),
            _ => assert!(counted.unwrap_or_default() >= 15.0, "{kind}: {counted:?}"),
        }
    }
    let text = gateway.metrics().await;
    let repeated = "gridpost_signals_duplicate_total{source=\"replay\"}";
    assert!(text.lines().any(|line| line.starts_with(repeated)), "{text}");
    assert!(gateway.stop().await.success());
    let kept = gridpost::store::quarantine(&gateway.data()).unwrap();
    let bad: Vec<_> = KINDS.iter().filter(|(_, reason)| !reason.is_empty()).collect();
    // One of many is kept, as it came.
    assert_eq!(kept.len(), bad.len(), "{kept:#?}");
    for (kind, reason) in bad {
        let of = |one: &&gridpost::domain::Quarantined| one.origin == format!("drone {kind} klv");
        let one = kept.iter().find(of).unwrap();
        assert!(one.reason.contains(reason) && one.hex.starts_with("060e2b34"), "{one:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_dji_telemetry_is_told_and_kept_and_disturbs_neither_flight_nor_press() {
    let (broker, receiver) = (Broker::start().await, Receiver::start().await);
    // Before anybody listens: a retained position of last week.
    let topic = "thing/product/1581F5/osd";
    let old =
        r#"{"timestamp":1782000000000,"data":{"latitude":30.9,"longitude":113.9,"mode_code":5}}"#;
    broker.retain(topic, old);
    let site = searched(&receiver, &["uav-1"])
        .mqtt_source("dji", &broker)
        .set("topics", ["thing/product/+/osd", "gridpost/demo/button/+"])
        .drone("uav-1")
        .set("serial", "1581F5")
        .set("flight_end_s", 10);
    let mut gateway = Gateway::start(&site).await;
    // The retained one.
    gateway.metric_is(UNREADABLE, |count| count >= 1.0).await;
    let now = (now_s() * 1000.0) as i64;
    let long = format!("{{\"timestamp\":{now},\"data\":{{\"x\":\"{}\"}}}}", "y".repeat(70_000));
    let bad = [
        (format!("{{\"timestamp\":{now},\"data\":{{\"latitude\":30.9"), "not JSON"),
        (
            format!("{{\"timestamp\":{now},\"data\":{{\"latitude\":0,\"longitude\":0}}}}"),
            "Null Island",
        ),
        (
            format!("{{\"timestamp\":{now},\"data\":{{\"latitude\":113.9,\"longitude\":30.9}}}}"),
            "swapped",
        ),
        (long, "at most 65536"),
    ];
    for (payload, _) in &bad {
        broker.publish(topic, payload);
    }
    // A dock reports at the same broker; it is no drone, and no mistake.
    let dock = format!(
        "{{\"timestamp\":{now},\"data\":{{\"latitude\":30.9,\"longitude\":113.9,\"rainfall\":1}}}}"
    );
    broker.publish("thing/product/dock-1/osd", dock);
    assert!(press(broker.port, "btn-1", "p1"));
    receiver.wait("the press", |data| data["kind"] == "emergency-button").await;
    let _osd = Uav::osd(broker.port, "1581F5", 3);
    let over = |data: &Value| data["kind"] == "patrol" && data["what"] == "ended";
    let patrol = receiver.wait("the flight", over).await["data"].clone();
    assert_eq!(patrol["detail"]["ended_by"], "landed", "{patrol:#}");
    let started = patrol["began_at"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    assert!(started.as_millisecond() >= now, "not by the retained one: {patrol:#}");
    assert_eq!(gateway.metric(UNREADABLE).await, 5.0, "the retained one and four");
    for (_, reason) in bad {
        assert!(gateway.log().contains(reason), "{reason} not in\n{}", gateway.log());
    }
    assert!(gateway.stop().await.success());
    let kept = gridpost::store::quarantine(&gateway.data()).unwrap();
    assert_eq!(kept.len(), 5, "{kept:#?}");
    assert!(kept.iter().any(|one| one.text.contains("\"latitude\":113.9")), "the raw bytes");
}
