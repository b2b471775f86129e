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

use super::{
    Circuit, Courier, DeliverError, Delivery, Due, Lane, Outbox, Piece, Report, Sink, SinkHealth,
};
use crate::{
    base::{LaneOrder, LaneQueue, NotYet, Tried},
    domain::{
        Clock, ClockError, Detail, EventContext, Incident, IncidentId, Kind, NoMeter, Now, Outcome,
        Record, Settled, Severity, SinkId, Stage, Title, What,
    },
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
    Due { seq, emergency, tried: Tried::default(), record: Record { what: What::Opened, incident } }
}

/// What waits, the records of it, and what has passed.
type Queue = (LaneQueue, HashMap<u64, Due>, u64);

/// The store's place, with the queue that the store has: what is due comes over a channel, what is
/// settled is noted.
#[derive(Clone)]
struct Box {
    due: Arc<tokio::sync::Mutex<mpsc::Receiver<Due>>>,
    queue: Arc<Mutex<Queue>>,
    began: Instant,
    lane: Lane,
    settled: Arc<Mutex<Vec<(u64, Outcome)>>>,
}

impl Box {
    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap()
    }

    fn take(&self) -> Result<Due, Option<u64>> {
        let mut guard = self.queue.lock().unwrap();
        let (queue, held, _) = &mut *guard;
        let of = |seq: u64| held.get(&seq).map(|due| due.record.incident.id);
        match queue.take(self.now_ms(), |_| true, of) {
            Some((_, seq)) => {
                let due = held.get_mut(&seq).unwrap();
                due.tried = queue.tried(seq);
                Ok(due.clone())
            }
            None => Err(queue.next_ms()),
        }
    }

    fn put(&self, due: Due) {
        let mut guard = self.queue.lock().unwrap();
        let (queue, held, _) = &mut *guard;
        queue.insert((due.record.class(), due.seq), due.record.incident.id);
        held.insert(due.seq, due);
    }
}

impl Outbox for Box {
    async fn next_due(&self, _: &SinkId, _: Lane) -> Due {
        loop {
            let mut new = self.due.lock().await;
            while let Ok(due) = new.try_recv() {
                self.put(due);
            }
            let next_ms = match self.take() {
                Ok(due) => return due,
                Err(next_ms) => next_ms,
            };
            let wait =
                next_ms.map(|at| Duration::from_millis(at.saturating_sub(self.now_ms()).max(1)));
            tokio::select! {
                due = new.recv() => match due {
                    Some(due) => self.put(due),
                    None => sleep(wait.unwrap_or(Duration::MAX)).await,
                },
                () = sleep(wait.unwrap_or_default()), if wait.is_some() => {}
            }
        }
    }

    async fn next_piece(&self, _: &SinkId) -> Piece {
        std::future::pending().await
    }

    fn later(&self, _: &SinkId, seq: u64, why: NotYet) -> bool {
        let mut guard = self.queue.lock().unwrap();
        let (queue, held, passes) = &mut *guard;
        let (class, incident) = (held[&seq].record.class(), held[&seq].record.incident.id);
        queue.later((class, seq), incident, why, (self.now_ms(), *passes))
    }

    fn passed(&self, _: &SinkId, _: Option<Lane>) {
        let mut guard = self.queue.lock().unwrap();
        guard.2 += 1;
        guard.0.passed(self.now_ms(), true);
    }

    fn set_aside(&self, _: &SinkId) -> (usize, usize) {
        let count = self.queue.lock().unwrap().0.aside_count();
        if self.lane == Lane::Emergency { (count, 0) } else { (0, count) }
    }

    async fn settle(&self, settled: Settled) {
        self.queue.lock().unwrap().0.forget(settled.change);
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
    let (give, due) = mpsc::channel(2048);
    let (settled, log, said) = <(Arc<_>, Arc<_>, Arc<Mutex<Vec<bool>>>)>::default();
    let order = match lane {
        Lane::Emergency => LaneOrder::EachAtOnce,
        Lane::Bulk => LaneOrder::OneByOne,
    };
    let outbox = Box {
        due: Arc::new(due.into()),
        queue: Arc::new(Mutex::new((LaneQueue::new(order), HashMap::new(), 0))),
        began: Instant::now(),
        lane,
        settled: Arc::clone(&settled),
    };
    let (log_of, said_of) = (Arc::clone(&log), Arc::clone(&said));
    let report: Report = Arc::new(move |now: &SinkHealth| {
        let (bad, mut said) = (now.bad.is_some(), said_of.lock().unwrap());
        if said.last() != Some(&bad) {
            said.push(bad);
        }
    });
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
        levels: Vec::new(),
        roles: Vec::new(),
        send_plates: false,
        links: None,
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
    // Until the oldest has failed five times, which may be its own fault: others are tried in between then.
    let short = |_, tries| if tries < 4 { down() } else { Ok(()) };
    let long = |_, tries| if tries < 6 { down() } else { Ok(()) };
    for (in_order, world) in
        [(true, start(Lane::Emergency, short)), (false, start(Lane::Emergency, long))]
    {
        for seq in 1..=8 {
            world.give.send(due(seq, Severity::EMERGENCY)).await.unwrap();
        }
        sleep(Duration::from_secs(3600)).await;
        let mut delivered: Vec<u64> = world.outcomes().iter().map(|(seq, _)| *seq).collect();
        if !in_order {
            delivered.sort_unstable();
        }
        assert_eq!(delivered, [1, 2, 3, 4, 5, 6, 7, 8]);
    }

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

#[tokio::test(start_paused = true)]
async fn p3_a_thousand_refused_emergencies_take_no_place_from_a_new_one() {
    let answers: [Answer; 2] = [
        |seq, _| if seq <= 1000 { refused() } else { Ok(()) },
        |seq, _| if seq <= 1000 { down() } else { Ok(()) },
    ];
    for answer in answers {
        let world = start(Lane::Emergency, answer);
        for seq in 1..=1000 {
            world.give.send(due(seq, Severity::EMERGENCY)).await.unwrap();
        }
        sleep(Duration::from_secs(30)).await;
        for real in 1001..1010 {
            let sent = Instant::now();
            world.give.send(due(real, Severity::EMERGENCY)).await.unwrap();
            while world.outcomes().last() != Some(&(real, Outcome::Delivered)) {
                sleep(Duration::from_millis(1)).await;
            }
            assert!(sent.elapsed() < Duration::from_millis(100), "{real}: {:?}", sent.elapsed());
        }
        // Those that are brought forward by each success are asked ever more rarely.
        let before = world.order().len();
        for real in 1010..1100 {
            world.give.send(due(real, Severity::EMERGENCY)).await.unwrap();
            sleep(Duration::from_secs(10)).await;
        }
        let tries = world.order().len() - before - 90;
        assert!(tries <= 8_000, "{tries} tries of a thousand in a quarter of an hour");
        assert_eq!(world.outcomes().len(), 99);
    }
}

#[tokio::test(start_paused = true)]
async fn p3_one_that_hangs_stands_before_the_newest_once() {
    let world = start(Lane::Emergency, |seq, _| if seq <= 100 { down() } else { Ok(()) });
    for seq in 1..=101 {
        world.give.send(due(seq, Severity::EMERGENCY)).await.unwrap();
    }
    sleep(Duration::from_millis(10)).await;
    assert_eq!(world.order()[..2], [1, 101], "the oldest fails, so the newest goes next");
}

#[tokio::test(start_paused = true)]
async fn p3_a_notice_that_the_receiver_chokes_on_stops_nobody() {
    let world = start(Lane::Bulk, |seq, _| if seq % 10 == 1 { down() } else { Ok(()) });
    for seq in 1..=100 {
        world.give.send(due(seq, Severity::NOTICE)).await.unwrap();
    }
    sleep(Duration::from_secs(300)).await;
    assert_eq!(world.outcomes().len(), 90, "all but the ten that it chokes on");
    for seq in [102, 103, 104, 105] {
        world.give.send(due(seq, Severity::NOTICE)).await.unwrap();
        sleep(Duration::from_secs(60)).await;
    }
    assert_eq!(world.outcomes().len(), 94);
    assert_eq!(world.said.lock().unwrap().last(), Some(&false), "and the sink is up");
}

#[tokio::test(start_paused = true)]
async fn when_the_sink_is_well_again_all_of_it_is() {
    let world = start(Lane::Emergency, |seq, tries| match (seq, tries) {
        (1, 0) => refused(),
        _ => Ok(()),
    });
    world.give.send(due(1, Severity::EMERGENCY)).await.unwrap();
    sleep(Duration::from_secs(60)).await;
    assert_eq!(*world.said.lock().unwrap(), [true]);
    world.give.send(due(2, Severity::EMERGENCY)).await.unwrap();
    sleep(Duration::from_millis(10)).await;
    assert_eq!(world.outcomes(), [(2, Outcome::Delivered), (1, Outcome::Delivered)]);
    assert_eq!(*world.said.lock().unwrap(), [true, false], "and so it says");
}
