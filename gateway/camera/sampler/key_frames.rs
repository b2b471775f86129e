//! Streams that give no key frames to sleep on: decoding begins where it can, and that is said.
//!
//! **V11** A stream without key frames (intra refresh), with none for minutes, or joined in the middle
//! of a long group is looked at all the same: everything is decoded, from a recovery point or simply
//! from where the stream is, after 4 s without a key frame (`Gate::sleepless`). Its first pictures
//! are not whole and build up. The detector sees them, since whoever moves is coded anew and shows
//! first. What is usual is learnt only from whole ones: no fault of the view is made of them, and
//! the background begins anew when they are whole. Why it cannot sleep is a note in `/readyz`, a
//! figure, a line of the log and of `gridpost cameras`.

use jiff::{SignedDuration, Timestamp};

use super::Sampler;
use crate::{
    camera::gate::{GOP_MAX, WakeCause},
    domain::{Luma, Metric, label_pair},
    media::Packet,
    vision::{Scene, is_blank},
};

/// Pictures are taken as whole this long after decoding began without a key frame. Encoders that send
/// none code each part anew every 1 to 5 s.
const BUILDS_UP: SignedDuration = SignedDuration::from_secs(10);

/// What is known of one stream's key frames.
#[derive(Default)]
pub(super) struct KeyFrames {
    /// Why it cannot sleep, as it was said, and when.
    said: Option<WakeCause>,
    said_at: Option<Timestamp>,
    /// For the page of readiness, until it is taken; inside, `None`: all is well again.
    news: Option<Option<&'static str>>,
    /// What is decoded did not begin with a key frame, and none has come since.
    partial: bool,
    /// Pictures before this are not whole.
    whole_from: Option<Timestamp>,
}

impl Sampler {
    /// Whether there are key frames to sleep on, after this packet; says so when it changes.
    pub(super) fn check_key_frames(&mut self, packet: &Packet) {
        let at = packet.at;
        match packet.key {
            true => {
                self.gate.key(at);
                if let Some(gop) = self.gate.gop() {
                    self.meter.set(Metric::CameraGop, self.id.as_str(), gop.as_secs_f64());
                }
            }
            false => self.gate.waits(at, packet.refresh.is_some()),
        }
        // One that is to decode everything loses nothing by a long group.
        let full = self.made_for.0.full;
        let why = self.gate.sleepless(at).filter(|why| !full || *why == WakeCause::NoKeyFrame);
        let known = &mut self.key_frames;
        let replayed = known.said_at.is_some_and(|said| at < said && at > said - GOP_MAX * 2);
        if why == known.said || replayed {
            return;
        }
        let before = std::mem::replace(&mut known.said, why);
        (known.said_at, known.news) = (Some(at), Some(why.map(|why| self.gate.advice(why))));
        for (cause, value) in [(before, 0.0), (why, 1.0)] {
            let Some(cause) = cause else { continue };
            let label = label_pair(self.id.as_str(), cause.as_str());
            self.meter.set(Metric::CameraSleepless, &label, value);
        }
        match why {
            Some(why) => {
                let advice = self.gate.advice(why);
                tracing::warn!(camera = %self.id, "camera: key frames: {advice}");
            }
            None => tracing::info!(camera = %self.id, "camera: key frames come as they should"),
        }
    }

    /// What is to be known of its key frames, once after each change; inside, `None`: nothing.
    pub(in crate::camera) fn take_key_frames(&mut self) -> Option<Option<&'static str>> {
        self.key_frames.news.take()
    }

    /// Whether a decoder can begin with this packet.
    pub(super) fn begins_with(&self, packet: &Packet) -> bool {
        packet.key || self.gate.sleepless(packet.at).is_some()
    }

    /// A decoder is about to get this packet; `first`: its first one. Without a key frame its pictures
    /// come out though they are not whole; with the next one they are.
    pub(super) fn expect_whole(&mut self, packet: &Packet, first: bool) {
        let none = self.gate.sleepless(packet.at) == Some(WakeCause::NoKeyFrame);
        let partial = first && (none || !packet.key);
        let ends = !first && packet.key && !none && self.key_frames.partial;
        let Some(decoder) = self.decoder.as_mut().filter(|_| first || ends) else { return };
        decoder.show_partial(partial);
        self.key_frames.partial = partial;
        self.key_frames.whole_from = match (partial, ends) {
            (true, _) => Some(packet.at + BUILDS_UP),
            (_, true) => Some(packet.at),
            _ => None,
        };
        if partial {
            self.note(packet.at, || "decodes without a key frame: pictures build up".into());
        }
    }

    /// Whether this picture is whole. With the first one that is, background and view begin anew. While
    /// no key frame has come, a blank one is not: where nothing moves, nothing may come before it.
    pub(super) fn is_whole(&mut self, luma: &Luma) -> bool {
        if let Some(from) = self.key_frames.whole_from {
            if luma.at < from && luma.at > from - BUILDS_UP * 2 {
                return false;
            }
            (self.scene, self.key_frames.whole_from) = (Scene::default(), None);
            self.view_check.forget_usual();
        }
        !(self.key_frames.partial && is_blank(luma))
    }
}
