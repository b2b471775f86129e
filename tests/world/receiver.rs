//! A real HTTP receiver: keeps every event it took, answers as the test says, deduplicates like the grid.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    path::Path,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
    serve::Listener,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use serde_json::Value;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Notify,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::wait_for;

/// What to answer to an event; 0 is no answer at all, the request hangs.
pub(crate) type Answer = Box<dyn Fn(&Value) -> u16 + Send + Sync>;

struct Inner {
    events: Mutex<Vec<Value>>,
    headers: Mutex<Vec<HeaderMap>>,
    answer: Mutex<Answer>,
    /// Emergencies, in the order in which their first revision came.
    opened: Mutex<Vec<String>>,
    arrived: Notify,
}

#[derive(Clone)]
pub(crate) struct Receiver {
    inner: Arc<Inner>,
    pub(crate) url: String,
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        Self::start_at(0).await
    }

    /// At this port, which is known before there is a receiver.
    pub(crate) async fn start_at(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (receiver, app) = Self::app(&format!("http://{address}"));
        tokio::spawn(async move { axum::serve(listener, app).await });
        receiver
    }

    /// Over TLS, with `cert.pem` and `key.pem` of this folder.
    pub(crate) async fn start_tls(folder: &Path) -> Self {
        let pem = |name: &str| folder.join(name);
        let certificates = CertificateDer::pem_file_iter(pem("cert.pem")).unwrap();
        let key = PrivateKeyDer::from_pem_file(pem("key.pem")).unwrap();
        let _ = rustls::crypto::ring::default_provider().install_default();
        let config = rustls::ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(certificates.map(Result::unwrap).collect(), key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (receiver, app) = Self::app(&format!("https://localhost:{port}"));
        let listener = Tls { listener, acceptor };
        tokio::spawn(async move { axum::serve(listener, app).await });
        receiver
    }

    fn app(base: &str) -> (Self, Router) {
        let inner = Arc::new(Inner {
            events: Mutex::default(),
            headers: Mutex::default(),
            answer: Mutex::new(Box::new(|_| 200)),
            opened: Mutex::default(),
            arrived: Notify::new(),
        });
        let app = Router::new().route("/events", post(take)).with_state(inner.clone());
        (Self { inner, url: format!("{base}/events") }, app)
    }

    /// From now on, answer so; events answered with other than 2xx are not kept.
    pub(crate) fn answer(&self, answer: impl Fn(&Value) -> u16 + Send + Sync + 'static) {
        *self.inner.answer.lock().unwrap() = Box::new(answer);
    }

    pub(crate) fn events(&self) -> Vec<Value> {
        self.inner.events.lock().unwrap().clone()
    }

    /// The incident that was the nth to be opened; waits for it for as long as it takes.
    pub(crate) async fn opened(&self, n: usize) -> String {
        loop {
            let arrived = self.inner.arrived.notified();
            if let Some(id) = self.inner.opened.lock().unwrap().get(n) {
                return id.clone();
            }
            arrived.await;
        }
    }

    /// Sources of all incidents so far.
    pub(crate) fn sources(&self) -> BTreeSet<String> {
        let events = self.inner.events.lock().unwrap();
        let source = |event: &Value| event["data"]["sources"][0]["id"].as_str().map(str::to_owned);
        events.iter().filter_map(source).collect()
    }

    pub(crate) fn headers(&self) -> Vec<HeaderMap> {
        self.inner.headers.lock().unwrap().clone()
    }

    /// The highest revision of each incident: what the grid knows in effect.
    pub(crate) fn state(&self) -> BTreeMap<String, Value> {
        let mut state: BTreeMap<String, Value> = BTreeMap::new();
        for event in self.events() {
            let data = &event["data"];
            let id = data["incident"].as_str().unwrap().to_owned();
            let newer = state
                .get(&id)
                .is_none_or(|old| old["revision"].as_u64() < data["revision"].as_u64());
            if newer {
                state.insert(id, data.clone());
            }
        }
        state
    }

    /// Waits for an event whose data fulfils a condition.
    pub(crate) async fn wait(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        wait_for(what, || {
            let found = self.events().into_iter().find(|event| wanted(&event["data"]));
            async move { found }
        })
        .await
    }
}

async fn take(State(inner): State<Arc<Inner>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let Ok(event) = serde_json::from_slice::<Value>(&body) else {
        return StatusCode::BAD_REQUEST;
    };
    let code = (inner.answer.lock().unwrap())(&event);
    if code == 0 {
        return std::future::pending().await;
    }
    if (200..300).contains(&code) {
        let data = &event["data"];
        if data["revision"] == 1 && data["kind"] == "emergency-button" {
            let id = data["incident"].as_str().unwrap_or_default().to_owned();
            inner.opened.lock().unwrap().push(id);
            inner.arrived.notify_waiters();
        }
        inner.events.lock().unwrap().push(event);
        inner.headers.lock().unwrap().push(headers);
    }
    StatusCode::from_u16(code).unwrap()
}

struct Tls {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl Listener for Tls {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (stream, peer) = self.listener.accept().await.unwrap();
            // A client that does not trust us goes away.
            if let Ok(stream) = self.acceptor.accept(stream).await {
                return (stream, peer);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}
