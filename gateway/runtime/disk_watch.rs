//! Every few seconds: checks the space on disk, reports what sinks will never get, answers requests in the data folder.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use tokio::sync::watch;

use super::{
    announce_request::answer_announce, doctor::answer_doctor, drill_request::answer_drill,
    evidence_out::answer_evidence, retry_request::answer_retry, shared::Shared,
};
use crate::{
    base::{lock, stopped},
    domain::{
        Body, Envelope, Fault, Kind, Loss, Meter, Metric, Now, Observation, SinkId, SourceId,
        started_at,
    },
    media::give_back_free_memory,
    store::{IncidentFilter, Ledger, SpaceCheck, SpaceLevel},
};

const CHECK_EVERY: Duration = Duration::from_secs(2);
/// Old evidence is removed this often, and whenever space runs low.
const TIDY_EVERY_MS: u64 = 300_000;
/// Memory that is free is given back this often.
const GIVE_BACK_EVERY_MS: u64 = 30_000;
/// With nothing more lost for so long, the incident of a loss is over.
const LOSS_OVER_AFTER_MS: u64 = 600_000;
/// Incidents of earlier losses that are read for how much was reported already.
const LOSS_INCIDENTS_MAX: usize = 1_000;
/// The source of incidents about the disk.
const DISK: &str = "disk";

/// What one sink had lost when it was last reported.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Reported {
    dead: u64,
    shed: u64,
    expired: u64,
    /// Monotonic milliseconds.
    at_ms: u64,
    open: bool,
}

/// Watches the disk space and the ledger, and makes observations of what goes wrong.
pub(super) struct DiskWatch {
    shared: Shared,
    data: PathBuf,
    short: Option<String>,
    reported: BTreeMap<SinkId, Reported>,
    tidied_ms: u64,
    gave_back_ms: u64,
    /// It was said that the data folder cannot be migrated.
    migration_failed: bool,
}

impl DiskWatch {
    /// `data`: the data folder. Reads from the store what was reported before.
    pub(super) fn new(shared: &Shared, data: PathBuf) -> Self {
        let reported = reported_before(shared);
        Self {
            shared: shared.clone(),
            data,
            short: None,
            reported,
            tidied_ms: 0,
            gave_back_ms: 0,
            migration_failed: false,
        }
    }

    /// Runs until it is told to stop.
    pub(super) async fn run(self, mut stop: watch::Receiver<bool>) {
        let (shared, data) = (self.shared.clone(), self.data.clone());
        let mut own = Some(Box::new(self));
        while let Some(mut watch) = own.take() {
            let check = tokio::task::spawn_blocking(move || {
                watch.check();
                watch
            });
            tokio::select! {
                back = check => match back {
                    Ok(watch) => own = Some(watch),
                    Err(error) => {
                        tracing::error!(%error, "the watch over the disk ended badly; it begins anew");
                        own = Some(Box::new(Self::new(&shared, data.clone())));
                    }
                },
                () = stopped(&mut stop) => return,
            }
            tokio::select! {
                () = tokio::time::sleep(CHECK_EVERY) => {}
                () = stopped(&mut stop) => return,
            }
        }
    }

    fn check(&mut self) {
        let now = self.shared.clock.now();
        answer_retry(&self.data, &self.shared.store, &*self.shared.clock);
        answer_drill(&self.data, &self.shared);
        answer_doctor(&self.data, &self.shared);
        answer_announce(&self.data, &self.shared);
        answer_evidence(&self.data, &self.shared);
        self.shared.store.keep_by(&lock(&self.shared.running).evidence);
        self.migrate();
        let check = self.shared.store.check_space(now).unwrap_or_else(|error| SpaceCheck {
            level: self.shared.store.space_level(),
            short: Some(error.to_string()),
            ..SpaceCheck::default()
        });
        self.count(&check);
        self.count_run(now);
        let trouble = self.shared.store.is_available().err();
        self.report_space(
            now,
            trouble.map(|why| format!("the store cannot write: {why}")).or(check.short),
        );
        if now.mono_ms.saturating_sub(self.tidied_ms) >= TIDY_EVERY_MS {
            self.tidied_ms = now.mono_ms;
            if let Err(error) = self.shared.store.keep_case_lines() {
                tracing::warn!(%error, "the figures of cases that are over could not be written; the journal has them");
            }
            if let Err(error) = self.shared.store.tidy(now) {
                tracing::warn!(%error, "old evidence could not be removed");
            }
        }
        if now.mono_ms.saturating_sub(self.gave_back_ms) >= GIVE_BACK_EVERY_MS {
            self.gave_back_ms = now.mono_ms;
            give_back_free_memory();
        }
        let ledger = self.shared.store.ledger();
        self.report_losses(now, &ledger);
    }

    /// The data folder is migrated when the update that is being tried was confirmed.
    fn migrate(&mut self) {
        let failed = self.shared.store.migrate_when_confirmed().err();
        if let Some(error) = failed.as_ref().filter(|_| !self.migration_failed) {
            tracing::error!(%error, "the update is confirmed, and the data folder cannot be migrated; it is tried again");
        }
        self.migration_failed = failed.is_some();
    }

    /// Which program, and since when.
    fn count_run(&self, now: Now) {
        let registry = &self.shared.registry;
        registry.set(Metric::BuildInfo, env!("CARGO_PKG_VERSION"), 1.0);
        registry.set(Metric::StartTime, "", started_at(now).as_second() as f64);
    }

    fn count(&self, check: &SpaceCheck) {
        let space = self.shared.store.space();
        let level = match check.level {
            SpaceLevel::Fine => 0.0,
            SpaceLevel::Low => 1.0,
            SpaceLevel::Tight => 2.0,
            SpaceLevel::Full => 3.0,
        };
        let set = |metric, value| self.shared.registry.set(metric, "", value);
        set(Metric::StoreRoom, level);
        set(Metric::StoreJournalBytes, space.journal_bytes as f64);
        set(Metric::StoreEvidenceBytes, space.evidence_bytes as f64);
        if let Some(free) = space.free_bytes {
            set(Metric::StoreFreeBytes, free as f64);
        }
    }

    /// One incident from the first shortage to the last, and a reason not to be ready.
    fn report_space(&mut self, now: Now, short: Option<String>) {
        match &short {
            Some(why) => self.shared.readiness.not_ready(DISK, why),
            None => self.shared.readiness.clear(DISK),
        }
        if short.is_some() == self.short.is_some() {
            self.short = short;
            return;
        }
        let text = short.clone().unwrap_or_else(|| "there is room again".into());
        match &short {
            Some(why) => tracing::error!(why, "disk: short of room"),
            None => tracing::info!("disk: there is room again"),
        }
        let fault = Fault { kind: Kind::DiskLow, broken: short.is_some(), text };
        if self.send(SourceId::from(DISK), now, Body::Fault(fault)) {
            self.short = short;
        }
    }

    fn report_losses(&mut self, now: Now, ledger: &Ledger) {
        for (sink, [dead, shed, expired]) in losses(ledger) {
            let before = self.reported.get(&sink).copied().unwrap_or_default();
            let more = dead > before.dead || shed > before.shed || expired > before.expired;
            let over =
                before.open && now.mono_ms.saturating_sub(before.at_ms) >= LOSS_OVER_AFTER_MS;
            if !more && !over {
                continue;
            }
            let text = match over && !more {
                true => format!("sink {sink}: nothing more was lost"),
                false if expired > before.expired => format!(
                    "speaker {sink}: {expired} announcements were not said while they were of use, and never will be (gridpost store list --shed shows why)"
                ),
                false => format!(
                    "sink {sink}: {dead} refused for good (gridpost store list shows the answers, gridpost store retry sends them again), {shed} given up to make room"
                ),
            };
            let reported = Reported {
                dead: dead.max(before.dead),
                shed: shed.max(before.shed),
                expired: expired.max(before.expired),
                at_ms: now.mono_ms,
                open: more,
            };
            let loss = Loss { dead, shed, expired, over: !more, text };
            if self.send(SourceId::from(sink.as_str()), now, Body::Loss(loss)) {
                self.reported.insert(sink, reported);
            }
        }
    }

    /// False: the junction is busy with the disk, and the next check must send it again.
    fn send(&self, source: SourceId, now: Now, body: Body) -> bool {
        let envelope = Envelope::unacknowledged(Observation::of_gateway(source, now, body));
        self.shared.envelopes.try_send(envelope).is_ok()
    }
}

/// What each sink will not get (dead-lettered, shed, expired), without the records that report a loss:
/// those must not make another.
fn losses(ledger: &Ledger) -> BTreeMap<SinkId, [u64; 3]> {
    let mut sums: BTreeMap<SinkId, [u64; 3]> = BTreeMap::new();
    let records = ledger.sinks.iter().flat_map(|(sink, kinds)| {
        kinds.iter().filter(|(kind, _)| **kind != Kind::Loss).map(move |(_, of)| (sink, of))
    });
    for (sink, of) in records.chain(&ledger.evidence) {
        let sum = sums.entry(sink.clone()).or_default();
        *sum = [sum[0] + of.dead, sum[1] + of.shed, sum[2] + of.expired];
    }
    sums
}

/// What an earlier process has reported, read from its incidents, so that a loss just before a
/// crash is reported after it.
fn reported_before(shared: &Shared) -> BTreeMap<SinkId, Reported> {
    let filter = IncidentFilter {
        kind: Some(Kind::Loss),
        limit: LOSS_INCIDENTS_MAX,
        ..IncidentFilter::default()
    };
    let mut reported: BTreeMap<SinkId, Reported> = BTreeMap::new();
    for record in shared.store.incidents(&filter) {
        let Some(source) = record.incident.sources.first() else { continue };
        let count = |name: &str| record.incident.detail.get(name)?.as_u64();
        let sums = reported.entry(SinkId::from(source.id.as_str())).or_default();
        sums.dead = sums.dead.max(count("dead_lettered").unwrap_or(0));
        sums.shed = sums.shed.max(count("shed").unwrap_or(0));
        sums.expired = sums.expired.max(count("expired").unwrap_or(0));
    }
    reported
}
