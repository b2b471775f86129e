//! P11, P1 on a disk that is full or fails: presses alone go through, all else says why not, and it mends by itself.

use std::{fs, io::Write, path::Path, time::Duration};

use serde_json::{Value, json};

use crate::world::{Gateway, Launch, Message, Receiver, Site, SmallDisk, wait_for};

/// A button waits so long for its acknowledgement.
const BUTTON_WAITS: Duration = Duration::from_secs(3);

fn small_store(receiver: &Receiver) -> Launch {
    let site = Site::demo().section("[data]").set("min_free_bytes", 16 << 20);
    Launch::of(site.set("segment_bytes", 256 << 10).http(receiver))
}

fn is_acknowledged(gateway: &Gateway, topic: &str, payload: &str) -> bool {
    Message::new(gateway.intake.unwrap(), topic, payload).within(BUTTON_WAITS).send()
}

fn is_pressed(gateway: &Gateway, device: &str) -> bool {
    Message::press(gateway.intake.unwrap(), device, "1").within(BUTTON_WAITS).send()
}

/// As a button does: again until it is acknowledged.
async fn press_until_acknowledged(gateway: &Gateway, device: &str) {
    wait_for("the acknowledgement", || {
        let done = is_pressed(gateway, device);
        async move { done.then_some(()) }
    })
    .await;
}

async fn accept(gateway: &Gateway, incident: &str) -> u16 {
    let reply = json!({"incident": incident, "to": "accepted", "by": "officer"});
    gateway.post("/api/v1/replies", &reply).await.0
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
    let Some(disk) = SmallDisk::of(64) else {
        // Where nobody may mount, the store's own test with a faulty disk stands alone.
        println!("NOT RUN: no small disk can be mounted here (mount namespaces are forbidden)");
        return;
    };
    let receiver = Receiver::start().await;
    let gateway = small_store(&receiver).small_disk(disk).start().await;
    assert!(is_pressed(&gateway, "before"));
    let opened = receiver.wait("the first press", |data| data["kind"] == "emergency-button").await;
    let incident = opened["subject"].as_str().unwrap().to_owned();
    let reserve = gateway.data().join("reserve");
    wait_for("the reserve", || {
        let there = fs::metadata(&reserve).is_ok_and(|file| file.len() == 2 << 20);
        async move { there.then_some(()) }
    })
    .await;

    let filler = gateway.data().join("filler");
    fill(&filler);
    gateway.readiness(503, "are free").await;
    let low = receiver.wait("disk-low", |data| data["kind"] == "disk-low").await;
    assert_eq!(low["data"]["severity"], 2);
    // The reserve is let go by whoever finds no room; its room is for presses.
    for device in ["full-1", "full-2", "full-3"] {
        press_until_acknowledged(&gateway, device).await;
        receiver.wait(device, |data| data["sources"][0]["id"] == device).await;
    }
    assert!(!reserve.exists(), "presses were written without letting the reserve go");
    assert_eq!(accept(&gateway, &incident).await, 503, "nothing but presses is taken");
    // F2: where a drone is needs no disk; unacknowledged, it would come again for ever.
    let osd =
        r#"{"timestamp":1782874800100,"data":{"latitude":30.9,"longitude":113.9,"mode_code":5}}"#;
    assert!(
        is_acknowledged(&gateway, "thing/product/1581F5/osd", osd),
        "a pose holds up its broker"
    );

    fs::remove_file(&filler).unwrap();
    gateway.readiness(200, "true").await;
    wait_for("the reply to be taken", || async {
        (accept(&gateway, &incident).await == 200).then_some(())
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
    assert!(is_pressed(&gateway, "after"));
    gateway.store(&["check"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn p1_p11_syncs_that_fail_acknowledge_nothing_and_are_loud_until_they_work_again() {
    let receiver = Receiver::start().await;
    let gateway = small_store(&receiver).faulty_disk("-", 0).start().await;
    assert!(is_pressed(&gateway, "before"));
    gateway.disk_does("e");
    assert!(!is_pressed(&gateway, "failing"), "acknowledged without being on disk");
    gateway.readiness(503, "the store cannot write").await;
    assert!(!is_pressed(&gateway, "failing"), "acknowledged without being on disk");
    gateway.disk_does("-");
    press_until_acknowledged(&gateway, "failing").await;
    receiver.wait("the press", |data| data["sources"][0]["id"] == "failing").await;
    gateway.readiness(200, "true").await;
    let over = |data: &Value| data["kind"] == "disk-low" && data["active"] == false;
    let told = receiver.wait("the word of it", over).await;
    assert!(told["data"]["why"].as_str().unwrap().contains("room again"), "{told}");
    let presses =
        receiver.state().into_values().filter(|data| data["sources"][0]["id"] == "failing");
    assert_eq!(presses.count(), 1, "sent three times, one effect");
    gateway.store(&["check"]);
}
