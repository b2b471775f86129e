//! A change without a restart: only what differs is touched, a wrong file changes nothing, presses are answered throughout.

use std::{
    collections::BTreeSet,
    fs,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::world::{
    Button, Gateway, Receiver, RtspServer, Site, has_snapshot_and_clip, http, is_of, street,
    wait_for,
};

/// A press waits for one sync; what it may wait beside that is this machine, shared with others.
const PRESS_WITHIN: Duration = Duration::from_secs(3);

/// Waits for some more pictures: more than a session that ends could still have under way.
async fn looks_on(gateway: &Gateway, camera: &str) {
    let looks = "gridpost_camera_detected_frames_total";
    let before = gateway.of_camera(looks, camera).await.unwrap_or(0.0);
    gateway.camera_is(looks, camera, |looked| looked >= before + 5.0).await;
}

fn threads(gateway: &Gateway) -> BTreeSet<String> {
    let tasks = fs::read_dir(format!("/proc/{}/task", gateway.pid())).unwrap();
    let name = |task: fs::DirEntry| fs::read_to_string(task.path().join("comm")).ok();
    tasks.filter_map(|task| Some(name(task.ok()?)?.trim().to_owned())).collect()
}

fn files(gateway: &Gateway) -> usize {
    fs::read_dir(format!("/proc/{}/fd", gateway.pid())).unwrap().count()
}

/// With `gate` removed: its thread ends, its incident, its figures, and its clip is cut all the same.
async fn gate_leaves(gateway: &Gateway, receiver: &Receiver, without: &Site) {
    let began = Instant::now();
    gateway.reload_to(without).await;
    wait_for("the end of its thread", || async {
        (!threads(gateway).contains("cam-gate")).then_some(())
    })
    .await;
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    println!("removed camera: thread gone after {:?}", began.elapsed());
    let over = |data: &Value| data["sources"][0]["id"] == "gate" && data["what"] == "ended";
    let ended = receiver.wait("the end of its incident", over).await;
    assert_eq!(ended["data"]["detail"]["ended_by"], "reload", "{ended}");
    let has_clip = |data: &Value| data["sources"][0]["id"] == "gate" && has_snapshot_and_clip(data);
    receiver.wait("its clip, cut after the camera had left", has_clip).await;
    wait_for("its figures to go", || async {
        let text = gateway.metrics().await;
        let left = |line: &str| line.starts_with("gridpost_camera_decoding{camera=\"gate\"");
        let up = gateway.of_camera("gridpost_camera_up", "gate").await;
        (up.is_none() && !text.lines().any(left)).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p7_a_camera_that_is_added_changed_or_removed_disturbs_no_other() {
    let server = RtspServer::start(0, &street("h264"));
    let receiver = Receiver::start().await;
    // So long that the clip of a camera that leaves is cut after that.
    let camera = |site: Site, id: &str| site.camera(id, &server).set("clip_max_s", 120);
    let one = camera(Site::demo().http(&receiver).walkers().set("clear_s", 60), "square");
    let both = camera(one.clone(), "gate");
    let gateway = Gateway::start(&one).await;
    let of_square = |data: &Value| is_of(data, "intrusion", "square");
    let opened = receiver.wait("an intrusion", of_square).await;

    let answer = gateway.reload_to(&both).await;
    assert_eq!(
        answer["difference"],
        json!([{ "section": "camera", "id": "gate", "change": "added" }]),
        "{answer}"
    );
    let of_gate = |data: &Value| is_of(data, "intrusion", "gate");
    receiver.wait("an intrusion at the new camera", of_gate).await;

    // What is not of its session leaves the session alone; the url does not.
    let masked = both.clone().set("mask", [[[0.0, 0.0], [0.1, 0.0], [0.1, 0.1]]]);
    let answer = gateway.reload_to(masked).await;
    assert_eq!(answer["difference"][0]["keys"], json!(["mask"]), "{answer}");
    looks_on(&gateway, "gate").await;
    let connects = "gridpost_camera_connects_total";
    assert_eq!(gateway.of_camera(connects, "gate").await, Some(1.0));
    gateway.reload_to(both.set("transport", "tcp").set("stall_timeout_s", 4)).await;
    gateway.camera_is(connects, "gate", |connects| connects == 2.0).await;
    gate_leaves(&gateway, &receiver, &one).await;

    // Another model, or the same with more threads: the old one looks on until it is there.
    let answer = gateway.reload_to(one.section("[model]").set("threads", 2)).await;
    assert_eq!(answer["difference"][0]["keys"], json!(["threads"]), "{answer}");
    gateway.logs("the new model looks from now on").await;

    // The other one: one session, one incident, packets all the time.
    looks_on(&gateway, "square").await;
    assert_eq!(gateway.of_camera(connects, "square").await, Some(1.0));
    let of_square: Vec<Value> = receiver.state().into_values().filter(of_square).collect();
    assert_eq!(of_square.len(), 1, "{of_square:#?}");
    assert_eq!(of_square[0]["incident"], opened["data"]["incident"]);
    assert_eq!(of_square[0]["active"], true, "{:#?}", of_square[0]);
    let log = gateway.log();
    assert!(log.contains("reload: camera gate: mask changed"), "{log}");
    assert!(!log.contains("s3cret"), "a password in the log");
}

/// Four buttons that press all the time.
struct Pressing {
    done: Arc<AtomicBool>,
    waits: Arc<Mutex<Vec<Duration>>>,
    /// What was acknowledged, and how often the button had to connect.
    buttons: Vec<JoinHandle<(BTreeSet<String>, usize)>>,
}

impl Pressing {
    fn start(port: u16) -> Self {
        let done = Arc::new(AtomicBool::new(false));
        let waits = Arc::<Mutex<Vec<Duration>>>::default();
        let button = |n: usize| {
            let (done, waits) = (done.clone(), waits.clone());
            tokio::spawn(async move {
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
            })
        };
        let buttons = (0..4).map(button).collect();
        Self { done, waits, buttons }
    }

    /// All that was acknowledged, and the longest wait.
    async fn stop(self) -> (BTreeSet<String>, Duration) {
        self.done.store(true, Ordering::Relaxed);
        let mut acknowledged = BTreeSet::new();
        for button in self.buttons {
            let (devices, connects) = button.await.unwrap();
            assert_eq!(connects, 1, "a reload cut a button off");
            acknowledged.extend(devices);
        }
        let longest = self.waits.lock().unwrap().iter().max().copied().unwrap();
        (acknowledged, longest)
    }
}

/// Over HTTP and by signal in turn, one in five a wrong file; how long the slowest took.
async fn twenty_reloads(gateway: &Gateway, sites: &[Site]) -> Duration {
    let mut slowest = Duration::ZERO;
    for n in 0..20 {
        let wrong = n % sites.len() == sites.len() - 1;
        gateway.rewrite(&sites[n % sites.len()]);
        let began = Instant::now();
        if n % 2 == 0 {
            let (status, answer) = gateway.reload_confirmed().await;
            assert_eq!(status == 200, !wrong, "{answer}");
        } else {
            gateway.signal("HUP");
            let reloads = (n + 1) as f64;
            gateway.metric_is("gridpost_config_reloads_total", |done| done >= reloads).await;
        }
        slowest = slowest.max(began.elapsed());
    }
    slowest
}

#[tokio::test(flavor = "multi_thread")]
async fn p1_presses_are_answered_through_twenty_reloads() {
    let (receiver, other) = (Receiver::start().await, Receiver::start().await);
    // A signal cannot confirm that every button goes: one stays.
    let base = Site::demo().http(&receiver).button("stays");
    let gateway = Gateway::start(&base).await;
    let before = files(&gateway);
    let pressing = Pressing::start(gateway.intake.unwrap());
    let dead = |site: Site| site.camera("dead", "rtsp://127.0.0.1:9/none").set("clip_max_s", 120);
    let night = ["Mon-Fri 22:00-06:00"];
    let broker = base.clone().mqtt_source("away", 9u16);
    let sites = [
        dead(base.clone()).rule("r", "intrusion").set("schedule", night),
        base.clone().http_sink("second", &other.url).button("b-0-0").set("name", "张秀英"),
        dead(broker).http_sink("second", &other.url),
        base.clone(),
        Site::demo().set("id", 7),
    ];
    let slowest = twenty_reloads(&gateway, &sites).await;
    let (acknowledged, longest) = pressing.stop().await;
    println!(
        "{} presses through 20 reloads (slowest {slowest:?}): longest wait {longest:?}",
        acknowledged.len()
    );
    assert!(longest < PRESS_WITHIN, "a press waited {longest:?}");
    // Nothing is left of what came and went.
    gateway.reload_to(&base).await;
    wait_for("threads and files as before", || async {
        let seeing = |name: &String| name.starts_with("cam-") || name == "vision";
        // A connection or two of this test may linger.
        let same = !threads(&gateway).iter().any(seeing) && files(&gateway) <= before + 3;
        same.then_some(())
    })
    .await;
    // Beyond two hundred strangers the grid is told of one incident for all; on disk is each of them.
    let own = acknowledged.len().min(200);
    wait_for("every press of its own at the grid", || async {
        (acknowledged.intersection(&receiver.sources()).count() >= own).then_some(())
    })
    .await;
    let all = acknowledged.len() as f64;
    gateway.metric_is("gridpost_signals_accepted_total", |taken| taken >= all).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_file_changes_nothing_and_every_problem_is_told() {
    let receiver = Receiver::start().await;
    let site = Site::demo().http(&receiver);
    let gateway = Gateway::start(&site).await;
    let wrong = site
        .camera("new", "rtsp://u:s3cret@127.0.0.1:9/x")
        .set("detect_fps", 99.0)
        .rule("r", "intrusion")
        .set("cameras", ["neww"]);
    gateway.rewrite(&wrong);
    let (status, answer) = gateway.reload().await;
    assert_eq!((status, &answer["applied"]), (422, &json!(false)), "{answer}");
    let problems = answer["problems"].as_array().unwrap();
    assert_eq!(problems.len(), 2, "{answer}");
    assert_eq!(problems[0]["key"], "camera[1].detect_fps");
    assert_eq!(problems[1]["hint"], "did you mean `new`?");
    let file = gateway.file("gridpost.toml");
    let line = wrong.text().lines().position(|line| line.starts_with("detect_fps")).unwrap() + 1;
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
    gateway.press("b-1", "1");
    receiver.wait("the press", |data| data["sources"][0]["id"] == "b-1").await;
    // Nobody without the token.
    let bare = http().post(format!("{}/api/v1/reload", gateway.web)).send().await;
    assert_eq!(bare.unwrap().status(), 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_needs_a_restart_is_said_and_the_whole_reload_refused() {
    let gateway = Gateway::start(&Site::demo()).await;
    let elsewhere = Site::demo().section("[data]").set("path", "elsewhere");
    gateway.rewrite(elsewhere.camera("new", "rtsp://127.0.0.1:9/x"));
    let (status, answer) = gateway.reload().await;
    assert_eq!((status, &answer["applied"]), (409, &json!(false)), "{answer}");
    let sentence = "[data] path cannot change while the gateway runs";
    assert!(answer["error"].as_str().unwrap().starts_with(sentence), "{answer}");
    assert!(gateway.log().contains(sentence), "{}", gateway.log());
    assert!(!threads(&gateway).contains("cam-new"), "half of it was taken");
    assert!(!gateway.folder.path().join("elsewhere").exists());
}
