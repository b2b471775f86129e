//! Presses at the desk: judged against those seen before, written down, and made an emergency.

use super::{
    super::presses::{self, PressVerdict, RememberedPress},
    Desk, Effects,
};
use crate::domain::{
    ClockError, Finding, IncidentId, Kind, Now, Phase, Press, Severity, SourceId, Stamp,
    ThingReport,
};

impl Desk {
    /// A press, or the repeat of one.
    pub(super) fn press(
        &mut self,
        now: Now,
        source: &SourceId,
        stamp: Stamp,
        press: &Press,
        effects: &mut Effects,
    ) {
        let verdict = self.presses.judge(now, source, press);
        if verdict == PressVerdict::Same {
            return;
        }
        let key = format!("press/{source}");
        let stale = verdict == PressVerdict::Stale;
        let open = self.by_key.get(&key).copied();
        if stale {
            effects.entries.push(presses::entry(
                source,
                stamp,
                press,
                RememberedPress::Stale,
                None,
            ));
            return;
        }
        self.fleet.battery(now, source, press.battery);
        if open.is_none() && self.is_test(now, source) {
            return self.test_press(now, source, stamp, press, effects);
        }
        self.fleet.pressed(now, source, &press.via, press.retained, false);
        let finding = self.press_finding(key.clone(), open, source, stamp, press);
        self.finding(now, finding, effects);
        let id = self.by_key.get(&key).copied();
        // A second press is reported at once, without the ten seconds between updates.
        let again = open.and(id).and_then(|id| self.live.get_mut(&id));
        if let Some(live) = again.filter(|live| live.dirty) {
            effects.entries.push(live.updated(now));
        }
        effects.entries.insert(0, presses::entry(source, stamp, press, RememberedPress::Call, id));
        if let (None, Some(id)) = (open, id) {
            self.picture_press(now, source, id);
        }
        self.judge_device(now, source, effects);
    }

    /// The emergency that a press makes. `open`: the incident of earlier presses, for their number.
    fn press_finding(
        &self,
        key: String,
        open: Option<IncidentId>,
        source: &SourceId,
        stamp: Stamp,
        press: &Press,
    ) -> Finding {
        let mut detail = self.for_the_officer(source);
        if let Some(battery) = press.battery {
            detail.insert("battery".into(), battery.into());
        }
        detail.insert("via".into(), press.via.clone().into());
        let count = open
            .and_then(|id| self.live.get(&id))
            .and_then(|live| live.incident.detail.get("presses")?.as_u64())
            .unwrap_or(0)
            + 1;
        detail.insert("presses".into(), count.into());
        Finding {
            key,
            phase: Phase::Begins,
            rule: None,
            source: source.clone(),
            kind: Kind::EmergencyButton,
            severity: Severity::EMERGENCY,
            title: None,
            began_at: stamp.at,
            at: stamp.at,
            clock: ClockError::of(stamp),
            objects: Vec::new(),
            why: format!("{source} was pressed ({count} so far)"),
            detail,
            things: ThingReport::default(),
            shot: None,
            notable: true,
        }
    }
}
