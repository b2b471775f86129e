//! A camera that is added over the web: in effect at once, its password nowhere but in its file, taken back; and who may.

use std::os::unix::fs::PermissionsExt;

use reqwest::Method;
use serde_json::{Value, json};

use crate::world::{Gateway, Seat, Site, said, wait_for};

const SECRET: &str = "p$ss-planted";

/// An address of documentation: nobody answers there.
fn gate(on: u64) -> Value {
    json!({ "on": on, "id": "gate", "name": "东门", "url": "rtsp://192.0.2.7:554/1",
        "username": "viewer", "password": SECRET })
}

#[tokio::test(flavor = "multi_thread")]
async fn an_installer_adds_a_camera_and_takes_it_back() {
    let gateway = Gateway::start(Site::demo()).await;
    let installer = Seat::take(&gateway, "王工", "installer").await;
    let before = std::fs::read_to_string(gateway.file("gridpost.toml")).unwrap();
    let add = async |seat: &Seat<'_>, body: &Value| {
        said(seat.ask(Method::POST, "/api/v1/cameras", body).await).await
    };
    let (status, told) = add(&installer, &gate(0)).await;
    assert_eq!((status, &told["in_effect"]), (200, &json!(true)), "{told}");
    let (_, all) = gateway.get("/api/v1/cameras").await;
    assert_eq!((&all["cameras"][0]["id"], &all["version"]), (&json!("gate"), &json!(1)), "{all}");
    assert_eq!(all["applied"]["by"], "王工");
    assert_eq!(add(&installer, &gate(1)).await.0, 422, "its id is taken");
    let late = json!({ "on": 0, "id": "late", "url": "rtsp://192.0.2.8/1" });
    assert_eq!(add(&installer, &late).await.0, 409, "somebody was first");
    // Its password is in one file, for its owner alone, and nowhere else.
    let keys = gateway.data().join("keys");
    let secret = std::fs::read_dir(&keys).unwrap().map(|entry| entry.unwrap().path());
    let secret = secret.filter(|path| path.extension().is_some_and(|end| end == "password"));
    let secret: Vec<_> = secret.collect();
    assert_eq!(secret.len(), 1);
    let mode = std::fs::metadata(&secret[0]).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode, std::fs::read_to_string(&secret[0]).unwrap().trim()), (0o600, SECRET));
    let applied = std::fs::read_to_string(gateway.data().join("site.d/applied.toml")).unwrap();
    let (_, fleet) = gateway.get("/api/v1/fleet").await;
    for (what, text) in [
        ("applied.toml", applied),
        ("cameras", all.to_string()),
        ("answer", told.to_string()),
        ("fleet", fleet.to_string()),
        ("journal", gateway.journal()),
    ] {
        assert!(!text.contains("planted"), "{what}");
    }
    assert_eq!(std::fs::read_to_string(gateway.file("gridpost.toml")).unwrap(), before);
    let undo = json!({ "on": 1 });
    let answer = installer.ask(Method::POST, "/api/v1/rules/undo", &undo).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(gateway.get("/api/v1/cameras").await.1["cameras"], json!([]));
    wait_for("who added what is in the journal", || async {
        let written = gateway.journal();
        (written.contains("在页面上添加摄像头 gate") && written.contains("王工")).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_adds_what_leads_into_the_box_nor_without_the_role() {
    let gateway = Gateway::start(Site::demo()).await;
    let installer = Seat::take(&gateway, "王工", "installer").await;
    let officer = Seat::take(&gateway, "李警官", "officer").await;
    let add = async |seat: &Seat<'_>, body: &Value| {
        said(seat.ask(Method::POST, "/api/v1/cameras", body).await).await
    };
    assert_eq!(add(&officer, &gate(0)).await.0, 403);
    assert_eq!(add(&Seat::empty(&gateway), &gate(0)).await.0, 401);
    let mut other = gate(0);
    other["by"] = "李警官".into();
    assert_eq!(add(&installer, &other).await.0, 403, "by his own name alone");
    let port = gateway.web.rsplit(':').next().unwrap().to_owned();
    for url in [
        format!("rtsp://127.0.0.1:{port}/"),
        format!("rtsp://localhost:{port}/"),
        format!("rtsp://0x7f.1:{port}/"),
        "rtsp://169.254.169.254/latest/meta-data".into(),
        "file:///etc/passwd".into(),
        "/etc/passwd".into(),
        "exec:/bin/sh -c id".into(),
        "concat:/etc/passwd|/etc/shadow".into(),
        "pipe:0".into(),
    ] {
        let mut asked = gate(0);
        asked["url"] = url.as_str().into();
        let (status, told) = add(&installer, &asked).await;
        assert_eq!(status, 422, "{url}: {told}");
        let mut asked = gate(0);
        (asked["url"], asked["onvif"]) = (Value::Null, url.replace("rtsp:", "http:").into());
        assert_eq!(add(&installer, &asked).await.0, 422, "{url}");
    }
    assert!(!gateway.data().join("site.d/applied.toml").exists());
    assert_eq!(gateway.get("/api/v1/cameras").await.1["version"], 0);
    // A search is written down before anything is sent.
    let find = installer.ask(Method::POST, "/api/v1/cameras/find", &json!({})).await;
    assert!([200, 500].contains(&find.status().as_u16()), "no network is a failure: {find:?}");
    assert!(gateway.journal().contains("\"cameras-sought\""));
}
