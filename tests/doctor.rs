//! `gridpost doctor`: the truth about each part, within bounded time, running or not; and a bundle that tells no secret.

use std::{
    collections::BTreeMap,
    fs,
    io::Read,
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::world::{
    Broker, Gateway, Output, Receiver, Robot, RtspServer, Site, free_port, gridpost_command,
    output, street,
};

/// `gridpost doctor --json` with these variables: the exit code and each part's `(health, document)`.
fn doctor(
    config: &str,
    more: &[&str],
    environment: &[(&str, &str)],
) -> (Output, BTreeMap<String, Value>) {
    let mut command = gridpost_command(&[&["doctor", "-c", config, "--json"], more].concat());
    command.envs(environment.iter().copied());
    let said = output(command);
    let document: Value = serde_json::from_str(&said.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", said.said()));
    let mut parts = BTreeMap::new();
    for one in document["diagnoses"].as_array().unwrap() {
        let id = one["id"].as_str().map(|id| format!(" {id}")).unwrap_or_default();
        parts.insert(format!("{}{id}", one["part"].as_str().unwrap()), one.clone());
    }
    (said, parts)
}

fn health<'p>(parts: &'p BTreeMap<String, Value>, part: &str) -> &'p str {
    parts.get(part).unwrap_or_else(|| panic!("no {part} in {parts:#?}"))["health"].as_str().unwrap()
}

/// Accepts connections and never says a word.
fn silent_server() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_part_is_told_as_it_is_beside_a_running_gateway_and_what_hangs_costs_itself() {
    let server = RtspServer::start(0, &street("h264"));
    let (receiver, broker) = (Receiver::start().await, Broker::start().await);
    let (_silent, port) = silent_server();
    let gone = free_port();
    let site = Site::demo()
        .camera("gate", &server)
        .short_clips()
        .camera("silent", format!("rtsp://127.0.0.1:{port}/1"))
        .set("connect_timeout_s", 3)
        .http(&receiver)
        .http_sink("hangs", format!("http://127.0.0.1:{port}/"))
        .set("timeout_s", 2)
        .http_sink("gone", format!("http://127.0.0.1:{gone}/"))
        .mqtt_sink("district", &broker)
        .mqtt_source("devices", &broker);
    let mut gateway = Gateway::start(&site).await;
    gateway.camera_is("gridpost_camera_up", "gate", |up| up == 1.0).await;
    let (config, pictures) = (gateway.file("gridpost.toml"), gateway.file("pictures"));
    let asked = (config.clone(), pictures.clone());
    let began = Instant::now();
    let (said, parts) =
        tokio::task::spawn_blocking(move || doctor(&asked.0, &["--pictures", &asked.1], &[]))
            .await
            .unwrap();
    assert!(began.elapsed() < Duration::from_secs(150), "{:?}", began.elapsed());
    assert_eq!(said.code, 1, "{}", said.said());
    let gate = &parts["camera gate"];
    assert_ne!(gate["health"], "bad", "{gate}");
    assert_eq!((&gate["facts"]["codec"], &gate["facts"]["width"]), (&"H.264".into(), &768.into()));
    assert!(gate["facts"]["fps"].as_f64() > Some(5.0), "{gate}");
    assert!(gate["facts"]["core_percent"].is_number(), "what it costs: {gate}");
    let jpeg = Path::new(&pictures).join("gate.jpg");
    assert!(fs::read(&jpeg).unwrap().starts_with(&[0xff, 0xd8]));
    assert_eq!(fs::metadata(&jpeg).unwrap().permissions().mode() & 0o777, 0o600);
    for bad in ["camera silent", "sink hangs", "sink gone"] {
        assert_eq!(health(&parts, bad), "bad", "{bad}");
        assert!(parts[bad]["advice"]["zh"].as_str().is_some_and(|zh| !zh.is_ascii()), "{bad}");
    }
    for fine in ["sink grid", "sink district", "broker devices", "model"] {
        assert_eq!(health(&parts, fine), "fine", "{:#}", parts[fine]);
    }
    assert!(parts["disk"]["facts"]["sync_ms"].is_number() && parts.contains_key("time"));
    assert!(parts.contains_key("gateway") && parts.contains_key("config"));
    // For people: what is bad stands first, in Chinese.
    let text = tokio::task::spawn_blocking(move || {
        output(gridpost_command(&["doctor", "-c", &config, "--no-pictures"]))
    });
    let text = text.await.unwrap();
    assert!(text.stdout.starts_with("[故障]"), "{}", text.stdout);
    gateway.must_stop_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_gateway_it_is_said_and_a_wrong_configuration_ends_with_2() {
    let receiver = Receiver::start().await;
    let mut gateway = Gateway::start(&Site::demo().http(&receiver)).await;
    let config = gateway.file("gridpost.toml");
    let ask = |config: String| tokio::task::spawn_blocking(move || doctor(&config, &[], &[]));
    let (said, parts) = ask(config.clone()).await.unwrap();
    let runs = parts["gateway"]["says"]["en"].as_str().unwrap().to_owned();
    assert!(runs.contains(&gateway.pid().to_string()), "{runs}");
    let time = health(&parts, "time").to_owned();
    assert_eq!(
        said.code,
        i32::from(time == "bad" || health(&parts, "disk") == "bad"),
        "{}",
        said.said()
    );
    gateway.must_stop_sound().await;
    let (_, parts) = ask(config.clone()).await.unwrap();
    assert_eq!(health(&parts, "gateway"), "note");
    fs::write(&config, "[site]\nid = \"demo\"\nnmae = \"x\"\n").unwrap();
    let (said, parts) = ask(config).await.unwrap();
    assert_eq!((said.code, health(&parts, "config")), (2, "bad"));
}

/// Everything that is in the tar, as one text.
fn unpacked(file: &str) -> String {
    let done = Command::new("tar").args(["xOf", file]).output().unwrap();
    assert!(done.status.success());
    String::from_utf8(done.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_has_what_helps_and_no_secret_name_or_phone() {
    let secrets = [
        ("ROBOT_KEY", "9f3akeyofrobot"),
        ("CAMERA_PASSWORD", "p4ss%2Fcamera"),
        ("WHOSE", "张秀英奶奶"),
        ("PHONE", "13900001234"),
        ("SHORT", "zq7"),
    ];
    let server = Robot::start().await;
    let robot = format!("{}?access_token=${{ROBOT_KEY}}", server.url);
    let gone = free_port();
    let site = Site::demo()
        .set("name", "桥北秘密社区")
        .button("btn-1")
        .set("name", "${WHOSE}")
        .set("contact", "女儿 ${PHONE}")
        .set("note", "code ${SHORT}")
        .camera("gate", format!("rtsp://admin:${{CAMERA_PASSWORD}}@127.0.0.1:{gone}/1"))
        .set("connect_timeout_s", 1)
        .section("[[sink]]")
        .set("id", "robot")
        .set("kind", "webhook")
        .set("url", &robot)
        .set("body", r#"{"text":"{title} ${WHOSE}"}"#);
    let folder = tempfile::tempdir().unwrap();
    let mut gateway = Gateway::start_in(folder, &site, &secrets).await;
    gateway.press("btn-1", "1");
    server.text().await;
    let config = gateway.file("gridpost.toml");
    let (bundle, log) = (gateway.file("bundle.tar"), gateway.file("log"));
    // What a log may have taken up from outside.
    let mut lines = fs::read_to_string(&log).unwrap();
    lines.push_str("INFO called 13812345678 of 张秀英奶奶 rtsp://u:pw@192.0.2.9/1 p4ss/camera\n");
    lines.push_str("INFO applied version=3 by=\"钱警官\" why=\"他说 \\\"太吵\\\"\"\nWARN from=192.0.2.77 more=0\n");
    fs::write(gateway.file("copy"), lines).unwrap();
    let asked = (config.clone(), bundle.clone(), gateway.file("copy"));
    let (said, _) = tokio::task::spawn_blocking(move || {
        doctor(&asked.0, &["--no-pictures", "--bundle", &asked.1, "--log", &asked.2], &secrets)
    })
    .await
    .unwrap();
    assert!(said.stderr.contains("bundle.tar"), "{}", said.stderr);
    assert_eq!(fs::metadata(&bundle).unwrap().permissions().mode() & 0o777, 0o600);
    let text = unpacked(&bundle);
    let token = fs::read_to_string(gateway.data().join("token")).unwrap();
    let planted = secrets.iter().map(|(_, secret)| *secret);
    let logged = ["p4ss/camera", "13812345678", "u:pw@", "钱警官", "太吵", "192.0.2.77"];
    for secret in planted.chain(logged).chain(["秘密", token.trim()]) {
        let at =
            text.find(secret).map(|at| text[..at].lines().last().unwrap_or_default().to_owned());
        assert_eq!(at, None, "{secret} is in the bundle");
    }
    for there in [
        "gridpost_store_syncs_total",
        "gateway runs",
        "camera[gate].connect_timeout_s = 1",
        "the sums hold",
        "kernel",
    ] {
        assert!(text.contains(there), "no {there} in\n{text}");
    }
    let mut magic = [0u8; 2];
    fs::File::open(&bundle).unwrap().read_exact(&mut magic).unwrap();
    assert_eq!(&magic, b"gr", "a plain tar that begins with its first name");
    gateway.must_stop_sound().await;
}
