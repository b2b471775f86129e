//! The public page's view of the gateway: pictures to disk, reports to the junction, look-up numbers to cases.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use jiff::Timestamp;
use sha2::{Digest, Sha256};
use tokio::{sync::watch, time::timeout};

use super::{picture_file::keep_report_jpeg, shared::Shared};
use crate::{
    base::{Rarely, ask, lock},
    config::Config,
    console::reports::{Kept, ListedPlace, ReportBackend},
    domain::{
        Answer, Body, EventContext, Evidence, Grid, IdMint, IncidentId, Kind, Meter, Metric,
        Observation, REPORTS_SOURCE, Record, ResidentReport, Title,
    },
    media::CleanPicture,
    store::{IncidentFilter, SpaceLevel, Store},
};

/// Reports that are found by their numbers: the newest, some 10 MB at most.
const KNOWN_MAX: usize = 50_000;
/// Reports that are neither closed nor dismissed: each is told to level after level until somebody answers it.
const OPEN_MAX: usize = 2_000;
/// That no more are taken is a line of the log in so long.
const SAID_EVERY: Duration = Duration::from_secs(60);
/// A resident waits no longer than this for the disk.
const KEPT_WITHIN: Duration = Duration::from_secs(20);

/// Which report is which case, by the hash of its number; the newest.
#[derive(Default)]
struct Numbers {
    cases: HashMap<String, IncidentId>,
    oldest_first: VecDeque<String>,
}

impl Numbers {
    /// All that the journal holds, up to the bound; reads from disk.
    fn of(store: &Store) -> Self {
        let kind = Some(Kind::Report);
        let filter = IncidentFilter { active: None, kind, since: None, limit: KNOWN_MAX };
        let mut numbers = Self::default();
        for record in store.incidents(&filter).iter().rev() {
            let prefix = record.incident.key.strip_prefix(REPORTS_SOURCE);
            if let Some(number) = prefix.and_then(|key| key.strip_prefix('/')) {
                numbers.put(number.to_owned(), record.incident.id);
            }
        }
        numbers
    }

    fn put(&mut self, number: String, case: IncidentId) {
        if self.cases.insert(number.clone(), case).is_none() {
            self.oldest_first.push_back(number);
        }
        if self.oldest_first.len() > KNOWN_MAX
            && let Some(oldest) = self.oldest_first.pop_front()
        {
            self.cases.remove(&oldest);
        }
    }
}

/// What all pages of a run share; it outlives a reload.
pub(super) struct KnownReports {
    numbers: OnceLock<Mutex<Numbers>>,
    ids: Mutex<IdMint>,
    said_full: Mutex<Rarely>,
}

impl Default for KnownReports {
    fn default() -> Self {
        Self {
            numbers: OnceLock::new(),
            ids: Mutex::new(IdMint::new(rand::random())),
            said_full: Mutex::new(Rarely::every(SAID_EVERY)),
        }
    }
}

/// What the page asks, answered by store and junction.
#[derive(Clone)]
pub(super) struct ReportDoor {
    shared: Shared,
    context: watch::Receiver<EventContext>,
    known: Arc<KnownReports>,
}

impl ReportDoor {
    /// Reads the numbers of earlier runs aside; who comes before that is done waits for it.
    pub(super) fn open(
        shared: &Shared,
        context: &watch::Receiver<EventContext>,
        known: &Arc<KnownReports>,
    ) -> Self {
        let (shared, context, known) = (shared.clone(), context.clone(), known.clone());
        shared.store.keep_room_for_reports();
        let door = Self { shared, context, known };
        let own = door.clone();
        tokio::task::spawn_blocking(move || {
            own.numbers();
        });
        door
    }

    fn numbers(&self) -> &Mutex<Numbers> {
        let read = || Mutex::new(Numbers::of(&self.shared.store));
        self.known.numbers.get_or_init(read)
    }

    /// The picture on disk and synced, where it would lie as evidence.
    fn write(&self, picture: &CleanPicture) -> Result<Evidence, String> {
        let now = self.shared.clock.now();
        let id = lock(&self.known.ids).evidence(now);
        keep_report_jpeg(&self.shared.store, id, now.wall, &picture.jpeg)
    }

    /// A piece that no record names, because the same report had come before.
    fn take_back(&self, piece: &Evidence) {
        if let Err(error) = self.shared.store.drop_evidence(piece) {
            tracing::warn!(%error, "a picture that came twice could not be removed");
        }
    }

    async fn keep_whole(&self, mut report: ResidentReport, picture: Option<CleanPicture>) -> Kept {
        // Others may have come while its picture was looked at.
        if self.is_full() {
            return Kept::TooManyOpen;
        }
        if let Some(picture) = picture {
            let own = self.clone();
            let written = tokio::task::spawn_blocking(move || own.write(&picture)).await;
            match written.unwrap_or_else(|error| Err(error.to_string())) {
                Ok(evidence) => report.picture = Some(evidence),
                Err(error) => {
                    tracing::warn!(error, "the picture of a report could not be kept");
                    report.picture_refused = Some(Title {
                        zh: "现在存不下照片。".into(),
                        en: "pictures cannot be stored now".into(),
                    });
                }
            }
        }
        let (number, piece) = (report.number_sha256.clone(), report.picture.clone());
        let body = Body::Report(Box::new(report));
        let now = self.shared.clock.now();
        let observation = Observation::of_gateway(REPORTS_SOURCE.into(), now, body);
        match ask(&self.shared.envelopes, observation).await {
            Answer::Changed(incident) => {
                let piece =
                    piece.filter(|piece| !incident.evidence.iter().any(|kept| kept.id == piece.id));
                piece.iter().for_each(|piece| self.take_back(piece));
                lock(self.numbers()).put(number, incident.id);
                Kept::Stored
            }
            // On a full disk the junction has not taken it.
            Answer::Lost if self.shared.store.space_level() == SpaceLevel::Full => Kept::NotStored,
            // What a failing disk refuses now may be written later: the same again is one.
            Answer::Lost => Kept::Unsure,
            _ => Kept::NotStored,
        }
    }
}

impl ReportBackend for ReportDoor {
    fn reported(&self, number_sha256: &str) -> Option<Record> {
        let case = lock(self.numbers()).cases.get(number_sha256).copied()?;
        self.case(case)
    }

    fn case(&self, id: IncidentId) -> Option<Record> {
        self.shared.store.incident(id)
    }

    fn is_full(&self) -> bool {
        let is_full = self.shared.store.open_reports() >= OPEN_MAX;
        if is_full && let Some(more) = lock(&self.known.said_full).say() {
            let most = OPEN_MAX;
            tracing::error!(most, more, "too many residents' reports are open: no more are taken");
        }
        is_full
    }

    async fn keep(&self, report: ResidentReport, picture: Option<CleanPicture>) -> Kept {
        // To its end, whoever still waits for it: neither a piece that nobody names nor a number that
        // nobody finds is left of a resident who has gone.
        let own = self.clone();
        let kept = tokio::spawn(async move { own.keep_whole(report, picture).await });
        match timeout(KEPT_WITHIN, kept).await {
            Ok(Ok(kept)) => kept,
            Ok(Err(_)) | Err(_) => Kept::Unsure,
        }
    }

    fn count(&self, outcome: &'static str) {
        self.shared.registry.add(Metric::ResidentReports, outcome, 1);
    }

    fn minute(&self, at: Timestamp) -> String {
        let zone = self.context.borrow().timezone.clone();
        at.to_zoned(zone).strftime("%Y-%m-%d %H:%M").to_string()
    }
}

/// What residents choose from: named places first, then the grids by community.
pub(super) fn listed_places(config: &Config) -> Vec<ListedPlace> {
    let Some(reports) = &config.reports else { return Vec::new() };
    let grid_of = |code: &str| config.grids.by_code(code).map(|grid| Grid::clone(&grid));
    let named = reports.places.iter().map(|place| ListedPlace {
        value: place_value(&place.name, place.grid.as_deref()),
        name: place.name.trim().to_owned(),
        under: String::new(),
        grid: place.grid.as_deref().and_then(grid_of),
        is_named: true,
    });
    let mut places: Vec<ListedPlace> = named.collect();
    let codes = config.grids.codes().filter(|_| reports.list_grids);
    let mut grids: Vec<Grid> = codes.filter_map(grid_of).collect();
    grids.sort_by(|a, b| (&a.community, &a.code).cmp(&(&b.community, &b.code)));
    places.extend(grids.into_iter().map(|grid| ListedPlace {
        value: format!("g{}", grid.code),
        name: grid.name.clone(),
        under: grid.community.clone().unwrap_or_default(),
        grid: Some(grid),
        is_named: false,
    }));
    places
}

/// Of the place itself, and not of its line in the list: a form may be open while the list changes.
fn place_value(name: &str, grid: Option<&str>) -> String {
    let hash = Sha256::new_with_prefix(name.trim()).chain_update([0]);
    let hash = hash.chain_update(grid.unwrap_or_default()).finalize();
    hash[..6].iter().fold("p".to_owned(), |value, byte| format!("{value}{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_has_its_value_wherever_it_stands_in_the_list() {
        let market = place_value("桥北菜场", Some("G1"));
        assert_eq!(market, place_value(" 桥北菜场 ", Some("G1")));
        assert_ne!(market, place_value("桥北菜场", Some("G2")), "others answer for it");
        assert_ne!(market, place_value("桥南菜场", Some("G1")));
        assert!(market.len() == 13 && market.starts_with('p'), "{market}");
    }

    #[test]
    fn p11_numbers_are_bounded_and_the_newest_stay() {
        let (mut numbers, mut ids) = (Numbers::default(), IdMint::new([1; 32]));
        let now = crate::domain::Now { wall: Timestamp::UNIX_EPOCH, mono_ms: 0 };
        for n in 0..KNOWN_MAX + 10 {
            numbers.put(n.to_string(), ids.incident(now));
            numbers.put(n.to_string(), ids.incident(now));
        }
        assert_eq!((numbers.cases.len(), numbers.oldest_first.len()), (KNOWN_MAX, KNOWN_MAX));
        assert!(!numbers.cases.contains_key("9") && numbers.cases.contains_key("10"));
    }
}
