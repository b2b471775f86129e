//! One device gone mad, at the intake and behind a broker: it is limited, and the others keep their latency.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::world::{Broker, Gateway, Receiver, Site, play, press};

/// Of the mad one: two seconds of ten thousand.
const MESSAGES: u32 = 20_000;
/// Among them, each with an id of its own.
const PRESSES: u32 = MESSAGES / 500;
/// A press beside it may take so long, connecting and the process that makes it included.
const PRESS_WITHIN: Duration = Duration::from_secs(3);

/// Presses of others while it goes on; how long the slowest took to its PUBACK at the intake.
async fn presses_meanwhile(
    port: u16,
    receiver: &Receiver,
    done: &dyn Fn() -> bool,
) -> (u32, Duration) {
    let (mut count, mut slowest) = (0, Duration::ZERO);
    while !done() || count == 0 {
        count += 1;
        let began = Instant::now();
        let device = format!("calm-{count}");
        let pressed = tokio::task::spawn_blocking({
            let device = device.clone();
            move || press(port, &device, "1")
        });
        assert!(pressed.await.unwrap());
        receiver.wait(&device, |data| data["sources"][0]["id"] == device.as_str()).await;
        slowest = slowest.max(began.elapsed());
    }
    (count, slowest)
}

async fn flood(port: u16, gateway: &Gateway, receiver: &Receiver, where_: &str) {
    let began = Instant::now();
    let script = std::thread::spawn(move || {
        play("fleet.py", port, &["mad", &MESSAGES.to_string(), "mad", "1"])
    });
    let (count, slowest) = presses_meanwhile(port, receiver, &|| script.is_finished()).await;
    let said: Value = serde_json::from_str(&script.join().unwrap()).unwrap();
    let seconds = said["seconds"].as_f64().unwrap();
    println!(
        "{where_}: {MESSAGES} in {seconds:.2} s ({:.0}/s), all acknowledged; {count} presses beside it, the slowest at the grid after {slowest:?}",
        f64::from(MESSAGES) / seconds
    );
    assert!(slowest < PRESS_WITHIN, "{where_}: {slowest:?}");
    // Behind a broker they reach the gateway later than they left: what it lets pass in that time is more.
    let allowed = || 60.0 + 20.0 * (began.elapsed().as_secs_f64() + 2.0) + f64::from(PRESSES);
    let enough = |limited: f64| limited >= f64::from(MESSAGES) - allowed();
    let limited = gateway.metric_is("gridpost_signals_limited_total", enough).await;
    println!("{where_}: {limited} set aside, {:.0} allowed", allowed());
    // Its own presses went through, every one of them, and so does the next.
    assert!(press(port, "mad", "help"));
    let all = |data: &Value| {
        data["sources"][0]["id"] == "mad" && data["detail"]["presses"] == PRESSES + 1
    };
    receiver.wait("all presses of the mad one", all).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_mad_device_at_the_intake_takes_nobody_elses_turn() {
    let receiver = Receiver::start().await;
    let gateway = Gateway::start(&Site::demo().http(&receiver)).await;
    flood(gateway.intake.unwrap(), &gateway, &receiver, "intake").await;
}

/// Behind a broker they share one connection: there the mad one's messages are in the way of all.
#[tokio::test(flavor = "multi_thread")]
async fn one_mad_device_behind_a_broker_takes_nobody_elses_turn() {
    let broker = Broker::start_with("max_queued_messages 0\n").await;
    let receiver = Receiver::start().await;
    let site = Site::demo().mqtt_source("radio", &broker).http(&receiver);
    let gateway = Gateway::start(&site).await;
    gateway.metric_is("gridpost_signals_accepted_total", |taken| taken >= 1.0).await;
    flood(broker.port, &gateway, &receiver, "broker").await;
}
