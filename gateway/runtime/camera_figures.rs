//! Figures of cameras that are gone: a camera that was removed is not down.

use crate::{
    base::Registry,
    camera::looks_label,
    domain::{Metric, SourceId},
};

/// Figures that are removed with a camera.
const GAUGES: &[Metric] = &[
    Metric::CameraUp,
    Metric::CameraClock,
    Metric::CameraLevel,
    Metric::CameraGop,
    Metric::CameraLag,
    Metric::CameraQueue,
    Metric::CameraRing,
    Metric::RingBytes,
];

/// Likewise, with another label beside the camera's.
const GAUGES_OF_PAIRS: &[Metric] = &[
    Metric::CameraDecoding,
    Metric::CameraSleepless,
    Metric::CameraStreams,
    Metric::CameraSignPrecision,
    Metric::CameraSignRecall,
    Metric::CameraSignBelieved,
];

/// Removes all figures of a camera that is no longer configured.
pub(super) fn forget_camera(registry: &Registry, id: &SourceId) {
    for metric in GAUGES_OF_PAIRS {
        registry.forget_pairs(*metric, id.as_str());
    }
    registry.forget(GAUGES, id.as_str());
}

/// Removes the figures of the `detect_url` of a camera that has none any more.
pub(super) fn forget_looks(registry: &Registry, id: &SourceId) {
    registry.forget(GAUGES, &looks_label(id.as_str()));
    registry.forget_pairs(Metric::CameraStreams, id.as_str());
}
