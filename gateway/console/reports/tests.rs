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
}

impl ReportBackend for FakeGateway {
    fn reported(&self, _number_sha256: &str) -> Option<Record> {
        None
    }
    fn case(&self, _id: IncidentId) -> Option<Record> {
        None
    }
    fn is_full(&self) -> bool {
        self.full.load(Ordering::Relaxed)
    }
    async fn keep(&self, report: ResidentReport, _picture: Option<CleanPicture>) -> Kept {
        lock(&self.kept).push(report);
        Kept::Stored
    }
    fn count(&self, _outcome: &'static str) {}
    fn minute(&self, _at: Timestamp) -> String {
        String::new()
    }
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
    let office = Arc::new(Office {
        backend: backend.clone(),
        site: ReportSite { name: "x".into(), emergency_phone: "110".into(), places: Vec::new() },
        places: Vec::new(),
        senders: Senders::new(2, 2, 0),
        room: Room::new(),
        sent_before: SentBefore::default(),
        began: Instant::now(),
    });
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
