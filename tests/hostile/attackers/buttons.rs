//! What is said to an intake and to a broker: by strangers, by a thief of one password, by a device gone mad.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use super::{Doors, PATIENCE, by, dial};

/// Messages before their answers are waited for.
const WINDOW: usize = 50;
/// How many buttons of the stage are called `mad-N`.
pub(crate) const MAD: usize = 400;
/// The client and the user whose presses are measured.
pub(crate) const HUB: &str = "hub";
/// Who may speak for one button, and says what he likes.
pub(crate) const THIEF: (&str, &str) = ("thief", "his-own");

/// A client that is let in.
pub(crate) struct Device {
    stream: TcpStream,
    packet: u16,
}

fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u16).to_be_bytes()[..], text.as_bytes()].concat()
}

pub(crate) fn packet(first: u8, body: &[u8]) -> Vec<u8> {
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

/// CONNECT with a clean session and no keep-alive.
pub(crate) fn connect(client: &str, login: Option<(&str, &str)>) -> Vec<u8> {
    let flags = if login.is_some() { 0xc2 } else { 2 };
    let mut body = [&text("MQTT")[..], &[4, flags, 0, 0], &text(client)].concat();
    for part in login.iter().flat_map(|(user, password)| [user, password]) {
        body.extend(text(part));
    }
    packet(0x10, &body)
}

impl Device {
    /// `waits`: it gives up after so long without an answer.
    pub(crate) fn connect(
        port: u16,
        client: &str,
        login: Option<(&str, &str)>,
        waits: Duration,
    ) -> io::Result<Self> {
        let mut stream = dial(port)?;
        stream.set_read_timeout(Some(waits))?;
        stream.write_all(&connect(client, login))?;
        let mut answer = [0; 4];
        stream.read_exact(&mut answer)?;
        if answer[..2] != [0x20, 2] || answer[3] != 0 {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        Ok(Self { stream, packet: 0 })
    }

    /// QoS 1.
    pub(crate) fn publish(&mut self, topic: &str, payload: &[u8]) -> io::Result<()> {
        self.packet = self.packet % 60_000 + 1;
        let body = [&text(topic)[..], &self.packet.to_be_bytes(), payload].concat();
        self.stream.write_all(&packet(0x32, &body))
    }

    /// Waits for so many PUBACKs.
    pub(crate) fn acknowledged(&mut self, count: usize) -> io::Result<()> {
        for _ in 0..count {
            self.stream.read_exact(&mut [0; 4])?;
        }
        Ok(())
    }

    fn say(&mut self, device: &str, payload: &str) -> io::Result<()> {
        self.publish(&format!("gridpost/demo/button/{device}"), payload.as_bytes())
    }
}

static NEXT: AtomicUsize = AtomicUsize::new(0);

fn next() -> usize {
    NEXT.fetch_add(1, Ordering::Relaxed)
}

fn windows(
    device: &mut Device,
    until: Instant,
    mut one: impl FnMut(&mut Device) -> io::Result<()>,
) -> io::Result<()> {
    while Instant::now() < until {
        for _ in 0..WINDOW {
            one(device)?;
        }
        device.acknowledged(WINDOW)?;
    }
    Ok(())
}

fn press(device: &mut Device, name: &str) -> io::Result<()> {
    device.say(name, &format!(r#"{{"device":"{name}","event":"press","id":"{}"}}"#, next()))
}

/// Emergencies of listed buttons that the receiver does not take.
pub(super) fn refused(doors: &Doors, until: Instant) {
    by(2, until, |n| {
        let mut device = Device::connect(doors.intake, &format!("mad-{n}"), None, PATIENCE)?;
        windows(&mut device, until, |device| press(device, &format!("mad-{}", next() % MAD)))
    });
}

pub(super) fn invented(doors: &Doors, until: Instant) {
    let run = std::process::id();
    by(4, until, |n| {
        let mut device = Device::connect(doors.intake, &format!("invented-{n}"), None, PATIENCE)?;
        windows(&mut device, until, |device| press(device, &format!("made-up-{run}-{}", next())))
    });
}

/// Open and closed as fast as it goes.
pub(super) fn flapping(doors: &Doors, until: Instant) {
    by(1, until, |_| {
        let mut device = Device::connect(doors.intake, "mad-0", None, PATIENCE)?;
        windows(&mut device, until, |device| {
            let event = if next().is_multiple_of(2) { "tamper" } else { "tamper-clear" };
            device.say("mad-0", &format!(r#"{{"event":"{event}"}}"#))
        })
    });
}

/// A thief speaks for every button, takes calls back, and answers cases.
pub(super) fn claims(doors: &Doors, until: Instant) {
    by(2, until, |n| {
        let mut device =
            Device::connect(doors.intake, &format!("thief-{n}"), Some(THIEF), PATIENCE)?;
        windows(&mut device, until, |device| {
            let id = next();
            let name = format!("btn-{}", id % 100);
            match id % 4 {
                0 => press(device, &name),
                1 => device.say(&name, &format!(r#"{{"device":"{name}","event":"cancel"}}"#)),
                2 => device.say(&name, &format!(r#"{{"device":"{name}","event":"tamper"}}"#)),
                _ => {
                    let reply = format!(
                        r#"{{"incident":"01900000-0000-7000-8000-{id:012}","to":"dismissed","by":"x","reason":"false-alarm"}}"#
                    );
                    device.publish("gridpost/demo/reply", reply.as_bytes())
                }
            }
        })
    });
}

/// Connects as the client that presses, with no password and with a wrong one.
pub(super) fn takeover(doors: &Doors, until: Instant) {
    by(4, until, |n| {
        let login = n.is_multiple_of(2).then_some((HUB, "guessed"));
        Device::connect(doors.intake, HUB, login, PATIENCE).map(drop)
    });
}

/// A hundred kilobytes that nobody can read, under names of their own.
pub(super) fn unreadable(doors: &Doors, until: Instant) {
    let payload = format!(r#"{{"event":7,"x":"{}"#, "x".repeat(100_000));
    by(2, until, |n| {
        let mut device = Device::connect(doors.intake, &format!("unreadable-{n}"), None, PATIENCE)?;
        while Instant::now() < until {
            device.say(&format!("u-{}", next() % 1_000), &payload)?;
            device.acknowledged(1)?;
        }
        Ok(())
    });
}

pub(super) fn too_large(doors: &Doors, until: Instant) {
    let payload = vec![b'x'; 1 << 20];
    by(2, until, |n| {
        let mut device = Device::connect(doors.intake, &format!("large-{n}"), None, PATIENCE)?;
        while Instant::now() < until {
            device.publish("gridpost/demo/button/large", &payload)?;
            device.acknowledged(1)?;
        }
        Ok(())
    });
}

/// As a coordinator with very many devices leaves its list, over and over.
pub(super) fn large_at_a_broker(doors: &Doors, until: Instant) {
    let mut payload = vec![b' '; 330_000];
    (payload[0], payload[329_999]) = (b'[', b']');
    by(1, until, |_| {
        let mut device = Device::connect(doors.broker, "coordinator", None, PATIENCE)?;
        while Instant::now() < until {
            device.publish("zigbee2mqtt/bridge/devices", &payload)?;
            device.acknowledged(1)?;
        }
        Ok(())
    });
}
