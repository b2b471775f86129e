//! The web as a door: slow, mute and many visitors take nothing from those who have the token.

use std::time::{Duration, Instant};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::world::{Gateway, Platform, Site, Tongue, http};

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

/// Who writes ten megabytes hears why it is too much, and not that the connection broke.
#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_far_too_large_is_read_to_its_end_and_answered() {
    let platform = Platform::start(Tongue::Docking).await;
    let gateway = Gateway::start(platform.site()).await;
    let token = std::fs::read_to_string(gateway.data().join("platforms/district.token")).unwrap();
    for (path, token) in [("replies", gateway.token.as_str()), ("platform/district", token.trim())]
    {
        for bytes in [64 * 1024 + 1, 10_000_000, 16_000_000] {
            let url = format!("{}/api/v1/{path}", gateway.web);
            let sent = http().post(url).bearer_auth(token).body("x".repeat(bytes)).send().await;
            let answer = sent.unwrap_or_else(|error| panic!("{path} {bytes}: {error:?}"));
            assert_eq!(answer.status().as_u16(), 413, "{path} {bytes}");
            assert!(answer.text().await.unwrap().contains("at most 65536 bytes"), "{path}");
        }
    }
    gateway.press("btn-1", "p1");
    platform.has(1).await;
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
