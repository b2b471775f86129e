//! What nobody understands of a device, and calls that it says again in each report (`sos`).

use super::{Fleet, device::Device};
use crate::domain::{Now, SourceId};

/// What was not understood so long ago is over.
const UNCLEAR_MS: i64 = 24 * 3_600_000;
/// A call that is said again after so long never stopped.
const STUCK_MS: i64 = 3_600_000;
/// Whether a call that is said again is a new one is asked at most once in this time.
const ASK_EVERY_MS: i64 = 3_600_000;
/// A call that is said again within this time of the press is that press.
const SAME_CALL_MS: i64 = 600_000;
/// Samples that are kept of one device, and how long one may be, characters.
const SAMPLES_MAX: usize = 3;
const SAMPLE_CHARS_MAX: usize = 120;

impl Device {
    /// Words and values that nobody understood.
    pub(super) fn not_understood(&mut self, now: Now, unknown: &[String]) {
        if unknown.is_empty() {
            return;
        }
        self.state.unknown_words += unknown.len() as u64;
        self.state.unclear_at = Some(now.wall);
        unknown.iter().for_each(|one| self.sample(one));
    }

    fn sample(&mut self, text: &str) {
        let text = crate::domain::clean_cut(text, SAMPLE_CHARS_MAX);
        let samples = &mut self.state.samples;
        samples.retain(|sample| *sample != text);
        samples.push(text);
        let over = samples.len().saturating_sub(SAMPLES_MAX);
        samples.drain(..over);
    }

    /// Whether it calls, where that is a state of it.
    pub(super) fn calls(&mut self, now: Now, calling: bool) {
        if self.state.calling != Some(calling) {
            self.state.calling = Some(calling);
            self.state.calling_since = Some(now.wall);
        }
        self.calling_said_ms = calling.then(|| now.mono());
    }

    pub(super) fn is_unclear(&self, now: Now) -> bool {
        let at = self.state.unclear_at;
        at.is_some_and(|at| now.mono() - now.mono_of(at) <= UNCLEAR_MS)
    }

    /// None: it is not known.
    pub(super) fn is_stuck(&self, now: Now) -> Option<bool> {
        if !self.state.calling? {
            return Some(false);
        }
        let since = now.mono_of(self.state.calling_since?);
        (self.calling_said_ms? - since >= STUCK_MS).then_some(true)
    }

    pub(super) fn why_unclear(&self) -> String {
        let state = &self.state;
        let last = state.samples.last().map(String::as_str).unwrap_or_default();
        let times = state.unknown_words + state.unreadable;
        format!("{} says what nobody here understands ({times} so far), last: {last}", state.id)
    }
}

impl Fleet {
    /// An unreadable payload of a device; an unknown device is not added for it.
    pub(in crate::incident) fn unreadable(&mut self, now: Now, id: &SourceId, reason: &str) {
        if let Some(device) = self.devices.get_mut(id) {
            device.state.unreadable += 1;
            device.state.unclear_at = Some(now.wall);
            device.sample(&format!("unreadable: {reason}"));
        }
    }

    /// A device says that it calls: true if it did not before, or nobody knows.
    pub(in crate::incident) fn begins_to_call(&mut self, now: Now, id: &SourceId) -> bool {
        let device = self.device(now, id);
        let begins = device.state.calling != Some(true);
        device.calls(now, true);
        if !begins {
            device.heard(now);
        }
        begins
    }

    /// Whether it is known to call.
    pub(in crate::incident) fn is_calling(&self, id: &SourceId) -> bool {
        self.devices.get(id).is_some_and(|device| device.state.calling == Some(true))
    }

    /// A press that an earlier process wrote down after the table was written.
    pub(in crate::incident) fn restore_call(
        &mut self,
        now: Now,
        id: &SourceId,
        at: jiff::Timestamp,
    ) {
        let device = self.device(now, id);
        if device.state.calling_since.is_none_or(|since| since < at) {
            (device.state.calling, device.state.calling_since) = (Some(true), Some(at));
            device.state.pressed_at = device.state.pressed_at.max(Some(at));
        }
    }

    /// Whether its last press was so lately that a call that is said again is that press.
    pub(in crate::incident) fn pressed_lately(&self, now: Now, id: &SourceId) -> bool {
        let pressed = self.devices.get(id).and_then(|device| device.state.pressed_at);
        pressed.is_some_and(|at| now.mono() - now.mono_of(at) <= SAME_CALL_MS)
    }

    /// Whether somebody may be asked now if a call that is said again is a new one; then it is
    /// noted that he was. `is_open`: whether the case of an earlier question is open; whoever closed
    /// it has answered that one, and hears of the next at once.
    pub(in crate::incident) fn may_ask(&mut self, now: Now, id: &SourceId, is_open: bool) -> bool {
        let device = self.device(now, id);
        let asked = device.state.asked_at.map(|at| now.mono_of(at));
        let may = !is_open || asked.is_none_or(|at| now.mono() - at >= ASK_EVERY_MS);
        if may {
            device.state.asked_at = Some(now.wall);
        }
        may
    }

    /// The latest of what nobody understood of it.
    pub(in crate::incident) fn samples(&self, id: &SourceId) -> &[String] {
        self.devices.get(id).map_or(&[], |device| &device.state.samples)
    }
}
