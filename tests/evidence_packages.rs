//! Evidence that leaves, and evidence that was hidden: packages by page and command, originals, holds, and the
//! doors that others have left open: paths out of ids, foreign ids, HEAD, caches.

use serde_json::{Value, json};

use crate::world::{
    Gateway, Receiver, RtspServer, Site, gridpost, has_snapshot_and_clip, http, sha256, street,
};

async fn fetch(gateway: &Gateway, method: reqwest::Method, path: &str) -> reqwest::Response {
    let url = format!("{}{path}", gateway.web);
    http().request(method, url).bearer_auth(&gateway.token).send().await.unwrap()
}

fn verify(file: &str, more: &[&str]) -> (i32, String) {
    let output = gridpost(&[&["verify", file], more].concat());
    (output.code, format!("{}{}", output.stdout, output.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn p10_a_package_of_a_press_is_proved_elsewhere_and_every_export_needs_a_reason() {
    let receiver = Receiver::start().await;
    let gateway = Gateway::start(&Site::demo().http(&receiver)).await;
    gateway.press("btn-1", "1");
    let press = receiver.wait("the press", |data| data["kind"] == "emergency-button").await;
    let id = press["data"]["incident"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/incidents/{id}/package");
    let get = reqwest::Method::GET;
    for query in ["", "?reason=", "?reason=%20", "?reason=x&by=y", "?why=x"] {
        assert_eq!(gateway.get(&format!("{path}{query}")).await.0, 400, "{query}");
    }
    let long = "x".repeat(501);
    assert_eq!(gateway.get(&format!("{path}?reason={long}")).await.0, 400);
    for foreign in ["..%2f..%2ftoken", "00000000-0000-0000-0000-000000000000", "x", "%00"] {
        let path = format!("/api/v1/incidents/{foreign}/package?reason=x");
        assert_eq!(gateway.get(&path).await.0, 404, "{foreign}");
        let path = format!("/api/v1/evidence/{foreign}/original?reason=x");
        assert_eq!(gateway.get(&path).await.0, 404, "{foreign}");
    }
    let head = fetch(&gateway, reqwest::Method::HEAD, &format!("{path}?reason=x")).await;
    assert_eq!(head.status(), 405, "it would leave a record of what nobody got");
    let bare = http().get(format!("{}{path}?reason=x", gateway.web)).send().await.unwrap();
    assert_eq!(bare.status(), 401);

    let answer = fetch(&gateway, get, &format!("{path}?reason=%E6%A1%88%E4%BB%B6")).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["cache-control"], "no-store");
    assert_eq!(answer.headers()["content-type"], "application/zip");
    let bytes = answer.bytes().await.unwrap();
    let place = tempfile::tempdir().unwrap();
    let file = |name: &str| place.path().join(name).display().to_string();
    std::fs::write(file("page.zip"), &bytes).unwrap();
    let key = gateway.command("keys", &[]);
    assert_eq!(key.code, 0, "{}", key.stderr);
    let key = key.stdout.trim();
    let (code, said) = verify(&file("page.zip"), &["--key", key]);
    assert!(code == 0 && said.contains("案件") && !said.contains("NOT PROVED"), "{said}");
    let mut bent = bytes.to_vec();
    let middle = bent.len() / 2;
    bent[middle] ^= 4;
    std::fs::write(file("bent.zip"), &bent).unwrap();
    assert_eq!(verify(&file("bent.zip"), &[]).0, 1);

    // The same by a command, which the running gateway does.
    let to = file("command.zip");
    let export = ["export", &id, "-o", &to, "-c", &gateway.file("gridpost.toml")];
    assert_eq!(gridpost(&export).code, 2, "no reason");
    let with_reason = [&export[..], &["--reason", "法院调取", "--by", "李警官"]].concat();
    let made = gridpost(&with_reason);
    assert_eq!(made.code, 0, "{}{}", made.stdout, made.stderr);
    let (code, said) = verify(&to, &["--key", key]);
    assert!(code == 0 && said.contains("李警官: 法院调取"), "{said}");
    assert_eq!(gridpost(&with_reason).code, 1, "nothing is written over");

    let hold = format!("/api/v1/incidents/{id}/hold");
    assert_eq!(gateway.post(&hold, &json!({})).await.0, 400);
    let (status, held) = gateway.post(&hold, &json!({ "reason": "复查" })).await;
    assert!(status == 200 && held["until"].is_string(), "{held}");
    let nobody = "/api/v1/incidents/00000000-0000-0000-0000-000000000000/hold";
    assert_eq!(gateway.post(nobody, &json!({ "reason": "x" })).await.0, 404);
    // Nothing is left in the box of what was handed out.
    let left = gateway.data().join("evidence/unfinished").read_dir().unwrap().count();
    assert_eq!(left, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn p10_a_camera_shows_no_face_and_the_original_opens_for_a_reason_alone() {
    let server = RtspServer::start(0, &street("h264"));
    let receiver = Receiver::start().await;
    let corner = [[[0.0, 0.0], [0.1, 0.0], [0.1, 0.1], [0.0, 0.1]]];
    let site = Site::demo()
        .walkers()
        .http(&receiver)
        .camera("square", &server)
        .short_clips()
        .set("private", corner);
    let gateway = Gateway::start(&site).await;
    let told = receiver.wait("its clip", has_snapshot_and_clip).await;
    let evidence = told["data"]["evidence"].as_array().unwrap().clone();
    let picture = &evidence[0];
    let original = evidence.iter().find(|one| one["original_of"] == picture["id"]).unwrap();
    assert!(original["url"].is_null() && evidence.last().unwrap()["original_of"].is_string());
    let clip = evidence.iter().find(|one| one["media_type"] == "video/mp4").unwrap();
    assert_eq!(clip["kept_here"], true, "it shows what is private");
    let shown = gateway.evidence(picture).await;
    assert_eq!(picture["sha256"], sha256(&shown));
    let id = |piece: &Value| piece["id"].as_str().unwrap().to_owned();
    let get = reqwest::Method::GET;
    let direct = format!("/api/v1/evidence/{}", id(original));
    assert_eq!(gateway.get(&direct).await.0, 404, "it has no address");
    let path = format!("/api/v1/evidence/{}/original", id(picture));
    assert_eq!(gateway.get(&path).await.0, 400);
    for other in [clip, original] {
        let path = format!("/api/v1/evidence/{}/original?reason=x", id(other));
        assert_eq!(gateway.get(&path).await.0, 404);
    }
    let opened = fetch(&gateway, get, &format!("{path}?reason=court")).await;
    assert_eq!(
        (opened.status().as_u16(), &opened.headers()["cache-control"]),
        (200, &"no-store".parse().unwrap())
    );
    let plain = opened.bytes().await.unwrap();
    assert_eq!(original["sha256"], sha256(&plain));
    assert_ne!(&plain[..], &shown[..]);
    // Sealed at rest: nowhere in the folder do its bytes lie.
    let sealed = gateway.data().join(format!("evidence/{}.sealed", id(original)));
    let sealed = std::fs::read(sealed).unwrap();
    assert!(!sealed.windows(64).any(|part| part == &plain[1000..1064]));
    let to = gateway.file("original.jpg");
    let config = gateway.file("gridpost.toml");
    let command = ["store", "original", &id(picture), "-o", &to, "-c", &config, "--reason", "x"];
    let done = gridpost(&command);
    assert_eq!(done.code, 0, "{}{}", done.stdout, done.stderr);
    assert_eq!(std::fs::read(&to).unwrap(), plain);
    let copy = gateway.file("copy");
    let said = gateway.store(&["backup", "--to", &copy]);
    assert!(said.contains("originals of blurred pictures cannot be opened"), "{said}");
    assert!(said.contains("cannot be opened or checked here"), "{said}");
    assert!(gateway.store(&["check"]).contains("sound"));
}
