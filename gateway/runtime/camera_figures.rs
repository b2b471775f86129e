//! Figures of cameras that are gone: a camera that was removed is not down.

use crate::{
    base::Registry,
    camera::looks_label,
    domain::{Metric, SourceId},
};

/// Figures that a camera that left has no more.
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
    Metric::CameraSignPrecision,
    Metric::CameraSignRecall,
    Metric::CameraSignBelieved,
];

/// The camera is no longer configured.
pub(super) fn forget_camera(registry: &Registry, id: &SourceId) {
    for metric in GAUGES_OF_PAIRS {
        registry.forget_pairs(*metric, id.as_str());
    }
    registry.forget(GAUGES, id.as_str());
}

/// The camera has no stream any more that is only looked at.
pub(super) fn forget_looks(registry: &Registry, id: &SourceId) {
    registry.forget(GAUGES, &looks_label(id.as_str()));
}
