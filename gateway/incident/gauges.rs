//! Which reports of gauges were taken already: one that is sent again is acknowledged again and written once.

use std::{
    collections::{HashMap, VecDeque},
    hash::{DefaultHasher, Hash, Hasher},
};

use crate::domain::{GaugeReport, SourceId};

/// A station repeats what was not acknowledged: the last hours of it, at most.
const REPORTS_MAX_A_GAUGE: usize = 128;
const GAUGES_MAX: usize = 4_096;

/// Fingerprints of the latest reports of each gauge.
#[derive(Default)]
pub(super) struct Gauges {
    seen: HashMap<SourceId, VecDeque<u64>>,
}

impl Gauges {
    /// True if the report is new; it is remembered.
    pub(super) fn is_new(&mut self, source: &SourceId, report: &GaugeReport) -> bool {
        if !self.seen.contains_key(source) && self.seen.len() >= GAUGES_MAX {
            // A repeat has no second effect anyway (the series drops it); only the journal grows.
            return true;
        }
        let print = fingerprint(report);
        let seen = self.seen.entry(source.clone()).or_default();
        if seen.contains(&print) {
            return false;
        }
        if seen.len() >= REPORTS_MAX_A_GAUGE {
            seen.pop_front();
        }
        seen.push_back(print);
        true
    }
}

/// Of id and content. A report without an id and without a time of its own is new whenever it comes.
fn fingerprint(report: &GaugeReport) -> u64 {
    let mut hasher = DefaultHasher::new();
    report.id.hash(&mut hasher);
    (report.battery, report.status, report.test, &report.unknown).hash(&mut hasher);
    for reading in &report.readings {
        reading.measure.hash(&mut hasher);
        // With a wrong clock each copy is dated anew; by its id it is the same report.
        if report.id.is_none() || !report.redated {
            reading.at.hash(&mut hasher);
        }
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Measure, Reading};

    fn report(id: Option<&str>, second: i64, tips: u64) -> GaugeReport {
        let at = jiff::Timestamp::from_second(second).unwrap();
        GaugeReport {
            id: id.map(Into::into),
            via: "t".into(),
            readings: vec![Reading { at, measure: Measure::Tips(tips) }],
            ..GaugeReport::default()
        }
    }

    #[test]
    fn the_same_report_is_new_once_and_memory_is_bounded() {
        let mut gauges = Gauges::default();
        let mut is_new = |source: &str, report| gauges.is_new(&source.into(), &report);
        let doubted = |second| GaugeReport { redated: true, ..report(Some("0"), second, 5) };
        assert!(is_new("a", doubted(0)));
        assert!(!is_new("a", doubted(9)), "dated anew on arrival");
        assert!(is_new("a", report(Some("1"), 0, 5)));
        assert!(!is_new("a", report(Some("1"), 0, 5)));
        assert!(is_new("a", report(Some("1"), 300, 5)), "a serial number that stands still");
        assert!(is_new("a", report(Some("1"), 0, 6)), "a serial number that wrapped");
        assert!(is_new("b", report(Some("1"), 0, 5)));
        assert!(is_new("c", report(None, 0, 5)));
        assert!(is_new("c", report(None, 300, 5)));
        assert!(!is_new("c", report(None, 0, 5)));
        for n in 0..10_000u32 {
            is_new("a", report(Some(&n.to_string()), 0, 5));
            is_new(&n.to_string(), report(None, 0, 5));
        }
        assert_eq!(gauges.seen.len(), GAUGES_MAX);
        assert!(gauges.seen.values().all(|seen| seen.len() <= REPORTS_MAX_A_GAUGE));
    }
}
