//! The intake as a door: what strangers do takes nothing from listed devices, and the protocol's own rules hold.

use std::time::Duration;

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::world::{Broker, Gateway, Message, PATIENCE, Receiver, Site, is_of, wait_for};

/// A device in raw bytes.
struct Raw(TcpStream);

fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u16).to_be_bytes()[..], text.as_bytes()].concat()
}

fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let (mut bytes, mut left) = (vec![first], body.len());
    loop {
        let more = left > 127;
        bytes.push((left % 128) as u8 | if more { 0x80 } else { 0 });
        left /= 128;
        if !more {
            return [&bytes[..], body].concat();
        }
    }
}

/// Clean session; `keep_alive` in seconds.
struct Connect<'c> {
    client: &'c str,
    level: u8,
    clean: bool,
    keep_alive: u16,
    will: Option<(&'c str, &'c str)>,
    login: Option<(&'c str, &'c str)>,
    properties: &'c [u8],
}

impl<'c> Connect<'c> {
    fn of(client: &'c str) -> Self {
        Self {
            client,
            level: 4,
            clean: true,
            keep_alive: 0,
            will: None,
            login: None,
            properties: &[],
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let flags = if self.clean { 2 } else { 0 }
            | if self.will.is_some() { 0x0c } else { 0 }
            | if self.login.is_some() { 0xc0 } else { 0 };
        let name = if self.level == 3 { "MQIsdp" } else { "MQTT" };
        let mut body = text(name);
        body.extend([self.level, flags]);
        body.extend(self.keep_alive.to_be_bytes());
        if self.level == 5 {
            body.push(self.properties.len() as u8);
            body.extend(self.properties);
        }
        body.extend(text(self.client));
        if let Some((topic, payload)) = self.will {
            if self.level == 5 {
                body.push(0);
            }
            body.extend(text(topic));
            body.extend(text(payload));
        }
        if let Some((user, password)) = self.login {
            body.extend(text(user));
            body.extend(text(password));
        }
        packet(0x10, &body)
    }
}

fn publish(first: u8, topic: &str, id: u16, payload: &[u8]) -> Vec<u8> {
    let mut body = text(topic);
    if first & 0b0110 != 0 {
        body.extend(id.to_be_bytes());
    }
    body.extend(payload);
    packet(first, &body)
}

fn press(device: &str, id: u16) -> Vec<u8> {
    let payload = format!(r#"{{"event":"press","id":"{id}"}}"#);
    publish(0x32, &format!("gridpost/demo/button/{device}"), id, payload.as_bytes())
}

impl Raw {
    async fn open(gateway: &Gateway) -> Self {
        Self(TcpStream::connect(("127.0.0.1", gateway.intake.unwrap())).await.unwrap())
    }

    /// Connected, and let in.
    async fn with(gateway: &Gateway, connect: &Connect<'_>) -> Self {
        let mut raw = Self::open(gateway).await;
        raw.send(&connect.bytes()).await;
        let answer = raw.read().await.expect("CONNACK");
        assert_eq!((answer[0], answer[3]), (0x20, 0), "{answer:02x?}");
        raw
    }

    async fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.unwrap();
    }

    /// One packet; `None`: the gateway has closed the connection.
    async fn read(&mut self) -> Option<Vec<u8>> {
        let read = async {
            let first = self.0.read_u8().await.ok()?;
            let length = self.0.read_u8().await.ok()?;
            assert!(length < 128);
            let mut body = vec![0; usize::from(length)];
            self.0.read_exact(&mut body).await.ok()?;
            Some([&[first, length][..], &body].concat())
        };
        timeout(PATIENCE, read).await.expect("neither an answer nor an end")
    }

    /// Sends it and has exactly this answer.
    async fn has(&mut self, bytes: &[u8], answer: &[u8]) {
        self.send(bytes).await;
        assert_eq!(self.read().await.as_deref(), Some(answer), "to {bytes:02x?}");
    }

    /// Whether the gateway has closed it.
    async fn is_closed(&mut self) -> bool {
        self.read().await.is_none()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_those_of_the_protocol() {
    let gateway = Gateway::start(Site::demo()).await;
    // A client of 2010 is served in its own words.
    let mut old = Raw::with(&gateway, &Connect { level: 3, ..Connect::of("old") }).await;
    old.has(&press("old", 7), &[0x40, 2, 0, 7]).await;
    // Another level is answered with code 1.
    for level in [6, 0x84] {
        let mut other = Raw::open(&gateway).await;
        other.has(&Connect { level, ..Connect::of("x") }.bytes(), &[0x20, 2, 0, 1]).await;
        assert!(other.is_closed().await);
    }
    let mut nameless = Raw::open(&gateway).await;
    let lasting = Connect { clean: false, ..Connect::of("") };
    nameless.has(&lasting.bytes(), &[0x20, 2, 0, 2]).await;
    assert!(nameless.is_closed().await);
    let mut device = Raw::with(&gateway, &Connect::of("d")).await;
    device.has(&packet(0xa2, &[&[0, 7][..], &text("a/#")].concat()), &[0xb0, 2, 0, 7]).await;
    let subscribe = [&[0, 8][..], &text("a/#"), &[1]].concat();
    device.has(&packet(0x82, &subscribe), &[0x90, 3, 0, 8, 0x80]).await;
    device.has(&[0xc0, 0], &[0xd0, 0]).await;
    // Version 5: an id of our making, no session, and a keep-alive where it asked for none.
    let mut five = Raw::open(&gateway).await;
    let hour = [0x11, 0, 0, 0x0e, 0x10];
    let connect = Connect { level: 5, clean: false, properties: &hour, ..Connect::of("") };
    five.send(&connect.bytes()).await;
    let answer = five.read().await.unwrap();
    assert_eq!(answer[2..4], [0, 0], "no session, and success: {answer:02x?}");
    let told = &answer[5..];
    assert!(told.windows(5).any(|five| five == [0x11, 0, 0, 0, 0]), "{told:02x?}");
    assert!(told.windows(2).any(|two| two == [0x13, 0x12]), "keep-alive: {told:02x?}");
    let named = String::from_utf8_lossy(told).contains("anonymous-");
    assert!(named && told.contains(&0x12), "{told:02x?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_of_qos_2_counts_once_and_what_follows_a_goodbye_not_at_all() {
    let receiver = Receiver::start().await;
    let gateway = Gateway::start(Site::demo().http(&receiver)).await;
    let mut device = Raw::with(&gateway, &Connect::of("two")).await;
    let topic = "gridpost/demo/button/two";
    device.has(&publish(0x34, topic, 9, br#"{"event":"press"}"#), &[0x50, 2, 0, 9]).await;
    let before = gateway.metric("gridpost_signals_accepted_total").await;
    device.has(&publish(0x3c, topic, 9, br#"{"event":"press"}"#), &[0x50, 2, 0, 9]).await;
    device.has(&[0x62, 2, 0, 9], &[0x70, 2, 0, 9]).await;
    assert_eq!(gateway.metric("gridpost_signals_accepted_total").await, before);
    let mut leaves = Raw::with(&gateway, &Connect::of("leaves")).await;
    leaves.send(&[&[0xe0, 0][..], &press("after-goodbye", 1)].concat()).await;
    assert!(leaves.is_closed().await);
    device.has(&press("mark", 3), &[0x40, 2, 0, 3]).await;
    receiver.wait("mark", |data| is_of(data, "emergency-button", "mark")).await;
    assert!(!receiver.sources().contains("after-goodbye"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_message_costs_itself_and_not_the_connection() {
    let gateway = Gateway::start(Site::demo()).await;
    let mut device = Raw::with(&gateway, &Connect::of("large")).await;
    let topic = "gridpost/demo/gauge/large";
    for (n, bytes) in [262_143usize, 262_144, 262_145, 1 << 20].into_iter().enumerate() {
        let id = n as u16 + 1;
        let message = publish(0x32, topic, id, &vec![b'x'; bytes]);
        device.has(&message, &[0x40, 2, 0, id as u8]).await;
    }
    device.has(&press("large", 40), &[0x40, 2, 0, 40]).await;
    assert_eq!(gateway.metric("gridpost_signals_too_large_total").await, 2.0);
    gateway.readiness(200, "intake, set aside: messages too large to be read: 2").await;
    // Before anybody is known, not even a promise is believed.
    let mut many = Vec::new();
    for _ in 0..50 {
        let mut stranger = Raw::open(&gateway).await;
        stranger.send(&[0x10, 0xff, 0xff, 0xff, 0x7f]).await;
        assert!(stranger.is_closed().await);
        many.push(stranger);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_client_takes_over_and_its_will_is_not_said() {
    let receiver = Receiver::start().await;
    let site = Site::demo()
        .section("[intake]")
        .set("allow_anonymous", false)
        .set("users_file", "users")
        .button("btn-1")
        .button("btn-2")
        .http(&receiver);
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("users"), "one:1\ntwo:2\n").unwrap();
    let gateway = Gateway::start_in(folder, &site, &[]).await;
    let offline = "tele/btn-1/LWT";
    let connect = |user| Connect {
        will: Some((offline, "Offline")),
        login: Some((user, if user == "one" { "1" } else { "2" })),
        ..Connect::of("same")
    };
    let mut first = Raw::with(&gateway, &connect("one")).await;
    // A wrong password takes nothing from anybody, nor does another user.
    let mut wrong = Raw::open(&gateway).await;
    let login = Some(("one", "wrong"));
    wrong.has(&Connect { login, ..Connect::of("same") }.bytes(), &[0x20, 2, 0, 5]).await;
    let mut other = Raw::with(&gateway, &connect("two")).await;
    first.has(&press("btn-1", 1), &[0x40, 2, 0, 1]).await;
    let mut again = Raw::with(&gateway, &connect("one")).await;
    assert!(first.is_closed().await, "MQTT-3.1.4-2");
    again.has(&press("btn-1", 2), &[0x40, 2, 0, 2]).await;
    other.has(&press("btn-2", 1), &[0x40, 2, 0, 1]).await;
    assert!(receiver.state().values().all(|data| data["kind"] != "device-silent"));
    // Now the line is cut: the will is the device's word.
    drop(again);
    receiver.wait("that it is gone", |data| is_of(data, "device-silent", "btn-1")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_intake_sends_strangers_away_and_listed_devices_never() {
    let receiver = Receiver::start().await;
    let site = Site::demo()
        .section("[intake]")
        .set("connections_max", 40)
        .button("btn-1")
        .button("btn-2")
        .http(&receiver);
    let gateway = Gateway::start(&site).await;
    let mut listed = Raw::with(&gateway, &Connect::of("btn-1")).await;
    // Mute, half a CONNECT, and connected with names that nobody knows.
    let mut strangers = Vec::new();
    for n in 0..150 {
        let mut stranger = Raw::open(&gateway).await;
        match n % 3 {
            0 => {}
            1 => stranger.send(&[0x10, 0x20, 0, 4]).await,
            _ => {
                let _ = stranger.0.write_all(&Connect::of(&format!("unknown-{n}")).bytes()).await;
            }
        }
        strangers.push(stranger);
    }
    let ready = gateway.readiness(503, "intake: full").await;
    assert_eq!(ready["ready"], false);
    listed.has(&press("btn-1", 1), &[0x40, 2, 0, 1]).await;
    let mut second = Raw::with(&gateway, &Connect::of("btn-2")).await;
    second.has(&press("btn-2", 1), &[0x40, 2, 0, 1]).await;
    let full = |data: &Value| is_of(data, "device-fault", "intake");
    receiver.wait("that it is full", full).await;
    assert!(gateway.log().matches("intake: connection closed").count() <= 5, "one line a flood");
    drop(strangers);
    gateway.readiness(200, "").await;
    let over = |data: &Value| full(data) && data["what"] == "ended";
    receiver.wait("that there is room again", over).await;
    listed.has(&press("btn-1", 2), &[0x40, 2, 0, 2]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bound_follows_the_list() {
    let mut site = Site::demo();
    for n in 0..520 {
        site = site.button(&format!("btn-{n:04}"));
    }
    let gateway = Gateway::start(&site).await;
    let mut devices = Vec::new();
    for n in 0..520 {
        devices.push(Raw::with(&gateway, &Connect::of(&format!("btn-{n:04}"))).await);
    }
    for (n, device) in devices.iter_mut().enumerate() {
        let id = (n % 200 + 1) as u16;
        device.has(&press(&format!("btn-{n:04}"), id), &[0x40, 2, 0, id as u8]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_says_nothing_after_it_connected_is_let_go_in_time() {
    let gateway = Gateway::start(Site::demo()).await;
    let mut quiet = Raw::with(&gateway, &Connect { keep_alive: 1, ..Connect::of("q") }).await;
    assert!(timeout(Duration::from_secs(10), quiet.is_closed()).await.unwrap());
    let mut mute = Raw::open(&gateway).await;
    assert!(timeout(Duration::from_secs(30), mute.is_closed()).await.unwrap(), "no CONNECT");
    let shown = wait_for("its reason", || async {
        gateway.log().contains("silent for longer than its keep-alive").then_some(())
    });
    shown.await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_that_cannot_be_done_is_counted_and_kept_with_the_reason() {
    let receiver = Receiver::start().await;
    let broker = Broker::start().await;
    let site = Site::demo().mqtt_source("district", &broker).http(&receiver);
    let mut gateway = Gateway::start(&site).await;
    gateway.readiness(200, "").await;
    gateway.press("btn", "1");
    let opened = receiver.wait("btn", |data| is_of(data, "emergency-button", "btn")).await;
    let incident = opened["data"]["incident"].as_str().unwrap().to_owned();
    let reply = |incident: &str, to: &str| {
        format!(r#"{{"incident":"{incident}","to":"{to}","by":"who-is-it"}}"#)
    };
    let nowhere = "01900000-0000-7000-8000-000000000001";
    let topic = "gridpost/demo/reply";
    for reply in [reply(nowhere, "closed"), reply(&incident, "closed")] {
        assert!(Message::new(gateway.intake.unwrap(), topic, reply).send());
    }
    broker.publish(topic, reply(&incident, "handled"));
    gateway.metric_is("gridpost_replies_refused_total", |count| count == 2.0).await;
    gateway.must_stop_sound().await;
    let kept = gateway.store(&["list", "--quarantine"]);
    assert!(kept.contains("does not exist") && kept.contains("it is Closed already"), "{kept}");
    assert!(kept.contains("intake gridpost/demo/reply"), "{kept}");
}
