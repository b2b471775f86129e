//! The built-in MQTT listener: a device straight at the gateway; its PUBACK is given after the fsync.

//!
//! A place is on loan until its device has said who it is (`wire/guests.rs`): a listener that is full
//! sends away strangers first, and a listed device never.

mod connect;
mod session;
mod users;
mod wills;

use std::{
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{mpsc, watch},
};

use crate::{
    base::{Rarely, Readiness, handles, lock, stopped},
    domain::{Body, Clock, Envelope, Fault, Kind, Meter, Metric, Observation, SourceId},
    sources::{
        Dialects,
        codecs::Codecs,
        limit::Limiter,
        rights::{self, NotTheirs, Speaker},
    },
    wire::{
        file_stamp::missing,
        guests::{Guest, Guests},
        sockets::keep_alive,
        tls::{ListenKeys, ServerTls, Wire, handshake},
    },
};
use users::Users;
use wills::Wills;

/// Connections at once where the configuration says nothing and the list is short.
const CONNECTIONS_MIN: usize = 512;
/// And beside those that are listed.
const CONNECTIONS_MORE: usize = 64;
/// Of all handles that connections may have, percent: presses come before the web.
const HANDLES_PERCENT: usize = 60;
/// Connections of one address that have not said who they are; as many as are listed, if that is more:
/// all of them may stand behind one router, and come at once when the power returns.
const STRANGERS_MIN: usize = 64;
/// One line of the log in so long for things of which there may be thousands.
const SAID_EVERY: Duration = Duration::from_secs(10);
/// What is told of messages that were set aside.
const SET_ASIDE: &str = "intake, set aside";
/// And of what was said in the name of others, or without the right to.
const NOT_THEIRS: &str = "intake, said without the right to";
/// What `allow_anonymous` opens.
const OPEN: &str = "intake, open";
/// A listener that was full is well again when it had room for so long.
const ROOM_AGAIN: Duration = Duration::from_secs(15);

/// `[intake]`: where devices connect without a broker.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Address and port; default `127.0.0.1:1883`. Beyond loopback only with `users_file` or
    /// `allow_anonymous = true`.
    #[serde(default = "listen")]
    pub listen: SocketAddr,
    /// File of `name:password` lines. `@name speaks-for btn-1, btn-2` binds a user to devices;
    /// `@name may cancel, reply, posture` lets him take calls back, answer cases, order postures;
    /// `@name answers-for 王警官, 城管*` says in whose names he answers cases (as `speaks_for` of `[web]`).
    #[serde(default)]
    pub users_file: Option<PathBuf>,
    /// Lets devices in without a name, who may then do all that any user may: press for every
    /// listed button, take calls back, answer cases, order postures. Default false; on loopback
    /// without users it is needed too.
    #[serde(default)]
    pub allow_anonymous: bool,
    /// PEM of the certificate chain; with it the listener speaks TLS only. Read at each
    /// handshake, so that a renewed one is used.
    #[serde(default)]
    pub tls_cert_file: Option<PathBuf>,
    /// PEM of its private key.
    #[serde(default)]
    pub tls_key_file: Option<PathBuf>,
    /// Connections at once, 1 to 65536. Default: 512, or 64 more than devices are listed, whichever
    /// is more.
    #[serde(default)]
    pub connections_max: Option<usize>,
}

fn listen() -> SocketAddr {
    ([127, 0, 0, 1], 1883).into()
}

impl Config {
    /// Errors as (key, message).
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        if self.users_file.is_none() && !self.allow_anonymous {
            problems.push((
                "users_file",
                "who may connect? give users_file, or allow_anonymous = true".to_owned(),
            ));
        }
        problems.extend(self.tls().problem());
        if self.connections_max.is_some_and(|most| !(1..=65_536).contains(&most)) {
            problems.push(("connections_max", "expected 1 to 65536".to_owned()));
        }
        let users = self.users_file.as_ref().filter(|path| path.is_file());
        if let Some(path) = users {
            let wrong = users::read(path).err().into_iter().chain(users::slips(path).0);
            problems.extend(wrong.map(|why| ("users_file", why)));
        }
        problems
    }

    /// Warnings as (key, message). `run` refuses to open the intake without its users.
    pub fn warnings(&self) -> Vec<(&'static str, String)> {
        let doubtful = self.users_file.as_deref().map(|path| users::slips(path).1);
        let doubtful = doubtful.into_iter().flatten().map(|why| ("users_file", why));
        missing("users_file", self.users_file.as_deref()).into_iter().chain(doubtful).collect()
    }

    /// Each user of the file, and the devices that it binds him to; empty if it cannot be read.
    pub fn users(&self) -> Vec<(String, Vec<String>)> {
        let users = self.users_file.as_deref().map(users::read).and_then(Result::ok);
        let row = |(name, user): (String, users::User)| {
            (name, user.grants.devices.into_iter().collect::<Vec<_>>())
        };
        let mut rows: Vec<_> = users.unwrap_or_default().into_iter().map(row).collect();
        rows.sort();
        rows
    }

    fn tls(&self) -> ListenKeys<'_> {
        ListenKeys { cert_file: &self.tls_cert_file, key_file: &self.tls_key_file }
    }
}

/// How many users a text names, for the fuzzer.
#[doc(hidden)]
pub fn fuzz_users(text: &str) -> Result<usize, String> {
    users::parse(Path::new("users"), text).map(|users| users.len())
}

/// One connection over anything that can be read and written, anonymous, for the fuzzer.
#[doc(hidden)]
pub async fn fuzz_session(
    stream: impl Wire + 'static,
    envelopes: mpsc::Sender<Envelope>,
    clock: Arc<dyn Clock>,
    meter: Arc<dyn Meter>,
) -> Result<(), String> {
    let codecs = crate::sources::codecs::Codecs::new(&"fuzz".into(), &[], &[]);
    let (_keep, dialects) = watch::channel(Arc::new(codecs));
    let shared = Shared {
        dialects,
        limiter: Limiter::default(),
        users: Users::new(),
        anonymous: true,
        envelopes,
        clock,
        meter,
        guests: Arc::default(),
        readiness: Readiness::default(),
        too_large: AtomicU64::new(0),
        not_theirs: Mutex::default(),
        said: Said::default(),
        wills: Wills::default(),
    };
    let from = IpAddr::from([127, 0, 0, 1]);
    let mut guest = shared.guests.admit(from, 1, 1).ok_or("no place")?;
    match session::run(Box::new(stream), &shared, from, &mut guest).await.reason {
        None => Ok(()),
        Some(reason) => Err(reason),
    }
}

/// Lines of the log of which there may be thousands.
struct Said {
    closed: Mutex<Rarely>,
    too_large: Mutex<Rarely>,
    full: Mutex<Rarely>,
    failed: Mutex<Rarely>,
}

impl Default for Said {
    fn default() -> Self {
        let one = || Mutex::new(Rarely::every(SAID_EVERY));
        Self { closed: one(), too_large: one(), full: one(), failed: one() }
    }
}

/// What every connection shares.
struct Shared {
    dialects: Dialects,
    limiter: Limiter,
    users: Users,
    anonymous: bool,
    envelopes: mpsc::Sender<Envelope>,
    clock: Arc<dyn Clock>,
    meter: Arc<dyn Meter>,
    guests: Arc<Guests>,
    readiness: Readiness,
    too_large: AtomicU64,
    not_theirs: Mutex<NotTheirs>,
    said: Said,
    wills: Wills,
}

impl Shared {
    /// In the log, in a note of `/readyz` and with that in heartbeats.
    fn say_too_large(&self, topic: &str, bytes: usize) {
        let count = self.too_large.fetch_add(1, Ordering::Relaxed) + 1;
        let shown: String = topic.chars().take(200).collect();
        let note =
            format!("messages too large to be read: {count}; the last of {bytes} bytes on {shown}");
        self.readiness.note(SET_ASIDE, &note);
        if let Some(more) = lock(&self.said.too_large).say() {
            tracing::warn!(topic, bytes, more, "intake: a message that is too large is set aside");
        }
    }

    /// Whose word a user's message is.
    fn speaker<'s>(&'s self, user: Option<&'s str>) -> Speaker<'s> {
        // Who was let in stands in the file.
        match user.and_then(|name| Some((name, self.users.get(name)?))) {
            Some((name, user)) => Speaker::User { name, grants: &user.grants },
            None => Speaker::Anybody,
        }
    }

    /// Whether a message of this user shows that the listed device of this name is there: it is
    /// bound to him, or to nobody.
    fn shows(&self, codecs: &Codecs, user: Option<&str>, name: &str) -> bool {
        let Some(id) = codecs.listed_id(name) else { return false };
        let own = user.and_then(|name| Some((name, &self.users.get(name)?.grants)));
        match own.and_then(|(name, grants)| rights::is_bound_to(codecs, name, grants, &id)) {
            Some(own) => own,
            None => !codecs.has_owner(&id) && !self.is_bound_by_file(codecs, &id),
        }
    }

    /// The names of the devices that he is bound to.
    fn bound_to(&self, codecs: &Codecs, user: Option<&str>) -> Vec<String> {
        let own = user.and_then(|name| Some((name, &self.users.get(name)?.grants)));
        let devices = own.and_then(|(name, grants)| rights::bound(codecs, name, grants));
        devices.into_iter().flatten().map(|id| id.to_string()).collect()
    }

    fn is_bound_by_file(&self, codecs: &Codecs, id: &SourceId) -> bool {
        let mut named = self.users.values().flat_map(|user| &user.grants.devices);
        named.any(|name| codecs.listed_id(name).as_ref() == Some(id))
    }

    /// In the log and in a note of `/readyz`.
    fn say_not_theirs(&self, why: Option<String>) {
        if let Some(why) = why {
            lock(&self.not_theirs).tell(&self.readiness, NOT_THEIRS, &why);
        }
    }

    fn closed(&self, peer: SocketAddr, reason: &str) {
        self.meter.add(Metric::SignalsRefused, "intake", 1);
        if let Some(more) = lock(&self.said.closed).say() {
            tracing::warn!(%peer, reason, more, "intake: connection closed");
        }
    }
}

/// A bound listener that nobody serves yet.
pub struct Intake {
    listener: Arc<TcpListener>,
    tls: Option<ServerTls>,
    shared: Arc<Shared>,
    connections_max: Option<usize>,
    readiness: Readiness,
}

/// What an intake is given.
pub struct Given {
    pub dialects: Dialects,
    pub envelopes: mpsc::Sender<Envelope>,
    pub clock: Arc<dyn Clock>,
    pub meter: Arc<dyn Meter>,
    pub readiness: Readiness,
}

impl Intake {
    /// The error names the address, or the file of users and its line.
    pub async fn bind(config: &Config, given: Given) -> Result<Self, String> {
        let listener = TcpListener::bind(config.listen)
            .await
            .map_err(|error| format!("intake: cannot listen on {}: {error}", config.listen))?;
        Self::on(Arc::new(listener), config, given)
    }

    /// As [`Self::bind`], on a listener that is there: another intake may serve it until now.
    pub fn on(listener: Arc<TcpListener>, config: &Config, given: Given) -> Result<Self, String> {
        let users = config.users_file.as_deref().map(users::read).transpose()?.unwrap_or_default();
        let tls = config.tls().server().map_err(|reason| format!("intake: {reason}"))?;
        let Given { dialects, envelopes, clock, meter, readiness } = given;
        let shared = Shared {
            dialects,
            limiter: Limiter::default(),
            users,
            anonymous: config.allow_anonymous,
            envelopes,
            clock,
            meter,
            guests: Arc::default(),
            readiness: readiness.clone(),
            too_large: AtomicU64::new(0),
            not_theirs: Mutex::default(),
            said: Said::default(),
            wills: Wills::default(),
        };
        let connections_max = config.connections_max;
        Ok(Self { listener, tls, shared: Arc::new(shared), connections_max, readiness })
    }

    pub fn listener(&self) -> Arc<TcpListener> {
        self.listener.clone()
    }

    /// Connections at once: as the list of devices is now.
    fn most(&self) -> usize {
        let listed = self.shared.dialects.borrow().listed();
        let wanted = self.connections_max.unwrap_or(CONNECTIONS_MIN.max(listed + CONNECTIONS_MORE));
        handles::at_most(wanted, HANDLES_PERCENT)
    }

    /// Accepts until told to stop. Who is sent away for want of room, or not let in, is counted.
    pub async fn serve(self, mut stop: watch::Receiver<bool>) {
        self.say_open();
        let mut full = false;
        let mut look = tokio::time::interval(ROOM_AGAIN);
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                _ = look.tick(), if full => {
                    if !self.shared.guests.was_crowded() {
                        full = false;
                        self.say_full(None).await;
                    }
                    continue;
                }
                () = stopped(&mut stop) => break,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of file descriptors, perhaps: the next try must not spin.
                    if let Some(more) = lock(&self.shared.said.failed).say() {
                        tracing::error!(%error, more, "intake: a connection cannot be accepted");
                    }
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let most = self.most();
            let strangers = STRANGERS_MIN.max(self.shared.dialects.borrow().listed());
            let guest = self.shared.guests.admit(peer.ip(), most, strangers);
            if !full && self.shared.guests.was_crowded() {
                full = true;
                look.reset();
                self.say_full(Some(most)).await;
            }
            match guest {
                Some(guest) => self.begin(stream, peer, guest, stop.clone()),
                None => {
                    self.shared.meter.add(Metric::SignalsRefused, "intake", 1);
                    if let Some(more) = lock(&self.shared.said.full).say() {
                        tracing::warn!(%peer, most, more, "intake: too many connections; closed");
                    }
                }
            }
        }
        for part in [SET_ASIDE, NOT_THEIRS] {
            self.readiness.clear(part);
        }
        if full {
            self.say_full(None).await;
        }
    }

    /// What `allow_anonymous` opens: in the log, and in `notes` where others have names or can reach it.
    fn say_open(&self) {
        self.readiness.clear(OPEN);
        if !self.shared.anonymous {
            return;
        }
        let text = "allow_anonymous: whoever reaches it may press for every listed button, take calls back, answer cases and order postures";
        tracing::info!("intake: {text}");
        let here = self.listener.local_addr();
        if !self.shared.users.is_empty() || here.is_ok_and(|here| !here.ip().is_loopback()) {
            self.readiness.note(OPEN, text);
        }
    }

    /// In `/readyz` and as an incident; `None`: there is room again.
    async fn say_full(&self, most: Option<usize>) {
        let text = match most {
            Some(most) => {
                let text = format!(
                    "full: all {most} connections are taken; strangers and unlisted devices are sent away"
                );
                tracing::warn!("intake: {text}");
                self.readiness.not_ready("intake", &text);
                text
            }
            None => {
                tracing::info!("intake: there is room again");
                self.readiness.clear("intake");
                "there is room again".to_owned()
            }
        };
        let text = format!("intake: {text}");
        let fault = Fault { kind: Kind::DeviceFault, broken: most.is_some(), text };
        let now = self.shared.clock.now();
        let said = Observation::of_gateway("intake".into(), now, Body::Fault(fault));
        let _ = self.shared.envelopes.send(Envelope::unacknowledged(said)).await;
    }

    fn begin(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        mut guest: Guest,
        mut stop: watch::Receiver<bool>,
    ) {
        let (shared, tls) = (self.shared.clone(), self.tls.clone());
        tokio::spawn(async move {
            keep_alive(&stream);
            let ended = tokio::select! {
                ended = connection(stream, tls, &shared, peer, &mut guest) => ended,
                () = stopped(&mut stop) => return,
            };
            let Some((hello, will)) = ended else { return };
            // Who goes without a word leaves something to remember: there is room for so many.
            let room = shared.wills.room_for(&will);
            let held = room.is_none().then_some(guest);
            if held.is_none() && !will.delay.is_zero() {
                tokio::select! {
                    () = tokio::time::sleep(will.delay) => {}
                    () = stopped(&mut stop) => return,
                }
                if shared.guests.has(&hello.name(&peer.ip().to_string())) {
                    return;
                }
            }
            session::say_will(&shared, &hello, &will).await;
            drop((held, room));
        });
    }
}

/// The whole of one connection; the will of a device that went without a word.
async fn connection(
    stream: TcpStream,
    tls: Option<ServerTls>,
    shared: &Shared,
    peer: SocketAddr,
    guest: &mut Guest,
) -> Option<(connect::Hello, connect::Will)> {
    let stream = tokio::select! {
        stream = handshake(tls.as_ref(), stream) => stream,
        _ = guest.told_to_leave() => Err("its place was needed".to_owned()),
    };
    match stream {
        Ok(stream) => {
            let remains = session::run(stream, shared, peer.ip(), guest).await;
            if let Some(reason) = remains.reason {
                shared.closed(peer, &reason);
            }
            remains.will
        }
        Err(reason) => {
            shared.closed(peer, &reason);
            None
        }
    }
}

#[cfg(test)]
mod tests;
