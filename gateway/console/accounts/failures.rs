//! Log-ins that failed, by account and address: each waits longer than the one before, and none for ever.
//!
//! Nobody else waits: neither the same account from another address, nor another account from the same. They are
//! in a file, so that a restart forgives nothing.

use std::{
    collections::HashMap,
    net::IpAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::secret;
use crate::{
    base::{lock, write_whole_secret},
    console::wrong_tokens::network,
};

/// In the data folder.
const FILE: &str = "login-failures.json";
/// After the first failure; it doubles with each.
const FIRST_WAIT_MS: i64 = 1_000;
/// No longer than this.
const WAIT_MAX_MS: i64 = 15 * 60 * 1_000;
/// Who was quiet for so long begins anew.
const FORGOTTEN_AFTER_MS: i64 = 24 * 3600 * 1_000;
/// Of these the one that failed least often goes, and of those the oldest.
const KEPT_MAX: usize = 1_024;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Failed {
    times: u32,
    /// Unix time, milliseconds.
    last_ms: i64,
}

/// All of them. A cheap handle; all clones are one.
#[derive(Clone)]
pub(crate) struct Failures {
    all: Arc<Mutex<HashMap<String, Failed>>>,
    file: PathBuf,
}

impl Failures {
    /// As the file has them; one that cannot be read is begun anew.
    pub(crate) fn at(data: &Path) -> Self {
        let file = data.join(FILE);
        let read = std::fs::read(&file).ok();
        let all = read.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
        Self { all: Arc::new(Mutex::new(all)), file }
    }

    /// Somebody tries: counted as failed until it is taken back by [`Self::forgive`], so that a hundred tries at
    /// once are no better than one. The error: how many seconds he has to wait, and nothing is counted.
    pub(crate) fn begin(&self, account: &str, from: IpAddr, now: Timestamp) -> Result<(), i64> {
        let (key, now_ms) = (key(account, from), now.as_millisecond());
        let mut all = lock(&self.all);
        if let Some(left) = all.get(&key).and_then(|failed| failed.waits(now_ms)) {
            return Err(left);
        }
        all.retain(|_, failed| now_ms.saturating_sub(failed.last_ms) < FORGOTTEN_AFTER_MS);
        if all.len() >= KEPT_MAX && !all.contains_key(&key) {
            let least = all.iter().min_by_key(|(_, failed)| (failed.times, failed.last_ms));
            let least = least.map(|(key, _)| key.clone());
            least.map(|least| all.remove(&least));
        }
        let failed = all.entry(key).or_insert(Failed { times: 0, last_ms: now_ms });
        failed.times = failed.times.saturating_add(1);
        failed.last_ms = now_ms;
        self.write(&all);
        Ok(())
    }

    /// It was the right password.
    pub(crate) fn forgive(&self, account: &str, from: IpAddr) {
        let mut all = lock(&self.all);
        if all.remove(&key(account, from)).is_some() {
            self.write(&all);
        }
    }

    /// A few milliseconds, and no more often than somebody may try.
    fn write(&self, all: &HashMap<String, Failed>) {
        let written = serde_json::to_vec(all).map_err(std::io::Error::from);
        if let Err(error) = written.and_then(|bytes| write_whole_secret(&self.file, &bytes)) {
            tracing::warn!(%error, "failed log-ins cannot be written down: a restart forgets them");
        }
    }
}

impl Failed {
    /// Seconds that are left, and what is begun of one. A clock that was set back makes nobody wait.
    fn waits(&self, now_ms: i64) -> Option<i64> {
        let doubled = self.times.saturating_sub(1).min(20);
        let wait = (FIRST_WAIT_MS << doubled).min(WAIT_MAX_MS);
        let passed = now_ms.saturating_sub(self.last_ms);
        // Counted anew from the next failure on, so that it ends.
        if passed < 0 || passed >= wait {
            return None;
        }
        Some((wait - passed + 999) / 1_000)
    }
}

/// No name is kept in clear: what was typed there may be a password.
fn key(account: &str, from: IpAddr) -> String {
    let text = format!("{}\n{}", super::book::same(account), network(from));
    secret::hex(&secret::hash(&text)[..16])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(s: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + s).unwrap()
    }

    fn from(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn each_failure_waits_twice_as_long_up_to_a_quarter_of_an_hour() {
        let folder = tempfile::tempdir().unwrap();
        let failures = Failures::at(folder.path());
        let one = from("192.0.2.1");
        let mut now = 0;
        for n in 0..15 {
            failures.begin("Li", one, at(now)).unwrap();
            let wait = (1i64 << n).min(900);
            assert_eq!(failures.begin("li ", one, at(now)), Err(wait), "after {n}");
            assert_eq!(failures.begin("li", one, at(now + wait - 1)), Err(1));
            now += wait;
        }
        // Nobody else waits.
        assert_eq!(failures.begin("wang", one, at(now - 1)), Ok(()));
        assert_eq!(failures.begin("li", from("192.0.2.2"), at(now - 1)), Ok(()));
        // It is on disk, and nobody's name is.
        let again = Failures::at(folder.path());
        assert_eq!(again.begin("li", one, at(now - 1)), Err(1));
        let text = std::fs::read_to_string(folder.path().join(FILE)).unwrap();
        assert!(!text.contains("li") && !text.contains("192.0.2"), "{text}");
        // The right password ends it, and so does a day.
        again.forgive("LI", one);
        assert_eq!(again.begin("li", one, at(now - 1)), Ok(()));
        assert_eq!(again.begin("li", one, at(now)), Ok(()));
    }

    #[test]
    fn a_clock_that_jumps_locks_nobody_out() {
        let folder = tempfile::tempdir().unwrap();
        let failures = Failures::at(folder.path());
        let one = from("192.0.2.1");
        for n in 0..20 {
            let _ = failures.begin("li", one, at(n * 1_000));
        }
        let past = Timestamp::from_second(1_000).unwrap();
        assert_eq!(failures.begin("li", one, past), Ok(()));
        assert_eq!(failures.begin("li", one, past), Err(900));
        let later = Timestamp::from_second(1_900).unwrap();
        assert_eq!(failures.begin("li", one, later), Ok(()));
    }

    #[test]
    fn p11_they_are_bounded_and_who_failed_most_stays() {
        let folder = tempfile::tempdir().unwrap();
        let failures = Failures { all: Arc::default(), file: folder.path().join("no/folder") };
        let one = from("192.0.2.1");
        for n in 0..3 {
            failures.begin("li", one, at(n * 10)).unwrap();
        }
        for n in 0..1_500 {
            failures.begin(&format!("x{n}"), one, at(30)).unwrap();
        }
        assert_eq!(lock(&failures.all).len(), KEPT_MAX);
        assert!(failures.begin("li", one, at(21)).is_err(), "it is still known");
    }

    #[test]
    fn a_file_that_was_cut_off_is_begun_anew() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(FILE), "{\"a\":{\"times\":").unwrap();
        let failures = Failures::at(folder.path());
        assert_eq!(failures.begin("li", from("192.0.2.1"), at(0)), Ok(()));
    }
}
