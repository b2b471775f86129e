//! A camera's own word that something moves: it wakes the camera while it has proved right.
//!
//! It is believed sooner than a sign that we make up ourselves: the maker's detector sees every
//! picture, and a wake for nothing costs little more than a look. One claim that the looks bear
//! out is enough; from then on two of three must be right. A camera that cries wolf is heard, held
//! against the looks, and not woken by.

use super::trust::{Terms, Trust};

const TERMS: Terms = Terms { right_min: 0.5, precision_min: 0.65 };

/// What one camera says of itself.
#[derive(Clone, Debug)]
pub struct Claim {
    trust: Trust,
    /// Since it was last judged.
    said: bool,
}

impl Default for Claim {
    fn default() -> Self {
        Self { trust: Trust::new(TERMS), said: false }
    }
}

impl Claim {
    /// The camera says that something moves; whether to wake.
    pub fn say(&mut self) -> bool {
        self.said = true;
        self.trust.is_believed()
    }

    /// A look saw nothing different: what was said since the one before was wrong. One that
    /// differs wakes the camera, and is judged when it sleeps again: the word may come late.
    pub fn looked_in_vain(&mut self) -> bool {
        self.trust.judge(std::mem::take(&mut self.said), false)
    }

    /// It falls asleep; whether something differed while it was awake.
    pub fn slept(&mut self, differed: bool) -> bool {
        self.trust.judge(std::mem::take(&mut self.said), differed)
    }

    pub fn trust(&self) -> &Trust {
        &self.trust
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_was_borne_out_wakes_from_then_on() {
        let mut claim = Claim::default();
        assert!(!claim.say(), "nothing is known of it yet");
        assert!(claim.slept(true));
        assert!(claim.say());
    }

    #[test]
    fn one_that_lies_is_heard_and_not_believed_until_two_of_three_are_right() {
        let mut claim = Claim::default();
        claim.say();
        claim.slept(true);
        claim.say();
        assert!(claim.looked_in_vain() || claim.slept(false));
        assert!(!claim.say(), "{:?}", claim.trust());
        claim.looked_in_vain();
        for right in 1..=4 {
            claim.say();
            claim.slept(true);
            assert_eq!(claim.trust().is_believed(), right >= 3, "{right}: {:?}", claim.trust());
        }
    }

    #[test]
    fn one_that_says_nothing_is_not_judged_by_looks_that_see_nothing() {
        let mut claim = Claim::default();
        assert!(!claim.looked_in_vain() && !claim.slept(false));
        assert!(claim.slept(true), "it missed something");
        assert_eq!(claim.trust().recall(), Some(0.0));
    }
}
