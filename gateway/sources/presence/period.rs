//! What is known within one period: salted hashes of addresses, which nobody can read once the salt is gone.

use std::collections::HashSet;

use hmac::{Hmac, Mac};
use jiff::Timestamp;
use sha2::Sha256;
use zeroize::{Zeroize, Zeroizing};

use super::address::Sighting;
use crate::domain::{DevicesTold, PresenceNumbers};

/// Addresses of a place that are told apart in one period; beyond it, it is told that there were more.
pub(super) const ADDRESSES_MAX: usize = 50_000;
/// What one hash is cut to: of as many addresses as are kept, two fall together once in ten billion periods.
const HASH_BYTES: usize = 8;

/// One place in one period.
pub(super) struct CountedPeriod {
    pub(super) number: i64,
    pub(super) from: Timestamp,
    salt: Zeroizing<[u8; 32]>,
    fixed: HashSet<u64>,
    random: HashSet<u64>,
    more: bool,
}

impl CountedPeriod {
    /// `salt`: chance that nobody else has.
    pub(super) fn begin(number: i64, from: Timestamp, salt: Zeroizing<[u8; 32]>) -> Self {
        let (fixed, random) = (HashSet::new(), HashSet::new());
        Self { number, from, salt, fixed, random, more: false }
    }

    /// The same address again changes nothing.
    pub(super) fn take(&mut self, sighting: &Sighting) {
        let Some(hash) = self.hash(&sighting.address) else { return };
        let full = self.fixed.len() + self.random.len() >= ADDRESSES_MAX;
        let set = if sighting.random { &mut self.random } else { &mut self.fixed };
        if !full {
            set.insert(hash);
        } else if !set.contains(&hash) {
            self.more = true;
        }
    }

    fn hash(&self, address: &[u8; 6]) -> Option<u64> {
        // A key of any length is taken, so this is never none.
        let mut mac = Hmac::<Sha256>::new_from_slice(&*self.salt).ok()?;
        mac.update(address);
        let mut whole = mac.finalize().into_bytes();
        let short = whole.first_chunk::<HASH_BYTES>().map(|bytes| u64::from_be_bytes(*bytes));
        whole.iter_mut().for_each(Zeroize::zeroize);
        short
    }

    /// The numbers, and nothing else is left of it. `chance` is asked for each of them.
    pub(super) fn end(self, k: u32, mut chance: impl FnMut() -> u32) -> PresenceNumbers {
        let count = |set: &HashSet<u64>| u32::try_from(set.len()).unwrap_or(u32::MAX);
        let (fixed, random) = (count(&self.fixed), count(&self.random));
        let mut told = |count| DevicesTold::of(count, k, chance());
        PresenceNumbers {
            devices: told(fixed + random),
            fixed: told(fixed),
            random: told(random),
            more: self.more,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn period(salt: u8) -> CountedPeriod {
        CountedPeriod::begin(0, Timestamp::UNIX_EPOCH, Zeroizing::new([salt; 32]))
    }

    fn device(n: u32, random: bool) -> Sighting {
        let [a, b, c, d] = n.to_be_bytes();
        Sighting { address: [if random { 2 } else { 0 }, 7, a, b, c, d], random }
    }

    #[test]
    fn an_address_counts_once_however_often_it_is_said() {
        let mut period = period(1);
        for _ in 0..1_000_000 / 100 {
            (0..15).for_each(|n| period.take(&device(n, false)));
        }
        (0..25).for_each(|n| period.take(&device(n, true)));
        let told = period.end(10, || 9);
        assert_eq!(
            (told.devices, told.fixed, told.random, told.more),
            (DevicesTold::About(40), DevicesTold::About(10), DevicesTold::About(20), false)
        );
    }

    #[test]
    fn a_million_addresses_are_bounded_and_it_is_told_that_there_were_more() {
        let mut all = period(1);
        (0..200_000).for_each(|n| all.take(&device(n, n % 2 == 0)));
        assert_eq!(all.fixed.len() + all.random.len(), ADDRESSES_MAX);
        assert!(all.fixed.capacity() + all.random.capacity() < 4 * ADDRESSES_MAX);
        let told = all.end(10, || 0);
        assert!(told.more && told.devices.at_least() >= 50_000, "{told:?}");
        let mut just = period(1);
        (0..50_000).for_each(|n| just.take(&device(n, false)));
        just.take(&device(7, false));
        assert!(!just.end(10, || 0).more, "one that was there already is no more");
    }

    #[test]
    fn the_same_address_is_another_hash_under_another_salt() {
        let of = |salt| period(salt).hash(&[0xa4, 0x19, 8, 1, 2, 3]).unwrap();
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
    }
}
