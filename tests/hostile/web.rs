//! The web in raw bytes: requests that mean two things, bodies without end, paths out of the folder, and who looked.

use std::{
    fs,
    io::{Read, Write},
    net::{Shutdown, TcpStream},
    time::{Duration, Instant},
};

use crate::world::{
    Gateway, Receiver, Site, certificates, env_number, has_snapshot_and_clip, http, street,
};

/// Everything that is answered to these bytes until the gateway closes, or says nothing for a second.
fn answers(gateway: &Gateway, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(gateway.web.trim_start_matches("http://")).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    let _ = stream.write_all(bytes);
    let (mut said, mut buffer) = (Vec::new(), [0; 65_536]);
    while let Ok(bytes @ 1..) = stream.read(&mut buffer) {
        said.extend_from_slice(&buffer[..bytes]);
    }
    let _ = stream.shutdown(Shutdown::Both);
    String::from_utf8_lossy(&said).into_owned()
}

fn statuses(text: &str) -> Vec<u16> {
    let lines = text.split("HTTP/1.1 ").skip(1);
    lines.filter_map(|line| line.get(..3)?.parse().ok()).collect()
}

/// Attack 44.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_means_two_things_is_refused_and_hides_no_other() {
    let gateway = Gateway::start(Site::demo()).await;
    let hidden = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n";
    let head = |more: &str| format!("POST /api/v1/replies HTTP/1.1\r\nHost: x\r\n{more}\r\n");
    let ambiguous = [
        head("Content-Length: 5\r\nContent-Length: 6\r\n") + "12345" + hidden,
        head("Content-Length: +5\r\n") + "12345" + hidden,
        head("Content-Length: 5, 6\r\n") + "12345" + hidden,
        head("Content-Length: 0x5\r\n") + "12345" + hidden,
        head("Transfer-Encoding : chunked\r\n") + "0\r\n\r\n" + hidden,
        head("Transfer-Encoding: xchunked\r\n") + "0\r\n\r\n" + hidden,
        head("Transfer-Encoding: chunked\r\n") + "ffffffffffffffff1\r\nx\r\n0\r\n\r\n" + hidden,
        head("Transfer-Encoding: chunked\r\n") + "-1\r\nx\r\n0\r\n\r\n" + hidden,
        "GET /healthz HTTP/1.1\nHost: x\n\rX: y\r\n\r\n".to_owned() + hidden,
    ];
    for text in ambiguous {
        let said = answers(&gateway, text.as_bytes());
        assert!(!said.contains("gridpost_"), "{text:?} hides a request: {said}");
        assert!(!statuses(&said).contains(&200), "{text:?}: {said}");
    }
    // What is clear is answered, and one after the other.
    let two =
        answers(&gateway, format!("{hidden}GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes());
    assert_eq!(statuses(&two), [200, 200]);
    let long = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(1 << 20));
    let many = format!("GET /healthz HTTP/1.1\r\nHost: x\r\n{}\r\n", "X-a: b\r\n".repeat(500));
    for text in [long, many] {
        let said = statuses(&answers(&gateway, text.as_bytes()));
        assert!(!said.contains(&200), "{said:?}");
    }
    assert_eq!(gateway.get("/readyz").await.0, 200);
}

/// Attack 45.
#[tokio::test(flavor = "multi_thread")]
async fn a_body_without_end_is_refused_early_with_the_token_and_without() {
    let gateway = Gateway::start(Site::demo()).await;
    let token = format!("Authorization: Bearer {}\r\n", gateway.token);
    for who in ["", token.as_str()] {
        for length in ["Content-Length: 104857600", "Transfer-Encoding: chunked"] {
            let mut stream = TcpStream::connect(gateway.web.trim_start_matches("http://")).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
            stream.set_write_timeout(Some(Duration::from_secs(5))).unwrap();
            let head = format!("POST /api/v1/replies HTTP/1.1\r\nHost: x\r\n{who}{length}\r\n\r\n");
            stream.write_all(head.as_bytes()).unwrap();
            let part = match length.starts_with('T') {
                true => format!("100000\r\n{}\r\n", "x".repeat(1 << 20)),
                false => "x".repeat(1 << 20),
            };
            let mut sent = 0;
            while sent < 100 && stream.write_all(part.as_bytes()).is_ok() {
                sent += 1;
            }
            assert!(sent < 32, "{sent} MiB were taken ({length})");
            let mut said = Vec::new();
            let _ = stream.read_to_end(&mut said);
            let said = String::from_utf8_lossy(&said).into_owned();
            // A connection that is reset may have lost the answer on its way.
            let wanted = if who.is_empty() { 401 } else { 413 };
            assert!(statuses(&said).iter().all(|status| *status == wanted), "{said}");
        }
    }
    assert!(gateway.metric("gridpost_memory_bytes").await < 250e6);
}

/// Attack 42.
#[tokio::test(flavor = "multi_thread")]
async fn no_path_leads_out_of_the_evidence_and_none_in_without_the_token() {
    let gateway = Gateway::start(Site::demo()).await;
    let id = "01a2286a-9f64-7376-9f30-3d6d4da60203";
    let paths = [
        "/api/v1/evidence/..%2f..%2ftoken".to_owned(),
        "/api/v1/evidence/../../token".into(),
        "/api/v1/evidence/%2e%2e%2ftoken".into(),
        "/api/v1/evidence/%00".into(),
        format!("/api/v1/evidence/{id}"),
        format!("/api/v1/evidence/{id}.jpg"),
        format!("/api/v1/evidence/{{{id}}}"),
        format!("/api/v1/evidence/urn:uuid:{id}"),
        "/api/v1/evidence/".into(),
    ];
    let inside = [
        "/api/v1/incidents",
        "//api/v1/incidents",
        "/api/v1/../v1/incidents",
        "/API/v1/incidents",
        "/api/v1/incidents/",
        "/healthz/../api/v1/incidents",
        "/api/v1/incidents%3ftoken=x",
        "/api/v1/reload",
    ];
    let ask = |method: &str, path: &str, who: &str| {
        let text = format!(
            "{method} {path} HTTP/1.1\r\nHost: x\r\n{who}Content-Length: 0\r\nConnection: close\r\n\r\n"
        );
        answers(&gateway, text.as_bytes())
    };
    let token = format!("Authorization: Bearer {}\r\n", gateway.token);
    for path in &paths {
        let said = ask("GET", path, &token);
        assert!(matches!(statuses(&said)[..], [400 | 404]), "{path}: {said}");
        assert!(!said.contains(&gateway.token), "{path}");
    }
    for path in inside.iter().copied().chain(paths.iter().map(String::as_str)) {
        for method in
            ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"]
        {
            let said = ask(method, path, "");
            let is_refused = matches!(statuses(&said)[..], [400 | 401 | 404 | 405 | 501]);
            assert!(is_refused, "{method} {path}: {said}");
        }
    }
    for who in
        ["Bearer", "Bearer ", "Basic x", "Token x"].map(|one| one.replace('x', &gateway.token))
    {
        let said = ask("GET", "/api/v1/incidents", &format!("Authorization: {who}\r\n"));
        assert_eq!(statuses(&said), [401], "{who:.8}");
    }
}

/// How many looks at evidence are in the journal.
fn looks(gateway: &Gateway) -> usize {
    gateway.journal().matches(r#""entry":"look""#).count()
}

/// Attack 41: all of a picture but its first byte was read, and no look was written down.
#[tokio::test(flavor = "multi_thread")]
async fn p10_every_look_at_evidence_is_written_down_whatever_part_is_asked_for() {
    let receiver = Receiver::start().await;
    let clip = street("h264");
    let site = Site::demo().camera("street", clip.as_path()).set("speed", "max").short_clips();
    let gateway = Gateway::start(site.walkers().http(&receiver)).await;
    let event = receiver.wait("snapshot and clip", has_snapshot_and_clip).await;
    let pieces = event["data"]["evidence"].as_array().unwrap().clone();
    let ask = async |piece: usize, range: Option<&str>, head: bool| {
        let url =
            format!("{}/api/v1/evidence/{}", gateway.web, pieces[piece]["id"].as_str().unwrap());
        let client = http();
        let asked = if head { client.head(url) } else { client.get(url) };
        let asked = asked.bearer_auth(&gateway.token);
        let asked = range.map_or(asked.try_clone().unwrap(), |range| asked.header("Range", range));
        asked.send().await.unwrap().status().as_u16()
    };
    assert_eq!(looks(&gateway), 0);
    // The picture from its second byte on, and its end: each the first that is asked for of a piece.
    assert_eq!(ask(0, Some("bytes=1-"), false).await, 206);
    assert_eq!(looks(&gateway), 1);
    assert_eq!(ask(1, Some("bytes=-100"), false).await, 206);
    assert_eq!(looks(&gateway), 2);
    // A player goes on, or a list is drawn anew: within a minute the same look of the same person.
    assert_eq!(ask(1, Some("bytes=100-200"), false).await, 206);
    assert_eq!(looks(&gateway), 2);
    assert_eq!(ask(1, None, false).await, 200);
    assert_eq!(ask(1, Some("bytes=0-"), false).await, 206);
    assert_eq!(looks(&gateway), 2);
    // Somebody else's is one of its own.
    let session = format!("{}/api/v1/session", gateway.web);
    let token = serde_json::json!({ "token": gateway.token });
    let inside = http().post(session).json(&token).send().await.unwrap();
    let cookie = inside.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap();
    let url = format!("{}/api/v1/evidence/{}", gateway.web, pieces[1]["id"].as_str().unwrap());
    let by_cookie = || http().get(&url).header("cookie", cookie);
    assert_eq!(by_cookie().send().await.unwrap().status().as_u16(), 200);
    assert_eq!(looks(&gateway), 3);
    // Nor may a page of somebody else's use that cookie to look.
    let foreign = by_cookie().header("sec-fetch-site", "same-site").send().await.unwrap();
    assert_eq!(foreign.status().as_u16(), 403);
    // What shows nothing is none.
    assert_eq!(ask(0, Some("bytes=999999999-"), false).await, 416);
    assert_eq!(looks(&gateway), 3);
}

/// A hello of TLS 1.0 or 1.1, or of nonsense; the alert that it gets, if any.
fn hello(address: &str, version: [u8; 2]) -> Option<[u8; 7]> {
    let mut body = [&version[..], &[7; 32], &[0], &[0, 4, 0, 0x2f, 0xc0, 0x13], &[1, 0]].concat();
    // No extensions: what TLS 1.3 would need is not there.
    body = [&[1, 0, 0, body.len() as u8][..], &body].concat();
    let record = [&[0x16, 3, 1, 0, body.len() as u8][..], &body].concat();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream.write_all(&record).unwrap();
    let mut alert = [0; 7];
    stream.read_exact(&mut alert).ok()?;
    Some(alert)
}

/// Attacks 17 and 18: with 64 connections that did not begin their handshake, the next answer took 9.7 s.
#[tokio::test(flavor = "multi_thread")]
async fn over_tls_mute_connections_delay_nobody_and_old_versions_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    certificates(folder.path());
    let authority = fs::read(folder.path().join("ca.pem")).unwrap();
    let site = Site::demo().section("[web]").set("tls_cert_file", "cert.pem");
    let gateway = Gateway::start_in(folder, site.set("tls_key_file", "key.pem"), &[]).await;
    let address = gateway.web.trim_start_matches("http://").to_owned();
    let _ = http();
    let trusted = reqwest::Certificate::from_pem(&authority).unwrap();
    let client =
        reqwest::Client::builder().no_proxy().add_root_certificate(trusted).build().unwrap();
    let url = format!("https://localhost:{}/healthz", address.rsplit(':').next().unwrap());
    let connections = env_number("GRIDPOST_HOSTILE_CONNECTIONS").unwrap_or(128) as usize;
    let mut mute = Vec::new();
    for n in 0..connections {
        let mut stream = TcpStream::connect(&address).unwrap();
        if n.is_multiple_of(2) {
            stream.write_all(&[0x16, 3, 1]).unwrap();
        }
        mute.push(stream);
    }
    for _ in 0..5 {
        let began = Instant::now();
        assert_eq!(client.get(&url).send().await.unwrap().status(), 200);
        assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    }
    drop(mute);
    for version in [[3, 1], [3, 2], [3, 0]] {
        let alert = hello(&address, version);
        assert!(alert.is_none_or(|alert| alert[0] == 0x15), "{version:?}: {alert:?}");
    }
}
