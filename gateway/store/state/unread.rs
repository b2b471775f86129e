//! Records that a newer program wrote and this one cannot read: kept for one that can.

use super::{Key, Location, State};
use crate::store::journal::Reader;

impl State {
    /// One more. What goes on after a change that says nothing here uses revisions that it cannot have used, as after
    /// a restore: a receiver may have it, and would take the same number for the same record.
    pub(super) fn unread(&mut self, seq: u64, location: Location, may_be_a_change: bool) {
        self.keep_unread(seq, location);
        if may_be_a_change {
            self.forked = Some(location);
        }
    }

    /// For whoever can read it.
    pub(in crate::store) fn keep_unread(&mut self, seq: u64, location: Location) {
        self.unread.insert(seq, location);
        self.touched.insert(Key::Unread(seq));
    }

    /// These segments have left; what they held of it was written again.
    pub(super) fn forget_unread(&mut self, through: u64) {
        for (seq, _) in self.unread.extract_if(.., |_, location| location.segment <= through) {
            self.touched.insert(Key::Unread(seq));
        }
    }

    /// Whether a record that could not be read when the index was written can be read by this program.
    pub(in crate::store) fn is_readable_now(&self, reader: &Reader) -> bool {
        self.unread.values().any(|location| reader.read(*location).is_ok())
    }
}
