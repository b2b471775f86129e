//! The built-in MQTT listener: a device straight at the gateway; its PUBACK is given after the fsync.

mod session;

use std::{
    collections::HashMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::{
    net::TcpListener,
    sync::{Semaphore, mpsc, watch},
};

use crate::{
    domain::{Clock, Envelope, Meter, Metric},
    sources::{Dialects, limit::Limiter},
    wire::{
        file_stamp::missing,
        tls::{ListenKeys, ServerTls, Wire, handshake},
    },
};

/// `[intake]`: where devices connect without a broker.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Address and port; default `127.0.0.1:1883`. Beyond loopback only with `users_file` or
    /// `allow_anonymous = true`.
    #[serde(default = "listen")]
    pub listen: SocketAddr,
    /// File of `name:password` lines.
    #[serde(default)]
    pub users_file: Option<PathBuf>,
    /// Lets devices in without a name. Default false; on loopback without users it is needed too.
    #[serde(default)]
    pub allow_anonymous: bool,
    /// PEM of the certificate chain; with it the listener speaks TLS only. Read at each
    /// handshake, so that a renewed one is used.
    #[serde(default)]
    pub tls_cert_file: Option<PathBuf>,
    /// PEM of its private key.
    #[serde(default)]
    pub tls_key_file: Option<PathBuf>,
    /// Connections at once. Default 512.
    #[serde(default = "connections_max")]
    pub connections_max: usize,
}

fn listen() -> SocketAddr {
    ([127, 0, 0, 1], 1883).into()
}

fn connections_max() -> usize {
    512
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
        let users = self.users_file.as_ref().filter(|path| path.is_file());
        if let Some(Err(error)) = users.map(read_users) {
            problems.push(("users_file", error));
        }
        problems
    }

    /// Warnings as (key, message). `run` refuses to open the intake without its users.
    pub fn warnings(&self) -> Vec<(&'static str, String)> {
        missing("users_file", self.users_file.as_deref()).into_iter().collect()
    }

    fn tls(&self) -> ListenKeys<'_> {
        ListenKeys { cert_file: &self.tls_cert_file, key_file: &self.tls_key_file }
    }
}

/// Name → password.
type Users = HashMap<String, String>;

fn read_users(path: &PathBuf) -> Result<Users, String> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("{}: cannot be read: {error}", path.display()))?;
    parse_users(path, &text)
}

fn parse_users(path: &Path, text: &str) -> Result<Users, String> {
    text.lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'))
        .map(|(number, line)| {
            let pair = line.trim().split_once(':').filter(|(name, _)| !name.is_empty());
            pair.map(|(name, password)| (name.to_owned(), password.to_owned()))
                .ok_or_else(|| format!("{}:{}: expected name:password", path.display(), number + 1))
        })
        .collect()
}

/// How many users a text names, for the fuzzer.
#[doc(hidden)]
pub fn fuzz_users(text: &str) -> Result<usize, String> {
    parse_users(Path::new("users"), text).map(|users| users.len())
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
    let (users, limiter) = (Users::new(), Limiter::default());
    let shared = Shared { dialects, limiter, users, anonymous: true, envelopes, clock, meter };
    session::run(Box::new(stream), &shared).await
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
}

/// A bound listener that nobody serves yet.
pub struct Intake {
    listener: Arc<TcpListener>,
    tls: Option<ServerTls>,
    shared: Arc<Shared>,
    connections: Arc<Semaphore>,
}

impl Intake {
    /// The error names the address, or the file of users and its line.
    pub async fn bind(
        config: &Config,
        dialects: Dialects,
        envelopes: mpsc::Sender<Envelope>,
        clock: Arc<dyn Clock>,
        meter: Arc<dyn Meter>,
    ) -> Result<Self, String> {
        let listener = TcpListener::bind(config.listen)
            .await
            .map_err(|error| format!("intake: cannot listen on {}: {error}", config.listen))?;
        Self::on(Arc::new(listener), config, dialects, envelopes, clock, meter)
    }

    /// As [`Self::bind`], on a listener that is there: another intake may serve it until now.
    pub fn on(
        listener: Arc<TcpListener>,
        config: &Config,
        dialects: Dialects,
        envelopes: mpsc::Sender<Envelope>,
        clock: Arc<dyn Clock>,
        meter: Arc<dyn Meter>,
    ) -> Result<Self, String> {
        let users = config.users_file.as_ref().map(read_users).transpose()?.unwrap_or_default();
        let tls = config.tls().server().map_err(|reason| format!("intake: {reason}"))?;
        let anonymous = config.allow_anonymous;
        Ok(Self {
            listener,
            tls,
            shared: Arc::new(Shared {
                dialects,
                limiter: Limiter::default(),
                users,
                anonymous,
                envelopes,
                clock,
                meter,
            }),
            connections: Arc::new(Semaphore::new(config.connections_max)),
        })
    }

    pub fn listener(&self) -> Arc<TcpListener> {
        self.listener.clone()
    }

    /// Accepts until told to stop; connections beyond the bound are closed at once and counted.
    pub async fn serve(self, mut stop: watch::Receiver<bool>) {
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                _ = stop.wait_for(|stop| *stop) => return,
            };
            let Ok((stream, peer)) = accepted else {
                // Out of file descriptors: the next try must not spin.
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                continue;
            };
            let Ok(permit) = self.connections.clone().try_acquire_owned() else {
                self.shared.meter.add(Metric::SignalsRefused, "intake", 1);
                tracing::warn!(%peer, "intake: too many connections; closed");
                continue;
            };
            let (shared, tls, mut stop) = (self.shared.clone(), self.tls.clone(), stop.clone());
            tokio::spawn(async move {
                let _permit = permit;
                tokio::select! {
                    ended = async { session::run(handshake(tls.as_ref(), stream).await?, &shared).await } => {
                        if let Err(reason) = ended {
                            shared.meter.add(Metric::SignalsRefused, "intake", 1);
                            tracing::warn!(%peer, reason, "intake: connection closed");
                        }
                    }
                    _ = stop.wait_for(|stop| *stop) => {}
                }
            });
        }
    }
}
