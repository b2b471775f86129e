//! Malformed and odd MQTT at the intake's own socket: each conversation costs itself.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use super::attackers::{connect, packet};
use crate::world::{Button, Gateway, Receiver, Site, is_of};

fn text(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let bytes = bytes.as_ref();
    [&(bytes.len() as u16).to_be_bytes()[..], bytes].concat()
}

/// CONNECT of version 5 or 3.1.1 with these flags and what follows the client.
fn raw_connect(level: u8, flags: u8, client: impl AsRef<[u8]>, rest: &[u8]) -> Vec<u8> {
    let mut body = [&text("MQTT")[..], &[level, flags, 0, 60]].concat();
    if level == 5 {
        body.push(0);
    }
    body.extend(text(client));
    body.extend(rest);
    packet(0x10, &body)
}

/// PUBLISH with this first byte; `properties` for version 5.
fn publish(first: u8, topic: impl AsRef<[u8]>, id: u16, properties: Option<&[u8]>) -> Vec<u8> {
    let mut body = text(topic);
    if first & 6 != 0 {
        body.extend(id.to_be_bytes());
    }
    if let Some(properties) = properties {
        // Longer ones than a byte tells are not needed here.
        body.push(properties.len() as u8);
        body.extend(properties);
    }
    body.extend(br#"{"device":"m","event":"heartbeat"}"#);
    packet(first, &body)
}

/// A conversation's name, and all that is said in it.
fn conversations() -> Vec<(&'static str, Vec<u8>)> {
    let c = connect("m", None);
    let c5 = raw_connect(5, 2, "a", &[]);
    let topic = "gridpost/demo/button/m";
    let p = |first, id| publish(first, topic, id, None);
    let many: Vec<u8> = (1..=200).flat_map(|id| p(0x32, id)).collect();
    let will =
        [text("gridpost/demo/button/m"), text(r#"{"device":"w","event":"tamper"}"#)].concat();
    let ansi = "\u{1b}[31mRED\u{1b}[0m\n2026-01-01 ERROR forged line";
    let with = |first: &[u8], then: &[u8]| [first, then].concat();
    vec![
        ("PUBLISH before CONNECT", p(0x32, 1)),
        ("two CONNECTs", with(&c, &c)),
        ("a remaining length of the most", with(&[0x10, 0xff, 0xff, 0xff, 0x7f], &[b'A'; 100])),
        (
            "a remaining length of five bytes",
            with(&[0x10, 0xff, 0xff, 0xff, 0xff, 0x7f], &[0; 100]),
        ),
        ("level 9", raw_connect(9, 2, "test", &[])),
        ("the reserved flag", raw_connect(4, 3, "test", &[])),
        ("no client, and a session", raw_connect(4, 0, "", &[])),
        ("a client of 65,535 bytes", raw_connect(4, 2, "A".repeat(65_535), &[])),
        ("a client with NUL", raw_connect(4, 2, "a\0b", &[])),
        ("a client that is no text", raw_connect(4, 2, [0xff, 0xfe], &[])),
        ("a client that writes on terminals", raw_connect(4, 2, ansi, &[])),
        ("a password without a user", raw_connect(4, 0x42, "u", &text("p"))),
        ("a user without a password", raw_connect(4, 0x82, "u", &text("x"))),
        ("SUBSCRIBE to nothing", with(&c, &packet(0x82, &[0, 1]))),
        ("SUBSCRIBE with packet 0", with(&c, &packet(0x82, &[0, 0, 0, 1, b'#', 1]))),
        ("QoS 3", with(&c, &p(0x36, 1))),
        ("packet 0", with(&c, &p(0x32, 0))),
        ("a wildcard as topic", with(&c, &publish(0x32, "a/#", 1, None))),
        ("no topic", with(&c, &publish(0x32, "", 1, None))),
        ("a topic with NUL", with(&c, &publish(0x32, "a\0b", 1, None))),
        ("a topic of 65,535 bytes", with(&c, &publish(0x32, "t".repeat(65_535), 1, None))),
        ("a topic that is no text", with(&c, &publish(0x32, [0xff, 0xfe], 1, None))),
        ("QoS 2 twice", [c.clone(), p(0x34, 6), p(0x3c, 6), packet(0x62, &[0, 6])].concat()),
        ("PUBREL of nobody", with(&c, &packet(0x62, &[0, 99]))),
        ("PUBACK from a client", with(&c, &packet(0x40, &[0, 9]))),
        ("PINGRESP from a client", with(&c, &packet(0xd0, &[]))),
        ("DISCONNECT with a body", with(&c, &packet(0xe0, &[1, 2, 3]))),
        ("CONNACK from a client", with(&c, &packet(0x20, &[0, 0]))),
        ("AUTH", with(&c5, &packet(0xf0, &[]))),
        ("an alias that nobody set", with(&c5, &publish(0x32, "", 1, Some(&[0x23, 0, 5])))),
        ("an alias", with(&c5, &publish(0x32, topic, 1, Some(&[0x23, 0, 5])))),
        ("alias 0", with(&c5, &publish(0x32, topic, 1, Some(&[0x23, 0, 0])))),
        ("a property that is none", with(&c5, &publish(0x32, topic, 1, Some(&[0xfe, 1, 2])))),
        ("properties longer than the packet", with(&c5, &packet(0x32, &[0, 1, b't', 0, 1, 0x7f]))),
        ("packet type 0", with(&c5, &[0, 0])),
        ("a will", raw_connect(4, 6, "w", &will)),
        ("200 messages at once", with(&c, &many)),
        ("one id in flight twice", [c.clone(), p(0x32, 7), p(0x32, 7)].concat()),
        ("HTTP", b"GET / HTTP/1.1\r\n\r\n".to_vec()),
        ("TLS", vec![0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]),
        ("a CONNECT cut anywhere", c[..c.len() - 1].to_vec()),
    ]
}

/// Attack 21.
#[tokio::test(flavor = "multi_thread")]
async fn no_conversation_however_odd_costs_more_than_itself() {
    let receiver = Receiver::start().await;
    let mut gateway = Gateway::start(Site::demo().button("btn-1").http(&receiver)).await;
    let port = gateway.intake.unwrap();
    // Held all the while.
    let mut button = Button::new("btn-1", port);
    button.press("btn-1", 1).await;
    let all = conversations();
    assert_eq!(all.len(), 41);
    for (name, bytes) in all {
        // Whole, and byte after byte as a slow line brings it.
        for step in [bytes.len(), 7] {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
            stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
            for piece in bytes.chunks(step.max(bytes.len() / 2_000)) {
                if stream.write_all(piece).is_err() {
                    break;
                }
            }
            let _ = stream.read(&mut [0; 4_096]);
        }
        assert!(!gateway.log().contains("panicked"), "{name}: {}", gateway.log());
    }
    button.press("btn-1", 2).await;
    assert_eq!(button.connects, 1, "it held");
    let twice = |data: &serde_json::Value| {
        is_of(data, "emergency-button", "btn-1") && data["detail"]["presses"] == 2
    };
    receiver.wait("both presses", twice).await;
    let log = gateway.log();
    assert!(!log.contains('\u{1b}') || !log.contains("\u{1b}[31mRED"), "{log}");
    assert!(!log.lines().any(|line| line.starts_with("2026-01-01 ERROR")), "a line is forged");
    gateway.must_stop_sound().await;
}
