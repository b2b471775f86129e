//! A backlog leaves: to an HTTP receiver and to mosquitto, beside a bare client of the same library.

use std::time::{Duration, Instant};

use rumqttc::{AsyncClient, Event, Incoming, MqttOptions, QoS};

use crate::{
    config,
    light_receiver::LightReceiver,
    results::{Row, grouped},
    world::{Broker, Gateway, env_number, http, waiting},
};

/// What the bare client sends; enough to be steady.
const BARE: usize = 20_000;

fn backlog() -> usize {
    env_number("GRIDPOST_BENCH_BACKLOG").unwrap_or(100_000) as usize
}

async fn until_delivered(gateway: &Gateway, count: usize) -> Instant {
    loop {
        if gateway.metric("gridpost_delivered_total").await >= count as f64 {
            return Instant::now();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn row(receiver: &str, rate: f64, client: &str, bare: f64) -> Row {
    let what = format!("backlog of {} to {receiver}, one at a time", grouped(backlog() as f64));
    Row::new(what, format!("{} events/s", grouped(rate)))
        .beside(format!("bare {client} client {}/s", grouped(bare)), rate / bare)
        .at_least(0.8, rate / bare)
}

pub(crate) async fn run() -> Vec<Row> {
    let (http, body) = to_http().await;
    vec![http, to_mqtt(body).await]
}

/// The row, and one event's bytes for the other bare client.
async fn to_http() -> (Row, Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    waiting(&folder.path().join("data"), &["grid"], backlog());
    let receiver = LightReceiver::start();
    let gateway = Gateway::start_in(folder, &config(&receiver.url(), ""), &[]).await;
    until_delivered(&gateway, backlog()).await;
    drop(gateway);
    let body = receiver.body();
    let bare = LightReceiver::start();
    // The same library, connection and headers, and one at a time.
    let client = http();
    for n in 0..BARE {
        let answer = client
            .post(bare.url())
            .header("content-type", "application/cloudevents+json; charset=utf-8")
            .header("Idempotency-Key", format!("01900000-0000-7000-8000-000000000000.{n}"))
            .body(body.clone())
            .send();
        assert!(answer.await.unwrap().status().is_success());
    }
    (row("HTTP", receiver.rate(), "reqwest", bare.rate()), body)
}

async fn to_mqtt(body: Vec<u8>) -> Row {
    let broker = Broker::start().await;
    let folder = tempfile::tempdir().unwrap();
    waiting(&folder.path().join("data"), &["district"], backlog());
    let config = format!(
        r#"
[site]
id = "bench"

[[sink]]
id = "district"
kind = "mqtt"
broker = "mqtt://127.0.0.1:{}"
"#,
        broker.port
    );
    let gateway = Gateway::start_in(folder, &config, &[]).await;
    let first = backlog() / 20;
    let began = until_delivered(&gateway, first).await;
    let from = gateway.metric("gridpost_delivered_total").await;
    let ended = until_delivered(&gateway, backlog()).await;
    let rate = (backlog() as f64 - from) / ended.duration_since(began).as_secs_f64();
    drop(gateway);
    row("mosquitto, QoS 1", rate, "rumqttc", bare_mqtt(broker.port, &body).await)
}

/// Events a second of the same library, one at a time.
async fn bare_mqtt(port: u16, body: &[u8]) -> f64 {
    let mut options = MqttOptions::new("bare", "127.0.0.1", port);
    options.set_keep_alive(Duration::from_secs(30)).set_inflight(64);
    options.set_max_packet_size(256 * 1024, 256 * 1024);
    let (client, mut events) = AsyncClient::new(options, 64);
    let mut began = Instant::now();
    for n in 0..=BARE {
        if n == 1 {
            // The first one connects.
            began = Instant::now();
        }
        let topic = "gridpost/bench/incident/intrusion";
        client.try_publish(topic, QoS::AtLeastOnce, false, body).unwrap();
        while !matches!(events.poll().await.unwrap(), Event::Incoming(Incoming::PubAck(_))) {}
    }
    BARE as f64 / began.elapsed().as_secs_f64()
}
