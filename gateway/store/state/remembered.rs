//! Presses and replies a later copy is recognised by, each within its bound.

use jiff::Timestamp;

use super::{Key, Location, MARKS_WAITING_MAX, PressIdentity, SeenMark, State};
use crate::domain::{Press, SourceId};

impl State {
    /// Remembers a press, within the bound.
    pub(in crate::store) fn press(&mut self, seq: u64, location: Location) {
        self.presses.insert(seq, location);
        self.touched.insert(Key::Press(seq));
        while self.presses.len() > self.bounds.presses
            && let Some((oldest, _)) = self.presses.pop_first()
        {
            self.touched.insert(Key::Press(oldest));
        }
    }

    /// Remembers what a press is recognised by, until the index has it.
    pub(in crate::store) fn note_marks(
        &mut self,
        seq: u64,
        source: &SourceId,
        press: &Press,
        at: Timestamp,
    ) {
        let identities = [PressIdentity::of(source, press), PressIdentity::of_packet(press)];
        for PressIdentity { mark, .. } in identities.into_iter().flatten() {
            self.marks.push_back(SeenMark { mark, at, seq });
        }
        let more = self.marks.len().saturating_sub(MARKS_WAITING_MAX);
        self.marks.drain(..more);
    }

    /// Remembers a reply, within the bound.
    pub(in crate::store) fn reply(&mut self, seq: u64, location: Location) {
        self.replies.insert(seq, location);
        self.touched.insert(Key::Reply(seq));
        while self.replies.len() > self.bounds.replies
            && let Some((oldest, _)) = self.replies.pop_first()
        {
            self.touched.insert(Key::Reply(oldest));
        }
    }
}
