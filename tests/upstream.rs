//! Up first, upstream later (P6), and a clock that is wrong at boot and steps while it runs (P9).

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::world::{
    Button, Gateway, Launch, Receiver, Site, WrongClock, free_port, now_s, wait_for,
};

/// A press waits for one sync; the rest is this machine, shared with others.
const PRESS_WITHIN: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "multi_thread")]
async fn p6_with_nothing_upstream_it_starts_answers_stores_and_shows_and_all_arrives_later() {
    let port = free_port();
    // Takes connections, for the system does, and never answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent_at = silent.local_addr().unwrap();
    let site = Site::demo()
        .http_sink("grid", format!("http://127.0.0.1:{port}/events"))
        .http_sink("far", format!("http://{silent_at}/events"))
        .set("timeout_s", 1)
        .mqtt_sink("district", "mqtt://no-such-host.invalid:1883")
        .mqtt_source("city", "mqtt://no-such-host.invalid:1883")
        .camera("gate", "rtsp://no-such-camera.invalid/1")
        .rule("r", "intrusion");
    let launch = Launch::of(&site).env("GRIDPOST_MODELS", "/no-models-here");
    let began = Instant::now();
    let mut gateway = launch.start().await;
    let started = began.elapsed();
    let mut longest = Duration::ZERO;
    for n in 0..10 {
        let payload = format!("{{\"event\":\"press\",\"id\":\"{n}\"}}");
        let wait = Button::once(gateway.intake.unwrap(), &format!("b-{n}"), &payload).await;
        longest = longest.max(wait);
    }
    println!("started in {started:?}; longest wait of a press {longest:?}");
    assert!(longest < PRESS_WITHIN, "a press waited {longest:?}");
    let (status, shown) = gateway.get("/api/v1/incidents?kind=emergency-button&active=true").await;
    assert_eq!(status, 200);
    assert_eq!(shown["incidents"].as_array().unwrap().len(), 10, "{shown}");
    wait_for("all that is away to be told", || async {
        let (_, ready) = gateway.get("/readyz").await;
        let reasons = ready["reasons"].to_string();
        let all = ["sink grid", "sink far", "sink district", "detector"];
        all.iter().all(|part| reasons.contains(part)).then_some(())
    })
    .await;
    let (_, faults) = gateway.get("/api/v1/incidents?kind=detector-degraded").await;
    assert_eq!(faults["incidents"][0]["active"], true, "{faults}");

    let receiver = Receiver::start_at(port).await;
    let emergencies = wait_for("ten presses", || {
        let of_button = |event: &Value| event["data"]["kind"] == "emergency-button";
        let events = receiver.events().into_iter().filter(of_button);
        let source = |event: Value| event["data"]["sources"][0]["id"].as_str().unwrap().to_owned();
        let came: Vec<String> = events.map(source).collect();
        async move { (came.len() == 10).then_some(came) }
    })
    .await;
    // The one that finds the sink up may be any, once the oldest has failed five times; then the oldest first.
    let rest = &emergencies[1..];
    let all = (0..10).map(|n| format!("b-{n}"));
    let in_order: Vec<String> = all.filter(|button| *button != emergencies[0]).collect();
    assert_eq!(rest, in_order, "after {}", emergencies[0]);
    receiver.wait("the detector's fault too", |data| data["kind"] == "detector-degraded").await;
    gateway.must_stop_sound().await;
}

/// Each incident's revisions in the order in which they came.
fn revisions(events: &[Value]) -> BTreeMap<String, Vec<u64>> {
    let mut came: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for event in events {
        let data = &event["data"];
        let source = data["sources"][0]["id"].as_str().unwrap();
        let name = format!("{} {source} {}", data["kind"], data["incident"]);
        came.entry(name).or_default().push(data["revision"].as_u64().unwrap());
    }
    came
}

/// Everything that is not as it should be, so that one run tells it all.
#[derive(Default)]
struct Complaints(Vec<String>);

impl Complaints {
    fn unless(&mut self, fine: bool, complaint: impl FnOnce() -> String) {
        if !fine {
            self.0.push(complaint());
        }
    }
}

const HOUR: i64 = 3600;

const FIRST: &str = r#"{"event":"press","id":"1"}"#;
/// Told apart by its `at` only.
const BY_TIME: &str = r#"{"event":"press","at":"1970-01-01T00:00:30Z"}"#;

/// Each of the ten buttons presses with these ids, one after the other.
async fn ten_press(port: u16, ids: &[u32]) {
    for n in 0..10 {
        for id in ids {
            let payload = format!(r#"{{"event":"press","id":"{id}"}}"#);
            Button::once(port, &format!("b-{n}"), &payload).await;
        }
    }
}

/// 1970: ten buttons with ids, one that is told apart by its `at` only, one with a weak battery
/// that is changed: a case that has ended and that nobody closed.
async fn in_1970(port: u16, receiver: &Receiver) {
    ten_press(port, &[1]).await;
    Button::once(port, "by-time", BY_TIME).await;
    Button::once(port, "weak", r#"{"event":"press","id":"1","battery":5}"#).await;
    Button::once(port, "weak", r#"{"event":"press","id":"2","battery":95}"#).await;
    let first = receiver.wait("a press", |data| data["sources"][0]["id"] == "b-0").await;
    let year = |event: &Value| event["data"]["changed_at"].as_str().unwrap()[..4].to_owned();
    assert_eq!(year(&first), "1970", "the clock of the test does not take hold: {first}");
    receiver
        .wait("the end of the weak battery", |data| {
            data["kind"] == "device-battery" && data["what"] == "ended"
        })
        .await;
}

/// 2026, in the run. A second press of each, and the first ones again.
async fn in_2026(gateway: &Gateway) {
    let port = gateway.intake.unwrap();
    ten_press(port, &[2, 1]).await;
    Button::once(port, "by-time", BY_TIME).await;
    Button::once(port, "late", FIRST).await;
    // The junction ticks four times a second: what a step would age out, it would have by now.
    let errors = gateway.metric("gridpost_delivery_failures_total").await;
    gateway.metric_is("gridpost_delivery_failures_total", |now| now > errors + 2.0).await;
}

/// 1970 again after a restart, the same presses; and then the time is right.
async fn in_1970_again(port: u16, clock: &WrongClock) {
    ten_press(port, &[1, 2, 3]).await;
    Button::once(port, "by-time", BY_TIME).await;
    Button::once(port, "late", FIRST).await;
    clock.is_off_by(0);
    Button::once(port, "last", FIRST).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p9_a_clock_that_boots_in_1970_and_steps_loses_doubles_and_ages_nothing() {
    let clock_folder = tempfile::tempdir().unwrap();
    let clock = WrongClock::build(clock_folder.path());
    let to_1970 = 60 - now_s() as i64;
    clock.is_off_by(to_1970);
    let receiver = Receiver::start().await;
    let launch = || Launch::of(Site::demo().http(&receiver)).envs(clock.environment());
    let gateway = launch().start().await;
    let port = gateway.intake.unwrap();
    let mut complaints = Complaints::default();

    in_1970(port, &receiver).await;
    receiver.answer(|_| 503);
    clock.is_off_by(0);
    in_2026(&gateway).await;
    // An hour back.
    clock.is_off_by(-HOUR);
    ten_press(port, &[3, 2]).await;
    Button::once(port, "late", FIRST).await;
    receiver.answer(|_| 200);
    gateway.nothing_is_pending().await;
    check(&receiver, &mut complaints, "in the run");

    // Power is gone, the battery of the clock is empty: 1970 again, and the same presses.
    let folder = gateway.kill().await;
    clock.is_off_by(to_1970);
    let mut gateway = launch().in_folder(folder).start().await;
    in_1970_again(gateway.intake.unwrap(), &clock).await;
    receiver.wait("the last press", |data| data["sources"][0]["id"] == "last").await;
    gateway.nothing_is_pending().await;
    check(&receiver, &mut complaints, "after a restart in 1970");
    gateway.must_stop_sound().await;
    assert!(complaints.0.is_empty(), "{:#?}", complaints.0);
}

/// One incident a device, three presses each, revisions without gaps and in order, nothing closed.
fn check(receiver: &Receiver, complaints: &mut Complaints, when: &str) {
    let events = receiver.events();
    let state = receiver.state();
    for name in (0..10).map(|n| format!("b-{n}")).chain(["by-time".into(), "late".into()]) {
        let of: Vec<&Value> = state
            .values()
            .filter(|data| data["sources"][0]["id"] == *name && data["kind"] == "emergency-button")
            .collect();
        complaints.unless(of.len() == 1, || format!("{when}: {} incidents of {name}", of.len()));
        let presses: u64 =
            of.iter().map(|data| data["detail"]["presses"].as_u64().unwrap_or(1)).sum();
        let expected = if name.starts_with("b-") { 3 } else { 1 };
        complaints.unless(presses == expected, || {
            format!("{when}: {presses} presses of {name} took effect, not {expected}")
        });
    }
    for (name, came) in revisions(&events) {
        let expected: Vec<u64> = (1..=came.len() as u64).collect();
        complaints.unless(came == expected, || format!("{when}: {name} came as {came:?}"));
    }
    for data in state.values() {
        complaints.unless(data["stage"] == "opened", || {
            format!(
                "{when}: {} of {} was aged out: {}",
                data["kind"], data["sources"], data["stage"]
            )
        });
    }
}
