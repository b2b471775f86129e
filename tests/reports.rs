//! 邹全办 as residents have it: the page, a report, its number, and what officers make of it; on the real binary.

use std::{
    io::Write,
    path::Path,
    time::{Duration, Instant},
};

use reqwest::{Method, StatusCode, header, redirect::Policy};
use serde_json::{Value, json};

use crate::world::{Gateway, Launch, Phone, Receiver, Site, SmallDisk, http, is_of, wait_for};

const GRIDS: &str = r#"{"type":"FeatureCollection","features":[{"type":"Feature","properties":{"code":"G1","name":"桥北一网格","community":"桥北社区","head":"李建国","phone":"13800000001"},"geometry":{"type":"Polygon","coordinates":[[[113.90,30.90],[113.95,30.90],[113.95,30.95],[113.90,30.95],[113.90,30.90]]]}}]}"#;

fn site() -> Site {
    Site::demo()
        .set("grids", "grids.geojson")
        .button("btn-1")
        .section("[reports]")
        .set("listen", "127.0.0.1:0")
        .set("address_hourly_max", 10_000)
        .set("hourly_max", 10_000)
        .set("places", json!([{"name": "桥北菜场", "grid": "G1"}]))
}

fn launch(site: &Site) -> Launch {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("grids.geojson"), GRIDS).unwrap();
    Launch::of(site).in_folder(folder)
}

/// Somebody with a telephone.
#[derive(Clone)]
struct Resident {
    http: reqwest::Client,
    page: String,
    /// As a proxy would say it.
    from: Option<String>,
}

/// What a form holds.
#[derive(Clone, Default)]
struct Sent {
    fields: Vec<(&'static str, Vec<u8>)>,
    picture: Option<Vec<u8>>,
}

impl Sent {
    fn text(text: &str) -> Self {
        Self::default().with("text", text)
    }

    fn with(mut self, name: &'static str, value: impl AsRef<[u8]>) -> Self {
        self.fields.retain(|(before, _)| *before != name);
        self.fields.push((name, value.as_ref().to_vec()));
        self
    }

    fn picture(mut self, bytes: Vec<u8>) -> Self {
        self.picture = Some(bytes);
        self
    }

    fn bytes(&self) -> Vec<u8> {
        let mut all = Vec::new();
        let mut part = |head: String, value: &[u8]| {
            all.extend(
                format!("--b0\r\nContent-Disposition: form-data; {head}\r\n\r\n").as_bytes(),
            );
            all.extend(value);
            all.extend(b"\r\n");
        };
        for (name, value) in &self.fields {
            part(format!("name=\"{name}\""), value);
        }
        let picture = self.picture.clone().unwrap_or_default();
        part("name=\"picture\"; filename=\"a.jpg\"\r\nContent-Type: image/jpeg".into(), &picture);
        all.extend(b"--b0--\r\n");
        all
    }
}

/// Status, where to, and what is on the page.
type Shown = (u16, String, String);

impl Resident {
    fn of(gateway: &Gateway) -> Self {
        let _ = http();
        let client = reqwest::Client::builder().no_proxy().redirect(Policy::none());
        let http = client.timeout(Duration::from_secs(90)).build().unwrap();
        let page = format!("http://127.0.0.1:{}", gateway.port("reports"));
        Self { http, page, from: None }
    }

    fn from(&self, address: &str) -> Self {
        Self { from: Some(address.into()), ..self.clone() }
    }

    async fn ask(&self, method: Method, path: &str, body: Option<(&str, Vec<u8>)>) -> Shown {
        let mut request = self.http.request(method, format!("{}{path}", self.page));
        if let Some(from) = &self.from {
            request = request.header("x-forwarded-for", from);
        }
        if let Some((kind, body)) = body {
            request = request.header(header::CONTENT_TYPE, kind).body(body);
        }
        let answer = request.send().await.unwrap();
        assert!(answer.headers().get(header::SET_COOKIE).is_none());
        let policy = answer.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
        assert_eq!(answer.headers()[header::CACHE_CONTROL], "no-store");
        let to = answer.headers().get(header::LOCATION).map(|to| to.to_str().unwrap().to_owned());
        (answer.status().as_u16(), to.unwrap_or_default(), answer.text().await.unwrap())
    }

    async fn get(&self, path: &str) -> Shown {
        self.ask(Method::GET, path, None).await
    }

    async fn raw(&self, kind: &str, body: Vec<u8>) -> Shown {
        self.ask(Method::POST, "/", Some((kind, body))).await
    }

    async fn send(&self, sent: &Sent) -> Shown {
        self.raw("multipart/form-data; boundary=b0", sent.bytes()).await
    }

    /// Of a page that was just opened.
    async fn nonce(&self) -> String {
        let (_, _, page) = self.get("/").await;
        page.split("name=\"nonce\" value=\"").nth(1).unwrap()[..32].to_owned()
    }

    /// What the form sends for a place of the list.
    async fn place(&self, name: &str) -> String {
        let (_, _, page) = self.get("/").await;
        let (before, _) = page.split_once(&format!("\">{name}</option>")).expect("not in the list");
        before.rsplit_once("<option value=\"").unwrap().1.to_owned()
    }

    /// One that must be taken; the address of its number.
    async fn report(&self, sent: Sent) -> String {
        let nonce = self.nonce().await;
        let (status, to, page) = self.send(&sent.with("nonce", nonce)).await;
        assert_eq!(status, 303, "{page}");
        to
    }
}

async fn reports(gateway: &Gateway) -> Vec<Value> {
    let (_, list) = gateway.get("/api/v1/incidents?kind=report").await;
    list["incidents"].as_array().unwrap().clone()
}

async fn reply(gateway: &Gateway, incident: &Value, more: Value) -> (u16, Value) {
    let mut body = json!({ "incident": incident["incident"], "by": "王警官" });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    gateway.post("/api/v1/replies", &body).await
}

/// A photo that says where it was taken and by what.
fn photo() -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image::RgbImage::from_pixel(320, 200, image::Rgb([200, 30, 30]))
        .write_to(&mut bytes, image::ImageFormat::Jpeg)
        .unwrap();
    let plain = bytes.into_inner();
    let exif = b"\xff\xe1\0\x20Exif\0\0SECRETPLACE-31.1234-SECRE";
    [&plain[..2], exif, &plain[2..], b"PK\x03\x04SECRETZIP"].concat()
}

/// Whether any file below has these bytes.
fn holds(folder: &Path, wanted: &[u8]) -> bool {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).any(|path| {
        if path.is_dir() {
            return holds(&path, wanted);
        }
        let bytes = std::fs::read(&path).unwrap_or_default();
        bytes.windows(wanted.len()).any(|bytes| bytes == wanted)
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn p1_p10_a_report_is_on_disk_before_it_has_a_number_and_who_sent_it_is_nowhere() {
    let receiver = Receiver::start().await;
    let site = site().set("trusted_proxies", ["127.0.0.1"]).http(&receiver);
    let gateway = launch(&site).start().await;
    let resident = Resident::of(&gateway).from("203.0.113.77");
    let (status, _, page) = resident.get("/").await;
    assert!(status == 200 && page.contains("tel:110") && page.contains("没有人实时值守"));
    assert!(page.contains("桥北菜场") && page.contains("桥北社区") && !page.contains("<script"));
    assert!(!page.contains("李建国") && !page.contains("13800000001"));
    assert!(resident.get("/?lang=en").await.2.contains("Nobody watches this page"));

    let nonce = resident.nonce().await;
    let sent = Sent::text("消防通道被占\r\n三天了")
        .with("listed", resident.place("桥北菜场").await)
        .with("nonce", &nonce);
    let sent = sent.picture(photo());
    let taps = (0..5).map(|_| resident.send(&sent));
    let answers = futures_util::future::join_all(taps).await;
    let to = answers[0].1.clone();
    assert!(answers.iter().all(|(status, there, _)| *status == 303 && *there == to), "{answers:?}");
    let event = receiver.wait("the report", |data| data["kind"] == "report").await;
    let data = &event["data"];
    assert_eq!(data["severity"], 3);
    assert_eq!(data["detail"]["text"], "消防通道被占 / 三天了");
    assert_eq!(data["detail"]["address"], "桥北菜场");
    assert_eq!(data["grid"]["code"], "G1");
    assert_eq!(data["sources"][0], json!({"id": "reports", "kind": "resident", "name": "邹全办"}));
    assert_eq!(data["title"]["zh"], "群众上报：桥北菜场：消防通道被占 / 三天了");
    let log = gateway.log();
    assert!(
        log.contains("群众上报") && !log.contains("消防通道被占"),
        "what residents write: {log}"
    );
    let picture = gateway.evidence(&data["evidence"][0]).await;
    assert!(
        !picture.windows(6).any(|bytes| bytes == b"SECRET") && picture.starts_with(b"\xff\xd8")
    );
    assert_eq!(reports(&gateway).await.len(), 1);
    let kept = std::fs::read_dir(gateway.data().join("evidence")).unwrap();
    let kept = kept.flatten().filter(|entry| entry.path().is_file()).count();
    assert_eq!(kept, 1, "what came twice lies there once");

    let number = to.strip_prefix("/r/").unwrap()[..20].to_owned();
    let plain = number.replace('-', "");
    let folder = gateway.kill().await;
    let data = folder.path().join("data");
    assert!(!holds(&data, number.as_bytes()) && !holds(&data, plain.as_bytes()), "its hash alone");
    assert!(!holds(folder.path(), b"203.0.113.77"), "whose address is nowhere");

    let mut gateway = Gateway::start_in(folder, &site, &[]).await;
    let resident = Resident::of(&gateway);
    let (status, _, page) = resident.get(&to).await;
    assert!(status == 200 && page.contains("已收到") && page.contains(&number), "{page}");
    assert_eq!(resident.send(&sent).await.1, to, "over a restart too");
    assert_eq!(reports(&gateway).await.len(), 1);
    let other = sent.clone().with("text", "还有一件");
    assert_ne!(resident.send(&other).await.1, to, "a page that a cache kept is no double tap");
    assert_eq!(reports(&gateway).await.len(), 2);
    gateway.must_stop_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_the_number_sees_how_far_it_is_and_nothing_of_officers() {
    let gateway = launch(&site()).start().await;
    let resident = Resident::of(&gateway);
    let first = resident.report(Sent::text("路灯不亮")).await;
    let second = resident.report(Sent::text("路灯还是不亮").with("lang", "en")).await;
    let third = resident.report(Sent::text("邻居吵闹").with("place", "3 号楼")).await;
    let list = reports(&gateway).await;
    let [c, b, a] = &list[..] else { panic!("{list:?}") };
    let is = |to: String, word: &'static str| {
        let resident = resident.clone();
        async move {
            let page = resident.get(&to).await.2;
            assert!(page.contains(word) && !page.contains("王警官"), "{word}: {page}");
            assert!(!page.contains("备注") && !page.contains("13800000001"), "{page}");
        }
    };
    let note = json!("备注 13800000001");
    for (step, word) in [("accepted", "已受理"), ("dispatched", "处置中"), ("handled", "处置中")]
    {
        let (status, answer) = reply(&gateway, a, json!({"to": step, "note": note})).await;
        assert_eq!(status, 200, "{answer}");
        is(first.clone(), word).await;
    }
    let (status, _) = reply(&gateway, b, json!({"to": "merged", "into": a["incident"]})).await;
    assert_eq!(status, 200);
    is(second.clone(), "being dealt with").await;
    is(second.clone(), "together with another").await;
    reply(&gateway, a, json!({"to": "closed", "by": "李所长"})).await;
    is(first.clone(), "已办结").await;
    is(second, "closed").await;
    let why = json!({"to": "dismissed", "reason": "not-ours", "note": note});
    reply(&gateway, c, why).await;
    is(third.clone(), "不予受理").await;
    is(third, "不属于受理范围").await;

    // As it is typed, and as nobody has it.
    let typed = first[3..23].to_lowercase().replace('-', "%20");
    assert!(resident.get(&format!("/r?n={typed}")).await.2.contains("已办结"));
    let began = Instant::now();
    for n in 0..12 {
        let (status, _, page) = resident.get(&format!("/r?n=0000-0000-0000-0000{n}")).await;
        assert!(status == 404 && page.contains("没有这个查询码"));
    }
    assert!(began.elapsed() > Duration::from_secs(2), "who goes on guessing waits");
    assert_eq!(resident.get(&first).await.0, 200);
    for path in ["/metrics", "/healthz", "/readyz", "/api/v1/incidents", "/r/", "/x"] {
        assert_eq!(resident.get(path).await.0, 404, "{path}");
    }
    assert_eq!(resident.ask(Method::DELETE, "/", None).await.0, 405);
}

#[tokio::test(flavor = "multi_thread")]
async fn p11_whatever_is_sent_costs_itself_and_is_answered_in_words() {
    let mut gateway = launch(&site().set("trusted_proxies", ["127.0.0.1"])).start().await;
    let resident = Resident::of(&gateway);
    let multipart = "multipart/form-data; boundary=b0";
    let odd = "<script>alert(1)</script>\u{202e}x";
    let (status, _, page) = resident.send(&Sent::text(&odd.repeat(99))).await;
    assert!(status == 422 && page.contains("1000 字") && !page.contains("<script"), "{status}");
    let (status, _, page) = resident.send(&Sent::default()).await;
    assert!(status == 422 && page.contains("附一张照片"));
    let (status, _, page) = resident.send(&Sent::text("x").picture(vec![7; 10 << 20])).await;
    assert!(status == 413 && page.contains("超过 5 MB"), "{status}");
    // What is read and dropped has an end too: then the connection is closed, and who still sends may miss why.
    let endless = Sent::text("x").picture(vec![7; 40 << 20]).bytes();
    let endless =
        resident.http.post(&resident.page).header(header::CONTENT_TYPE, multipart).body(endless);
    let status = endless.send().await.map(|answer| answer.status());
    assert!(status.as_ref().map_or(true, |status| *status == 413), "{status:?}");
    let endless = Sent::text("x").bytes();
    assert_eq!(resident.raw(multipart, endless[..endless.len() - 9].to_vec()).await.0, 400);
    let (status, _, page) = resident.send(&Sent::default().with("text", b"\xc2\xb7\xb5\xc6")).await;
    assert!(status == 400 && page.contains("编码"));
    assert_eq!(resident.raw("application/json", b"{}".to_vec()).await.0, 400);
    let foreign = resident.http.post(&resident.page).header("sec-fetch-site", "cross-site");
    assert_eq!(foreign.send().await.unwrap().status(), StatusCode::FORBIDDEN);
    assert_eq!(reports(&gateway).await.len(), 0, "nothing of it was taken");

    // A picture that cannot be opened costs the picture, and not what is said; without words there is nothing.
    let mut bomb =
        b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\xea\x60\0\0\xea\x60\x08\x02\0\0\0".to_vec();
    bomb.extend([0x4a, 0x2e, 0x8f, 0x9b]);
    for (bytes, word) in [
        (bomb.clone(), "照片没有收下"),
        (b"GIF89a\x01\0\x01\0".to_vec(), "GIF"),
        (b"<svg onload='alert(1)'>".to_vec(), "SVG"),
        (photo()[..60].to_vec(), "照片没有收下"),
    ] {
        let to = resident.report(Sent::text(odd).picture(bytes.clone())).await;
        let page = resident.get(&to).await.2;
        assert!(page.contains(word) && !page.contains("alert"), "{word}: {page}");
        let (status, ..) = resident.send(&Sent::default().picture(bytes)).await;
        assert_eq!(status, 422, "{word}");
    }
    let list = reports(&gateway).await;
    assert_eq!(list.len(), 4);
    assert!(list.iter().all(|one| one["detail"]["text"] == "<script>alert(1)</script>⟨U+202E⟩x"));
    assert!(list.iter().all(|one| one["evidence"] == json!([])));

    // A child that is killed costs its picture alone.
    let killing = tokio::spawn({
        let parent = gateway.pid();
        wait_for("a child to kill", move || async move {
            let tasks = std::fs::read_dir(format!("/proc/{parent}/task"));
            let tasks = tasks.into_iter().flatten().flatten();
            let listed =
                tasks.filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
            let child = listed.collect::<Vec<_>>().join(" ").split_whitespace().next()?.to_owned();
            std::process::Command::new("kill").args(["-9", &child]).status().ok()?;
            Some(())
        })
    });
    let mut died = false;
    for n in 0..200 {
        let somebody = resident.from(&format!("10.0.0.{n}"));
        let to = somebody.report(Sent::text(&format!("一 {n}")).picture(photo())).await;
        died = resident.get(&to).await.2.contains("照片没有收下");
        if died {
            break;
        }
    }
    killing.await.unwrap();
    assert!(died, "none was killed in time");
    let to = resident.report(Sent::text("二").picture(photo())).await;
    assert!(!resident.get(&to).await.2.contains("照片没有收下"));
    gateway.press("btn-1", "1");
    gateway.must_stop_sound().await;
}

/// As large as that: a camera writes more behind its picture.
fn photo_of(bytes: usize) -> Vec<u8> {
    let mut photo = photo();
    photo.resize(bytes, 0);
    photo
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_up_to_5_mb_arrive_and_who_is_sent_away_hears_why() {
    let gateway = launch(&site().set("trusted_proxies", ["127.0.0.1"])).start().await;
    let resident = Resident::of(&gateway);
    for bytes in [2 << 20, (2 << 20) + 1, 5 << 20] {
        resident.report(Sent::text(&format!("{bytes}")).picture(photo_of(bytes))).await;
        let list = reports(&gateway).await;
        assert_eq!(list[0]["detail"]["text"], bytes.to_string());
        assert_eq!(list[0]["evidence"].as_array().unwrap().len(), 1, "{bytes}");
    }
    // The list has changed since the page was opened.
    let sent = Sent::text("哪里").with("listed", "p0");
    let (status, _, page) = resident.send(&sent).await;
    assert!(status == 422 && page.contains("重新选择地点") && page.contains("哪里</textarea>"));
    // Before a byte of the body is wanted, and yet it is an answer.
    let large = vec![7; 8 << 20];
    let foreign = resident.http.post(&resident.page).header("sec-fetch-site", "cross-site");
    let foreign = foreign.body(large.clone()).send().await.unwrap();
    assert_eq!(foreign.status(), StatusCode::FORBIDDEN);
    let eager = resident.from("203.0.113.5");
    let mut answers = 0;
    while eager.raw("text/plain", b"x".to_vec()).await.0 != 429 {
        answers += 1;
        assert!(answers < 100, "never too many");
    }
    let (status, _, page) = eager.raw("text/plain", large).await;
    assert!(status == 429 && page.contains("没有收下"), "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_that_finds_no_place_now_is_not_lost_when_it_is_sent_again() {
    let gateway = launch(&site().set("trusted_proxies", ["127.0.0.1"])).start().await;
    let resident = Resident::of(&gateway);
    let send = |n: u32| {
        let somebody = resident.from(&format!("10.0.0.{n}"));
        let sent = Sent::text(&format!("第 {n} 件")).with("nonce", format!("{n:032x}"));
        let sent = sent.picture(photo_of(1 << 20));
        async move {
            let (status, _, page) = somebody.send(&sent).await;
            if status == 303 {
                return None;
            }
            assert!(status == 503 && page.contains("过一分钟再试"), "{status} {page}");
            assert!(page.contains(&format!("第 {n} 件")), "{page}");
            Some(n)
        }
    };
    let (mut waiting, mut rounds): (Vec<u32>, _) = ((0..24).collect(), 0);
    while !waiting.is_empty() {
        let again = futures_util::future::join_all(waiting.into_iter().map(send)).await;
        waiting = again.into_iter().flatten().collect();
        rounds += 1;
        assert!(rounds < 30, "{waiting:?} find no place");
    }
    assert!(rounds > 1, "all found a place");
    let list = reports(&gateway).await;
    assert_eq!(list.len(), 24);
    let with = list.iter().filter(|one| one["evidence"].as_array().unwrap().len() == 1);
    assert_eq!(with.count(), 24);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_residents_picture_is_no_snapshot_on_the_page_of_a_link() {
    let site = site().section("[links]").set("listen", "127.0.0.1:0").set("pictures", true);
    let gateway = launch(&site.set("url", "https://reach.example/")).start().await;
    let resident = Resident::of(&gateway);
    let place = resident.place("桥北菜场").await;
    resident.report(Sent::text("看图").with("listed", place).picture(photo())).await;
    let case = &reports(&gateway).await[0];
    assert_eq!(case["evidence"].as_array().unwrap().len(), 1);
    let phone = Phone::of(&gateway, case["incident"].as_str().unwrap(), "李建国").await;
    let page = phone.page().await;
    page.must_show(200, &["看图"]);
    page.hides(&["<img"]);
    phone.at("/picture").page().await.must_show(404, &["没有内容"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_reports_too_often_is_told_and_others_are_heard() {
    let site = site()
        .set("address_hourly_max", 2)
        .set("hourly_max", 4)
        .set("trusted_proxies", ["127.0.0.0/8"]);
    let gateway = launch(&site).start().await;
    let resident = Resident::of(&gateway);
    let tries = [
        ("2001:db8::1", 303),
        ("2001:db8::2", 303),
        ("2001:db8::ffff", 429),
        ("198.51.100.1, 127.0.0.9", 303),
        ("2001:db8::1, 198.51.100.1", 303),
        ("198.51.100.2", 429),
    ];
    for (n, (from, expected)) in tries.into_iter().enumerate() {
        let sent = Sent::text(&format!("第 {n} 件")).with("nonce", format!("{n:032x}"));
        let (status, _, page) = resident.from(from).send(&sent).await;
        assert_eq!(status, expected, "{from}");
        assert!(
            status == 303 || (page.contains("没有收下") && page.contains(&format!("第 {n} 件")))
        );
    }
    assert_eq!(reports(&gateway).await.len(), 4);
    let again = Sent::text("第 0 件").with("nonce", format!("{:032x}", 0));
    assert_eq!(resident.from("2001:db8::1").send(&again).await.0, 303, "it was taken before");
}

#[tokio::test(flavor = "multi_thread")]
async fn p1_a_disk_that_fails_claims_nothing_and_the_same_again_is_one() {
    // Two an hour: what is sent again since nobody knew whether it was taken costs nothing more.
    let site = site().set("address_hourly_max", 2).set("hourly_max", 2);
    let gateway = launch(&site).faulty_disk("-", 0).start().await;
    let resident = Resident::of(&gateway);
    resident.report(Sent::text("一")).await;
    let sent = Sent::text("二").with("nonce", resident.nonce().await);
    gateway.disk_does("e");
    let (status, to, page) = resident.send(&sent).await;
    assert_eq!((status, to.as_str()), (503, ""), "{page}");
    assert!(page.contains("二</textarea>") && page.contains("wrong"), "{page}");
    gateway.disk_does("-");
    gateway.readiness(200, "").await;
    let (status, to, page) = resident.send(&sent).await;
    assert_eq!(status, 303, "{page}");
    assert!(resident.get(&to).await.2.contains("已收到"));
    assert_eq!(reports(&gateway).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn p1_p11_on_a_full_disk_the_page_says_that_nothing_was_taken() {
    let Some(disk) = SmallDisk::of(64) else {
        println!("NOT RUN: no small disk can be mounted here (mount namespaces are forbidden)");
        return;
    };
    let site = site().set("trusted_proxies", ["127.0.0.1"]);
    let site = site.section("[data]").set("min_free_bytes", 16 << 20);
    let gateway = launch(&site.set("segment_bytes", 256 << 10)).small_disk(disk).start().await;
    let resident = Resident::of(&gateway);
    resident.report(Sent::text("之前")).await;
    let filler = gateway.data().join("filler");
    let mut file = std::fs::File::create(&filler).unwrap();
    for bytes in [1 << 20, 4096, 512, 1] {
        while file.write_all(&vec![7; bytes]).is_ok() {}
    }
    // A file that is removed while it is open takes its room on.
    drop(file);
    gateway.readiness(503, "are free").await;
    // What is left of the segment takes a few.
    let mut refused = None;
    for n in 0..2_000 {
        let sent = Sent::text(&format!("满了 {n}")).with("nonce", format!("{n:032x}"));
        let somebody = resident.from(&format!("10.0.{}.{}", n / 200, n % 200));
        let (status, to, page) = somebody.send(&sent).await;
        if status == 503 {
            assert!(to.is_empty() && page.contains("class=\"wrong\""), "{page}");
            refused = Some((n, sent));
            break;
        }
    }
    let (n, sent) = refused.expect("a full disk has taken all of them");
    std::fs::remove_file(&filler).unwrap();
    gateway.readiness(200, "true").await;
    wait_for("the same to be taken", || async {
        (resident.send(&sent).await.0 == 303).then_some(())
    })
    .await;
    let text = format!("满了 {n}");
    let list = reports(&gateway).await;
    assert_eq!(list.iter().filter(|one| one["detail"]["text"] == text).count(), 1);
    gateway.store(&["check"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn l4_what_the_own_sources_should_have_told_counts_as_missed() {
    let gateway = launch(&site()).start().await;
    let resident = Resident::of(&gateway);
    resident.report(Sent::text("消防通道停车")).await;
    resident.report(Sent::text("噪声")).await;
    let list = reports(&gateway).await;
    let missed = json!({"to": "accepted", "missed": {"kind": "fire-lane", "source": "btn-1"}});
    let (status, data) = reply(&gateway, &list[1], missed).await;
    assert_eq!((status, &data["detail"]["missed"]["kind"]), (200, &json!("fire-lane")));
    assert_eq!(data["detail"]["missed"]["by"], "王警官");
    // Said later, with a step that was taken before.
    reply(&gateway, &list[0], json!({"to": "accepted"})).await;
    let again = json!({"to": "accepted", "missed": {"rule": "lane"}});
    let (status, data) = reply(&gateway, &list[0], again.clone()).await;
    assert_eq!((status, &data["detail"]["missed"]["rule"]), (200, &json!("lane")));
    let revision = reply(&gateway, &list[0], again).await.1["revision"].clone();
    assert_eq!(revision, data["revision"], "the same once more changes nothing");
    for wrong in [json!({}), json!({"source": "nobody"}), json!({"kind": "no-such"})] {
        let (status, _) =
            reply(&gateway, &list[0], json!({"to": "handled", "missed": wrong})).await;
        assert!(matches!(status, 400 | 409), "{wrong}: {status}");
    }
    gateway.press("btn-1", "1");
    let (_, presses) = gateway.get("/api/v1/incidents?kind=emergency-button").await;
    let press = &presses["incidents"][0];
    let on_a_press = json!({"to": "accepted", "missed": {"kind": "line"}});
    assert_eq!(reply(&gateway, press, on_a_press).await.0, 409);
    let (_, figures) = gateway.get("/api/v1/figures?group=kind").await;
    assert_eq!(figures["total"]["missed"], 2, "{figures}");
    let csv = http().get(format!("{}/api/v1/figures.csv", gateway.web)).bearer_auth(&gateway.token);
    assert!(csv.send().await.unwrap().text().await.unwrap().contains("漏报"));
}

#[tokio::test(flavor = "multi_thread")]
async fn i6_the_page_comes_and_goes_with_a_reload_and_nothing_else_does() {
    let plain = Site::demo().set("grids", "grids.geojson").button("btn-1");
    let gateway = launch(&plain).start().await;
    assert_eq!(gateway.command("check", &[]).code, 0);
    let answer = gateway.reload_to(site()).await;
    assert_eq!(answer["difference"][0]["section"], "reports", "{answer}");
    let resident = Resident::of(&gateway);
    let to = resident.report(Sent::text("一")).await;
    let renamed = site().set("emergency_phone", "119");
    gateway.reload_to(&renamed).await;
    let resident = Resident::of(&gateway);
    assert!(resident.get("/").await.2.contains("tel:119"));
    assert!(resident.get(&to).await.2.contains("已收到"));
    gateway.reload_to(&plain).await;
    wait_for("the page to be gone", || async {
        resident.http.get(&resident.page).send().await.is_err().then_some(())
    })
    .await;
    gateway.press("btn-1", "1");
}

/// How long presses take, sorted, seconds.
fn presses(gateway: &Gateway, run: &str) -> Vec<f64> {
    let press = |n: u32| {
        let began = Instant::now();
        gateway.press("btn-1", &format!("{run}-{n}"));
        began.elapsed().as_secs_f64()
    };
    let mut took: Vec<f64> = (0..20).map(press).collect();
    took.sort_by(f64::total_cmp);
    took
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn p7_a_flooded_page_costs_no_press_anything() {
    let receiver = Receiver::start().await;
    let site = site().http(&receiver).section("[site]");
    let gateway = launch(&site).start().await;
    let resident = Resident::of(&gateway);
    let quiet = tokio::task::block_in_place(|| presses(&gateway, "quiet"));
    let address = resident.page.trim_start_matches("http://").to_owned();
    let mut mute = Vec::new();
    for _ in 0..1_000 {
        mute.extend(tokio::net::TcpStream::connect(&address).await);
    }
    let flood: Vec<_> = (0..8)
        .map(|n| {
            let resident = resident.clone();
            tokio::spawn(async move {
                for round in 0.. {
                    let large = Sent::text(&format!("{n} {round}")).picture(vec![0xff; 5 << 20]);
                    let body = if round % 2 == 0 { large } else { large.picture(photo()) };
                    let request = resident.http.post(&resident.page).body(body.bytes());
                    let kind = "multipart/form-data; boundary=b0";
                    let _ = request.header(header::CONTENT_TYPE, kind).send().await;
                    let _ = resident.http.get(format!("{}/r?n={n}", resident.page)).send().await;
                }
            })
        })
        .collect();
    let flooded = tokio::task::block_in_place(|| presses(&gateway, "flooded"));
    flood.iter().for_each(tokio::task::JoinHandle::abort);
    let worst = |took: &[f64]| (took[took.len() / 2], took[took.len() - 2]);
    let ((quiet, _), (half, most)) = (worst(&quiet), worst(&flooded));
    println!("a press: {quiet:.4} s quiet, {half:.4} s flooded, 19 of 20 within {most:.4} s");
    // The flood itself, which the test makes, takes half of the machine.
    assert!(half < quiet * 10.0 + 0.25 && most < 2.0, "{quiet} {half} {most}");
    receiver.wait("the press", |data| is_of(data, "emergency-button", "btn-1")).await;
}
