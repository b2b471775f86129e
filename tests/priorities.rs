//! P3, P4: a press made after an outage of two days leaves before everything that waits, whatever the bulk lane is stuck in.
//!
//! `GRIDPOST_BACKLOG=100000` makes the backlog that large (`make prove`).

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU16, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::results::{self, Row, grouped};
use crate::world::{
    Broker, Gateway, Grid, Receiver, Site, env_number, gridpost, is_of, wait_for, waiting,
};

/// How long a press may take to a sink that answers it. A bulk request hangs for `SINK_TIMEOUT_S`
/// and back-offs go up to a minute: nothing of that may show here.
const AT_ONCE: Duration = Duration::from_secs(2);
const SINK_TIMEOUT_S: u64 = 6;
/// The receiver answers to this one by not answering at all.
const HANG: u16 = 0;

fn backlog() -> usize {
    env_number("GRIDPOST_BACKLOG").unwrap_or(10_000) as usize
}

/// The grid, of which a request may hang for so long.
fn impatient(receiver: &Receiver) -> Site {
    Site::demo().http(receiver).set("timeout_s", SINK_TIMEOUT_S)
}

fn is_press(data: &Value) -> bool {
    data["kind"] == "emergency-button"
}

fn of(device: &'static str) -> impl Fn(&Value) -> bool {
    move |data| is_of(data, "emergency-button", device)
}

/// Looks at the ledger again and again, offline and while the gateway runs; how many times.
struct Auditor {
    stop: Arc<AtomicBool>,
    looks: tokio::task::JoinHandle<usize>,
}

impl Auditor {
    fn start(gateway: &Gateway) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (seen, data) = (stop.clone(), gateway.data().display().to_string());
        let looks = tokio::task::spawn_blocking(move || {
            let mut looks = 0;
            while !seen.load(Ordering::Relaxed) {
                let ledger = gridpost(&["store", "ledger", "--data", &data]);
                assert!(
                    ledger.stdout.contains("the sums hold"),
                    "{}{}",
                    ledger.stdout,
                    ledger.stderr
                );
                looks += 1;
                std::thread::sleep(Duration::from_millis(100));
            }
            looks
        });
        Self { stop, looks }
    }

    async fn stop(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        self.looks.await.unwrap()
    }
}

/// Everything around a gateway that wakes up two days later, with so much that waits.
struct Outage {
    notices: usize,
    receiver: Receiver,
    grid: Grid,
    gateway: Gateway,
}

/// (a) Two days later: bulk requests hang, presses are answered. How long a press took past the
/// hanging one, and past the backlog at the broker, of which so much had come before.
async fn past_what_hangs(outage: &Outage, hung: &AtomicUsize) -> (Duration, Duration, usize) {
    let Outage { notices, receiver, grid, gateway } = outage;
    wait_for("a bulk request that hangs", || {
        let hangs = hung.load(Ordering::Relaxed) > 0;
        async move { hangs.then_some(()) }
    })
    .await;
    let pressed = Instant::now();
    gateway.press("past-the-hanging", "1");
    receiver.wait("the press past the hanging one", of("past-the-hanging")).await;
    let past_hanging = pressed.elapsed();
    assert!(past_hanging < AT_ONCE, "{past_hanging:?} past a hanging request");
    assert_eq!(receiver.events().len(), 1, "the press came first: {:#?}", receiver.events());
    // The district's own backlog is under way at this very moment and does not delay it either.
    let (at, before) = grid.arrival("past-the-hanging").await;
    let past_backlog = at.duration_since(pressed);
    assert!(past_backlog < AT_ONCE, "{past_backlog:?} past the backlog at the broker");
    assert!(before < *notices, "the backlog was gone before: nothing was overtaken");
    (past_hanging, past_backlog, before)
}

/// (b) Everything is answered 401, the press too: the token has run out.
async fn through_refusals(outage: &Outage) {
    let Outage { receiver, gateway, .. } = outage;
    let (refused, bulk_refused) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (counted, bulk_counted) = (refused.clone(), bulk_refused.clone());
    receiver.answer(move |event| {
        let count = if is_press(&event["data"]) { &counted } else { &bulk_counted };
        count.fetch_add(1, Ordering::Relaxed);
        401
    });
    gateway.press("during-401", "1");
    wait_for(
        "four refusals of the press, and three of the bulk after its hanging requests",
        || {
            let enough =
                refused.load(Ordering::Relaxed) >= 4 && bulk_refused.load(Ordering::Relaxed) >= 3;
            async move { enough.then_some(()) }
        },
    )
    .await;
    let ledger = gateway.ledger();
    assert!(
        ledger.contains("grid emergency-button: accepted 2 = delivered 1 + pending 1"),
        "{ledger}"
    );
}

/// (c) The token is good again: a new press is there at once, the one that waited within its
/// back-off, and neither behind the backlog. How long each took, and how many events were before it.
async fn after_the_mend(outage: &Outage) -> [(Duration, usize); 2] {
    let Outage { notices, receiver, gateway, .. } = outage;
    receiver.answer(|_| 200);
    let pressed = Instant::now();
    gateway.press("after-401", "1");
    receiver.wait("the press after 401", of("after-401")).await;
    let after_401 = pressed.elapsed();
    assert!(after_401 < AT_ONCE, "{after_401:?} after 401");
    receiver.wait("the press that waited", of("during-401")).await;
    let waited = pressed.elapsed();
    let place = |device: &'static str| {
        let events = receiver.events();
        events.iter().position(|event| of(device)(&event["data"])).unwrap()
    };
    let (overtaken, waited_behind) = (place("after-401"), place("during-401"));
    // The bulk lane has a connection of its own and may have sent a little meanwhile.
    assert!(overtaken < notices / 10 && waited_behind < notices / 10, "behind the backlog");
    [(after_401, overtaken), (waited, waited_behind)]
}

#[tokio::test(flavor = "multi_thread")]
async fn p3_p4_emergency_past_a_hanging_sink() {
    let notices = backlog();
    let folder = tempfile::tempdir().unwrap();
    waiting(&folder.path().join("data"), &["grid", "district"], notices);
    let (receiver, broker) = (Receiver::start().await, Broker::start().await);
    let grid = Grid::listen(broker.port).await;
    let hung = Arc::new(AtomicUsize::new(0));
    let hangs = hung.clone();
    receiver.answer(move |event| {
        if is_press(&event["data"]) {
            return 200;
        }
        hangs.fetch_add(1, Ordering::Relaxed);
        HANG
    });
    let site = impatient(&receiver).mqtt_sink("district", &broker);
    let gateway = Gateway::start_in(folder, &site, &[]).await;
    let auditor = Auditor::start(&gateway);
    let outage = Outage { notices, receiver, grid, gateway };
    let (past_hanging, past_backlog, before) = past_what_hangs(&outage, &hung).await;
    through_refusals(&outage).await;
    let [(after_401, overtaken), (waited, waited_behind)] = after_the_mend(&outage).await;
    drain(&outage.gateway, &outage.grid, notices + 3).await;
    let looks = auditor.stop().await;
    println!(
        "{before} of the backlog had come before the press; {overtaken} events before that after 401; the press that waited came after {} ms, {waited_behind} events before it",
        waited.as_millis()
    );
    let at_once = |what: &str, took: Duration| {
        Row::new(what, format!("{} ms", took.as_millis()))
            .goal(format!("≤ {} s", AT_ONCE.as_secs()), took <= AT_ONCE)
    };
    let rows = [
        Row::new("notices waiting", grouped(notices as f64)),
        at_once("a press past a request that hangs", past_hanging),
        at_once("a press past a backlog on its way", past_backlog),
        at_once("a press after 401 was mended", after_401),
        // One in which they do not hold ends the test.
        Row::new("looks at the ledger in which the sums held", looks.to_string()),
    ];
    results::print("priorities", &rows);
    assert!(looks >= 3, "the ledger was looked at {looks} times only");
    finish(outage.gateway, &outage.receiver, notices + 3).await;
}

/// Until nothing is pending, and the broker's grid has it all.
async fn drain(gateway: &Gateway, grid: &Grid, records: usize) {
    let started = Instant::now();
    // A record takes about a millisecond where four engineers share two cores.
    let allowed = Duration::from_secs(60) + Duration::from_millis(20) * records as u32;
    while gateway.metric("gridpost_pending_records").await > 0.0 {
        assert!(started.elapsed() < allowed, "it does not drain");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // What its own faults made besides is none of the backlog.
    wait_for("all of it at the broker's grid", || {
        let all = grid.count() >= records;
        async move { all.then_some(()) }
    })
    .await;
}

/// Everything arrived, each once in effect, and the ledger says so when all is over.
async fn finish(mut gateway: Gateway, receiver: &Receiver, records: usize) {
    assert!(gateway.stop().await.success());
    let events = receiver.events();
    let own = |event: &&Value| event["data"]["kind"] != "sink-down";
    let ids: BTreeSet<&str> =
        events.iter().filter(own).map(|event| event["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), records);
    let ledger = gateway.ledger();
    let open = |line: &str| line.contains("pending") && !line.contains("pending 0 ");
    assert!(!ledger.lines().any(open), "{ledger}");
}

/// The sink has failed for minutes, as its counters see it; then it answers for emergencies alone.
#[tokio::test(flavor = "multi_thread")]
async fn p3_a_press_leaves_at_once_through_an_open_circuit() {
    let folder = tempfile::tempdir().unwrap();
    waiting(&folder.path().join("data"), &["grid"], 200);
    let receiver = Receiver::start().await;
    let (bulk, alarm) = (Arc::new(AtomicU16::new(503)), Arc::new(AtomicU16::new(503)));
    let tries = Arc::new(AtomicUsize::new(0));
    let (bulk_now, alarm_now, tried) = (bulk.clone(), alarm.clone(), tries.clone());
    receiver.answer(move |event| {
        tried.fetch_add(1, Ordering::Relaxed);
        if is_press(&event["data"]) {
            alarm_now.load(Ordering::Relaxed)
        } else {
            bulk_now.load(Ordering::Relaxed)
        }
    });
    let mut gateway = Gateway::start_in(folder, &impatient(&receiver), &[]).await;
    // Each press is tried at once and fails: many failures in a row, in a short time.
    for device in ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"] {
        gateway.press(device, "1");
    }
    // Many failures in both lanes.
    gateway.metric_is("gridpost_delivery_failures_total", |failures| failures >= 40.0).await;
    let (status, reasons) = gateway.get("/readyz").await;
    assert_eq!(status, 503, "the circuit tells: {reasons}");
    assert!(receiver.events().is_empty());
    alarm.store(200, Ordering::Relaxed);
    let pressed = Instant::now();
    gateway.press("through", "1");
    receiver.wait("the press through the open circuit", of("through")).await;
    let through = pressed.elapsed();
    println!(
        "P3 through an open circuit after {} failed tries: {} ms",
        tries.load(Ordering::Relaxed),
        through.as_millis()
    );
    assert!(through < AT_ONCE, "{through:?}");
    assert!(receiver.events().iter().all(|event| is_press(&event["data"])), "bulk is still down");
    // And those that waited come too, before any of the bulk.
    wait_for("the twelve that waited", || {
        let there = receiver.sources().len() == 13;
        async move { there.then_some(()) }
    })
    .await;
    bulk.store(200, Ordering::Relaxed);
    gateway.nothing_is_pending().await;
    assert!(gateway.stop().await.success());
}
