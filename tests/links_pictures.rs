//! Pictures of steps, by a link and over the API: cleaned, evidence like any other, and none left over.

use std::io::Cursor;

use image::{ImageFormat, RgbImage};
use serde_json::{Value, json};

use crate::world::{Gateway, Phone, Receiver, RtspServer, Site, form, http, sha256, street};

fn site(receiver: &Receiver) -> Site {
    Site::demo()
        .button("btn-1")
        .section("[[life.contact]]")
        .set("level", "community")
        .set("name", "王芳")
        .section("[links]")
        .set("listen", "127.0.0.1:0")
        .set("url", "https://reach.example/")
        .set("pictures", true)
        .http(receiver)
        .set("send_pictures", true)
        .set("evidence_url", receiver.url.replace("/events", "/evidence/"))
}

async fn start() -> (Receiver, Gateway, String) {
    let receiver = Receiver::start().await;
    let gateway = Gateway::start(&site(&receiver)).await;
    gateway.press("btn-1", "p1");
    let event = receiver.wait("the press", |data| data["what"] == "opened").await;
    let id = event["data"]["incident"].as_str().unwrap().to_owned();
    (receiver, gateway, id)
}

fn photo(format: ImageFormat) -> Vec<u8> {
    let picture = RgbImage::from_fn(64, 48, |x, y| image::Rgb([x as u8 * 4, y as u8 * 5, 90]));
    let mut bytes = Vec::new();
    picture.write_to(&mut Cursor::new(&mut bytes), format).unwrap();
    bytes
}

/// Files of evidence on its disk.
fn files(gateway: &Gateway) -> usize {
    let folder = std::fs::read_dir(gateway.data().join("evidence")).unwrap();
    folder.filter(|entry| entry.as_ref().unwrap().path().is_file()).count()
}

/// A reply with a picture over the API.
async fn reply(gateway: &Gateway, id: &str, reply: &Value, picture: &[u8]) -> (u16, Value) {
    let (kind, body) = form(&[("reply", &reply.to_string())], picture);
    let url = format!("{}/api/v1/incidents/{id}/replies", gateway.web);
    let request = http().post(url).bearer_auth(&gateway.token).header("content-type", kind);
    let answer = request.body(body).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap_or(Value::Null))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_of_a_step_is_cleaned_listed_and_kept_once_however_often_it_is_sent() {
    let (receiver, mut gateway, id) = start().await;
    let phone = Phone::of(&gateway, &id, "王芳").await;
    let revision = phone.page().await.revision();
    // What is no picture takes no step, and leaves nothing.
    let mut bomb = photo(ImageFormat::Png);
    bomb[16..24].copy_from_slice(&[0, 1, 0, 0, 0, 1, 0, 0]);
    for bad in [&b"GIF89a"[..], &b"<svg onload=x>"[..], &photo(ImageFormat::Jpeg)[..200], &bomb] {
        let screen = phone.tap_with("handled", revision, bad).await;
        screen.must_show(422, &["没有生效", ">已处置</button>"]);
        let said = reply(&gateway, &id, &json!({"to": "handled", "by": "x"}), bad).await;
        assert_eq!(said.0, 422, "{}", said.1);
    }
    assert_eq!((phone.page().await.revision(), files(&gateway)), (revision, 0));
    // A double tap with a picture that knows where it was made.
    let jpeg = photo(ImageFormat::Jpeg);
    let mut sent = jpeg[..2].to_vec();
    sent.extend(b"\xff\xe1\x00\x22Exif\0\0GPS 30.9221 113.9128 secret");
    sent.extend(&jpeg[2..]);
    let tap = || phone.tap_with("handled", revision, &sent);
    let both = tokio::join!(tap(), tap());
    for screen in [both.0, both.1, tap().await] {
        screen.must_show(200, &["已处置", "（附照片）"]);
    }
    let event = receiver.wait("handled", |data| data["what"] == "handled").await;
    let data = &event["data"];
    assert_eq!((data["evidence"].as_array().unwrap().len(), files(&gateway)), (1, 1));
    let piece = &data["evidence"][0];
    assert_eq!(
        (&data["steps"][0]["evidence"], &data["steps"][0]["via"]),
        (&piece["id"], &json!("link"))
    );
    assert_eq!(data["steps"].as_array().unwrap().len(), 1);
    let kept = gateway.evidence(piece).await;
    assert_eq!(
        (sha256(&kept), piece["media_type"].as_str()),
        (piece["sha256"].as_str().unwrap().to_owned(), Some("image/jpeg"))
    );
    assert!(
        !kept.windows(6).any(|part| part == b"secret")
            && !kept.windows(4).any(|part| part == b"Exif")
    );
    assert_eq!(image::load_from_memory(&kept).unwrap().width(), 64);
    // Pictures of steps are for the case, and not for whoever holds its link.
    phone.at("/picture").page().await.must_show(404, &["没有内容"]);
    phone.page().await.hides(&["<img"]);
    // Over a restart it is what it was.
    let folder = gateway.kill().await;
    gateway = Gateway::start_in(folder, &site(&receiver), &[]).await;
    let shown = gateway.get(&format!("/api/v1/incidents/{id}")).await.1;
    assert_eq!(shown["steps"], data["steps"]);
    assert_eq!(gateway.evidence(piece).await, kept);
    gateway.must_stop_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_over_the_api_may_bring_a_picture_and_one_that_is_refused_leaves_none() {
    let (receiver, mut gateway, id) = start().await;
    let png = photo(ImageFormat::Png);
    let handled = json!({"to": "handled", "by": "赵强", "id": "h1", "revision": 1});
    // Who is second leaves nothing on the disk.
    let path = format!("/api/v1/incidents/{id}/replies");
    let (status, data) = gateway.post(&path, &json!({"to": "accepted", "by": "王芳"})).await;
    assert_eq!((status, &data["stage"]), (200, &json!("accepted")));
    let (status, said) = reply(&gateway, &id, &handled, &png).await;
    assert_eq!((status, &said["by"]), (409, &json!("王芳")));
    assert_eq!(files(&gateway), 0);
    let handled = json!({"incident": id, "to": "handled", "by": "赵强", "id": "h1"});
    for _ in 0..2 {
        let (status, data) = reply(&gateway, &id, &handled, &png).await;
        assert_eq!((status, &data["stage"]), (200, &json!("handled")), "{data}");
        assert!(data["steps"][1].get("via").is_none(), "as claimed");
        assert_eq!(data["steps"][1]["evidence"], data["evidence"][0]["id"]);
    }
    assert_eq!(files(&gateway), 1);
    receiver.wait("handled", |data| data["what"] == "handled").await;
    // The same reply later with a picture that the first one had not: it is not lost in silence.
    let verified = json!({"to": "verified", "by": "王芳", "id": "v1"});
    assert_eq!(gateway.post(&path, &verified).await.0, 200);
    let (status, said) = reply(&gateway, &id, &verified, &png).await;
    assert_eq!(status, 409, "{said}");
    assert!(said["error"].as_str().unwrap().contains("the picture is not kept"), "{said}");
    assert_eq!(files(&gateway), 1);
    // A sender says neither how it came nor which picture is its.
    for forged in [json!({"via": "link"}), json!({"picture": {}}), json!({"evidence": "x"})] {
        let mut body = json!({"to": "closed", "by": "x"});
        body.as_object_mut().unwrap().extend(forged.as_object().unwrap().clone());
        assert_eq!(gateway.post(&path, &body).await.0, 400, "{body}");
    }
    let other = "01900000-0000-7000-8000-000000000001";
    let elsewhere = json!({"incident": other, "to": "closed", "by": "x"});
    for (path, body, status) in [
        (path.clone(), elsewhere, 400),
        (path.clone(), json!([1]), 400),
        (format!("/api/v1/incidents/{other}/replies"), json!({"to": "closed", "by": "x"}), 404),
        ("/api/v1/incidents/nonsense/replies".into(), json!({"to": "closed", "by": "x"}), 404),
    ] {
        assert_eq!(gateway.post(&path, &body).await.0, status, "{path} {body}");
    }
    // Closed: what comes then is refused, with its picture.
    let closed = json!({"to": "closed", "by": "王芳"});
    assert_eq!(reply(&gateway, &id, &closed, &png).await.0, 200);
    assert_eq!(reply(&gateway, &id, &json!({"to": "handled", "by": "x"}), &png).await.0, 409);
    assert_eq!(files(&gateway), 2);
    gateway.must_stop_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_snapshot_is_shown_where_the_site_says_so_and_whose_link_looked_is_written_down() {
    let server = RtspServer::start(0, &street("h264"));
    let receiver = Receiver::start().await;
    let watched = site(&receiver).camera("gate", &server).short_clips().walkers();
    let mut gateway = Gateway::start(&watched).await;
    let seen = |data: &Value| data["kind"] == "intrusion" && data["evidence"][0]["id"].is_string();
    let event = receiver.wait("somebody with a snapshot", seen).await;
    let id = event["data"]["incident"].as_str().unwrap().to_owned();
    let phone = Phone::of(&gateway, &id, "王芳").await;
    let code = phone.url.rsplit('/').next().unwrap().to_owned();
    phone.page().await.must_show(200, &[&format!("<img alt=\"现场快照\" src=\"{code}/picture\">")]);
    let looks =
        |gateway: &Gateway| gateway.journal().matches(r#""by":"fetched by link of 王芳""#).count();
    let head = phone.at("/picture").ask(reqwest::Method::HEAD, &[]).await;
    assert_eq!((head.status, looks(&gateway)), (204, 0));
    let shown = http().get(phone.at("/picture").url).send().await.unwrap();
    let header = |name: &str| shown.headers()[name].to_str().unwrap().to_owned();
    assert_eq!((shown.status().as_u16(), header("content-type")), (200, "image/jpeg".into()));
    assert_eq!((header("cache-control"), shown.headers().get("etag")), ("no-store".into(), None));
    assert_eq!(image::load_from_memory(&shown.bytes().await.unwrap()).unwrap().width() % 2, 0);
    assert_eq!(looks(&gateway), 1);
    // Once is all: robots that fetch it, in part or again, write nothing.
    gateway.nothing_is_pending().await;
    let before = gateway.metric("gridpost_store_records_total").await;
    let other = Phone::of(&gateway, &id, "王芳").await;
    let asked = gateway.metric("gridpost_store_records_total").await - before;
    for headers in
        [&[][..], &[("range", "bytes=0-9")], &[("range", "bytes=9-")], &[("purpose", "prefetch")]]
    {
        for phone in [&phone, &other] {
            let status = phone.at("/picture").ask(reqwest::Method::GET, headers).await.status;
            assert!([200, 206].contains(&status), "{status}");
        }
    }
    assert_eq!(gateway.metric("gridpost_store_records_total").await, before + asked);
    assert_eq!(looks(&gateway), 1);
    // Switched off, the same link shows none.
    gateway.reload_to(watched.clone().section("[links]").set("pictures", false)).await;
    let again = Phone::of(&gateway, &id, "王芳").await;
    again.page().await.hides(&["<img"]);
    again.at("/picture").page().await.must_show(404, &["没有内容"]);
    gateway.must_stop_sound().await;
}
