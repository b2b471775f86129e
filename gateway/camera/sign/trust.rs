//! How often a sign was right, judged by what the looks saw: it wakes a camera only while it is good.
//!
//! Each sign is judged once: the look after it, or what was seen awake, differed or did not. What
//! lies further back counts less, so a sign that is good by day and worthless in the rain of a
//! night is believed by day. Nothing here ever keeps a camera from looking.

/// Share of the older counts that each judgement keeps: the last few dozen count.
const KEEP: f32 = 0.97;

/// What a sign must have shown before it is believed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    /// Right so often, by weight.
    pub(super) right_min: f32,
    /// Right in such a share of all signs.
    pub(super) precision_min: f32,
}

/// What became of one sign of one camera.
#[derive(Clone, Debug)]
pub(in crate::camera) struct Trust {
    terms: Terms,
    right: f32,
    wrong: f32,
    missed: f32,
}

impl Trust {
    /// Nothing is known yet: not believed.
    pub(super) fn new(terms: Terms) -> Self {
        Self { terms, right: 0.0, wrong: 0.0, missed: 0.0 }
    }

    /// As if it had been right so often.
    pub(super) fn in_advance(terms: Terms, right: f32) -> Self {
        Self { right, ..Self::new(terms) }
    }

    /// One stretch of time: whether the sign was given in it, and whether something differed.
    /// False if there is nothing to judge.
    pub(super) fn judge(&mut self, sign: bool, differed: bool) -> bool {
        if !sign && !differed {
            return false;
        }
        for count in [&mut self.right, &mut self.wrong, &mut self.missed] {
            *count *= KEEP;
        }
        match (sign, differed) {
            (true, true) => self.right += 1.0,
            (true, false) => self.wrong += 1.0,
            _ => self.missed += 1.0,
        }
        true
    }

    /// Whether it has been right often enough, and with a high enough share.
    pub(in crate::camera) fn is_believed(&self) -> bool {
        self.right >= self.terms.right_min
            && self.precision().is_some_and(|share| share >= self.terms.precision_min)
    }

    /// Signs that were right, of all signs, 0..1; None before the first.
    pub(in crate::camera) fn precision(&self) -> Option<f32> {
        share(self.right, self.wrong)
    }

    /// What differed and was announced by the sign, of all that differed, 0..1.
    pub(in crate::camera) fn recall(&self) -> Option<f32> {
        share(self.right, self.missed)
    }
}

fn share(right: f32, other: f32) -> Option<f32> {
    let all = right + other;
    (all > 0.0).then(|| right / all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trust(right_min: f32, precision_min: f32) -> Trust {
        Trust::new(Terms { right_min, precision_min })
    }

    #[test]
    fn it_is_believed_by_what_it_was_worth_and_not_before() {
        let mut trust = trust(4.0, 0.8);
        assert!(!trust.is_believed() && trust.precision().is_none() && trust.recall().is_none());
        for _ in 0..4 {
            assert!(!trust.is_believed());
            trust.judge(true, true);
        }
        assert!(!trust.is_believed(), "what lies back counts less");
        trust.judge(true, true);
        assert!(trust.is_believed());
        assert!(!trust.judge(false, false), "nothing happened, no sign was given");
        for _ in 0..2 {
            trust.judge(true, false);
        }
        assert!(!trust.is_believed(), "{:?}", trust.precision());
    }

    #[test]
    fn what_it_misses_lowers_recall_and_not_belief() {
        let mut trust = trust(0.5, 0.65);
        trust.judge(true, true);
        for _ in 0..9 {
            trust.judge(false, true);
        }
        assert!(trust.is_believed());
        assert_eq!(trust.precision(), Some(1.0));
        assert!(trust.recall().unwrap() < 0.12, "{:?}", trust.recall());
    }
}
