//! Which presses were taken already: identity of a press as the contract says, bounded and pure.
//!
//! One, and never one too few: where an id and a time are given, both must agree, for a device whose
//! battery is changed counts from the beginning again. Whose word it is (the user at the intake, the
//! broker) is part of what a press is recognised by: nobody uses up the ids of somebody else.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    hash::{BuildHasher, RandomState},
};

use jiff::{SignedDuration, Timestamp};

use crate::domain::{IncidentId, Now, Press, SeenPress, SourceId};

/// Remembered at most so many: what presses are recognised by, two of each press. Some 120 bytes each.
const PRESSES_MAX: usize = 100_000;
/// A time that a device states, and an id that no counter makes, come once in so long.
const REMEMBER_MS: i64 = 7 * DAY_MS;
/// An id without a time counts so long.
const DAY_MS: i64 = 24 * 3_600_000;
/// A packet that is sent again is known for so long by its id and what it holds, if the device gives
/// its presses ids or times: then no two presses hold the same.
const PACKET_MS: i64 = 3_600_000;
/// And for so long if it does not. Each press of such a device looks like the one before, and one that
/// connects for each press counts its packets from 1: a new press that is sent again, because its
/// first copy never came, must not be taken for an old one. A call too many is the lesser fault.
const NAMELESS_PACKET_MS: i64 = 300_000;
/// Shorter ids may be of a counter, which begins anew with a new battery.
const RANDOM_CHARS_MIN: usize = 16;
/// A number that is not above the last one begins a counter anew, unless it comes sooner than this.
const ANEW_AFTER_MS: i64 = 600_000;
/// Without an id, any press of a device within this time is the same press.
const SAME_WITHIN_MS: i64 = 3_000;
/// A retained message older (or newer) than this does not alarm.
const RETAINED_WITHIN: SignedDuration = SignedDuration::from_mins(10);

/// More devices than this are looked through for those that count no longer.
const DEVICES_LOOK_MIN: usize = 2_000;

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

/// The way of presses that say nothing of theirs: of replay, and of journals of older versions.
const ANY_WAY: &str = "";

/// What a press is recognised by. `way`: whose word it is. `named`: it holds an id or a time.
#[derive(Hash)]
enum Identity {
    IdAndTime { source: SourceId, way: String, id: String, at: Timestamp },
    Id { source: SourceId, way: String, id: String },
    Time { source: SourceId, way: String, at: Timestamp },
    Packet { way: String, client: String, packet: u16, digest: String, named: bool },
}

/// What an identity is remembered as: its texts would be ten times as long. 128 bits by keys of this
/// process, which nobody outside knows: that two are the same by chance or by intent is out of reach.
type Mark = u128;

/// The keys by which marks are made.
#[derive(Default)]
struct MarkKeys(RandomState, RandomState);

impl MarkKeys {
    fn mark(&self, identity: &Identity) -> Mark {
        let (high, low) = (self.0.hash_one(identity), self.1.hash_one(identity));
        (u128::from(high) << 64) | u128::from(low)
    }
}

impl Identity {
    /// How long it counts, milliseconds.
    fn counts_ms(&self) -> i64 {
        match self {
            Self::Id { id, .. } if id.chars().count() < RANDOM_CHARS_MIN => DAY_MS,
            Self::Packet { named: true, .. } => PACKET_MS,
            Self::Packet { named: false, .. } => NAMELESS_PACKET_MS,
            _ => REMEMBER_MS,
        }
    }
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
    seen: HashMap<Mark, i64>,
    order: VecDeque<(i64, Mark)>,
    keys: MarkKeys,
    /// The last press of each device, by whatever way, and its id.
    last: HashMap<SourceId, (i64, Option<String>)>,
    counters: HashMap<(SourceId, String), Counter>,
    /// Devices of the site's list.
    listed: HashSet<SourceId>,
    /// So many devices of either kind, before those are looked for that count no longer.
    look_at: usize,
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
        press.arrival.as_ref().is_some_and(|arrival| arrival.dup)
            && packet(press).is_some_and(|packet| self.is_seen(now, &packet))
    }

    /// Remembers the packet of what cannot be read.
    pub(super) fn remember_packet(&mut self, now: Now, press: &Press) {
        if let Some(packet) = packet(press) {
            self.put(&packet, now.mono());
        }
    }

    fn is_seen(&self, now: Now, identity: &Identity) -> bool {
        let at = self.seen.get(&self.keys.mark(identity));
        at.is_some_and(|at| now.mono() - at <= identity.counts_ms())
    }

    fn verdict(&self, now: Now, source: &SourceId, press: &Press) -> PressVerdict {
        // What an older version wrote down counts by whatever way it is sent again.
        let seen = [way(press), ANY_WAY].into_iter().any(|way| {
            identity(source, press, way).is_some_and(|identity| {
                self.is_seen(now, &identity) && !self.begins_anew(now, &identity, press)
            })
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
    fn begins_anew(&self, now: Now, identity: &Identity, press: &Press) -> bool {
        let Identity::Id { source, way, id } = identity else { return false };
        let Some(counter) = self.counters.get(&(source.clone(), way.clone())) else { return false };
        let taken = self.seen.get(&self.keys.mark(identity)).copied().unwrap_or(i64::MIN);
        let again = press.retained || press.arrival.as_ref().is_some_and(|arrival| arrival.dup);
        let not_above = number(id).is_some_and(|n| n <= counter.last);
        taken < counter.began_ms
            || (not_above && !again && now.mono() - counter.last_ms > ANEW_AFTER_MS)
    }

    fn remember(&mut self, source: &SourceId, press: &Press, at: i64) {
        if self.last.len() >= PRESSES_MAX && !self.last.contains_key(source) {
            self.forget_devices(at);
        }
        if self.last.len() < PRESSES_MAX || self.last.contains_key(source) {
            let newer = self.last.get(source).is_none_or(|(last, _)| *last <= at);
            if newer {
                self.last.insert(source.clone(), (at, press.id.clone()));
            }
        }
        self.remember_identity(source, press, at);
    }

    fn remember_identity(&mut self, source: &SourceId, press: &Press, at: i64) {
        if let Some(identity) = identity(source, press, way(press)) {
            if let Identity::Id { way, id, .. } = &identity
                && let Some(n) = number(id)
            {
                self.count(source, way, n, at);
            }
            self.put(&identity, at);
        }
        if let Some(packet) = packet(press) {
            self.put(&packet, at);
        }
        self.forget(at);
    }

    fn count(&mut self, source: &SourceId, way: &str, n: u64, at: i64) {
        let key = (source.clone(), way.to_owned());
        if !self.counters.contains_key(&key) {
            // Invented names take no place from those of the list.
            let few = self.counters.len() < PRESSES_MAX / 2 || self.listed.contains(source);
            if few && self.counters.len() >= PRESSES_MAX {
                self.forget_devices(at);
            }
            if !few || self.counters.len() >= PRESSES_MAX {
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

    fn put(&mut self, identity: &Identity, at: i64) {
        let mark = self.keys.mark(identity);
        self.seen.insert(mark, at);
        self.order.push_back((at, mark));
    }

    /// What is older than it counts goes, whoever pressed: nobody's press of a while ago is in the way of
    /// one of now.
    fn forget_devices(&mut self, now: i64) {
        self.last.retain(|_, (at, _)| now - *at <= SAME_WITHIN_MS);
        // An id of a counter counts for a day: nothing is compared with an older one.
        self.counters.retain(|_, counter| now - counter.last_ms <= DAY_MS);
        self.look_at = 2 * (self.last.len() + self.counters.len());
    }

    fn forget(&mut self, now: i64) {
        // Looked for whenever twice as many devices are remembered as were left the last time.
        if self.last.len() + self.counters.len() >= self.look_at.max(DEVICES_LOOK_MIN) {
            self.forget_devices(now);
        }
        while self.order.len() > PRESSES_MAX
            || self.order.front().is_some_and(|(seen, _)| now - seen > REMEMBER_MS)
        {
            // An identity that was seen again since stays.
            if let Some((at, mark)) = self.order.pop_front()
                && self.seen.get(&mark) == Some(&at)
            {
                self.seen.remove(&mark);
            }
        }
    }
}

/// Whose word a press is, whatever connection brought it.
fn way(press: &Press) -> &str {
    press.arrival.as_ref().map_or(ANY_WAY, |arrival| &arrival.way)
}

/// What a press is recognised by: id and time, or the one that it has. A clock that shows a time
/// before this program was written begins anew with each battery: what it says is no time.
fn identity(source: &SourceId, press: &Press, way: &str) -> Option<Identity> {
    let (source, way) = (source.clone(), way.to_owned());
    match (press.id.clone(), press.at.filter(|at| Now::is_plausible(*at))) {
        (Some(id), Some(at)) => Some(Identity::IdAndTime { source, way, id, at }),
        (Some(id), None) => Some(Identity::Id { source, way, id }),
        (None, Some(at)) => Some(Identity::Time { source, way, at }),
        (None, None) => None,
    }
}

fn packet(press: &Press) -> Option<Identity> {
    let arrival = press.arrival.as_ref()?;
    Some(Identity::Packet {
        way: arrival.way.clone(),
        client: arrival.client.clone(),
        packet: arrival.packet?,
        digest: arrival.digest.clone(),
        named: press.id.is_some() || press.at.is_some_and(Now::is_plausible),
    })
}

/// The number at the end of a short id.
fn number(id: &str) -> Option<u64> {
    if id.chars().count() >= RANDOM_CHARS_MIN {
        return None;
    }
    let digits = id.len() - id.bytes().rev().take_while(u8::is_ascii_digit).count();
    id[digits..].parse().ok()
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
