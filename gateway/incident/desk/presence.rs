//! How many devices were at the place of an incident when it opened: beside it, for whoever decides what to do.

use std::collections::HashMap;

use super::Desk;
use crate::domain::{
    Detail, Grid, Kind, Now, Place, PresenceCount, Severity, SourceId, distance_m,
};

/// A place at which devices are counted.
#[derive(Clone, Debug, PartialEq)]
pub struct PresencePlace {
    /// As in the configuration; where it is, is in the directory of sources.
    pub id: SourceId,
    /// It speaks for incidents so near.
    pub within_m: f64,
}

/// The numbers of the latest period of each place.
pub(super) type Counts = HashMap<SourceId, PresenceCount>;

/// Whether it matters for an incident how many people are there: calls, crowds, water, and what is said aloud.
fn matters(kind: Kind, severity: Severity) -> bool {
    use Kind::{Announcement, Crowd, EmergencyButton, Rain, WaterLevel};
    severity == Severity::EMERGENCY
        || matches!(kind, Announcement | Crowd | EmergencyButton | Rain | WaterLevel)
}

impl Desk {
    /// Only the latest is of use.
    pub(super) fn counted(&mut self, count: &PresenceCount) {
        self.presence.insert(count.place.clone(), count.clone());
    }

    /// `presence` of an incident that opens here: of the nearest place that is near enough, else of one in its grid.
    pub(super) fn presence_at(
        &self,
        now: Now,
        (kind, severity): (Kind, Severity),
        place: Option<&Place>,
        grid: Option<&Grid>,
    ) -> Detail {
        let mut detail = Detail::new();
        if !matters(kind, severity) {
            return detail;
        }
        let found = self.counted_places().filter_map(|(at, count)| {
            let info = self.directory.sources.get(&at.id)?;
            let away = place
                .zip(info.place.as_ref())
                .map(|(here, there)| distance_m([here.lon, here.lat], [there.lon, there.lat]));
            let near = away.filter(|metres| *metres <= at.within_m);
            let of_grid = || {
                let own = info.grid.as_ref().zip(grid);
                own.filter(|(own, grid)| own.code == grid.code).map(|_| f64::MAX)
            };
            Some((near.or_else(of_grid)?, info, count))
        });
        let nearest = found.filter(|(_, _, count)| count.is_fresh(now.wall)).min_by(
            |(a, one, _), (b, other, _)| a.total_cmp(b).then_with(|| one.id.cmp(&other.id)),
        );
        let Some((_, info, count)) = nearest else { return detail };
        let Some(numbers) = count.numbers else { return detail };
        let told = serde_json::json!({
            "place": info.id,
            "name": info.name,
            "devices": numbers.devices,
            "fixed": numbers.fixed,
            "random": numbers.random,
            "as_of": count.until,
            "period_s": count.period_s,
        });
        detail.insert("presence".into(), told);
        detail
    }

    fn counted_places(&self) -> impl Iterator<Item = (&PresencePlace, &PresenceCount)> {
        let places = self.directory.presence.iter();
        places.filter_map(|place| Some((place, self.presence.get(&place.id)?)))
    }
}
