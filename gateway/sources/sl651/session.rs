//! One station's connection: bytes in, frames found, reports stored, answers out; bounded in every way.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::oneshot,
    time::{Instant, timeout},
};

use super::{Shared, VIA, assembly::Assembly, unreadable};
use crate::{
    domain::{Answer, Body, Envelope, Metric, Observation, Receipt},
    sources::codecs::sl651::{End, StationFrame, Step, step},
};

/// What is not a whole frame yet; the longest is 4,112 bytes, 4,124 in ASCII.
const BUFFER_BYTES_MAX: usize = 16 * 1024;
/// The rest of a frame comes within this, or there is none.
const REST_WITHIN: Duration = Duration::from_secs(30);
/// A station that does not read its answers is closed.
const WRITE_WITHIN: Duration = Duration::from_secs(10);
/// Things nobody can read before the connection is closed: a mad station costs this much quarantine.
const UNREADABLE_MAX: u32 = 16;
/// Bytes of garbage that are kept as one thing.
const GARBAGE_BYTES_MAX: usize = 4 * 1024;
/// A clock is set at most this often.
const SET_CLOCK_EVERY: Duration = Duration::from_secs(3_600);
/// Our own wall clock is wrong itself before this, and sets no station's.
const OWN_CLOCK_FROM: jiff::Timestamp = jiff::Timestamp::constant(1_767_225_600, 0);

struct StationSession<'s> {
    stream: TcpStream,
    shared: &'s Shared,
    assembly: Assembly,
    buffer: Vec<u8>,
    /// Since when the buffer begins with an unfinished frame.
    waits_since: Option<Instant>,
    garbage: Vec<u8>,
    garbage_reason: String,
    unreadable: u32,
    /// Of the last frame.
    station: String,
    clock_set: Option<Instant>,
    serial: u16,
    /// It has hung up (mode M1 does right after sending); what it said is still taken.
    gone: bool,
}

/// Runs until the station leaves (Ok) or its connection has to be closed (the reason).
pub(super) async fn run(stream: TcpStream, shared: &Shared) -> Result<(), String> {
    let mut session = StationSession {
        stream,
        shared,
        assembly: Assembly::default(),
        buffer: Vec::new(),
        waits_since: None,
        garbage: Vec::new(),
        garbage_reason: String::new(),
        unreadable: 0,
        station: String::new(),
        clock_set: None,
        serial: 0,
        gone: false,
    };
    let mut chunk = [0u8; 2048];
    let mut heard = Instant::now();
    loop {
        let rest_by = session.waits_since.map(|since| since + REST_WITHIN);
        let idle_by = heard + shared.idle;
        let wake = rest_by.map_or(idle_by, |by| by.min(idle_by));
        tokio::select! {
            read = session.stream.read(&mut chunk) => {
                let n = read.map_err(|error| format!("read: {error}"))?;
                if n == 0 {
                    return session.take(true).await;
                }
                heard = Instant::now();
                session.buffer.extend_from_slice(&chunk[..n]);
                session.take(false).await?;
                if session.buffer.len() > BUFFER_BYTES_MAX {
                    return Err(format!("{BUFFER_BYTES_MAX} bytes and no frame"));
                }
            }
            () = tokio::time::sleep_until(wake) => {
                if Instant::now() >= idle_by {
                    return Err(format!("silent for {} s", shared.idle.as_secs()));
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
            match step(&bytes[at..], last) {
                Step::Wait => break,
                Step::Frame(frame, used) => {
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
        let taken = self.assembly.take(frame, raw, now);
        if taken.is_unreadable() {
            self.count_unreadable()?;
        }
        let stored = match taken.observation {
            Some(observation) => self.store(observation).await?,
            None => true,
        };
        if !stored {
            return Err("not stored; the station must send again".into());
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

    fn count_unreadable(&mut self) -> Result<(), String> {
        self.unreadable += 1;
        if self.unreadable > UNREADABLE_MAX {
            return Err(format!("more than {UNREADABLE_MAX} things that nobody can read"));
        }
        Ok(())
    }

    /// What lay between frames goes to the quarantine as one thing.
    async fn garbage_ends(&mut self) -> Result<(), String> {
        if self.garbage.is_empty() {
            return Ok(());
        }
        let bytes = std::mem::take(&mut self.garbage);
        let reason = std::mem::take(&mut self.garbage_reason);
        self.count_unreadable()?;
        let observation = unreadable(&self.station, reason, &bytes, self.shared.clock.now());
        self.store(observation).await.map(drop)
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
