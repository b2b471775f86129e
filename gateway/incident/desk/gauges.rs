//! Reports of gauges: each is written before it is acknowledged; what they mean is the rules' affair.

use super::{Desk, Effects};
use crate::domain::{Entry, GaugeReport, SeenReport, SourceId, Stamp};

impl Desk {
    pub(super) fn gauge(
        &mut self,
        source: &SourceId,
        stamp: Stamp,
        report: &GaugeReport,
        effects: &mut Effects,
    ) {
        if self.gauges.is_new(source, report) {
            let (source, report) = (source.clone(), report.clone());
            effects.entries.push(Entry::Gauge { source, stamp, report });
        }
    }

    /// What was taken before a restart is taken no second time.
    pub fn restore_reports(&mut self, reports: &[SeenReport]) {
        for SeenReport { source, report, .. } in reports {
            self.gauges.is_new(source, report);
        }
    }
}
