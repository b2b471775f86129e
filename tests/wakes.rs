//! Wakes from outside: a camera's own ONVIF events, presses and neighbours.

use std::{
    fs,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::world::{Gateway, Onvif, Receiver, RtspServer, Site, in_a_row, now_s, time_s, wait_for};

/// Somebody stands there.
const SOMEBODY: (f64, f64) = (70.48, 76.48);
/// The same street without anybody.
const NOBODY: (f64, f64) = (0.0, 14.0);

fn event_of(camera: &str, what: &str) -> String {
    format!(r#"gridpost_camera_events_{what}{{camera="{camera}"}}"#)
}

fn wakes_of(camera: &str, cause: &str) -> String {
    format!(r#"gridpost_camera_wakes_total{{camera="{camera}",cause="{cause}"}}"#)
}

async fn woke(gateway: &Gateway, camera: &str, cause: &str) -> f64 {
    gateway.figure(&wakes_of(camera, cause)).await.unwrap_or(0.0)
}

async fn nudged(gateway: &Gateway, camera: &str, cause: &str) -> Option<f64> {
    let labels = format!(r#"{{camera="{camera}",cause="{cause}"}}"#);
    gateway.figure(&format!("gridpost_camera_nudges_total{labels}")).await
}

async fn sign(gateway: &Gateway, what: &str) -> f64 {
    let series = format!(r#"gridpost_camera_sign_{what}{{camera="cam",sign="event"}}"#);
    gateway.figure(&series).await.unwrap_or(0.0)
}

async fn until(gateway: &Gateway, series: &str, least: f64) {
    gateway.figure_is(series, |found| found >= least).await;
}

/// Asleep, after it was awake.
async fn asleep(gateway: &Gateway, camera: &str) {
    gateway.camera_is("gridpost_camera_level", camera, |level| level == 1.0).await;
}

/// A site for the scenes, and the grid.
fn observed(receiver: &Receiver) -> Site {
    Site::demo().anybody().http(receiver)
}

fn watched(site: Site, id: &str, server: &RtspServer) -> Site {
    site.camera(id, server).set("pre_roll_s", 5)
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

/// Nothing is known of its event yet: it earns its place, by a look at the next key frame.
async fn its_event_earns_belief(gateway: &Gateway, server: &RtspServer, device: &mut Onvif) {
    let mut told = 0.0;
    while sign(gateway, "believed").await < 1.0 {
        somebody_comes(server).await;
        device.tell("on");
        told += 1.0;
        until(gateway, &event_of("cam", "total"), told).await;
        device.tell("off");
        wait_for("it is judged", || async {
            (sign(gateway, "precision").await > 0.0).then_some(())
        })
        .await;
        assert!(told < 4.0, "never believed: {}", sign(gateway, "precision").await);
    }
    assert_eq!(woke(gateway, "cam", "event").await, 0.0, "it was not believed before");
}

/// Now it is believed: somebody comes, it says so, and no look is waited for. Now and then a look
/// falls between his coming and its word: then it is played again. When he came, and when it said so.
async fn its_event_wakes(
    gateway: &Gateway,
    server: &RtspServer,
    device: &mut Onvif,
) -> (f64, Instant) {
    for _ in 0..4 {
        asleep(gateway, "cam").await;
        let before = woke(gateway, "cam", "change").await;
        let came = somebody_comes(server).await;
        let said = Instant::now();
        device.tell("on");
        let by_event = wait_for("a wake", || async {
            let event = woke(gateway, "cam", "event").await == 1.0;
            let change = woke(gateway, "cam", "change").await > before;
            (event || change).then_some(event)
        })
        .await;
        if by_event {
            return (came, said);
        }
        device.tell("off");
    }
    panic!("its event never comes first");
}

/// It cries wolf: once it is believed, and then no longer; it is looked at as before.
async fn it_cries_wolf(gateway: &Gateway, device: &mut Onvif) {
    let mut lies = 0;
    while sign(gateway, "believed").await == 1.0 {
        lies += 1;
        assert!(lies < 6, "it is believed for ever: {}", sign(gateway, "precision").await);
        let woken = woke(gateway, "cam", "event").await;
        device.tell("on");
        device.tell("off");
        wait_for("the lie wakes it", || async {
            (woke(gateway, "cam", "event").await > woken).then_some(())
        })
        .await;
        asleep(gateway, "cam").await;
    }
    println!("lies believed: {lies}; precision {:.2}", sign(gateway, "precision").await);
    let (woken, looks) = (woke(gateway, "cam", "event").await, "gridpost_camera_looks_total");
    let (looked, heard) =
        (gateway.metric(looks).await, gateway.metric("gridpost_camera_events_total").await);
    for _ in 0..3 {
        device.tell("on");
        device.tell("off");
    }
    until(gateway, &event_of("cam", "total"), heard + 3.0).await;
    // Looks go on.
    gateway.metric_is(looks, |now| now > looked).await;
    assert_eq!(woke(gateway, "cam", "event").await, woken, "a liar is heard, and not believed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cameras_own_event_wakes_it_before_a_look_would_and_one_that_lies_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let parts = [(0.0, COMES_S), SOMEBODY, NOBODY];
    let server = RtspServer::start(0, &in_a_row(folder.path(), &parts));
    let mut device = Onvif::start(&["--user", "viewer", "--password", "s3cret"]);
    let receiver = Receiver::start().await;
    let camera = watched(observed(&receiver), "cam", &server).set("look_every_s", 8);
    let gateway = Gateway::start(camera.set("onvif", &device.url)).await;
    until(&gateway, &event_of("cam", "up"), 1.0).await;
    its_event_earns_belief(&gateway, &server, &mut device).await;
    let (came, said) = its_event_wakes(&gateway, &server, &mut device).await;
    println!("event → awake: {:?}", said.elapsed());
    let of_visit = |data: &Value| {
        data["kind"] == "intrusion"
            && data["began_at"].is_string()
            && (time_s(&data["began_at"]) - came).abs() < 1.5
    };
    let event = receiver.wait("an incident of this visit", of_visit).await;
    println!("event → incident at the grid: {:?}", said.elapsed());
    assert!(said.elapsed() < Duration::from_secs(5), "no look was waited for: {event}");
    device.tell("off");
    asleep(&gateway, "cam").await;
    it_cries_wolf(&gateway, &mut device).await;
    let table = gateway.command("cameras", &[]).stdout;
    assert!(table.contains("sign event (its own events): not believed"), "{table}");
    assert!(!gateway.log().contains("s3cret"), "a password in the log");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_press_wakes_the_cameras_of_its_button_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let server = RtspServer::start(0, &in_a_row(folder.path(), &[NOBODY]));
    let receiver = Receiver::start().await;
    let mut site = observed(&receiver);
    for id in ["near", "far"] {
        site = watched(site, id, &server).set("look_every_s", 60);
    }
    let site = site.button("bed").set("cameras", ["near"]).button("lone");
    let gateway = Gateway::start(&site).await;
    for id in ["near", "far"] {
        until(&gateway, &wakes_of(id, "start"), 1.0).await;
        asleep(&gateway, id).await;
    }
    gateway.press("lone", "1");
    receiver.wait("the press without cameras", |data| data["sources"][0]["id"] == "lone").await;
    assert_eq!(woke(&gateway, "near", "press").await, 0.0);
    gateway.press("bed", "1");
    let pressed = Instant::now();
    until(&gateway, &wakes_of("near", "press"), 1.0).await;
    println!("press → awake: {:?}", pressed.elapsed());
    // The same press again is no other one.
    gateway.press("bed", "1");
    asleep(&gateway, "near").await;
    assert!(pressed.elapsed() > Duration::from_secs(6), "somebody is expected for a while");
    assert_eq!(woke(&gateway, "near", "press").await, 1.0);
    assert_eq!(nudged(&gateway, "near", "press").await, Some(1.0));
    assert_eq!(woke(&gateway, "far", "press").await, 0.0);
    gateway.press("bed", "2");
    until(&gateway, &wakes_of("near", "press"), 2.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_neighbour_that_finds_somebody_wakes_the_next_camera_and_they_do_not_keep_each_other_awake()
 {
    let folder = tempfile::tempdir().unwrap();
    let (busy, quiet) = (folder.path().join("a"), folder.path().join("b"));
    fs::create_dir(&busy).unwrap();
    fs::create_dir(&quiet).unwrap();
    let busy = RtspServer::start(0, &in_a_row(&busy, &[(0.0, 8.0), SOMEBODY, (0.0, 2.0)]));
    let quiet = RtspServer::start(0, &in_a_row(&quiet, &[NOBODY]));
    let receiver = Receiver::start().await;
    let gate =
        watched(observed(&receiver), "gate", &busy).set("look_every_s", 2).set("wakes", ["yard"]);
    let both = watched(gate, "yard", &quiet).set("look_every_s", 60).set("wakes", ["gate"]);
    let began = Instant::now();
    let gateway = Gateway::start(&both).await;
    until(&gateway, &wakes_of("yard", "neighbour"), 1.0).await;
    asleep(&gateway, "yard").await;
    // Somebody comes to the gate a second time meanwhile: the pair has its peace for 30 s.
    until(&gateway, &wakes_of("gate", "change"), 2.0).await;
    let most = 1.0 + (began.elapsed().as_secs_f64() / 30.0).floor();
    let nudged = nudged(&gateway, "yard", "neighbour").await.unwrap_or(0.0);
    assert!((1.0..=most).contains(&nudged), "{nudged} in {:?}", began.elapsed());
    assert_eq!(woke(&gateway, "gate", "neighbour").await, 0.0, "the yard found nobody");
}

/// How cameras ask, and what they are like; the options of `tests/devices/onvif.py`.
const KINDS: [(&str, &[&str]); 8] = [
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
/// What the rude one does before it behaves.
const RUDE: [&str; 5] = ["500", "garbage", "truncated", "silent", "empty"];

/// One of each kind; their places are those of [`KINDS`].
type Cameras = Vec<(&'static str, Onvif)>;

/// Each is heard once, in its own way.
async fn all_are_heard(gateway: &Gateway, cameras: &mut Cameras) {
    for (id, device) in cameras.iter_mut() {
        until(gateway, &event_of(id, "up"), 1.0).await;
        device.tell("on");
        until(gateway, &event_of(id, "total"), 1.0).await;
    }
    assert_eq!(cameras[0].1.count("PullMessages refused"), 0);
    assert!(cameras[4].1.count("PullMessages challenged") == 0);
    assert!(cameras[6].1.count("GetServices") > 0);
    for how in RUDE {
        let rude = cameras[7].1.said();
        assert!(rude.iter().any(|line| line.ends_with(how)), "{how} was not met: {rude:?}");
    }
}

/// More than HTTP Digest allows on one nonce, and then on a new one.
async fn digest_goes_on(gateway: &Gateway, cameras: &mut [(&str, Onvif)]) {
    for (id, device) in cameras {
        for n in 2..8 {
            device.tell("off");
            device.tell("on");
            until(gateway, &event_of(id, "total"), f64::from(n)).await;
        }
        assert!(device.count("PullMessages challenged") >= 1, "{id}: {:?}", device.said());
    }
}

/// A camera that restarts knows no subscription any more.
async fn a_lost_subscription_is_made_anew(gateway: &Gateway, plain: &mut Onvif) {
    plain.tell("lose");
    wait_for("another subscription", || async {
        (plain.count("CreatePullPointSubscription") >= 2).then_some(())
    })
    .await;
    until(gateway, &event_of("plain", "up"), 1.0).await;
    plain.tell("off");
    plain.tell("on");
    until(gateway, &event_of("plain", "total"), 2.0).await;
}

/// What cannot be had is said once, plainly, with no word of the password.
async fn what_cannot_be_had_is_said_once(gateway: &Gateway) {
    let failures = "gridpost_camera_event_failures_total";
    gateway.camera_is(failures, "locked", |failures| failures >= 3.0).await;
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
    assert_eq!(gateway.of_camera(failures, "nothing").await, Some(1.0));
}

/// Every kind of camera in one gateway: what they ask of us, what breaks, and that it mends.
#[tokio::test(flavor = "multi_thread")]
async fn cameras_are_heard_however_they_ask_and_whatever_breaks() {
    let mut cameras: Cameras =
        KINDS.iter().map(|(id, options)| (*id, Onvif::start(options))).collect();
    for how in RUDE {
        cameras[7].1.tell(&format!("rude {how}"));
    }
    let (nothing, locked) =
        (Onvif::start(&["--no-events"]), Onvif::start(&["--password", "other"]));
    let word = tempfile::NamedTempFile::new().unwrap();
    fs::write(word.path(), "p&ss w0rd\n").unwrap();
    let receiver = Receiver::start().await;
    let urls = cameras.iter().map(|(id, device)| (*id, &device.url));
    let mut site = observed(&receiver);
    for (id, url) in urls.chain([("nothing", &nothing.url), ("locked", &locked.url)]) {
        site = site.camera(id, "rtsp://127.0.0.1:1/").set("username", "admin");
        site = site.set("password_file", word.path()).set("onvif", url);
    }
    let mut gateway = Gateway::start(&site).await;
    all_are_heard(&gateway, &mut cameras).await;
    digest_goes_on(&gateway, &mut cameras[2..4]).await;
    a_lost_subscription_is_made_anew(&gateway, &mut cameras[0].1).await;
    what_cannot_be_had_is_said_once(&gateway).await;
    // It takes leave: cameras have few subscriptions.
    assert!(gateway.stop().await.success());
    for (id, device) in &cameras {
        assert_eq!(device.count("Unsubscribe"), 1, "{id}: {:?}", device.said());
    }
}

/// I6: events begin and end with their key; the video is not touched, and the camera is taken leave of.
#[tokio::test(flavor = "multi_thread")]
async fn a_reload_begins_and_ends_listening_and_touches_nothing_else() {
    let device = Onvif::start(&["--auth"]);
    let folder = tempfile::tempdir().unwrap();
    let server = RtspServer::start(0, &in_a_row(folder.path(), &[(0.0, 4.0)]));
    let receiver = Receiver::start().await;
    let deaf = watched(observed(&receiver), "cam", &server);
    let gateway = Gateway::start(&deaf).await;
    gateway.camera_is("gridpost_camera_packets_total", "cam", |packets| packets >= 1.0).await;
    let answer = gateway.reload_to(deaf.clone().set("onvif", &device.url)).await;
    assert_eq!(answer["difference"][0]["keys"], json!(["onvif"]), "{answer}");
    until(&gateway, &event_of("cam", "up"), 1.0).await;
    gateway.reload_to(&deaf).await;
    wait_for("its leave", || async { (device.count("Unsubscribe") == 1).then_some(()) }).await;
    assert!(!gateway.metrics().await.contains("gridpost_camera_events_up{"), "a figure of nothing");
    let connects = "gridpost_camera_connects_total{camera=\"cam\"}";
    assert_eq!(gateway.figure(connects).await, Some(1.0), "its video went on");
}
