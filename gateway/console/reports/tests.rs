//! The page over a gateway that is full, and is not any more.

use std::sync::{
    Mutex,
    atomic::{AtomicBool, Ordering},
};

use axum::body::Body;
use tower::ServiceExt;

use super::*;
use crate::base::lock;

/// Takes everything while it is not full, and says what was asked of it.
#[derive(Clone, Default)]
struct FakeGateway {
    full: Arc<AtomicBool>,
    kept: Arc<Mutex<Vec<ResidentReport>>>,
    /// By the hashes of their numbers.
    cases: Arc<Mutex<HashMap<String, Record>>>,
    /// What was kept is not said to be.
    unsure: Arc<AtomicBool>,
}

impl ReportBackend for FakeGateway {
    fn reported(&self, number_sha256: &str) -> Option<Record> {
        lock(&self.cases).get(number_sha256).cloned()
    }
    fn case(&self, id: IncidentId) -> Option<Record> {
        lock(&self.cases).values().find(|record| record.incident.id == id).cloned()
    }
    fn is_full(&self) -> bool {
        self.full.load(Ordering::Relaxed)
    }
    async fn keep(&self, report: ResidentReport, _picture: Option<CleanPicture>) -> Kept {
        let id = IncidentId::new();
        lock(&self.cases).insert(report.number_sha256.clone(), record(id, "opened"));
        lock(&self.kept).push(report);
        if self.unsure.load(Ordering::Relaxed) { Kept::Unsure } else { Kept::Stored }
    }
    fn count(&self, _outcome: &'static str) {}
    fn minute(&self, _at: Timestamp) -> String {
        String::new()
    }
}

fn record(id: IncidentId, stage: &str) -> Record {
    let at = "2026-07-01T04:00:00Z";
    let incident = serde_json::json!({
        "id": id, "revision": 1, "stage": stage, "active": false, "kind": "report",
        "severity": 3, "title": {"zh": "一", "en": "one"}, "began_at": at, "opened_at": at,
        "changed_at": at, "sources": [], "objects": [], "evidence": [],
        "clock": {"gateway": at, "error_ms": 0}, "why": "w", "key": "k",
    });
    Record {
        what: crate::domain::What::Opened,
        incident: serde_json::from_value(incident).unwrap(),
    }
}

fn office(backend: &FakeGateway, most: u32) -> Arc<Office<FakeGateway>> {
    Arc::new(Office {
        backend: backend.clone(),
        site: ReportSite { name: "x".into(), emergency_phone: "110".into(), places: Vec::new() },
        places: Vec::new(),
        senders: Senders::new(most, most, 0),
        room: Room::new(),
        sent_before: SentBefore::default(),
        began: Instant::now(),
    })
}

/// The page of this nonce, which is kept open, with these words: where it leads to.
async fn tap(office: &Arc<Office<FakeGateway>>, text: &str) -> (StatusCode, String) {
    let body = format!("text={text}&nonce=000102030405060708090a0b0c0d0e0f");
    let request = axum::http::Request::post("/")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(body))
        .unwrap();
    let answer = router(office.clone()).oneshot(request).await.unwrap();
    let to = answer.headers().get(header::LOCATION).map(|to| to.to_str().unwrap().to_owned());
    (answer.status(), to.unwrap_or_default())
}

fn end_all(backend: &FakeGateway, stage: &str) {
    for known in lock(&backend.cases).values_mut() {
        *known = record(known.incident.id, stage);
    }
}

#[tokio::test]
async fn what_happens_again_after_its_case_was_over_is_another_report_of_the_same_page() {
    let backend = FakeGateway::default();
    let office = office(&backend, 100);
    let mut seen = Vec::new();
    for (round, over) in ["closed", "dismissed", "closed"].into_iter().enumerate() {
        let (status, to) = tap(&office, "x").await;
        assert_eq!(status, StatusCode::SEE_OTHER);
        assert!(!seen.contains(&to), "{to}");
        for stage in ["accepted", "dispatched", "handled", "verified"] {
            // Of all of them the latest alone is open.
            assert_eq!(tap(&office, "x").await.1, to, "a double tap");
            let latest = lock(&backend.kept).last().unwrap().number_sha256.clone();
            let id = lock(&backend.cases)[&latest].incident.id;
            lock(&backend.cases).insert(latest, record(id, stage));
        }
        assert_eq!(lock(&backend.kept).len(), round + 1);
        end_all(&backend, over);
        seen.push(to);
    }
    // Opened again it is the same one.
    let first = lock(&backend.kept)[0].number_sha256.clone();
    let id = lock(&backend.cases)[&first].incident.id;
    lock(&backend.cases).insert(first, record(id, "opened"));
    assert_eq!(tap(&office, "x").await.1, seen[0]);
    assert_eq!(lock(&backend.kept).len(), 3);
}

#[tokio::test]
async fn a_report_that_became_part_of_another_is_over_when_that_one_is() {
    let backend = FakeGateway::default();
    let office = office(&backend, 100);
    let (_, first) = tap(&office, "x").await;
    let (_, _) = tap(&office, "y").await;
    let hash = |at: usize| lock(&backend.kept)[at].number_sha256.clone();
    let id = |at: usize| lock(&backend.cases)[&hash(at)].incident.id;
    let (one, other) = (id(0), id(1));
    let mut merged = record(one, "closed");
    let mut step = crate::domain::CaseStep::new(
        ReplyTo::Merged,
        "甲",
        "2026-07-01T05:00:00Z".parse().unwrap(),
        2,
    );
    step.into = Some(other);
    merged.incident.life.push(step);
    lock(&backend.cases).insert(hash(0), merged);
    assert_eq!(tap(&office, "x").await.1, first, "what it is part of goes on");
    lock(&backend.cases).insert(hash(1), record(other, "closed"));
    assert_ne!(tap(&office, "x").await.1, first);
    assert_eq!(lock(&backend.kept).len(), 3);
}

#[tokio::test]
async fn who_was_answered_not_now_hears_what_became_of_it_though_it_is_over_by_then() {
    let backend = FakeGateway::default();
    let office = office(&backend, 100);
    backend.unsure.store(true, Ordering::Relaxed);
    assert_eq!(tap(&office, "x").await.0, StatusCode::SERVICE_UNAVAILABLE);
    backend.unsure.store(false, Ordering::Relaxed);
    end_all(&backend, "closed");
    let (status, first) = tap(&office, "x").await;
    assert_eq!((status, lock(&backend.kept).len()), (StatusCode::SEE_OTHER, 1), "that one");
    assert_ne!(tap(&office, "x").await.1, first, "after that it happens again");
    assert_eq!(lock(&backend.kept).len(), 2);
}

async fn send(office: &Arc<Office<FakeGateway>>, text: &str, picture: &[u8]) -> StatusCode {
    let head = "Content-Disposition: form-data; name=";
    let text = format!("--x\r\n{head}\"text\"\r\n\r\n{text}\r\n");
    let file = format!("--x\r\n{head}\"picture\"; filename=\"a\"\r\n\r\n");
    let body = [text.as_bytes(), file.as_bytes(), picture, b"\r\n--x--\r\n"];
    let request = axum::http::Request::post("/")
        .header(header::CONTENT_TYPE, "multipart/form-data; boundary=x")
        .body(Body::from(body.concat()))
        .unwrap();
    let answer = router(office.clone()).oneshot(request).await.unwrap();
    assert_eq!(
        answer.headers().contains_key(header::RETRY_AFTER),
        answer.status() == StatusCode::SERVICE_UNAVAILABLE
    );
    answer.status()
}

#[tokio::test]
async fn while_too_many_are_open_nothing_is_spent_on_a_report_and_nothing_of_its_senders() {
    let backend = FakeGateway::default();
    backend.full.store(true, Ordering::Relaxed);
    let office = office(&backend, 2);
    for n in 0..5 {
        // No picture at all: whoever looks at it refuses the report with other words.
        let answer = send(&office, "", format!("no picture {n}").as_bytes()).await;
        assert_eq!(answer, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(send(&office, &n.to_string(), b"").await, StatusCode::SERVICE_UNAVAILABLE);
    }
    backend.full.store(false, Ordering::Relaxed);
    for n in 0..2 {
        assert_eq!(send(&office, &n.to_string(), b"").await, StatusCode::SEE_OTHER);
    }
    assert_eq!(send(&office, "2", b"").await, StatusCode::TOO_MANY_REQUESTS, "two an hour");
    assert_eq!(lock(&backend.kept).len(), 2);
}
