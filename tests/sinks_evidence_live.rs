//! Evidence upward through the real gateway: camera, disk, record, file; over a kill and a reload.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};

use crate::world::{Gateway, Receiver, Site, clip_of, free_port, sha256, street, wait_for};

/// A sink with pictures at a receiver of this port, whether or not it listens yet.
fn with_pictures(site: Site, id: &str, port: u16) -> Site {
    let at = format!("http://127.0.0.1:{port}");
    site.http_sink(id, format!("{at}/events"))
        .set("evidence_url", format!("{at}/evidence"))
        .set("send_pictures", true)
}

/// Walkers, as fast as they can be looked at.
fn walked(site: Site) -> Site {
    let camera = site.walkers().camera("street", street("h264")).set("clip_max_s", 3);
    camera.set("post_roll_s", 1).set("speed", "max")
}

/// The evidence that the events of a receiver name, by id; originals of blurred pictures leave nowhere.
fn named(events: &[Value]) -> Vec<&Value> {
    let pieces = events.iter().flat_map(|event| event["data"]["evidence"].as_array().unwrap());
    let mut seen = BTreeSet::new();
    let shown = pieces.filter(|piece| piece["original_of"].is_null());
    shown.filter(|piece| seen.insert(piece["id"].as_str().unwrap())).collect()
}

/// Until there is a clip, and everything that the records name is uploaded, as they say it.
async fn uploaded(receiver: &Receiver) {
    wait_for("what the records name to be uploaded", || {
        let events = receiver.events();
        let pieces = named(&events);
        let there = |piece: &&Value| {
            let bytes = receiver.uploads.piece(piece["id"].as_str().unwrap()).unwrap_or_default();
            piece["sha256"] == sha256(&bytes)
        };
        let has_clip = events.iter().any(|event| clip_of(&event["data"]).is_some());
        let done = (has_clip && pieces.iter().all(there)).then_some(());
        async move { done }
    })
    .await
}

/// This sink's line of the ledger, once it is as wanted; the sums hold at every look.
async fn ledger(gateway: &Gateway, sink: &str, wanted: impl Fn(&str) -> bool) -> String {
    wait_for("the ledger's line of evidence", || {
        let told = gateway.ledger();
        let start = format!("{sink} (evidence files): ");
        let line = told.lines().find_map(|line| line.strip_prefix(&start)).map(str::to_owned);
        let line = line.filter(|line| wanted(line));
        async move { line }
    })
    .await
}

/// Exactly what the records name, each once.
fn all_delivered(line: &str, receiver: &Receiver) -> bool {
    let pieces = named(&receiver.events()).len();
    line.starts_with(&format!("accepted {pieces} = delivered {pieces} + pending 0 "))
}

/// The whole way through the real gateway: camera, disk, record, file; and over a kill to a sink
/// that was away.
#[tokio::test(flavor = "multi_thread")]
async fn p5_pictures_go_up_after_their_records_and_over_a_kill() {
    let (grid, port) = (Receiver::start().await, free_port());
    // A record that comes for the first time, and its picture is there already.
    let (early, named_before) = (Arc::<Mutex<Vec<Value>>>::default(), Mutex::new(BTreeSet::new()));
    let (seen, uploads) = (early.clone(), grid.uploads.clone());
    let refused = Mutex::new(0);
    grid.answer(move |event| {
        for piece in named(std::slice::from_ref(event)) {
            let id = piece["id"].as_str().unwrap().to_owned();
            if !named_before.lock().unwrap().contains(&id) && uploads.piece(&id).is_some() {
                seen.lock().unwrap().push(event.clone());
            }
            // The first two tries fail: the file has time enough to come too early.
            let mut refused = refused.lock().unwrap();
            if *refused < 2 {
                *refused += 1;
                return 503;
            }
            named_before.lock().unwrap().insert(id);
        }
        200
    });
    let sinks = with_pictures(Site::demo(), "grid", grid.port);
    let sinks = with_pictures(sinks, "district", port);
    let gateway = Gateway::start(walked(sinks.clone())).await;
    uploaded(&grid).await;
    let owed = ledger(&gateway, "grid", |line| line.contains(" pending 0 ")).await;
    assert!(!owed.starts_with("accepted 0 "), "{owed}");
    assert!(early.lock().unwrap().is_empty(), "before its record: {early:?}");
    let away = ledger(&gateway, "district", |line| line.contains(" delivered 0 ")).await;
    assert!(!away.contains(" pending 0 "), "{away}");

    let folder = gateway.kill().await;
    let district = Receiver::start_at(port).await;
    let mut gateway = Gateway::start_in(folder, &sinks, &[]).await;
    uploaded(&district).await;
    ledger(&gateway, "district", |line| all_delivered(line, &district)).await;
    gateway.must_stop_sound().await;
}

/// A sink that carries pictures from a reload on, and one that is changed with a piece in hand.
#[tokio::test(flavor = "multi_thread")]
async fn p5_reload_begins_pictures_and_loses_none_in_hand() {
    let grid = Receiver::start().await;
    let with = with_pictures(Site::demo(), "grid", grid.port);
    let gateway = Gateway::start(&Site::demo().http(&grid)).await;
    let answer = gateway.reload_to(&with).await;
    assert_eq!(answer["difference"][0]["keys"], json!(["evidence_url", "send_pictures"]));
    grid.uploads.refuse(Some(503));
    gateway.reload_to(walked(with.clone())).await;
    wait_for("a file that is refused", || async {
        (!grid.uploads.puts().is_empty()).then_some(())
    })
    .await;
    gateway.reload_to(walked(with.set("timeout_s", 4))).await;
    grid.uploads.refuse(None);
    uploaded(&grid).await;
    ledger(&gateway, "grid", |line| all_delivered(line, &grid)).await;
}
