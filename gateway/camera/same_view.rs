//! Whether the sub-stream shows what the main stream shows: when the two are compared, and what follows. Pure.
//!
//! One comparison says little: the two are never of quite the same moment. So another view is
//! believed after three in a row, and the same one again after two.

use jiff::{SignedDuration, Timestamp};

/// Two pictures of one view are more alike than this (`vision/likeness.rs`).
const SAME_MIN: f32 = 0.6;
/// And those of two views less than this.
const OTHER_MAX: f32 = 0.5;
/// Comparisons in a row that make it another view, and the same one again.
const OTHER_AFTER: u8 = 3;
const SAME_AFTER: u8 = 2;
/// Between two comparisons while it is in doubt, while it is the same, and while it is another.
const DOUBT_EVERY: SignedDuration = SignedDuration::from_secs(1);
const SAME_EVERY: SignedDuration = SignedDuration::from_secs(60);
const OTHER_EVERY: SignedDuration = SignedDuration::from_secs(10);

/// What the comparisons so far came to.
#[derive(Default)]
pub(super) struct SameView {
    compared_at: Option<Timestamp>,
    another: bool,
    /// Comparisons in a row that say otherwise.
    doubts: u8,
}

impl SameView {
    /// Whether the sub-stream shows another view.
    pub(super) fn is_another(&self) -> bool {
        self.another
    }

    /// Whether the two are to be compared now.
    pub(super) fn is_due(&self, at: Timestamp) -> bool {
        let every = match (self.doubts > 0, self.another) {
            (true, _) => DOUBT_EVERY,
            (false, false) => SAME_EVERY,
            (false, true) => OTHER_EVERY,
        };
        self.compared_at.is_none_or(|then| {
            let since = at.duration_since(then);
            since >= every || since < SignedDuration::ZERO
        })
    }

    /// They were compared; `None`: one of them shows too little to tell.
    pub(super) fn judge(&mut self, at: Timestamp, likeness: Option<f32>) {
        self.compared_at = Some(at);
        let Some(likeness) = likeness else { return };
        let otherwise = if self.another { likeness >= SAME_MIN } else { likeness < OTHER_MAX };
        self.doubts = if otherwise { self.doubts + 1 } else { 0 };
        if self.doubts >= if self.another { SAME_AFTER } else { OTHER_AFTER } {
            (self.another, self.doubts) = (!self.another, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(s: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + s).unwrap()
    }

    /// Compares at each second at which it is due; returns the seconds and what it was then.
    fn run(view: &mut SameView, from: i64, values: &[Option<f32>]) -> Vec<(i64, bool)> {
        let mut said = Vec::new();
        let mut values = values.iter();
        for s in from.. {
            if !view.is_due(at(s)) {
                continue;
            }
            let Some(value) = values.next() else { return said };
            view.judge(at(s), *value);
            said.push((s, view.is_another()));
        }
        said
    }

    #[test]
    fn another_view_is_believed_after_three_and_the_same_again_after_two() {
        let mut view = SameView::default();
        let same = [Some(0.95), Some(0.1), Some(0.97), Some(0.1), Some(0.2), Some(0.3)];
        let said = run(&mut view, 0, &same);
        let expected =
            [(0, false), (60, false), (61, false), (121, false), (122, false), (123, true)];
        assert_eq!(said, expected);
        let said = run(&mut view, 124, &[Some(0.55), Some(0.9), Some(0.2), Some(0.9), Some(0.61)]);
        let expected = [(133, true), (143, true), (144, true), (154, true), (155, false)];
        assert_eq!(said, expected);
    }

    #[test]
    fn what_tells_nothing_changes_nothing_and_a_clock_that_is_set_back_stops_nothing() {
        let mut view = SameView::default();
        let dark = [Some(0.1), None, Some(0.1), None, None, Some(0.1)];
        assert_eq!(run(&mut view, 0, &dark).last(), Some(&(5, true)), "the dark clears no doubt");
        assert!(view.is_due(at(-3_600)));
    }
}
