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
    quantile, row,
    world::{Broker, Gateway, Receiver, wait_for},
};

const PRESSES: usize = 500;
/// At a pace a human crowd might reach; the gateway is not saturated.
const PAUSE: Duration = Duration::from_millis(5);

/// A button's MQTT 3.1.1 in the fewest bytes: CONNECT, PUBLISH QoS 1, PUBACK.
struct Button(TcpStream);

impl Button {
    fn connect(port: u16) -> Self {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_nodelay(true).unwrap();
        let id = b"bench-button";
        let mut packet = vec![0x10, 12 + id.len() as u8, 0, 4];
        packet.extend_from_slice(b"MQTT\x04\x02\x00\x3c\x00");
        packet.push(id.len() as u8);
        packet.extend_from_slice(id);
        stream.write_all(&packet).unwrap();
        let mut connack = [0u8; 4];
        stream.read_exact(&mut connack).unwrap();
        assert_eq!(connack, [0x20, 2, 0, 0]);
        Self(stream)
    }

    fn press(&mut self, number: usize) -> Duration {
        let (topic, id) = (b"gridpost/bench/button/b", number as u16 + 1);
        let payload = format!("{{\"device\":\"b{number}\",\"event\":\"press\",\"id\":\"1\"}}");
        let mut packet = vec![0x32, (2 + topic.len() + 2 + payload.len()) as u8, 0];
        packet.push(topic.len() as u8);
        packet.extend_from_slice(topic);
        packet.extend_from_slice(&id.to_be_bytes());
        packet.extend_from_slice(payload.as_bytes());
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

fn say(what: &str, times: &mut [Duration]) {
    let (p50, p99) = (quantile(times, 0.5), quantile(times, 0.99));
    row(what, &format!("{p50:.2} · {p99:.2} ms"));
}

pub(crate) async fn run() {
    let receiver = Receiver::start().await;
    let arrived: Arc<Mutex<HashMap<String, Instant>>> = Arc::default();
    let seen = arrived.clone();
    receiver.answer(move |event| {
        if let Some(id) = event["data"]["sources"][0]["id"].as_str() {
            seen.lock().unwrap().entry(id.to_owned()).or_insert_with(Instant::now);
        }
        200
    });
    let config = format!(
        "[site]\nid = \"bench\"\n\n[[sink]]\nid = \"grid\"\nkind = \"http\"\nurl = \"{}\"\n",
        receiver.url
    );
    let gateway = Gateway::start(&config).await;
    let mut button = Button::connect(gateway.intake.unwrap());
    button.press(PRESSES);
    let broker = Broker::start().await;
    let mut plain = Button::connect(broker.port);
    let mut floor = Floor(File::create(gateway.folder.path().join("floor")).unwrap());
    let (mut sent, mut acknowledged) = (Vec::new(), Vec::new());
    let (mut synced, mut round) = (Vec::new(), Vec::new());
    // By turns: what else this machine does meanwhile hits all three alike.
    for number in 0..PRESSES {
        tokio::time::sleep(PAUSE).await;
        sent.push(Instant::now());
        acknowledged.push(button.press(number));
        tokio::time::sleep(PAUSE).await;
        synced.push(floor.append());
        tokio::time::sleep(PAUSE).await;
        round.push(plain.press(number));
    }
    wait_for("all presses at the grid", || {
        let all = arrived.lock().unwrap().len() > PRESSES;
        async move { all.then_some(()) }
    })
    .await;
    let arrived = arrived.lock().unwrap().clone();
    let mut delivered: Vec<Duration> =
        (0..PRESSES).map(|n| arrived[&format!("b{n}")].duration_since(sent[n])).collect();
    say("floor: append 512 B + fdatasync, p50 · p99", &mut synced);
    say("floor: mosquitto, QoS 1 round trip (not on disk)", &mut round);
    say("press at the intake → PUBACK (on disk)", &mut acknowledged);
    let mut against = |share: f64, times: &mut [Duration]| {
        let floors = quantile(&mut synced, share) + quantile(&mut round, share);
        quantile(times, share) / floors
    };
    let (p50, p99) = (against(0.5, &mut acknowledged), against(0.99, &mut acknowledged));
    row(
        "the same, against the sum of both floors, p50 · p99",
        &format!("{p50:.2} × (goal 1.25) · {p99:.2} × (goal 2)"),
    );
    say("press at the intake → event at an HTTP sink", &mut delivered);
}
