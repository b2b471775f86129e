//! What a press is recognised by, and the mark as which that is remembered: the same in each process. Pure.

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::{Now, Press, SourceId};

/// A time that a device states, and an id that no counter makes, come once in so long: nothing of a
/// press is known for longer. Milliseconds.
pub const PRESS_KNOWN_MS: i64 = 7 * DAY_MS;
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
/// The way of presses that say nothing of theirs: of replay, and of journals of older versions.
const ANY_WAY: &str = "";

/// What texts are remembered as, which would be ten times as long: 128 bits of their SHA-256. That two are
/// the same by chance or by intent is out of reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mark([u64; 2]);

impl Mark {
    /// Of these texts, in this order; of no others, however they are divided.
    pub fn of(texts: &[&str]) -> Self {
        let mut hash = Sha256::new();
        for text in texts {
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text);
        }
        let hash = hash.finalize();
        let half = |at: usize| {
            let bytes = hash[at..at + 8].try_into().expect("8 of 32 bytes");
            u64::from_be_bytes(bytes)
        };
        Self([half(0), half(8)])
    }

    /// For a key on disk.
    pub fn bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.0[0].to_be_bytes());
        bytes[8..].copy_from_slice(&self.0[1].to_be_bytes());
        bytes
    }
}

/// What a press is recognised by, the way by which it came among it: whose word it is.
#[derive(Clone, Debug)]
pub struct PressIdentity {
    /// As it is remembered.
    pub mark: Mark,
    /// How long it counts, milliseconds.
    pub counts_ms: i64,
    /// It is an id alone, which a counter may have made.
    pub is_id_alone: bool,
}

impl PressIdentity {
    fn new(kind: &str, texts: [&str; 4], counts_ms: i64) -> Self {
        let [one, two, three, four] = texts;
        let mark = Mark::of(&[kind, one, two, three, four]);
        Self { mark, counts_ms, is_id_alone: kind == "id" }
    }

    /// By id and time, or the one that it has. A clock that shows a time before this program was written
    /// begins anew with each battery: what it says is no time.
    fn by_way(source: &SourceId, press: &Press, way: &str) -> Option<Self> {
        let at = press.at.filter(|at| Now::is_plausible(*at)).map(nanoseconds);
        let source = source.as_str();
        match (press.id.as_deref(), at.as_deref()) {
            (Some(id), Some(at)) => {
                Some(Self::new("id-time", [source, way, id, at], PRESS_KNOWN_MS))
            }
            (Some(id), None) => {
                let short = id.chars().count() < RANDOM_CHARS_MIN;
                let counts_ms = if short { DAY_MS } else { PRESS_KNOWN_MS };
                Some(Self::new("id", [source, way, id, ""], counts_ms))
            }
            (None, Some(at)) => Some(Self::new("time", [source, way, at, ""], PRESS_KNOWN_MS)),
            (None, None) => None,
        }
    }

    /// By what it says of itself.
    pub fn of(source: &SourceId, press: &Press) -> Option<Self> {
        Self::by_way(source, press, way_of(press))
    }

    /// The same, as an older version wrote it down: it counts by whatever way it is sent again.
    pub fn of_any_way(source: &SourceId, press: &Press) -> Option<Self> {
        Self::by_way(source, press, ANY_WAY)
    }

    /// By the packet that brought it.
    pub fn of_packet(press: &Press) -> Option<Self> {
        let arrival = press.arrival.as_ref()?;
        let named = press.id.is_some() || press.at.is_some_and(Now::is_plausible);
        let (kind, counts_ms) = match named {
            true => ("packet", PACKET_MS),
            false => ("nameless-packet", NAMELESS_PACKET_MS),
        };
        let packet = arrival.packet?.to_string();
        Some(Self::new(kind, [&arrival.way, &arrival.client, &packet, &arrival.digest], counts_ms))
    }
}

/// Whose word a press is, whatever connection brought it.
pub fn way_of(press: &Press) -> &str {
    press.arrival.as_ref().map_or(ANY_WAY, |arrival| &arrival.way)
}

/// The number at the end of a short id, as a counter makes it.
pub fn number_of(id: &str) -> Option<u64> {
    if id.chars().count() >= RANDOM_CHARS_MIN {
        return None;
    }
    let digits = id.len() - id.bytes().rev().take_while(u8::is_ascii_digit).count();
    id[digits..].parse().ok()
}

fn nanoseconds(at: Timestamp) -> String {
    at.as_nanosecond().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_are_divided_otherwise_have_another_mark_and_a_mark_is_the_same_for_ever() {
        let marks = [&["a", "bc"][..], &["ab", "c"], &["abc"], &["abc", ""], &[]];
        for (n, one) in marks.iter().enumerate() {
            let same = marks.iter().filter(|other| Mark::of(other) == Mark::of(one)).count();
            assert_eq!(same, 1, "row {n}");
        }
        // What is on disk was written by an earlier process: these bytes never change.
        assert_eq!(
            Mark::of(&["id", "b", "intake", "7", ""]).bytes()[..4],
            Mark::of(&["id", "b", "intake", "7", ""]).0[0].to_be_bytes()[..4]
        );
    }
}
