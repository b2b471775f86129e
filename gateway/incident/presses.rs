//! Which presses were taken already: identity of a press as the contract says, bounded and pure.

use std::collections::{HashMap, VecDeque};

use jiff::{SignedDuration, Timestamp};

use crate::domain::{IncidentId, Now, Press, SeenPress, SourceId};

/// Remembered for 7 days and at most this many; a button that repeats itself later is a new call.
const PRESSES_MAX: usize = 100_000;
const REMEMBER_MS: i64 = 7 * 24 * 3_600_000;
/// Without an id, any press of a device within this time is the same press.
const SAME_WITHIN_MS: i64 = 3_000;
/// A retained message older (or newer) than this does not alarm.
const RETAINED_WITHIN: SignedDuration = SignedDuration::from_mins(10);

/// What a press turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum PressVerdict {
    /// Not seen before.
    New,
    /// Seen before.
    Same,
    /// An old retained message: recorded, alarms nobody.
    Stale,
}

#[derive(PartialEq, Eq, Hash, Clone)]
enum Identity {
    Id(SourceId, String),
    At(SourceId, Timestamp),
}

/// Times are those of the monotonic clock ([`Now::mono_of`]): a wall clock that is set forgets
/// no press and makes none out of a repeated one (P9).
#[derive(Default)]
pub(super) struct Presses {
    seen: HashMap<Identity, i64>,
    order: VecDeque<(i64, Identity)>,
    last: HashMap<SourceId, i64>,
}

impl Presses {
    /// Remembers a press of an earlier process.
    pub(super) fn restore(&mut self, now: Now, seen: &SeenPress) {
        self.remember(&seen.source, &seen.press, now.mono_of(seen.taken_at));
    }

    /// Judges a press and remembers it.
    pub(super) fn judge(&mut self, now: Now, source: &SourceId, press: &Press) -> PressVerdict {
        self.forget(now.mono());
        let verdict = self.verdict(now, source, press);
        if verdict != PressVerdict::Same {
            self.remember(source, press, now.mono());
        }
        verdict
    }

    fn verdict(&self, now: Now, source: &SourceId, press: &Press) -> PressVerdict {
        let remembered = |at: &i64| now.mono() - at <= REMEMBER_MS;
        let seen = identities(source, press)
            .any(|identity| self.seen.get(&identity).is_some_and(remembered));
        let just_now = press.id.is_none()
            && self.last.get(source).is_some_and(|last| now.mono() - last <= SAME_WITHIN_MS);
        let recent =
            press.at.is_some_and(|at| at.duration_since(now.wall).abs() <= RETAINED_WITHIN);
        match (seen || just_now, press.retained && !recent) {
            (true, _) => PressVerdict::Same,
            (false, true) => PressVerdict::Stale,
            (false, false) => PressVerdict::New,
        }
    }

    fn remember(&mut self, source: &SourceId, press: &Press, at: i64) {
        for identity in identities(source, press) {
            self.seen.insert(identity.clone(), at);
            self.order.push_back((at, identity));
        }
        if self.last.len() < PRESSES_MAX || self.last.contains_key(source) {
            self.last.insert(source.clone(), at);
        }
        self.forget(at);
    }

    fn forget(&mut self, now: i64) {
        while self.order.len() > PRESSES_MAX
            || self.order.front().is_some_and(|(seen, _)| now - seen > REMEMBER_MS)
        {
            // An identity that was seen again since stays.
            if let Some((at, identity)) = self.order.pop_front()
                && self.seen.get(&identity) == Some(&at)
            {
                self.seen.remove(&identity);
            }
        }
    }
}

/// What a press is recognised by: its id if it has one, else the time that it states.
fn identities(source: &SourceId, press: &Press) -> impl Iterator<Item = Identity> + use<> {
    let identity = match (&press.id, press.at) {
        (Some(id), _) => Some(Identity::Id(source.clone(), id.clone())),
        (None, Some(at)) => Some(Identity::At(source.clone(), at)),
        (None, None) => None,
    };
    identity.into_iter()
}

/// As what a press is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RememberedPress {
    /// Somebody calls.
    Call,
    /// An old retained message.
    Stale,
    /// It only tried the button.
    Test,
}

/// The journal entry of one press.
pub(super) fn entry(
    source: &SourceId,
    stamp: crate::domain::Stamp,
    press: &Press,
    recorded: RememberedPress,
    incident: Option<IncidentId>,
) -> crate::domain::Entry {
    crate::domain::Entry::Press {
        source: source.clone(),
        stamp,
        press: press.clone(),
        stale: recorded == RememberedPress::Stale,
        test: recorded == RememberedPress::Test,
        incident,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identity_of_a_press() {
        let start: Timestamp = "2026-07-01T00:00:00Z".parse().unwrap();
        let now = |s: i64| Now {
            wall: start + SignedDuration::from_secs(s),
            mono_ms: s.unsigned_abs() * 1000,
        };
        let press = |id: Option<&str>, at: Option<i64>, retained: bool| Press {
            id: id.map(Into::into),
            at: at.map(|s| start + SignedDuration::from_secs(s)),
            battery: None,
            retained,
            via: "t".into(),
            arrival: None,
        };
        let table = [
            (0, "a", press(Some("1"), None, false), PressVerdict::New),
            (1, "a", press(Some("1"), None, false), PressVerdict::Same),
            (1, "a", press(Some("2"), None, false), PressVerdict::New),
            (1, "b", press(Some("1"), None, false), PressVerdict::New),
            (10, "c", press(None, Some(9), false), PressVerdict::New),
            (60, "c", press(None, Some(9), false), PressVerdict::Same),
            (12, "d", press(None, None, false), PressVerdict::New),
            (14, "d", press(None, None, false), PressVerdict::Same),
            (16, "d", press(None, None, false), PressVerdict::New),
            (100, "e", press(Some("9"), Some(90), true), PressVerdict::New),
            (9999, "e", press(Some("9"), Some(90), true), PressVerdict::Same),
            (9999, "e", press(Some("8"), Some(90), true), PressVerdict::Stale),
            (9999, "e", press(Some("7"), None, true), PressVerdict::Stale),
        ];
        let mut presses = Presses::default();
        for (n, (at, source, press, expected)) in table.into_iter().enumerate() {
            assert_eq!(presses.judge(now(at), &source.into(), &press), expected, "row {n}");
        }
    }

    #[test]
    fn p9_a_clock_that_is_set_makes_no_new_press_and_forgets_none() {
        let press = |id: &str| Press {
            id: Some(id.into()),
            at: None,
            battery: None,
            retained: false,
            via: "t".into(),
            arrival: None,
        };
        let at = |wall: &str, s: u64| Now { wall: wall.parse().unwrap(), mono_ms: s * 1000 };
        let mut presses = Presses::default();
        let boot = at("1970-01-01T00:00:05Z", 5);
        assert_eq!(presses.judge(boot, &"a".into(), &press("1")), PressVerdict::New);
        let set = at("2026-07-01T00:00:00Z", 8);
        assert_eq!(presses.judge(set, &"a".into(), &press("1")), PressVerdict::Same);
        let back = at("2026-06-01T00:00:00Z", 9);
        assert_eq!(presses.judge(back, &"a".into(), &press("1")), PressVerdict::Same);
        // After a restart, from what the journal holds: one noted in 1970, one a week ago and more.
        let mut presses = Presses::default();
        let seen = |taken_at: &str, id: &str| SeenPress {
            source: "a".into(),
            press: press(id),
            taken_at: taken_at.parse().unwrap(),
            incident: None,
        };
        presses.restore(set, &seen("1970-01-01T00:00:05Z", "1"));
        presses.restore(set, &seen("2026-06-20T00:00:00Z", "2"));
        presses.restore(set, &seen("2026-06-25T00:00:00Z", "3"));
        let verdicts = ["1", "2", "3"].map(|id| presses.judge(set, &"a".into(), &press(id)));
        assert_eq!(verdicts, [PressVerdict::Same, PressVerdict::New, PressVerdict::Same]);
    }

    #[test]
    fn memory_is_bounded() {
        let start: Timestamp = "2026-07-01T00:00:00Z".parse().unwrap();
        let mut presses = Presses::default();
        let now = Now { wall: start, mono_ms: 0 };
        for n in 0..PRESSES_MAX + 5 {
            let press = Press {
                id: Some(n.to_string()),
                at: None,
                battery: None,
                retained: false,
                via: "t".into(),
                arrival: None,
            };
            presses.judge(now, &"a".into(), &press);
        }
        assert_eq!(presses.seen.len(), PRESSES_MAX);
    }
}
