//! A viewer of a live view over a WebSocket, as plain bytes: what it is told, and the fragments that it gets.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::{Gateway, ffmpeg};

/// What comes over the socket.
#[derive(Debug)]
pub(crate) enum Heard {
    Said(Value),
    Fragment(Vec<u8>),
    /// Closed, with this word.
    Closed(String),
}

/// A viewer; it answers whether it is still there, as browsers do.
pub(crate) struct Viewer {
    stream: TcpStream,
    bytes: Vec<u8>,
}

impl Viewer {
    /// With the token; the status if the door does not open.
    pub(crate) async fn open(gateway: &Gateway, path: &str) -> Result<Self, u16> {
        let token = format!("Authorization: Bearer {}\r\n", gateway.token);
        Self::open_as(gateway, path, &token).await
    }

    /// With these lines of a head.
    pub(crate) async fn open_as(gateway: &Gateway, path: &str, head: &str) -> Result<Self, u16> {
        let host = gateway.web.trim_start_matches("http://");
        let mut stream = TcpStream::connect(host).await.unwrap();
        let asked = format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{head}\r\n"
        );
        stream.write_all(asked.as_bytes()).await.unwrap();
        let mut said = Vec::new();
        let end = loop {
            if let Some(at) = said.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            assert_ne!(stream.read_buf(&mut said).await.unwrap(), 0, "closed: {said:?}");
        };
        let status = std::str::from_utf8(&said[9..12]).unwrap().parse().unwrap();
        let bytes = said.split_off(end);
        if status == 101 { Ok(Self { stream, bytes }) } else { Err(status) }
    }

    /// The next word or fragment, within half a minute.
    pub(crate) async fn next(&mut self) -> Heard {
        let heard = timeout(Duration::from_secs(30), self.frame()).await;
        heard.expect("something within 30 s")
    }

    async fn frame(&mut self) -> Heard {
        loop {
            if let Some((opcode, head, len)) = self.whole() {
                let frame: Vec<u8> = self.bytes.drain(..head + len).skip(head).collect();
                match opcode {
                    1 => return Heard::Said(serde_json::from_slice(&frame).unwrap()),
                    2 => return Heard::Fragment(frame),
                    8 => {
                        let word = frame.get(2..).unwrap_or_default();
                        return Heard::Closed(String::from_utf8_lossy(word).into_owned());
                    }
                    // Still there; what a client sends is masked, here with zeros.
                    9 => self.stream.write_all(&[0x8a, 0x80, 0, 0, 0, 0]).await.unwrap(),
                    _ => {}
                }
            } else if self.stream.read_buf(&mut self.bytes).await.unwrap_or(0) == 0 {
                return Heard::Closed(String::new());
            }
        }
    }

    /// Kind, bytes of the head and of the rest of a frame that is there as a whole.
    fn whole(&self) -> Option<(u8, usize, usize)> {
        let bytes = &self.bytes;
        let (opcode, short) = (bytes.first()? & 0x0f, usize::from(bytes.get(1)? & 0x7f));
        let (head, len) = match short {
            126 => (4, usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?))),
            127 => (10, u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?) as usize),
            len => (2, len),
        };
        (bytes.len() >= head + len).then_some((opcode, head, len))
    }

    /// The next hello.
    pub(crate) async fn hello(&mut self) -> Value {
        loop {
            if let Heard::Said(said) = self.next().await
                && said["type"] == "hello"
            {
                return said;
            }
        }
    }

    /// The next fragment.
    pub(crate) async fn fragment(&mut self) -> Vec<u8> {
        loop {
            match self.next().await {
                Heard::Fragment(fragment) => return fragment,
                Heard::Said(_) => {}
                Heard::Closed(why) => panic!("closed: {why}"),
            }
        }
    }
}

/// Whether a fragment is a key frame, by its sample flags.
pub(crate) fn is_key(fragment: &[u8]) -> bool {
    fragment.get(96..100) == Some(&[2, 0, 0, 0])
}

/// Seconds of [`numbered`].
pub(crate) const NUMBERED_S: u32 = 8;

/// 1080p at 25 a second and about 4 Mbit/s, key frames two seconds apart; the number of each picture stands in its
/// upper edge as ten fields of black and white, the lowest bit first.
pub(crate) fn numbered(folder: &Path) -> PathBuf {
    let to = folder.join("numbered.mp4");
    let out = to.display().to_string();
    let filter = format!(
        "color=black:size=10x1:rate=25:duration={NUMBERED_S},format=gray,geq=lum='255*mod(floor(N/pow(2,X)),2)',\
         scale=1280:64:flags=neighbor[bits];testsrc2=size=1920x1080:rate=25:duration={NUMBERED_S}[all];\
         [all][bits]overlay=0:0,format=yuv420p"
    );
    let coder =
        "-c:v libx264 -preset ultrafast -profile:v main -bf 0 -g 50 -sc_threshold 0 -b:v 4400k";
    let mut all = vec!["-filter_complex", &filter];
    all.extend(coder.split(' '));
    all.push(&out);
    ffmpeg(&all);
    to
}
