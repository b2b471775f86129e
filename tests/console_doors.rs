//! The two doors of the officers' page: the session of a browser, and the feed of changes over a WebSocket.

use std::time::Duration;

use reqwest::{Method, Response, header};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::world::{Gateway, Site, http, wait_for};

fn host(gateway: &Gateway) -> String {
    gateway.web.trim_start_matches("http://").to_owned()
}

/// Logs in as the page does; the cookie's name and value.
async fn logged_in(gateway: &Gateway) -> String {
    let answer = http()
        .post(format!("{}/api/v1/session", gateway.web))
        .header(header::ORIGIN, &gateway.web)
        .json(&json!({ "token": gateway.token }))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    let set = answer.headers()[header::SET_COOKIE].to_str().unwrap().to_owned();
    assert!(set.ends_with("; Path=/; HttpOnly; SameSite=Strict"), "{set}");
    let pair = set.split(';').next().unwrap().to_owned();
    assert_eq!(pair.len(), "gridpost=".len() + 64, "{pair}");
    pair
}

async fn asked(
    method: Method,
    url: &str,
    headers: &[(&str, &str)],
    body: &'static str,
) -> Response {
    let mut request = http().request(method, url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(body).send().await.unwrap()
}

/// A client of the feed, as plain bytes.
struct Feed(TcpStream, Vec<u8>);

/// What the door says to an upgrade with these headers; the feed if it is open.
async fn upgrade(gateway: &Gateway, query: &str, more: &[(&str, &str)]) -> (u16, Option<Feed>) {
    let mut stream = TcpStream::connect(host(gateway)).await.unwrap();
    let more: String = more.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let head = format!(
        "GET /api/v1/changes{query} HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{more}\r\n",
        host(gateway)
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut said = Vec::new();
    let end = loop {
        if let Some(at) = said.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        assert_ne!(stream.read_buf(&mut said).await.unwrap(), 0, "closed: {said:?}");
    };
    let status = std::str::from_utf8(&said[9..12]).unwrap().parse().unwrap();
    let rest = said.split_off(end);
    (status, (status == 101).then(|| Feed(stream, rest)))
}

impl Feed {
    /// The next message; None: it was closed.
    async fn next(&mut self) -> Option<Value> {
        let read = timeout(Duration::from_secs(30), self.message()).await;
        read.expect("a word of the feed within 30 s")
    }

    async fn message(&mut self) -> Option<Value> {
        loop {
            if self.1.len() >= 2 {
                let (opcode, short) = (self.1[0] & 0x0f, usize::from(self.1[1] & 0x7f));
                let (head, len) = match short {
                    126 if self.1.len() >= 4 => {
                        (4, usize::from(u16::from_be_bytes([self.1[2], self.1[3]])))
                    }
                    126 | 127 => (usize::MAX, 0),
                    len => (2, len),
                };
                if head < usize::MAX && self.1.len() >= head + len {
                    let frame: Vec<u8> = self.1.drain(..head + len).skip(head).collect();
                    match opcode {
                        1 => return Some(serde_json::from_slice(&frame).unwrap()),
                        8 => return None,
                        _ => continue,
                    }
                }
            }
            if self.0.read_buf(&mut self.1).await.unwrap_or(0) == 0 {
                return None;
            }
        }
    }

    /// The next message that is no sign of life.
    async fn change(&mut self) -> Option<Value> {
        loop {
            let message = self.next().await?;
            if message["type"] != "alive" {
                return Some(message);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn i13_a_session_opens_the_api_to_our_own_page_and_to_nobody_else() {
    let gateway = Gateway::start(Site::demo()).await;
    let cookie = logged_in(&gateway).await;
    let list = format!("{}/api/v1/incidents", gateway.web);
    let answer = asked(Method::GET, &list, &[("cookie", &cookie)], "").await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()[header::CACHE_CONTROL], "no-store");
    for wrong in ["", "gridpost=", &"gridpost=0".repeat(64), &format!("{cookie}0")] {
        assert_eq!(
            asked(Method::GET, &list, &[("cookie", wrong)], "").await.status(),
            401,
            "{wrong}"
        );
    }
    let replies = format!("{}/api/v1/replies", gateway.web);
    let body = r#"{"incident":"01a228ea-231b-76dc-a4fe-b94220393b56","to":"accepted","by":"x"}"#;
    let json = ("content-type", "application/json");
    let own = ("origin", gateway.web.as_str());
    for (status, headers) in [
        (404, vec![json, own]),
        (404, vec![json, own, ("sec-fetch-site", "same-origin")]),
        (403, vec![json]),
        (403, vec![json, ("origin", "http://evil.example")]),
        (403, vec![json, ("origin", "null")]),
        (403, vec![json, own, ("sec-fetch-site", "cross-site")]),
        (415, vec![("content-type", "text/plain"), own]),
        (415, vec![own]),
    ] {
        let headers: Vec<_> =
            headers.iter().copied().chain([("cookie", cookie.as_str())]).collect();
        let answer = asked(Method::POST, &replies, &headers, body).await;
        assert_eq!(answer.status(), status, "{headers:?}");
    }
    // The token in a header is no cookie: no page of somebody else has it.
    assert_eq!(gateway.post("/api/v1/replies", &serde_json::from_str(body).unwrap()).await.0, 404);
    let session = format!("{}/api/v1/session", gateway.web);
    let left = asked(Method::DELETE, &session, &[("cookie", &cookie), own], "").await;
    assert_eq!(left.status(), 204);
    assert_eq!(asked(Method::GET, &list, &[("cookie", &cookie)], "").await.status(), 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_tokens_of_a_log_in_are_counted_and_slowed_like_all_others() {
    let gateway = Gateway::start(Site::demo()).await;
    let session = format!("{}/api/v1/session", gateway.web);
    let json = ("content-type", "application/json");
    for (status, body) in
        [(401, r#"{"token":"x"}"#), (400, r#"{"token":1}"#), (400, "{}"), (400, "")]
    {
        assert_eq!(asked(Method::POST, &session, &[json], body).await.status(), status, "{body}");
    }
    let foreign = [json, ("origin", "http://evil.example")];
    assert_eq!(asked(Method::POST, &session, &foreign, r#"{"token":"x"}"#).await.status(), 403);
    for _ in 0..9 {
        asked(Method::POST, &session, &[json], r#"{"token":"x"}"#).await;
    }
    let began = std::time::Instant::now();
    asked(Method::POST, &session, &[json], r#"{"token":"x"}"#).await;
    assert!(began.elapsed() >= Duration::from_secs(1), "{:?}", began.elapsed());
    gateway.metric_is("gridpost_web_tokens_refused_total", |count| count == 11.0).await;
    // And whoever has the right one comes in.
    logged_in(&gateway).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_lets_no_foreign_script_run_and_its_files_never_change() {
    let gateway = Gateway::start(Site::demo()).await;
    let page = asked(Method::GET, &gateway.web, &[], "").await;
    assert_eq!(page.status(), 200);
    let policy = page.headers()["content-security-policy"].to_str().unwrap().to_owned();
    for rule in
        ["default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'"]
    {
        assert!(policy.contains(rule), "{policy}");
    }
    assert!(policy.contains("require-trusted-types-for 'script'") && !policy.contains("unsafe"));
    let text = page.text().await.unwrap();
    let names = text.split("/assets/").skip(1).filter_map(|rest| rest.split('"').next());
    let mut found = 0;
    for name in names {
        let file = asked(Method::GET, &format!("{}/assets/{name}", gateway.web), &[], "").await;
        assert_eq!(file.status(), 200, "{name}");
        let cached = file.headers()[header::CACHE_CONTROL].to_str().unwrap();
        assert!(cached.contains("immutable"), "{cached}");
        found += 1;
    }
    assert_eq!(found, 3, "script, style, icon; `make console` builds them: {text}");
    for path in ["/assets/../token", "/assets/%2e%2e%2ftoken", "/assets/index.html", "/assets/"] {
        let answer = asked(Method::GET, &format!("{}{path}", gateway.web), &[], "").await;
        assert_eq!(answer.status(), 404, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_feed_is_open_to_who_may_read_and_from_our_own_page_alone() {
    let gateway = Gateway::start(Site::demo()).await;
    let cookie = logged_in(&gateway).await;
    let bearer = format!("Bearer {}", gateway.token);
    let (own, evil) = (gateway.web.as_str(), "http://evil.example");
    let cookie = ("cookie", cookie.as_str());
    let token = ("authorization", bearer.as_str());
    for (status, query, headers) in [
        (101, "?after=0", vec![token]),
        (101, "?after=0", vec![cookie, ("origin", own)]),
        (401, "?after=0", vec![]),
        (401, "?after=0", vec![("authorization", "Bearer x")]),
        (403, "?after=0", vec![cookie]),
        (403, "?after=0", vec![cookie, ("origin", evil)]),
        (403, "?after=0", vec![token, ("origin", evil)]),
        (400, "", vec![token]),
        (400, "?after=-1", vec![token]),
        (400, "?after=x", vec![token]),
        (400, "?after=0&since=1", vec![token]),
    ] {
        assert_eq!(upgrade(&gateway, query, &headers).await.0, status, "{query} {headers:?}");
    }
    let (status, answer) = gateway.get("/api/v1/changes?after=0").await;
    assert_eq!((status, answer["error"].as_str()), (400, Some("expected a WebSocket")));
    // A page that logs out is told nothing more.
    let (_, feed) = upgrade(&gateway, "?after=0", &[cookie, ("origin", own)]).await;
    let mut feed = feed.unwrap();
    assert_eq!(feed.next().await.unwrap()["type"], "alive");
    let session = format!("{}/api/v1/session", gateway.web);
    asked(Method::DELETE, &session, &[cookie, ("origin", own)], "").await;
    assert_eq!(feed.change().await.unwrap()["type"], "logged-out");
    assert_eq!(feed.change().await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn p11_the_feed_has_places_for_64_pages() {
    let gateway = Gateway::start(Site::demo()).await;
    let bearer = format!("Bearer {}", gateway.token);
    let mut all = Vec::new();
    for n in 0..64 {
        let (status, feed) = upgrade(&gateway, "?after=0", &[("authorization", &bearer)]).await;
        assert_eq!(status, 101, "{n}");
        all.push(feed);
    }
    assert_eq!(upgrade(&gateway, "?after=0", &[("authorization", &bearer)]).await.0, 503);
    assert_eq!(gateway.get("/readyz").await.0, 200, "and nobody else is kept out");
    gateway.press("btn-1", "1");
    all.pop();
    wait_for("a place is free again", || async {
        (upgrade(&gateway, "?after=0", &[("authorization", &bearer)]).await.0 == 101).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i12_the_feed_tells_each_change_once_in_order_from_any_position() {
    let gateway = Gateway::start(Site::demo()).await;
    let bearer = format!("Bearer {}", gateway.token);
    let token = [("authorization", bearer.as_str())];
    let (_, begun) = gateway.get("/api/v1/console").await;
    let (start, series) = (begun["position"].as_u64().unwrap(), begun["series"].as_str().unwrap());
    let devices: Vec<String> = (0..20).map(|n| format!("btn-{n}")).collect();
    devices.iter().for_each(|device| gateway.press(device, "1"));
    let (_, feed) = upgrade(&gateway, &format!("?after={start}&series={series}"), &token).await;
    let (mut feed, mut told, mut last) = (feed.unwrap(), Vec::new(), start);
    while told.len() < devices.len() {
        let change = feed.change().await.unwrap();
        assert_eq!(
            (change["type"].as_str(), change["after"].as_u64()),
            (Some("change"), Some(last))
        );
        last = change["position"].as_u64().unwrap();
        told.push(change);
    }
    let sources: Vec<&str> =
        told.iter().map(|one| one["case"]["sources"][0]["id"].as_str().unwrap()).collect();
    assert_eq!(sources, devices);
    let (_, now) = gateway.get("/api/v1/console").await;
    assert_eq!(now["position"].as_u64(), Some(last));
    assert_eq!(now["open"].as_array().unwrap().len(), devices.len());
    // From each position the next is the one behind it.
    for (n, change) in told.iter().enumerate() {
        let after = change["after"].as_u64().unwrap();
        let (_, feed) = upgrade(&gateway, &format!("?after={after}"), &token).await;
        assert_eq!(feed.unwrap().change().await.unwrap()["position"], told[n]["position"]);
    }
    for query in [
        format!("?after={}", last + 1),
        format!("?after={last}&series=another"),
        "?after=0&series=".into(),
    ] {
        let (_, feed) = upgrade(&gateway, &query, &token).await;
        let mut feed = feed.unwrap();
        assert_eq!(feed.change().await.unwrap()["type"], "reload", "{query}");
        assert_eq!(feed.change().await, None);
    }
    // A page has nothing to say: whoever does is let go.
    let (_, feed) = upgrade(&gateway, &format!("?after={last}"), &token).await;
    let mut feed = feed.unwrap();
    feed.0.write_all(&[0x81, 0x81, 0, 0, 0, 0, b'x']).await.unwrap();
    assert_eq!(feed.change().await, None);
}
