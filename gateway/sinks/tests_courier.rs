//! The courier's lanes on a clock that stands still until everybody waits: order, back-off, refused emergencies.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use jiff::{Timestamp, tz::TimeZone};
use tokio::{
    sync::{mpsc, watch},
    time::{Duration, Instant, sleep},
};

use super::{Circuit, Courier, DeliverError, Delivery, Due, Lane, Outbox, Piece, Sink};
use crate::domain::{
    Clock, ClockError, Detail, EventContext, Incident, IncidentId, Kind, NoMeter, Now, Outcome,
    Record, Settled, Severity, SinkId, Stage, Title, What,
};

fn noon() -> Timestamp {
    "2026-07-01T04:00:00Z".parse().unwrap()
}

struct Still;

impl Clock for Still {
    fn now(&self) -> Now {
        Now { wall: noon(), mono_ms: 0 }
    }
}

fn due(seq: u64, severity: Severity) -> Due {
    let incident = Incident {
        id: IncidentId::new(),
        revision: u32::try_from(seq).unwrap(),
        stage: Stage::Opened,
        active: true,
        kind: Kind::Intrusion,
        severity,
        title: Title { zh: "一".into(), en: "one".into() },
        grid: None,
        place: None,
        began_at: noon(),
        opened_at: noon(),
        changed_at: noon(),
        ended_at: None,
        sources: Vec::new(),
        objects: Vec::new(),
        evidence: Vec::new(),
        deadline: None,
        route: None,
        life: Default::default(),
        clock: ClockError { device: None, gateway: noon(), error_ms: 0 },
        why: "a test".into(),
        detail: Detail::new(),
        rule: None,
        key: "k".into(),
    };
    let emergency = severity == Severity::EMERGENCY;
    Due { seq, emergency, record: Record { what: What::Opened, incident } }
}

/// The store's place: what is due comes over a channel, what is settled is noted.
#[derive(Clone)]
struct Box {
    due: Arc<tokio::sync::Mutex<mpsc::Receiver<Due>>>,
    settled: Arc<Mutex<Vec<(u64, Outcome)>>>,
}

impl Outbox for Box {
    async fn next_due(&self, _: &SinkId, _: Lane) -> Due {
        match self.due.lock().await.recv().await {
            Some(due) => due,
            None => std::future::pending().await,
        }
    }

    async fn next_piece(&self, _: &SinkId) -> Piece {
        std::future::pending().await
    }

    async fn settle(&self, settled: Settled) {
        self.settled.lock().unwrap().push((settled.change, settled.outcome));
    }
}

/// What the other end answers to the n-th try (from 0) of the record with this number.
type Answer = fn(u64, usize) -> Result<(), DeliverError>;

struct Grid {
    answer: Answer,
    began: Instant,
    tries: HashMap<u64, usize>,
    log: Arc<Mutex<Vec<(u64, Duration)>>>,
    /// Emergencies under way, as evidence sees them, and as they were at each try.
    urgent: watch::Receiver<usize>,
    urgent_then: Arc<Mutex<Vec<usize>>>,
}

impl Sink for Grid {
    async fn deliver(&mut self, delivery: &Delivery) -> Result<(), DeliverError> {
        let seq = delivery.event_id.rsplit('.').next().unwrap().parse().unwrap();
        self.log.lock().unwrap().push((seq, self.began.elapsed()));
        self.urgent_then.lock().unwrap().push(*self.urgent.borrow());
        let tries = self.tries.entry(seq).or_default();
        *tries += 1;
        (self.answer)(seq, *tries - 1)
    }
}

struct World {
    give: mpsc::Sender<Due>,
    settled: Arc<Mutex<Vec<(u64, Outcome)>>>,
    log: Arc<Mutex<Vec<(u64, Duration)>>>,
    said: Arc<Mutex<Vec<bool>>>,
    urgent: watch::Receiver<usize>,
    urgent_then: Arc<Mutex<Vec<usize>>>,
}

fn start(lane: Lane, answer: Answer) -> World {
    let (give, due) = mpsc::channel(64);
    let (settled, log, said) = <(Arc<_>, Arc<_>, Arc<Mutex<Vec<bool>>>)>::default();
    let outbox = Box { due: Arc::new(due.into()), settled: Arc::clone(&settled) };
    let (log_of, said_of) = (Arc::clone(&log), Arc::clone(&said));
    let report = Arc::new(move |why: Option<String>| said_of.lock().unwrap().push(why.is_some()));
    let circuit = Circuit::new("grid".into(), Arc::new(NoMeter), report);
    let (urgent, urgent_then) = (circuit.watch(), Arc::<Mutex<Vec<_>>>::default());
    let courier = Courier {
        sink: "grid".into(),
        lane,
        connection: Grid {
            answer,
            began: Instant::now(),
            tries: HashMap::new(),
            log: log_of,
            urgent: urgent.clone(),
            urgent_then: Arc::clone(&urgent_then),
        },
        outbox,
        context: EventContext { site: "s".into(), timezone: TimeZone::UTC, public_url: None },
        clock: Arc::new(Still),
        meter: Arc::new(NoMeter),
        circuit,
    };
    tokio::spawn(courier.run());
    World { give, settled, log, said, urgent, urgent_then }
}

impl World {
    fn order(&self) -> Vec<u64> {
        self.log.lock().unwrap().iter().map(|(seq, _)| *seq).collect()
    }

    fn outcomes(&self) -> Vec<(u64, Outcome)> {
        self.settled.lock().unwrap().clone()
    }
}

fn down() -> Result<(), DeliverError> {
    Err(DeliverError::retry("connection refused"))
}

fn refused() -> Result<(), DeliverError> {
    Err(DeliverError::Reject { answer: "422 no such kind".into() })
}

#[tokio::test(start_paused = true)]
async fn bulk_keeps_its_order_whatever_fails() {
    let world = start(Lane::Bulk, |seq, tries| if seq == 1 && tries < 3 { down() } else { Ok(()) });
    for seq in 1..=3 {
        world.give.send(due(seq, Severity::NOTICE)).await.unwrap();
    }
    sleep(Duration::from_secs(30)).await;
    assert_eq!(world.order(), [1, 1, 1, 1, 2, 3]);
    assert_eq!(*world.said.lock().unwrap(), [true, false], "down after three, and well again once");
}

#[tokio::test(start_paused = true)]
async fn back_off_doubles_with_jitter_and_stays_below_a_minute() {
    let world = start(Lane::Bulk, |_, _| down());
    world.give.send(due(1, Severity::NOTICE)).await.unwrap();
    sleep(Duration::from_secs(1200)).await;
    let times: Vec<Duration> = world.log.lock().unwrap().iter().map(|(_, at)| *at).collect();
    let waits: Vec<u128> = times.windows(2).map(|pair| (pair[1] - pair[0]).as_millis()).collect();
    assert!(waits.len() > 20, "{waits:?}");
    for (tries, wait) in waits.iter().enumerate() {
        let full = (250u128 << tries.min(16)).min(60_000);
        assert!((full / 2..=full + 2).contains(wait), "try {tries} waited {wait} ms of {full}");
    }
    let last: std::collections::HashSet<_> = waits[10..].iter().collect();
    assert!(last.len() > 1, "no jitter: {waits:?}");
}

#[tokio::test(start_paused = true)]
async fn p4_a_refused_emergency_is_asked_again_hourly_and_a_refused_notice_is_kept_as_dead() {
    let world = start(Lane::Emergency, |_, tries| if tries < 3 { refused() } else { Ok(()) });
    world.give.send(due(1, Severity::EMERGENCY)).await.unwrap();
    sleep(Duration::from_secs(3 * 3600 - 60)).await;
    assert_eq!(world.order().len(), 3);
    assert!(world.outcomes().is_empty(), "never given up");
    assert_eq!(*world.said.lock().unwrap(), [true], "and loud");
    sleep(Duration::from_secs(120)).await;
    assert_eq!(world.outcomes(), [(1, Outcome::Delivered)]);

    let world = start(Lane::Bulk, |seq, _| if seq == 1 { refused() } else { Ok(()) });
    world.give.send(due(1, Severity::NOTICE)).await.unwrap();
    world.give.send(due(2, Severity::NOTICE)).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    let dead = Outcome::Dead { answer: "422 no such kind".into() };
    assert_eq!(world.outcomes(), [(1, dead), (2, Outcome::Delivered)]);
}

#[tokio::test(start_paused = true)]
async fn p3_a_new_emergency_is_tried_at_once_whatever_an_older_one_waits_for() {
    let world = start(Lane::Emergency, |seq, _| if seq == 1 { down() } else { Ok(()) });
    world.give.send(due(1, Severity::EMERGENCY)).await.unwrap();
    sleep(Duration::from_secs(300)).await;
    let before = world.log.lock().unwrap().len();
    let sent = Instant::now();
    world.give.send(due(2, Severity::EMERGENCY)).await.unwrap();
    while world.outcomes().is_empty() {
        sleep(Duration::from_millis(1)).await;
    }
    assert!(sent.elapsed() < Duration::from_millis(10), "{:?}", sent.elapsed());
    assert_eq!(world.outcomes(), [(2, Outcome::Delivered)]);
    // It got through, so the older one is tried now, and not when its back-off says so.
    sleep(Duration::from_millis(1)).await;
    assert_eq!(world.order()[before..], [2, 1]);
}

#[tokio::test(start_paused = true)]
async fn p3_an_emergency_holds_evidence_back_while_it_is_tried_and_not_while_it_waits() {
    for (lane, during) in [(Lane::Emergency, 1), (Lane::Bulk, 0)] {
        let world = start(lane, |_, _| down());
        world.give.send(due(1, Severity::EMERGENCY)).await.unwrap();
        sleep(Duration::from_secs(30)).await;
        let then = world.urgent_then.lock().unwrap().clone();
        assert!(then.len() > 3 && then.iter().all(|&under_way| under_way == during), "{then:?}");
        assert_eq!(*world.urgent.borrow(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn the_other_end_says_when_within_a_minute() {
    let world = start(Lane::Bulk, |_, tries| match tries {
        0 => Err(DeliverError::Retry { reason: "429".into(), after_ms: Some(7_000) }),
        1 => Err(DeliverError::Retry { reason: "429".into(), after_ms: Some(86_400_000) }),
        _ => Ok(()),
    });
    world.give.send(due(1, Severity::NOTICE)).await.unwrap();
    sleep(Duration::from_secs(100)).await;
    let at: Vec<u64> = world.log.lock().unwrap().iter().map(|(_, at)| at.as_secs()).collect();
    assert_eq!(at, [0, 7, 67]);
}

#[tokio::test(start_paused = true)]
async fn p2_emergencies_that_wait_leave_in_their_order_and_an_incident_in_that_of_its_revisions() {
    let world = start(Lane::Emergency, |_, tries| if tries < 6 { down() } else { Ok(()) });
    for seq in 1..=8 {
        world.give.send(due(seq, Severity::EMERGENCY)).await.unwrap();
    }
    sleep(Duration::from_secs(3600)).await;
    let delivered: Vec<u64> = world.outcomes().iter().map(|(seq, _)| *seq).collect();
    assert_eq!(delivered, [1, 2, 3, 4, 5, 6, 7, 8]);

    // The sink is back when the second revision comes: the first one waits, and goes first.
    let world =
        start(Lane::Emergency, |seq, tries| if seq == 1 && tries < 8 { down() } else { Ok(()) });
    let first = due(1, Severity::EMERGENCY);
    let mut second = due(2, Severity::EMERGENCY);
    second.record.incident.id = first.record.incident.id;
    world.give.send(first).await.unwrap();
    sleep(Duration::from_secs(10)).await;
    world.give.send(second).await.unwrap();
    sleep(Duration::from_secs(3600)).await;
    let delivered: Vec<u64> = world.outcomes().iter().map(|(seq, _)| *seq).collect();
    assert_eq!(delivered, [1, 2]);
}
