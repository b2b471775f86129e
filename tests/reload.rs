//! A change without a restart: only what differs is touched, a wrong file changes nothing, presses are answered throughout.

use std::{
    collections::BTreeSet,
    fs,
    net::TcpListener,
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use rumqttc::{AsyncClient, Event, EventLoop, Incoming, MqttOptions, QoS};
use serde_json::{Value, json};

use crate::world::{Broker, Gateway, Receiver, RtspServer, gridpost, root, street, wait_for};

/// A press waits for one sync; what it may wait beside that is this machine, shared with others.
const PRESS_WITHIN: Duration = Duration::from_secs(3);

const SITE: &str = "[site]\nid = \"demo\"\n";

fn sink(id: &str, receiver: &Receiver) -> String {
    format!("\n[[sink]]\nid = \"{id}\"\nkind = \"http\"\nurl = \"{}\"\n", receiver.url)
}

fn camera(id: &str, url: &str, more: &str) -> String {
    // So long that the clip of a camera that leaves is cut after that.
    format!("\n[[camera]]\nid = \"{id}\"\nurl = \"{url}\"\nclip_max_s = 120\n{more}\n")
}

/// Another text in the file, with the same `[data]`, `[web]` and `[intake]`.
fn rewrite(gateway: &Gateway, config: &str) {
    let file = gateway.folder.path().join("gridpost.toml");
    let old = fs::read_to_string(&file).unwrap();
    let tail = &old[old.find("\n[data]\n").unwrap()..];
    fs::write(&file, format!("{config}{tail}")).unwrap();
}

async fn reload(gateway: &Gateway) -> (u16, Value) {
    gateway.post("/api/v1/reload", &json!({})).await
}

pub(crate) async fn reload_to(gateway: &Gateway, config: &str) -> Value {
    rewrite(gateway, config);
    let (status, answer) = reload(gateway).await;
    assert_eq!((status, &answer["applied"]), (200, &json!(true)), "{answer}");
    answer
}

/// One metric of one camera; None where there is no such figure.
pub(crate) async fn of_camera(gateway: &Gateway, name: &str, camera: &str) -> Option<f64> {
    let text = gateway.metrics().await;
    let start = format!("{name}{{camera=\"{camera}\"}} ");
    text.lines().find_map(|line| line.strip_prefix(&start)?.parse().ok())
}

/// Waits for some more pictures: more than a session that ends could still have under way.
async fn looks_on(gateway: &Gateway, camera: &str) {
    let looked = || of_camera(gateway, "gridpost_camera_detected_frames_total", camera);
    let before = looked().await.unwrap_or(0.0);
    wait_for("some more pictures", || async { (looked().await? >= before + 5.0).then_some(()) })
        .await;
}

fn threads(gateway: &Gateway) -> BTreeSet<String> {
    let tasks = fs::read_dir(format!("/proc/{}/task", gateway.pid())).unwrap();
    let name = |task: fs::DirEntry| fs::read_to_string(task.path().join("comm")).ok();
    tasks.filter_map(|task| Some(name(task.ok()?)?.trim().to_owned())).collect()
}

fn files(gateway: &Gateway) -> usize {
    fs::read_dir(format!("/proc/{}/fd", gateway.pid())).unwrap().count()
}

struct Button {
    client: AsyncClient,
    events: EventLoop,
    connects: usize,
}

impl Button {
    fn new(name: &str, port: u16) -> Self {
        let mut options = MqttOptions::new(name, "127.0.0.1", port);
        options.set_keep_alive(Duration::from_secs(60));
        let (client, events) = AsyncClient::new(options, 4);
        Self { client, events, connects: 0 }
    }

    /// How long until it was acknowledged.
    async fn press(&mut self, device: &str, id: usize) -> Duration {
        let topic = format!("gridpost/demo/button/{device}");
        let payload = format!("{{\"event\":\"press\",\"id\":\"{id}\"}}");
        let began = Instant::now();
        self.client.publish(topic, QoS::AtLeastOnce, false, payload).await.unwrap();
        loop {
            match self.events.poll().await.unwrap() {
                Event::Incoming(Incoming::PubAck(_)) => return began.elapsed(),
                Event::Incoming(Incoming::ConnAck(_)) => self.connects += 1,
                _ => {}
            }
        }
    }
}

async fn press(gateway: &Gateway, device: &str) {
    Button::new(device, gateway.intake.unwrap()).press(device, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p7_a_camera_that_is_added_changed_or_removed_disturbs_no_other() {
    let server = RtspServer::start(0, &street("h264"));
    let url = server.with_user("viewer:s3cret");
    let receiver = Receiver::start().await;
    let rule = "\n[[rule]]\nid = \"walkers\"\nkind = \"intrusion\"\nclear_s = 60\n";
    let base = format!("{SITE}{}{rule}", sink("grid", &receiver));
    let one = format!("{base}{}", camera("square", &url, ""));
    let gateway = Gateway::start(&one).await;
    let of_square =
        |data: &Value| data["sources"][0]["id"] == "square" && data["kind"] == "intrusion";
    let opened = receiver.wait("an intrusion", of_square).await;

    let answer = reload_to(&gateway, &format!("{one}{}", camera("gate", &url, ""))).await;
    assert_eq!(
        answer["difference"],
        json!([{ "section": "camera", "id": "gate", "change": "added" }]),
        "{answer}"
    );
    let of_gate = |data: &Value| data["sources"][0]["id"] == "gate" && data["kind"] == "intrusion";
    receiver.wait("an intrusion at the new camera", of_gate).await;

    // What is not of its session leaves the session alone; the url does not.
    let masked = camera("gate", &url, "mask = [[[0.0, 0.0], [0.1, 0.0], [0.1, 0.1]]]");
    let answer = reload_to(&gateway, &format!("{one}{masked}")).await;
    assert_eq!(answer["difference"][0]["keys"], json!(["mask"]), "{answer}");
    looks_on(&gateway, "gate").await;
    assert_eq!(of_camera(&gateway, "gridpost_camera_connects_total", "gate").await, Some(1.0));
    let udp = camera("gate", &url, "transport = \"tcp\"\nstall_timeout_s = 4");
    reload_to(&gateway, &format!("{one}{udp}")).await;
    wait_for("another session of the changed camera", || async {
        let connects = of_camera(&gateway, "gridpost_camera_connects_total", "gate").await;
        (connects == Some(2.0)).then_some(())
    })
    .await;

    let began = Instant::now();
    reload_to(&gateway, &one).await;
    wait_for("the end of its thread", || async {
        (!threads(&gateway).contains("cam-gate")).then_some(())
    })
    .await;
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    println!("removed camera: thread gone after {:?}", began.elapsed());
    let over = |data: &Value| data["sources"][0]["id"] == "gate" && data["what"] == "ended";
    let ended = receiver.wait("the end of its incident", over).await;
    assert_eq!(ended["data"]["detail"]["ended_by"], "reload", "{ended}");
    let has_clip = |data: &Value| {
        data["sources"][0]["id"] == "gate" && data["evidence"][1]["media_type"] == "video/mp4"
    };
    receiver.wait("its clip, cut after the camera had left", has_clip).await;
    wait_for("its figures to go", || async {
        let text = gateway.metrics().await;
        let left = |line: &str| line.starts_with("gridpost_camera_decoding{camera=\"gate\"");
        let up = of_camera(&gateway, "gridpost_camera_up", "gate").await;
        (up.is_none() && !text.lines().any(left)).then_some(())
    })
    .await;

    // Another model, or the same with more threads: the old one looks on until it is there.
    let answer = reload_to(&gateway, &format!("{one}\n[model]\nthreads = 2\n")).await;
    assert_eq!(answer["difference"][0]["keys"], json!(["threads"]), "{answer}");
    wait_for("the new model", || async {
        gateway.log().contains("the new model looks from now on").then_some(())
    })
    .await;

    // The other one: one session, one incident, packets all the time.
    looks_on(&gateway, "square").await;
    assert_eq!(of_camera(&gateway, "gridpost_camera_connects_total", "square").await, Some(1.0));
    let of_square: Vec<Value> = receiver.state().into_values().filter(of_square).collect();
    assert_eq!(of_square.len(), 1, "{of_square:#?}");
    assert_eq!(of_square[0]["incident"], opened["data"]["incident"]);
    assert_eq!(of_square[0]["active"], true, "{:#?}", of_square[0]);
    let log = gateway.log();
    assert!(log.contains("reload: camera gate: mask changed"), "{log}");
    assert!(!log.contains("s3cret"), "a password in the log");
}

#[tokio::test(flavor = "multi_thread")]
async fn p1_presses_are_answered_through_twenty_reloads() {
    let (receiver, other) = (Receiver::start().await, Receiver::start().await);
    let base = format!("{SITE}{}", sink("grid", &receiver));
    let gateway = Gateway::start(&base).await;
    let port = gateway.intake.unwrap();
    let before = files(&gateway);
    let done = Arc::new(AtomicBool::new(false));
    let waits = Arc::new(Mutex::new(Vec::new()));
    let mut buttons = Vec::new();
    for n in 0..4 {
        let (done, waits) = (done.clone(), waits.clone());
        buttons.push(tokio::spawn(async move {
            let mut button = Button::new(&format!("button-{n}"), port);
            let mut acknowledged = BTreeSet::new();
            while !done.load(Ordering::Relaxed) {
                let device = format!("b-{n}-{}", acknowledged.len());
                let wait = button.press(&device, 1).await;
                waits.lock().unwrap().push(wait);
                acknowledged.insert(device);
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            (acknowledged, button.connects)
        }));
    }
    let dead = camera("dead", "rtsp://127.0.0.1:9/none", "");
    let rule =
        "\n[[rule]]\nid = \"r\"\nkind = \"intrusion\"\nschedule = [\"Mon-Fri 22:00-06:00\"]\n";
    let broker = "\n[[mqtt]]\nid = \"away\"\nurl = \"mqtt://127.0.0.1:9\"\n";
    let button = "\n[[button]]\nid = \"b-0-0\"\nname = \"张秀英\"\n";
    let texts = [
        format!("{base}{dead}{rule}"),
        format!("{base}{}{button}", sink("second", &other)),
        format!("{base}{broker}{dead}{}", sink("second", &other)),
        base.clone(),
        "[site]\nid = 7\n".to_owned(),
    ];
    let mut slowest = Duration::ZERO;
    for n in 0..20 {
        let text = &texts[n % texts.len()];
        rewrite(&gateway, text);
        let began = Instant::now();
        if n % 2 == 0 {
            let (status, answer) = reload(&gateway).await;
            assert_eq!(status == 200, n % texts.len() != 4, "{answer}");
        } else {
            gateway.signal("HUP");
            wait_for("the reload by signal", || async {
                let done = gateway.metric("gridpost_config_reloads_total").await;
                (done >= (n + 1) as f64).then_some(())
            })
            .await;
        }
        slowest = slowest.max(began.elapsed());
    }
    done.store(true, Ordering::Relaxed);
    let mut acknowledged = BTreeSet::new();
    for button in buttons {
        let (devices, connects) = button.await.unwrap();
        assert_eq!(connects, 1, "a reload cut a button off");
        acknowledged.extend(devices);
    }
    let longest = waits.lock().unwrap().iter().max().copied().unwrap();
    println!(
        "{} presses through 20 reloads (slowest {slowest:?}): longest wait {longest:?}",
        acknowledged.len()
    );
    assert!(longest < PRESS_WITHIN, "a press waited {longest:?}");
    // Nothing is left of what came and went.
    reload_to(&gateway, &base).await;
    wait_for("threads and files as before", || async {
        let seeing = |name: &String| name.starts_with("cam-") || name == "vision";
        // A connection or two of this test may linger.
        let same = !threads(&gateway).iter().any(seeing) && files(&gateway) <= before + 3;
        same.then_some(())
    })
    .await;
    wait_for("every press at the grid", || async {
        acknowledged.is_subset(&receiver.sources()).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_file_changes_nothing_and_every_problem_is_told() {
    let receiver = Receiver::start().await;
    let base = format!("{SITE}{}", sink("grid", &receiver));
    let gateway = Gateway::start(&base).await;
    let wrong = format!(
        "{base}\n[[camera]]\nid = \"new\"\nurl = \"rtsp://u:s3cret@127.0.0.1:9/x\"\ndetect_fps = 99.0\n\n[[rule]]\nid = \"r\"\nkind = \"intrusion\"\ncameras = [\"neww\"]\n"
    );
    rewrite(&gateway, &wrong);
    let (status, answer) = reload(&gateway).await;
    assert_eq!((status, &answer["applied"]), (422, &json!(false)), "{answer}");
    let problems = answer["problems"].as_array().unwrap();
    assert_eq!(problems.len(), 2, "{answer}");
    assert_eq!(problems[0]["key"], "camera[1].detect_fps");
    assert_eq!(problems[1]["hint"], "did you mean `new`?");
    let file = gateway.folder.path().join("gridpost.toml").display().to_string();
    let line = wrong.lines().position(|line| line.starts_with("detect_fps")).unwrap() + 1;
    assert_eq!((&problems[0]["file"], &problems[0]["line"]), (&json!(file), &json!(line)));
    let told =
        format!("reload: {file}:{line}: error: camera[1].detect_fps: 99: expected 0.1 to 60");
    assert!(gateway.log().contains(&told), "{told} is not in\n{}", gateway.log());
    assert!(!threads(&gateway).contains("cam-new"));
    // By signal the log tells the same.
    gateway.signal("HUP");
    wait_for("the log to tell it again", || async {
        (gateway.log().matches(&told).count() == 2).then_some(())
    })
    .await;
    assert!(!gateway.log().contains("s3cret") && !answer.to_string().contains("s3cret"));
    press(&gateway, "b-1").await;
    receiver.wait("the press", |data| data["sources"][0]["id"] == "b-1").await;
    // Nobody without the token.
    let bare = crate::world::http().post(format!("{}/api/v1/reload", gateway.web)).send().await;
    assert_eq!(bare.unwrap().status(), 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_needs_a_restart_is_said_and_the_whole_reload_refused() {
    let gateway = Gateway::start(SITE).await;
    let file = gateway.folder.path().join("gridpost.toml");
    let old = fs::read_to_string(&file).unwrap();
    let new = old.replace("path = \"data\"", "path = \"elsewhere\"");
    fs::write(&file, format!("{new}{}", camera("new", "rtsp://127.0.0.1:9/x", ""))).unwrap();
    let (status, answer) = reload(&gateway).await;
    assert_eq!((status, &answer["applied"]), (409, &json!(false)), "{answer}");
    let sentence = "[data] path cannot change while the gateway runs";
    assert!(answer["error"].as_str().unwrap().starts_with(sentence), "{answer}");
    assert!(gateway.log().contains(sentence), "{}", gateway.log());
    assert!(!threads(&gateway).contains("cam-new"), "half of it was taken");
    assert!(!gateway.folder.path().join("elsewhere").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn p2_a_removed_sink_keeps_what_it_is_owed_and_gets_it_when_it_comes_back() {
    let (grid, district) = (Receiver::start().await, Receiver::start().await);
    district.answer(|_| 503);
    let one = format!("{SITE}{}", sink("grid", &grid));
    let both = format!("{one}{}", sink("district", &district));
    let mut gateway = Gateway::start(&both).await;
    press(&gateway, "owed").await;
    let down = |data: &Value| data["kind"] == "sink-down" && data["active"] == true;
    grid.wait("the word that it is down", down).await;
    reload_to(&gateway, &one).await;
    let over = |data: &Value| data["kind"] == "sink-down" && data["what"] == "ended";
    grid.wait("the word that this is over", over).await;
    let (_, ready) = gateway.get("/readyz").await;
    assert_eq!(ready["ready"], true, "{ready}");
    press(&gateway, "meanwhile").await;
    grid.wait("the press meanwhile", |data| data["sources"][0]["id"] == "meanwhile").await;
    district.answer(|_| 200);
    reload_to(&gateway, &both).await;
    press(&gateway, "after").await;
    district.wait("the press after it came back", |d| d["sources"][0]["id"] == "after").await;
    wait_for("what it was owed", || async { district.sources().contains("owed").then_some(()) })
        .await;
    assert!(!district.sources().contains("meanwhile"), "it was not there then");
    wait_for("nothing pending", || async {
        (gateway.metric("gridpost_pending_records").await == 0.0).then_some(())
    })
    .await;
    // A changed sink goes on, with nothing lost in the courier that ended.
    grid.answer(|_| 503);
    press(&gateway, "in-hand").await;
    wait_for("a failed try", || async {
        (gateway.metric("gridpost_delivery_failures_total").await > 0.0).then_some(())
    })
    .await;
    grid.answer(|_| 200);
    let changed = both.replace("id = \"grid\"\n", "id = \"grid\"\ntimeout_s = 4\n");
    let answer = reload_to(&gateway, &changed).await;
    assert_eq!(answer["difference"][0]["keys"], json!(["timeout_s"]), "{answer}");
    grid.wait("what the old courier had", |data| data["sources"][0]["id"] == "in-hand").await;
    assert!(gateway.stop().await.success());
    let check = gridpost(&["store", "check", "--data", &gateway.data().display().to_string()]);
    assert_eq!(check.code, 0, "{}{}", check.stdout, check.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn listeners_move_new_one_first_and_stay_if_they_cannot() {
    let receiver = Receiver::start().await;
    let base = format!("{SITE}{}", sink("grid", &receiver));
    let mut gateway = Gateway::start(&base).await;
    let file = gateway.folder.path().join("gridpost.toml");
    let old = fs::read_to_string(&file).unwrap();
    let intake = |listen: &str| {
        let at = old.find("[intake]").unwrap();
        format!("{}{}", &old[..at], old[at..].replace("127.0.0.1:0", listen))
    };
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    fs::write(&file, intake(&format!("127.0.0.1:{port}"))).unwrap();
    let (status, answer) = reload(&gateway).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["kept"][0]["section"], "intake", "{answer}");
    assert!(answer["kept"][0]["why"].as_str().unwrap().contains("cannot listen on"), "{answer}");
    press(&gateway, "old-door").await;
    // The same file once the port is free.
    drop(taken);
    let (status, answer) = reload(&gateway).await;
    assert_eq!((status, &answer["kept"]), (200, &json!([])), "{answer}");
    let before = gateway.intake.replace(port).unwrap();
    press(&gateway, "new-door").await;
    let gone = tokio::net::TcpStream::connect(("127.0.0.1", before)).await;
    assert!(gone.is_err(), "the old listener is still there");
    let said = fs::read_to_string(gateway.data().join("run.json")).unwrap();
    assert!(said.contains(&format!("127.0.0.1:{port}")), "{said}");
    // The same address with users: the door stays, who may come in changes; so does a changed file.
    let users = gateway.folder.path().join("users");
    fs::write(&users, "button:one\n").unwrap();
    let with_users = intake(&format!("127.0.0.1:{port}"))
        .replace("allow_anonymous = true", "users_file = \"users\"");
    fs::write(&file, with_users).unwrap();
    reload(&gateway).await;
    let comes_in = |password: &'static str| async move {
        let mut options = MqttOptions::new("with-user", "127.0.0.1", port);
        options.set_credentials("button", password);
        let (_client, mut events) = AsyncClient::new(options, 4);
        matches!(events.poll().await, Ok(Event::Incoming(Incoming::ConnAck(_))))
    };
    assert!(comes_in("one").await && !comes_in("two").await);
    fs::write(&users, "button:two\n").unwrap();
    let (_, answer) = reload(&gateway).await;
    assert_eq!(answer["difference"][0]["keys"], json!(["users_file (its content)"]), "{answer}");
    assert!(comes_in("two").await && !comes_in("one").await);
    // The web moves while it answers.
    let web = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let moved = fs::read_to_string(&file).unwrap();
    fs::write(&file, moved.replacen("127.0.0.1:0", &web.to_string(), 1)).unwrap();
    let (status, answer) = reload(&gateway).await;
    assert_eq!(status, 200, "{answer}");
    gateway.web = format!("http://{web}");
    let (status, _) = gateway.get("/api/v1/incidents").await;
    assert_eq!(status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn buttons_grids_and_brokers_are_swapped_while_it_runs() {
    let (receiver, broker) = (Receiver::start().await, Broker::start().await);
    let base = format!("{SITE}{}", sink("grid", &receiver));
    let gateway = Gateway::start(&base).await;
    press(&gateway, "b-9").await;
    let unknown = receiver.wait("the press", |data| data["what"] == "opened").await;
    assert_eq!(unknown["data"]["sources"][0]["name"], "b-9");
    let csv = gateway.folder.path().join("buttons.csv");
    let row = |name: &str| {
        format!("id,name,lon,lat,grid,contact,note\nb-10,{name},113.9128,30.9221,,,\n")
    };
    fs::write(&csv, row("张秀英")).unwrap();
    let lists = format!(
        "id = \"demo\"\nbuttons = \"buttons.csv\"\ngrids = \"{}/config/grids/community.geojson\"\n",
        root().display()
    );
    let site = base.replace("id = \"demo\"\n", &lists);
    let with_broker =
        format!("{site}\n[[mqtt]]\nid = \"city\"\nurl = \"mqtt://127.0.0.1:{}\"\n", broker.port);
    let answer = reload_to(&gateway, &with_broker).await;
    let sections: Vec<&str> = answer["difference"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["section"].as_str().unwrap())
        .collect();
    assert_eq!(sections, ["button", "mqtt", "site"], "{answer}");
    // Until the gateway has subscribed, a broker has nobody to keep it for.
    let named = wait_for("a press by way of the new broker", || {
        let sent = Command::new("mosquitto_pub")
            .args(["-h", "127.0.0.1", "-p", &broker.port.to_string(), "-q", "1"])
            .args(["-t", "gridpost/demo/button/b-10", "-m", "{\"event\":\"press\",\"id\":\"1\"}"])
            .status();
        assert!(sent.unwrap().success());
        let of_button = |event: &Value| event["data"]["sources"][0]["id"] == "b-10";
        let found = receiver.events().into_iter().find(of_button);
        async move { found }
    })
    .await;
    assert_eq!(named["data"]["sources"][0]["name"], "张秀英", "{named}");
    assert_eq!(named["data"]["grid"]["code"], "420100-QB-01", "{named}");
    // The csv alone changed: its buttons differ.
    fs::write(&csv, row("李建国")).unwrap();
    let (_, answer) = reload(&gateway).await;
    assert_eq!(
        answer["difference"],
        json!([{ "section": "button", "id": "b-10", "change": "changed", "keys": ["name"] }])
    );
    // Another time zone: events carry it from now on.
    let zone = with_broker.replace("id = \"demo\"\n", "id = \"demo\"\ntimezone = \"UTC\"\n");
    reload_to(&gateway, &zone).await;
    press(&gateway, "b-11").await;
    let event = receiver.wait("a press after that", |d| d["sources"][0]["id"] == "b-11").await;
    assert!(named["time"].as_str().unwrap().ends_with("+08:00"), "{named}");
    assert!(!event["time"].as_str().unwrap().ends_with("+08:00"), "{event}");
}
