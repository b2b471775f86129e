//! The web's listener: plain, or TLS with each handshake in a task of its own, so that none holds up another.

use std::{net::SocketAddr, sync::Arc};

use axum::serve::Listener;
use tokio::{
    net::TcpListener,
    sync::{Semaphore, mpsc},
    task::JoinHandle,
};

use crate::wire::tls::{ServerTls, Wire, handshake};

/// Handshakes at once, and connections that wait to be served.
const CONNECTIONS_MAX: usize = 64;

/// Gives connections that are ready to speak HTTP.
pub(super) struct WebListener {
    address: SocketAddr,
    ready: mpsc::Receiver<(Box<dyn Wire>, SocketAddr)>,
    accepting: JoinHandle<()>,
}

impl WebListener {
    pub(super) fn open(
        listener: Arc<TcpListener>,
        tls: Option<ServerTls>,
    ) -> std::io::Result<Self> {
        let address = listener.local_addr()?;
        let (tell, ready) = mpsc::channel(CONNECTIONS_MAX);
        let handshakes = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let accepting = tokio::spawn(async move {
            loop {
                let Ok((stream, peer)) = listener.accept().await else {
                    // Out of file descriptors: the next try must not spin.
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                    continue;
                };
                let Ok(permit) = handshakes.clone().acquire_owned().await else { return };
                let (tell, tls) = (tell.clone(), tls.clone());
                tokio::spawn(async move {
                    let _permit = permit;
                    match handshake(tls.as_ref(), stream).await {
                        Ok(stream) => drop(tell.send((stream, peer)).await),
                        Err(reason) => tracing::debug!(%peer, reason, "web: connection closed"),
                    }
                });
            }
        });
        Ok(Self { address, ready, accepting })
    }
}

impl Listener for WebListener {
    type Io = Box<dyn Wire>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.ready.recv().await {
            Some(connection) => connection,
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        Ok(self.address)
    }
}

impl Drop for WebListener {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}
