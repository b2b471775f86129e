//! Receivers that refuse, choke or fail, and who presses all the same: what cannot succeed takes no place from what can.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::world::{Button, Gateway, Receiver, Site, is_of, wait_for};

const STRANGERS: usize = 1_000;
/// As a press goes out on a slow machine with everything else at work.
const AT_ONCE: Duration = Duration::from_secs(1);

fn source(event: &Value) -> &str {
    event["data"]["sources"][0]["id"].as_str().unwrap_or_default()
}

/// Presses, and how long until it is at the grid.
async fn arrives(receiver: &Receiver, button: &mut Button, name: &str) -> Duration {
    let pressed = Instant::now();
    button.press(name, 1).await;
    receiver.wait(name, |data| is_of(data, "emergency-button", name)).await;
    pressed.elapsed()
}

/// Attack 1: with 256 of them no press left the gateway any more, for ever.
#[tokio::test(flavor = "multi_thread")]
async fn p3_a_thousand_refused_emergencies_of_strangers_do_not_delay_a_real_one() {
    for status in [422, 500] {
        let receiver = Receiver::start().await;
        receiver.answer(move |event| if source(event).starts_with("mad") { status } else { 200 });
        let mut site = Site::demo();
        for n in 0..STRANGERS {
            site = site.button(&format!("mad-{n}"));
        }
        let mut gateway =
            Gateway::start(site.button("real-1").button("real-2").http(&receiver)).await;
        let mut button = Button::new("x", gateway.intake.unwrap());
        for n in 0..STRANGERS {
            button.press(&format!("mad-{n}"), 1).await;
        }
        for name in ["real-1", "real-2"] {
            let took = arrives(&receiver, &mut button, name).await;
            println!("{name} past {STRANGERS} that get {status}: {} ms", took.as_millis());
            assert!(took < AT_ONCE, "{name} past those that get {status}: {took:?}");
        }
        if status == 422 {
            gateway.readiness(503, "records of emergencies wait that it does not take").await;
        }
        let ledger = gateway.ledger();
        assert!(ledger.contains(&format!("pending {STRANGERS}")), "none is given up: {ledger}");
        gateway.must_stop_sound().await;
    }
}

/// Attack 31: one name with U+0000, to which a database answers 500.
#[tokio::test(flavor = "multi_thread")]
async fn p3_one_notice_that_the_receiver_chokes_on_stops_nobody() {
    let receiver = Receiver::start().await;
    receiver.answer(|event| {
        let chokes = event["data"]["kind"] == "device-battery" && source(event) == "btn-0";
        if chokes { 500 } else { 200 }
    });
    let gateway = Gateway::start(&Site::demo().http(&receiver)).await;
    let mut button = Button::new("x", gateway.intake.unwrap());
    for n in 0..20 {
        button.say(&format!("btn-{n}"), r#"{"event":"press","id":"1","battery":3}"#).await;
    }
    wait_for("the other nineteen", || {
        let notices = receiver.state().into_values();
        let there = notices.filter(|data| data["kind"] == "device-battery").count() >= 19;
        async move { there.then_some(()) }
    })
    .await;
    gateway.metric_is("gridpost_sink_set_aside", |aside| aside >= 1.0).await;
    gateway.metric_is("gridpost_sink_up", |up| up == 1.0).await;
    let (_, ready) = gateway.get("/readyz").await;
    assert!(ready.to_string().contains("set aside"), "{ready}");
    receiver.answer(|_| 200);
    assert!(gateway.store(&["retry", "--sink", "grid"]).contains("1 will be sent again"));
    receiver.wait("the one that choked", |data| is_of(data, "device-battery", "btn-0")).await;
    gateway.metric_is("gridpost_sink_set_aside", |aside| aside == 0.0).await;
}

/// A newcomer's trial: refused once, it stayed pending after the sink had taken others, and `retry`
/// said that nothing was to be sent again.
#[tokio::test(flavor = "multi_thread")]
async fn when_the_sink_is_well_again_all_of_it_is_by_retry_and_by_the_next_success() {
    let receiver = Receiver::start().await;
    receiver.answer(|event| if source(event) == "btn-1" { 422 } else { 200 });
    let gateway = Gateway::start(&Site::demo().http(&receiver)).await;
    gateway.press("btn-1", "1");
    gateway.readiness(503, "does not take").await;
    gateway.metric_is("gridpost_sink_up", |up| up == 1.0).await;
    // That it is refused is told, and taken: a success, after which it is asked for once more.
    gateway.metric_is("gridpost_delivery_failures_total", |failed| failed >= 2.0).await;
    let pending = gateway.store(&["list", "--pending"]);
    let number = pending.split_whitespace().next().unwrap();
    receiver.answer(|_| 200);
    let asked = gateway.store(&["retry", "--number", number]);
    assert!(asked.contains("1 will be sent again"), "{asked} of {pending}");
    receiver.wait("btn-1", |data| is_of(data, "emergency-button", "btn-1")).await;
    gateway.readiness(200, "ready").await;

    // Refused as everything is; and then another one gets through.
    receiver.answer(|_| 422);
    gateway.press("btn-2", "1");
    gateway.readiness(503, "does not take").await;
    receiver.answer(|_| 200);
    gateway.press("btn-3", "1");
    receiver.wait("btn-2", |data| is_of(data, "emergency-button", "btn-2")).await;
    gateway.readiness(200, "ready").await;
}
