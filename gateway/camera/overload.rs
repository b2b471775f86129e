//! Looks that were skipped, camera by camera: a few are nothing, many for long are an incident.

use std::collections::BTreeMap;

use super::label::looks_label;
use crate::{
    base::Registry,
    domain::{Fault, Kind, Metric, SourceId},
};

/// More than this share skipped is too much.
const SHARE_MAX: f64 = 0.1;
/// After so many bad checks in a row a camera is reported; after so many without a skipped look it is
/// over. A check is every 10 s.
const TIMES: u8 = 3;

#[derive(Default)]
struct CameraLoad {
    skipped: f64,
    seen: f64,
    bad: u8,
    good: u8,
    reported: bool,
}

/// Finds cameras of which too many looks are skipped for too long.
#[derive(Default)]
pub(super) struct OverloadMonitor(BTreeMap<String, CameraLoad>);

impl OverloadMonitor {
    /// Compares the figures with those of the check before. Returns a fault for each camera that began
    /// to suffer or is well again.
    pub(super) fn check(&mut self, registry: &Registry) -> Vec<(SourceId, Fault)> {
        let mut faults = Vec::new();
        for camera in registry.labels(Metric::CameraSkipped) {
            let one = self.0.entry(camera.clone()).or_default();
            let skipped = registry.get(Metric::CameraSkipped, &camera);
            let seen = registry.get(Metric::CameraDetected, &camera)
                + registry.get(Metric::CameraLooks, &camera);
            let (lost, got) = (skipped - one.skipped, seen - one.seen);
            (one.skipped, one.seen) = (skipped, seen);
            let bad = lost > SHARE_MAX * (lost + got);
            one.bad = if bad { one.bad.saturating_add(1) } else { 0 };
            one.good = if lost == 0.0 { one.good.saturating_add(1) } else { 0 };
            let broken = match one.reported {
                false if one.bad >= TIMES => true,
                true if one.good >= TIMES => false,
                _ => continue,
            };
            one.reported = broken;
            // A stream that is dead skips nothing; its silence is a fault of its own.
            let looks = looks_label(&camera);
            let dead = registry.labels(Metric::CameraUp).contains(&looks)
                && registry.get(Metric::CameraUp, &looks) == 0.0;
            if !broken && dead {
                continue;
            }
            let text = match broken {
                true => format!(
                    "the box is overloaded: {lost:.0} of {:.0} looks at this camera were skipped in the last 10 s",
                    lost + got
                ),
                false => "no look is skipped any more".to_owned(),
            };
            let fault = Fault { kind: Kind::DetectorDegraded, broken, text };
            faults.push((camera.as_str().into(), fault));
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Meter;

    #[test]
    fn v5_sustained_skipping_is_told_once_and_over_once() {
        let registry = Registry::new();
        let mut overload = OverloadMonitor::default();
        let mut step = |skipped: u64| {
            registry.add(Metric::CameraSkipped, "a", skipped);
            registry.add(Metric::CameraDetected, "a", 50);
            let faults = overload.check(&registry);
            faults.into_iter().map(|(_, fault)| fault.broken).collect::<Vec<bool>>()
        };
        let skipped = [1, 2, 20, 20, 20, 20, 1, 0, 0, 20, 0, 0, 0, 0];
        let reported: Vec<(usize, bool)> = skipped
            .into_iter()
            .enumerate()
            .flat_map(|(n, skipped)| step(skipped).into_iter().map(move |broken| (n, broken)))
            .collect();
        assert_eq!(reported, [(4, true), (12, false)]);
    }

    #[test]
    fn one_whose_stream_died_is_not_well_because_nothing_is_skipped() {
        for (up, over) in [(0.0, 0), (1.0, 1)] {
            let registry = Registry::new();
            let mut overload = OverloadMonitor::default();
            let mut step = |skipped: u64| {
                registry.add(Metric::CameraSkipped, "a", skipped);
                registry.add(Metric::CameraDetected, "a", 10);
                overload.check(&registry).into_iter().map(|(_, fault)| fault.broken).collect()
            };
            let reported: Vec<Vec<bool>> = (0..3).map(|_| step(20)).collect();
            assert_eq!(reported.concat(), [true]);
            registry.set(Metric::CameraUp, &looks_label("a"), up);
            let reported: Vec<Vec<bool>> = (0..6).map(|_| step(0)).collect();
            assert_eq!(reported.concat().len(), over, "up: {up}");
        }
    }
}
