//! Providers and decoding devices that are wished: used where they are, and never silently not.

use serde_json::Value;

use crate::world::{
    Gateway, Launch, Played, Receiver, Replay, RtspServer, Site, VaDevice, check, is_of, street,
    street_of, wait_for,
};

/// Where there is no device.
const NOWHERE: &str = "/dev/dri/nothing-here";

/// Walkers are an incident each time they come.
fn walked() -> Site {
    Site::demo().walkers().set("clear_s", 1.5).set("cooldown_s", 0)
}

/// The camera that was opened last wishes to be decoded by VA-API on this device.
fn wishes(site: Site, device: &str) -> Site {
    site.set("hw_decode", "vaapi").set("hw_device", device)
}

/// What a camera is decoded by, as the metric says it, once it says so and no other.
async fn decoded_by(gateway: &Gateway, camera: &str) -> Option<String> {
    let start = format!(r#"gridpost_camera_decoding{{camera="{camera}",by=""#);
    let text = gateway.metrics().await;
    let now: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix(&start)?.strip_suffix(r#""} 1"#))
        .collect();
    assert!(now.len() < 2, "{now:?}");
    now.first().map(|by| (*by).to_owned())
}

async fn known(gateway: &Gateway, camera: &str) -> String {
    wait_for("what decodes it", || decoded_by(gateway, camera)).await
}

/// Ready, and what is said beside.
async fn notes(gateway: &Gateway) -> Vec<String> {
    let (status, body) = gateway.get("/readyz").await;
    assert_eq!(status, 200, "a wish that is not met is no reason not to be ready: {body}");
    let notes = body["notes"].as_array().unwrap();
    notes.iter().map(|note| note.as_str().unwrap().to_owned()).collect()
}

fn told(log: &str, what: &str) -> usize {
    log.lines().filter(|line| line.contains(what)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_is_not_there_is_said_once_and_the_processor_sees_the_same() {
    let receiver = Receiver::start().await;
    let site = wishes(walked().http(&receiver).camera("a", street("h264")).short_clips(), NOWHERE);
    let site = wishes(site.camera("b", street("h264")).short_clips(), NOWHERE);
    let gateway = Gateway::start(&site.section("[site]").set("heartbeat_s", 1)).await;
    for id in ["a", "b"] {
        receiver.wait("an intrusion", |data| is_of(data, "intrusion", id)).await;
        let by = known(&gateway, id).await;
        assert!(by.starts_with("software (vaapi: no device or no driver"), "{by}");
    }
    let notes = notes(&gateway).await;
    let of_both =
        notes.iter().filter(|note| note.contains("wished vaapi, decoded by the processor"));
    assert_eq!(of_both.count(), 2, "{notes:?}");
    let beat = wait_for("a heartbeat that says it", || {
        let says = |beat: &Value| {
            let faults = beat["data"]["faults"].as_array().unwrap().iter();
            let of = |fault: &&Value| fault.as_str().unwrap().contains("wished vaapi");
            faults.filter(of).count() == 2
        };
        let found = receiver.heartbeats().into_iter().find(says);
        async move { found }
    })
    .await;
    println!("{}", beat["data"]["faults"]);
    let log = gateway.log();
    assert_eq!(told(&log, "the device does not start"), 1, "{log}");
    assert_eq!(told(&log, "camera: decoded by the processor"), 2, "{log}");
    let table = wait_for("the table", || async {
        let text = gateway.command("cameras", &[]).stdout;
        (told(&text, "software (vaapi: no device") == 2).then_some(text)
    })
    .await;
    println!("{table}");
}

/// Every event, and the bytes of every snapshot by their hash.
fn said(played: &Played) -> (Vec<Value>, Vec<String>) {
    let pieces =
        played.events.iter().flat_map(|event| event["data"]["evidence"].as_array().unwrap());
    let snapshots = pieces.filter(|piece| piece["media_type"] == "image/jpeg");
    let hashes = snapshots.map(|piece| piece["sha256"].as_str().unwrap().to_owned()).collect();
    (played.comparable(), hashes)
}

/// A real VA-API device: its pictures are those of the processor to the last bit, and so when it
/// breaks down at any picture: what it was given is decoded again.
#[test]
fn a_device_sees_what_the_processor_sees_and_its_death_loses_nothing() {
    let device = VaDevice::start();
    let folder = tempfile::tempdir().unwrap();
    let clip = street_of(folder.path(), 12);
    let site = walked().section("[model]").set("variant", "fp32");
    let site = site.camera("a", &clip).short_clips().set("decode", "full");
    let (events, hashes) = said(&Replay::of(&site).run());
    assert!(events.len() > 3 && hashes.len() > 3, "{} {}", events.len(), hashes.len());
    let site = wishes(site, &device.display);
    let by_device = Replay::of(&site).envs(device.env()).run();
    let log = &by_device.log;
    assert_eq!(told(log, "camera: decoded camera=a by=\"vaapi\""), 1, "{log}");
    assert!(device.pictures() > 100, "{}", device.pictures());
    assert_eq!(said(&by_device), (events.clone(), hashes.clone()));
    for after in [0, 1, 47, 90] {
        let before = device.pictures();
        let fails = ("VA_SOFTWARE_FAIL_AFTER", after.to_string());
        let broken = Replay::of(&site).envs(device.env()).envs([fails]).run();
        let log = &broken.log;
        assert_eq!(device.pictures() - before, after, "{log}");
        assert_eq!(told(log, "decoded by the processor"), 1, "{log}");
        assert!(log.contains("vaapi: it stopped decoding"), "{log}");
        assert_eq!(said(&broken), (events.clone(), hashes.clone()), "after {after} pictures");
    }
}

/// Live: one camera on the device, one whose codec it does not take; then it breaks down, and a
/// reload gives up the wish.
#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_breaks_down_live_is_said_and_the_camera_sees_on() {
    let device = VaDevice::start();
    let server = RtspServer::start(0, &street("h264"));
    let receiver = Receiver::start().await;
    let other = walked().http(&receiver).camera("other", street("h265")).short_clips();
    let plain = wishes(other, &device.display).camera("square", &server).short_clips();
    let wish = wishes(plain.clone(), &device.display);
    let gateway = Launch::of(&wish).envs(device.env()).start().await;
    receiver.wait("an intrusion", |data| is_of(data, "intrusion", "square")).await;
    receiver.wait("an intrusion", |data| is_of(data, "intrusion", "other")).await;
    assert_eq!(known(&gateway, "square").await, "vaapi");
    assert!(device.pictures() > 0);
    let by = known(&gateway, "other").await;
    assert!(by.starts_with("software (vaapi: it does not take this stream"), "{by}");
    assert_eq!(notes(&gateway).await.len(), 1);

    device.break_down();
    wait_for("the processor to take over", || async {
        let by = decoded_by(&gateway, "square").await?;
        by.starts_with("software (vaapi: it stopped decoding").then_some(())
    })
    .await;
    assert_eq!(notes(&gateway).await.len(), 2);
    let looks = r#"gridpost_camera_detected_frames_total{camera="square"}"#;
    let before = gateway.figure(looks).await.unwrap_or(0.0);
    gateway.figure_is(looks, |looked| looked >= before + 10.0).await;

    // Without the wish there is nothing to say, and only that camera begins anew.
    gateway.reload_to(&plain).await;
    wait_for("the wish to be gone", || async {
        (decoded_by(&gateway, "square").await? == "software").then_some(())
    })
    .await;
    let left = notes(&gateway).await;
    assert!(left.len() == 1 && left[0].starts_with("camera other: "), "{left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_the_library_has_not_is_said_and_the_processor_looks() {
    let receiver = Receiver::start().await;
    let site = walked().http(&receiver).camera("a", street("h264")).short_clips();
    let wish = site.clone().section("[model]").set("providers", ["cuda", "openvino"]);
    let gateway = Gateway::start(&wish).await;
    receiver.wait("an intrusion", |data| data["kind"] == "intrusion").await;
    let provider = r#"gridpost_detector_provider{provider="CPUExecutionProvider"} 1"#;
    assert!(gateway.metrics().await.contains(provider));
    let why = "wished cuda, runs on CPUExecutionProvider (cuda: the library does not have it; openvino: the library does not have it); the library offers CPUExecutionProvider";
    let notes_now = notes(&gateway).await;
    assert_eq!(notes_now, [format!("detector provider: {why}")]);
    assert!(gateway.log().contains("detector: not the provider that was wished"));

    gateway.reload_to(&site).await;
    wait_for("the wish to be gone", || async { notes(&gateway).await.is_empty().then_some(()) })
        .await;
    assert!(gateway.metrics().await.contains(provider));
}

#[test]
fn names_that_nobody_knows_are_refused_with_those_that_are_known() {
    let checked = check(
        r#"[site]
id = "demo"
[model]
providers = ["cuda", "kuda"]
[[camera]]
id = "a"
url = "rtsp://192.0.2.1/a"
hw_decode = "va-api"
[[camera]]
id = "b"
url = "rtsp://192.0.2.1/b"
hw_device = "/dev/dri/renderD129"
"#,
    );
    assert_ne!(checked.code, 0);
    for expected in [
        "gridpost.toml:4: error: model.providers",
        "unknown value `kuda`, expected one of `cpu`, `cuda`, `tensorrt`, `openvino`",
        "unknown value `va-api`, expected one of `off`, `auto`, `vaapi`, `cuda`",
        "camera[2].hw_device: a device of which kind?",
    ] {
        assert!(checked.stdout.contains(expected), "{expected}: {}", checked.stdout);
    }
}
