//! `gridpost discover`: who is there, what it offers, and lines that can be pasted.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::world::{Onvif, check_in, gridpost};

const MAIN: &str = "--profile=main=H264,2688x1520,rtsp://10.0.0.1:554/1";
const SUB: &str = "--profile=sub=H264,640x360,rtsp://10.0.0.1:554/2";

/// What `discover` prints with these arguments; it must find something.
fn found(arguments: &[&str]) -> String {
    let output = gridpost(&[&["discover", "--wait", "1"], arguments].concat());
    assert_eq!(output.code, 0, "{}", output.said());
    output.stdout
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_there_is_listed_with_what_it_offers_and_lines_that_check() {
    let plain = Onvif::start(&["--auth", "--discovery", "old", "--nat", MAIN, SUB]);
    let locked =
        Onvif::start(&["--discovery", "good", "--name", "%E4%B8%9C%22%0A%24%7BX%7D", MAIN]);
    let recorder = Onvif::start(&[
        "--auth",
        "--media2",
        "good",
        "--discovery",
        "good",
        "--profile=a=H265,1920x1080,rtsp://10.0.0.1/a,S1",
        "--profile=b=H264,704x576,rtsp://10.0.0.1/b,S1",
        "--profile=c=H265,1280x720,rtsp://10.0.0.1/c,S2",
    ]);
    let rude = Onvif::start(&["--discovery", "garbage"]);
    let mut at = Vec::new();
    for device in [&plain, &locked, &recorder, &rude] {
        at.push(device.discovery().await);
    }
    let at: Vec<&str> = at.iter().map(String::as_str).collect();
    let text = found(&at);
    for part in [
        "#   name: Cam A",
        "#   hardware: Example Eye 4",
        "#   firmware: 1.2 build 3",
        "#   location: city/龙岗",
        "#   scopes: type/video_encoder Profile/Streaming",
        "#   offers main stream (H.264 2688×1520, 25 fps, key frames 2.0 s apart)",
        "#   clips: main stream (H.264 2688×1520, 25 fps, key frames 2.0 s apart), the largest; looked at: sub stream",
        "#   what it offers is not known: it asks for a user, and none is configured",
        "# username = ",
        "#   offers c stream (H.265 1280×720",
        "onvif_source = \"S2\"",
    ] {
        assert!(text.contains(part), "{part}\nnot in\n{text}");
    }
    // The address that it answers at, and none of the dead ones that it lists.
    assert!(text.contains(&format!("onvif = \"{}\"", plain.url)), "{text}");
    assert_eq!(text.matches("[[camera]]").count(), 4, "{text}");
    assert!(plain.count("Probe NetworkVideoTransmitter") > 0 && plain.count("Probe Device") > 0);
    // A name from outside begins no line and fills in no secret.
    let folder = tempfile::tempdir().unwrap();
    let checked = check_in(folder.path(), &format!("[site]\nid = \"x\"\n{text}"));
    assert_eq!(checked.code, 0, "{}\n{text}", checked.said());

    // Who we are is told to those that ask, and printed by no way.
    let word = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(word.path(), "p&ss w0rd").unwrap();
    let file = word.path().to_string_lossy().into_owned();
    let user = ["--username", "admin", "--password-file", &file];
    let text = found(&[&user[..], &[at[1], at[0], "--json"]].concat());
    let named = |line: &String| line.ends_with(" named");
    assert!(!plain.said().iter().any(named), "told to one that did not ask: {:?}", plain.said());
    let cameras: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(cameras.len(), 2, "{text}");
    let of = |url: &str| cameras.iter().find(|one| one["onvif"] == url).unwrap();
    let offer = &of(&locked.url)["sources"][0]["profiles"][0];
    assert_eq!((&offer["token"], &offer["video"]["width"]), (&"main".into(), &2688.into()));
    assert_eq!(of(&locked.url)["name"], "东\" ${X}");
    let text = found(&[&user[..], &[at[1]]].concat());
    assert!(text.contains("username = \"admin\"\npassword_file = ") && !text.contains("w0rd"));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_does_not_answer_is_asked_by_its_address_and_nobody_is_said_so() {
    let device = Onvif::start(&["--auth", MAIN]);
    let text = found(&[&device.url]);
    assert!(text.contains(&format!("onvif = \"{}\"", device.url)), "{text}");
    // A server of something else, and nothing at all: listed as what was asked for, and why not more.
    let nothing = found(&["http://127.0.0.1:1/onvif/device_service"]);
    assert!(nothing.contains("is not known: cannot connect"), "{nothing}");
    let begun = Instant::now();
    let mut slow = Onvif::start(&["--auth", MAIN]);
    for _ in 0..40 {
        slow.tell("rude endless");
    }
    let text = found(&[&slow.url]);
    assert!(text.contains("is not known: no "), "{text}");
    assert!(begun.elapsed() < Duration::from_secs(55), "{:?}", begun.elapsed());
    for (arguments, code, said) in [
        (&["--wait", "0"][..], 2, "expected 0.1 to 60 seconds"),
        (&["no such host"][..], 1, "expected a host, a host with a port, or http://…"),
        (&["--password-file", "x"][..], 2, "--username"),
    ] {
        gridpost(&[&["discover"], arguments].concat()).must_say(code, [said]);
    }
}
