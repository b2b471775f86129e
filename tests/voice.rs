//! Loudspeakers 云广播: who is meant hears it at once, it ends with its cause, and what was not said in time never is.

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::world::{
    Gateway, GroupListener, Launch, Receiver, RtspServer, SipSpeaker, Site, is_of, people, root,
    tone_wav, wait_for,
};

/// A recorded warning of a second: a tone by which it is known again.
const TONE_HZ: f64 = 1_000.0;

fn recorded(names: &[&str]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let voice = folder.path().join("voice");
    fs::create_dir(&voice).unwrap();
    for name in names {
        fs::write(voice.join(format!("{name}.wav")), tone_wav(TONE_HZ, 1.0)).unwrap();
    }
    folder
}

fn speaker(site: Site, id: &str, way: &str) -> Site {
    site.section("[[speaker]]").set("id", id).set("way", way)
}

fn announce(site: Site, kind: &str, speaker: &str, zh: &str) -> Site {
    site.section("[[announce]]")
        .set("id", format!("{kind} at {speaker}"))
        .set("kinds", [kind])
        .set("speakers", [speaker])
        .set("zh", zh)
}

/// What became of the announcements of a speaker, by the ledger.
fn sums(gateway: &Gateway, speaker: &str, kind: &str) -> String {
    let ledger = gateway.ledger();
    let start = format!("{speaker} {kind}:");
    ledger.lines().find(|line| line.starts_with(&start)).unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_river_walker_hears_the_warning_at_once_and_it_stops_when_he_leaves() {
    let (clip, _) = people("stand");
    let server = RtspServer::start(0, &clip);
    let receiver = Receiver::start().await;
    let bank = SipSpeaker::start().await;
    let site = Site::demo().camera("river", &server).short_clips().rule("bank", "waterside");
    let site = site.set("clear_s", 1.5).set("cooldown_s", 0).http(&receiver);
    let site = speaker(site, "bank", &bank.way()).section("[voice]").set("phrases", "voice");
    let site = announce(site, "waterside", "bank", "水位上涨，请立即离开河岸")
        .set("repeats", 100)
        .set("every_s", 1);
    let folder = recorded(&["水位上涨", "请立即离开河岸"]);
    let mut gateway = Launch::of(site).in_folder(folder).start().await;
    let what = |what: &'static str| {
        move |data: &Value| is_of(data, "waterside", "river") && data["what"] == what
    };
    receiver.wait("somebody at the water", what("opened")).await;
    let told = Instant::now();
    let first = wait_for("the first word", async || bank.calls().first().cloned()).await;
    let late = first.first_word.saturating_duration_since(told);
    println!("first word {late:?} after the record was on disk and at the receiver");
    assert!(late < Duration::from_secs(1), "{late:?}");
    receiver.wait("he is gone", what("ended")).await;
    let gone = Instant::now();
    let calls_then = bank.calls().len();
    // Long enough for two more, were they still said.
    tokio::time::sleep(Duration::from_secs(4)).await;
    let calls: Vec<_> = bank
        .calls()
        .into_iter()
        .filter(|call| call.first_word < gone + Duration::from_secs(3))
        .collect();
    assert!(calls.len() <= calls_then + 1, "{} after {calls_then}", calls.len());
    let whole = &calls[0];
    assert!(whole.ended, "it was confirmed");
    // What wakes it, two phrases of a second and the gap between.
    assert!((2.3..2.5).contains(&whole.seconds()), "{}", whole.seconds());
    assert!(whole.share_of(TONE_HZ) > 0.8 && whole.level() > 4_000.0, "{}", whole.level());
    assert!(calls.len() > 1, "it was said again while he stayed");
    let last = calls.iter().map(|call| call.last_word).max().unwrap();
    assert!(last < gone + Duration::from_secs(1), "{:?}", last.saturating_duration_since(gone));
    assert!(!sums(&gateway, "bank", "waterside").contains("expired"), "{}", gateway.ledger());
    gateway.must_stop_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_car_in_the_fire_lane_hears_its_sentence_twice() {
    let lane = Command::new("/usr/bin/python3").arg(root().join("tests/rig/lane.py")).output();
    let lane = String::from_utf8(lane.unwrap().stdout).unwrap();
    let server = RtspServer::start(0, Path::new(lane.trim()));
    let (receiver, yard) = (Receiver::start().await, GroupListener::start().await);
    let site = Site::demo().camera("gate", &server).short_clips().rule("lane", "fire-lane");
    let site = site.set("dwell_s", 2).http(&receiver);
    let site = speaker(site, "yard", &yard.way());
    let site = announce(site, "fire-lane", "yard", "请勿在消防通道停车");
    let gateway = Gateway::start(site).await;
    let heard = yard.hears(Duration::from_secs(2)).await;
    // Read by espeak-ng, and sent twice: a group does not say what it has heard.
    // Another car that stops there is news, and is told as well.
    let times = gateway.log().matches("sent; nobody acknowledges it").count();
    let each = heard.seconds() / times.max(1) as f64;
    assert!((3.0..12.0).contains(&each), "{each} s, {times} times");
    assert!(heard.level() > 500.0, "{}", heard.level());
    gateway.logs("nobody acknowledges it").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_said_in_time_never_is_and_a_press_waits_for_no_speaker() {
    let (receiver, hall) = (Receiver::start().await, SipSpeaker::start().await);
    hall.answers(false);
    let site = Site::demo().button("btn-1").http(&receiver);
    let site = speaker(site, "hall", &hall.way()).set("answer_s", 1);
    let site = announce(site, "emergency-button", "hall", "求助").set("valid_s", 4);
    let site = site.section("[voice]").set("phrases", "voice");
    let mut gateway = Launch::of(site).in_folder(recorded(&["求助"])).start().await;
    let pressed = Instant::now();
    gateway.press("btn-1", "1");
    receiver.wait("the press", |data| is_of(data, "emergency-button", "btn-1")).await;
    println!("the press was told after {:?}", pressed.elapsed());
    let loss = receiver.wait("the loss", |data| is_of(data, "loss", "hall")).await;
    assert_eq!(loss["data"]["detail"]["expired"], 1, "{loss}");
    let line = sums(&gateway, "hall", "emergency-button");
    assert!(line.contains("accepted 1") && line.contains("expired 1"), "{line}");
    gateway.store(&["list", "--shed"]).lines().for_each(|line| println!("{line}"));
    hall.answers(true);
    // Long enough for several tries, were it still owed.
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(hall.calls().is_empty(), "never late");
    gateway.press("btn-1", "2");
    gateway.must_stop_sound().await;
}

/// A level that the gauge `river` reads now, over the intake.
fn river_at(gateway: &Gateway, metres: &str) {
    let status = Command::new("/usr/bin/python3")
        .arg(root().join("tests/devices/mqtt_gauges.py"))
        .args(["127.0.0.1", &gateway.intake.unwrap().to_string(), "native-level", "river", metres])
        .status();
    assert!(status.unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn water_that_passes_the_warning_level_first_is_spoken_of_at_the_guarantee_level() {
    let (receiver, bank) = (Receiver::start().await, SipSpeaker::start().await);
    let site = Site::demo().gauge("river").set("kind", "level");
    let site = site.set("warning_m", 29.5).set("guarantee_m", 30.0).http(&receiver);
    let site = speaker(site, "bank", &bank.way()).section("[voice]").set("phrases", "voice");
    let site = announce(site, "water-level", "bank", "请立即撤离").set("severity_max", 1);
    let mut gateway = Launch::of(site).in_folder(recorded(&["请立即撤离"])).start().await;
    let severity = |severity: u64| {
        move |data: &Value| data["kind"] == "water-level" && data["severity"] == severity
    };
    river_at(&gateway, "29.60");
    receiver.wait("the warning level", severity(2)).await;
    wait_for("that it was passed over", async || {
        sums(&gateway, "bank", "water-level").contains("delivered 1").then_some(())
    })
    .await;
    assert!(bank.calls().is_empty(), "it is no emergency yet");
    river_at(&gateway, "30.10");
    receiver.wait("the guarantee level", severity(1)).await;
    wait_for("the first word", async || bank.calls().first().cloned()).await;
    gateway.must_stop_sound().await;
}

/// A real SIP speaker, which answers by itself.
struct Baresip(Child, TempDir);

impl Drop for Baresip {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Baresip {
    /// None: it is not installed.
    fn start(port: u16) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let config = format!(
            "sip_listen 127.0.0.1:{port}\naudio_source aubridge,x\naudio_player aubridge,x\nausrc_srate 8000\nauplay_srate 8000\nausrc_channels 1\nauplay_channels 1\nrtp_stats yes\nmodule_path /usr/lib/baresip/modules\nmodule g711.so\nmodule aubridge.so\nmodule_app account.so\nmodule_app menu.so\n"
        );
        let account =
            "<sip:hall@127.0.0.1;transport=udp>;regint=0;answermode=auto;audio_codecs=pcma\n";
        for (name, text) in [("config", config.as_str()), ("accounts", account), ("contacts", "")] {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let child = Command::new("baresip")
            .args(["-4", "-s", "-f"])
            .arg(folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn();
        match child {
            Ok(child) => Some(Self(child, folder)),
            Err(error) => {
                eprintln!("skipped: baresip: {error}");
                None
            }
        }
    }

    fn log(&self) -> String {
        let log = fs::read(self.1.path().join("log")).unwrap();
        String::from_utf8_lossy(&log).into_owned()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_s_own_words_are_acknowledged_by_a_real_sip_speaker() {
    let port = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let Some(baresip) = Baresip::start(port) else { return };
    wait_for("baresip", async || baresip.log().contains("is ready").then_some(())).await;
    let site = Site::demo();
    let site = speaker(site, "hall", &format!("sip:hall@127.0.0.1:{port}"));
    let gateway = Gateway::start(site).await;
    let say = |text: &str, speaker: &str| json!({ "speakers": [speaker], "text": text, "by": "民警李建国" });
    let (status, said) =
        gateway.post("/api/v1/announce", &say("请\u{1b}[31m大家<b>离开</b>🔥河岸", "hall")).await;
    assert_eq!((status, &said["kind"]), (202, &json!("announcement")), "{said}");
    assert_eq!(said["detail"]["text"], "请大家 离开 河岸");
    assert_eq!(said["detail"]["by"], "民警李建国");
    wait_for("the acknowledgement", async || {
        sums(&gateway, "hall", "announcement").contains("delivered 1").then_some(())
    })
    .await;
    let log = baresip.log();
    assert!(log.contains("INVITE sip:") && log.contains("BYE sip:"), "{log}");
    assert!(log.contains("PCMA"), "{log}");
    for (order, why) in [
        (say(&"请".repeat(501), "hall"), "501 characters; expected at most 500"),
        (say("🔥🔥", "hall"), "nothing in it that can be spoken"),
        (say("请离开", "hal"), "no speaker is called `hal`"),
        (json!({ "text": "请离开", "by": "x" }), "expected `speakers` or `grid`"),
    ] {
        let (status, told) = gateway.post("/api/v1/announce", &order).await;
        assert_eq!(status, 422, "{told}");
        assert!(told["error"].as_str().unwrap().contains(why), "{told}");
    }
    let config = gateway.file("gridpost.toml");
    crate::world::gridpost(&[
        "announce",
        "-c",
        &config,
        "--by",
        "李建国",
        "--speaker",
        "hall",
        "请让开",
    ])
    .must_say(0, ["喊话广播：请让开", "hall  已播出 said"]);
}
