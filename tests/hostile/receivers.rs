//! Receivers that lie: answers without end, redirects, delays of centuries. Each costs its own sink alone.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use crate::world::{Button, Gateway, Receiver, Site, is_of, wait_for};

type Answers = fn(&mut TcpStream) -> std::io::Result<()>;

/// Names of sinks, and what each answers to whatever it is asked.
const LIARS: &[(&str, Answers)] = &[
    ("endless-head", |to| {
        to.write_all(b"HTTP/1.1 200 OK\r\n")?;
        let line = format!("X: {}\r\n", "y".repeat(1_000));
        (0..50_000).try_for_each(|_| to.write_all(line.as_bytes()))
    }),
    ("endless-body", |to| {
        to.write_all(b"HTTP/1.1 500 no\r\nTransfer-Encoding: chunked\r\n\r\n")?;
        let part = format!("100000\r\n{}\r\n", "z".repeat(1 << 20));
        (0..100).try_for_each(|_| to.write_all(part.as_bytes()))
    }),
    ("endless-thanks", |to| {
        to.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
        let part = format!("100000\r\n{}\r\n", "z".repeat(1 << 20));
        (0..100).try_for_each(|_| to.write_all(part.as_bytes()))
    }),
    ("drip", |to| {
        to.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")?;
        (0..60).try_for_each(|_| {
            thread::sleep(Duration::from_millis(500));
            to.write_all(b"a")
        })
    }),
    ("elsewhere", |to| {
        to.write_all(b"HTTP/1.1 302 F\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n")
    }),
    ("forger", |to| {
        let text = "\u{1b}[31mRED\u{1b}[2J\n2026-01-01 ERROR forged by a receiver \u{202e} rtl";
        let length = text.len();
        to.write_all(format!("HTTP/1.1 422 x\r\nContent-Length: {length}\r\n\r\n{text}").as_bytes())
    }),
    ("continues", |to| {
        let all = b"HTTP/1.1 100 Continue\r\n\r\n".repeat(100);
        (0..10_000).try_for_each(|_| to.write_all(&all))
    }),
    ("centuries", |to| {
        to.write_all(
            b"HTTP/1.1 503 x\r\nRetry-After: 999999999999999999999\r\nContent-Length: 0\r\n\r\n",
        )
    }),
];

/// Its address, and how often it was asked.
fn start(answers: Answers) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/e", listener.local_addr().unwrap());
    let asked = Arc::new(AtomicUsize::new(0));
    let counts = asked.clone();
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            counts.fetch_add(1, Ordering::Relaxed);
            thread::spawn(move || {
                let _ = stream.set_write_timeout(Some(Duration::from_secs(20)));
                if stream.read(&mut [0; 65_536]).is_ok() {
                    let _ = answers(&mut stream);
                }
            });
        }
    });
    (url, asked)
}

/// Attack 46.
#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_lies_costs_its_own_sink_alone() {
    let receiver = Receiver::start().await;
    let mut site = Site::demo().button("btn-1").http(&receiver);
    let mut liars = Vec::new();
    for (name, answers) in LIARS {
        let (url, asked) = start(*answers);
        site = site.http_sink(name, url).set("timeout_s", 3);
        liars.push(asked);
    }
    let mut gateway = Gateway::start(&site).await;
    let mut button = Button::new("btn-1", gateway.intake.unwrap());
    button.press("btn-0", 1).await;
    wait_for("each liar to be asked", || {
        let all = liars.iter().all(|asked| asked.load(Ordering::Relaxed) > 0);
        async move { all.then_some(()) }
    })
    .await;
    button.press("btn-1", 1).await;
    receiver.wait("the press", |data| is_of(data, "emergency-button", "btn-1")).await;
    let memory = gateway.metric("gridpost_memory_bytes").await;
    assert!(memory < 250e6, "{memory}");
    let log = gateway.log();
    assert!(!log.contains(['\u{1b}', '\u{202e}']), "raw bytes of a receiver");
    assert!(!log.lines().any(|line| line.starts_with("2026-01-01 ERROR")), "a line is forged");
    assert!(!log.contains("root:"), "a file of this machine was read");
    let listed = gateway.store(&["list"]);
    assert!(!listed.contains('\u{1b}'), "{listed}");
    gateway.must_stop_sound().await;
}
