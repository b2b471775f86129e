//! Wrong tokens: counted, told, and answered slowly where one address goes on guessing.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::Mutex,
    time::{Duration, Instant},
};

use crate::base::{Rarely, lock};

/// So many wrong tokens of one address are answered at once: somebody has an old one in a script.
const FREE: u32 = 10;
/// Each further one waits so long. Connections without the token are bounded by address, so that an
/// address makes at most as many guesses a second.
const SLOWED_BY: Duration = Duration::from_secs(1);
/// An address that was quiet for so long begins anew.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(60);
/// Addresses that are remembered; when there are more, the one that was quiet for longest goes.
const ADDRESSES_MAX: usize = 1_024;
/// One line of the log in so long.
const SAID_EVERY: Duration = Duration::from_secs(10);

/// What the addresses have guessed.
pub(super) struct WrongTokens {
    guesses: Mutex<HashMap<IpAddr, (u32, Instant)>>,
    said: Mutex<Rarely>,
    /// As the log calls it.
    what: &'static str,
}

impl Default for WrongTokens {
    fn default() -> Self {
        Self::of("web: a wrong token")
    }
}

impl WrongTokens {
    /// As the default, for what is shown at another door.
    pub(super) fn of(what: &'static str) -> Self {
        let said = Mutex::new(Rarely::every(SAID_EVERY));
        Self { guesses: Mutex::new(HashMap::new()), said, what }
    }
}

impl WrongTokens {
    /// One more of this address, in the log too; how long its answer has to wait.
    pub(super) fn another(&self, from: IpAddr) -> Duration {
        let (guesses, waits) = self.another_at(from, Instant::now());
        if let Some(more) = lock(&self.said).say() {
            tracing::warn!(%from, guesses, more, "{}", self.what);
        }
        waits
    }

    fn another_at(&self, from: IpAddr, now: Instant) -> (u32, Duration) {
        let mut all = lock(&self.guesses);
        all.retain(|_, (_, last)| now.saturating_duration_since(*last) < FORGOTTEN_AFTER);
        let from = network(from);
        if all.len() >= ADDRESSES_MAX && !all.contains_key(&from) {
            let quietest = all.iter().min_by_key(|(_, (_, last))| *last).map(|(from, _)| *from);
            quietest.map(|quietest| all.remove(&quietest));
        }
        let (guesses, last) = all.entry(from).or_insert((0, now));
        *guesses = guesses.saturating_add(1);
        *last = now;
        (*guesses, if *guesses > FREE { SLOWED_BY } else { Duration::ZERO })
    }
}

/// An IPv6 host has 2^64 addresses of its own: its network counts.
pub(super) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_goes_on_guessing_is_slowed_down_and_nobody_else() {
        let (tokens, start) = (WrongTokens::default(), Instant::now());
        let after = |from: &str, s: u64| {
            tokens.another_at(from.parse().unwrap(), start + Duration::from_secs(s)).1
        };
        for _ in 0..FREE {
            assert_eq!(after("192.0.2.1", 0), Duration::ZERO);
        }
        assert_eq!(after("192.0.2.1", 1), SLOWED_BY);
        assert_eq!(after("::ffff:192.0.2.1", 1), SLOWED_BY, "the same host");
        assert_eq!(after("192.0.2.2", 1), Duration::ZERO);
        assert_eq!(after("192.0.2.1", 60), SLOWED_BY, "it goes on");
        assert_eq!(after("192.0.2.1", 121), Duration::ZERO, "it was quiet");
        for host in 0..FREE {
            assert_eq!(after(&format!("2001:db8::{host:x}"), 130), Duration::ZERO);
        }
        assert_eq!(after("2001:db8::ffff", 130), SLOWED_BY);
    }

    #[test]
    fn p11_addresses_are_bounded() {
        let (tokens, now) = (WrongTokens::default(), Instant::now());
        for n in 0..5_000u32 {
            tokens.another_at(IpAddr::from(n.to_be_bytes()), now);
        }
        assert_eq!(lock(&tokens.guesses).len(), ADDRESSES_MAX);
    }
}
