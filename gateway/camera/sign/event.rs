//! A camera's own word that something moves: it wakes the camera while it has proved right.
//!
//! It is believed sooner than a sign that we make up ourselves: the maker's detector sees every
//! picture, and a wake for nothing costs little more than a look. One claim that the looks bear
//! out is enough; from then on two of three must be right. A camera that cries wolf is heard, held
//! against the looks, and not woken by. What is not believed is checked by a look now and then:
//! the next one in turn may come when who was announced has gone.

use jiff::{SignedDuration, Timestamp};

use super::trust::{Terms, Trust};

const TERMS: Terms = Terms { right_min: 0.5, precision_min: 0.65 };
/// A liar costs one look in so long, and no more.
const CHECK_EVERY: SignedDuration = SignedDuration::from_secs(10);

/// What to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::camera) enum SignResponse {
    Wake,
    /// Look at the next key frame.
    Check,
    /// It will be held against the look that is due anyway.
    Wait,
}

/// What one camera says of itself.
#[derive(Clone, Debug)]
pub(in crate::camera) struct EventSign {
    trust: Trust,
    /// Since it was last judged.
    said: bool,
    checked_at: Option<Timestamp>,
}

impl Default for EventSign {
    fn default() -> Self {
        Self { trust: Trust::new(TERMS), said: false, checked_at: None }
    }
}

impl EventSign {
    /// The camera says that something moves.
    pub(in crate::camera) fn say(&mut self, at: Timestamp) -> SignResponse {
        self.said = true;
        if self.trust.is_believed() {
            return SignResponse::Wake;
        }
        // A clock that stepped back checks at once.
        let since = self.checked_at.map(|last| at.duration_since(last));
        if since.is_some_and(|since| (SignedDuration::ZERO..CHECK_EVERY).contains(&since)) {
            return SignResponse::Wait;
        }
        self.checked_at = Some(at);
        SignResponse::Check
    }

    /// A look saw nothing different: what was said since the one before was wrong. One that
    /// differs wakes the camera, and is judged when it sleeps again: the word may come late.
    pub(in crate::camera) fn looked_in_vain(&mut self) -> bool {
        self.trust.judge(std::mem::take(&mut self.said), false)
    }

    /// It falls asleep; whether something differed while it was awake.
    pub(in crate::camera) fn slept(&mut self, differed: bool) -> bool {
        self.trust.judge(std::mem::take(&mut self.said), differed)
    }

    pub(in crate::camera) fn trust(&self) -> &Trust {
        &self.trust
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + second).unwrap()
    }

    #[test]
    fn v8_one_that_was_borne_out_wakes_from_then_on() {
        let mut claim = EventSign::default();
        assert_eq!(claim.say(at(0)), SignResponse::Check, "nothing is known of it yet");
        assert!(claim.slept(true));
        assert_eq!(claim.say(at(1)), SignResponse::Wake);
    }

    #[test]
    fn v8_one_that_lies_is_heard_and_not_believed_until_two_of_three_are_right() {
        let mut claim = EventSign::default();
        claim.say(at(0));
        claim.slept(true);
        claim.say(at(1));
        assert!(claim.looked_in_vain());
        assert_ne!(claim.say(at(2)), SignResponse::Wake, "{:?}", claim.trust());
        claim.looked_in_vain();
        for right in 1..=4 {
            claim.say(at(3));
            claim.slept(true);
            assert_eq!(claim.trust().is_believed(), right >= 3, "{right}: {:?}", claim.trust());
        }
    }

    #[test]
    fn v8_a_liar_costs_a_look_now_and_then() {
        let mut claim = EventSign::default();
        let checks = (0..60).filter(|second| {
            let heed = claim.say(at(*second));
            claim.looked_in_vain();
            heed == SignResponse::Check
        });
        assert_eq!(checks.count(), 6, "in a minute");
        assert_eq!(claim.say(at(-3_600)), SignResponse::Check, "the clock stepped back");
    }

    #[test]
    fn one_that_says_nothing_is_not_judged_by_looks_that_see_nothing() {
        let mut claim = EventSign::default();
        assert!(!claim.looked_in_vain() && !claim.slept(false));
        assert!(claim.slept(true), "it missed something");
        assert_eq!(claim.trust().recall(), Some(0.0));
    }
}
