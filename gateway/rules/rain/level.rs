//! The water level of one gauge: which readings are believed, and whether it is stuck.

use jiff::{SignedDuration, Timestamp};

/// A level that is the same to the millimetre for so long while it rains hard is stuck.
const STUCK_AFTER: SignedDuration = SignedDuration::from_hours(6);
/// So much rain in that time changes any river, µm.
const STUCK_RAIN_UM: i64 = 30_000;
/// Where the water is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum LevelBand {
    /// Below the warning level 警戒水位.
    #[default]
    Below,
    /// At or above it.
    Warning,
    /// At or above the guarantee level 保证水位.
    Guarantee,
}

/// The latest level, and the incident that it has made.
#[derive(Default)]
pub(super) struct Level {
    /// Millimetres above datum, and when.
    pub(super) last: Option<(Timestamp, i64)>,
    /// A reading that jumped, until another one confirms it.
    aside: Option<(Timestamp, i64)>,
    /// Since when it has not changed at all.
    same_since: Option<Timestamp>,
    /// Where it was when it was last compared.
    pub(super) mark: LevelBand,
    /// When the incident that is open began.
    pub(super) began_at: Option<Timestamp>,
    /// The level of the last notable finding, millimetres.
    pub(super) reported_mm: i64,
    /// The highest level of the incident, millimetres.
    pub(super) most_mm: i64,
}

impl Level {
    /// Takes a reading. Late readings change nothing, because the latest counts. A jump is believed when
    /// a second reading confirms it; until then, returns why it is not.
    pub(super) fn insert(
        &mut self,
        at: Timestamp,
        mm: i64,
        most_mm_per_min: i64,
    ) -> Option<String> {
        let Some((before, was)) = self.last else {
            (self.last, self.same_since) = (Some((at, mm)), Some(at));
            return None;
        };
        if at <= before {
            return None;
        }
        let far = |from: (Timestamp, i64)| {
            let minutes = at.duration_since(from.0).as_millis().max(60_000);
            i128::from((mm - from.1).abs()) > i128::from(most_mm_per_min) * minutes / 60_000
        };
        if far((before, was)) && self.aside.is_none_or(far) {
            self.aside = Some((at, mm));
            return Some(format!(
                "water moved {:.2} m in {} s",
                (mm - was) as f64 / 1000.0,
                at.duration_since(before).as_secs()
            ));
        }
        self.aside = None;
        if mm != was {
            self.same_since = Some(at);
        }
        self.last = Some((at, mm));
        None
    }

    /// As [`super::series::Series::forget_after`].
    pub(super) fn forget_after(&mut self, limit: Timestamp) {
        if self.last.is_some_and(|(at, _)| at > limit) {
            (self.last, self.aside, self.same_since) = (None, None, None);
        }
    }

    /// Takes over the incident that was open before a restart.
    pub(super) fn resume(&mut self, mark: LevelBand, began_at: Timestamp) {
        (self.mark, self.began_at) = (mark, Some(began_at));
    }

    /// Why it seems stuck, if it does; `rain_um`: the most rain at one gauge of the grid in a window.
    pub(super) fn stuck(
        &self,
        now_at: Timestamp,
        rain_um: impl Fn(SignedDuration) -> i64,
    ) -> Option<String> {
        let (last, _) = self.last?;
        let same = last.duration_since(self.same_since?);
        let stuck = same >= STUCK_AFTER
            && now_at.duration_since(last) < STUCK_AFTER
            && rain_um(STUCK_AFTER) >= STUCK_RAIN_UM;
        stuck
            .then(|| format!("the same level for {} h while it rains hard: stuck", same.as_hours()))
    }
}
