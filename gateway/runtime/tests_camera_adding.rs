//! Cameras that are added on the page: what is refused, what is written, and whose password lies where.

use std::os::unix::fs::PermissionsExt;

use super::{
    room::{HAND_WRITTEN, Room},
    *,
};

impl Room {
    async fn add(&self, asked: Value) -> Result<Value, DeskRefusal> {
        let asked = serde_json::from_value(asked).unwrap();
        let now = "2026-12-01T08:00:00Z".parse().unwrap();
        add_camera(Arc::new(self.config()), asked, now, &self.reloads).await
    }

    fn secrets(&self) -> Vec<PathBuf> {
        let files = fs::read_dir(self.folder.path().join("data/keys"));
        files.into_iter().flatten().map(|entry| entry.unwrap().path()).collect()
    }
}

fn gate(on: u32) -> Value {
    json!({"on": on, "by": "王工", "id": "gate", "name": "东门 ${HOME}", "url": "rtsp://192.0.2.7/1",
        "username": "viewer", "password": "p$ss", "place": [114.123456, 30.654321]})
}

#[tokio::test]
async fn it_is_written_over_the_hand_written_file_with_its_password_in_a_file_of_its_own() {
    let room = Room::new();
    let told = room.add(gate(0)).await.unwrap();
    assert_eq!((&told["version"], &told["in_effect"]), (&json!(1), &json!(true)), "{told}");
    assert!(!told.to_string().contains("p$ss"), "{told}");
    let config = room.config();
    let camera = config.cameras.iter().find(|one| one.id == "gate").unwrap();
    assert_eq!((camera.name.as_str(), camera.url.as_str()), ("东门 ${HOME}", "rtsp://192.0.2.7/1"));
    assert_eq!(camera.place, Some([114.123456, 30.654321]));
    assert_eq!(camera.full_url().unwrap(), "rtsp://viewer:p%24ss@192.0.2.7/1");
    let secrets = room.secrets();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((secrets.len(), mode(&secrets[0])), (1, 0o600));
    let applied = fs::read_to_string(room.folder.path().join("data/site.d/applied.toml")).unwrap();
    assert!(!applied.contains("p$ss") && applied.contains("王工"), "{applied}");
    let hand_written = fs::read_to_string(room.folder.path().join("gridpost.toml")).unwrap();
    assert!(hand_written.starts_with(HAND_WRITTEN));
}

#[tokio::test]
async fn a_password_goes_when_no_version_can_bring_it_back() {
    let room = Room::new();
    room.add(gate(0)).await.unwrap();
    // Somebody else was first: what was refused leaves nothing.
    let late = json!({"on": 0, "by": "x", "id": "late", "url": "rtsp://192.0.2.8/1", "username": "u",
        "password": "q"});
    assert!(matches!(room.add(late).await, Err(DeskRefusal::Refused(_))));
    assert_eq!(room.secrets().len(), 1);
    let lost = room.folder.path().join("data/keys/camera-0000000000000001.password");
    fs::write(&lost, "x").unwrap();
    let others = room.folder.path().join("data/keys/links.key");
    fs::write(&others, "x").unwrap();
    let next = json!({"on": 1, "by": "x", "id": "next", "onvif": "http://192.0.2.9/onvif"});
    room.add(next).await.unwrap();
    assert!(!lost.exists() && others.exists());
    assert_eq!(room.secrets().len(), 2, "that of a camera which is in effect stays");
}

#[tokio::test]
async fn what_is_wrong_or_leads_into_the_box_is_refused_and_nothing_is_written() {
    let room = Room::new();
    for (change, said) in [
        (json!({"id": "yard"}), "there is a camera yard already"),
        (json!({"id": ""}), "id: expected"),
        (json!({"id": "../../x"}), "id: expected"),
        (json!({"id": "${HOME}"}), "id: expected"),
        (json!({"url": "rtsp://127.0.0.1:8554/a"}), "url: leads into this box"),
        (json!({"url": "/etc/passwd"}), "url: expected rtsp://"),
        (json!({"url": "exec:/bin/sh"}), "url: expected rtsp://"),
        (json!({"url": "rtsp://a:b@192.0.2.1/"}), "url: names a user"),
        (json!({"url": null}), "url: expected one"),
        (json!({"url": null, "onvif": "http://localhost/onvif"}), "onvif: expected the address"),
        (json!({"username": null}), "username: expected one"),
        (json!({"password": "a\nb"}), "password: expected"),
        (json!({"name": "a\u{0}b"}), "name: expected"),
        (json!({"place": [999.0, 30.0]}), "place"),
        (json!({"grid": "nowhere"}), "grid"),
        (json!({"by": " "}), "by: expected"),
    ] {
        let mut asked = gate(0);
        for (key, value) in change.as_object().unwrap() {
            asked[key] = value.clone();
        }
        match room.add(asked).await {
            Err(DeskRefusal::Wrong(all)) => {
                let all = all.join("; ");
                assert!(all.contains(said), "{said} not in {all}");
                assert!(!all.contains("a\nb") && !all.contains("p$ss"), "{all}");
            }
            other => panic!("{change}: {other:?}"),
        }
        assert!(room.secrets().is_empty(), "{change}");
        assert!(!room.folder.path().join("data/site.d/applied.toml").exists(), "{change}");
    }
}
