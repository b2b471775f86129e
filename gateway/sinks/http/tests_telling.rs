//! Records to a platform that takes steps, and fails at pictures or refuses them: each step is said once.

use std::{
    fs,
    path::Path,
    sync::{Arc, Mutex},
};

use axum::{Json, Router, extract::State, http::Uri};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{PlatformSink, ProfileConfig};
use crate::{
    base::Readiness,
    domain::{IncidentId, NoMeter},
    sinks::{
        case_map::{Case, CaseMap, CaseMaps},
        profile::Categories,
        sink::{DeliverError, Delivery, Sink},
        template,
    },
};

const PROFILE: &str = r#"
name = "x"
[answer]
verdict = "/code"
ok = [0]
refused = [4001]
[[send]]
opens = true
path = "open"
[[send]]
what = ["updated", "handled", "verified", "closed"]
path = "{{ what }}"
[[send]]
what = ["evidence"]
path = "pictures{% for piece in pieces %}-{% endfor %}"
"#;

#[derive(Default)]
struct Inner {
    /// Its verdict of pictures.
    pictures: u64,
    /// Paths of the requests, in order.
    asked: Vec<String>,
}

/// It says yes to all but pictures.
struct Platform {
    inner: Arc<Mutex<Inner>>,
    url: String,
    folder: tempfile::TempDir,
}

async fn answer(State(inner): State<Arc<Mutex<Inner>>>, uri: Uri) -> Json<Value> {
    let mut inner = inner.lock().unwrap();
    let path = uri.path().to_owned();
    let code = if path.contains("pictures") { inner.pictures } else { 0 };
    inner.asked.push(path);
    Json(json!({ "code": code }))
}

impl Platform {
    async fn start(pictures: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let inner = Arc::new(Mutex::new(Inner { pictures, ..Inner::default() }));
        let app = Router::new().fallback(answer).with_state(inner.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("p.toml"), PROFILE).unwrap();
        Self { inner, url, folder }
    }

    fn pictures_are(&self, verdict: u64) {
        self.inner.lock().unwrap().pictures = verdict;
    }

    fn asked(&self) -> Vec<String> {
        self.inner.lock().unwrap().asked.clone()
    }

    fn count(&self, path: &str) -> usize {
        self.asked().iter().filter(|asked| asked.as_str() == path).count()
    }

    /// As after a start: what it knows is what is on disk.
    fn sink(&self) -> (PlatformSink, Arc<CaseMap>) {
        let data: &Path = self.folder.path();
        let file = data.join("p.toml");
        let config = json!({"id": "district", "url": self.url, "profile_file": file});
        let mut config: ProfileConfig = serde_json::from_value(config).unwrap();
        assert!(config.load(Categories::default()).is_empty());
        let maps = CaseMaps::new(data, Arc::new(NoMeter), Readiness::default());
        (PlatformSink::new(&config, &maps), maps.of(&"district".into()))
    }
}

fn incident() -> IncidentId {
    "01900000-0000-7000-8000-000000000001".parse().unwrap()
}

/// A record of the case, which has so many pictures by then.
fn record(revision: u32, what: &str, pictures: usize) -> Delivery {
    let mut event: Value = serde_json::from_slice(&template::tests::press(what, "")).unwrap();
    let id = format!("{}.{revision}", incident());
    event["id"] = json!(id);
    event["data"]["revision"] = json!(revision);
    let piece = |n: usize| {
        let id = format!("01900000-0000-7000-8000-{:012x}", n + 16);
        json!({"id": id, "media_type": "image/jpeg", "sha256": "00", "bytes": 7})
    };
    event["data"]["evidence"] = (0..pictures).map(piece).collect();
    Delivery {
        event_id: id,
        kind: "emergency-button",
        rule: None,
        at: "2026-07-01T03:00:00Z".parse().unwrap(),
        body: serde_json::to_vec(&event).unwrap().into(),
        link: None,
    }
}

async fn must_wait(sink: &mut PlatformSink, record: &Delivery) {
    let answer = sink.deliver(record).await;
    assert!(matches!(answer, Err(DeliverError::Retry { .. })), "{answer:?}");
}

/// Tried again, after a start too, the pictures alone are sent.
#[tokio::test]
async fn s1_a_step_is_said_once_however_often_its_pictures_fail() {
    let platform = Platform::start(500).await;
    let (handled, verified) = (record(2, "handled", 1), record(3, "verified", 2));
    let (mut sink, _) = platform.sink();
    sink.deliver(&record(1, "opened", 0)).await.unwrap();
    for _ in 0..3 {
        must_wait(&mut sink, &handled).await;
    }
    let (mut sink, map) = platform.sink();
    for record in [&handled, &verified, &handled, &verified] {
        must_wait(&mut sink, record).await;
    }
    assert_eq!(map.case(incident()).unwrap().said, [2, 3]);
    platform.pictures_are(0);
    sink.deliver(&handled).await.unwrap();
    sink.deliver(&verified).await.unwrap();
    for path in ["/open", "/handled", "/verified"] {
        assert_eq!(platform.count(path), 1, "{path}: {:?}", platform.asked());
    }
    // Each with what the one before had not told.
    assert_eq!(platform.asked().last().unwrap(), "/pictures-");
    let case = map.case(incident()).unwrap();
    assert_eq!((case.said.len(), case.sent, case.evidence), (0, 3, 2));
}

/// What opens a case says all that there is: tried again for its pictures it is no further step.
#[tokio::test]
async fn s1_what_opened_a_case_is_not_told_as_a_step_when_its_pictures_fail() {
    let platform = Platform::start(500).await;
    let (mut sink, _) = platform.sink();
    let updated = record(2, "updated", 1);
    for _ in 0..3 {
        must_wait(&mut sink, &updated).await;
    }
    assert_eq!(platform.asked(), ["/open", "/pictures-", "/pictures-", "/pictures-"]);
}

/// They cost themselves: neither their own record nor a later one fails for them, and they are asked for once.
#[tokio::test]
async fn pictures_that_are_refused_are_given_up_and_the_case_goes_on() {
    let platform = Platform::start(4001).await;
    let (mut sink, map) = platform.sink();
    let records = [("opened", 0), ("handled", 1), ("verified", 1), ("closed", 2)];
    for (revision, (what, pictures)) in (1..).zip(records) {
        sink.deliver(&record(revision, what, pictures)).await.unwrap();
    }
    let expected = ["/open", "/handled", "/pictures-", "/verified", "/closed", "/pictures-"];
    assert_eq!(platform.asked(), expected);
    let case = map.case(incident()).unwrap();
    assert_eq!((case.evidence, case.sent, case.said.len()), (2, 4, 0));
}

/// Where no more can be remembered a step still does not come twice: its pictures go with the next record.
#[tokio::test]
async fn p11_one_record_too_many_does_not_wait_for_its_pictures() {
    let platform = Platform::start(500).await;
    let (mut sink, map) = platform.sink();
    sink.deliver(&record(1, "opened", 0)).await.unwrap();
    let fill = |case: &mut Case| {
        for revision in 100..1_000 {
            case.say(revision);
        }
    };
    map.change(incident(), fill).unwrap();
    sink.deliver(&record(2, "handled", 1)).await.unwrap();
    assert_eq!((platform.count("/handled"), map.case(incident()).unwrap().evidence), (1, 0));
    platform.pictures_are(0);
    sink.deliver(&record(3, "verified", 1)).await.unwrap();
    assert_eq!(map.case(incident()).unwrap().evidence, 1);
}
