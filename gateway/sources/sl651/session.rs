//! One station's connection: bytes in, frames found, reports stored, answers out; bounded in every way.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::oneshot,
    time::{Instant, timeout},
};

use super::{
    Shared, VIA,
    assembly::{Assembly, PICTURE},
    roster::Seat,
    unreadable,
};
use crate::{
    base::Bucket,
    domain::{Answer, Body, Envelope, Metric, Observation, Receipt},
    sources::codecs::sl651::{End, StationFrame, Step, step_counted},
};

/// What is not a whole frame yet; the longest is 4,112 bytes, 4,124 in ASCII, and a packet of several
/// up to 16 KiB.
const BUFFER_BYTES_MAX: usize = 20 * 1024;
/// Who has said nothing at all by then is no station. A modem that greets may wait for its station
/// as long as a station may be silent.
const FIRST_WORD_WITHIN: Duration = Duration::from_secs(60);
/// Bytes between frames, as modems send them to register and to keep the line: at once, and a second.
const NOISE_BYTES: (f64, f64) = (32.0 * 1024.0, 256.0);
/// Bytes whose check was computed in vain.
const VAIN_BYTES: (f64, f64) = (256.0 * 1024.0, 4.0 * 1024.0);
/// Noise that is kept as it came: at once, and a second. The rest is only counted.
const NOISE_KEPT: (f64, f64) = (6.0, 1.0 / 600.0);
/// The rest of a frame comes within this, or there is none.
const REST_WITHIN: Duration = Duration::from_secs(30);
/// A station that does not read its answers is closed.
const WRITE_WITHIN: Duration = Duration::from_secs(10);
/// Whole frames that nobody can read, at once and a second, before the connection is closed: a mad
/// station costs this much quarantine.
const UNREADABLE: (f64, f64) = (16.0, 1.0 / 60.0);
/// Bytes of garbage that are kept as one thing.
const GARBAGE_BYTES_MAX: usize = 4 * 1024;
/// A clock is set at most this often.
const SET_CLOCK_EVERY: Duration = Duration::from_secs(3_600);
/// Our own wall clock is wrong itself before this, and sets no station's.
const OWN_CLOCK_FROM: jiff::Timestamp = jiff::Timestamp::constant(1_767_225_600, 0);

struct StationSession<'s> {
    stream: TcpStream,
    shared: &'s Shared,
    seat: &'s Seat,
    assembly: Assembly,
    buffer: Vec<u8>,
    /// Since when the buffer begins with an unfinished frame.
    waits_since: Option<Instant>,
    garbage: Vec<u8>,
    garbage_reason: String,
    noise: Bucket,
    noise_kept: Bucket,
    vain: Bucket,
    unreadable: Bucket,
    /// Of the last frame.
    station: String,
    clock_set: Option<Instant>,
    serial: u16,
    /// It has hung up (mode M1 does right after sending); what it said is still taken.
    gone: bool,
}

/// Runs until the station leaves (Ok) or its connection has to be closed (the reason).
pub(super) async fn run(stream: TcpStream, shared: &Shared, seat: &Seat) -> Result<(), String> {
    let now_ms = shared.clock.now().mono_ms;
    let budget = |(most, per_second)| Bucket::full(most, per_second, now_ms);
    let mut session = StationSession {
        stream,
        shared,
        seat,
        assembly: Assembly::default(),
        buffer: Vec::new(),
        waits_since: None,
        garbage: Vec::new(),
        garbage_reason: String::new(),
        noise: budget(NOISE_BYTES),
        noise_kept: budget(NOISE_KEPT),
        vain: budget(VAIN_BYTES),
        unreadable: budget(UNREADABLE),
        station: String::new(),
        clock_set: None,
        serial: 0,
        gone: false,
    };
    let mut chunk = [0u8; 2048];
    let mut heard = Instant::now();
    let mut idle = shared.idle.min(FIRST_WORD_WITHIN);
    loop {
        let rest_by = session.waits_since.map(|since| since + REST_WITHIN);
        let idle_by = heard + idle;
        let wake = rest_by.map_or(idle_by, |by| by.min(idle_by));
        tokio::select! {
            read = session.stream.read(&mut chunk) => {
                let n = read.map_err(|error| format!("read: {error}"))?;
                if n == 0 {
                    return session.take(true).await;
                }
                (heard, idle) = (Instant::now(), shared.idle);
                session.buffer.extend_from_slice(&chunk[..n]);
                session.take(false).await?;
                if session.buffer.len() > BUFFER_BYTES_MAX {
                    return Err(format!("{BUFFER_BYTES_MAX} bytes and no frame"));
                }
            }
            () = tokio::time::sleep_until(wake) => {
                if Instant::now() >= idle_by {
                    return Err(format!("silent for {} s", idle.as_secs()));
                }
                session.take(true).await?;
            }
        }
    }
}

impl StationSession<'_> {
    /// All that lies in the buffer. `last`: nothing follows what is unfinished.
    async fn take(&mut self, last: bool) -> Result<(), String> {
        let bytes = std::mem::take(&mut self.buffer);
        let mut at = 0;
        loop {
            let mut in_vain = 0;
            let found = step_counted(&bytes[at..], last, &mut in_vain);
            let now_ms = self.shared.clock.now().mono_ms;
            if in_vain > 0 && !self.vain.spend(in_vain as f64, now_ms) {
                self.garbage_ends().await?;
                return Err("too much that looks like frames and is none".into());
            }
            match found {
                Step::Wait => break,
                Step::Frame(frame, used) => {
                    self.seat.speaks();
                    self.garbage_ends().await?;
                    self.frame(*frame, &bytes[at..at + used]).await?;
                    at += used;
                }
                Step::Skip(n, reason) => {
                    if self.garbage.is_empty() {
                        self.garbage_reason = reason;
                    }
                    self.garbage.extend_from_slice(&bytes[at..at + n]);
                    at += n;
                    if self.garbage.len() >= GARBAGE_BYTES_MAX {
                        self.garbage_ends().await?;
                    }
                }
            }
        }
        if at == bytes.len() {
            // A thousand stations that are quiet keep no buffers.
            self.waits_since = None;
            return self.garbage_ends().await;
        }
        if self.waits_since.is_none() || at > 0 {
            self.waits_since = Some(Instant::now());
        }
        self.buffer = bytes[at..].to_vec();
        Ok(())
    }

    async fn frame(&mut self, frame: StationFrame, raw: &[u8]) -> Result<(), String> {
        self.station.clone_from(&frame.station);
        let now = self.shared.clock.now();
        let is_picture = frame.function == PICTURE;
        let taken = self.assembly.take(frame, raw, now);
        // A picture is answered, and no fault.
        if taken.is_unreadable() && !is_picture && !self.unreadable.spend(1.0, now.mono_ms) {
            return Err("too many things that nobody can read".into());
        }
        for observation in taken.observations {
            if !self.store(observation).await? {
                return Err("not stored; the station must send again".into());
            }
        }
        let Some((frame, end)) = taken.answer else { return Ok(()) };
        if self.shared.unanswered.contains(&frame.station) {
            return Ok(());
        }
        let set = taken.sent.filter(|sent| self.must_set_clock(*sent));
        let end = if set.is_some() && end == End::MayLeave { End::Stay } else { end };
        let mut bytes = frame.answer(end, self.shared.clock.now().wall);
        if set.is_some() {
            self.clock_set = Some(Instant::now());
            self.serial = self.serial.wrapping_add(1);
            bytes.extend(frame.set_clock(self.serial, self.shared.clock.now().wall));
            tracing::info!(station = frame.station, "sl651: the station's clock is off; set");
        }
        self.write(&bytes).await
    }

    fn must_set_clock(&self, sent: jiff::Timestamp) -> bool {
        let now = self.shared.clock.now().wall;
        let off = sent.duration_since(now).unsigned_abs();
        now >= OWN_CLOCK_FROM
            && self.shared.set_clock_beyond.is_some_and(|beyond| off > beyond)
            && self.clock_set.is_none_or(|at| at.elapsed() > SET_CLOCK_EVERY)
    }

    /// True when it is on disk; the error: the gateway stops.
    async fn store(&mut self, observation: Observation) -> Result<bool, String> {
        let meter = &self.shared.meter;
        match &observation.body {
            Body::Unreadable(unreadable) => {
                meter.add(Metric::SignalsUnreadable, &unreadable.origin, 1);
                tracing::warn!(
                    station = self.station,
                    reason = unreadable.reason,
                    "sl651: unreadable, quarantined"
                );
            }
            _ => meter.add(Metric::GaugeReports, observation.source.as_str(), 1),
        }
        let (tell, told) = oneshot::channel();
        let receipt = Receipt::new(move |answer| {
            let _ = tell.send(!matches!(answer, Answer::Lost));
        });
        let envelope = Envelope { observation, receipt };
        let sent = self.shared.envelopes.send(envelope).await;
        sent.map_err(|_| "the gateway is stopping".to_owned())?;
        Ok(told.await.unwrap_or(false))
    }

    /// What lay between frames: a modem's greeting, the rest of a frame. The first pieces go to the
    /// quarantine, each as one thing; more are counted, within a rate.
    async fn garbage_ends(&mut self) -> Result<(), String> {
        if self.garbage.is_empty() {
            return Ok(());
        }
        let bytes = std::mem::take(&mut self.garbage);
        let reason = std::mem::take(&mut self.garbage_reason);
        let now = self.shared.clock.now();
        let shared = &self.shared.noise_kept;
        let keeps = self.noise_kept.spend(1.0, now.mono_ms)
            && shared.lock().expect("no panic while it is held").spend(1.0, now.mono_ms);
        if keeps {
            // No word of the station's: a modem's, whose greeting is no fault of a gauge.
            let station = &self.station;
            let observation =
                Observation { source: VIA.into(), ..unreadable(station, reason, &bytes, now) };
            self.store(observation).await?;
        } else {
            self.shared.meter.add(Metric::SignalsUnreadable, VIA, 1);
        }
        match self.noise.spend(bytes.len() as f64, now.mono_ms) {
            true => Ok(()),
            false => Err("more bytes that are no frame than any modem sends".into()),
        }
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), String> {
        if self.gone {
            return Ok(());
        }
        let sent = timeout(WRITE_WITHIN, self.stream.write_all(bytes)).await;
        let sent = sent.map_err(|_| format!("{VIA}: does not read its answers"))?;
        self.gone = sent.is_err();
        Ok(())
    }
}
