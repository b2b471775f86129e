//! P11, P1 on a disk that is full or fails: presses alone go through, all else says why not, and it mends by itself.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::world::{Receiver, gridpost, http, library, root, wait_for};

/// With what `unshare` may mount here: as root, as anybody, in a chroot. None: not at all.
fn apart(folder: &Path) -> Option<&'static [&'static str]> {
    let ways: [&[&str]; 3] =
        [&["--mount"], &["--map-root-user", "--mount"], &["--mount", "--propagation", "unchanged"]];
    ways.into_iter().find(|way| {
        let mount = "mount -t tmpfs -o size=1m tmpfs data";
        let mut try_it = Command::new("unshare");
        try_it.args(*way).args(["sh", "-c", mount]).current_dir(folder).stderr(Stdio::null());
        try_it.status().is_ok_and(|status| status.success())
    })
}

/// The real binary on a disk of its own: a small tmpfs in a mount namespace, or the usual one
/// under the preloaded library.
struct Small {
    child: Child,
    folder: TempDir,
    data: PathBuf,
    web: String,
    intake: u16,
    token: String,
}

impl Small {
    /// `megabytes`: of its disk; none: that of the test, with syncs that the file `control` breaks.
    async fn start(receiver: &Receiver, megabytes: Option<u32>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = format!(
            "[site]\nid = \"demo\"\n[data]\npath = \"data\"\nmin_free_bytes = 16777216\nsegment_bytes = 262144\n[web]\nlisten = \"127.0.0.1:0\"\n[intake]\nlisten = \"127.0.0.1:0\"\nallow_anonymous = true\n[[sink]]\nid = \"grid\"\nkind = \"http\"\nurl = \"{}\"\n",
            receiver.url
        );
        fs::write(folder.path().join("g.toml"), config).unwrap();
        fs::create_dir(folder.path().join("data")).unwrap();
        fs::write(folder.path().join("control"), "-").unwrap();
        let binary = env!("CARGO_BIN_EXE_gridpost");
        let mut command = match megabytes {
            Some(size) => {
                let mut command = Command::new("unshare");
                command.args(apart(folder.path()).expect("a mount namespace of one's own"));
                let mount = format!(
                    "mount -t tmpfs -o size={size}m,mode=700 tmpfs data && exec {binary} run -c g.toml"
                );
                command.args(["sh", "-c", &mount]);
                command
            }
            None => {
                let mut command = Command::new(binary);
                command.args(["run", "-c", "g.toml"]).env("LD_PRELOAD", library());
                command
            }
        };
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let mut child = command
            .current_dir(folder.path())
            .env("CUT_ROOT", folder.path().join("data"))
            .env("CUT_CONTROL", folder.path().join("control"))
            .env("GRIDPOST_MODELS", root().join("models"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let inside = format!("/proc/{}/root{}", child.id(), folder.path().join("data").display());
        let data = megabytes.map_or(folder.path().join("data"), |_| inside.into());
        let said: Value = wait_for("the gateway to start", || {
            let said = fs::read(data.join("run.json")).ok();
            let said = said.and_then(|text| serde_json::from_slice(&text).ok());
            let ended = child.try_wait().unwrap();
            let log = fs::read_to_string(folder.path().join("log")).unwrap();
            async move {
                assert!(ended.is_none(), "it ended (mount namespaces may be forbidden):\n{log}");
                said
            }
        })
        .await;
        let port = |at: &Value| at.as_str().unwrap().rsplit(':').next().unwrap().parse().unwrap();
        let token = fs::read_to_string(data.join("token")).unwrap();
        Self {
            web: format!("http://127.0.0.1:{}", port(&said["web"])),
            intake: port(&said["intake"]),
            token: token.trim().into(),
            child,
            data,
            folder,
        }
    }

    /// Whether it was acknowledged within what a button waits.
    fn press(&self, device: &str) -> bool {
        self.publish("x", &json!({"device": device, "event": "press", "id": "1"}).to_string())
    }

    fn publish(&self, topic: &str, payload: &str) -> bool {
        let port = self.intake.to_string();
        let args =
            ["3", "mosquitto_pub", "-h", "127.0.0.1", "-p", &port, "-q", "1", "-t", topic, "-m"];
        Command::new("timeout")
            .args(args)
            .arg(payload)
            .stderr(Stdio::null())
            .status()
            .unwrap()
            .success()
    }

    /// As a button does: again until it is acknowledged.
    async fn press_until_acknowledged(&self, device: &str) {
        wait_for("the acknowledgement", || {
            let done = self.press(device);
            async move { done.then_some(()) }
        })
        .await;
    }

    async fn reply(&self, incident: &str) -> u16 {
        let reply = json!({"incident": incident, "to": "accepted", "by": "officer"});
        let url = format!("{}/api/v1/replies", self.web);
        let sent = http().post(url).bearer_auth(&self.token).json(&reply).send().await.unwrap();
        sent.status().as_u16()
    }

    async fn ready(&self) -> (u16, String) {
        let answer = http().get(format!("{}/readyz", self.web)).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    async fn until_ready(&self, wanted: u16, why: &str) {
        wait_for(&format!("readiness {wanted} {why}"), || async move {
            let (status, text) = self.ready().await;
            (status == wanted && text.contains(why)).then_some(())
        })
        .await;
    }

    fn is_sound(&self) -> bool {
        let checked = gridpost(&["store", "check", "--data", &self.data.display().to_string()]);
        println!("{}", checked.stdout);
        checked.code == 0
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            eprintln!("{}", lines[lines.len().saturating_sub(40)..].join("\n"));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// To the last byte.
fn fill(path: &Path) {
    let mut file = fs::File::create(path).unwrap();
    for bytes in [1 << 20, 4096, 512, 1] {
        while file.write_all(&vec![7; bytes]).is_ok() {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p1_p11_on_a_full_disk_presses_go_through_and_all_resumes_when_there_is_room() {
    let try_it = tempfile::tempdir().unwrap();
    fs::create_dir(try_it.path().join("data")).unwrap();
    if apart(try_it.path()).is_none() {
        // Where nobody may mount, the store's own test with a faulty disk stands alone.
        println!("NOT RUN: no small disk can be mounted here (mount namespaces are forbidden)");
        return;
    }
    let receiver = Receiver::start().await;
    let small = Small::start(&receiver, Some(64)).await;
    assert!(small.press("before"));
    let opened = receiver.wait("the first press", |data| data["kind"] == "emergency-button").await;
    let incident = opened["subject"].as_str().unwrap().to_owned();
    let reserve = small.data.join("reserve");
    wait_for("the reserve", || {
        let there = fs::metadata(&reserve).is_ok_and(|file| file.len() == 2 << 20);
        async move { there.then_some(()) }
    })
    .await;

    let filler = small.data.join("filler");
    fill(&filler);
    small.until_ready(503, "are free").await;
    let low = receiver.wait("disk-low", |data| data["kind"] == "disk-low").await;
    assert_eq!(low["data"]["severity"], 2);
    // The reserve is let go by whoever finds no room; its room is for presses.
    for device in ["full-1", "full-2", "full-3"] {
        small.press_until_acknowledged(device).await;
        receiver.wait(device, |data| data["sources"][0]["id"] == device).await;
    }
    assert!(!reserve.exists(), "presses were written without letting the reserve go");
    assert_eq!(small.reply(&incident).await, 503, "nothing but presses is taken");
    // F2: where a drone is needs no disk; unacknowledged, it would come again for ever.
    let osd =
        r#"{"timestamp":1782874800100,"data":{"latitude":30.9,"longitude":113.9,"mode_code":5}}"#;
    assert!(small.publish("thing/product/1581F5/osd", osd), "a pose holds up its broker");

    fs::remove_file(&filler).unwrap();
    small.until_ready(200, "true").await;
    wait_for("the reply to be taken", || async {
        (small.reply(&incident).await == 200).then_some(())
    })
    .await;
    receiver.wait("accepted", |data| data["stage"] == "accepted").await;
    receiver
        .wait("disk-low over", |data| data["kind"] == "disk-low" && data["active"] == false)
        .await;
    wait_for("a reserve again", || {
        let there = reserve.exists();
        async move { there.then_some(()) }
    })
    .await;
    assert!(small.press("after"));
    assert!(small.is_sound());
}

#[tokio::test(flavor = "multi_thread")]
async fn p1_p11_syncs_that_fail_acknowledge_nothing_and_are_loud_until_they_work_again() {
    let receiver = Receiver::start().await;
    let small = Small::start(&receiver, None).await;
    assert!(small.press("before"));
    let control = small.folder.path().join("control");
    fs::write(&control, "e").unwrap();
    assert!(!small.press("failing"), "acknowledged without being on disk");
    small.until_ready(503, "the store cannot write").await;
    assert!(!small.press("failing"), "acknowledged without being on disk");
    fs::write(&control, "-").unwrap();
    small.press_until_acknowledged("failing").await;
    receiver.wait("the press", |data| data["sources"][0]["id"] == "failing").await;
    small.until_ready(200, "true").await;
    let over = |data: &Value| data["kind"] == "disk-low" && data["active"] == false;
    let told = receiver.wait("the word of it", over).await;
    assert!(told["data"]["why"].as_str().unwrap().contains("room again"), "{told}");
    let presses =
        receiver.state().into_values().filter(|data| data["sources"][0]["id"] == "failing");
    assert_eq!(presses.count(), 1, "sent three times, one effect");
    assert!(small.is_sound());
}
