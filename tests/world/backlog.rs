//! A data folder as an outage leaves it: notices that wait, and records long settled; made through the store itself.

use std::{path::Path, sync::Arc};

use gridpost::{
    domain::{
        ClockError, Detail, Entry, Incident, IncidentId, Kind, NoMeter, Outcome, Record, Settled,
        Severity, SinkId, SourceKind, SourceRef, Stage, Title, What,
    },
    store::{self, Batch, Config, Lane, Store, Subscriber},
};
use jiff::{SignedDuration, Timestamp};

/// Changes that are committed as one batch.
const BATCH_RECORDS: usize = 2_000;

/// The store of a folder, with these sinks and no bound that a backlog could reach.
pub(crate) fn open(data: &Path, sinks: &[&str]) -> Store {
    let sinks: Vec<Subscriber> = sinks.iter().map(|sink| SinkId::from(*sink).into()).collect();
    let config = Config { min_free_bytes: 1 << 20, max_bytes: 64 << 30, ..Config::at(data) };
    store::open(&config, &sinks, Arc::new(NoMeter)).unwrap().store
}

/// So many notices of two days ago, owed to each of these sinks: every incident was opened and
/// dismissed, so that the next start adds nothing of its own.
pub(crate) fn waiting(data: &Path, sinks: &[&str], notices: usize) {
    apart(|| {
        let store = open(data, sinks);
        add(&store, notices);
        store.close_blocking().unwrap();
    });
}

/// The store's blocking calls want a thread that no async runtime owns.
fn apart(work: impl FnOnce() + Send) {
    std::thread::scope(|scope| scope.spawn(work).join().unwrap());
}

#[allow(clippy::disallowed_methods, reason = "the outage is two days of this machine's own time")]
fn add(store: &Store, notices: usize) {
    let began = Timestamp::now() - SignedDuration::from_hours(48);
    let mut done = 0;
    while done < notices {
        let count = BATCH_RECORDS.min(notices - done);
        let entries = (done..done + count).map(|n| {
            // Two records an incident.
            let at = began + SignedDuration::from_millis(n as i64);
            notice(n, at)
        });
        let entries = pair_up(entries.collect());
        store.commit_blocking(Batch { entries, receipts: Vec::new() }).unwrap();
        done += count;
    }
}

/// So many records that the sink has settled, in steps, so that the journal looks lived in.
#[allow(dead_code, reason = "only `make bench` starts on a long history")]
pub(crate) fn settled(data: &Path, sink: &str, records: usize) {
    apart(|| {
        let store = open(data, &[sink]);
        let mut done = 0;
        while done < records {
            let count = (5 * BATCH_RECORDS).min(records - done);
            add(&store, count);
            let taken = std::iter::from_fn(|| store.try_next_due(&sink.into(), Lane::Bulk));
            let entries: Vec<Entry> = taken
                .map(|due| {
                    let at = due.record.incident.changed_at;
                    let (sink, outcome) = (sink.into(), Outcome::Delivered);
                    Entry::Settled(Settled { sink, change: due.seq, outcome, at })
                })
                .collect();
            assert_eq!(entries.len(), count, "everything that was made is due");
            store.commit_blocking(Batch { entries, receipts: Vec::new() }).unwrap();
            done += count;
        }
        store.close_blocking().unwrap();
    });
}

/// Every second one becomes the end of the one before.
fn pair_up(mut records: Vec<Record>) -> Vec<Entry> {
    for pair in records.chunks_mut(2) {
        if let [first, second] = pair {
            second.what = What::Dismissed;
            second.incident = Incident {
                id: first.incident.id,
                revision: 2,
                began_at: first.incident.began_at,
                opened_at: first.incident.opened_at,
                ..second.incident.clone()
            };
        }
        // Finished from the first on: no live case is left for the next start.
        pair.iter_mut().for_each(|record| {
            record.incident.stage = Stage::Dismissed;
            record.incident.active = false;
            record.incident.ended_at = Some(record.incident.changed_at);
        });
    }
    records.into_iter().map(|record| Entry::Change(Box::new(record))).collect()
}

/// As large as one of a camera, evidence apart.
fn notice(number: usize, at: Timestamp) -> Record {
    let camera = format!("camera-{}", number % 32);
    let incident = Incident {
        id: IncidentId(uuid::Uuid::from_u128(rand::random())),
        revision: 1,
        stage: Stage::Opened,
        active: true,
        kind: Kind::Intrusion,
        severity: Severity::NOTICE,
        title: Title {
            zh: format!("区域入侵：{camera}，行人 1"),
            en: format!("Intrusion: {camera}, 1 person"),
        },
        grid: None,
        place: None,
        began_at: at,
        opened_at: at,
        changed_at: at,
        ended_at: None,
        sources: vec![SourceRef {
            id: camera.as_str().into(),
            kind: SourceKind::Camera,
            name: camera.clone(),
        }],
        objects: Vec::new(),
        evidence: Vec::new(),
        deadline: None,
        route: None,
        life: Default::default(),
        clock: ClockError { device: None, gateway: at, error_ms: 0 },
        why: "a person stood in the zone for 1.0 s (rule walkers)".into(),
        detail: Detail::from([("backlog".into(), number.into())]),
        rule: Some("walkers".into()),
        key: format!("walkers/{camera}"),
    };
    Record { what: What::Opened, incident }
}
