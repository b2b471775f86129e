//! Reports of gauges: each is written before it is acknowledged; the rules decide what they mean.

use super::{Desk, Effects};
use crate::domain::{Entry, GaugeReport, SeenReport, SourceId, Stamp};

impl Desk {
    /// A report of a gauge; one that was taken before is not written again.
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

    /// Reports of an earlier process count as taken.
    pub fn restore_reports(&mut self, reports: &[SeenReport]) {
        for SeenReport { source, report, .. } in reports {
            self.gauges.is_new(source, report);
        }
    }
}
