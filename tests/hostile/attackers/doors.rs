//! Connections as such: mute, half, never ending, and of bytes that mean nothing.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use rand::{Rng, SeedableRng, rngs::StdRng};

use super::{
    CONNECTIONS_MAX, Doors, PATIENCE,
    buttons::{Device, connect, packet},
    by, dial,
};

/// Between two looks at what was closed.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Holds as many as it may of what `open` makes, and opens again what was closed.
fn hold(ports: &[u16], until: Instant, open: impl Fn(u16, usize) -> io::Result<TcpStream>) {
    let mut held: Vec<(u16, TcpStream)> = Vec::new();
    let mut count = 0;
    while Instant::now() < until {
        held.retain(|(_, stream)| is_open(stream));
        for &port in ports {
            let mut of_port = held.iter().filter(|(of, _)| *of == port).count();
            while of_port < CONNECTIONS_MAX && Instant::now() < until {
                count += 1;
                match open(port, count) {
                    Ok(stream) => held.push((port, stream)),
                    Err(_) => break,
                }
                of_port += 1;
            }
        }
        thread::sleep(LOOK_EVERY);
    }
}

fn is_open(stream: &TcpStream) -> bool {
    let _ = stream.set_nonblocking(true);
    let read = (&*stream).read(&mut [0; 64]);
    let _ = stream.set_nonblocking(false);
    match read {
        Ok(bytes) => bytes > 0,
        Err(error) => error.kind() == io::ErrorKind::WouldBlock,
    }
}

/// Nobody says anything, at the intake, the web and the stations' door.
pub(super) fn mute(doors: &Doors, until: Instant) {
    hold(&[doors.intake, doors.web, doors.sl651], until, |port, _| dial(port));
}

/// Five bytes that promise a quarter of a gigabyte.
pub(super) fn half_connects(doors: &Doors, until: Instant) {
    hold(&[doors.intake], until, |port, _| {
        let mut stream = dial(port)?;
        stream.write_all(&[0x10, 0xff, 0xff, 0xff, 0x7f])?;
        Ok(stream)
    });
}

/// Connected under names that nobody knows, without a keep-alive, and silent from then on.
pub(super) fn stay(doors: &Doors, until: Instant) {
    hold(&[doors.intake], until, |port, n| {
        let mut stream = dial(port)?;
        stream.write_all(&connect(&format!("stays-{n}"), None))?;
        Ok(stream)
    });
}

/// Bytes by lot, and messages with some bytes changed, each on a new connection.
pub(super) fn garbage(doors: &Doors, until: Instant) {
    let good = [
        connect("g", None),
        packet(0x32, b"\0\x16gridpost/demo/button/g\0\x01{\"event\":\"press\"}"),
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n".to_vec(),
        b"\x7e\x7e\x01\x00\x12\x34\x56\x78\x00\x00\x32\x00\x10\x02".to_vec(),
    ];
    by(3, until, |n| {
        let port = [doors.intake, doors.web, doors.sl651][n];
        let mut random: StdRng = StdRng::from_rng(&mut rand::rng());
        if n == 0 && random.random_bool(0.5) {
            // Behind a CONNECT that is right.
            let mut device = Device::connect(port, "garbage", None, PATIENCE)?;
            return device.publish("\u{1}/#", &bytes(&mut random));
        }
        let mut stream = dial(port)?;
        let mut text = good[random.random_range(0..good.len())].clone();
        for _ in 0..random.random_range(0..4) {
            let at = random.random_range(0..text.len());
            text[at] = random.random();
        }
        stream.write_all(&text)?;
        stream.write_all(&bytes(&mut random))
    });
}

fn bytes(random: &mut StdRng) -> Vec<u8> {
    let mut bytes = vec![0; random.random_range(1..4_096)];
    random.fill(&mut bytes[..]);
    bytes
}
