//! P8: a clip of the gateway plays and seeks in a real Chromium, by ranges, over its own address.

use std::{
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{Html, IntoResponse, Response},
    routing::{get, post},
};
use serde_json::Value;

use crate::world::{Gateway, Receiver, RtspServer, Site, clip_of, http, street, wait_for};

/// Loads, seeks to the middle, draws, and tells what it saw.
const HTML: &str = r#"<!doctype html><video id=v muted preload=auto src=/clip></video><script>
const v = document.getElementById('v');
const tell = said => fetch('/result', {method: 'POST', body: JSON.stringify(said)});
v.onerror = () => tell({error: v.error.code + ' ' + v.error.message});
v.onloadeddata = () => { v.onseeked = seen; v.currentTime = v.duration / 2; };
function seen() {
  const c = document.createElement('canvas');
  c.width = v.videoWidth; c.height = v.videoHeight;
  const g = c.getContext('2d'); g.drawImage(v, 0, 0);
  const colours = new Set(new Uint32Array(g.getImageData(0, 0, c.width, c.height).data.buffer));
  const at = v.currentTime;
  v.onseeked = null;
  v.ontimeupdate = () => { if (v.currentTime > at + 0.3) { v.ontimeupdate = null;
    tell({duration: v.duration, at, played: v.currentTime, width: c.width, height: c.height, colours: colours.size}); } };
  v.play();
}
</script>"#;

/// What the browser asks, and what it told.
struct Page {
    clip: String,
    token: String,
    ranges: Mutex<usize>,
    result: Mutex<Option<Value>>,
}

/// The clip with the token that a `<video>` cannot carry; ranges go through as they are.
async fn clip(State(page): State<Arc<Page>>, headers: HeaderMap) -> Response {
    let mut ask = http().get(&page.clip).bearer_auth(&page.token);
    if let Some(range) = headers.get(header::RANGE) {
        *page.ranges.lock().unwrap() += 1;
        ask = ask.header(header::RANGE, range);
    }
    let answer = ask.send().await.unwrap();
    let (status, headers) = (answer.status(), answer.headers().clone());
    (status, headers, answer.bytes().await.unwrap()).into_response()
}

async fn result(State(page): State<Arc<Page>>, body: String) -> StatusCode {
    *page.result.lock().unwrap() = serde_json::from_str(&body).ok();
    StatusCode::NO_CONTENT
}

struct Browser(Child);

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p8_a_clip_plays_and_seeks_in_chromium() {
    let server = RtspServer::start(0, &street("h264"));
    let receiver = Receiver::start().await;
    let site = Site::demo().walkers().http(&receiver).camera("square", &server);
    let gateway = Gateway::start(&site.set("clip_max_s", 4)).await;
    let event = receiver.wait("a clip", |data| clip_of(data).is_some()).await;
    let video = clip_of(&event["data"]).unwrap();
    let page = Arc::new(Page {
        clip: format!("{}/api/v1/evidence/{}", gateway.web, video["id"].as_str().unwrap()),
        token: gateway.token.clone(),
        ranges: Mutex::default(),
        result: Mutex::default(),
    });
    let app = Router::new()
        .route("/", get(|| async { Html(HTML) }))
        .route("/clip", get(clip))
        .route("/result", post(result))
        .with_state(page.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });

    let profile = tempfile::tempdir().unwrap();
    let _browser = Browser(
        Command::new("chromium")
            .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
            .args(["--no-first-run", "--no-proxy-server", "--remote-debugging-port=0"])
            .args(["--autoplay-policy=no-user-gesture-required"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg(&address)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromium is installed by the set-up"),
    );
    let said = wait_for("the browser's word", || {
        let said = page.result.lock().unwrap().clone();
        async move { said }
    })
    .await;
    let number = |key: &str| said[key].as_f64().unwrap_or_else(|| panic!("{key}: {said}"));
    let at = |key: &str| video[key].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    let recorded = at("ends_at").duration_since(at("starts_at")).as_secs_f64();
    assert!((number("duration") - recorded).abs() < 0.5, "recorded {recorded} s: {said}");
    assert!((number("at") - number("duration") / 2.0).abs() < 0.2, "{said}");
    assert_eq!((number("width"), number("height")), (768.0, 576.0));
    assert!(number("colours") > 1000.0, "{said}");
    assert!(*page.ranges.lock().unwrap() > 0, "it asked for ranges");
}
