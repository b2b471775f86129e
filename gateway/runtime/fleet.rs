//! How the cameras are now, by their figures.

use crate::{
    base::Registry,
    console::{CameraView, SpeakerView},
    domain::Metric,
};

/// Those that have been started, by id; a drone's feed has the same figures and is not one.
pub(super) fn camera_views(registry: &Registry, ids: &[String]) -> Vec<CameraView> {
    let clocks = registry.labels(Metric::CameraClock);
    let view = |id: &String| {
        let get = |metric| registry.get(metric, id);
        let cpu =
            [Metric::CameraLookSeconds, Metric::CameraAwakeSeconds, Metric::CameraDetectSeconds];
        CameraView {
            id: id.clone(),
            up: get(Metric::CameraUp) > 0.0,
            looks: match get(Metric::CameraLevel) {
                level if level >= 2.0 => "awake",
                level if level >= 1.0 => "asleep",
                _ => "packets",
            },
            frames: get(Metric::CameraFrames) as u64,
            skipped: get(Metric::CameraSkipped) as u64,
            lag_s: tenths(get(Metric::CameraLag)),
            clock_off_s: clocks.contains(id).then(|| tenths(get(Metric::CameraClock))),
            cpu_s: tenths(cpu.into_iter().map(get).sum()),
        }
    };
    let mut all: Vec<CameraView> = ids.iter().map(view).collect();
    all.sort_by(|a, b| a.id.cmp(&b.id));
    all
}

/// As their lanes have them.
pub(super) fn speaker_views(registry: &Registry, ids: &[String]) -> Vec<SpeakerView> {
    let view = |id: &String| {
        let get = |metric| registry.get(metric, id);
        SpeakerView {
            id: id.clone(),
            up: get(Metric::SinkUp) > 0.0,
            said: get(Metric::Delivered) as u64,
            expired: get(Metric::Expired) as u64,
            pending: get(Metric::Pending) as u64,
        }
    };
    let mut all: Vec<SpeakerView> = ids.iter().map(view).collect();
    all.sort_by(|a, b| a.id.cmp(&b.id));
    all
}

fn tenths(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Meter;

    #[test]
    fn a_speaker_has_said_what_was_its_business() {
        let registry = Registry::new();
        registry.set(Metric::SinkUp, "yard", 1.0);
        registry.add(Metric::Delivered, "yard", 5);
        registry.add(Metric::SinkPassed, "yard", 3);
        registry.add(Metric::Expired, "hall", 2);
        let views = speaker_views(&registry, &["yard".into(), "hall".into()]);
        let shown: Vec<_> =
            views.iter().map(|one| (one.id.as_str(), one.up, one.said, one.expired)).collect();
        assert_eq!(shown, [("hall", false, 0, 2), ("yard", true, 5, 0)]);
    }

    #[test]
    fn one_that_was_never_reached_is_in_the_list_and_is_not_up() {
        let registry = Registry::new();
        registry.set(Metric::CameraUp, "b", 1.0);
        registry.set(Metric::CameraLevel, "b", 2.0);
        registry.set(Metric::CameraClock, "b", -1.26);
        registry.add(Metric::CameraFrames, "b", 7);
        let views = camera_views(&registry, &["b".into(), "a".into()]);
        let shown: Vec<_> = views
            .iter()
            .map(|one| (one.id.as_str(), one.up, one.looks, one.clock_off_s, one.frames))
            .collect();
        assert_eq!(shown, [("a", false, "packets", None, 0), ("b", true, "awake", Some(-1.3), 7)]);
    }
}
