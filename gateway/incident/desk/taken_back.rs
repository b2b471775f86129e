//! Calls that a device takes back and makes again, over and over: a loose contact, or a button in bad hands.
//!
//! A call that is taken back is a case that people close, and the next call is another one. But after
//! [`TAKEN_BACK_MAX`] within [`AGAIN_MS`] of each other the next call goes on with the last of them, which
//! is active again and told at once; its ends are then news like any other. So no call is silent, and a
//! contact that flaps for days is no case for each time.

use std::collections::BTreeMap;

use super::{super::live::Live, Desk};
use crate::domain::{IncidentId, Now, SourceId, Stage};

/// Calls of one device in a row that are each their own.
const TAKEN_BACK_MAX: u32 = 20;
/// So long after the last that was taken back they are counted anew, milliseconds.
const AGAIN_MS: i64 = 60 * 60_000;
/// Devices that are remembered; forgetting one only means some cases more.
const DEVICES_MAX: usize = 1_024;

/// Of each device: how many were taken back in a row, when the last one was, and which it is.
#[derive(Default)]
pub(super) struct TakenBack(BTreeMap<SourceId, (u32, i64, IncidentId)>);

impl TakenBack {
    /// One more. Whether they are too many to be each their own.
    pub(super) fn note(&mut self, now: Now, source: &SourceId, id: IncidentId) -> bool {
        let is_fresh = |at: i64| now.mono() - at < AGAIN_MS;
        if self.0.len() >= DEVICES_MAX && !self.0.contains_key(source) {
            self.0.retain(|_, (_, at, _)| is_fresh(*at));
            let oldest = self.0.iter().min_by_key(|(_, (_, at, _))| *at);
            if let Some(oldest) = oldest.map(|(source, _)| source.clone())
                && self.0.len() >= DEVICES_MAX
            {
                self.0.remove(&oldest);
            }
        }
        let before = self.0.get(source).filter(|(_, at, _)| is_fresh(*at));
        let count = before.map_or(0, |(count, _, _)| *count).saturating_add(1);
        self.0.insert(source.clone(), (count, now.mono(), id));
        count > TAKEN_BACK_MAX
    }

    /// The last one, if the next call goes on with it.
    fn last_of_many(&self, now: Now, source: &SourceId) -> Option<IncidentId> {
        let &(count, at, id) = self.0.get(source)?;
        (count >= TAKEN_BACK_MAX && now.mono() - at < AGAIN_MS).then_some(id)
    }
}

impl Desk {
    /// The incident of a call that was taken back, active again for the next one of a device that has
    /// taken back very many; none where its case is handled or closed.
    pub(super) fn call_again(
        &mut self,
        now: Now,
        source: &SourceId,
        key: &str,
    ) -> Option<IncidentId> {
        let id = self.taken_back.last_of_many(now, source)?;
        // Who has done his part is not asked again by an update: such a call opens another case.
        let is_worked_on =
            |stage| matches!(stage, Stage::Opened | Stage::Accepted | Stage::Dispatched);
        let may_go_on = |live: &&mut Live| {
            let incident = &live.incident;
            !incident.active && is_worked_on(incident.stage) && incident.key == key
        };
        let live = self.live.get_mut(&id).filter(may_go_on)?;
        live.resume();
        live.incident.detail.remove("cancelled_by");
        live.open_keys.insert(key.to_owned());
        self.by_key.insert(key.to_owned(), id);
        Some(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::IdMint;

    #[test]
    fn devices_that_are_remembered_have_a_bound_and_an_hour_of_quiet_counts_anew() {
        let (mut all, mut mint) = (TakenBack::default(), IdMint::new([0; 32]));
        let at = |ms| Now { wall: jiff::Timestamp::UNIX_EPOCH, mono_ms: ms };
        for n in 0..3 * DEVICES_MAX {
            let id = mint.incident(at(n as u64));
            all.note(at(n as u64), &format!("{n}").as_str().into(), id);
            assert!(all.0.len() <= DEVICES_MAX);
        }
        let (source, id) = (SourceId::from("a"), mint.incident(at(0)));
        for n in 1..=TAKEN_BACK_MAX {
            let expected = (n == TAKEN_BACK_MAX).then_some(id);
            assert!(!all.note(at(10_000), &source, id), "{n}");
            assert_eq!(all.last_of_many(at(10_000), &source), expected, "{n}");
        }
        let over = 10_000 + u64::try_from(AGAIN_MS).unwrap();
        assert_eq!(all.last_of_many(at(over - 1), &source), Some(id));
        assert_eq!(all.last_of_many(at(over), &source), None);
        assert!(!all.note(at(over), &source, id), "the first of another hour");
        assert_eq!(all.last_of_many(at(over), &source), None);
    }
}
