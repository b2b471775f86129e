//! Whole conversations: a device with the intake, a broker with us, each over a connection in memory.

use std::sync::Arc;

use gridpost::{
    domain::{Answer, Envelope, NoMeter},
    sources::intake,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{INPUT_BYTES_MAX, Still};

/// One on which time-outs come at once when nothing else can happen.
fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .expect("a runtime")
}

/// Says these bytes in pieces of `step`, hears all answers, and hangs up; what the session ends with.
async fn talk<T>(
    with: tokio::io::DuplexStream,
    bytes: &[u8],
    step: usize,
    session: tokio::task::JoinHandle<T>,
) -> T {
    let (mut answers, mut send) = tokio::io::split(with);
    let answers = tokio::spawn(async move {
        let mut said = Vec::new();
        let _ = answers.read_to_end(&mut said).await;
    });
    for piece in bytes.chunks(step) {
        if send.write_all(piece).await.is_err() {
            break;
        }
        tokio::task::yield_now().await;
    }
    let _ = send.shutdown().await;
    drop(send);
    let patient = std::time::Duration::from_secs(1 << 20);
    let ended = tokio::time::timeout(patient, session).await;
    let ended = ended.expect("the session never ends").expect("the session panicked");
    answers.await.expect("the answers can be read");
    ended
}

/// A device's bytes through an in-memory connection, cut into pieces by the first byte. Whatever
/// they are, the session ends, and acknowledges no more than it was answered for.
pub fn session(bytes: &[u8]) {
    let Some((step, bytes)) = bytes.split_first() else { return };
    let step = usize::from(*step).max(1);
    runtime().block_on(async {
        let (device, gateway) = tokio::io::duplex(INPUT_BYTES_MAX * 4);
        let (envelopes, mut inbox) = tokio::sync::mpsc::channel::<Envelope>(4);
        let store = tokio::spawn(async move {
            let mut taken = 0;
            while let Some(envelope) = inbox.recv().await {
                taken += 1;
                // The disk fails for one in sixteen.
                if taken % 16 != 0 {
                    envelope.receipt.settle(Answer::Stored);
                }
            }
        });
        let session = intake::fuzz_session(gateway, envelopes, Arc::new(Still), Arc::new(NoMeter));
        let session = tokio::spawn(session);
        // The error is the reason why the device was put out; a panic is not.
        let _ = talk(device, bytes, step, session).await;
        store.await.expect("no envelope is left behind");
    });
}

pub fn sessions() -> Vec<Vec<u8>> {
    let connect311 = b"\x10\x10\x00\x04MQTT\x04\x02\x00\x3c\x00\x04fuzz";
    let connect5 = b"\x10\x11\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x04fuzz";
    let press = br#"{"device":"b","event":"press","id":"1"}"#;
    let publish = |flags: u8, v5: bool| {
        let mut body = b"\x00\x03a/b".to_vec();
        if flags & 6 != 0 {
            body.extend_from_slice(b"\x00\x07");
        }
        if v5 {
            // Properties: payload format 1, a topic alias, a user property.
            body.extend_from_slice(b"\x0c\x01\x01\x23\x00\x01\x26\x00\x01k\x00\x01v");
        }
        body.extend_from_slice(press);
        let mut packet = vec![0x30 | flags, body.len() as u8];
        packet.extend(body);
        packet
    };
    let subscribe = b"\x82\x06\x00\x08\x00\x01#\x01";
    let subscribe5 = b"\x82\x07\x00\x08\x00\x00\x01#\x01";
    let pubrel = b"\x62\x02\x00\x07";
    let (ping, disconnect) = (b"\xc0\x00", b"\xe0\x00");
    let user = b"\x10\x16\x00\x04MQTT\x04\xc2\x00\x3c\x00\x04fuzz\x00\x01u\x00\x01p";
    let old = [&[64][..], connect311, &publish(0, false), &publish(2, false), &publish(4, false)];
    let new = [&[7][..], connect5, &publish(0, true), &publish(2, true), &publish(4, true)];
    vec![
        [&old.concat()[..], pubrel, subscribe, ping, disconnect].concat(),
        [&new.concat()[..], pubrel, subscribe5, ping, disconnect].concat(),
        [&[255][..], user, &publish(0x0b, false)].concat(),
    ]
}

/// What a broker says to us; as [`session`].
pub fn broker(bytes: &[u8]) {
    let Some((step, bytes)) = bytes.split_first() else { return };
    let step = usize::from(*step).max(1);
    runtime().block_on(async {
        let (far, near) = tokio::io::duplex(INPUT_BYTES_MAX * 4);
        let session = tokio::spawn(gridpost::wire::mqtt::fuzz_broker(near));
        let _ = talk(far, bytes, step, session).await;
    });
}

pub fn brokers() -> Vec<Vec<u8>> {
    let taken = [&[0x20, 2, 0, 0][..], &[0x90, 3, 0, 1, 1], &[0x90, 3, 0, 2, 0x80]].concat();
    let messages = b"\x30\x06\x00\x01ahey\x32\x08\x00\x01a\x00\x07hey\x3c\x08\x00\x01a\x00\x08hey";
    let rest = b"\x62\x02\x00\x08\xd0\x00\x32\xff\xff\x7f\x00\x01a\x00\x09hey";
    vec![
        [&[64][..], &taken, messages, rest].concat(),
        [&[3][..], &taken, messages].concat(),
        vec![9, 0x20, 2, 0, 5],
    ]
}
