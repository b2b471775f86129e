//! Wakes from outside: a camera's own ONVIF events, presses and neighbours, live and in a replay.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::reload::reload_to;
use crate::world::{Gateway, Onvif, Receiver, RtspServer, gridpost, now_s, press, scene, wait_for};

const RULE: &str = "\n[[rule]]\nid = \"anybody\"\nkind = \"intrusion\"\nlabels = [\"person\"]\nmin_score = 0.5\nclear_s = 1.5\ncooldown_s = 0\n";

/// Parts of the scene `appear` in a row, seconds from and to, coded as a camera does.
fn clip(folder: &Path, parts: &[(f64, f64)]) -> PathBuf {
    let (from, to) = (scene("appear").0, folder.join("clip.mp4"));
    let cut = |(n, (from, to)): (usize, &(f64, f64))| {
        format!("[0]trim={from}:{to},setpts=PTS-STARTPTS[p{n}];")
    };
    let cuts: String = parts.iter().enumerate().map(cut).collect();
    let names: String = (0..parts.len()).map(|n| format!("[p{n}]")).collect();
    let output = Command::new("ffmpeg")
        .args(["-hide_banner", "-loglevel", "error", "-nostdin", "-y", "-i"])
        .arg(&from)
        .args(["-filter_complex", &format!("{cuts}{names}concat=n={}", parts.len())])
        .args(["-an", "-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p"])
        .args(["-sc_threshold", "0", "-bf", "0", "-g", "50"])
        .arg(&to)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    to
}

/// Somebody stands there.
const SOMEBODY: (f64, f64) = (70.48, 76.48);
/// The same street without anybody.
const NOBODY: (f64, f64) = (0.0, 14.0);

/// One figure of `/metrics`, 0 where it is absent.
async fn figure(gateway: &Gateway, series: &str) -> f64 {
    let text = gateway.metrics().await;
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.map_or(0.0, |value| value.parse().unwrap())
}

async fn woke(gateway: &Gateway, camera: &str, cause: &str) -> f64 {
    let series = format!("gridpost_camera_wakes_total{{camera=\"{camera}\",cause=\"{cause}\"}}");
    figure(gateway, &series).await
}

async fn sign(gateway: &Gateway, what: &str) -> f64 {
    figure(gateway, &format!("gridpost_camera_sign_{what}{{camera=\"cam\",sign=\"event\"}}")).await
}

async fn until(gateway: &Gateway, series: &str, least: f64) {
    wait_for(series, || async { (figure(gateway, series).await >= least).then_some(()) }).await;
}

/// Asleep, after it was awake.
async fn asleep(gateway: &Gateway, camera: &str) {
    let series = format!("gridpost_camera_level{{camera=\"{camera}\"}}");
    wait_for("it sleeps", || async { (figure(gateway, &series).await == 1.0).then_some(()) }).await;
}

fn camera(id: &str, server: &RtspServer, more: &str) -> String {
    let url = server.with_user("viewer:s3cret");
    format!("\n[[camera]]\nid = \"{id}\"\nurl = \"{url}\"\npre_roll_s = 5\n{more}\n")
}

fn site(receiver: &Receiver, rest: &str) -> String {
    let url = &receiver.url;
    format!(
        "[site]\nid = \"demo\"\n{rest}{RULE}\n[[sink]]\nid = \"grid\"\nkind = \"http\"\nurl = \"{url}\"\n"
    )
}

/// Seconds after the clip's beginning at which somebody comes.
const COMES_S: f64 = 6.0;

/// Until somebody has come, and is seen; when that was.
async fn somebody_comes(server: &RtspServer) -> f64 {
    let came = COMES_S + wait_for("the clip's beginning", || async { server.turns().pop() }).await;
    while now_s() < came + 0.3 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    came
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cameras_own_event_wakes_it_before_a_look_would_and_one_that_lies_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let parts = [(0.0, COMES_S), SOMEBODY, NOBODY];
    let server = RtspServer::start(0, &clip(folder.path(), &parts));
    let mut device = Onvif::start(&["--user", "viewer", "--password", "s3cret"]);
    let receiver = Receiver::start().await;
    let onvif = format!("look_every_s = 8\nonvif = \"{}\"", device.url);
    let gateway = Gateway::start(&site(&receiver, &camera("cam", &server, &onvif))).await;
    until(&gateway, "gridpost_camera_events_up{camera=\"cam\"}", 1.0).await;
    // Nothing is known of it yet: it earns its place, by a look at the next key frame.
    let mut told = 0.0;
    while sign(&gateway, "believed").await < 1.0 {
        somebody_comes(&server).await;
        device.tell("on");
        told += 1.0;
        until(&gateway, "gridpost_camera_events_total{camera=\"cam\"}", told).await;
        device.tell("off");
        wait_for("it is judged", || async {
            (sign(&gateway, "precision").await > 0.0).then_some(())
        })
        .await;
        assert!(told < 4.0, "never believed: {}", sign(&gateway, "precision").await);
    }
    assert_eq!(woke(&gateway, "cam", "event").await, 0.0, "it was not believed before");
    // Now it is believed: somebody comes, it says so, and no look is waited for. Now and then a
    // look falls between his coming and its word: then it is played again.
    let mut turns = 0;
    let (came, said) = loop {
        asleep(&gateway, "cam").await;
        let before = woke(&gateway, "cam", "change").await;
        let came = somebody_comes(&server).await;
        let said = Instant::now();
        device.tell("on");
        let by = wait_for("a wake", || async {
            let event = woke(&gateway, "cam", "event").await == 1.0;
            let change = woke(&gateway, "cam", "change").await > before;
            (event || change).then_some(event)
        })
        .await;
        turns += 1;
        if by {
            break (came, said);
        }
        assert!(turns < 4, "its event never comes first");
        device.tell("off");
    };
    println!("event → awake: {:?}", said.elapsed());
    let of_visit = |data: &Value| {
        let began: Option<jiff::Timestamp> =
            data["began_at"].as_str().map(|at| at.parse().unwrap());
        data["kind"] == "intrusion"
            && began.is_some_and(|at| (at.as_millisecond() as f64 / 1000.0 - came).abs() < 1.5)
    };
    let event = receiver.wait("an incident of this visit", of_visit).await;
    println!("event → incident at the grid: {:?}", said.elapsed());
    assert!(said.elapsed() < Duration::from_secs(5), "no look was waited for: {event}");
    device.tell("off");
    asleep(&gateway, "cam").await;
    // It cries wolf: once it is believed, and then no longer; it is looked at as before.
    let mut lies = 0;
    while sign(&gateway, "believed").await == 1.0 {
        lies += 1;
        assert!(lies < 6, "it is believed for ever: {}", sign(&gateway, "precision").await);
        let woken = woke(&gateway, "cam", "event").await;
        device.tell("on");
        device.tell("off");
        wait_for("the lie wakes it", || async {
            (woke(&gateway, "cam", "event").await > woken).then_some(())
        })
        .await;
        asleep(&gateway, "cam").await;
    }
    println!("lies believed: {lies}; precision {:.2}", sign(&gateway, "precision").await);
    let (woken, looks) = (woke(&gateway, "cam", "event").await, "gridpost_camera_looks_total");
    let (looked, heard) =
        (gateway.metric(looks).await, gateway.metric("gridpost_camera_events_total").await);
    for _ in 0..3 {
        device.tell("on");
        device.tell("off");
    }
    until(&gateway, "gridpost_camera_events_total{camera=\"cam\"}", heard + 3.0).await;
    wait_for("looks go on", || async { (gateway.metric(looks).await > looked).then_some(()) })
        .await;
    assert_eq!(woke(&gateway, "cam", "event").await, woken, "a liar is heard, and not believed");
    let table = gridpost(&[
        "cameras",
        "-c",
        &gateway.folder.path().join("gridpost.toml").to_string_lossy(),
    ]);
    assert!(table.stdout.contains("sign event (its own events): not believed"), "{}", table.stdout);
    assert!(!gateway.log().contains("s3cret"), "a password in the log");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_press_wakes_the_cameras_of_its_button_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let server = RtspServer::start(0, &clip(folder.path(), &[NOBODY]));
    let receiver = Receiver::start().await;
    let cameras = ["near", "far"].map(|id| camera(id, &server, "look_every_s = 60")).concat();
    let buttons = "\n[[button]]\nid = \"bed\"\ncameras = [\"near\"]\n\n[[button]]\nid = \"lone\"\n";
    let gateway = Gateway::start(&site(&receiver, &format!("{cameras}{buttons}"))).await;
    for id in ["near", "far"] {
        until(
            &gateway,
            &format!("gridpost_camera_wakes_total{{camera=\"{id}\",cause=\"start\"}}"),
            1.0,
        )
        .await;
        asleep(&gateway, id).await;
    }
    let intake = gateway.intake.unwrap();
    assert!(press(intake, "lone", "1"));
    receiver.wait("the press without cameras", |data| data["sources"][0]["id"] == "lone").await;
    assert_eq!(woke(&gateway, "near", "press").await, 0.0);
    assert!(press(intake, "bed", "1"));
    let pressed = Instant::now();
    until(&gateway, "gridpost_camera_wakes_total{camera=\"near\",cause=\"press\"}", 1.0).await;
    println!("press → awake: {:?}", pressed.elapsed());
    // The same press again is no other one.
    assert!(press(intake, "bed", "1"));
    asleep(&gateway, "near").await;
    assert!(pressed.elapsed() > Duration::from_secs(6), "somebody is expected for a while");
    assert_eq!(woke(&gateway, "near", "press").await, 1.0);
    let nudges = "gridpost_camera_nudges_total{camera=\"near\",cause=\"press\"}";
    assert_eq!(figure(&gateway, nudges).await, 1.0);
    assert_eq!(woke(&gateway, "far", "press").await, 0.0);
    assert!(press(intake, "bed", "2"));
    until(&gateway, "gridpost_camera_wakes_total{camera=\"near\",cause=\"press\"}", 2.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_neighbour_that_finds_somebody_wakes_the_next_camera_and_they_do_not_keep_each_other_awake()
 {
    let folder = tempfile::tempdir().unwrap();
    let (busy, quiet) = (folder.path().join("a"), folder.path().join("b"));
    fs::create_dir(&busy).unwrap();
    fs::create_dir(&quiet).unwrap();
    let busy = RtspServer::start(0, &clip(&busy, &[(0.0, 8.0), SOMEBODY, (0.0, 2.0)]));
    let quiet = RtspServer::start(0, &clip(&quiet, &[NOBODY]));
    let receiver = Receiver::start().await;
    let cameras = camera("gate", &busy, "look_every_s = 2\nwakes = [\"yard\"]")
        + &camera("yard", &quiet, "look_every_s = 60\nwakes = [\"gate\"]");
    let began = Instant::now();
    let gateway = Gateway::start(&site(&receiver, &cameras)).await;
    until(&gateway, "gridpost_camera_wakes_total{camera=\"yard\",cause=\"neighbour\"}", 1.0).await;
    asleep(&gateway, "yard").await;
    // Somebody comes to the gate a second time meanwhile: the pair has its peace for 30 s.
    until(&gateway, "gridpost_camera_wakes_total{camera=\"gate\",cause=\"change\"}", 2.0).await;
    let nudges = "gridpost_camera_nudges_total{camera=\"yard\",cause=\"neighbour\"}";
    let most = 1.0 + (began.elapsed().as_secs_f64() / 30.0).floor();
    let nudged = figure(&gateway, nudges).await;
    assert!((1.0..=most).contains(&nudged), "{nudged} in {:?}", began.elapsed());
    assert_eq!(woke(&gateway, "gate", "neighbour").await, 0.0, "the yard found nobody");
}

/// Every kind of camera in one gateway: what they ask of us, what breaks, and that it mends.
#[tokio::test(flavor = "multi_thread")]
async fn cameras_are_heard_however_they_ask_and_whatever_breaks() {
    let kinds: [(&str, &[&str]); 8] = [
        ("plain", &[]),
        ("hour", &["--clock-off", "3600", "--topic", "tns1:VideoSource/MotionAlarm=State"]),
        ("digest", &["--auth", "digest"]),
        ("both", &["--auth", "digest", "token", "--clock-off", "-40"]),
        ("anybody", &["--auth"]),
        (
            "nat",
            &[
                "--nat",
                "--reference",
                "--topic",
                "tns1:RuleEngine/FieldDetector/ObjectsInside=IsInside",
            ],
        ),
        ("services", &["--services-only", "--no-renew"]),
        ("rude", &[]),
    ];
    let mut devices: Vec<(&str, Onvif)> =
        kinds.iter().map(|(id, options)| (*id, Onvif::start(options))).collect();
    let rude = &mut devices[7].1;
    for how in ["500", "garbage", "truncated", "silent", "empty"] {
        rude.tell(&format!("rude {how}"));
    }
    let (nothing, locked) =
        (Onvif::start(&["--no-events"]), Onvif::start(&["--password", "other"]));
    let word = tempfile::NamedTempFile::new().unwrap();
    fs::write(word.path(), "p&ss w0rd\n").unwrap();
    let cameras: String = devices
        .iter()
        .map(|(id, device)| (*id, &device.url))
        .chain([("nothing", &nothing.url), ("locked", &locked.url)])
        .map(|(id, url)| {
            format!(
                "\n[[camera]]\nid = \"{id}\"\nurl = \"rtsp://127.0.0.1:1/\"\nusername = \"admin\"\npassword_file = {:?}\nonvif = \"{url}\"\n",
                word.path()
            )
        })
        .collect();
    let receiver = Receiver::start().await;
    let mut gateway = Gateway::start(&site(&receiver, &cameras)).await;
    let up = |id: &str| format!("gridpost_camera_events_up{{camera=\"{id}\"}}");
    let heard = |id: &str| format!("gridpost_camera_events_total{{camera=\"{id}\"}}");
    for (id, device) in &mut devices {
        until(&gateway, &up(id), 1.0).await;
        device.tell("on");
        until(&gateway, &heard(id), 1.0).await;
    }
    assert_eq!(devices[0].1.count("PullMessages refused"), 0);
    assert!(devices[4].1.count("PullMessages challenged") == 0);
    assert!(devices[6].1.count("GetServices") > 0);
    for how in ["500", "garbage", "truncated", "silent", "empty"] {
        let rude = devices[7].1.said();
        assert!(rude.iter().any(|line| line.ends_with(how)), "{how} was not met: {rude:?}");
    }
    // More than HTTP Digest allows on one nonce, and then on a new one.
    for (id, device) in &mut devices[2..4] {
        for n in 2..8 {
            device.tell("off");
            device.tell("on");
            until(&gateway, &heard(id), f64::from(n)).await;
        }
        assert!(device.count("PullMessages challenged") >= 1, "{id}: {:?}", device.said());
    }
    // A camera that restarts knows no subscription any more.
    let (_, plain) = &mut devices[0];
    plain.tell("lose");
    wait_for("another subscription", || async {
        (plain.count("CreatePullPointSubscription") >= 2).then_some(())
    })
    .await;
    until(&gateway, &up("plain"), 1.0).await;
    plain.tell("off");
    plain.tell("on");
    until(&gateway, &heard("plain"), 2.0).await;
    // What cannot be had is said once, plainly, with no word of the password.
    wait_for("some tries at the locked one", || async {
        (figure(&gateway, "gridpost_camera_event_failures_total{camera=\"locked\"}").await >= 3.0)
            .then_some(())
    })
    .await;
    let log = gateway.log();
    let told = |id: &str, what: &str| {
        let of =
            |line: &&str| line.contains("its events (onvif) are not heard") && line.contains(id);
        let lines: Vec<&str> = log.lines().filter(of).collect();
        assert!(lines.len() == 1 && lines[0].contains(what), "{id}: {lines:?}");
    };
    told("nothing", "it has no events: expected an address of its events");
    told("locked", "it refuses our user or password");
    assert!(!log.contains("w0rd") && !log.contains("p&amp;ss"), "a password in the log");
    assert_eq!(
        figure(&gateway, "gridpost_camera_event_failures_total{camera=\"nothing\"}").await,
        1.0
    );
    // It takes leave: cameras have few subscriptions.
    assert!(gateway.stop().await.success());
    for (id, device) in &devices {
        assert_eq!(device.count("Unsubscribe"), 1, "{id}: {:?}", device.said());
    }
}

/// I6: events begin and end with their key; the video is not touched, and the camera is taken leave of.
#[tokio::test(flavor = "multi_thread")]
async fn a_reload_begins_and_ends_listening_and_touches_nothing_else() {
    let device = Onvif::start(&["--auth"]);
    let folder = tempfile::tempdir().unwrap();
    let server = RtspServer::start(0, &clip(folder.path(), &[(0.0, 4.0)]));
    let receiver = Receiver::start().await;
    let text = |more: &str| site(&receiver, &camera("cam", &server, more));
    let gateway = Gateway::start(&text("")).await;
    until(&gateway, "gridpost_camera_packets_total{camera=\"cam\"}", 1.0).await;
    let events = format!("onvif = \"{}\"", device.url);
    let answer = reload_to(&gateway, &text(&events)).await;
    assert_eq!(answer["difference"][0]["keys"], serde_json::json!(["onvif"]), "{answer}");
    until(&gateway, "gridpost_camera_events_up{camera=\"cam\"}", 1.0).await;
    reload_to(&gateway, &text("")).await;
    wait_for("its leave", || async { (device.count("Unsubscribe") == 1).then_some(()) }).await;
    assert!(!gateway.metrics().await.contains("gridpost_camera_events_up{"), "a figure of nothing");
    let connects = "gridpost_camera_connects_total{camera=\"cam\"}";
    assert_eq!(figure(&gateway, connects).await, 1.0, "its video went on");
}

/// Replayed with these signals: what the gate said, and when somebody was there, in seconds.
fn play(clip: &Path, signals: &[(f64, &str)]) -> (Vec<String>, Vec<(f64, f64)>) {
    let start: jiff::Timestamp = "2026-01-01T04:00:00Z".parse().unwrap();
    let at = |seconds: f64| start + jiff::SignedDuration::from_millis((seconds * 1000.0) as i64);
    let folder = tempfile::tempdir().unwrap();
    let (config, lines) =
        (folder.path().join("gridpost.toml"), folder.path().join("signals.jsonl"));
    let text = format!(
        "[site]\nid = \"demo\"\n\n[model]\nvariant = \"fp32\"\n\n[[camera]]\nid = \"cam\"\nurl = {clip:?}\n\n[[button]]\nid = \"bed\"\ncameras = [\"cam\"]\n{RULE}"
    );
    fs::write(&config, text).unwrap();
    let line = |(seconds, what): &(f64, &str)| format!("{{\"at\":\"{}\",{what}}}\n", at(*seconds));
    fs::write(&lines, signals.iter().map(line).collect::<String>()).unwrap();
    let start = start.to_string();
    let (config, lines) = (config.to_string_lossy(), lines.to_string_lossy());
    let output = gridpost(&[
        "replay",
        "-c",
        &config,
        "--explain",
        "cam",
        "--signals",
        &lines,
        "--start",
        &start,
    ]);
    assert_eq!(output.code, 0, "{}", output.stderr);
    let gate = output.stderr.lines().filter(|line| line.contains(": gate "));
    let seconds = |event: &Value, key: &str| {
        let then: jiff::Timestamp = event["data"][key].as_str().unwrap().parse().unwrap();
        then.duration_since(at(0.0)).as_secs_f64()
    };
    let ended = output.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let ended = ended
        .filter(|event| event["data"]["kind"] == "intrusion" && event["data"]["what"] == "ended");
    let spans = ended.map(|event| (seconds(&event, "began_at"), seconds(&event, "ended_at")));
    (gate.map(str::to_owned).collect(), spans.collect())
}

const MOVES: &str = "\"via\":\"onvif\",\"camera\":\"cam\"";
const PRESS: &str = "\"via\":\"mqtt\",\"topic\":\"gridpost/demo/button/bed\",\"payload\":{\"event\":\"press\",\"id\":\"1\"}";

/// From 6.48 to 7.48 s somebody is there whom no look sees: key frames are at 6 and at 8 s.
#[test]
fn who_comes_and_goes_between_two_looks_is_seen_where_something_outside_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let clip = clip(folder.path(), &[(40.0, 69.0)]);
    let sees = |spans: &[(f64, f64)]| spans.iter().any(|one| one.0 > 6.0 && one.1 < 8.5);
    let (_, looks) = play(&clip, &[]);
    assert!(!sees(&looks), "the looks alone see him: this scene proves nothing: {looks:?}");

    // Pressed after he has gone, and after a look that saw nothing: from the key frame before the
    // pre-roll on, which is the one at 2 s.
    let (gate, spans) = play(&clip, &[(9.0, PRESS)]);
    assert!(sees(&spans), "{spans:?} {gate:#?}");
    assert!(gate.iter().any(|line| line.contains("wakes: press; replays 7.0 s")), "{gate:#?}");

    // The camera's own word, which it has earned at 0.6 s, when somebody else was there.
    let (gate, spans) = play(&clip, &[(0.6, MOVES), (6.7, MOVES)]);
    assert!(sees(&spans), "{spans:?} {gate:#?}");
    let wakes: Vec<&String> = gate.iter().filter(|line| line.contains("wakes: event")).collect();
    assert!(wakes.len() == 1 && wakes[0].starts_with("cam    6."), "{gate:#?}");
    assert!(gate.iter().any(|line| line.contains("the sign was right: true; right so far 1.00")));

    // One that has lied before is not believed, and keeps it from no look.
    let (gate, spans) = play(&clip, &[(3.5, MOVES), (6.7, MOVES)]);
    assert!(!gate.iter().any(|line| line.contains("wakes: event")), "{gate:#?}");
    assert!(gate.iter().any(|line| line.contains("not believed")), "{gate:#?}");
    assert_eq!(spans, looks, "what it says takes nothing away");

    // Believed, it cries wolf twice: the first time it wakes.
    let (gate, spans) = play(&clip, &[(0.6, MOVES), (17.1, MOVES), (27.5, MOVES)]);
    let wakes: Vec<&String> = gate.iter().filter(|line| line.contains("wakes: event")).collect();
    assert!(wakes.len() == 1 && wakes[0].starts_with("cam   17."), "{gate:#?}");
    assert!(gate.iter().any(|line| line.contains("the sign was right: false")), "{gate:#?}");
    assert_eq!(spans, looks, "what it says takes nothing away");
}
