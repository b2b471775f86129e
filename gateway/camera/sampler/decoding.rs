//! What a camera is decoded by, and the change to the processor when a device fails: that costs time, and no picture.

use super::Sampler;
use crate::{domain::Metric, media::Decoding};

impl Sampler {
    /// Changes to the processor where the device gives no pictures any more (true). What the device
    /// was given is still in the ring and is decoded again, from the key frame before the latest
    /// picture that vision knows.
    pub(super) fn decode_anew(&mut self) -> bool {
        let Some(decoder) = &mut self.decoder else { return false };
        if !self.pool.has_died(decoder, &mut self.hardware) {
            return false;
        }
        self.decoder = None;
        self.frames.clear();
        if let Some(from) = self.gate.reported_at().or(self.last_at) {
            let key = self.ring.lock().ok().and_then(|ring| ring.key_by(from));
            key.and_then(|key| self.go_back(key));
        }
        self.gate.want_again();
        true
    }

    /// What it is decoded by, once after each change; the metric says the same.
    pub(in crate::camera) fn take_decoding(&mut self) -> Option<Decoding> {
        let news = self.hardware.take_news()?;
        self.meter.only(Metric::CameraDecoding, self.id.as_str(), &news.by);
        let (camera, by) = (&self.id, &news.by);
        match &news.unmet {
            Some(_) => tracing::warn!(%camera, by, "camera: decoded by the processor"),
            None => tracing::info!(%camera, by, "camera: decoded"),
        }
        Some(news)
    }
}
