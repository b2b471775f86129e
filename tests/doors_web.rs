//! The web as a door: slow, mute and many visitors take nothing from those who have the token.

use std::time::{Duration, Instant};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::world::{Gateway, Site};

fn address(gateway: &Gateway) -> String {
    gateway.web.trim_start_matches("http://").to_owned()
}

/// Until the gateway closes it, what it said.
async fn rest(mut stream: TcpStream) -> String {
    let mut said = Vec::new();
    let read = timeout(Duration::from_secs(60), stream.read_to_end(&mut said)).await;
    assert!(read.is_ok(), "still open after a minute");
    String::from_utf8_lossy(&said).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn half_heads_and_half_bodies_are_closed_in_time() {
    let gateway = Gateway::start(Site::demo()).await;
    let mut heads = Vec::new();
    for n in 0..20 {
        let mut stream = TcpStream::connect(address(&gateway)).await.unwrap();
        if n > 0 {
            stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-a: ").await.unwrap();
        }
        heads.push(tokio::spawn(rest(stream)));
    }
    let mut body = TcpStream::connect(address(&gateway)).await.unwrap();
    let head = format!(
        "POST /api/v1/replies HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Length: 60000\r\n\r\n{{",
        gateway.token
    );
    body.write_all(head.as_bytes()).await.unwrap();
    let mut said = vec![0; 4096];
    let n = timeout(Duration::from_secs(60), body.read(&mut said)).await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&said[..n]).into_owned();
    assert!(said.starts_with("HTTP/1.1 408"), "{said}");
    for head in heads {
        head.await.unwrap();
    }
    let large = "x".repeat(70_000);
    let (status, _) = gateway.post("/api/v1/replies", &serde_json::json!(large)).await;
    assert_eq!(status, 413);
}

#[tokio::test(flavor = "multi_thread")]
async fn mute_visitors_do_not_keep_others_out() {
    let gateway = Gateway::start(Site::demo()).await;
    let mut mute = Vec::new();
    for _ in 0..600 {
        mute.push(TcpStream::connect(address(&gateway)).await.unwrap());
    }
    let began = Instant::now();
    for _ in 0..5 {
        let (status, _) = gateway.get("/readyz").await;
        assert_eq!(status, 200);
        gateway.press("btn", "1");
    }
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    // At most the share of one address is held.
    let held = std::fs::read_dir(format!("/proc/{}/fd", gateway.pid())).unwrap().count();
    assert!(held < 250, "{held} handles");
}
