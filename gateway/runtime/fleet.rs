//! How the cameras are now, by their figures.

use crate::{base::Registry, console::CameraView, domain::Metric};

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

fn tenths(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Meter;

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
