//! Links in the hands of robots and of who means harm: nothing changes by looking, and bad input costs itself.

use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use reqwest::Method;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::world::{Gateway, Phone, Receiver, Site, seed};

const TITLE: &str = "<img src=x onerror=alert(1)>\u{202e}\"'&";

async fn start(name: &str) -> (Receiver, Gateway, String) {
    let receiver = Receiver::start().await;
    let site = Site::demo()
        .set("timezone", "Asia/Shanghai")
        .button("btn-1")
        .set("name", name)
        .set("address", "<svg/onload=alert(2)>")
        // No limit is told of while a slow machine is at it.
        .section("[[life.limit]]")
        .set("accept", "2h")
        .set("finish", "4h")
        .section("[[life.contact]]")
        .set("level", "community")
        .set("name", "王<i>芳")
        .section("[links]")
        .set("listen", "127.0.0.1:0")
        .set("url", "https://reach.example/")
        .http(&receiver);
    let gateway = Gateway::start(&site).await;
    gateway.press("btn-1", "p1");
    let event = receiver.wait("the press", |data| data["what"] == "opened").await;
    let id = event["data"]["incident"].as_str().unwrap().to_owned();
    (receiver, gateway, id)
}

/// What robots, previews and old phones send along.
const HEADERS: [(&str, &str); 12] = [
    ("user-agent", "facebookexternalhit/1.1"),
    ("user-agent", "Mozilla/5.0 (Linux; Android 4.4) MicroMessenger/6.0"),
    ("purpose", "prefetch"),
    ("sec-purpose", "prefetch;prerender"),
    ("x-moz", "prefetch"),
    ("x-http-method-override", "POST"),
    ("range", "bytes=0-1"),
    ("if-none-match", "*"),
    ("cookie", "to=accepted"),
    ("content-type", "application/x-www-form-urlencoded"),
    ("expect", "100-continue"),
    ("accept", "image/*"),
];

#[tokio::test(flavor = "multi_thread")]
async fn l6_no_get_whatever_its_path_and_headers_makes_an_entry_in_the_journal() {
    let seed = seed();
    println!("GRIDPOST_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let (_receiver, mut gateway, id) = start("张秀英").await;
    let phone = Phone::of(&gateway, &id, "王<i>芳").await;
    gateway.nothing_is_pending().await;
    let before = gateway.metric("gridpost_store_records_total").await;
    let state = gateway.get(&format!("/api/v1/incidents/{id}")).await.1;
    let behind = [
        "",
        "?to=accepted&revision=1",
        "/",
        "/accepted",
        "?",
        "//",
        "/picture",
        "?_method=POST",
        "#x",
        "/../x",
        ";to=handled",
    ];
    let mut shown = 0;
    for _ in 0..150 {
        let phone = phone.at(behind.choose(&mut random).unwrap());
        let method = [Method::GET, Method::HEAD].choose(&mut random).unwrap().clone();
        let headers: Vec<_> =
            (0..random.random_range(0..4)).map(|_| *HEADERS.choose(&mut random).unwrap()).collect();
        let is_head = method == Method::HEAD;
        let screen = phone.ask(method, &headers).await;
        assert!([200, 404].contains(&screen.status), "{} {headers:?}", phone.url);
        shown += usize::from(screen.status == 200);
        assert!(!is_head || screen.text.is_empty());
    }
    assert!(shown > 20, "{shown} showed the case");
    // A body behind a GET is as little a reply.
    let body = "to=accepted&revision=1";
    let code = phone.url.rsplit('/').next().unwrap();
    let head = format!(
        "GET /c/{code} HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    assert!(raw(&gateway, head.as_bytes()).await.starts_with("HTTP/1.1 200"));
    assert_eq!(gateway.metric("gridpost_store_records_total").await, before);
    assert_eq!(gateway.get(&format!("/api/v1/incidents/{id}")).await.1, state);
    // The page that was fetched ahead is as good as any.
    let revision = phone.page().await.revision();
    phone.tap("accepted", revision, &[]).await.must_show(200, &["已受理"]);
    gateway.must_stop_sound().await;
}

async fn raw(gateway: &Gateway, bytes: &[u8]) -> String {
    let at = format!("127.0.0.1:{}", gateway.port("links"));
    let mut stream = TcpStream::connect(at).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut said = Vec::new();
    let read = stream.read_to_end(&mut said);
    tokio::time::timeout(crate::world::PATIENCE, read).await.unwrap().unwrap();
    String::from_utf8_lossy(&said).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn names_and_notes_are_text_and_nothing_else() {
    let (_receiver, mut gateway, id) = start(TITLE).await;
    let phone = Phone::of(&gateway, &id, "王<i>芳").await;
    let page = phone.page().await;
    page.must_show(
        200,
        &["&lt;img src=x onerror=alert(1)&gt;", "⟨U+202E⟩", "王&lt;i&gt;芳", "&lt;svg/onload"],
    );
    page.hides(&["<img", "<svg", "<i>", "\u{202e}"]);
    let note = "<script>alert(3)</script>\u{0}\u{202e}";
    phone.tap("accepted", page.revision(), &[("note", note)]).await.must_show(200, &["已受理"]);
    phone.page().await.hides(&["<script", "alert(3)"]);
    gateway.must_stop_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_are_too_large_cut_or_no_form_are_answered_in_words_and_change_nothing() {
    let (_receiver, mut gateway, id) = start("张秀英").await;
    let phone = Phone::of(&gateway, &id, "王<i>芳").await;
    let revision = phone.page().await.revision();
    // Read to its end, so that whoever is still writing sees the answer; several at once.
    let ten_mib = vec![b'x'; 10 << 20];
    let large = || phone.tap_with("handled", revision, &ten_mib);
    for screen in <[_; 3]>::from(tokio::join!(large(), large(), large())) {
        screen.must_show(413, &["最大 5 MB", "没有生效"]);
    }
    let note = "长".repeat(3 << 20);
    let screen = phone.tap("handled", revision, &[("note", &note)]).await;
    screen.must_show(413, &["没有生效"]);
    let json = json!({"incident": id, "to": "handled", "by": "x", "note": note});
    assert_eq!(gateway.post("/api/v1/replies", &json).await.0, 413);
    assert_eq!(gateway.post(&format!("/api/v1/incidents/{id}/replies"), &json).await.0, 413);
    for (kind, body, status) in [
        ("multipart/form-data", "--x\r\n", 400),
        ("multipart/form-data; boundary=x", "--x\r\nContent-Dis", 400),
        ("multipart/form-data; boundary=x", "", 400),
        ("application/json", "{\"to\":\"accepted\",\"revision\":1}", 422),
        ("application/x-www-form-urlencoded", "", 422),
        ("application/x-www-form-urlencoded", "to=closed&revision=1", 422),
        ("application/x-www-form-urlencoded", "to=accepted", 422),
        ("application/x-www-form-urlencoded", "to=accepted&revision=-1", 422),
        ("application/x-www-form-urlencoded", "to=accepted&revision=99999999999", 422),
        ("application/x-www-form-urlencoded", "to=accepted&revision=9999", 409),
        ("application/x-www-form-urlencoded", "to=accepted%00&revision=1", 422),
    ] {
        phone.post(kind, body).await.must_show(status, &["没有"]);
    }
    // Cut off in the middle: the connection is closed on it.
    let code = phone.url.rsplit('/').next().unwrap();
    let at = format!("127.0.0.1:{}", gateway.port("links"));
    let mut stream = TcpStream::connect(at).await.unwrap();
    let head = format!(
        "POST /c/{code} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nto=handled&revision={revision}"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    drop(stream);
    let data = gateway.get(&format!("/api/v1/incidents/{id}")).await.1;
    assert_eq!((&data["stage"], data.get("steps")), (&json!("opened"), None));
    phone.tap("accepted", revision, &[]).await.must_show(200, &["已受理"]);
    // Over meanwhile: whoever is still sending his picture hears it.
    let closed = json!({"incident": id, "to": "closed", "by": "x"});
    assert_eq!(gateway.post("/api/v1/replies", &closed).await.0, 200);
    let screen = phone.tap_with("handled", revision, &vec![b'x'; 5 << 20]).await;
    screen.must_show(410, &["已"]);
    gateway.must_stop_sound().await;
}

/// What messengers and people put behind a link is no part of it.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_message_adds_to_a_link_does_not_spoil_it() {
    let (_receiver, mut gateway, id) = start("张秀英").await;
    let phone = Phone::of(&gateway, &id, "王<i>芳").await;
    for more in [
        ".",
        "。",
        "%E3%80%82",
        "）",
        ")",
        ">",
        "\"",
        ",",
        "?utm_source=sms&fbclid=1",
        "?from=groupmessage",
        "#x",
    ] {
        phone.at(more).page().await.must_show(200, &["受理"]);
    }
    for wrong in ["0", "a", ".0", "。a", "/x"] {
        assert_eq!(phone.at(wrong).page().await.status, 404, "{wrong}");
    }
    // Behind a proxy it has another name and another scheme.
    let proxied = [("host", "other.example"), ("x-forwarded-proto", "https")];
    phone.ask(Method::GET, &proxied).await.must_show(200, &["受理"]);
    let revision = phone.page().await.revision();
    phone.at("。").tap("accepted", revision, &[]).await.must_show(200, &["已受理"]);
    gateway.must_stop_sound().await;
}
