//! The web's listener: plain or TLS; bounded in connections, time and bytes before anybody has shown the token.
//!
//! Each connection has a task of its own, its handshake too, so that none holds up another. Who has
//! not shown the token is a stranger: the oldest of them goes when there is no place left.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, body::Body};
use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};
use tower::ServiceExt;

use super::proxies::Proxies;
use crate::{
    base::{Rarely, Readiness, handles, stopped},
    wire::{
        guests::{Guest, GuestHandle, Guests},
        sockets::keep_alive,
        tls::{ServerTls, handshake},
    },
};

/// Connections at once.
const CONNECTIONS_MAX: usize = 256;
/// Of all handles that connections may have, percent.
const HANDLES_PERCENT: usize = 20;
/// Connections of one address that have not shown the token.
const STRANGERS_MAX: usize = 64;
/// A head must be there within this; an idle connection is closed after it as well.
const HEAD_WITHIN: Duration = Duration::from_secs(20);
/// One line of the log in so long for things of which there may be thousands.
const SAID_EVERY: Duration = Duration::from_secs(10);
/// A note that it was full is taken back when there was room for so long.
const ROOM_AGAIN: Duration = Duration::from_secs(15);
/// What is being answered at the stop has so long.
const STOP_WITHIN: Duration = Duration::from_secs(4);

/// How one door differs from another.
pub(super) struct DoorRules {
    /// In the log, and in `/readyz`.
    name: &'static str,
    connections_max: usize,
    handles_percent: usize,
    /// Connections of one address that nobody knows.
    strangers_max: usize,
    /// Whether an address may stand in the log.
    tells_addresses: bool,
}

impl DoorRules {
    /// Of the API.
    pub(super) fn web() -> Self {
        Self {
            name: "web",
            connections_max: CONNECTIONS_MAX,
            handles_percent: HANDLES_PERCENT,
            strangers_max: STRANGERS_MAX,
            tells_addresses: true,
        }
    }

    /// Of pages for who has a link: a phone each, or all behind one proxy that is not named.
    pub(super) fn links() -> Self {
        Self { name: "links", tells_addresses: false, ..Self::web() }
    }

    /// Of a page for everybody.
    pub(super) fn public(name: &'static str) -> Self {
        Self {
            name,
            connections_max: 128,
            handles_percent: 10,
            strangers_max: 16,
            tells_addresses: false,
        }
    }

    fn shown(&self, peer: SocketAddr) -> Option<tracing::field::DisplayValue<SocketAddr>> {
        self.tells_addresses.then(|| tracing::field::display(peer))
    }
}

/// The web on one socket.
pub(super) struct WebListener {
    pub(super) rules: DoorRules,
    pub(super) listener: Arc<TcpListener>,
    pub(super) tls: Option<ServerTls>,
    pub(super) app: Router,
    pub(super) readiness: Readiness,
    /// Whose word of who asks counts.
    pub(super) proxies: Arc<Proxies>,
}

impl WebListener {
    fn say_full(&self, most: usize) {
        let name = self.rules.name;
        let text = format!(
            "full: all {most} connections are taken; the oldest without a token are sent away"
        );
        tracing::warn!("{name}: {text}");
        self.readiness.note(name, &text);
    }

    /// Serves until told to stop; what is being answered then is answered.
    pub(super) async fn serve(self, mut stop: watch::Receiver<bool>) {
        let guests = Arc::new(Guests::default());
        let name = self.rules.name;
        let (mut failed, mut refused) = (Rarely::every(SAID_EVERY), Rarely::every(SAID_EVERY));
        let mut connections = JoinSet::new();
        let mut full = false;
        let mut look = tokio::time::interval(ROOM_AGAIN);
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                Some(_) = connections.join_next() => continue,
                _ = look.tick(), if full => {
                    full = guests.was_crowded();
                    if !full {
                        self.readiness.clear(name);
                    }
                    continue;
                }
                () = stopped(&mut stop) => break,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of file descriptors, perhaps: the next try must not spin.
                    if let Some(more) = failed.say() {
                        tracing::error!(%error, more, "{name}: a connection cannot be accepted");
                    }
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let most = handles::at_most(self.rules.connections_max, self.rules.handles_percent);
            // Each request of a proxy says whose it is; before that it is nobody's.
            let by_proxy = self.proxies.has(peer.ip());
            let share = if by_proxy { most } else { self.rules.strangers_max };
            let guest = guests.admit(peer.ip(), most, share);
            if !full && guests.was_crowded() {
                full = true;
                look.reset();
                self.say_full(most);
            }
            match guest {
                Some(guest) => {
                    let (tls, app) = (self.tls.clone(), self.app.clone());
                    let shown = self.rules.shown(peer);
                    let way = Way {
                        peer,
                        proxies: self.proxies.clone(),
                        share: self.rules.strangers_max,
                    };
                    let served = connection(stream, way, tls, app, guest, stop.clone());
                    connections.spawn(async move {
                        if let Err(reason) = served.await {
                            tracing::debug!(peer = shown, reason, "{name}: connection closed");
                        }
                    });
                }
                None => {
                    if let Some(more) = refused.say() {
                        let peer = self.rules.shown(peer);
                        tracing::warn!(peer, most, more, "{name}: too many connections; closed");
                    }
                }
            }
        }
        self.readiness.clear(name);
        let all = async { while connections.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(STOP_WITHIN, all).await;
    }
}

/// How requests of one connection come.
#[derive(Clone)]
struct Way {
    peer: SocketAddr,
    proxies: Arc<Proxies>,
    /// Connections of one address that nobody knows.
    share: usize,
}

impl Way {
    /// Whose this request is, for its handler and for the places of the door.
    fn mark(&self, request: &mut Request<Body>, guest: &GuestHandle) {
        let arrival = self.proxies.arrival(self.peer, request.headers());
        if self.proxies.has(self.peer.ip()) {
            guest.comes_from(arrival.from.ip(), self.share);
        }
        request.extensions_mut().insert(arrival.from);
        request.extensions_mut().insert(arrival);
    }
}

async fn connection(
    stream: TcpStream,
    way: Way,
    tls: Option<ServerTls>,
    app: Router,
    mut guest: Guest,
    mut stop: watch::Receiver<bool>,
) -> Result<(), String> {
    keep_alive(&stream);
    let stream = tokio::select! {
        stream = handshake(tls.as_ref(), stream) => stream?,
        _ = guest.told_to_leave() => return Ok(()),
        () = stopped(&mut stop) => return Ok(()),
    };
    let handle = guest.handle();
    let answer = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        way.mark(&mut request, &handle);
        request.extensions_mut().insert(handle.clone());
        app.clone().oneshot(request)
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_WITHIN);
    let mut served =
        std::pin::pin!(builder.serve_connection(TokioIo::new(stream), answer).with_upgrades());
    let mut stopping = false;
    loop {
        tokio::select! {
            ended = served.as_mut() => {
                return ended.map_err(|error| error.to_string());
            }
            _ = guest.told_to_leave() => return Ok(()),
            () = stopped(&mut stop), if !stopping => {
                stopping = true;
                served.as_mut().graceful_shutdown();
            }
        }
    }
}
