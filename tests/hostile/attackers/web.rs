//! The web: half heads and bodies, large ones, tokens that are guessed, and too many who ask.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use super::{CONNECTIONS_MAX, Doors, by, dial};

/// A byte now and then.
const DRIP_EVERY: Duration = Duration::from_millis(500);

pub(super) fn slow(doors: &Doors, until: Instant) {
    let mut held: Vec<TcpStream> = Vec::new();
    while Instant::now() < until {
        held.retain(|mut stream| stream.write_all(b"a").is_ok());
        while held.len() < CONNECTIONS_MAX && Instant::now() < until {
            let Ok(mut stream) = dial(doors.web) else { break };
            let head: &[u8] = if held.len().is_multiple_of(2) {
                b"GET /api/v1/incidents HTTP/1.1\r\nHost: x\r\nX-a: "
            } else {
                b"POST /api/v1/replies HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n{"
            };
            if stream.write_all(head).is_ok() {
                held.push(stream);
            }
        }
        thread::sleep(DRIP_EVERY);
    }
}

/// A hundred megabytes, without a token.
pub(super) fn large_bodies(doors: &Doors, until: Instant) {
    let part = vec![b'x'; 1 << 20];
    by(4, until, |_| {
        let mut stream = dial(doors.web)?;
        stream.write_all(
            b"POST /api/v1/replies HTTP/1.1\r\nHost: x\r\nContent-Length: 104857600\r\n\r\n",
        )?;
        for _ in 0..100 {
            if Instant::now() > until {
                break;
            }
            stream.write_all(&part)?;
        }
        Ok(())
    });
}

pub(super) fn wrong_tokens(doors: &Doors, until: Instant) {
    by(8, until, |n| ask(doors.web, "/api/v1/incidents?limit=1000", &format!("guess-{n}"), until));
}

pub(super) fn hammer(doors: &Doors, until: Instant) {
    by(16, until, |n| {
        let path = ["/metrics", "/readyz", "/metrics", "/healthz"][n % 4];
        ask(doors.web, path, "none", until)
    });
}

/// One answer after the other on one connection.
fn ask(port: u16, path: &str, token: &str, until: Instant) -> io::Result<()> {
    let mut stream = dial(port)?;
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n");
    while Instant::now() < until {
        stream.write_all(request.as_bytes())?;
        one_answer(&mut stream)?;
    }
    Ok(())
}

fn one_answer(stream: &mut TcpStream) -> io::Result<()> {
    let (mut got, mut buffer) = (Vec::new(), [0; 65_536]);
    let head = loop {
        let bytes = stream.read(&mut buffer)?;
        if bytes == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        got.extend_from_slice(&buffer[..bytes]);
        if let Some(at) = got.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
    };
    let text = String::from_utf8_lossy(&got[..head]).to_lowercase();
    let length = text.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
    let length: usize = length.and_then(|length| length.trim().parse().ok()).unwrap_or(0);
    let mut left = (head + length).saturating_sub(got.len());
    while left > 0 {
        match stream.read(&mut buffer)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            bytes => left = left.saturating_sub(bytes),
        }
    }
    Ok(())
}
