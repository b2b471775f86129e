//! Log-ins that failed, by account and address: each waits longer than the one before, and none for ever.
//!
//! Nobody else waits: neither the same account from another address, nor another account from the same, unless
//! that address goes on inventing names. They are in a file, so that a restart forgives no more than the last
//! second.

use std::{
    collections::HashMap,
    net::IpAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::secret;
use crate::{
    base::{Rarely, lock, write_whole_secret},
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
/// That an account's password was right in a network is known for so long after the last log-in there.
const PROVEN_FOR_MS: i64 = 30 * FORGOTTEN_AFTER_MS;
/// Entries of all networks. See [`Whose`] for who goes when there are more.
const ENTRIES_MAX: usize = 1_024;
/// Names of one network that have an entry of their own; all further ones of it share one.
const NAMES_MAX: usize = 64;
/// Log-ins of one network that are under way at once: a stranger takes no more than so many of the places
/// where passwords are hashed, and leaves the others to everybody else.
const UNDER_WAY_MAX: usize = 4;
/// The file is written at most once in so long: whoever guesses shall wear out no memory card, and make no
/// press wait for a sync.
const WRITTEN_EVERY: Duration = Duration::from_secs(1);
/// One line of the log in so long, where the file cannot be written.
const SAID_EVERY: Duration = Duration::from_secs(10);

/// Of whom an entry is. When there is no room the first of these go first, so that whoever invents names pushes
/// out nobody but others like himself; of the same, the one that failed least often, and then the oldest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Whose {
    /// Of a name; whether there is such an account makes no difference, since that would tell it.
    #[default]
    Name,
    /// Of all further names of a network.
    Rest,
    /// Of an account whose password was right in this network: inventing names there delays it never.
    Proven,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Failed {
    times: u32,
    /// Unix time, milliseconds.
    last_ms: i64,
    /// The key of the network's [`Whose::Rest`]; files from before there was one have none.
    #[serde(default)]
    network: String,
    #[serde(default)]
    whose: Whose,
}

#[derive(Default)]
struct FailureTable {
    all: HashMap<String, Failed>,
    /// Log-ins now, by the place that they count in.
    under_way: HashMap<String, usize>,
    /// Something of `all` is not in the file.
    is_new: bool,
    /// Somebody will write it.
    has_writer: bool,
}

struct Inner {
    table: Mutex<FailureTable>,
    file: PathBuf,
    said: Mutex<Rarely>,
}

/// All of them. A cheap handle; all clones are one.
#[derive(Clone)]
pub(crate) struct Failures(Arc<Inner>);

/// Why somebody may not try now; nothing was counted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NotNow {
    /// Seconds that he has to wait. None: as many of his network try now as may.
    pub(crate) wait_s: Option<i64>,
}

/// A log-in that is under way. When it is dropped, another one of its network may be.
pub(crate) struct LogInTry {
    failures: Failures,
    /// What it counts in while it is under way.
    place: String,
    /// The account's own entry in this network, which may not be there.
    own: String,
    /// The entry that it is counted in: its own, or the one of all further names.
    key: String,
    before: Option<Failed>,
    after: Failed,
    /// Who had to leave for it.
    gone: Option<(String, Failed)>,
}

impl Failures {
    /// As the file has them; one that cannot be read is begun anew.
    pub(crate) fn at(data: &Path) -> Self {
        let file = data.join(FILE);
        let read = std::fs::read(&file).ok();
        let all = read.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
        let table = Mutex::new(FailureTable { all, ..FailureTable::default() });
        Self(Arc::new(Inner { table, file, said: Mutex::new(Rarely::every(SAID_EVERY)) }))
    }

    /// Somebody tries: counted as failed until it is taken back by [`LogInTry::forgive`] or
    /// [`LogInTry::take_back`], so that a hundred tries at once are no better than one. It touches no disk.
    pub(crate) fn begin(
        &self,
        account: &str,
        from: IpAddr,
        now: Timestamp,
    ) -> Result<LogInTry, NotNow> {
        let ((own, rest), now_ms) = (keys(account, from), now.as_millisecond());
        let mut table = lock(&self.0.table);
        table.forget(now_ms);
        // Who was right here before is not kept out by strangers of the same network, as behind a proxy.
        let proven = table.all.get(&own).is_some_and(|one| one.whose == Whose::Proven);
        let place = if proven { own.clone() } else { rest.clone() };
        let under_way = table.under_way.get(&place).copied().unwrap_or(0);
        if under_way >= UNDER_WAY_MAX {
            return Err(NotNow { wait_s: None });
        }
        let (key, whose) = table.entry_for(&own, &rest);
        let before = table.all.get(&key).cloned();
        let left = before.as_ref().and_then(|failed| failed.waits(now_ms));
        if left.is_some() {
            return Err(NotNow { wait_s: left });
        }
        let times = before.as_ref().map_or(0, |failed| failed.times_at(now_ms)).saturating_add(1);
        let after = Failed { times, last_ms: now_ms, network: rest, whose };
        let gone = table.put(key.clone(), after.clone());
        table.under_way.insert(place.clone(), under_way + 1);
        self.write_behind(&mut table);
        drop(table);
        Ok(LogInTry { failures: self.clone(), place, own, key, before, after, gone })
    }

    /// It is written soon, together with whatever changes until then. Nobody who logs in waits for that.
    fn write_behind(&self, table: &mut FailureTable) {
        table.is_new = true;
        if std::mem::replace(&mut table.has_writer, true) {
            return;
        }
        let own = self.clone();
        tokio::spawn(async move {
            // One at a time, so that on a disk that hangs no threads gather.
            while own.is_owed() {
                tokio::time::sleep(WRITTEN_EVERY).await;
                let writer = own.clone();
                let _ = tokio::task::spawn_blocking(move || writer.write()).await;
            }
        });
    }

    /// Whether something is to be written; if not, its writer ends by that.
    fn is_owed(&self) -> bool {
        let mut table = lock(&self.0.table);
        table.has_writer = table.is_new;
        table.is_new
    }

    /// The table is not locked meanwhile.
    fn write(&self) {
        let written = {
            let mut table = lock(&self.0.table);
            table.is_new = false;
            serde_json::to_vec(&table.all).map_err(std::io::Error::from)
        };
        let written = written.and_then(|bytes| write_whole_secret(&self.0.file, &bytes));
        if let Err(error) = written
            && let Some(more) = lock(&self.0.said).say()
        {
            let what = "failed log-ins cannot be written down: a restart forgets them";
            tracing::warn!(%error, more, "{what}");
        }
    }
}

impl LogInTry {
    /// It was the right password.
    pub(crate) fn forgive(&self) {
        let mut table = lock(&self.failures.0.table);
        // What others of the network failed at stays: an account of one's own is no way to guess at another.
        if self.key != self.own {
            table.put_back(self);
        }
        let proven = Failed { times: 0, whose: Whose::Proven, ..self.after.clone() };
        table.put(self.own.clone(), proven);
        self.failures.write_behind(&mut table);
    }

    /// Nobody has looked at the password: all is as it was before.
    pub(crate) fn take_back(&self) {
        let mut table = lock(&self.failures.0.table);
        table.put_back(self);
        self.failures.write_behind(&mut table);
    }
}

impl Drop for LogInTry {
    fn drop(&mut self) {
        let mut table = lock(&self.failures.0.table);
        let others = table.under_way.get(&self.place).map_or(0, |all| all.saturating_sub(1));
        if others > 0 {
            table.under_way.insert(self.place.clone(), others);
        } else {
            table.under_way.remove(&self.place);
        }
    }
}

impl FailureTable {
    fn forget(&mut self, now_ms: i64) {
        self.all.retain(|_, one| {
            let kept_ms =
                if one.whose == Whose::Proven { PROVEN_FOR_MS } else { FORGOTTEN_AFTER_MS };
            now_ms.saturating_sub(one.last_ms) < kept_ms
        });
    }

    /// The entry that a try is counted in. Where the table is full no name has a new one: a network then pushes
    /// out another entry at most once, for that of all its names, and never to be rid of a failure of its own.
    fn entry_for(&self, own: &str, rest: &str) -> (String, Whose) {
        if let Some(one) = self.all.get(own) {
            return (own.to_owned(), one.whose);
        }
        let is_name = |one: &&Failed| one.whose == Whose::Name && one.network == rest;
        let names = self.all.values().filter(is_name).count();
        if names < NAMES_MAX && self.all.len() < ENTRIES_MAX {
            (own.to_owned(), Whose::Name)
        } else {
            (rest.to_owned(), Whose::Rest)
        }
    }

    /// Who had to leave for it is returned.
    fn put(&mut self, key: String, failed: Failed) -> Option<(String, Failed)> {
        let mut gone = None;
        if self.all.len() >= ENTRIES_MAX && !self.all.contains_key(&key) {
            let least = self.all.iter().min_by_key(|(_, one)| (one.whose, one.times, one.last_ms));
            let least = least.map(|(key, _)| key.clone());
            gone = least.and_then(|least| self.all.remove_entry(&least));
        }
        self.all.insert(key, failed);
        gone
    }

    /// As it was before this try, unless another one has been counted there since: that one stays counted.
    fn put_back(&mut self, tried: &LogInTry) {
        if self.all.get(&tried.key) != Some(&tried.after) {
            return;
        }
        match &tried.before {
            Some(before) => self.all.insert(tried.key.clone(), before.clone()),
            None => self.all.remove(&tried.key),
        };
        if let Some((key, failed)) = &tried.gone
            && self.all.len() < ENTRIES_MAX
        {
            self.all.entry(key.clone()).or_insert_with(|| failed.clone());
        }
    }
}

impl Failed {
    /// Seconds that are left, and what is begun of one. A clock that was set back makes nobody wait.
    fn waits(&self, now_ms: i64) -> Option<i64> {
        // Nobody failed since the password was right.
        let doubled = self.times.checked_sub(1)?.min(20);
        let wait = (FIRST_WAIT_MS << doubled).min(WAIT_MAX_MS);
        let passed = now_ms.saturating_sub(self.last_ms);
        // Counted anew from the next failure on, so that it ends.
        if passed < 0 || passed >= wait {
            return None;
        }
        Some((wait - passed + 999) / 1_000)
    }

    /// How often it has failed without a day's rest: what is known for longer than that begins anew, too.
    fn times_at(&self, now_ms: i64) -> u32 {
        let is_over = now_ms.saturating_sub(self.last_ms) >= FORGOTTEN_AFTER_MS;
        if is_over { 0 } else { self.times }
    }
}

/// Of a name in a network, and of all further names there. None is kept in clear: what was typed there may be a
/// password.
fn keys(account: &str, from: IpAddr) -> (String, String) {
    let network = network(from);
    let of = |text: String| secret::hex(&secret::hash(&text)[..16]);
    (of(format!("{}\n{network}", super::book::same(account))), of(format!("{network}\nmore")))
}

#[cfg(test)]
mod tests;
