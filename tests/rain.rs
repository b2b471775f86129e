//! Rain, water and posture end to end: station scripts over real TCP and a real broker, and a night on the simulated clock.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    process::Command,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::world::{Broker, Gateway, Receiver, gridpost, library, root, street, wait_for};

const STATION: &str = "0012345678";

fn config(receiver: &Receiver, more: &str) -> String {
    format!(
        "[site]\nid = \"demo\"\nname = \"桥北社区警务室\"\nplace = [113.9131, 30.9223]\ngrids = \"{}/config/grids/community.geojson\"\n\n[sl651]\nlisten = \"127.0.0.1:0\"\nunanswered = [\"0012345604\"]\n\n[[sink]]\nid = \"grid\"\nkind = \"http\"\nurl = \"{}\"\n\n{more}",
        root().display(),
        receiver.url
    )
}

const GAUGE: &str = "[[gauge]]\nid = \"upper\"\nname = \"上游雨量站\"\ndevice = \"0012345678\"\nwarning_m = 29.5\nguarantee_m = 31.0\n";

fn sl651_port(gateway: &Gateway) -> u16 {
    let said: Value =
        serde_json::from_slice(&fs::read(gateway.data().join("run.json")).unwrap()).unwrap();
    said["sl651"].as_str().unwrap().rsplit(':').next().unwrap().parse().unwrap()
}

/// The station script with these options; the lines it printed. It must end well.
fn station(port: u16, options: &str) -> Vec<Value> {
    let (lines, good) = station_to_its_end(port, options);
    assert!(good, "{options}: {lines:?}");
    lines
}

fn station_to_its_end(port: u16, options: &str) -> (Vec<Value>, bool) {
    let output = Command::new("/usr/bin/python3")
        .arg(root().join("tests/devices/sl651_station.py"))
        .args(["127.0.0.1", &port.to_string()])
        .args(options.split_whitespace())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    (lines, output.status.success())
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
    let gateway = Gateway::start(&config(&receiver, GAUGE)).await;
    let port = sl651_port(&gateway);
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
    let more = "[[gauge]]\nid = \"a\"\n\n[[gauge]]\nid = \"b\"\n";
    let gateway = Gateway::start(&config(&receiver, more)).await;
    let port = sl651_port(&gateway);
    let rain = "--rain 0,0.2,1.4,0,7.6,0.2,0";
    for (address, options, acks) in [
        ("0012345601", "", 7),
        ("0012345602", "--form ascii", 7),
        ("6101021234", "--mode M3 --function 34", 7),
        ("0012345604", "--mode M1 --function 30", 0),
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
    let text = config(&receiver, GAUGE);
    let mut folder = tempfile::tempdir().unwrap();
    // One station for the whole night: its counter goes on, and so do its serial numbers.
    let (mut total, mut serial, mut acked) = (100.0, 1, 0);
    let start = jiff::Zoned::now().with_time_zone(jiff::tz::TimeZone::UTC);
    let start = &start - jiff::SignedDuration::from_hours(3);
    for life in 0..5 {
        let gateway = Gateway::start_in(folder, &text, &[]).await;
        let at = &start + jiff::SignedDuration::from_mins(20 * life);
        let at = at.strftime("%Y-%m-%dT%H:%M:%S+00:00");
        let lines = station(
            sl651_port(&gateway),
            &format!("--rain 1,1,1,1 --total {total} --serial {serial} --start {at}"),
        );
        acked += count(&lines, "acked");
        total += 4.0;
        serial += 4;
        // Killed right behind the last acknowledgement.
        folder = gateway.kill().await;
    }
    assert_eq!(acked, 20);
    let gateway = Gateway::start_in(folder, &text, &[]).await;
    // 20 readings, 1 mm each; before the first one nothing is known.
    assert_eq!(gauge(&gateway, "upper").await["sums_mm"]["24h"], 19.0);
    let data = gateway.data();
    let folder = gateway.kill().await;
    let check =
        gridpost(&["store", "check", "--data", &folder.path().join("data").display().to_string()]);
    assert_eq!(check.code, 0, "{}{} {data:?}", check.stdout, check.stderr);
    // The index is only a copy: the journal alone gives the same.
    fs::remove_dir_all(folder.path().join("data/index")).unwrap();
    let gateway = Gateway::start_in(folder, &text, &[]).await;
    assert_eq!(gauge(&gateway, "upper").await["sums_mm"]["24h"], 19.0);
}

/// Each sync of the journal takes this much longer.
const SLOW_MS: u64 = 400;

#[tokio::test(flavor = "multi_thread")]
async fn p1_a_reading_is_acknowledged_only_after_the_disk_has_it() {
    let receiver = Receiver::start().await;
    let folder = tempfile::tempdir().unwrap();
    let control = folder.path().join("control");
    fs::write(&control, "s").unwrap();
    let (library, data) = (library().display().to_string(), folder.path().join("data"));
    let (data, control) = (data.display().to_string(), control.display().to_string());
    let slow = SLOW_MS.to_string();
    let environment = [
        ("LD_PRELOAD", library.as_str()),
        ("CUT_ROOT", &data),
        ("CUT_CONTROL", &control),
        ("CUT_SLOW_MS", &slow),
    ];
    let gateway = Gateway::start_in(folder, &config(&receiver, GAUGE), &environment).await;
    let port = sl651_port(&gateway);
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
    let gateway = Gateway::start(&config(&receiver, GAUGE)).await;
    let port = sl651_port(&gateway);
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
    let mut gateway = Gateway::start(&config(&receiver, GAUGE)).await;
    let port = sl651_port(&gateway);
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
    let data = gateway.data().display().to_string();
    let list = gridpost(&["store", "list", "--data", &data, "--quarantine"]);
    assert_eq!(list.code, 0, "{}", list.stderr);
    for reason in ["low byte first", "truncated: 50 bytes came", "begin no frame"] {
        assert!(list.stdout.contains(reason), "{reason} not in {}", list.stdout);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn gauges_of_every_make_over_a_broker_and_the_intake() {
    let receiver = Receiver::start().await;
    let broker = Broker::start().await;
    let more = format!(
        "[[mqtt]]\nid = \"lora\"\nurl = \"mqtt://127.0.0.1:{}\"\ntopics = [\"gridpost/demo/gauge/+\", \"application/+/device/+/event/up\", \"rtl_433/+/events\"]\n\n[[gauge]]\nid = \"roof\"\ndevice = \"24e1000000000001\"\n\n[[gauge]]\nid = \"bucket\"\ntip_mm = 0.5\ncounter_wraps_at = 1000\n\n[[gauge]]\nid = \"drag\"\ndevice = \"a840410000000002\"\n\n[[gauge]]\nid = \"underpass\"\nkind = \"level\"\ndevice = \"24e1000000000003\"\nzero_m = 27.8\nwarning_m = 28.05\n",
        broker.port
    );
    let gateway = Gateway::start(&config(&receiver, &more)).await;
    wait_for("the broker to be heard", || async {
        (gateway.log().contains("listens")).then_some(())
    })
    .await;
    let intake = gateway.intake.unwrap();
    for (port, model, device, values, id, sum) in [
        (broker.port, "milesight-wts506", "24e1000000000001", "5.0 6.2 9.4", "roof", 4.4),
        (broker.port, "native-tips", "bucket", "990 998 4 6", "bucket", 8.0),
        (broker.port, "dragino-wsc2", "a840410000000002", "10 20", "drag", 2.0),
        (intake, "milesight-raw", "24e1000000000009", "1.00 3.50", "24e1000000000009", 2.5),
        (intake, "native-total", "other", "7 8.5", "other", 1.5),
    ] {
        wait_for(model, || async {
            let mut command = Command::new("/usr/bin/python3");
            command
                .arg(root().join("tests/devices/mqtt_gauges.py"))
                .args(["127.0.0.1", &port.to_string(), model, device])
                .args(values.split(' '));
            assert!(command.status().unwrap().success());
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
    let status = Command::new("/usr/bin/python3")
        .arg(root().join("tests/devices/mqtt_gauges.py"))
        .args(["127.0.0.1", &broker.port.to_string(), "em500-swl", "24e1000000000003", "5", "31"])
        .status();
    assert!(status.unwrap().success());
    let water = receiver.wait("the underpass", |data| data["kind"] == "water-level").await;
    assert_eq!(water["data"]["detail"]["level_m"], 28.11);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_posture_by_hand_outlives_a_restart_and_is_a_record() {
    let receiver = Receiver::start().await;
    let text = config(&receiver, "");
    let gateway = Gateway::start(&text).await;
    assert_eq!(gateway.get("/api/v1/posture").await, (200, json!({"postures": []})));
    let bad = json!({"posture": "flod", "to": "on", "by": "x"});
    assert_eq!(gateway.post("/api/v1/posture", &bad).await.0, 400);
    let on = json!({"posture": "flood", "to": "on", "by": "李建国"});
    assert_eq!(gateway.post("/api/v1/posture", &on).await, (200, json!({"postures": ["flood"]})));
    let opened = receiver.wait("the posture", |data| data["kind"] == "posture").await;
    assert_eq!(opened["data"]["detail"]["causes"], json!(["hand: 李建国"]));
    assert_eq!(opened["data"]["sources"][0]["kind"], "gateway");
    let folder = gateway.kill().await;
    let gateway = Gateway::start_in(folder, &text, &[]).await;
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
    let gateway = Gateway::start(&config(&receiver, GAUGE)).await;
    let port = sl651_port(&gateway);
    station(port, "--rain 0,3,3");
    let file = gateway.folder.path().join("gridpost.toml");
    let text = fs::read_to_string(&file).unwrap();
    let text =
        text.replace("[[gauge]]", "[rain]\nmove_now = [{ window_h = 1.0, mm = 6.0 }]\n\n[[gauge]]");
    fs::write(&file, text.replace("[sl651]", "[sl651]\nidle_s = 60")).unwrap();
    let (status, answer) = gateway.post("/api/v1/reload", &json!({})).await;
    assert_eq!(status, 200, "{answer}");
    assert!(answer["difference"].to_string().contains("idle_s"), "{answer}");
    let moved = receiver.wait("to move", |data| data["detail"]["moving"] == "move-now").await;
    assert_eq!(moved["data"]["severity"], 1);
    assert!(moved["data"]["title"]["zh"].as_str().unwrap().contains("立即转移"));
    assert_eq!(sl651_port(&gateway), port);
    assert_eq!(count(&station(port, "--rain 1,1 --total 106 --serial 9"), "acked"), 2);
}

#[test]
fn mistakes_of_gauges_rain_and_posture_are_told_with_their_lines() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bad.toml");
    let text = "[site]\nid = \"x\"\n[sl651]\nlisten = \"0.0.0.0:5651\"\n[[gauge]]\nid = \"a\"\ntip_mm = -1\n[[gauge]]\nid = \"a\"\nkind = \"levle\"\n[[gauge]]\nid = \"b\"\ngrid = \"G9\"\nwarning_m = 3\nguarantee_m = 2\n[rain]\nhysteresis = 7\ntell_form = \"heavy\"\n[[rule]]\nid = \"w\"\nkind = \"waterside\"\nline = [[0, 0], [1, 1]]\n[posture]\n[[posture.period]]\nposture = \"flood\"\nname = \"汛期\"\nfrom = \"2026-06-31\"\nto = \"2026-08-31\"\n";
    fs::write(&path, text).unwrap();
    let output = gridpost(&["check", "-c", &path.to_string_lossy()]);
    assert_eq!(output.code, 2);
    for (line, part) in [
        (4, "sl651.listen: 0.0.0.0:5651 is beyond loopback"),
        (7, "gauge[1].tip_mm: -1: expected 0.001 to 10 millimetres a tip"),
        (10, "gauge[2].kind: unknown value `levle`"),
        (13, "gauge[3].grid: no grid has the code `G9`"),
        (15, "gauge[3].guarantee_m: 2"),
        (17, "rain.hysteresis: 7: expected a share"),
        (18, "rain.tell_form: unknown key (did you mean `tell_from`?)"),
        (22, "rule[1].line: only kind"),
        (24, "posture.period: 汛期: `2026-06-31`"),
    ] {
        let place = format!("bad.toml:{line}: error: {part}");
        assert!(output.stdout.contains(&place), "{place}\nnot in\n{}", output.stdout);
    }
}

/// Rain of a night, millimetres in 5 min, from 20:00: drizzle, a cloudburst, drizzle, nothing.
fn night() -> Vec<f64> {
    let mut night = vec![0.0; 6];
    night.extend([0.2, 0.2, 0.4, 0.4, 0.6, 0.8]);
    night.extend([1.2; 12]);
    night.extend([4.2; 24]);
    night.extend([0.8; 12]);
    night.extend([0.2, 0.0, 0.2, 0.0]);
    night.extend(vec![0.0; 190]);
    night
}

/// The signals of the night: the county's station speaks SL 651, the roof LoRaWAN.
fn signals(day: &str) -> String {
    let night = night();
    let rain = night.iter().map(f64::to_string).collect::<Vec<_>>().join(",");
    let level = night.iter().scan(28.6, |level, mm| {
        *level += mm * 0.036 - 0.024;
        Some(format!("{level:.3}"))
    });
    let level = level.collect::<Vec<_>>().join(",");
    let output = Command::new("/usr/bin/python3")
        .arg(root().join("tests/devices/sl651_station.py"))
        .args(["-", "1", "--print-hex", "--station", STATION, "--rain", &rain, "--level", &level])
        .args(["--start", &format!("{day}T20:00:00+08:00")])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut lines = String::from_utf8(output.stdout).unwrap();
    let start: jiff::Timestamp = format!("{day}T20:00:00+08:00").parse().unwrap();
    let mut total = 12.0;
    for (n, mm) in night.iter().enumerate() {
        total += mm * 0.9;
        let at = start + jiff::SignedDuration::from_mins(5 * n as i64);
        let object = json!({"rainfall_total": (total * 100.0_f64).round() / 100.0, "battery": 97});
        let payload = json!({
            "deduplicationId": format!("up-{n}"), "time": at.to_string(),
            "deviceInfo": {"devEui": "24e124aabbccddee"}, "fPort": 85, "object": object
        });
        let line = json!({"at": at.to_string(), "via": "mqtt", "topic": "application/1/device/24e124aabbccddee/event/up", "payload": payload});
        lines.push_str(&format!("{line}\n"));
    }
    lines
}

/// What `config/flood-season.toml` makes of that night; with walkers at the water when it begins.
fn replay(day: &str, walkers: bool) -> Vec<Value> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("signals.jsonl");
    fs::write(&file, signals(day)).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_gridpost"));
    command.args(["replay", "-c", "config/flood-season.toml", "--signals"]).arg(&file);
    if walkers {
        // The first seconds are enough: each look costs a run of the model.
        let clip = folder.path().join("walkers.mp4");
        let cut = Command::new("ffmpeg")
            .args(["-v", "error", "-nostdin", "-t", "12", "-i"])
            .arg(street("h264"))
            .args(["-c", "copy"])
            .arg(&clip)
            .status();
        assert!(cut.unwrap().success());
        command.args(["--camera", &format!("dike={}", clip.display())]);
    }
    let output = command
        .envs([("DIKE_PASSWORD", "x"), ("LOWROAD_PASSWORD", "x")])
        .env("GRIDPOST_MODELS", root().join("models"))
        .current_dir(root())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn of<'e>(events: &'e [Value], kind: &str) -> Vec<&'e Value> {
    events.iter().map(|event| &event["data"]).filter(|data| data["kind"] == kind).collect()
}

#[test]
fn a_flood_night_from_the_first_drop_to_red_and_back() {
    let events = replay("2026-07-20", true);
    // July is flood season by the calendar: who is at the water is an alert.
    let posture = of(&events, "posture");
    assert_eq!(posture[0]["detail"]["causes"], json!(["calendar: 主汛期"]));
    let people = of(&events, "waterside");
    assert!(!people.is_empty() && people.iter().all(|data| data["severity"] == 2), "{people:?}");
    // One incident a rain, that rises and falls.
    let rain = of(&events, "rain");
    let ids: std::collections::BTreeSet<&str> =
        rain.iter().map(|data| data["incident"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 1, "{rain:#?}");
    let mut levels: Vec<&str> =
        rain.iter().map(|data| data["detail"]["level"].as_str().unwrap()).collect();
    levels.dedup();
    assert_eq!(levels.first(), Some(&"heavy"));
    let red = levels.iter().position(|level| *level == "red").unwrap();
    assert!(levels[..red].contains(&"orange"), "{levels:?}");
    assert_eq!(levels[red + 1..], ["orange", "yellow", "blue", "none"], "{levels:?}");
    let first = rain[0];
    assert_eq!((&first["what"], &first["severity"]), (&json!("opened"), &json!(4)));
    // It began with the first drop, not when it became much.
    assert_eq!(first["began_at"], "2026-07-20T20:25:00.000+08:00");
    let moving: Vec<&Value> = rain.iter().map(|data| &data["detail"]["moving"]).collect();
    assert!(moving.contains(&&json!("prepare")) && moving.contains(&&json!("move-now")));
    let peak = rain
        .iter()
        .max_by_key(|data| data["detail"]["sums_mm"]["3h"].as_f64().map(|mm| (mm * 100.0) as i64))
        .unwrap();
    // Drop by drop: the most of any three hours.
    let most = night().windows(36).map(|three| three.iter().sum::<f64>()).fold(0.0, f64::max);
    let told = peak["detail"]["sums_mm"]["3h"].as_f64().unwrap();
    assert!(told <= most + 0.01 && told > most - 10.0, "{told} of {most}");
    assert!(rain.iter().any(|data| data["severity"] == 1));
    let last = rain.last().unwrap();
    assert_eq!(
        (&last["what"], &last["active"], &last["detail"]["peak"]),
        (&json!("ended"), &json!(false), &json!("red"))
    );
    // The river follows: over the warning level, over the guarantee level, and back.
    let water = of(&events, "water-level");
    let marks: Vec<&str> =
        water.iter().map(|data| data["detail"]["mark"].as_str().unwrap()).collect();
    assert!(marks.contains(&"warning") && marks.contains(&"guarantee"), "{marks:?}");
    // And no gauge was doubted or missed.
    assert!(
        of(&events, "device-fault").is_empty()
            && of(&events, "device-silent")
                .iter()
                .all(|data| data["sources"][0]["id"] == "underpass-water")
    );
}

#[test]
fn out_of_season_rain_makes_it_flood_and_lets_it_go() {
    let events = replay("2026-03-20", false);
    let posture = of(&events, "posture");
    let cause = posture[0]["detail"]["causes"][0].as_str().unwrap();
    assert!(cause.starts_with("rain: ") || cause.starts_with("level: "), "{cause}");
    let last = posture.last().unwrap();
    assert_eq!(
        (&last["what"], &last["title"]["zh"]),
        (&json!("ended"), &json!("结束汛期值守状态"))
    );
    let held = posture.iter().any(|data| data["detail"]["causes"].to_string().contains("held"));
    assert!(held, "for flood_hold_s: {posture:#?}");
}
