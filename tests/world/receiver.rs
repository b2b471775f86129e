//! A real HTTP receiver: keeps every event it took, answers as the test says, deduplicates like the grid.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    path::Path,
    sync::{Arc, Mutex},
    time::Instant,
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

use super::{uploads::Uploads, wait_for};

/// Status and headers of an answer; status 0 is no answer at all, the request hangs.
pub(crate) type Said = (u16, Vec<(&'static str, String)>);

/// What to answer to an event that came with these headers.
type Answer = Box<dyn Fn(&Value, &HeaderMap) -> Said + Send + Sync>;

struct Inner {
    events: Mutex<Vec<Value>>,
    headers: Mutex<Vec<HeaderMap>>,
    answer: Mutex<Answer>,
    /// Kept apart: no test that counts events means these.
    heartbeats: Mutex<Vec<Value>>,
    /// Every event that came, taken or not: when, and its id.
    tries: Mutex<Vec<(Instant, String)>>,
    /// Emergencies, in the order in which their first revision came.
    opened: Mutex<Vec<String>>,
    arrived: Notify,
}

#[derive(Clone)]
pub(crate) struct Receiver {
    inner: Arc<Inner>,
    tls: Option<Arc<Mutex<TlsAcceptor>>>,
    pub(crate) uploads: Uploads,
    pub(crate) port: u16,
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
        Self::start_tls_with(acceptor(folder, "cert.pem", "key.pem", false)).await
    }

    pub(crate) async fn start_tls_with(acceptor: TlsAcceptor) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (mut receiver, app) = Self::app(&format!("https://localhost:{port}"));
        let acceptor = Arc::new(Mutex::new(acceptor));
        receiver.tls = Some(acceptor.clone());
        let listener = Tls { listener, acceptor };
        tokio::spawn(async move { axum::serve(listener, app).await });
        receiver
    }

    /// From the next connection on.
    pub(crate) fn renew(&self, acceptor: TlsAcceptor) {
        *self.tls.as_ref().unwrap().lock().unwrap() = acceptor;
    }

    fn app(base: &str) -> (Self, Router) {
        let inner = Arc::new(Inner {
            events: Mutex::default(),
            headers: Mutex::default(),
            answer: Mutex::new(Box::new(|_, _| (200, Vec::new()))),
            heartbeats: Mutex::default(),
            tries: Mutex::default(),
            opened: Mutex::default(),
            arrived: Notify::new(),
        });
        let uploads = Uploads::default();
        let app = Router::new()
            .route("/events", post(take))
            .with_state(inner.clone())
            .merge(uploads.routes());
        let port = base.rsplit(':').next().unwrap().parse().unwrap();
        (Self { inner, tls: None, uploads, port, url: format!("{base}/events") }, app)
    }

    /// From now on, answer so; events answered with other than 2xx are not kept.
    pub(crate) fn answer(&self, answer: impl Fn(&Value) -> u16 + Send + Sync + 'static) {
        self.answer_with(move |event, _| (answer(event), Vec::new()));
    }

    pub(crate) fn answer_with(
        &self,
        answer: impl Fn(&Value, &HeaderMap) -> Said + Send + Sync + 'static,
    ) {
        *self.inner.answer.lock().unwrap() = Box::new(answer);
    }

    pub(crate) fn heartbeats(&self) -> Vec<Value> {
        self.inner.heartbeats.lock().unwrap().clone()
    }

    /// When each event came that has this id, taken or not.
    pub(crate) fn tries(&self, id: &str) -> Vec<Instant> {
        let tries = self.inner.tries.lock().unwrap();
        tries.iter().filter(|(_, of)| of == id).map(|(at, _)| *at).collect()
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

async fn take(
    State(inner): State<Arc<Inner>>,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, HeaderMap) {
    let Ok(event) = serde_json::from_slice::<Value>(&body) else {
        return (StatusCode::BAD_REQUEST, HeaderMap::new());
    };
    if event["type"] == "io.gridpost.heartbeat.v1" {
        inner.heartbeats.lock().unwrap().push(event);
        return (StatusCode::OK, HeaderMap::new());
    }
    let id = event["id"].as_str().unwrap_or_default().to_owned();
    inner.tries.lock().unwrap().push((Instant::now(), id));
    let (code, said) = (inner.answer.lock().unwrap())(&event, &headers);
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
    let said =
        said.into_iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
    (StatusCode::from_u16(code).unwrap(), said.collect())
}

/// With these PEM files of the folder; `ask`: clients must show one that `ca.pem` signed.
pub(crate) fn acceptor(folder: &Path, cert: &str, key: &str, ask: bool) -> TlsAcceptor {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let certificates = |name: &str| -> Vec<CertificateDer<'static>> {
        CertificateDer::pem_file_iter(folder.join(name)).unwrap().map(Result::unwrap).collect()
    };
    let key = PrivateKeyDer::from_pem_file(folder.join(key)).unwrap();
    let builder = rustls::ServerConfig::builder();
    let builder = if ask {
        let mut roots = rustls::RootCertStore::empty();
        roots.add_parsable_certificates(certificates("ca.pem"));
        let verifier = rustls::server::WebPkiClientVerifier::builder(Arc::new(roots));
        builder.with_client_cert_verifier(verifier.build().unwrap())
    } else {
        builder.with_no_client_auth()
    };
    let config = builder.with_single_cert(certificates(cert), key).unwrap();
    TlsAcceptor::from(Arc::new(config))
}

struct Tls {
    listener: TcpListener,
    acceptor: Arc<Mutex<TlsAcceptor>>,
}

impl Listener for Tls {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (stream, peer) = self.listener.accept().await.unwrap();
            // A client that does not trust us goes away.
            let acceptor = self.acceptor.lock().unwrap().clone();
            if let Ok(stream) = acceptor.accept(stream).await {
                return (stream, peer);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}
