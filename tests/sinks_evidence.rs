//! Evidence upward over a real network: streamed, continued after a break, judged like an event.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use gridpost::{
    base::{NotYet, RealClock},
    domain::{Evidence, EvidenceId, IncidentId, Meter, Metric, NoMeter, Outcome, Settled, SinkId},
    sinks::{Circuit, Config, Due, EvidenceCourier, Lane, Outbox, Piece, SinkHealth},
};
use tempfile::TempDir;
use tokio::{sync::mpsc, task::JoinHandle};

use crate::world::{Receiver, UploadFault, sha256, wait_for};

/// The store's place.
#[derive(Clone)]
struct Pieces {
    due: Arc<tokio::sync::Mutex<mpsc::Receiver<Piece>>>,
    give: mpsc::Sender<Piece>,
    held: Arc<Mutex<HashMap<u64, Piece>>>,
    settled: Arc<Mutex<Vec<(u64, Outcome)>>>,
}

impl Outbox for Pieces {
    async fn next_due(&self, _: &SinkId, _: Lane) -> Due {
        std::future::pending().await
    }

    async fn next_piece(&self, _: &SinkId) -> Piece {
        match self.due.lock().await.recv().await {
            Some(piece) => {
                self.held.lock().unwrap().insert(piece.seq, piece.clone());
                piece
            }
            None => std::future::pending().await,
        }
    }

    fn later(&self, _: &SinkId, seq: u64, why: NotYet) -> bool {
        let (NotYet::Failed { wait_ms } | NotYet::Asked { wait_ms }) = why else { return false };
        let mut piece = self.held.lock().unwrap()[&seq].clone();
        piece.tried.tries += 1;
        let give = self.give.clone();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(wait_ms)).await;
            give.send(piece).await.unwrap();
        });
        false
    }

    fn passed(&self, _: &SinkId, _: Option<Lane>) {}

    fn set_aside(&self, _: &SinkId) -> (usize, usize) {
        (0, 0)
    }

    async fn settle(&self, settled: Settled) {
        self.settled.lock().unwrap().push((settled.change, settled.outcome));
    }
}

#[derive(Default)]
struct Up(Mutex<f64>);

impl Meter for Up {
    fn add(&self, _: Metric, _: &str, _: u64) {}
    fn set(&self, metric: Metric, _: &str, value: f64) {
        if metric == Metric::SinkUp {
            *self.0.lock().unwrap() = value;
        }
    }
}

/// A courier on its way to a real receiver.
struct Bench {
    receiver: Receiver,
    folder: TempDir,
    give: mpsc::Sender<Piece>,
    settled: Arc<Mutex<Vec<(u64, Outcome)>>>,
    up: Arc<Up>,
    circuit: Arc<Circuit>,
    said: Arc<Mutex<Vec<Option<String>>>>,
    courier: JoinHandle<()>,
}

impl Bench {
    async fn start() -> Self {
        let receiver = Receiver::start().await;
        let text = format!(
            r#"
            kind = "http"
            id = "grid"
            url = "{0}/events"
            send_pictures = true
            evidence_url = "{0}/evidence/"
            timeout_s = 1
            "#,
            receiver.url.trim_end_matches("/events")
        );
        let config: Config = toml::from_str(&text).unwrap();
        assert!(config.carries_evidence());
        let (give, due) = mpsc::channel(8);
        let settled = Arc::default();
        let outbox = Pieces {
            due: Arc::new(due.into()),
            give: give.clone(),
            held: Arc::default(),
            settled: Arc::clone(&settled),
        };
        let (up, said) = (Arc::new(Up::default()), Arc::<Mutex<Vec<_>>>::default());
        let heard = said.clone();
        let report = Arc::new(move |now: &SinkHealth| heard.lock().unwrap().push(now.bad.clone()));
        let circuit = Circuit::new(config.id(), up.clone(), report);
        let courier = EvidenceCourier {
            sink: config.id(),
            connection: config.uploader().unwrap(),
            outbox,
            clock: RealClock::start(),
            meter: Arc::new(NoMeter),
            circuit: circuit.clone(),
        };
        let courier = tokio::spawn(courier.run());
        let folder = tempfile::tempdir().unwrap();
        Self { receiver, folder, give, settled, up, circuit, said, courier }
    }

    /// A clip of so many bytes, on disk.
    fn clip(&self, bytes: usize) -> (Piece, Vec<u8>) {
        let content: Vec<u8> = (0..bytes).map(|n| (n * 31 % 251) as u8).collect();
        let sha256 = sha256(&content);
        let id = EvidenceId(uuid::Uuid::from_u128(rand::random()));
        let path = self.folder.path().join(id.to_string());
        std::fs::write(&path, &content).unwrap();
        let evidence = Evidence {
            id,
            media_type: "video/mp4".into(),
            sha256,
            bytes: bytes as u64,
            starts_at: None,
            ends_at: None,
            pre_roll_ms: None,
            pre_roll_limit: None,
            original_of: None,
            kept_here: false,
        };
        (
            Piece {
                tried: gridpost::base::Tried::default(),
                seq: 7,
                incident: IncidentId(uuid::Uuid::from_u128(rand::random())),
                evidence,
                path: Some(path),
            },
            content,
        )
    }

    async fn outcome(&self) -> Outcome {
        let (seq, outcome) = wait_for("the piece to be settled", || {
            let settled = self.settled.lock().unwrap().pop();
            async move { settled }
        })
        .await;
        assert_eq!(seq, 7);
        outcome
    }

    /// Hands it over, waits until it is delivered, and compares.
    async fn delivered(&self, piece: &Piece, content: &[u8]) {
        self.give.send(piece.clone()).await.unwrap();
        assert_eq!(self.outcome().await, Outcome::Delivered);
        let there = self.receiver.uploads.piece(&piece.evidence.id.to_string());
        assert!(there.as_deref() == Some(content), "not the same bytes");
    }

    /// What each PUT brought, bytes.
    fn brought(&self) -> Vec<usize> {
        self.receiver.uploads.puts().iter().map(|(_, bytes)| *bytes).collect()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.courier.abort();
    }
}

fn header<'a>(headers: &'a axum::http::HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).map(|value| value.to_str().unwrap())
}

const SIZE: usize = 5_000_000;

#[tokio::test(flavor = "multi_thread")]
async fn p5_a_clip_goes_up_with_its_digest_and_is_not_sent_twice() {
    let bench = Bench::start().await;
    let (piece, content) = bench.clip(SIZE);
    bench.delivered(&piece, &content).await;
    let puts = bench.receiver.uploads.puts();
    let id = piece.evidence.id.to_string();
    assert_eq!(puts.len(), 1);
    let headers = &puts[0].0;
    assert_eq!(header(headers, "content-type"), Some("video/mp4"));
    assert_eq!(header(headers, "idempotency-key"), Some(id.as_str()));
    assert_eq!(header(headers, "gridpost-incident"), Some(&*piece.incident.to_string()));
    assert_eq!(header(headers, "content-length"), Some(&*SIZE.to_string()));
    assert_eq!(header(headers, "content-range"), None);
    // Given again (the gateway died before it could note it): asked for, not sent.
    bench.delivered(&piece, &content).await;
    assert_eq!((bench.receiver.uploads.puts().len(), bench.receiver.uploads.heads()), (1, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn p5_after_a_break_or_a_stall_in_the_middle_only_the_rest_is_sent() {
    for fault in [UploadFault::Drop(2_000_000), UploadFault::Stall(1_234_567)] {
        let bench = Bench::start().await;
        let (piece, content) = bench.clip(SIZE);
        bench.receiver.uploads.fault(fault);
        let began = Instant::now();
        bench.delivered(&piece, &content).await;
        // `timeout_s` without progress, and not the kernel's half minute.
        assert!(began.elapsed() < Duration::from_secs(20), "{fault:?}: {:?}", began.elapsed());
        let (UploadFault::Drop(kept) | UploadFault::Stall(kept)) = fault;
        assert_eq!(bench.brought(), [kept, SIZE - kept], "{fault:?}");
        let puts = bench.receiver.uploads.puts();
        let range = format!("bytes {kept}-{}/{SIZE}", SIZE - 1);
        assert_eq!(header(&puts[1].0, "content-range"), Some(range.as_str()));
        assert_eq!(header(&puts[1].0, "content-length"), Some(&*(SIZE - kept).to_string()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_other_end_says_it_holds_and_cannot_be_begins_anew() {
    // It says more than it has: 416, then the whole. More than there is: the whole at once.
    // It does not know HEAD: the whole.
    for (head, puts) in [
        ((200, Some(400)), vec![0, 1000]),
        ((200, Some(1001)), vec![1000]),
        ((405, None), vec![1000]),
        ((501, None), vec![1000]),
        ((204, None), vec![1000]),
    ] {
        let bench = Bench::start().await;
        let (piece, content) = bench.clip(1000);
        bench.receiver.uploads.keep(&piece.evidence.id.to_string(), b"some other thing");
        bench.receiver.uploads.answer_head(Some(head));
        bench.delivered(&piece, &content).await;
        assert_eq!(bench.brought(), puts, "{head:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_for_good_is_dead_and_everything_else_is_tried_again() {
    let bench = Bench::start().await;
    let (piece, content) = bench.clip(1000);
    for code in [400, 413, 415, 422] {
        bench.receiver.uploads.refuse(Some(code));
        bench.give.send(piece.clone()).await.unwrap();
        let Outcome::Dead { answer } = bench.outcome().await else { panic!("{code}") };
        assert!(answer.starts_with(&code.to_string()), "{answer}");
    }
    bench.receiver.uploads.refuse(Some(503));
    bench.give.send(piece.clone()).await.unwrap();
    wait_for("the sink to be down", || async {
        (*bench.up.0.lock().unwrap() == 0.0).then_some(())
    })
    .await;
    assert!(bench.settled.lock().unwrap().is_empty(), "given up");
    let said = bench.said.lock().unwrap().clone();
    assert_eq!(said, [Some("evidence: answered 503 Service Unavailable".into())]);
    bench.receiver.uploads.refuse(None);
    assert_eq!(bench.outcome().await, Outcome::Delivered);
    assert!(bench.receiver.uploads.piece(&piece.evidence.id.to_string()) == Some(content));
    wait_for("the sink to be up", || async { (*bench.up.0.lock().unwrap() == 1.0).then_some(()) })
        .await;
}

/// A receiver that thanks for the file before it has it is not believed.
#[tokio::test(flavor = "multi_thread")]
async fn p5_an_answer_that_comes_before_the_file_is_no_delivery() {
    let bench = Bench::start().await;
    // More than the buffers of a connection hold.
    let (piece, content) = bench.clip(64_000_000);
    bench.receiver.uploads.refuse(Some(201));
    bench.give.send(piece.clone()).await.unwrap();
    wait_for("the sink to be down", || async {
        (!bench.said.lock().unwrap().is_empty()).then_some(())
    })
    .await;
    assert!(bench.settled.lock().unwrap().is_empty(), "it took the word for the deed");
    bench.receiver.uploads.refuse(None);
    assert_eq!(bench.outcome().await, Outcome::Delivered);
    let there = bench.receiver.uploads.piece(&piece.evidence.id.to_string());
    assert!(there == Some(content), "not the same bytes");
}

/// While an emergency is under way a clip in the middle of its upload stands still, for longer than
/// would count as a stall, and goes on after it, on the same connection.
#[tokio::test(flavor = "multi_thread")]
async fn p3_evidence_leaves_the_line_to_an_emergency() {
    let bench = Bench::start().await;
    let (piece, content) = bench.clip(64_000_000);
    bench.receiver.uploads.slow(Duration::from_millis(1));
    bench.give.send(piece.clone()).await.unwrap();
    let id = piece.evidence.id.to_string();
    let there = || bench.receiver.uploads.piece(&id).map_or(0, |bytes| bytes.len());
    wait_for("the upload to begin", || async { (there() > 0).then_some(()) }).await;
    let emergency = bench.circuit.urgent();
    // What was in the buffers arrives; then nothing does.
    let mut still = (there(), Instant::now());
    wait_for("the upload to stand still", || {
        if there() != still.0 {
            still = (there(), Instant::now());
        }
        let stands = still.1.elapsed() > Duration::from_millis(2_500);
        async move { stands.then_some(()) }
    })
    .await;
    assert!(there() < content.len(), "it went on beside the emergency");
    drop(emergency);
    assert_eq!(bench.outcome().await, Outcome::Delivered);
    assert_eq!(bench.brought(), [content.len()], "one upload, not broken by the wait");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_gone_or_not_what_was_recorded_is_dead_with_the_reason() {
    let bench = Bench::start().await;
    let (piece, _) = bench.clip(1000);
    let path: PathBuf = piece.path.clone().unwrap();
    let dead = async |piece: Piece, why: &str| {
        bench.give.send(piece).await.unwrap();
        assert_eq!(bench.outcome().await, Outcome::Dead { answer: why.into() });
    };
    let none = Piece { path: None, ..piece.clone() };
    dead(none, "its file is missing").await;
    std::fs::write(&path, "short").unwrap();
    dead(piece.clone(), "its file has 5 bytes, 1000 were recorded").await;
    std::fs::remove_file(&path).unwrap();
    dead(piece, "its file is missing").await;
    assert!(bench.brought().is_empty());
    assert!(!Path::new(&path).exists());
}
