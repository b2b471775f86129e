//! A listed button gone mad while a sink is away: what that sink is owed of it is bounded, and nobody else waits.
//!
//! `GRIDPOST_HOSTILE_PRESSES=n` presses longer (`make hostile`: 100,000).

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use serde_json::Value;

use super::attackers::Device;
use crate::world::{Button, Gateway, Receiver, Site, env_number, is_of, wait_for};

const PRESSES: u64 = 2_000;
const CALM: usize = 100;
/// Messages before their answers are waited for.
const WINDOW: u64 = 20;
const SEGMENT_BYTES: u64 = 256 << 10;
const JOURNAL_BYTES: u64 = 1 << 20;
const PATIENCE: Duration = Duration::from_secs(60);
/// A press of another button may take so long, with everything else at work on this machine.
const AT_ONCE: Duration = Duration::from_secs(2);
/// Opened, the newest updates, one that is under way, and a window of those that came while they were written.
const OWED_MAX: f64 = 1.0 + 20.0 + 1.0 + WINDOW as f64;

fn pending(sink: &str) -> String {
    let of = format!("sink=\"{sink}\",kind=\"emergency-button\"");
    format!("gridpost_ledger_records{{{of},state=\"pending\"}}")
}

fn presses(data: &Value) -> u64 {
    data["detail"]["presses"].as_u64().unwrap_or(0)
}

/// Presses of the mad one, each with an id of its own, as fast as it is answered.
fn press_on(port: u16, from: u64, to: u64) {
    let mut mad = Device::connect(port, "mad", None, PATIENCE).unwrap();
    let mut id = from;
    while id < to {
        let window = WINDOW.min(to - id);
        for n in id..id + window {
            let payload = format!(r#"{{"event":"press","id":"mad-{n}"}}"#);
            mad.publish("gridpost/demo/button/mad", payload.as_bytes()).unwrap();
        }
        mad.acknowledged(window as usize).unwrap();
        id += window;
    }
}

#[allow(clippy::too_many_lines, reason = "one story")]
#[tokio::test(flavor = "multi_thread")]
async fn p2_p3_p11_a_listed_button_gone_mad_while_a_sink_is_away_is_owed_in_bounded_number() {
    let total = env_number("GRIDPOST_HOSTILE_PRESSES").unwrap_or(PRESSES);
    let (away, well) = (Receiver::start().await, Receiver::start().await);
    away.answer(|_| 503);
    let mut site = Site::demo()
        .section("[data]")
        .set("segment_bytes", SEGMENT_BYTES)
        .set("max_bytes", JOURNAL_BYTES)
        .set("memory_max_bytes", 256 << 10)
        // Nobody accepts here, and the long form takes longer than three minutes: each escalation would be owed too.
        .section("[[life.limit]]")
        .set("accept", "24h")
        .set("finish", "48h")
        .button("mad")
        .http_sink("away", &away.url)
        .http_sink("well", &well.url);
    for n in 0..CALM {
        site = site.button(&format!("calm-{n}"));
    }
    // Of the well one, when a call first came: its events may be very many.
    let first: Arc<Mutex<HashMap<String, Instant>>> = Arc::default();
    let noted = first.clone();
    well.answer(move |event| {
        let source = event["data"]["sources"][0]["id"].as_str().unwrap_or_default();
        noted.lock().unwrap().entry(source.to_owned()).or_insert_with(Instant::now);
        200
    });
    let gateway = Gateway::start(&site).await;
    let port = gateway.intake.unwrap();
    let began = Instant::now();
    let mad = std::thread::spawn(move || press_on(port, 0, total));
    let (mut calm, mut slowest) = (0, Duration::ZERO);
    let mut button = Button::new("calm", port);
    while !mad.is_finished() && calm < CALM - 1 {
        let name = format!("calm-{calm}");
        let pressed = Instant::now();
        button.press(&name, 1).await;
        let at = wait_for(&name, || {
            let at = first.lock().unwrap().get(&name).copied();
            async move { at }
        });
        slowest = slowest.max(at.await.saturating_duration_since(pressed));
        calm += 1;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    mad.join().unwrap();
    let took = began.elapsed();
    assert!(slowest < AT_ONCE, "another button's press was at the grid after {slowest:?}");
    // What was in the writer's queue is counted with the next.
    press_on(port, total, total + WINDOW);
    let most = OWED_MAX + calm as f64;
    let owed = gateway.figure_is(&pending("away"), |owed| owed <= most).await;
    let journal = gateway.metric_is("gridpost_store_journal_bytes", |bytes| {
        bytes > 0.0 && bytes <= (JOURNAL_BYTES + 2 * SEGMENT_BYTES) as f64
    });
    println!(
        "{total} presses in {took:.1?}: {owed} owed of them and of {calm} others, the slowest of which was at the grid after {slowest:?}; {} bytes of journal",
        journal.await
    );
    let all = gateway.ledger();
    assert!(all.contains("superseded"), "{all}");

    // Killed and started anew, it is as it was; and the mad one goes on.
    let gateway = Gateway::start_in(gateway.kill().await, &site, &[]).await;
    let port = gateway.intake.unwrap();
    let pressed = total + 2 * WINDOW;
    press_on(port, total + WINDOW, pressed);
    gateway.figure_is(&pending("away"), |owed| owed <= most).await;
    away.answer(|_| 200);
    let returned = Instant::now();
    gateway.press(&format!("calm-{}", CALM - 1), "1");
    away.opened(1).await;
    assert!(returned.elapsed() < Duration::from_secs(5), "{:?}", returned.elapsed());
    for receiver in [&away, &well] {
        receiver
            .wait("all presses of it", |data| {
                is_of(data, "emergency-button", "mad") && presses(data) == pressed
            })
            .await;
    }
    wait_for("all others", || {
        let cases = away.state().into_values();
        let calls = cases.filter(|data| data["kind"] == "emergency-button").count();
        async move { (calls == calm + 2).then_some(()) }
    })
    .await;
    // One incident, told from its beginning, each record once; those that were set aside meanwhile may come later.
    let of_mad = |receiver: &Receiver| -> Vec<u64> {
        let events = receiver.events().into_iter();
        let of = events.filter(|event| is_of(&event["data"], "emergency-button", "mad"));
        of.map(|event| event["data"]["revision"].as_u64().unwrap()).collect()
    };
    let (told, state) = (of_mad(&away), away.state());
    let cases = state.values().filter(|data| is_of(data, "emergency-button", "mad")).count();
    assert_eq!((cases, told[0]), (1, 1), "{told:?}");
    let each: BTreeSet<u64> = told.iter().copied().collect();
    assert_eq!(each.len(), told.len(), "{told:?}");
    assert!(told.len() < 200, "{} records of it", told.len());
    let ledger = gateway.ledger();
    println!("{ledger}");
    assert!(ledger.contains("the sums hold"));
}
