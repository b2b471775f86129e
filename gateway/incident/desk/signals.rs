//! What devices and parts say: presses, their batteries, faults and losses become findings.

use super::{
    super::presses::{self, RememberedPress, Verdict},
    Desk, Effects,
};
use crate::domain::{
    ClockError, Fault, Finding, Kind, Loss, Now, Phase, Press, Severity, SourceId, Stamp, What,
};

impl Desk {
    pub(super) fn press(
        &mut self,
        now: Now,
        source: &SourceId,
        stamp: Stamp,
        press: &Press,
        effects: &mut Effects,
    ) {
        let verdict = self.presses.judge(now, source, press);
        if verdict == Verdict::Same {
            return;
        }
        let key = format!("press/{source}");
        let stale = verdict == Verdict::Stale;
        let known = self.by_key.get(&key).copied();
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
        if known.is_none() && self.is_try(now, source) {
            return self.test_press(now, source, stamp, press, effects);
        }
        self.fleet.pressed(now, source, &press.via, press.retained, false);
        let mut detail = self.for_the_visitor(source);
        if let Some(battery) = press.battery {
            detail.insert("battery".into(), battery.into());
        }
        detail.insert("via".into(), press.via.clone().into());
        let count = known
            .and_then(|id| self.live.get(&id))
            .and_then(|live| live.incident.detail.get("presses")?.as_u64())
            .unwrap_or(0)
            + 1;
        detail.insert("presses".into(), count.into());
        let finding = Finding {
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
            shot: None,
            notable: true,
        };
        self.finding(now, finding, effects);
        let id = self.by_key.get(&format!("press/{source}")).copied();
        // Another press is never held back by the ten seconds between updates.
        let again = known.and(id).and_then(|id| self.live.get_mut(&id));
        if let Some(live) = again.filter(|live| live.dirty) {
            effects.entries.push(live.record(now, What::Updated));
        }
        effects.entries.insert(0, presses::entry(source, stamp, press, RememberedPress::Call, id));
        if let (None, Some(id)) = (known, id) {
            self.picture_press(now, source, id);
        }
        self.judge_device(now, source, effects);
    }

    pub(super) fn fault(
        &mut self,
        now: Now,
        source: &SourceId,
        stamp: Stamp,
        fault: &Fault,
        effects: &mut Effects,
    ) {
        let severity = match fault.kind {
            Kind::DeviceBattery => Severity::MINOR,
            // It must not be among the notices that are given up to make room.
            Kind::DiskLow => Severity::ALERT,
            _ => Severity::NOTICE,
        };
        let finding = Finding {
            phase: if fault.broken { Phase::Begins } else { Phase::Ends },
            severity,
            ..Finding::of_a_part(source, stamp, fault.kind, &fault.text)
        };
        self.finding(now, finding, effects);
    }

    /// Severity 2, so that the word of a loss is not among what is given up next.
    pub(super) fn loss(
        &mut self,
        now: Now,
        source: &SourceId,
        stamp: Stamp,
        loss: &Loss,
        effects: &mut Effects,
    ) {
        let detail = [("dead_lettered", loss.dead), ("shed", loss.shed)];
        let finding = Finding {
            phase: if loss.over { Phase::Ends } else { Phase::Begins },
            severity: Severity::ALERT,
            detail: detail.into_iter().map(|(name, n)| (name.into(), n.into())).collect(),
            notable: true,
            ..Finding::of_a_part(source, stamp, Kind::Loss, &loss.text)
        };
        self.finding(now, finding, effects);
    }
}
