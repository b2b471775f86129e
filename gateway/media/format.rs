//! The format of a run of packets, and the moment when a stream becomes another one.

use std::{collections::BTreeSet, sync::Arc};

use ffmpeg_next as ffmpeg;
use gridpost_pixels::Turn;

use super::{
    access::Syntax,
    ffi::{HeaderFinder, Shared, new_header},
};

/// Codec, size, parameter sets and time base of a run of packets. Packets that point to the
/// same one can be in one clip; others cannot.
pub(super) struct Format {
    /// Codec, size and parameter sets.
    pub(super) parameters: Shared,
    /// Of the packets' time stamps.
    pub(super) time_base: ffmpeg::Rational,
    /// How its pictures are to be shown: a phone that was held upright records lying ones.
    pub(super) turn: Turn,
}

impl Format {
    /// How its packets are read.
    pub(super) fn syntax(&self) -> Syntax {
        Syntax::of(self.is_hevc(), self.parameters.header())
    }

    /// H.265; else H.264: nothing else is taken.
    pub(super) fn is_hevc(&self) -> bool {
        self.parameters.get().id() == ffmpeg::codec::Id::HEVC
    }

    /// Width and height of its pictures as they are shown, pixels; 0 where the stream does not say.
    pub(super) fn size(&self) -> (i32, i32) {
        self.turn.size(self.parameters.size())
    }

    /// Whether a decoder for one decodes the other: codec, size and parameter sets.
    pub(super) fn is_same_as(&self, other: &Self) -> bool {
        if self.turn != other.turn {
            return false;
        }
        let (one, two) = (&self.parameters, &other.parameters);
        one.get().id() == two.get().id() && one.size() == two.size() && one.header() == two.header()
    }
}

/// Milliseconds of a time stamp in ticks of `base`; 0 where they do not fit.
pub(super) fn ticks_ms(ticks: i64, base: ffmpeg::Rational) -> i64 {
    let ticks = i128::from(ticks) * i128::from(base.numerator()) * 1000;
    i64::try_from(ticks / i128::from(base.denominator().max(1))).unwrap_or(0)
}

/// Ticks of `base` in so many milliseconds; 0 where they do not fit.
pub(super) fn ms_ticks(ms: i64, base: ffmpeg::Rational) -> i64 {
    let ticks = i128::from(ms) * i128::from(base.denominator());
    i64::try_from(ticks / (i128::from(base.numerator().max(1)) * 1000)).unwrap_or(0)
}

/// Whether `found` has only parameter sets of `known`: servers send the same ones once or twice over,
/// in any order, all or some of them (GStreamer's `config-interval` adds its own to those of the file).
fn has_nothing_new(known: &[u8], found: &[u8]) -> bool {
    let known: BTreeSet<&[u8]> = units(known).collect();
    units(found).all(|unit| known.contains(unit))
}

/// The NAL units behind start codes (Annex B of H.264 and H.265); bytes without one are one unit.
fn units(header: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut starts: Vec<usize> =
        (0..header.len()).filter(|&at| header[at..].starts_with(&[0, 0, 1])).collect();
    if starts.is_empty() && !header.is_empty() {
        return vec![header].into_iter();
    }
    starts.push(header.len());
    let unit = |pair: &[usize]| {
        // Zeros before the next start code belong to it, or to nothing.
        let unit = &header[pair[0] + 3..pair[1]];
        let end = unit.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
        &unit[..end]
    };
    starts.windows(2).map(unit).filter(|unit| !unit.is_empty()).collect::<Vec<_>>().into_iter()
}

/// Watches the parameter sets of one session.
pub(super) struct FormatWatch {
    format: Arc<Format>,
    finder: Option<HeaderFinder>,
    /// Parameter sets of `format`, as the finder writes them.
    header: Option<Vec<u8>>,
}

impl FormatWatch {
    /// For a stream that begins with these.
    pub(super) fn new(
        parameters: ffmpeg::codec::Parameters,
        time_base: ffmpeg::Rational,
        turn: Turn,
    ) -> Self {
        let format = Arc::new(Format { parameters: Shared::new(parameters), time_base, turn });
        let mut finder = HeaderFinder::new(&format.parameters);
        let sdp = ffmpeg::Packet::copy(format.parameters.header());
        let header = finder.as_mut().and_then(|finder| finder.find(&sdp));
        Self { format, finder, header }
    }

    /// Of the packets now.
    pub(super) fn format(&self) -> Arc<Format> {
        self.format.clone()
    }

    /// Begins a new run with the same parameters: what follows cannot be in one clip with what came
    /// before (the camera's clock stepped).
    pub(super) fn split(&mut self) {
        let parameters = Shared::new(self.format.parameters.get().clone());
        self.format = Arc::new(Format { parameters, ..*self.format });
    }

    /// Checks the next packet for new parameter sets; returns what changed, if something did.
    pub(super) fn check(&mut self, packet: &ffmpeg::Packet) -> Option<String> {
        let found = match &mut self.finder {
            Some(finder) => finder.find(packet),
            None => new_header(packet).filter(|found| found != self.format.parameters.header()),
        }?;
        if self.header.as_ref().is_some_and(|known| has_nothing_new(known, &found)) {
            return None;
        }
        let parameters = self.format.parameters.with_header(&found, packet)?;
        let (before, after) = (self.format.parameters.size(), parameters.size());
        // Where container and SDP had none, the first parameter sets in the packets are no change.
        let first =
            self.header.replace(found).is_none() && self.format.parameters.header().is_empty();
        self.format = Arc::new(Format { parameters, ..*self.format });
        (!first).then(|| match before == after {
            true => format!("new codec parameters, {}x{} as before", after.0, after.1),
            false => format!("{}x{} became {}x{}", before.0, before.1, after.0, after.1),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_parameter_sets_in_another_order_or_number_are_no_change() {
        let known = [0, 0, 0, 1, 0x67, 9, 8, 0, 0, 0, 1, 0x68, 7];
        let twice = [&known[..], &[0, 0, 1, 0x68, 7, 0, 0, 1, 0x67, 9, 8]].concat();
        assert!(has_nothing_new(&known, &twice));
        assert!(has_nothing_new(&known, &[0, 0, 1, 0x68, 7, 0]));
        assert!(!has_nothing_new(&known, &[0, 0, 1, 0x68, 6]));
        assert!(!has_nothing_new(&known, &[0, 0, 1, 0x67, 9, 8, 0, 0, 1, 0x68, 6]));
        assert!(has_nothing_new(&[1, 2], &[1, 2]) && !has_nothing_new(&[1, 2], &[1, 3]));
    }
}
