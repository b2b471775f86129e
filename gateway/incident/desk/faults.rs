//! Faults of parts and losses at sinks become findings.

use super::{Desk, Effects};
use crate::domain::{Fault, Finding, Kind, Loss, Now, Phase, Severity, SourceId, Stamp};

impl Desk {
    /// A part of the gateway or the site is broken, or works again.
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
            // A full disk must not be among the notices that are shed to free space.
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

    /// A sink lost records. Severity 2, so that the report of a loss is not among what is shed next.
    pub(super) fn loss(
        &mut self,
        now: Now,
        source: &SourceId,
        stamp: Stamp,
        loss: &Loss,
        effects: &mut Effects,
    ) {
        let detail = [("dead_lettered", loss.dead), ("shed", loss.shed), ("expired", loss.expired)];
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
