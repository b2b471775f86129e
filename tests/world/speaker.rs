//! A SIP speaker that answers by itself and keeps what it hears: by when each call began, and as samples.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{net::UdpSocket, task::JoinHandle};

/// What was heard in one call.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    pub(crate) first_word: Instant,
    pub(crate) last_word: Instant,
    pub(crate) samples: Vec<i16>,
    /// The caller said goodbye, and was answered.
    pub(crate) ended: bool,
}

impl Heard {
    pub(crate) fn seconds(&self) -> f64 {
        self.samples.len() as f64 / 8_000.0
    }

    /// Root of the mean square, of 32,767.
    pub(crate) fn level(&self) -> f64 {
        let sum: f64 = self.samples.iter().map(|one| f64::from(*one).powi(2)).sum();
        (sum / self.samples.len().max(1) as f64).sqrt()
    }

    /// Which share of what was heard is this tone (Goertzel).
    pub(crate) fn share_of(&self, hertz: f64) -> f64 {
        let turn = 2.0 * (std::f64::consts::TAU * hertz / 8_000.0).cos();
        let (mut a, mut b) = (0.0, 0.0);
        for sample in &self.samples {
            (a, b) = (f64::from(*sample) + turn * a - b, a);
        }
        let power = a * a + b * b - turn * a * b;
        let all: f64 = self.samples.iter().map(|one| f64::from(*one).powi(2)).sum();
        2.0 * power / (all.max(1.0) * self.samples.len().max(1) as f64)
    }
}

/// It answers while `answers` says so, and is silent else.
pub(crate) struct SipSpeaker {
    pub(crate) address: SocketAddr,
    calls: Arc<Mutex<Vec<Heard>>>,
    answers: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Drop for SipSpeaker {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl SipSpeaker {
    pub(crate) async fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let media = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let (calls, answers) = (Arc::default(), Arc::new(AtomicBool::new(true)));
        let task = tokio::spawn(serve(socket, media, Arc::clone(&calls), answers.clone()));
        Self { address, calls, answers, task }
    }

    pub(crate) fn answers(&self, does: bool) {
        self.answers.store(does, Ordering::Relaxed);
    }

    /// For `way`.
    pub(crate) fn way(&self) -> String {
        format!("sip:hall@{}", self.address)
    }

    pub(crate) fn calls(&self) -> Vec<Heard> {
        self.calls.lock().unwrap().clone()
    }
}

async fn serve(
    socket: UdpSocket,
    media: UdpSocket,
    calls: Arc<Mutex<Vec<Heard>>>,
    answers: Arc<AtomicBool>,
) {
    let port = media.local_addr().unwrap().port();
    let (mut buffer, mut sound) = ([0; 8192], [0; 2048]);
    let mut current: Option<u32> = None;
    loop {
        tokio::select! {
            got = media.recv(&mut sound) => {
                let len = got.unwrap();
                let source = u32::from_be_bytes(sound[8..12].try_into().unwrap());
                assert_eq!(sound[1] & 0x7f, 8, "G.711 A-law");
                let now = Instant::now();
                let mut calls = calls.lock().unwrap();
                if current != Some(source) {
                    current = Some(source);
                    calls.push(Heard { first_word: now, last_word: now, samples: Vec::new(), ended: false });
                }
                let call = calls.last_mut().unwrap();
                call.last_word = now;
                call.samples.extend(sound[12..len].iter().map(|byte| linear(*byte)));
            }
            received = socket.recv_from(&mut buffer) => {
                let (len, from) = received.unwrap();
                if !answers.load(Ordering::Relaxed) {
                    continue;
                }
                let text = String::from_utf8(buffer[..len].to_vec()).unwrap();
                let method = text.split(' ').next().unwrap();
                if method == "ACK" {
                    continue;
                }
                if method == "BYE" && let Some(call) = calls.lock().unwrap().last_mut() {
                    call.ended = true;
                }
                let body = match method {
                    "INVITE" => format!("v=0\r\nc=IN IP4 127.0.0.1\r\nm=audio {port} RTP/AVP 8\r\n"),
                    _ => String::new(),
                };
                socket.send_to(answer(&text, &body, &socket).as_bytes(), from).await.unwrap();
            }
        }
    }
}

fn answer(request: &str, body: &str, socket: &UdpSocket) -> String {
    let mut text = String::from("SIP/2.0 200 OK\r\n");
    for line in request.lines().take_while(|line| !line.is_empty()) {
        let name = line.split(':').next().unwrap();
        if ["Via", "From", "Call-ID", "CSeq"].contains(&name) {
            text += &format!("{line}\r\n");
        }
        if name == "To" {
            let tag = if line.contains(";tag=") { "" } else { ";tag=hall" };
            text += &format!("{line}{tag}\r\n");
        }
    }
    let contact = socket.local_addr().unwrap();
    text + &format!(
        "Contact: <sip:hall@{contact}>\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// G.711 A-law, by its table's formula.
pub(crate) fn linear(byte: u8) -> i16 {
    let byte = byte ^ 0x55;
    let (segment, step) = (byte >> 4 & 7, i16::from(byte & 0x0f));
    let size = if segment == 0 { (step << 4) + 8 } else { ((step << 4) + 0x108) << (segment - 1) };
    if byte & 0x80 != 0 { size } else { -size }
}

/// A group of one, on loopback: what it hears until it is silent for so long.
pub(crate) struct GroupListener(UdpSocket);

impl GroupListener {
    pub(crate) async fn start() -> Self {
        Self(UdpSocket::bind("127.0.0.1:0").await.unwrap())
    }

    /// For `way`.
    pub(crate) fn way(&self) -> String {
        format!("rtp://{}", self.0.local_addr().unwrap())
    }

    pub(crate) async fn hears(&self, silence: Duration) -> Heard {
        let (mut packet, mut heard): ([u8; 2048], Option<Heard>) = ([0; 2048], None);
        loop {
            let wait = if heard.is_some() { silence } else { super::PATIENCE };
            let got = tokio::time::timeout(wait, self.0.recv(&mut packet)).await;
            let Ok(Ok(len)) = got else { break };
            let now = Instant::now();
            let heard = heard.get_or_insert_with(|| Heard {
                first_word: now,
                last_word: now,
                samples: Vec::new(),
                ended: false,
            });
            heard.last_word = now;
            heard.samples.extend(packet[12..len].iter().map(|byte| linear(*byte)));
        }
        heard.expect("nothing was heard")
    }
}

/// A recorded phrase: this tone for so long, at a tenth of full level, as WAV with 16 bits at 16 kHz.
pub(crate) fn tone_wav(hertz: f64, seconds: f64) -> Vec<u8> {
    let samples = (seconds * 16_000.0) as u32;
    let mut wav = b"RIFF".to_vec();
    wav.extend((36 + samples * 2).to_le_bytes());
    wav.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    wav.extend(16_000u32.to_le_bytes());
    wav.extend(32_000u32.to_le_bytes());
    wav.extend([2, 0, 16, 0]);
    wav.extend(b"data");
    wav.extend((samples * 2).to_le_bytes());
    for n in 0..samples {
        let at = (std::f64::consts::TAU * hertz * f64::from(n) / 16_000.0).sin();
        wav.extend(((at * 8_000.0) as i16).to_le_bytes());
    }
    wav
}
