//! A press: to its PUBACK (on disk), and to the grid; beside a bare append and a broker's round trip.

use std::{
    collections::HashMap,
    fs::File,
    io::{Read, Write},
    net::TcpStream,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use crate::{
    button, config, quantile,
    results::Row,
    world::{Broker, Gateway, Receiver, wait_for},
};

const PRESSES: usize = 500;
/// At a pace a human crowd might reach; the gateway is not saturated.
const PAUSE: Duration = Duration::from_millis(5);

/// A connection of one button.
struct Button(TcpStream);

impl Button {
    fn connect(port: u16) -> Self {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.write_all(&button::connect("bench-button")).unwrap();
        let mut connack = [0u8; 4];
        stream.read_exact(&mut connack).unwrap();
        assert_eq!(connack, [0x20, 2, 0, 0]);
        Self(stream)
    }

    fn press(&mut self, number: usize) -> Duration {
        let packet = button::press(&format!("b{number}"), number as u16 + 1);
        let started = Instant::now();
        self.0.write_all(&packet).unwrap();
        let mut puback = [0u8; 4];
        self.0.read_exact(&mut puback).unwrap();
        assert_eq!(puback[..2], [0x40, 2]);
        started.elapsed()
    }
}

/// A bare append and sync, in the gateway's own folder.
struct Floor(File);

impl Floor {
    fn append(&mut self) -> Duration {
        let started = Instant::now();
        self.0.write_all(&[7u8; 512]).unwrap();
        self.0.sync_data().unwrap();
        started.elapsed()
    }
}

/// Times of each press, in the order of the presses.
#[derive(Default)]
struct Times {
    sent: Vec<Instant>,
    acknowledged: Vec<Duration>,
    /// The floors.
    synced: Vec<Duration>,
    round_trip: Vec<Duration>,
}

pub(crate) async fn run() -> Vec<Row> {
    let receiver = Receiver::start().await;
    let arrived: Arc<Mutex<HashMap<String, Instant>>> = Arc::default();
    let seen = arrived.clone();
    receiver.answer(move |event| {
        if let Some(id) = event["data"]["sources"][0]["id"].as_str() {
            seen.lock().unwrap().entry(id.to_owned()).or_insert_with(Instant::now);
        }
        200
    });
    let gateway = Gateway::start(&config(&receiver.url, "")).await;
    let times = press_by_turns(&gateway).await;
    wait_for("all presses at the grid", || {
        let all = arrived.lock().unwrap().len() > PRESSES;
        async move { all.then_some(()) }
    })
    .await;
    let arrived = arrived.lock().unwrap().clone();
    let delivered =
        (0..PRESSES).map(|n| arrived[&format!("b{n}")].duration_since(times.sent[n])).collect();
    rows(times, delivered)
}

/// By turns: what else this machine does meanwhile hits the press and both floors alike.
async fn press_by_turns(gateway: &Gateway) -> Times {
    let mut button = Button::connect(gateway.intake.unwrap());
    button.press(PRESSES);
    let broker = Broker::start().await;
    let mut plain = Button::connect(broker.port);
    let mut floor = Floor(File::create(gateway.folder.path().join("floor")).unwrap());
    let mut times = Times::default();
    for number in 0..PRESSES {
        tokio::time::sleep(PAUSE).await;
        times.sent.push(Instant::now());
        times.acknowledged.push(button.press(number));
        tokio::time::sleep(PAUSE).await;
        times.synced.push(floor.append());
        tokio::time::sleep(PAUSE).await;
        times.round_trip.push(plain.press(number));
    }
    times
}

fn rows(mut times: Times, mut delivered: Vec<Duration>) -> Vec<Row> {
    let mut rows = Vec::new();
    for (name, share, goal) in [("p50", 0.5, 1.25), ("p99", 0.99, 2.0)] {
        let ours = quantile(&mut times.acknowledged, share);
        let sync = quantile(&mut times.synced, share);
        let round = quantile(&mut times.round_trip, share);
        let ratio = ours / (sync + round);
        let floors = format!("append + fdatasync {sync:.2} ms, mosquitto QoS 1 {round:.2} ms");
        rows.push(
            Row::new(format!("press → PUBACK (on disk), {name}"), format!("{ours:.2} ms"))
                .beside(floors, ratio)
                .at_most(goal, ratio),
        );
    }
    for (name, share) in [("p50", 0.5), ("p99", 0.99)] {
        let took = quantile(&mut delivered, share);
        rows.push(Row::new(
            format!("press → event at an HTTP sink, {name}"),
            format!("{took:.2} ms"),
        ));
    }
    rows
}
