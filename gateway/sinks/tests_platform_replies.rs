//! Replies that came before their case was known, over a store that fails and a map that cannot be read; a push with a mark before it.

use std::{fs, path::Path, sync::Arc, time::Duration};

use serde_json::json;
use tokio::sync::mpsc;

use super::{CaseMaps, Categories, PlatformReplies, ProfileConfig, Pushed, RepliesGiven};
use crate::{
    base::{Readiness, RealClock},
    domain::{Answer, Body, Clock, Envelope, IncidentId, NoMeter},
};

const PROFILE: &str = r#"
name = "x"
[[send]]
opens = true
path = "a"
[push]
[reply]
case = "/case"
id = "/id"
status = "/status"
[inward]
"1" = "accepted"
"#;

fn replies(data: &Path) -> (CaseMaps, PlatformReplies, mpsc::Receiver<Envelope>) {
    let file = data.join("p.toml");
    fs::write(&file, PROFILE).unwrap();
    let config = json!({"id": "district", "url": "http://127.0.0.1:9/", "profile_file": file});
    let mut config: ProfileConfig = serde_json::from_value(config).unwrap();
    assert!(config.load(Categories::default()).is_empty());
    let (maps, (envelopes, taken)) =
        (CaseMaps::new(data, Arc::new(NoMeter), Readiness::default()), mpsc::channel(10));
    let given = RepliesGiven {
        maps: &maps,
        envelopes,
        clock: RealClock::start(),
        meter: Arc::new(NoMeter),
        readiness: Readiness::default(),
    };
    let replies = PlatformReplies::new(&config, given).unwrap();
    (maps, replies, taken)
}

fn id() -> IncidentId {
    "01900000-0000-7000-8000-000000000001".parse().unwrap()
}

/// The store fails once: the reply is tried again, though no other case opens.
#[tokio::test]
async fn an_early_reply_that_could_not_be_stored_is_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let (maps, replies, mut taken) = replies(folder.path());
    let map = maps.of(&"district".into());
    let now = RealClock::start().now().wall;
    map.keep_early(&json!({"case": "C-1", "id": "r", "status": "1"}), now).unwrap();
    map.keep_early(&json!({"case": "C-2", "id": "r", "status": "1"}), now).unwrap();
    map.change(id(), |case| (case.open, case.id) = (true, Some("C-1".into()))).unwrap();
    let early = tokio::spawn(async move { replies.take_early_ones().await });
    for answer in [Answer::Lost, Answer::Lost, Answer::Stored] {
        let envelope = tokio::time::timeout(Duration::from_secs(60), taken.recv()).await;
        let envelope = envelope.expect("it is tried again").unwrap();
        assert!(matches!(envelope.observation.body, Body::Reply(_)));
        assert_eq!(map.early(now).len(), 2, "it stays until it is stored");
        envelope.receipt.settle(answer);
    }
    while map.early(now).len() > 1 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(map.early(now)[0]["case"], "C-2");
    early.abort();
}

/// What is in a map that cannot be read now is no stranger's: nothing is acknowledged until it can.
#[tokio::test]
async fn s1_a_reply_is_not_taken_for_a_strangers_while_the_map_cannot_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("platforms/district.jsonl");
    fs::create_dir_all(&file).unwrap();
    let (_maps, replies, mut taken) = replies(folder.path());
    let body = json!({"case": "C-1", "id": "r", "status": "1"}).to_string();
    assert!(replies.pushed(body.as_bytes()).await.is_err());
    assert!(taken.try_recv().is_err(), "nothing is kept, and nothing is said to be unknown");
    fs::remove_dir(&file).unwrap();
    let line = json!({"case": {"incident": id(), "case": {"open": true, "opening": false,
        "id": "C-1", "sent": 1, "received": 0, "evidence": 0, "over": false}}});
    fs::write(&file, format!("{line}\n")).unwrap();
    let pushed = tokio::spawn(async move { replies.pushed(body.as_bytes()).await.is_ok() });
    let envelope = taken.recv().await.unwrap();
    assert!(matches!(envelope.observation.body, Body::Reply(_)));
    envelope.receipt.settle(Answer::Stored);
    assert!(pushed.await.unwrap());
}

#[tokio::test]
async fn a_push_behind_a_byte_order_mark_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let (maps, replies, mut taken) = replies(folder.path());
    let map = maps.of(&"district".into());
    map.change(id(), |case| (case.open, case.id) = (true, Some("C-1".into()))).unwrap();
    let body = format!("\u{feff}{}", json!({"case": "C-1", "id": "r", "status": "1"}));
    let pushed = tokio::spawn(async move { replies.pushed(body.as_bytes()).await });
    let envelope = taken.recv().await.unwrap();
    assert!(matches!(envelope.observation.body, Body::Reply(_)));
    envelope.receipt.settle(Answer::Stored);
    assert!(matches!(pushed.await.unwrap(), Ok(Pushed::Answered(_))));
}
