//! The listener for hydrological stations: SL 651-2014 over TCP, each report acknowledged after it is on disk.

mod assembly;
mod roster;
mod session;

use std::{
    collections::HashSet,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{mpsc, watch},
};

use crate::{
    base::{Bucket, OwnRuntime, Rarely, handles},
    domain::{Body, Clock, Envelope, Meter, Metric, Now, Observation, SourceId, Stamp, Unreadable},
    wire::sockets::keep_alive,
};

use super::codecs::sl651::{Step, step};
use roster::{Roster, Seat};

pub use assembly::Assembly;

/// Where it comes from, in records and counts; the name of the listener in recorded signals.
pub const VIA: &str = "sl651";
/// Of all handles that connections may have, percent.
const HANDLES_PERCENT: usize = 20;
/// The same complaint about the system is logged at most this often.
const COMPLAIN_EVERY: Duration = Duration::from_secs(60);

/// `[sl651]`: where hydrological stations connect.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Address and port; default `127.0.0.1:5651`.
    #[serde(default = "listen")]
    pub listen: SocketAddr,
    /// The protocol knows no users and its password travels in the clear: beyond loopback anyone
    /// on that network can pretend to be a station. Put it on the stations' own network and say
    /// that you mean it. Default false.
    #[serde(default)]
    pub allow_unauthenticated_beyond_loopback: bool,
    /// Addresses of stations in mode M1, which send and hear no answer: one that hangs up with
    /// an answer unread may lose its last report on the way. Default none.
    #[serde(default)]
    pub unanswered: Vec<String>,
    /// Connections at once; beyond it the oldest one that has not sent a report yet makes room.
    /// Default 2048.
    #[serde(default = "connections_max")]
    pub connections_max: usize,
    /// A station that is silent for so many seconds is closed. Default 4000: the longest pause
    /// between hourly reports. One that has never said anything is closed after 60 s.
    #[serde(default = "idle_s")]
    pub idle_s: u64,
    /// Sets the clock of a station that is off by more than this many seconds (function 4A);
    /// 0 never. Default 120.
    #[serde(default = "set_clock_beyond_s")]
    pub set_clock_beyond_s: u64,
}

fn listen() -> SocketAddr {
    ([127, 0, 0, 1], 5651).into()
}
fn connections_max() -> usize {
    2_048
}
fn idle_s() -> u64 {
    4_000
}
fn set_clock_beyond_s() -> u64 {
    120
}

impl Config {
    /// Errors as (key, message).
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        if !self.listen.ip().is_loopback() && !self.allow_unauthenticated_beyond_loopback {
            problems.push((
                "listen",
                format!(
                    "{} is beyond loopback, and SL 651 has no users: set allow_unauthenticated_beyond_loopback = true if only stations are on that network",
                    self.listen
                ),
            ));
        }
        if !(1..=65_536).contains(&self.connections_max) {
            problems.push(("connections_max", "expected 1 to 65536".into()));
        }
        if !(30..=172_800).contains(&self.idle_s) {
            problems.push(("idle_s", format!("{}: expected seconds, 30 to 172800", self.idle_s)));
        }
        problems
    }
}

/// What every connection shares.
struct Shared {
    envelopes: mpsc::Sender<Envelope>,
    clock: Arc<dyn Clock>,
    meter: Arc<dyn Meter>,
    idle: Duration,
    set_clock_beyond: Option<Duration>,
    unanswered: HashSet<String>,
    /// Of all connections together: noise that is kept as it came, so that nobody fills the journal
    /// with it by connecting again and again. Locked for one look; nothing is awaited with it.
    noise_kept: Mutex<Bucket>,
}

/// Pieces of noise that are kept: at once, and a second.
const NOISE_KEPT: (f64, f64) = (64.0, 0.05);

/// A bound listener that nobody serves yet.
pub struct Stations {
    listener: Arc<TcpListener>,
    shared: Arc<Shared>,
    roster: Arc<Roster>,
    connections_max: usize,
}

impl Stations {
    /// The error names the address.
    pub async fn bind(
        config: &Config,
        envelopes: mpsc::Sender<Envelope>,
        clock: Arc<dyn Clock>,
        meter: Arc<dyn Meter>,
    ) -> Result<Self, String> {
        let listener = TcpListener::bind(config.listen)
            .await
            .map_err(|error| format!("sl651: cannot listen on {}: {error}", config.listen))?;
        Ok(Self::on(Arc::new(listener), config, envelopes, clock, meter))
    }

    /// As [`Self::bind`], on a listener that is there: another one may serve it until now.
    pub fn on(
        listener: Arc<TcpListener>,
        config: &Config,
        envelopes: mpsc::Sender<Envelope>,
        clock: Arc<dyn Clock>,
        meter: Arc<dyn Meter>,
    ) -> Self {
        let beyond = config.set_clock_beyond_s;
        let noise_kept = Bucket::full(NOISE_KEPT.0, NOISE_KEPT.1, clock.now().mono_ms);
        let shared = Shared {
            envelopes,
            clock,
            meter,
            idle: Duration::from_secs(config.idle_s),
            set_clock_beyond: (beyond > 0).then(|| Duration::from_secs(beyond)),
            unanswered: config.unanswered.iter().cloned().collect(),
            noise_kept: Mutex::new(noise_kept),
        };
        Self {
            listener,
            shared: Arc::new(shared),
            roster: Arc::new(Roster::default()),
            connections_max: config.connections_max,
        }
    }

    pub fn listener(&self) -> Arc<TcpListener> {
        self.listener.clone()
    }

    /// Accepts until told to stop; connections beyond the bound are closed at once and counted.
    pub async fn serve(self, mut stop: watch::Receiver<bool>) {
        // Bytes of anybody are read here: never by the threads that acknowledge presses.
        let own = OwnRuntime::start("stations");
        let mut complaints = Rarely::every(COMPLAIN_EVERY);
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                _ = stop.wait_for(|stop| *stop) => break,
            };
            match accepted {
                Ok((stream, peer)) => self.admit(stream, peer, &own, stop.clone()),
                Err(error) => {
                    if let Some(more) = complaints.say() {
                        tracing::error!(%error, more, "sl651: cannot accept a connection");
                    }
                    // Out of file descriptors: the next try must not spin.
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    fn admit(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        own: &OwnRuntime,
        mut stop: watch::Receiver<bool>,
    ) {
        let shared = self.shared.clone();
        keep_alive(&stream);
        // The handles of the process bound it too, as at the other listeners: the store needs some.
        let most = handles::at_most(self.connections_max, HANDLES_PERCENT);
        let Some(seat) = self.roster.seat(peer.ip(), most) else {
            shared.meter.add(Metric::SignalsRefused, VIA, 1);
            tracing::warn!(%peer, most, "sl651: too many connections; closed");
            return;
        };
        let roster = self.roster.clone();
        let runs = async move {
            shared.meter.set(Metric::Sl651Connections, "", roster.count() as f64);
            tokio::select! {
                ended = converse(stream, &shared, &seat) => {
                    if let Err(reason) = ended {
                        shared.meter.add(Metric::SignalsRefused, VIA, 1);
                        tracing::warn!(%peer, reason, "sl651: connection closed");
                    }
                }
                () = seat.leave.notified() => {
                    shared.meter.add(Metric::SignalsRefused, VIA, 1);
                    tracing::warn!(%peer, "sl651: it said nothing, and makes room; closed");
                }
                _ = stop.wait_for(|stop| *stop) => {}
            }
            drop(seat);
            shared.meter.set(Metric::Sl651Connections, "", roster.count() as f64);
        };
        drop(own.spawn(runs));
    }
}

/// On the runtime that this is called in, whichever one accepted the connection.
async fn converse(stream: TcpStream, shared: &Shared, seat: &Seat) -> Result<(), String> {
    let stream = stream.into_std().and_then(TcpStream::from_std);
    session::run(stream.map_err(|error| error.to_string())?, shared, seat).await
}

/// Bytes for the quarantine.
fn unreadable(who: &str, reason: String, bytes: &[u8], now: Now) -> Observation {
    /// A report of several packets, nearly always; of a picture its beginning.
    const KEPT_BYTES_MAX: usize = 64 * 1024;
    Observation {
        source: SourceId::from(if who.is_empty() { VIA } else { who }),
        stamp: Stamp::of_gateway(now),
        body: Body::Unreadable(Unreadable {
            origin: format!("{VIA} {who}").trim_end().to_owned(),
            reason,
            payload: bytes[..bytes.len().min(KEPT_BYTES_MAX)].to_vec(),
        }),
    }
}

/// What recorded bytes of one station say: for `replay`, where nobody is answered.
pub fn recorded(bytes: &[u8], now: Now) -> Vec<Observation> {
    let mut assembly = Assembly::default();
    let mut said = Vec::new();
    let (mut at, mut wrong_from) = (0, None);
    loop {
        let found = step(&bytes[at..], true);
        let (next, reason) = match &found {
            Step::Wait => (bytes.len(), None),
            Step::Frame(_, used) => (at + used, None),
            Step::Skip(n, reason) => (at + n, Some(reason.clone())),
        };
        if let Some(reason) = reason {
            wrong_from.get_or_insert((at, reason));
        } else if let Some((from, reason)) = wrong_from.take() {
            said.push(unreadable("", reason, &bytes[from..at], now));
        }
        if let Step::Frame(frame, _) = found {
            said.extend(assembly.take(*frame, &bytes[at..next], now).observations);
        }
        if next >= bytes.len() {
            if let Some((from, reason)) = wrong_from {
                said.push(unreadable("", reason, &bytes[from..], now));
            }
            return said;
        }
        at = next;
    }
}
