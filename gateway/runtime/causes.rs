//! What speakers ask of the gateway around them: whether a cause goes on, and which postures hold.

use std::sync::Arc;

use jiff::Timestamp;

use super::shared::Shared;
use crate::{
    domain::{Clock, Incident, IncidentId, Kind, Posture},
    sinks::Causes,
    store::{IncidentFilter, Store},
};

/// Both postures, and what became of them before.
const POSTURES_MAX: usize = 10;

/// Answered by the store: what is on disk counts.
pub(super) struct StoredCauses {
    store: Store,
    clock: Arc<dyn Clock>,
}

impl StoredCauses {
    pub(super) fn new(shared: &Shared) -> Self {
        Self { store: shared.store.clone(), clock: shared.clock.clone() }
    }
}

impl Causes for StoredCauses {
    fn goes_on(&self, incident: IncidentId) -> bool {
        // A disk that cannot be read silences no warning.
        self.store.incident(incident).is_none_or(|record| is_a_cause(&record.incident))
    }

    fn holds(&self, posture: Posture) -> bool {
        let filter = IncidentFilter {
            kind: Some(Kind::Posture),
            limit: POSTURES_MAX,
            ..IncidentFilter::default()
        };
        let key = posture.key();
        let holds = |one: &Incident| one.active && one.key == key;
        self.store.incidents(&filter).iter().any(|record| holds(&record.incident))
    }

    fn now(&self) -> Timestamp {
        self.clock.now().wall
    }
}

/// It goes on and nobody has closed it; what nobody watches lasts until it is closed.
fn is_a_cause(incident: &Incident) -> bool {
    let unwatched = matches!(incident.kind, Kind::Announcement | Kind::Report);
    !incident.stage.is_over() && (incident.active || unwatched || incident.is_drill())
}
