//! The camera's own event that something moves: a sign that wakes it for as long as it has proved right.
//!
//! It is believed sooner than a sign that we compute ourselves: the maker's detector sees every
//! picture, and a wake for nothing costs little more than a look. One event that the looks confirm
//! is enough; from then on two of three must be right. Events of a camera that is mostly wrong are
//! still judged by the looks, but do not wake it. Now and then such an event has a look taken at
//! once, because somebody who was announced may be gone when the next look is due.

use jiff::{SignedDuration, Timestamp};

use super::trust::{Terms, Trust};

const TERMS: Terms = Terms { right_min: 0.5, precision_min: 0.65 };
/// Events that are not believed cause at most one extra look in so long.
const CHECK_EVERY: SignedDuration = SignedDuration::from_secs(10);

/// What to do about an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::camera) enum SignResponse {
    Wake,
    /// Look at the next key frame.
    Check,
    /// The look that is due anyway will judge it.
    Wait,
}

/// The events of one camera, and how often they were right.
#[derive(Clone, Debug)]
pub(in crate::camera) struct EventSign {
    trust: Trust,
    /// An event has come since the last judgement.
    pending: bool,
    checked_at: Option<Timestamp>,
}

impl Default for EventSign {
    fn default() -> Self {
        Self { trust: Trust::new(TERMS), pending: false, checked_at: None }
    }
}

impl EventSign {
    /// The camera says that something moves.
    pub(in crate::camera) fn announced(&mut self, at: Timestamp) -> SignResponse {
        self.pending = true;
        if self.trust.is_believed() {
            return SignResponse::Wake;
        }
        // After a clock that stepped back, the next event is checked at once.
        let since = self.checked_at.map(|last| at.duration_since(last));
        if since.is_some_and(|since| (SignedDuration::ZERO..CHECK_EVERY).contains(&since)) {
            return SignResponse::Wait;
        }
        self.checked_at = Some(at);
        SignResponse::Check
    }

    /// A look saw nothing different, so an event since the look before was wrong. Returns whether
    /// there was one. (A look that differs wakes the camera and judges nothing: an event may come
    /// late, so it is judged when the camera sleeps again.)
    pub(in crate::camera) fn found_nothing(&mut self) -> bool {
        self.trust.judge(std::mem::take(&mut self.pending), false)
    }

    /// The camera falls asleep. `differed`: something differed while it was awake. Returns whether
    /// there was anything to judge.
    pub(in crate::camera) fn fell_asleep(&mut self, differed: bool) -> bool {
        self.trust.judge(std::mem::take(&mut self.pending), differed)
    }

    /// How often it was right.
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
        let mut sign = EventSign::default();
        assert_eq!(sign.announced(at(0)), SignResponse::Check, "nothing is known of it yet");
        assert!(sign.fell_asleep(true));
        assert_eq!(sign.announced(at(1)), SignResponse::Wake);
    }

    #[test]
    fn v8_one_that_lies_is_heard_and_not_believed_until_two_of_three_are_right() {
        let mut sign = EventSign::default();
        sign.announced(at(0));
        sign.fell_asleep(true);
        sign.announced(at(1));
        assert!(sign.found_nothing());
        assert_ne!(sign.announced(at(2)), SignResponse::Wake, "{:?}", sign.trust());
        sign.found_nothing();
        for right in 1..=4 {
            sign.announced(at(3));
            sign.fell_asleep(true);
            assert_eq!(sign.trust().is_believed(), right >= 3, "{right}: {:?}", sign.trust());
        }
    }

    #[test]
    fn v8_a_liar_costs_a_look_now_and_then() {
        let mut sign = EventSign::default();
        let checks = (0..60).filter(|second| {
            let response = sign.announced(at(*second));
            sign.found_nothing();
            response == SignResponse::Check
        });
        assert_eq!(checks.count(), 6, "in a minute");
        assert_eq!(sign.announced(at(-3_600)), SignResponse::Check, "the clock stepped back");
    }

    #[test]
    fn one_that_says_nothing_is_not_judged_by_looks_that_see_nothing() {
        let mut sign = EventSign::default();
        assert!(!sign.found_nothing() && !sign.fell_asleep(false));
        assert!(sign.fell_asleep(true), "it missed something");
        assert_eq!(sign.trust().recall(), Some(0.0));
    }
}
