//! Evidence upward over a real network: streamed, continued after a break, judged like an event.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use gridpost::{
    base::RealClock,
    domain::{Evidence, EvidenceId, IncidentId, Meter, Metric, NoMeter, Outcome, Settled, SinkId},
    sinks::{Circuit, Config, Due, EvidenceCourier, Lane, Outbox, Piece},
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tokio::{sync::mpsc, task::JoinHandle};

use crate::{
    reload::reload_to,
    world::{Gateway, Receiver, Trouble, free_port, gridpost, street, wait_for},
};

/// The store's place.
#[derive(Clone)]
struct Pieces {
    due: Arc<tokio::sync::Mutex<mpsc::Receiver<Piece>>>,
    settled: Arc<Mutex<Vec<(u64, Outcome)>>>,
}

impl Outbox for Pieces {
    async fn next_due(&self, _: &SinkId, _: Lane) -> Due {
        std::future::pending().await
    }

    async fn next_piece(&self, _: &SinkId) -> Piece {
        match self.due.lock().await.recv().await {
            Some(piece) => piece,
            None => std::future::pending().await,
        }
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
struct World {
    receiver: Receiver,
    folder: TempDir,
    give: mpsc::Sender<Piece>,
    settled: Arc<Mutex<Vec<(u64, Outcome)>>>,
    up: Arc<Up>,
    circuit: Arc<Circuit>,
    said: Arc<Mutex<Vec<Option<String>>>>,
    courier: JoinHandle<()>,
}

impl World {
    async fn start() -> Self {
        let receiver = Receiver::start().await;
        let text = format!(
            "kind = \"http\"\nid = \"grid\"\nurl = \"{0}\"\nsend_pictures = true\nevidence_url = \"{1}\"\ntimeout_s = 1\n",
            receiver.url,
            receiver.url.replace("/events", "/evidence/")
        );
        let config: Config = toml::from_str(&text).unwrap();
        assert!(config.carries_evidence());
        let (give, due) = mpsc::channel(8);
        let settled = Arc::default();
        let outbox = Pieces { due: Arc::new(due.into()), settled: Arc::clone(&settled) };
        let (up, said) = (Arc::new(Up::default()), Arc::<Mutex<Vec<_>>>::default());
        let heard = said.clone();
        let report = Arc::new(move |why| heard.lock().unwrap().push(why));
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
        };
        (
            Piece {
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
        let there = self.receiver.shelf.piece(&piece.evidence.id.to_string());
        assert!(there.as_deref() == Some(content), "not the same bytes");
    }

    /// What each PUT brought, bytes.
    fn brought(&self) -> Vec<usize> {
        self.receiver.shelf.puts().iter().map(|(_, bytes)| *bytes).collect()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.courier.abort();
    }
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn header<'a>(headers: &'a axum::http::HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).map(|value| value.to_str().unwrap())
}

const SIZE: usize = 5_000_000;

#[tokio::test(flavor = "multi_thread")]
async fn p5_a_clip_goes_up_with_its_digest_and_is_not_sent_twice() {
    let world = World::start().await;
    let (piece, content) = world.clip(SIZE);
    world.delivered(&piece, &content).await;
    let puts = world.receiver.shelf.puts();
    let id = piece.evidence.id.to_string();
    assert_eq!(puts.len(), 1);
    let headers = &puts[0].0;
    assert_eq!(header(headers, "content-type"), Some("video/mp4"));
    assert_eq!(header(headers, "idempotency-key"), Some(id.as_str()));
    assert_eq!(header(headers, "gridpost-incident"), Some(&*piece.incident.to_string()));
    assert_eq!(header(headers, "content-length"), Some(&*SIZE.to_string()));
    assert_eq!(header(headers, "content-range"), None);
    // Given again (the gateway died before it could note it): asked for, not sent.
    world.delivered(&piece, &content).await;
    assert_eq!((world.receiver.shelf.puts().len(), world.receiver.shelf.heads()), (1, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn p5_after_a_break_or_a_stall_in_the_middle_only_the_rest_is_sent() {
    for trouble in [Trouble::Drop(2_000_000), Trouble::Stall(1_234_567)] {
        let world = World::start().await;
        let (piece, content) = world.clip(SIZE);
        world.receiver.shelf.trouble(trouble);
        let began = Instant::now();
        world.delivered(&piece, &content).await;
        // `timeout_s` without progress, and not the kernel's half minute.
        assert!(began.elapsed() < Duration::from_secs(20), "{trouble:?}: {:?}", began.elapsed());
        let (Trouble::Drop(kept) | Trouble::Stall(kept)) = trouble;
        assert_eq!(world.brought(), [kept, SIZE - kept], "{trouble:?}");
        let puts = world.receiver.shelf.puts();
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
        let world = World::start().await;
        let (piece, content) = world.clip(1000);
        world.receiver.shelf.keep(&piece.evidence.id.to_string(), b"some other thing");
        world.receiver.shelf.answer_head(Some(head));
        world.delivered(&piece, &content).await;
        assert_eq!(world.brought(), puts, "{head:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_for_good_is_dead_and_everything_else_is_tried_again() {
    let world = World::start().await;
    let (piece, content) = world.clip(1000);
    for code in [400, 413, 415, 422] {
        world.receiver.shelf.refuse(Some(code));
        world.give.send(piece.clone()).await.unwrap();
        let Outcome::Dead { answer } = world.outcome().await else { panic!("{code}") };
        assert!(answer.starts_with(&code.to_string()), "{answer}");
    }
    world.receiver.shelf.refuse(Some(503));
    world.give.send(piece.clone()).await.unwrap();
    wait_for("the sink to be down", || async {
        (*world.up.0.lock().unwrap() == 0.0).then_some(())
    })
    .await;
    assert!(world.settled.lock().unwrap().is_empty(), "given up");
    let said = world.said.lock().unwrap().clone();
    assert_eq!(said, [Some("evidence: answered 503 Service Unavailable".into())]);
    world.receiver.shelf.refuse(None);
    assert_eq!(world.outcome().await, Outcome::Delivered);
    assert!(world.receiver.shelf.piece(&piece.evidence.id.to_string()) == Some(content));
    wait_for("the sink to be up", || async { (*world.up.0.lock().unwrap() == 1.0).then_some(()) })
        .await;
}

/// A receiver that thanks for the file before it has it is not believed.
#[tokio::test(flavor = "multi_thread")]
async fn p5_an_answer_that_comes_before_the_file_is_no_delivery() {
    let world = World::start().await;
    // More than the buffers of a connection hold.
    let (piece, content) = world.clip(64_000_000);
    world.receiver.shelf.refuse(Some(201));
    world.give.send(piece.clone()).await.unwrap();
    wait_for("the sink to be down", || async {
        (!world.said.lock().unwrap().is_empty()).then_some(())
    })
    .await;
    assert!(world.settled.lock().unwrap().is_empty(), "it took the word for the deed");
    world.receiver.shelf.refuse(None);
    assert_eq!(world.outcome().await, Outcome::Delivered);
    let there = world.receiver.shelf.piece(&piece.evidence.id.to_string());
    assert!(there == Some(content), "not the same bytes");
}

/// While an emergency is under way a clip in the middle of its upload stands still, for longer than
/// would count as a stall, and goes on after it, on the same connection.
#[tokio::test(flavor = "multi_thread")]
async fn p3_evidence_leaves_the_line_to_an_emergency() {
    let world = World::start().await;
    let (piece, content) = world.clip(64_000_000);
    world.receiver.shelf.slow(Duration::from_millis(1));
    world.give.send(piece.clone()).await.unwrap();
    let id = piece.evidence.id.to_string();
    let there = || world.receiver.shelf.piece(&id).map_or(0, |bytes| bytes.len());
    wait_for("the upload to begin", || async { (there() > 0).then_some(()) }).await;
    let emergency = world.circuit.urgent();
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
    assert_eq!(world.outcome().await, Outcome::Delivered);
    assert_eq!(world.brought(), [content.len()], "one upload, not broken by the wait");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_gone_or_not_what_was_recorded_is_dead_with_the_reason() {
    let world = World::start().await;
    let (piece, _) = world.clip(1000);
    let path: PathBuf = piece.path.clone().unwrap();
    let dead = async |piece: Piece, why: &str| {
        world.give.send(piece).await.unwrap();
        assert_eq!(world.outcome().await, Outcome::Dead { answer: why.into() });
    };
    let none = Piece { path: None, ..piece.clone() };
    dead(none, "its file is missing").await;
    std::fs::write(&path, "short").unwrap();
    dead(piece.clone(), "its file has 5 bytes, 1000 were recorded").await;
    std::fs::remove_file(&path).unwrap();
    dead(piece, "its file is missing").await;
    assert!(world.brought().is_empty());
    assert!(!Path::new(&path).exists());
}

const SITE: &str = "[site]\nid = \"demo\"\n";
const PICTURES: &str = "send_pictures = true\n";

/// A sink with this receiver's address, whether or not it listens yet.
fn sink(id: &str, port: u16) -> String {
    let at = format!("http://127.0.0.1:{port}");
    format!(
        "\n[[sink]]\nid = \"{id}\"\nkind = \"http\"\nurl = \"{at}/events\"\nevidence_url = \"{at}/evidence\"\n{PICTURES}"
    )
}

/// Walkers, as fast as they can be looked at.
fn camera() -> String {
    format!(
        "\n[[camera]]\nid = \"street\"\nurl = \"{}\"\nclip_max_s = 3\npost_roll_s = 1\nspeed = \"max\"\n\n[[rule]]\nid = \"walkers\"\nkind = \"intrusion\"\n",
        street("h264").display()
    )
}

/// The evidence that the events of a receiver name, by id.
fn named(events: &[Value]) -> Vec<&Value> {
    let pieces = events.iter().flat_map(|event| event["data"]["evidence"].as_array().unwrap());
    let mut seen = BTreeSet::new();
    pieces.filter(|piece| seen.insert(piece["id"].as_str().unwrap())).collect()
}

/// Until there is a clip, and everything that the records name is on the shelf, as they say it.
async fn on_the_shelf(receiver: &Receiver) {
    wait_for("what the records name on the shelf", || {
        let events = receiver.events();
        let pieces = named(&events);
        let there = |piece: &&Value| {
            let bytes = receiver.shelf.piece(piece["id"].as_str().unwrap()).unwrap_or_default();
            piece["sha256"] == sha256(&bytes)
        };
        let has_clip = pieces.iter().any(|piece| piece["media_type"] == "video/mp4");
        let done = (has_clip && pieces.iter().all(there)).then_some(());
        async move { done }
    })
    .await
}

/// This sink's line of the ledger, once it is as wanted; the sums hold at every look.
async fn ledger(gateway: &Gateway, sink: &str, wanted: impl Fn(&str) -> bool) -> String {
    wait_for("the ledger's line of evidence", || {
        let data = gateway.data().display().to_string();
        let told = gridpost(&["store", "ledger", "--data", &data]).stdout;
        assert!(told.contains("the sums hold"), "{told}");
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
    let (seen, shelf) = (early.clone(), grid.shelf.clone());
    let refused = Mutex::new(0);
    grid.answer(move |event| {
        for piece in named(std::slice::from_ref(event)) {
            let id = piece["id"].as_str().unwrap().to_owned();
            if !named_before.lock().unwrap().contains(&id) && shelf.piece(&id).is_some() {
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
    let sinks = format!("{SITE}{}{}", sink("grid", grid.port), sink("district", port));
    let gateway = Gateway::start(&(sinks.clone() + &camera())).await;
    on_the_shelf(&grid).await;
    let owed = ledger(&gateway, "grid", |line| line.contains(" pending 0 ")).await;
    assert!(!owed.starts_with("accepted 0 "), "{owed}");
    assert!(early.lock().unwrap().is_empty(), "before its record: {early:?}");
    let away = ledger(&gateway, "district", |line| line.contains(" delivered 0 ")).await;
    assert!(!away.contains(" pending 0 "), "{away}");

    let folder = gateway.kill().await;
    let district = Receiver::start_at(port).await;
    let mut gateway = Gateway::start_in(folder, &sinks, &[]).await;
    on_the_shelf(&district).await;
    ledger(&gateway, "district", |line| all_delivered(line, &district)).await;
    assert!(gateway.stop().await.success());
    let check = gridpost(&["store", "check", "--data", &gateway.data().display().to_string()]);
    assert_eq!(check.code, 0, "{}{}", check.stdout, check.stderr);
}

/// A sink that carries pictures from a reload on, and one that is changed with a piece in hand.
#[tokio::test(flavor = "multi_thread")]
async fn p5_reload_begins_pictures_and_loses_none_in_hand() {
    let grid = Receiver::start().await;
    let with = format!("{SITE}{}", sink("grid", grid.port));
    let at = with.find("evidence_url").unwrap();
    let gateway = Gateway::start(&with[..at]).await;
    let answer = reload_to(&gateway, &with).await;
    assert_eq!(answer["difference"][0]["keys"], json!(["evidence_url", "send_pictures"]));
    grid.shelf.refuse(Some(503));
    reload_to(&gateway, &(with.clone() + &camera())).await;
    wait_for("a file that is refused", || async { (!grid.shelf.puts().is_empty()).then_some(()) })
        .await;
    let changed = with.replace(PICTURES, &format!("{PICTURES}timeout_s = 4\n"));
    reload_to(&gateway, &(changed + &camera())).await;
    grid.shelf.refuse(None);
    on_the_shelf(&grid).await;
    ledger(&gateway, "grid", |line| all_delivered(line, &grid)).await;
}
