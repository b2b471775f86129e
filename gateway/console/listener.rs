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

use crate::{
    base::{Rarely, Readiness, handles, stopped},
    wire::{
        guests::{Guest, Guests},
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

/// The web on one socket.
pub(super) struct WebListener {
    pub(super) listener: Arc<TcpListener>,
    pub(super) tls: Option<ServerTls>,
    pub(super) app: Router,
    pub(super) readiness: Readiness,
}

impl WebListener {
    /// Serves until told to stop; what is being answered then is answered.
    pub(super) async fn serve(self, mut stop: watch::Receiver<bool>) {
        let guests = Arc::new(Guests::default());
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
                        self.readiness.clear("web");
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
                        tracing::error!(%error, more, "web: a connection cannot be accepted");
                    }
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let most = handles::at_most(CONNECTIONS_MAX, HANDLES_PERCENT);
            let guest = guests.admit(peer.ip(), most, STRANGERS_MAX);
            if !full && guests.was_crowded() {
                full = true;
                look.reset();
                let text = format!(
                    "full: all {most} connections are taken; the oldest without a token are sent away"
                );
                tracing::warn!("web: {text}");
                self.readiness.note("web", &text);
            }
            match guest {
                Some(guest) => {
                    let (tls, app) = (self.tls.clone(), self.app.clone());
                    connections.spawn(connection(stream, peer, tls, app, guest, stop.clone()));
                }
                None => {
                    if let Some(more) = refused.say() {
                        tracing::warn!(%peer, most, more, "web: too many connections; closed");
                    }
                }
            }
        }
        self.readiness.clear("web");
        let all = async { while connections.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(STOP_WITHIN, all).await;
    }
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    tls: Option<ServerTls>,
    app: Router,
    mut guest: Guest,
    mut stop: watch::Receiver<bool>,
) {
    keep_alive(&stream);
    let stream = tokio::select! {
        stream = handshake(tls.as_ref(), stream) => stream,
        _ = guest.told_to_leave() => return,
        () = stopped(&mut stop) => return,
    };
    let stream = match stream {
        Ok(stream) => stream,
        Err(reason) => return tracing::debug!(%peer, reason, "web: connection closed"),
    };
    let handle = guest.handle();
    let answer = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(handle.clone());
        request.extensions_mut().insert(peer);
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
                if let Err(error) = ended {
                    tracing::debug!(%peer, %error, "web: connection closed");
                }
                return;
            }
            _ = guest.told_to_leave() => return,
            () = stopped(&mut stop), if !stopping => {
                stopping = true;
                served.as_mut().graceful_shutdown();
            }
        }
    }
}
