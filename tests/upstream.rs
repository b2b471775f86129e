//! Up first, upstream later (P6), and a clock that is wrong at boot and steps while it runs (P9).

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use rumqttc::{AsyncClient, Event, Incoming, MqttOptions, QoS};
use serde_json::Value;

use crate::world::{Gateway, Receiver, free_port, gridpost, root, wait_for};

/// A press waits for one sync; the rest is this machine, shared with others.
const PRESS_WITHIN: Duration = Duration::from_secs(3);

/// One press, acknowledged; how long that took.
async fn press(port: u16, device: &str, payload: &str) -> Duration {
    let options = MqttOptions::new(device, "127.0.0.1", port);
    let (client, mut events) = AsyncClient::new(options, 4);
    let began = Instant::now();
    let topic = format!("gridpost/demo/button/{device}");
    client.publish(topic, QoS::AtLeastOnce, false, payload).await.unwrap();
    loop {
        if let Event::Incoming(Incoming::PubAck(_)) = events.poll().await.unwrap() {
            return began.elapsed();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p6_with_nothing_upstream_it_starts_answers_stores_and_shows_and_all_arrives_later() {
    let port = free_port();
    // Takes connections, for the system does, and never answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent_at = silent.local_addr().unwrap();
    let config = format!(
        "[site]\nid = \"demo\"\n
[[sink]]\nid = \"grid\"\nkind = \"http\"\nurl = \"http://127.0.0.1:{port}/events\"\n
[[sink]]\nid = \"far\"\nkind = \"http\"\nurl = \"http://{silent_at}/events\"\ntimeout_s = 1\n
[[sink]]\nid = \"district\"\nkind = \"mqtt\"\nbroker = \"mqtt://no-such-host.invalid:1883\"\n
[[mqtt]]\nid = \"city\"\nurl = \"mqtt://no-such-host.invalid:1883\"\n
[[camera]]\nid = \"gate\"\nurl = \"rtsp://no-such-camera.invalid/1\"\n
[[rule]]\nid = \"r\"\nkind = \"intrusion\"\n"
    );
    let folder = tempfile::tempdir().unwrap();
    let models = folder.path().join("no-models").display().to_string();
    let began = Instant::now();
    let mut gateway = Gateway::start_in(folder, &config, &[("GRIDPOST_MODELS", &models)]).await;
    let started = began.elapsed();
    let mut longest = Duration::ZERO;
    for n in 0..10 {
        let payload = format!("{{\"event\":\"press\",\"id\":\"{n}\"}}");
        let wait = press(gateway.intake.unwrap(), &format!("b-{n}"), &payload).await;
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
    let in_order: Vec<String> = (0..10).map(|n| format!("b-{n}")).collect();
    assert_eq!(emergencies, in_order);
    receiver.wait("the detector's fault too", |data| data["kind"] == "detector-degraded").await;
    assert!(gateway.stop().await.success());
    let check = gridpost(&["store", "check", "--data", &gateway.data().display().to_string()]);
    assert_eq!(check.code, 0, "{}{}", check.stdout, check.stderr);
}

/// The preloaded clock, and the file that moves it.
pub(crate) struct WrongClock {
    library: PathBuf,
    offset: PathBuf,
}

impl WrongClock {
    pub(crate) fn build(folder: &Path) -> Self {
        let library = folder.join("clock.so");
        let built = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-o"])
            .arg(&library)
            .arg(root().join("tests/rig/clock.c"))
            .status();
        assert!(built.unwrap().success(), "clock.c does not build");
        Self { library, offset: folder.join("offset") }
    }

    /// Seconds from the true time; takes hold at once.
    pub(crate) fn is_off_by(&self, seconds: i64) {
        // In place: the gateway holds the file open.
        fs::write(&self.offset, seconds.to_ne_bytes()).unwrap();
    }

    pub(crate) fn environment(&self) -> [(&'static str, String); 2] {
        let text = |path: &Path| path.display().to_string();
        [("LD_PRELOAD", text(&self.library)), ("CLOCK_OFFSET", text(&self.offset))]
    }
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

#[tokio::test(flavor = "multi_thread")]
async fn p9_a_clock_that_boots_in_1970_and_steps_loses_doubles_and_ages_nothing() {
    let clock_folder = tempfile::tempdir().unwrap();
    let clock = WrongClock::build(clock_folder.path());
    #[allow(clippy::disallowed_methods, reason = "the test is outside the gateway")]
    let true_now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    clock.is_off_by(60 - i64::try_from(true_now).unwrap());
    let receiver = Receiver::start().await;
    let config = format!(
        "[site]\nid = \"demo\"\n\n[[sink]]\nid = \"grid\"\nkind = \"http\"\nurl = \"{}\"\n",
        receiver.url
    );
    let environment = clock.environment();
    let env = environment.each_ref().map(|(name, value)| (*name, value.as_str()));
    let gateway = Gateway::start_in(tempfile::tempdir().unwrap(), &config, &env).await;
    let port = gateway.intake.unwrap();
    let mut complaints = Complaints::default();

    // 1970: ten buttons with ids, one that is told apart by its `at` only, one with a weak battery
    // that is changed: a case that has ended and that nobody closed.
    for n in 0..10 {
        press(port, &format!("b-{n}"), "{\"event\":\"press\",\"id\":\"1\"}").await;
    }
    let by_time = "{\"event\":\"press\",\"at\":\"1970-01-01T00:00:30Z\"}";
    press(port, "by-time", by_time).await;
    press(port, "weak", "{\"event\":\"press\",\"id\":\"1\",\"battery\":5}").await;
    press(port, "weak", "{\"event\":\"press\",\"id\":\"2\",\"battery\":95}").await;
    let first = receiver.wait("a press", |data| data["sources"][0]["id"] == "b-0").await;
    let year = |event: &Value| event["data"]["changed_at"].as_str().unwrap()[..4].to_owned();
    assert_eq!(year(&first), "1970", "the clock of the test does not take hold: {first}");
    receiver
        .wait("the end of the weak battery", |data| {
            data["kind"] == "device-battery" && data["what"] == "ended"
        })
        .await;
    receiver.answer(|_| 503);

    // 2026, in the run. A second press of each, and the first ones again.
    clock.is_off_by(0);
    for n in 0..10 {
        press(port, &format!("b-{n}"), "{\"event\":\"press\",\"id\":\"2\"}").await;
        press(port, &format!("b-{n}"), "{\"event\":\"press\",\"id\":\"1\"}").await;
    }
    press(port, "by-time", by_time).await;
    press(port, "late", "{\"event\":\"press\",\"id\":\"1\"}").await;
    // The junction ticks four times a second: what a step would age out, it would have by now.
    let errors = gateway.metric("gridpost_delivery_failures_total").await;
    wait_for("the tries to fail", || async {
        (gateway.metric("gridpost_delivery_failures_total").await > errors + 2.0).then_some(())
    })
    .await;

    // An hour back.
    clock.is_off_by(-HOUR);
    for n in 0..10 {
        press(port, &format!("b-{n}"), "{\"event\":\"press\",\"id\":\"3\"}").await;
        press(port, &format!("b-{n}"), "{\"event\":\"press\",\"id\":\"2\"}").await;
    }
    press(port, "late", "{\"event\":\"press\",\"id\":\"1\"}").await;
    receiver.answer(|_| 200);
    let settled =
        || async { (gateway.metric("gridpost_pending_records").await == 0.0).then_some(()) };
    wait_for("everything at the grid", settled).await;
    check(&receiver, &mut complaints, "in the run");

    // Power is gone, the battery of the clock is empty: 1970 again, and the same presses.
    let folder = gateway.kill().await;
    clock.is_off_by(60 - i64::try_from(true_now).unwrap());
    let mut gateway = Gateway::start_in(folder, &config, &env).await;
    let port = gateway.intake.unwrap();
    for n in 0..10 {
        for id in 1..=3 {
            let payload = format!("{{\"event\":\"press\",\"id\":\"{id}\"}}");
            press(port, &format!("b-{n}"), &payload).await;
        }
    }
    press(port, "by-time", by_time).await;
    press(port, "late", "{\"event\":\"press\",\"id\":\"1\"}").await;
    clock.is_off_by(0);
    press(port, "last", "{\"event\":\"press\",\"id\":\"1\"}").await;
    receiver.wait("the last press", |data| data["sources"][0]["id"] == "last").await;
    wait_for("everything at the grid", || async {
        (gateway.metric("gridpost_pending_records").await == 0.0).then_some(())
    })
    .await;
    check(&receiver, &mut complaints, "after a restart in 1970");
    assert!(gateway.stop().await.success());
    let checked = gridpost(&["store", "check", "--data", &gateway.data().display().to_string()]);
    complaints.unless(checked.code == 0, || format!("{}{}", checked.stdout, checked.stderr));
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
