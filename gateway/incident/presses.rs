//! Which presses were taken already: identity of a press as the contract says, bounded and pure.
//!
//! One, and never one too few: where an id and a time are given, both must agree, for a device whose
//! battery is changed counts from the beginning again. Whose word it is (the user at the intake, the
//! broker) is part of what a press is recognised by: nobody uses up the ids of somebody else.

use std::collections::{HashMap, HashSet, VecDeque};

use jiff::{SignedDuration, Timestamp};

use super::memory::Remembers;
use crate::domain::{
    IncidentId, Mark, Now, PRESS_KNOWN_MS, Press, PressIdentity, SeenPress, SourceId, number_of,
    way_of,
};

/// Nothing that is counted is older than this: an id of a counter counts for a day.
const DAY_MS: i64 = 24 * 3_600_000;
/// A number that is not above the last one begins a counter anew, unless it comes sooner than this.
const ANEW_AFTER_MS: i64 = 600_000;
/// Without an id, any press of a device within this time is the same press.
const SAME_WITHIN_MS: i64 = 3_000;
/// A retained message older (or newer) than this does not alarm.
const RETAINED_WITHIN: SignedDuration = SignedDuration::from_mins(10);

/// More devices than this are looked through for those that count no longer.
const DEVICES_LOOK_MIN: usize = 200;

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

/// The ids that one device gives by one way, where they are numbers.
struct Counter {
    last: u64,
    last_ms: i64,
    /// It began (anew) then: ids that were taken before do not count.
    began_ms: i64,
}

/// Times are those of the monotonic clock ([`Now::mono_of`]): a wall clock that is set forgets
/// no press and makes none out of a repeated one (P9).
#[derive(Default)]
pub(super) struct Presses {
    remembers: Remembers,
    seen: HashMap<Mark, i64>,
    order: VecDeque<(i64, Mark)>,
    /// What was forgotten here though it counts yet counts until then: the store knows it.
    forgotten_until_ms: Option<i64>,
    /// What the store knows of the press that is judged next.
    recalled: Vec<(Mark, i64)>,
    /// The last press of each device, by whatever way, and its id.
    last: HashMap<SourceId, (i64, Option<String>)>,
    /// By device and way.
    counters: HashMap<Mark, Counter>,
    /// Devices of the site's list.
    listed: HashSet<SourceId>,
    /// So many of `last` and of `counters`, before those are looked for that count no longer.
    look_at: [usize; 2],
}

impl Presses {
    /// Remembers a press of an earlier process.
    pub(super) fn restore(&mut self, now: Now, seen: &SeenPress) {
        self.remember(&seen.source, &seen.press, now.mono_of(seen.taken_at));
    }

    /// Devices of the site's list: they keep their counters whoever invents names.
    pub(super) fn list(&mut self, listed: impl Iterator<Item = SourceId>) {
        self.listed = listed.collect();
    }

    /// How much it remembers.
    pub(super) fn bound(&mut self, remembers: Remembers) {
        self.remembers = remembers;
    }

    /// What an earlier process took was not all handed over by [`Self::restore`]: the store knows the rest.
    pub(super) fn restored_in_part(&mut self, now: Now) {
        self.forgotten_until_ms = Some(now.mono().saturating_add(PRESS_KNOWN_MS));
    }

    /// What the store is to be asked for before this press is judged: marks of it that may have been
    /// forgotten here. None as long as everything that counts is remembered.
    pub(super) fn to_recall(&self, now: Now, source: &SourceId, press: &Press) -> Vec<Mark> {
        if self.forgotten_until_ms.is_none_or(|until| until < now.mono()) {
            return Vec::new();
        }
        let identities = [
            PressIdentity::of(source, press),
            PressIdentity::of_any_way(source, press),
            PressIdentity::of_packet(press).filter(|_| is_dup(press)),
        ];
        let marks = identities.into_iter().flatten().map(|identity| identity.mark);
        let mut marks: Vec<Mark> = marks.filter(|mark| !self.seen.contains_key(mark)).collect();
        marks.dedup();
        marks
    }

    /// What the store knows of the press that is judged next: marks and when they were taken.
    pub(super) fn recall(&mut self, now: Now, seen: &[(Mark, Timestamp)]) {
        self.recalled = seen.iter().map(|(mark, at)| (*mark, now.mono_of(*at))).collect();
    }

    /// Judges a press and remembers it.
    pub(super) fn judge(&mut self, now: Now, source: &SourceId, press: &Press) -> PressVerdict {
        self.forget(now.mono());
        let verdict = self.verdict(now, source, press);
        match verdict {
            PressVerdict::Same => {}
            PressVerdict::New => self.remember(source, press, now.mono()),
            // An old message mutes no press that comes just after it.
            PressVerdict::Stale => self.remember_identity(source, press, now.mono()),
        }
        verdict
    }

    /// Whether its packet was taken before, and is only sent again: for what cannot be read.
    pub(super) fn is_sent_again(&self, now: Now, press: &Press) -> bool {
        is_dup(press)
            && PressIdentity::of_packet(press).is_some_and(|packet| self.is_seen(now, &packet))
    }

    /// Remembers the packet of what cannot be read.
    pub(super) fn remember_packet(&mut self, now: Now, press: &Press) {
        if let Some(packet) = PressIdentity::of_packet(press) {
            self.put(packet.mark, now.mono());
            self.forget(now.mono());
        }
    }

    /// Its call was taken back: the next press without an id is another one, however soon.
    pub(super) fn taken_back(&mut self, source: &SourceId) {
        if matches!(self.last.get(source), Some((_, None))) {
            self.last.remove(source);
        }
    }

    /// When this was taken, by memory, else by what the store knows.
    fn taken(&self, mark: Mark) -> Option<i64> {
        let recalled = || self.recalled.iter().find(|(one, _)| *one == mark).map(|(_, at)| *at);
        self.seen.get(&mark).copied().or_else(recalled)
    }

    fn is_seen(&self, now: Now, identity: &PressIdentity) -> bool {
        self.taken(identity.mark).is_some_and(|at| now.mono() - at <= identity.counts_ms)
    }

    fn verdict(&self, now: Now, source: &SourceId, press: &Press) -> PressVerdict {
        // What an older version wrote down counts by whatever way it is sent again.
        let own = PressIdentity::of(source, press).map(|identity| (identity, way_of(press)));
        let older = PressIdentity::of_any_way(source, press).map(|identity| (identity, ""));
        let seen = [own, older].into_iter().flatten().any(|(identity, way)| {
            self.is_seen(now, &identity) && !self.begins_anew(now, (source, way), &identity, press)
        });
        let just_now = self.last.get(source).is_some_and(|(last, id)| {
            now.mono() - last <= SAME_WITHIN_MS && (press.id.is_none() || press.id == *id)
        });
        let same = seen || just_now || self.is_sent_again(now, press);
        let recent =
            press.at.is_some_and(|at| at.duration_since(now.wall).abs() <= RETAINED_WITHIN);
        match (same, press.retained && !recent) {
            (true, _) => PressVerdict::Same,
            (false, true) => PressVerdict::Stale,
            (false, false) => PressVerdict::New,
        }
    }

    /// Whether an id that is known is of a counter that has plainly begun anew since: it was taken
    /// before that, or is not above the last one, long after it (the device has been switched off
    /// meanwhile, and its first press has the number of its only one before). A packet that says that
    /// it is sent again begins nothing, nor does what a broker kept.
    fn begins_anew(
        &self,
        now: Now,
        (source, way): (&SourceId, &str),
        identity: &PressIdentity,
        press: &Press,
    ) -> bool {
        let (true, Some(id)) = (identity.is_id_alone, press.id.as_deref()) else { return false };
        let taken = self.taken(identity.mark).unwrap_or(i64::MIN);
        let again = press.retained || is_dup(press);
        let Some(counter) = self.counters.get(&counter_of(source, way)) else {
            // Its counter was forgotten together with it. Whether it has begun anew nobody knows: a call
            // too many is the lesser fault.
            let recalled = !self.seen.contains_key(&identity.mark);
            let counts = number_of(id).is_some() && !again;
            return recalled && counts && now.mono() - taken > ANEW_AFTER_MS;
        };
        let not_above = number_of(id).is_some_and(|n| n <= counter.last);
        taken < counter.began_ms
            || (not_above && !again && now.mono() - counter.last_ms > ANEW_AFTER_MS)
    }

    fn remember(&mut self, source: &SourceId, press: &Press, at: i64) {
        let newer = self.last.get(source).is_none_or(|(last, _)| *last <= at);
        if newer {
            self.last.insert(source.clone(), (at, press.id.clone()));
        }
        self.remember_identity(source, press, at);
    }

    fn remember_identity(&mut self, source: &SourceId, press: &Press, at: i64) {
        if let Some(identity) = PressIdentity::of(source, press) {
            if identity.is_id_alone
                && let Some(n) = press.id.as_deref().and_then(number_of)
            {
                self.count(source, way_of(press), n, at);
            }
            self.put(identity.mark, at);
        }
        if let Some(packet) = PressIdentity::of_packet(press) {
            self.put(packet.mark, at);
        }
        self.forget(at);
    }

    fn count(&mut self, source: &SourceId, way: &str, n: u64, at: i64) {
        let key = counter_of(source, way);
        if !self.counters.contains_key(&key) {
            // Invented names take no place from those of the list.
            let most = self.remembers.counters;
            let few = self.counters.len() < most / 2 || self.listed.contains(source);
            if few && self.counters.len() >= most {
                self.forget_counters(at);
            }
            if !few || self.counters.len() >= most {
                return;
            }
        }
        let new = Counter { last: n, last_ms: at, began_ms: i64::MIN };
        let counter = self.counters.entry(key).or_insert(new);
        if at < counter.last_ms {
            return;
        }
        if n <= counter.last && at - counter.last_ms > ANEW_AFTER_MS {
            counter.began_ms = at;
        }
        (counter.last, counter.last_ms) = (n, at);
    }

    fn put(&mut self, mark: Mark, at: i64) {
        self.seen.insert(mark, at);
        self.order.push_back((at, mark));
    }

    /// What is older than it counts goes, whoever pressed: nobody's press of a while ago is in the way of
    /// one of now.
    fn forget_last(&mut self, now: i64) {
        self.last.retain(|_, (at, _)| now - *at <= SAME_WITHIN_MS);
        self.look_at[0] = 2 * self.last.len();
    }

    fn forget_counters(&mut self, now: i64) {
        // An id of a counter counts for a day: nothing is compared with an older one.
        self.counters.retain(|_, counter| now - counter.last_ms <= DAY_MS);
        self.look_at[1] = 2 * self.counters.len();
    }

    fn forget(&mut self, now: i64) {
        // Looked for whenever twice as many devices are remembered as were left the last time.
        if self.last.len() >= self.look_at[0].max(DEVICES_LOOK_MIN) {
            self.forget_last(now);
        }
        if self.counters.len() >= self.look_at[1].max(DEVICES_LOOK_MIN) {
            self.forget_counters(now);
        }
        loop {
            let full = self.order.len() > self.remembers.marks;
            let Some(&(seen, mark)) = self.order.front() else { break };
            let counts = now - seen <= PRESS_KNOWN_MS;
            if counts && !full {
                break;
            }
            self.order.pop_front();
            // An identity that was seen again since stays.
            if self.seen.get(&mark) != Some(&seen) {
                continue;
            }
            self.seen.remove(&mark);
            if counts {
                let until = seen.saturating_add(PRESS_KNOWN_MS);
                self.forgotten_until_ms = self.forgotten_until_ms.max(Some(until));
            }
        }
    }
}

fn is_dup(press: &Press) -> bool {
    press.arrival.as_ref().is_some_and(|arrival| arrival.dup)
}

fn counter_of(source: &SourceId, way: &str) -> Mark {
    Mark::of(&["counter", source.as_str(), way])
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
mod tests;
