//! A receiver so light that it is not what is measured: HTTP/1.1 on a thread of its own, answers 200 and counts.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

#[derive(Default)]
struct Inner {
    received: AtomicUsize,
    /// One body, for the bare client to send the same bytes.
    body: Mutex<Vec<u8>>,
    /// When so many had arrived.
    marks: Mutex<Vec<(usize, Instant)>>,
}

#[derive(Clone)]
pub(crate) struct LightReceiver {
    inner: Arc<Inner>,
    address: SocketAddr,
}

/// A time is noted at every so many.
const MARK_EVERY: usize = 1_000;

impl LightReceiver {
    pub(crate) fn start() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let inner = Arc::new(Inner::default());
        let shared = inner.clone();
        std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = TcpListener::from_std(listener).unwrap();
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    tokio::spawn(serve(stream, shared.clone()));
                }
            });
        });
        Self { inner, address }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/events", self.address)
    }

    pub(crate) fn body(&self) -> Vec<u8> {
        self.inner.body.lock().unwrap().clone()
    }

    /// Events a second between the first mark and the last.
    pub(crate) fn rate(&self) -> f64 {
        let marks = self.inner.marks.lock().unwrap();
        let (&(from, began), &(to, ended)) = (marks.first().unwrap(), marks.last().unwrap());
        (to - from) as f64 / ended.duration_since(began).as_secs_f64()
    }
}

async fn serve(mut stream: TcpStream, inner: Arc<Inner>) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = Vec::with_capacity(16 * 1024);
    loop {
        let head = loop {
            if let Some(at) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            if stream.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        };
        let text = String::from_utf8_lossy(&buffer[..head]).to_lowercase();
        let length = text.split("content-length:").nth(1).and_then(|rest| rest.lines().next());
        let length: usize = length.and_then(|length| length.trim().parse().ok()).unwrap_or(0);
        while buffer.len() < head + length {
            if stream.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        }
        stream.write_all(ANSWER).await?;
        let received = inner.received.fetch_add(1, Ordering::Relaxed) + 1;
        if received.is_multiple_of(MARK_EVERY) {
            inner.marks.lock().unwrap().push((received, Instant::now()));
            *inner.body.lock().unwrap() = buffer[head..head + length].to_vec();
        }
        buffer.drain(..head + length);
    }
}
