//! Rain, water and posture end to end: station scripts over real TCP, gauges over a real broker and the intake.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    process::Command,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::world::{
    Broker, Gateway, Launch, Receiver, Site, check, grids, root, station, store_must_be_sound,
    wait_for,
};

/// A community with a listener for stations.
fn community(receiver: &Receiver) -> Site {
    Site::demo()
        .set("name", "桥北社区警务室")
        .set("place", [113.9131, 30.9223])
        .set("grids", grids())
        .section("[sl651]")
        .set("listen", "127.0.0.1:0")
        .set("unanswered", ["0012345604"])
        .http(receiver)
}

/// With the station of the scripts upstream.
fn upstream(receiver: &Receiver) -> Site {
    community(receiver)
        .gauge("upper")
        .set("name", "上游雨量站")
        .set("device", "0012345678")
        .set("warning_m", 29.5)
        .set("guarantee_m", 31.0)
}

fn count(lines: &[Value], key: &str) -> usize {
    lines.iter().filter(|line| line.get(key).is_some()).count()
}

async fn gauge(gateway: &Gateway, id: &str) -> Value {
    let (status, view) = gateway.get("/api/v1/rain").await;
    assert_eq!(status, 200);
    let gauges = view["gauges"].as_array().unwrap();
    gauges.iter().find(|gauge| gauge["id"] == id).cloned().unwrap_or(Value::Null)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_station_is_acknowledged_and_its_rain_reaches_the_grid_as_one_incident() {
    let receiver = Receiver::start().await;
    let gateway = Gateway::start(&upstream(&receiver)).await;
    let port = gateway.port("sl651");
    // 3 mm each 5 min for two hours; the last reading is now. Some of it twice.
    let rain = vec!["3"; 24].join(",");
    let lines =
        station(port, &format!("--rain 0,{rain} --repeat --keepalive --level 29.1,29.2,29.6"));
    assert_eq!(count(&lines, "acked"), 50, "{lines:?}");
    assert!(lines.iter().all(|line| line.get("end").is_none_or(|end| end == "04")));
    let red = receiver
        .wait("two incidents", |data| data["kind"] == "rain" && data["detail"]["level"] == "orange")
        .await;
    assert_eq!(red["data"]["grid"]["code"], "420100-QB-01");
    assert_eq!(red["data"]["sources"][0]["kind"], "gauge");
    let title = red["data"]["title"]["zh"].as_str().unwrap();
    assert!(title.contains("观测雨量达到暴雨橙色预警标准") && title.contains("毫米"), "{title}");
    let level = receiver.wait("the water", |data| data["kind"] == "water-level").await;
    assert_eq!(level["data"]["severity"], 2);
    let posture = receiver.wait("the posture", |data| data["kind"] == "posture").await;
    assert_eq!(posture["data"]["title"]["zh"], "进入汛期值守状态");
    let kinds: Vec<Value> =
        receiver.state().into_values().map(|data| data["kind"].clone()).collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == "rain").count(), 1, "{kinds:?}");
    let seen = gauge(&gateway, "upper").await;
    assert_eq!((&seen["sums_mm"]["24h"], &seen["level_m"]), (&json!(72.0), &json!(29.6)));
    // Drawn from what the API gives, as `make demo` does.
    let (_, view) = gateway.get("/api/v1/rain").await;
    let file = gateway.folder.path().join("view.json");
    fs::write(&file, view.to_string()).unwrap();
    let drawn = Command::new("/usr/bin/python3")
        .arg(root().join("tests/rig/rain_svg.py"))
        .args([file.as_os_str(), "upper".as_ref()])
        .output()
        .unwrap();
    let svg = String::from_utf8(drawn.stdout).unwrap();
    for part in ["上游雨量站", "暴雨橙色标准", "达到 met", "72.0 毫米（暴雨）", "</svg>"]
    {
        assert!(svg.contains(part), "{part} not in {svg}");
    }
    assert_eq!(gateway.metric("gridpost_signals_duplicate_total").await, 25.0);
    assert_eq!(gateway.metric("gridpost_gauge_reports_total").await, 50.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_form_and_mode_and_order_gives_the_same_rain() {
    let receiver = Receiver::start().await;
    let gateway = Gateway::start(&community(&receiver).gauge("a").gauge("b")).await;
    let port = gateway.port("sl651");
    let rain = "--rain 0,0.2,1.4,0,7.6,0.2,0";
    for (address, options, acks) in [
        ("0012345601", "", 7),
        ("0012345602", "--form ascii", 7),
        ("6101021234", "--mode M3 --function 34", 7),
        ("0012345604", "--mode M1 --function 33", 0),
        ("0012345605", "--reverse --repeat --function 32", 14),
    ] {
        let lines = station(port, &format!("--station {address} {rain} {options}"));
        assert_eq!(count(&lines, "acked"), acks, "{address} {lines:?}");
        wait_for("the sum", || async {
            let sums = gauge(&gateway, address).await["sums_mm"].clone();
            (sums["1h"] == 9.4).then_some(())
        })
        .await;
        println!("{address} {options}: the same rain");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p1_an_acknowledged_reading_survives_kill9() {
    let receiver = Receiver::start().await;
    let site = upstream(&receiver);
    let mut folder = tempfile::tempdir().unwrap();
    // One station for all lives: its counter goes on, and so do its serial numbers.
    let (mut total, mut serial, mut acked) = (100.0, 1, 0);
    let start = jiff::Zoned::now().with_time_zone(jiff::tz::TimeZone::UTC);
    let start = &start - jiff::SignedDuration::from_hours(3);
    for life in 0..5 {
        let gateway = Gateway::start_in(folder, &site, &[]).await;
        let at = &start + jiff::SignedDuration::from_mins(20 * life);
        let at = at.strftime("%Y-%m-%dT%H:%M:%S+00:00");
        let lines = station(
            gateway.port("sl651"),
            &format!("--rain 1,1,1,1 --total {total} --serial {serial} --start {at}"),
        );
        acked += count(&lines, "acked");
        total += 4.0;
        serial += 4;
        // Killed right behind the last acknowledgement.
        folder = gateway.kill().await;
    }
    assert_eq!(acked, 20);
    let gateway = Gateway::start_in(folder, &site, &[]).await;
    // 20 readings, 1 mm each; before the first one nothing is known.
    assert_eq!(gauge(&gateway, "upper").await["sums_mm"]["24h"], 19.0);
    let folder = gateway.kill().await;
    store_must_be_sound(&folder.path().join("data"));
    // The index is only a copy: the journal alone gives the same.
    fs::remove_dir_all(folder.path().join("data/index")).unwrap();
    let gateway = Gateway::start_in(folder, &site, &[]).await;
    assert_eq!(gauge(&gateway, "upper").await["sums_mm"]["24h"], 19.0);
}

/// Each sync of the journal takes this much longer.
const SLOW_MS: u64 = 400;

#[tokio::test(flavor = "multi_thread")]
async fn p1_a_reading_is_acknowledged_only_after_the_disk_has_it() {
    let receiver = Receiver::start().await;
    let gateway = Launch::of(upstream(&receiver)).faulty_disk("s", SLOW_MS).start().await;
    let port = gateway.port("sl651");
    let mut line = TcpStream::connect(("127.0.0.1", port)).unwrap();
    // Another serial number with the right check: a new report.
    for serial in 1u8..4 {
        let mut frame = bytes(REAL);
        frame[15] = serial;
        let n = frame.len();
        let check = gridpost::sources::codecs::sl651::crc(&frame[..n - 2]).to_be_bytes();
        frame[n - 2..].copy_from_slice(&check);
        let started = Instant::now();
        line.write_all(&frame).unwrap();
        let mut answer = [0u8; 25];
        line.read_exact(&mut answer).unwrap();
        assert_eq!(answer[10], 0x30);
        let took = started.elapsed();
        assert!(
            took >= Duration::from_millis(SLOW_MS),
            "acknowledged after {took:?}, a sync takes {SLOW_MS} ms"
        );
        // A 4A may follow the first one: the station's clock says 2020.
        line.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let _ = line.read(&mut [0u8; 64]);
        line.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_off_is_set_and_a_wild_one_disturbs_nothing() {
    let receiver = Receiver::start().await;
    let gateway = Gateway::start(&upstream(&receiver)).await;
    let port = gateway.port("sl651");
    let lines = station(port, "--rain 0,1,1 --clock-off-s 1800");
    let clock = lines.iter().find_map(|line| line["clock"].as_str()).expect("a 4A");
    let told: jiff::Timestamp = clock.parse().unwrap();
    let now = jiff::Zoned::now().timestamp();
    assert!(told.duration_since(now).abs() < jiff::SignedDuration::from_secs(5));
    assert_eq!(count(&lines, "clock"), 1, "once: {lines:?}");
    assert!(lines.iter().any(|line| line["end"] == "1B"), "it stays on line for it");
    assert_eq!(gauge(&gateway, "upper").await["sums_mm"]["1h"], 2.0);
    // Readings of 2099 and of 2001: taken, acknowledged, told as doubtful.
    for (n, start) in ["2099-01-01T00:00:00+08:00", "2001-01-01T00:00:00+08:00"].iter().enumerate()
    {
        let serial = 10 + 10 * n;
        let lines =
            station(port, &format!("--rain 1,1 --total 102 --start {start} --serial {serial}"));
        assert_eq!(count(&lines, "acked"), 2, "{lines:?}");
    }
    assert_eq!(gauge(&gateway, "upper").await["doubtful"], true);
    receiver.wait("the doubt", |data| data["kind"] == "device-fault").await;
    let sum = gauge(&gateway, "upper").await["sums_mm"]["24h"].as_f64().unwrap();
    assert!((2.0..=4.0).contains(&sum), "its counter is still right: {sum}");
}

/// Bytes in, and what came back until the line was closed or nothing came for a while.
fn say(port: u16, bytes: &[u8]) -> Vec<u8> {
    let mut line = TcpStream::connect(("127.0.0.1", port)).unwrap();
    line.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let _ = line.write_all(bytes);
    let _ = line.shutdown(std::net::Shutdown::Write);
    let mut answer = Vec::new();
    let _ = line.read_to_end(&mut answer);
    answer
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len() / 2).map(|n| u8::from_str_radix(&hex[2 * n..2 * n + 2], 16).unwrap()).collect()
}

const REAL: &str = "7E7E0101000000011234300033020040201126142746F1F1010000000148F0F0201126142720190000002619000000392300000075381212087A0829FFA011028803E43B";

#[tokio::test(flavor = "multi_thread")]
async fn mad_stations_are_quarantined_counted_and_harm_nobody() {
    let receiver = Receiver::start().await;
    let mut gateway = Gateway::start(&upstream(&receiver)).await;
    let port = gateway.port("sl651");
    // One that sends a byte now and then, and one that never reads.
    let mut slow = TcpStream::connect(("127.0.0.1", port)).unwrap();
    slow.write_all(&bytes(REAL)[..30]).unwrap();
    let mut wrong = bytes(REAL);
    wrong[40] ^= 1;
    assert!(say(port, &wrong).is_empty(), "a wrong CRC is not acknowledged");
    let mut swapped = bytes(REAL);
    let n = swapped.len();
    swapped.swap(n - 1, n - 2);
    assert!(say(port, &swapped).is_empty());
    assert!(say(port, &bytes(REAL)[..50]).is_empty(), "truncated");
    assert!(say(port, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").is_empty());
    assert!(say(port, &vec![0x7E; 100_000]).is_empty());
    // Behind rubbish a good frame is found, and answered.
    let mut mixed = b"\x00\x7E\x01rubbish".to_vec();
    mixed.extend(bytes(REAL));
    let answer = say(port, &mixed);
    assert_eq!(&answer[..2], [0x7E, 0x7E]);
    assert_eq!(answer[10], 0x30);
    assert_eq!(count(&station(port, "--rain 0,1"), "acked"), 2, "the good one beside them");
    let unreadable = gateway.metric("gridpost_signals_unreadable_total").await;
    assert!(unreadable >= 6.0, "{unreadable}");
    slow.write_all(&bytes(REAL)[30..]).unwrap();
    slow.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut answer = [0u8; 25];
    slow.read_exact(&mut answer).unwrap();
    assert_eq!(answer[10], 0x30, "the slow one was only slow");
    assert!(gateway.stop().await.success());
    let list = gateway.store(&["list", "--quarantine"]);
    for reason in ["low byte first", "truncated: 50 bytes came", "begin no frame"] {
        assert!(list.contains(reason), "{reason} not in {list}");
    }
}

/// A timed report with a total, a status and a level that has no probe, sent now; observed so many
/// minutes ago as its serial number is below 10.
fn report_of_now(serial: u16, tenths: u32) -> Vec<u8> {
    let beijing = jiff::tz::TimeZone::fixed(jiff::tz::offset(8));
    let now = jiff::Zoned::now().with_time_zone(beijing);
    let before = jiff::SignedDuration::from_mins(10 - i64::from(serial));
    let then = now.checked_sub(before).unwrap();
    let (sent, observed) = (now.strftime("%y%m%d%H%M%S"), then.strftime("%y%m%d%H%M"));
    let body = bytes(&format!(
        "{serial:04X}{sent}F1F1001234567850F0F0{observed}4520000000C02619{tenths:06}392309999999"
    ));
    let mut frame = bytes(&format!("7E7E01001234567812343200{:02X}02", body.len()));
    frame.extend(body);
    frame.push(3);
    let check = frame.iter().fold(0xFFFFu16, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte), |crc, _| {
            if crc & 1 == 1 { (crc >> 1) ^ 0xA001 } else { crc >> 1 }
        })
    });
    frame.extend(check.to_be_bytes());
    frame
}

#[tokio::test(flavor = "multi_thread")]
async fn a_modem_before_a_station_costs_no_report() {
    let receiver = Receiver::start().await;
    let gateway = Gateway::start(&upstream(&receiver)).await;
    let mut line = TcpStream::connect(("127.0.0.1", gateway.port("sl651"))).unwrap();
    line.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    line.set_nodelay(true).unwrap();
    // It registers and keeps the line, a packet each, for a day; then the station reports, its bytes
    // one by one, then two reports at once behind the rest of another.
    line.write_all(b"REG:860000000000000\r\n").unwrap();
    for n in 0..2_000 {
        line.write_all(if n % 2 == 0 { b"\xFE" } else { b"\x7E" }).unwrap();
    }
    let mut answer = [0u8; 25];
    for byte in report_of_now(1, 1_000) {
        line.write_all(&[byte]).unwrap();
    }
    line.read_exact(&mut answer).unwrap();
    assert_eq!((answer[10], answer[14..16].to_vec()), (0x32, vec![0, 1]));
    let mut both = report_of_now(2, 1_000)[..30].to_vec();
    both.extend(report_of_now(3, 1_012));
    both.extend(b"+++");
    both.extend(report_of_now(4, 1_024));
    line.write_all(&both).unwrap();
    for serial in [3, 4] {
        line.read_exact(&mut answer).unwrap();
        assert_eq!(answer[14..16], [0, serial]);
    }
    assert_eq!(gauge(&gateway, "upper").await["sums_mm"]["1h"], 2.4);
    // The instrument at fault and the missing probe are told of the gauge, the modem is not.
    let fault = receiver.wait("the fault", |data| data["kind"] == "device-fault").await;
    let doubt = fault["data"]["detail"]["doubt"].as_str().unwrap();
    assert!(doubt.contains("09999999") && doubt.contains("instrument"), "{doubt}");
    assert!(!doubt.contains("begin no frame"), "{doubt}");
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_makes_room_for_a_station_and_nonsense_costs_its_own_line() {
    let receiver = Receiver::start().await;
    let site = Site::demo()
        .section("[sl651]")
        .set("listen", "127.0.0.1:0")
        .set("connections_max", 8)
        .gauge("upper")
        .set("device", "0012345678")
        .http(&receiver);
    let gateway = Gateway::start(&site).await;
    let port = gateway.port("sl651");
    let crowd: Vec<TcpStream> =
        (0..40).map(|_| TcpStream::connect(("127.0.0.1", port)).unwrap()).collect();
    assert_eq!(count(&station(port, "--rain 0,1"), "acked"), 2, "a full listener lets it in");
    drop(crowd);
    // Heads that are right and sums that are not: closed, and nobody waits for it.
    let mut nonsense = bytes("7E7E0100123456781234320FFF02");
    nonsense.resize(0xFFF + 14, 0x55);
    nonsense.extend([3, 0, 0]);
    let flood = nonsense.repeat(100);
    assert!(say(port, &flood).is_empty());
    assert!(say(port, &b"\x7E\x7E\x0F".repeat(100_000)).is_empty());
    assert_eq!(count(&station(port, "--rain 0,1 --total 101 --serial 9"), "acked"), 2);
}

/// A gauge of this model, and what it measured.
fn say_by_mqtt(port: u16, model: &str, device: &str, values: &str) {
    let status = Command::new("/usr/bin/python3")
        .arg(root().join("tests/devices/mqtt_gauges.py"))
        .args(["127.0.0.1", &port.to_string(), model, device])
        .args(values.split(' '))
        .status();
    assert!(status.unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn gauges_of_every_make_over_a_broker_and_the_intake() {
    let receiver = Receiver::start().await;
    let broker = Broker::start().await;
    let site = community(&receiver)
        .mqtt_source("lora", &broker)
        .set(
            "topics",
            ["gridpost/demo/gauge/+", "application/+/device/+/event/up", "rtl_433/+/events"],
        )
        .gauge("roof")
        .set("device", "24e1000000000001")
        .gauge("bucket")
        .set("tip_mm", 0.5)
        .set("counter_wraps_at", 1000)
        .gauge("drag")
        .set("device", "a840410000000002")
        .gauge("underpass")
        .set("kind", "level")
        .set("device", "24e1000000000003")
        .set("zero_m", 27.8)
        .set("warning_m", 28.05);
    let gateway = Gateway::start(&site).await;
    gateway.logs("listens").await;
    let intake = gateway.intake.unwrap();
    for (port, model, device, values, id, sum) in [
        (broker.port, "milesight-wts506", "24e1000000000001", "5.0 6.2 9.4", "roof", 4.4),
        (broker.port, "native-tips", "bucket", "990 998 4 6", "bucket", 8.0),
        (broker.port, "dragino-wsc2", "a840410000000002", "10 20", "drag", 2.0),
        (intake, "milesight-raw", "24e1000000000009", "1.00 3.50", "24e1000000000009", 2.5),
        (intake, "native-total", "other", "7 8.5", "other", 1.5),
    ] {
        wait_for(model, || async {
            say_by_mqtt(port, model, device, values);
            // The subscription may be a moment behind the first message.
            let started = Instant::now();
            while started.elapsed() < Duration::from_secs(2) {
                if gauge(&gateway, id).await["sums_mm"]["1h"] == sum {
                    return Some(());
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            None
        })
        .await;
    }
    say_by_mqtt(broker.port, "em500-swl", "24e1000000000003", "5 31");
    // One that sends only what nobody can read is told, and stands where people look.
    say_by_mqtt(broker.port, "native-total", "bucket", "1e300");
    let fault = receiver.wait("the fault", |data| data["kind"] == "device-fault").await;
    assert!(fault["data"]["detail"]["doubt"].as_str().unwrap().contains("expected a number"));
    wait_for("the note", || async {
        let (_, ready) = gateway.get("/readyz").await;
        ready["notes"].to_string().contains("gauges that cannot be read: bucket").then_some(())
    })
    .await;
    let water = receiver.wait("the underpass", |data| data["kind"] == "water-level").await;
    assert_eq!(water["data"]["detail"]["level_m"], 28.11);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_posture_by_hand_outlives_a_restart_and_is_a_record() {
    let receiver = Receiver::start().await;
    let site = community(&receiver);
    let gateway = Gateway::start(&site).await;
    assert_eq!(gateway.get("/api/v1/posture").await, (200, json!({"postures": []})));
    let bad = json!({"posture": "flod", "to": "on", "by": "x"});
    assert_eq!(gateway.post("/api/v1/posture", &bad).await.0, 400);
    let on = json!({"posture": "flood", "to": "on", "by": "李建国"});
    assert_eq!(gateway.post("/api/v1/posture", &on).await, (200, json!({"postures": ["flood"]})));
    let opened = receiver.wait("the posture", |data| data["kind"] == "posture").await;
    assert_eq!(opened["data"]["detail"]["causes"], json!(["hand: 李建国"]));
    assert_eq!(opened["data"]["sources"][0]["kind"], "gateway");
    let folder = gateway.kill().await;
    let gateway = Gateway::start_in(folder, &site, &[]).await;
    assert_eq!(gateway.get("/api/v1/posture").await, (200, json!({"postures": ["flood"]})));
    let auto = json!({"posture": "flood", "to": "auto", "by": "李建国"});
    assert_eq!(gateway.post("/api/v1/posture", &auto).await, (200, json!({"postures": []})));
    let ended =
        receiver.wait("its end", |data| data["kind"] == "posture" && data["active"] == false).await;
    assert_eq!(ended["data"]["incident"], opened["data"]["incident"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_takes_new_gauges_thresholds_and_doors() {
    let receiver = Receiver::start().await;
    let gateway = Gateway::start(&upstream(&receiver)).await;
    let port = gateway.port("sl651");
    station(port, "--rain 0,3,3");
    let moved = upstream(&receiver)
        .section("[rain]")
        .set("move_now", json!([{"window_h": 1.0, "mm": 6.0}]))
        .section("[sl651]")
        .set("idle_s", 60);
    let answer = gateway.reload_to(moved).await;
    assert!(answer["difference"].to_string().contains("idle_s"), "{answer}");
    let moved = receiver.wait("to move", |data| data["detail"]["moving"] == "move-now").await;
    assert_eq!(moved["data"]["severity"], 1);
    assert!(moved["data"]["title"]["zh"].as_str().unwrap().contains("立即转移"));
    assert_eq!(gateway.port("sl651"), port);
    assert_eq!(count(&station(port, "--rain 1,1 --total 106 --serial 9"), "acked"), 2);
}

#[test]
fn mistakes_of_gauges_rain_and_posture_are_told_with_their_lines() {
    let checked = check(
        r#"[site]
id = "x"
[sl651]
listen = "0.0.0.0:5651"
[[gauge]]
id = "a"
tip_mm = -1
[[gauge]]
id = "a"
kind = "levle"
[[gauge]]
id = "b"
grid = "G9"
warning_m = 3
guarantee_m = 2
[rain]
hysteresis = 7
tell_form = "heavy"
[[rule]]
id = "w"
kind = "waterside"
line = [[0, 0], [1, 1]]
[posture]
[[posture.period]]
posture = "flood"
name = "汛期"
from = "2026-06-31"
to = "2026-08-31"
"#,
    );
    let places = [
        (4, "sl651.listen: 0.0.0.0:5651 is beyond loopback"),
        (7, "gauge[1].tip_mm: -1: expected 0.001 to 10 millimetres a tip"),
        (10, "gauge[2].kind: unknown value `levle`"),
        (13, "gauge[3].grid: no grid has the code `G9`"),
        (15, "gauge[3].guarantee_m: 2"),
        (17, "rain.hysteresis: 7: expected a share"),
        (18, "rain.tell_form: unknown key (did you mean `tell_from`?)"),
        (22, "rule[1].line: only kind"),
        (24, "posture.period: 汛期: `2026-06-31`"),
    ];
    checked.must_say(2, places.map(|(line, part)| format!("gridpost.toml:{line}: error: {part}")));
}
