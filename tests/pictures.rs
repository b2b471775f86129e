//! Cameras with bad habits: a picture that stops, stamps that lie, digests, places, refusals; what each costs is its own.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::world::{
    Gateway, HangingFile, Launch, OddCamera, Receiver, Site, clip_of, has_snapshot_and_clip,
    in_a_row, is_of, street,
};

/// Seconds without a picture.
const STALL_S: u64 = 5;

#[tokio::test(flavor = "multi_thread")]
async fn p7_a_picture_that_stops_is_silence_in_its_time_whatever_goes_on_beside_it() {
    let street = street("h264");
    let of = |more: &[&str]| OddCamera::start(&street, &[&["--stops", "2"], more].concat());
    let cameras = [
        ("sound", of(&["--beside", "sound"])),
        ("metadata", of(&["--beside", "metadata"])),
        ("alone", of(&[])),
    ];
    let receiver = Receiver::start().await;
    let mut site = Site::demo().http(&receiver);
    for (id, camera) in &cameras {
        site = site.camera(id, camera).set("stall_timeout_s", STALL_S);
    }
    let gateway = Gateway::start(&site).await;
    for (_, camera) in &cameras {
        camera.sees("PLAY", 1).await;
    }
    let began = Instant::now();
    for (id, camera) in &cameras {
        let told = receiver.wait(id, |data| is_of(data, "camera-silent", id)).await;
        let said = told["data"].to_string();
        assert!(said.contains("no picture for 5 s"), "{said}");
        assert_eq!(said.contains("sound or metadata"), *id != "alone", "{said}");
        // A goodbye though the wait was broken off, and it is connected anew.
        camera.sees("TEARDOWN", 1).await;
        camera.sees("PLAY", 2).await;
    }
    // Two seconds of pictures and the time asked for, and not twice.
    assert!(began.elapsed().as_secs() < 2 + 2 * STALL_S, "{:?}", began.elapsed());
    // Pictures for two seconds are no end of the silence: it is one incident, however often.
    for (id, camera) in &cameras {
        camera.sees("PLAY", 3).await;
        let silences: Vec<Value> = receiver.state().into_values().collect();
        let of_it = silences.iter().filter(|data| is_of(data, "camera-silent", id));
        let of_it: Vec<&Value> = of_it.collect();
        assert_eq!(of_it.len(), 1, "{of_it:?}");
        assert_eq!(of_it[0]["active"], json!(true), "{of_it:?}");
    }
    assert!(gateway.get("/readyz").await.0 == 200);
}

/// Whose stamps lie, and how far its clip may be off: the clock is judged for some seconds.
#[tokio::test(flavor = "multi_thread")]
async fn v7_a_clip_is_as_long_as_it_was_whatever_the_stamps_say() {
    let folder = tempfile::tempdir().unwrap();
    let clip = in_a_row(folder.path(), &[(0.0, 14.0), (32.0, 36.0), (0.0, 20.0)]);
    let habits = ["constant", "0.1", "2"];
    let cameras = habits.map(|stamps| (stamps, OddCamera::start(&clip, &["--stamps", stamps])));
    let receiver = Receiver::start().await;
    let mut site = Site::demo().walkers().http(&receiver);
    for (stamps, camera) in &cameras {
        let id = format!("cam-{stamps}");
        site = site.camera(&id, camera).set("pre_roll_s", 3).set("post_roll_s", 2);
        site = site.set("clip_max_s", 8);
    }
    let gateway = Gateway::start(&site).await;
    for (stamps, _) in &cameras {
        let id = format!("cam-{stamps}");
        let of_it = |data: &Value| is_of(data, "intrusion", &id) && has_snapshot_and_clip(data);
        let told = receiver.wait(&id, of_it).await;
        let clip = clip_of(&told["data"]).unwrap();
        let bytes = gateway.evidence(clip).await;
        let file = folder.path().join(format!("{id}.mp4"));
        std::fs::write(&file, bytes).unwrap();
        let at = |key: &str| clip[key].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
        let said_s = at("ends_at").duration_since(at("starts_at")).as_secs_f64();
        let plays_s = crate::world::duration_s(&file);
        assert!(said_s > 6.0, "{stamps}: {clip}");
        assert!((plays_s - said_s).abs() < 0.15 * said_s, "{stamps}: {plays_s} s, of {said_s} s");
    }
    gateway.logs("its time stamps run at 0 % of real time").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn digest_with_sha_256_works_and_what_is_not_known_is_named() {
    let street = street("h264");
    let of = |digest: &str, more: &[&str]| {
        OddCamera::start(&street, &[&["--digest", digest], more].concat())
    };
    let cameras = [
        ("plain", of("SHA-256", &[])),
        ("qop", of("SHA-256", &["--qop"])),
        ("both", of("MD5,SHA-256", &["--qop"])),
        ("other-way", of("SHA-256,MD5", &[])),
        ("old", of("MD5", &[])),
    ];
    let unknown = of("SHA3-9", &[]);
    let wrong = of("SHA-256", &["--qop"]);
    let receiver = Receiver::start().await;
    let mut site = Site::demo().http(&receiver);
    for (id, camera) in &cameras {
        site = site.camera(id, camera.with_user("viewer:s3cret"));
    }
    site = site.camera("unknown", unknown.with_user("viewer:s3cret"));
    site = site.camera("wrong", wrong.with_user("viewer:wr0ng"));
    let mut gateway = Gateway::start(&site).await;
    for (id, _) in &cameras {
        gateway.camera_is("gridpost_camera_up", id, |up| up == 1.0).await;
    }
    gateway.logs("asks for digest authentication with SHA3-9").await;
    gateway.logs("401: user name or password is wrong").await;
    assert!(gateway.stop().await.success());
    for (_, camera) in &cameras {
        camera.sees("TEARDOWN", 1).await;
    }
    let log = gateway.log();
    assert!(!log.contains("s3cret") && !log.contains("wr0ng"), "a password in the log: {log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_camera_with_one_place_is_back_at_once_after_a_reload_and_a_restart() {
    let camera = OddCamera::start(&street("h264"), &["--one"]);
    let site = Site::demo().camera("gate", &camera);
    let mut gateway = Gateway::start(&site).await;
    camera.sees("PLAY", 1).await;
    gateway.reload_to(site.clone().set("stall_timeout_s", 9)).await;
    camera.sees("PLAY", 2).await;
    assert_eq!(camera.count("TEARDOWN"), 1, "a goodbye before it connects anew");
    assert!(gateway.stop().await.success());
    camera.sees("TEARDOWN", 2).await;
    let again = Gateway::start(&site).await;
    camera.sees("PLAY", 3).await;
    assert_eq!(camera.count("GONE"), 0, "no connection went without a word");
    // Killed, it cannot say goodbye, and what the camera answers then is said in plain words.
    let _folder = again.kill().await;
    camera.sees("GONE", 1).await;
    let gateway = Gateway::start(&site).await;
    gateway.logs("453: the camera has no place for another viewer").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_refusal_is_said_in_plain_words() {
    let street = street("h264");
    let refusals = [
        ("DESCRIBE=403", "403: not allowed with this user"),
        ("DESCRIBE=404", "404: the camera has no stream of this path"),
        ("SETUP=453", "453: the camera has no place for another viewer"),
        ("PLAY=454", "454: the camera has forgotten the session"),
        ("SETUP=461", "461: the camera does not send over tcp; set transport"),
        ("PLAY=503", "503: the camera is too busy, or still starting"),
    ];
    let cameras = refusals.map(|(what, said)| {
        (
            what.replace('=', "-").to_lowercase(),
            OddCamera::start(&street, &["--refuse", what]),
            said,
        )
    });
    let mut site = Site::demo();
    for (id, camera, _) in &cameras {
        site = site.camera(id, camera);
    }
    let gateway = Gateway::start(&site).await;
    for (id, _, said) in &cameras {
        crate::world::wait_for(said, || {
            let (log, of) = (gateway.log(), format!("camera=\"{id}\""));
            let told = log.lines().any(|line| line.contains(&of) && line.contains(said));
            async move { told.then_some(()) }
        })
        .await;
    }
}

/// A name server or a folder on a network that does not answer: here a password file that nobody writes.
#[tokio::test(flavor = "multi_thread")]
async fn p7_i7_a_thread_that_hangs_on_its_camera_is_left_behind_and_the_watchdog_is_fed() {
    let folder = tempfile::tempdir().unwrap();
    let (password, notify) = (folder.path().join("password"), folder.path().join("notify"));
    std::fs::write(&password, "s3cret").unwrap();
    let file = HangingFile::build(folder.path(), &password);
    let systemd = std::os::unix::net::UnixDatagram::bind(&notify).unwrap();
    systemd.set_nonblocking(true).unwrap();
    let mut said = Vec::new();
    let mut heard = || {
        let mut room = [0u8; 1024];
        while let Ok(bytes) = systemd.recv(&mut room) {
            said.push(String::from_utf8_lossy(&room[..bytes]).into_owned());
        }
        said.clone()
    };
    let camera = OddCamera::start(&street("h264"), &["--digest", "MD5"]);
    let receiver = Receiver::start().await;
    let site = Site::demo().http(&receiver).camera("gate", &camera);
    let site = site.set("username", "viewer").set("password_file", &password);
    let site = site.set("connect_timeout_s", 1).set("stall_timeout_s", 1);
    let launch = Launch::of(site).in_folder(folder);
    let launch = launch.env("NOTIFY_SOCKET", &notify).env("WATCHDOG_USEC", "600000");
    let gateway = launch.envs(file.environment()).start().await;
    let told = receiver.wait("the camera that hangs", |data| is_of(data, "camera-silent", "gate"));
    let told = told.await;
    assert!(told["data"].to_string().contains("no sign of life"), "{told}");
    gateway.press("btn-1", "1");
    receiver.wait("the press", |data| is_of(data, "emergency-button", "btn-1")).await;
    let fed = heard().len();
    tokio::time::sleep(Duration::from_secs(2)).await; // Longer than three feedings.
    let heard = heard();
    assert!(heard.len() > fed && !heard.iter().any(|said| said.contains("stuck")), "{heard:?}");
    // It answers: whoever waited for it goes, and the thread that took over has pictures.
    file.answers();
    gateway.logs("its thread hangs and is left behind").await;
    gateway
        .reload_to(
            Site::demo()
                .http(&receiver)
                .camera("gate", &camera)
                .set("username", "viewer")
                .set("password_file", &password)
                .set("stall_timeout_s", 2),
        )
        .await;
    gateway.camera_is("gridpost_camera_up", "gate", |up| up == 1.0).await;
}
