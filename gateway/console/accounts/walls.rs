//! Pairing a screen on a wall: it shows a code, a commander who is logged in confirms it, and the screen has its session.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use super::secret::{self, SecretHash};
use crate::base::lock;

/// Screens that wait at once; the oldest goes.
const WAITING_MAX: usize = 64;
/// A code is good for so long.
pub(crate) const GOOD_FOR: Duration = Duration::from_secs(10 * 60);
const LETTERS: usize = 8;

struct Waiting {
    code: String,
    /// Of what the screen alone knows.
    secret: SecretHash,
    began: Instant,
    /// The account that it was given.
    granted: Option<String>,
}

/// Screens that wait. A cheap handle; all clones are one.
#[derive(Clone, Default)]
pub(crate) struct Walls(Arc<Mutex<Vec<Waiting>>>);

/// How a screen stands that asks.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum WallState {
    /// Nobody has confirmed it yet.
    Waits,
    /// It is this account from now on.
    Granted(String),
    /// Its code is good no more.
    Gone,
}

impl Walls {
    /// What the screen shows, and what it alone knows.
    pub(crate) fn begin(&self, now: Instant) -> Result<(String, String), String> {
        let (code, own) = (secret::random_code(LETTERS)?, secret::random_hex(32)?);
        let mut all = self.still(now);
        if all.len() >= WAITING_MAX {
            all.remove(0);
        }
        let waiting = Waiting {
            code: secret::plain_code(&code),
            secret: secret::hash(&own),
            began: now,
            granted: None,
        };
        all.push(waiting);
        Ok((code, own))
    }

    /// Whether a screen waits with this code.
    pub(crate) fn waits(&self, code: &str, now: Instant) -> bool {
        let code = secret::plain_code(code);
        self.still(now).iter().any(|one| one.code == code && one.granted.is_none())
    }

    /// The screen with this code is this account; false: none waits with it.
    pub(crate) fn grant(&self, code: &str, account: &str, now: Instant) -> bool {
        let code = secret::plain_code(code);
        let mut all = self.still(now);
        let found = all.iter_mut().find(|one| one.code == code && one.granted.is_none());
        let Some(found) = found else { return false };
        found.granted = Some(account.to_owned());
        true
    }

    /// How the screen with this secret stands; what it was given is given once.
    pub(crate) fn ask(&self, own: &str, now: Instant) -> WallState {
        let own = secret::hash(own);
        let mut all = self.still(now);
        let Some(at) = all.iter().position(|one| one.secret == own) else {
            return WallState::Gone;
        };
        match all.get(at).and_then(|one| one.granted.clone()) {
            Some(account) => {
                all.remove(at);
                WallState::Granted(account)
            }
            None => WallState::Waits,
        }
    }

    fn still(&self, now: Instant) -> std::sync::MutexGuard<'_, Vec<Waiting>> {
        let mut all = lock(&self.0);
        all.retain(|one| now.saturating_duration_since(one.began) < GOOD_FOR);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_screen_is_given_its_account_once_by_its_own_code() {
        let (walls, now) = (Walls::default(), Instant::now());
        let (code, own) = walls.begin(now).unwrap();
        let (other, others) = walls.begin(now).unwrap();
        assert_eq!(walls.ask(&own, now), WallState::Waits);
        assert!(walls.waits(&code.to_lowercase(), now) && !walls.waits("", now));
        assert!(!walls.grant("AAAA-AAAA", "大厅", now));
        assert!(walls.grant(&code, "大厅", now) && !walls.grant(&code, "again", now));
        assert_eq!(walls.ask(&code, now), WallState::Gone, "what it shows opens nothing");
        assert_eq!(walls.ask(&others, now), WallState::Waits);
        assert_eq!(walls.ask(&own, now), WallState::Granted("大厅".into()));
        assert_eq!(walls.ask(&own, now), WallState::Gone, "once");
        assert!(!walls.grant(&other, "late", now + GOOD_FOR));
        assert_eq!(walls.ask(&others, now + GOOD_FOR), WallState::Gone);
    }

    #[test]
    fn p11_screens_that_wait_are_bounded() {
        let (walls, now) = (Walls::default(), Instant::now());
        let (_, first) = walls.begin(now).unwrap();
        (0..WAITING_MAX).for_each(|_| drop(walls.begin(now).unwrap()));
        assert_eq!(lock(&walls.0).len(), WAITING_MAX);
        assert_eq!(walls.ask(&first, now), WallState::Gone);
    }
}
