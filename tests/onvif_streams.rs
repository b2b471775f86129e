//! A camera by one line: `onvif` without a `url` finds both streams and the events, whatever the camera is like.

use std::fs;

use crate::world::{
    Gateway, Onvif, Receiver, RtspServer, Site, certificates, check, street_of, wait_for,
};

const UP: &str = "gridpost_camera_up";
const CONNECTS: &str = "gridpost_camera_connects_total";

/// A main stream and a small one, as two cameras of the same street.
struct Streams {
    main: RtspServer,
    sub: RtspServer,
    _folder: tempfile::TempDir,
}

impl Streams {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clip = street_of(folder.path(), 6);
        let (main, sub) = (RtspServer::start(0, &clip), RtspServer::start(0, &clip));
        Self { main, sub, _folder: folder }
    }

    /// As options of the simulator.
    fn offered(&self) -> [String; 4] {
        let (main, sub) = (self.main.as_named_inside(), self.sub.as_named_inside());
        let size = ("H264,1920x1080", "H264,640x360");
        let sub = format!("sub={},{sub}", size.1);
        ["--profile".into(), sub, "--profile".into(), format!("main={},{main}", size.0)]
    }
}

/// A camera with these streams, whose user is that of the RTSP server.
fn camera(offered: &[String], more: &[&str]) -> Onvif {
    let mut options = vec!["--user", "viewer", "--password", "s3cret"];
    options.extend(offered.iter().map(String::as_str));
    options.extend(more);
    Onvif::start(&options)
}

fn user(device: &Onvif) -> String {
    device.with_user("viewer:s3cret")
}

/// The line of `gridpost cameras` that says what was chosen; empty until there is one.
fn chosen(gateway: &Gateway) -> Vec<String> {
    let table = gateway.command("cameras", &["--json"]).stdout;
    let cameras = table.lines().filter_map(|line| serde_json::from_str(line).ok());
    let streams = cameras.map(|camera: serde_json::Value| camera["onvif_streams"].clone());
    streams.filter_map(|streams| Some(streams.as_str()?.to_owned())).collect()
}

async fn is_chosen(gateway: &Gateway, part: &str) {
    wait_for(part, || async { chosen(gateway).iter().any(|one| one.contains(part)).then_some(()) })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_line_gives_both_streams_and_the_events() {
    let streams = Streams::start();
    let mut device = camera(&streams.offered(), &["--nat", "--auth", "digest"]);
    let receiver = Receiver::start().await;
    let site = Site::demo().anybody().http(&receiver);
    let mut gateway = Gateway::start(site.camera_by_onvif("yard", &user(&device))).await;
    gateway.camera_is(UP, "yard", |up| up == 1.0).await;
    gateway.figure_is(&format!(r#"{UP}{{camera="yard/detect"}}"#), |up| up == 1.0).await;
    gateway.camera_is("gridpost_camera_events_up", "yard", |up| up == 1.0).await;
    device.tell("on");
    gateway.camera_is("gridpost_camera_events_total", "yard", |events| events >= 1.0).await;
    // What was chosen and why, for people; and where it really is.
    is_chosen(&gateway, "clips: main stream (H.264 1920×1080").await;
    let told = gateway.command("cameras", &[]).stdout;
    for part in ["looked at: sub stream (H.264 640×360", "it calls itself 10.98.76.54"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    // Nothing was connected on the way but what is meant.
    assert_eq!(gateway.of_camera(CONNECTS, "yard").await, Some(1.0));
    assert!(!gateway.log().contains("s3cret"), "a password in the log");
    gateway.must_stop_sound().await;
}

/// Kinds of cameras: how they ask who we are, what they call things, what they get wrong.
const KINDS: [(&str, &[&str]); 8] = [
    ("token", &["--clock-off", "-3000", "--capabilities-only"]),
    ("both", &["--auth", "digest", "token"]),
    ("anybody", &["--auth", "--media2", "good"]),
    ("vague", &["--media2", "vague", "--protocol", "RtspUnicast", "--escaped-twice"]),
    ("broken", &["--media2", "broken"]),
    ("dead", &["--dead", "--media2", "good"]),
    ("moved", &["--moved"]),
    ("rude", &[]),
];
/// What the rude one does before it behaves.
const RUDE: [&str; 8] =
    ["500", "garbage", "truncated", "silent", "empty", "huge", "loop", "elsewhere"];

#[tokio::test(flavor = "multi_thread")]
async fn streams_are_found_whatever_the_camera_is_like_and_none_waits_for_another() {
    let streams = Streams::start();
    // Escaped twice or once, `&` is a part of the address.
    let main = format!("main=H265,1920x1080,{}?a=1&b=2", streams.main.as_named_inside());
    let offered = ["--profile".to_owned(), main.replace("H265", "H264")];
    let mut cameras: Vec<(&str, Onvif)> =
        KINDS.iter().map(|(id, more)| (*id, camera(&offered, more))).collect();
    for how in RUDE {
        cameras[7].1.tell(&format!("rude {how}"));
    }
    // One that answers for ever, one that is not there, one whose streams nobody can read.
    let mut endless = camera(&offered, &[]);
    for _ in 0..50 {
        endless.tell("rude endless");
    }
    let jpeg = camera(&["--profile".into(), "a=JPEG,640x480,rtsp://h/".into()], &[]);
    let receiver = Receiver::start().await;
    let mut site = Site::demo().http(&receiver);
    for (id, device) in &cameras {
        site = site.camera_by_onvif(id, &user(device));
    }
    let nobody = "http://viewer:s3cret@127.0.0.1:1/onvif/device_service";
    for (id, url) in [("endless", user(&endless)), ("jpeg", user(&jpeg)), ("nobody", nobody.into())]
    {
        site = site.camera_by_onvif(id, &url);
    }
    let locked = camera(&offered, &["--password", "other"]);
    let word = tempfile::NamedTempFile::new().unwrap();
    fs::write(word.path(), "s3cret\n").unwrap();
    site = site.camera_by_onvif("locked", &locked.url).set("username", "viewer");
    let gateway = Gateway::start(site.set("password_file", word.path())).await;
    for (id, _) in &cameras {
        gateway.camera_is(UP, id, |up| up == 1.0).await;
    }
    assert!(cameras[0].1.count("GetCapabilities") > 0 && cameras[6].1.count("GetServices") > 0);
    assert!(cameras[3].1.count("GetVideoEncoderConfigurations") > 0);
    for how in RUDE {
        let said = cameras[7].1.said();
        assert!(said.iter().any(|line| line.ends_with(how)), "{how} was not met: {said:?}");
    }
    // Each of the others is told as what it is, to people too.
    for (id, why) in [
        ("nobody", "cannot connect"),
        ("jpeg", "its streams are JPEG; expected H.264 or H.265"),
        ("locked", "it refuses our user or password"),
    ] {
        let silent = |data: &serde_json::Value| {
            data["kind"] == "camera-silent"
                && data["sources"][0]["id"] == id
                && data.to_string().contains(why)
        };
        receiver.wait(why, silent).await;
    }
    assert_eq!(gateway.of_camera(UP, "endless").await, Some(0.0));
    assert!(!gateway.log().contains("s3cret"), "a password in the log");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_changes_is_found_again_and_a_small_stream_comes_and_goes() {
    let streams = Streams::start();
    let [_, sub, _, main] = streams.offered();
    let mut device = camera(&["--profile".into(), main.clone()], &["--nat"]);
    let receiver = Receiver::start().await;
    let site = Site::demo().http(&receiver).camera_by_onvif("yard", &user(&device));
    let gateway = Gateway::start(site.set("stall_timeout_s", 2)).await;
    gateway.camera_is(UP, "yard", |up| up == 1.0).await;
    is_chosen(&gateway, "it has no smaller stream of the same view").await;
    let looks = format!(r#"{UP}{{camera="yard/detect"}}"#);
    assert_eq!(gateway.figure(&looks).await, None, "one stream alone");
    // It restarts: with another port, and with a small stream now.
    let folder = tempfile::tempdir().unwrap();
    let moved = RtspServer::start(0, &street_of(folder.path(), 6));
    let main = main.replace(&streams.main.as_named_inside(), &moved.as_named_inside());
    device.tell(&format!("stream {main}"));
    device.tell(&format!("stream {sub}"));
    drop(streams.main);
    gateway.camera_is(UP, "yard", |up| up == 0.0).await;
    gateway.camera_is(UP, "yard", |up| up == 1.0).await;
    gateway.figure_is(&looks, |up| up == 1.0).await;
    // The small one goes for good: it is looked at by the main one, which goes on.
    device.tell("drop sub");
    drop(streams.sub);
    wait_for("no second stream", || async { gateway.figure(&looks).await.is_none().then_some(()) })
        .await;
    gateway.camera_is(UP, "yard", |up| up == 1.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_are_given_win_and_a_reload_changes_how_it_is_found() {
    let streams = Streams::start();
    let (device, other) = (
        camera(&streams.offered(), &["--nat"]),
        camera(&["--profile".into(), "main=H264,640x360,rtsp://h:1/none".into()], &[]),
    );
    let receiver = Receiver::start().await;
    let empty = Site::demo().http(&receiver);
    let given = |site: Site| site.set("url", streams.sub.url());
    let by_hand = given(empty.clone().camera_by_onvif("yard", &user(&other)));
    let gateway = Gateway::start(&by_hand).await;
    gateway.camera_is(UP, "yard", |up| up == 1.0).await;
    assert_eq!(other.count("GetProfiles"), 0, "its address is given");
    // A camera whose looks are given, and whose clips are found.
    let half = empty.clone().camera_by_onvif("yard", &user(&device));
    let half = half.set("detect_url", streams.sub.url());
    gateway.reload_to(&half).await;
    is_chosen(&gateway, "the largest; looked at: detect_url").await;
    gateway.figure_is(&format!(r#"{UP}{{camera="yard/detect"}}"#), |up| up == 1.0).await;
    assert_eq!(device.count("GetStreamUri"), 1, "one stream alone is asked for");
    // Another camera under the same name: nothing of the first is kept.
    gateway.reload_to(empty.camera_by_onvif("yard", &user(&other))).await;
    gateway.camera_is(UP, "yard", |up| up == 0.0).await;
    is_chosen(&gateway, "clips: main stream (H.264 640×360").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_tls_any_certificate_is_taken_unless_an_authority_is_named() {
    let folder = tempfile::tempdir().unwrap();
    certificates(folder.path());
    let of = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let streams = Streams::start();
    let device = camera(&streams.offered(), &["--nat", "--tls", &of("cert.pem"), &of("key.pem")]);
    let strange =
        camera(&streams.offered(), &["--nat", "--tls", &of("expired.pem"), &of("expired-key.pem")]);
    let receiver = Receiver::start().await;
    let mut site = Site::demo().http(&receiver);
    let ca = of("ca.pem");
    for (id, device, ca) in
        [("any", &strange, None), ("signed", &device, Some(&ca)), ("refused", &strange, Some(&ca))]
    {
        assert!(device.url.starts_with("https://"));
        site = site.camera_by_onvif(id, &user(device));
        if let Some(ca) = ca {
            site = site.set("onvif_ca_file", ca);
        }
    }
    let gateway = Gateway::start(&site).await;
    gateway.camera_is(UP, "any", |up| up == 1.0).await;
    gateway.camera_is(UP, "signed", |up| up == 1.0).await;
    is_chosen(&gateway, "the server's certificate has expired").await;
    assert_eq!(gateway.of_camera(UP, "refused").await, Some(0.0));
}

#[test]
fn a_camera_without_any_address_is_told_and_what_onvif_is_given_is_checked() {
    let of = |keys: &str| check(&format!("[site]\nid = \"x\"\n[[camera]]\nid = \"a\"\n{keys}\n"));
    of("").must_say(2, ["camera[1].url: is missing; expected rtsp://… or a video file, or `onvif"]);
    of("detect_url = \"rtsp://h/\"").must_say(2, ["camera[1].url: is missing"]);
    of("onvif = \"rtsp://h/\"").must_say(2, ["rtsp://… is not spoken; expected http://"]);
    of("url = \"rtsp://h/\"\nonvif_source = \"1\"").must_say(2, ["onvif_source: of what?"]);
    for fine in [
        "onvif = \"http://192.0.2.7/onvif/device_service\"",
        "onvif = \"https://[2001:db8::7]:8443/\"\nonvif_source = \"1\"\ndetect_url = \"rtsp://h/\"",
    ] {
        assert_eq!(of(fine).code, 0, "{fine}: {}", of(fine).said());
    }
}
