//! Under which names a camera's figures are.

/// Name of the figures of a stream that is only looked at (`detect_url`); no camera has such an id.
pub fn looks_label(id: &str) -> String {
    format!("{id}/detect")
}
