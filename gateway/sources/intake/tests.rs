//! Places and wills of the intake, by real sockets: many at one address, and no room for a will.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

use super::*;
use crate::{
    base::RealClock,
    domain::NoMeter,
    sources::codecs::{Codecs, Listed},
};

/// Longer than anything here takes; nothing is waited out.
const PATIENCE: Duration = Duration::from_secs(20);

async fn intake(listed: usize) -> (Intake, mpsc::Receiver<Envelope>, watch::Sender<Arc<Codecs>>) {
    let one = |n| Listed {
        id: format!("btn-{n}").as_str().into(),
        device: None,
        model: None,
        user: None,
    };
    let listed: Vec<Listed> = (0..listed).map(one).collect();
    let (keep, dialects) = watch::channel(Arc::new(Codecs::new(&"s".into(), &listed, &[])));
    let (envelopes, inbox) = mpsc::channel(16);
    let given = Given {
        dialects,
        envelopes,
        clock: RealClock::start(),
        meter: Arc::new(NoMeter),
        readiness: Readiness::default(),
    };
    let config = Config {
        listen: ([127, 0, 0, 1], 0).into(),
        users_file: None,
        allow_anonymous: true,
        tls_cert_file: None,
        tls_key_file: None,
        connections_max: None,
    };
    (Intake::bind(&config, given).await.unwrap(), inbox, keep)
}

/// All buttons of a site behind one router, when the power returns.
#[tokio::test]
async fn as_many_as_are_listed_may_come_at_once_from_one_address() {
    for (listed, most) in [(0, STRANGERS_MIN), (150, 150)] {
        let (intake, _inbox, _keep) = intake(listed).await;
        let (address, guests) =
            (intake.listener().local_addr().unwrap(), intake.shared.guests.clone());
        let (stop, stopped) = watch::channel(false);
        let served = tokio::spawn(intake.serve(stopped));
        let mut open = Vec::new();
        for _ in 0..most + 10 {
            open.push(TcpStream::connect(address).await.unwrap());
        }
        // The first ten are sent away, and no other.
        let mut bytes = [0; 1];
        for one in &mut open[..10] {
            let read = timeout(PATIENCE, one.read(&mut bytes)).await.unwrap();
            assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
        }
        assert_eq!(guests.count(), most, "of {listed} listed");
        stop.send(true).unwrap();
        served.await.unwrap();
    }
}

#[tokio::test]
async fn a_will_for_which_there_is_no_room_is_said_at_once() {
    let (intake, mut inbox, _keep) = intake(1).await;
    let (address, shared) = (intake.listener().local_addr().unwrap(), intake.shared.clone());
    let will =
        connect::Will { topic: "t".into(), payload: Vec::new(), delay: Duration::from_secs(300) };
    let rooms: Vec<wills::WillPermit> =
        std::iter::from_fn(|| shared.wills.room_for(&will)).collect();
    let (_stop, stopped) = watch::channel(false);
    let served = tokio::spawn(intake.serve(stopped));
    let mut device = TcpStream::connect(address).await.unwrap();
    // Version 5, a session of 300 s, and a will to be said after 300 s: what nobody can read.
    let rest = [
        &b"\0\x04MQTT\x05\x06\0\x3c\x05\x11\0\0\x01\x2c\0\x05btn-0"[..],
        b"\x05\x18\0\0\x01\x2c\0\x17gridpost/s/button/btn-0",
    ]
    .concat();
    let payload = vec![b'x'; 60_000];
    let length = rest.len() + 2 + payload.len();
    let mut packet = vec![0x10];
    packet.extend([(length % 128) as u8 | 0x80, (length / 128 % 128) as u8 | 0x80]);
    packet.push((length / 16_384) as u8);
    packet.extend(rest);
    packet.extend((payload.len() as u16).to_be_bytes());
    packet.extend(payload);
    device.write_all(&packet).await.unwrap();
    let mut connack = [0; 4];
    timeout(PATIENCE, device.read_exact(&mut connack)).await.unwrap().unwrap();
    assert_eq!((connack[0], connack[3]), (0x20, 0), "{connack:?}");
    drop(device);
    let said = timeout(PATIENCE, inbox.recv()).await.expect("it is said at once").unwrap();
    assert_eq!(said.observation.source.as_str(), "btn-0");
    drop(rooms);
    assert!(shared.wills.room_for(&will).is_some());
    served.abort();
}
