//! 邹全办 as residents have it: the page, a report, its number, and what officers make of it; on the real binary.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use reqwest::Method;
use serde_json::{Value, json};

use crate::world::{Gateway, Launch, Phone, Receiver, Resident, Sent, Site, http, wait_for};

const GRIDS: &str = r#"{"type":"FeatureCollection","features":[{"type":"Feature","properties":{"code":"G1","name":"桥北一网格","community":"桥北社区","head":"李建国","phone":"13800000001"},"geometry":{"type":"Polygon","coordinates":[[[113.90,30.90],[113.95,30.90],[113.95,30.95],[113.90,30.95],[113.90,30.90]]]}}]}"#;

pub(crate) fn site() -> Site {
    Site::demo()
        .set("grids", "grids.geojson")
        .button("btn-1")
        .section("[reports]")
        .set("listen", "127.0.0.1:0")
        .set("address_hourly_max", 10_000)
        .set("hourly_max", 10_000)
        .set("places", json!([{"name": "桥北菜场", "grid": "G1"}]))
}

pub(crate) fn launch(site: &Site) -> Launch {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("grids.geojson"), GRIDS).unwrap();
    Launch::of(site).in_folder(folder)
}

pub(crate) async fn reports(gateway: &Gateway) -> Vec<Value> {
    let (_, list) = gateway.get("/api/v1/incidents?kind=report").await;
    list["incidents"].as_array().unwrap().clone()
}

async fn reply(gateway: &Gateway, incident: &Value, more: Value) -> (u16, Value) {
    let mut body = json!({ "incident": incident["incident"], "by": "王警官" });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    gateway.post("/api/v1/replies", &body).await
}

/// A photo that says where it was taken and by what.
pub(crate) fn photo() -> Vec<u8> {
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

/// The page is kept open for a week: the same thing happens again after its case was closed.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_is_kept_open_reports_again_what_happens_again() {
    let site = site();
    let gateway = launch(&site).start().await;
    let resident = Resident::of(&gateway);
    let sent = Sent::text("消防通道被占").with("nonce", resident.nonce().await).picture(photo());
    let (status, first, _) = resident.send(&sent).await;
    assert_eq!(status, 303);
    for to in ["accepted", "closed"] {
        assert_eq!(resident.send(&sent).await.1, first, "{to}: it is open");
        let case = reports(&gateway).await[0].clone();
        assert_eq!(reply(&gateway, &case, json!({"to": to})).await.0, 200);
    }
    let (status, second, _) = resident.send(&sent).await;
    assert!(status == 303 && second != first, "{second}");
    let folder = gateway.kill().await;
    let gateway = Gateway::start_in(folder, &site, &[]).await;
    let resident = Resident::of(&gateway);
    assert_eq!(resident.send(&sent).await.1, second, "one report each, over a restart too");
    assert_eq!(reports(&gateway).await.len(), 2);
    assert!(resident.get(&first).await.2.contains("已办结"));
    assert!(resident.get(&second).await.2.contains("已收到"));
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
