//! A client of the feed of changes (`/api/v1/changes`), as plain bytes, with the cookie of a session.

use std::time::Duration;

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::Gateway;

/// One connection, which is open.
pub(crate) struct Changes(TcpStream, Vec<u8>);

impl Changes {
    /// From the position that the journal is at now, by the overview of whoever has this cookie.
    pub(crate) async fn open(gateway: &Gateway, cookie: &str) -> Self {
        let (_, told) = gateway.get("/api/v1/console").await;
        let host = gateway.web.trim_start_matches("http://").to_owned();
        let mut stream = TcpStream::connect(&host).await.unwrap();
        let head = format!(
            "GET /api/v1/changes?after={}&series={} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Origin: {}\r\nCookie: {cookie}\r\n\r\n",
            told["position"],
            told["series"].as_str().unwrap(),
            gateway.web,
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut said = Vec::new();
        let end = loop {
            if let Some(at) = said.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            assert_ne!(stream.read_buf(&mut said).await.unwrap(), 0, "closed: {said:?}");
        };
        assert!(said.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&said));
        let rest = said.split_off(end);
        Self(stream, rest)
    }

    /// The next message that is no sign of life; None: it was closed.
    pub(crate) async fn change(&mut self) -> Option<Value> {
        loop {
            let read = timeout(Duration::from_secs(30), self.message()).await;
            let message = read.expect("a word of the feed within 30 s")?;
            if message["type"] != "alive" {
                return Some(message);
            }
        }
    }

    async fn message(&mut self) -> Option<Value> {
        loop {
            if let Some((opcode, frame)) = self.frame() {
                match opcode {
                    1 => return Some(serde_json::from_slice(&frame).unwrap()),
                    8 => return None,
                    _ => continue,
                }
            }
            if self.0.read_buf(&mut self.1).await.unwrap_or(0) == 0 {
                return None;
            }
        }
    }

    /// The first whole frame of what has come: its opcode and bytes.
    fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let [first, second, ..] = self.1[..] else { return None };
        let (head, length) = match (second & 0x7f, &self.1[..]) {
            (126, [_, _, high, low, ..]) => (4, usize::from(u16::from_be_bytes([*high, *low]))),
            (126 | 127, _) => return None,
            (length, _) => (2, usize::from(length)),
        };
        let whole = self.1.len() >= head + length;
        let frame = whole.then(|| self.1.drain(..head + length).skip(head).collect());
        frame.map(|frame| (first & 0x0f, frame))
    }
}
