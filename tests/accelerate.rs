//! Providers and decoding devices that are wished: used where they are, and never silently not.

use std::{
    fs,
    process::{Command, Output},
};

use crate::{
    replay::comparable,
    world::{Gateway, Receiver, RtspServer, VaDevice, gridpost, root, street, wait_for},
};

const RULE: &str =
    "[[rule]]\nid = \"walkers\"\nkind = \"intrusion\"\nclear_s = 1.5\ncooldown_s = 0\n";

fn site(receiver: &Receiver) -> String {
    format!(
        "[site]\nid = \"demo\"\nheartbeat_s = 1\n\n{RULE}\n[[sink]]\nid = \"grid\"\nkind = \"http\"\nurl = \"{}\"\n",
        receiver.url
    )
}

fn camera(id: &str, url: &str, more: &str) -> String {
    format!("\n[[camera]]\nid = \"{id}\"\nurl = {url:?}\nclip_max_s = 3\npre_roll_s = 2\n{more}\n")
}

/// What a camera is decoded by, as the metric says it, once it says so and no other.
async fn decoded_by(gateway: &Gateway, camera: &str) -> Option<String> {
    let start = format!("gridpost_camera_decoding{{camera=\"{camera}\",by=\"");
    let text = gateway.metrics().await;
    let now: Vec<&str> =
        text.lines().filter_map(|line| line.strip_prefix(&start)?.strip_suffix("\"} 1")).collect();
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
    let wish = "hw_decode = \"vaapi\"\nhw_device = \"/dev/dri/nothing-here\"";
    let clip = street("h264");
    let url = clip.to_string_lossy();
    let config = [site(&receiver), camera("a", &url, wish), camera("b", &url, wish)].concat();
    let gateway = Gateway::start(&config).await;
    for id in ["a", "b"] {
        let is = |data: &serde_json::Value| {
            data["kind"] == "intrusion" && data["sources"][0]["id"] == id
        };
        receiver.wait("an intrusion", is).await;
        let by = known(&gateway, id).await;
        assert!(by.starts_with("software (vaapi: no device or no driver"), "{by}");
    }
    let notes = notes(&gateway).await;
    let of_both =
        notes.iter().filter(|note| note.contains("wished vaapi, decoded by the processor"));
    assert_eq!(of_both.count(), 2, "{notes:?}");
    let beat = wait_for("a heartbeat that says it", || {
        let says = |beat: &serde_json::Value| {
            let faults = beat["data"]["faults"].as_array().unwrap().iter();
            let of = |fault: &&serde_json::Value| fault.as_str().unwrap().contains("wished vaapi");
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
        let config = gateway.folder.path().join("gridpost.toml");
        let table = Command::new(env!("CARGO_BIN_EXE_gridpost"))
            .current_dir(gateway.folder.path())
            .args(["cameras", "-c", &config.to_string_lossy()])
            .env("GRIDPOST_MODELS", root().join("models"))
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&table.stdout).into_owned();
        (told(&text, "software (vaapi: no device") == 2).then_some(text)
    })
    .await;
    println!("{table}");
}

fn replay(config: &str, env: &[(&'static str, String)]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gridpost.toml");
    fs::write(&file, config).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_gridpost"))
        .args(["replay", "-c", &file.to_string_lossy()])
        .env("GRIDPOST_MODELS", root().join("models"))
        .envs(env.iter().map(|(key, value)| (key, value)))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

/// Every event, and the bytes of every snapshot by their hash.
fn said(output: &Output) -> (Vec<serde_json::Value>, Vec<String>) {
    let text = String::from_utf8_lossy(&output.stdout);
    let mut hashes = Vec::new();
    for line in text.lines() {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        for evidence in event["data"]["evidence"].as_array().unwrap() {
            if evidence["media_type"] == "image/jpeg" {
                hashes.push(evidence["sha256"].as_str().unwrap().to_owned());
            }
        }
    }
    (comparable(&text), hashes)
}

/// A real VA-API device: its pictures are those of the processor to the last bit, and so when it
/// breaks down at any picture: what it was given is decoded again.
#[test]
fn a_device_sees_what_the_processor_sees_and_its_death_loses_nothing() {
    let device = VaDevice::start();
    let folder = tempfile::tempdir().unwrap();
    let clip = folder.path().join("twelve-seconds.mp4");
    let cut = Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(street("h264"))
        .args(["-t", "12", "-c", "copy"])
        .arg(&clip)
        .status();
    assert!(cut.unwrap().success());
    let config = |more: &str| {
        let more = format!("decode = \"full\"\n{more}");
        let camera = camera("a", &clip.to_string_lossy(), &more);
        format!("[site]\nid = \"demo\"\n[model]\nvariant = \"fp32\"\n{RULE}{camera}")
    };
    let (events, hashes) = said(&replay(&config(""), &[]));
    assert!(events.len() > 3 && hashes.len() > 3, "{} {}", events.len(), hashes.len());
    let wish = config(&format!("hw_decode = \"vaapi\"\nhw_device = \"{}\"", device.display));
    let by_device = replay(&wish, &device.env());
    let log = String::from_utf8_lossy(&by_device.stderr).into_owned();
    assert_eq!(told(&log, "camera: decoded camera=a by=\"vaapi\""), 1, "{log}");
    assert!(device.pictures() > 100, "{}", device.pictures());
    assert_eq!(said(&by_device), (events.clone(), hashes.clone()));
    for after in [0, 1, 47, 90] {
        let before = device.pictures();
        let mut env = device.env();
        env.push(("VA_SOFTWARE_FAIL_AFTER", after.to_string()));
        let broken = replay(&wish, &env);
        let log = String::from_utf8_lossy(&broken.stderr).into_owned();
        assert_eq!(device.pictures() - before, after, "{log}");
        assert_eq!(told(&log, "decoded by the processor"), 1, "{log}");
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
    let wish = format!("hw_decode = \"vaapi\"\nhw_device = \"{}\"", device.display);
    let (live, h265) = (server.with_user("viewer:s3cret"), street("h265"));
    let other = camera("other", &h265.to_string_lossy(), &wish);
    let config = [site(&receiver), camera("square", &live, &wish), other.clone()].concat();
    let env = device.env();
    let env: Vec<(&str, &str)> = env.iter().map(|(key, value)| (*key, value.as_str())).collect();
    let gateway = Gateway::start_in(tempfile::tempdir().unwrap(), &config, &env).await;
    let of = |id: &'static str| {
        move |data: &serde_json::Value| {
            data["kind"] == "intrusion" && data["sources"][0]["id"] == id
        }
    };
    receiver.wait("an intrusion", of("square")).await;
    receiver.wait("an intrusion", of("other")).await;
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
    let looked = || gateway.metric("gridpost_camera_detected_frames_total{camera=\"square\"}");
    let before = looked().await;
    wait_for("more looks", || async { (looked().await >= before + 10.0).then_some(()) }).await;

    // Without the wish there is nothing to say, and only that camera begins anew.
    let config = [site(&receiver), camera("square", &live, ""), other].concat();
    crate::reload::reload_to(&gateway, &config).await;
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
    let clip = street("h264");
    let base = [site(&receiver), camera("a", &clip.to_string_lossy(), "")].concat();
    let wish = format!("{base}\n[model]\nproviders = [\"cuda\", \"openvino\"]\n");
    let gateway = Gateway::start(&wish).await;
    receiver.wait("an intrusion", |data| data["kind"] == "intrusion").await;
    let provider = "gridpost_detector_provider{provider=\"CPUExecutionProvider\"} 1";
    assert!(gateway.metrics().await.contains(provider));
    let why = "wished cuda, runs on CPUExecutionProvider (cuda: the library does not have it; openvino: the library does not have it); the library offers CPUExecutionProvider";
    let notes_now = notes(&gateway).await;
    assert_eq!(notes_now, [format!("detector provider: {why}")]);
    assert!(gateway.log().contains("detector: not the provider that was wished"));

    crate::reload::reload_to(&gateway, &base).await;
    wait_for("the wish to be gone", || async { notes(&gateway).await.is_empty().then_some(()) })
        .await;
    assert!(gateway.metrics().await.contains(provider));
}

#[test]
fn names_that_nobody_knows_are_refused_with_those_that_are_known() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gridpost.toml");
    let clip = street("h264");
    let text = format!(
        "[site]\nid = \"demo\"\n[model]\nproviders = [\"cuda\", \"kuda\"]\n{}{}",
        camera("a", &clip.to_string_lossy(), "hw_decode = \"va-api\""),
        camera("b", &clip.to_string_lossy(), "hw_device = \"/dev/dri/renderD129\"")
    );
    fs::write(&file, text).unwrap();
    let checked = gridpost(&["check", "-c", &file.to_string_lossy()]);
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
