//! Who is logged in at a browser: an opaque cookie of 256 bits, of which only the hash is kept, in a file too.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::http::{HeaderMap, header};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::accounts::{Account, Accounts, SecretHash, hash, hex, parse_hash, random_hex};
use crate::{
    base::{lock, write_whole_secret},
    domain::{Clock, Now},
};

/// In the data folder.
const FILE: &str = "sessions.json";
const COOKIE_BYTES: usize = 32;
/// A session that nobody used for so long is over; an open page uses it. A wall's is not.
const IDLE_MAX: Duration = Duration::from_secs(12 * 3600);
/// Sessions at once; when there are more, the one that was idle for longest goes.
const SESSIONS_MAX: usize = 1_024;
/// Characters of the name that an officer gives.
const NAME_CHARS_MAX: usize = 100;
/// That sessions are used is written down so often: a power cut makes each older by that.
const WRITTEN_EVERY: Duration = Duration::from_secs(60);

/// Names one session, and opens none.
pub(super) type SessionKey = SecretHash;

/// What opened a session: with another one it is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Opener {
    /// Hash of the token of the site.
    Token(String),
    Account {
        name: String,
        stamp: String,
    },
}

/// Who sits at a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Seat {
    /// Whoever had the token; his name, as claimed, if he has said it.
    Token(Option<Arc<str>>),
    Account(Arc<Account>),
}

struct Session {
    used: Instant,
    /// How long it had been idle already when the gateway started; nothing once it was used.
    idle_before: Duration,
    opener: Opener,
    /// Who sits there, as claimed.
    by: Option<Arc<str>>,
}

#[derive(Serialize, Deserialize)]
struct KeptSession {
    key: String,
    opener: Opener,
    /// When the file was written.
    idle_s: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    by: Option<Arc<str>>,
}

#[derive(Serialize, Deserialize)]
struct KeptSessions {
    at: Timestamp,
    sessions: Vec<KeptSession>,
}

#[derive(Default)]
struct Inner {
    all: Mutex<HashMap<SessionKey, Session>>,
    /// Where they are kept, and by which clock; none: in memory alone.
    kept: Option<(PathBuf, Arc<dyn Clock>)>,
    /// When they were last written; one writes at a time, and what it writes is what is so then.
    written: Mutex<Option<Instant>>,
}

/// All sessions. A cheap handle; all clones are one. They outlive a reload and the process.
#[derive(Clone, Default)]
pub(super) struct Sessions(Arc<Inner>);

impl Sessions {
    /// As the data folder has them. A file that cannot be read is none: everybody logs in again.
    pub(super) fn at(data: &Path, clock: Arc<dyn Clock>) -> Self {
        let (file, now) = (data.join(FILE), Instant::now());
        let kept = std::fs::read(&file).ok();
        let kept = kept.and_then(|bytes| serde_json::from_slice::<KeptSessions>(&bytes).ok());
        let all = kept.map(|kept| restored(kept, clock.now().wall, now)).unwrap_or_default();
        let (all, written) = (Mutex::new(all), Mutex::new(Some(now)));
        Self(Arc::new(Inner { all, kept: Some((file, clock)), written }))
    }

    /// Opens one for who has shown this token: the value of its cookie, 64 hex digits.
    pub(super) fn open(&self, token: &str) -> Result<String, String> {
        self.open_for(Opener::Token(hex(&hash(token))))
    }

    /// Opens one for who has this account.
    pub(super) fn open_account(&self, account: &Account) -> Result<String, String> {
        let (name, stamp) = (account.name.clone(), account.stamp.clone());
        self.open_for(Opener::Account { name, stamp })
    }

    fn open_for(&self, opener: Opener) -> Result<String, String> {
        let value = random_hex(COOKIE_BYTES)?;
        self.open_at(hash(&value), opener, Instant::now());
        Ok(value)
    }

    fn open_at(&self, key: SessionKey, opener: Opener, now: Instant) {
        let mut all = lock(&self.0.all);
        if all.len() >= SESSIONS_MAX {
            let oldest =
                all.iter().max_by_key(|(_, session)| session.idle(now)).map(|(key, _)| *key);
            oldest.map(|oldest| all.remove(&oldest));
        }
        let idle_before = Duration::ZERO;
        all.insert(key, Session { used: now, idle_before, opener, by: None });
    }

    /// It is used now: who sits there. `None`: there is none any more.
    pub(super) fn used(&self, key: &SessionKey, token: &str, accounts: &Accounts) -> Option<Seat> {
        let now = Instant::now();
        let seat = self.used_at(key, token, accounts, now);
        let is_old = |at: Instant| now.saturating_duration_since(at) >= WRITTEN_EVERY;
        // Whoever holds it is writing: no request waits for a disk.
        if let Ok(mut written) = self.0.written.try_lock()
            && written.is_some_and(is_old)
        {
            *written = Some(now);
            drop(written);
            let own = self.clone();
            tokio::spawn(async move { own.write().await });
        }
        seat
    }

    fn used_at(
        &self,
        key: &SessionKey,
        token: &str,
        accounts: &Accounts,
        now: Instant,
    ) -> Option<Seat> {
        let mut all = lock(&self.0.all);
        let session = all.get_mut(key)?;
        match session.seat(token, accounts, now) {
            Some(seat) => {
                session.used = now;
                session.idle_before = Duration::ZERO;
                Some(seat)
            }
            None => {
                all.remove(key);
                None
            }
        }
    }

    /// Whether there is one, which is not used by that: an open page alone does not keep it for ever.
    pub(super) fn stands(&self, key: &SessionKey, token: &str, accounts: &Accounts) -> bool {
        self.stands_at(key, token, accounts, Instant::now())
    }

    fn stands_at(&self, key: &SessionKey, token: &str, accounts: &Accounts, now: Instant) -> bool {
        let all = lock(&self.0.all);
        all.get(key).is_some_and(|session| session.seat(token, accounts, now).is_some())
    }

    /// Who sits there says his name; cut at 100 characters.
    pub(super) fn named(&self, key: &SessionKey, by: &str) {
        let by: String = by.chars().filter(|c| !c.is_control()).take(NAME_CHARS_MAX).collect();
        if let Some(session) = lock(&self.0.all).get_mut(key) {
            session.by = Some(by.trim()).filter(|by| !by.is_empty()).map(Arc::from);
        }
    }

    /// He has logged out.
    pub(super) fn end(&self, key: &SessionKey) {
        lock(&self.0.all).remove(key);
    }

    /// Puts them on disk as they are now, for a restart.
    pub(super) async fn write(&self) {
        let own = self.clone();
        let _ = tokio::task::spawn_blocking(move || own.write_blocking()).await;
    }

    fn write_blocking(&self) {
        let Some((file, clock)) = &self.0.kept else { return };
        let mut written = lock(&self.0.written);
        let now = Instant::now();
        let kept = |(key, session): (&SessionKey, &Session)| KeptSession {
            key: hex(key),
            opener: session.opener.clone(),
            idle_s: session.idle(now).as_secs(),
            by: session.by.clone(),
        };
        let sessions = lock(&self.0.all).iter().map(kept).collect();
        let kept = KeptSessions { at: clock.now().wall, sessions };
        let bytes = serde_json::to_vec(&kept).map_err(std::io::Error::from);
        if let Err(error) = bytes.and_then(|bytes| write_whole_secret(file, &bytes)) {
            tracing::warn!(%error, "sessions cannot be written down: a restart ends them");
        }
        *written = Some(now);
    }
}

impl Session {
    fn idle(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.used).saturating_add(self.idle_before)
    }

    fn seat(&self, token: &str, accounts: &Accounts, now: Instant) -> Option<Seat> {
        let idle = self.idle(now) >= IDLE_MAX;
        match &self.opener {
            Opener::Token(hashed) => {
                let same = *hashed == hex(&hash(token));
                (same && !idle).then(|| Seat::Token(self.by.clone()))
            }
            Opener::Account { name, stamp } => {
                let account = accounts.standing(name, stamp)?;
                (!idle || account.is_wall()).then_some(Seat::Account(account))
            }
        }
    }
}

/// Sessions of a file. While the gateway was away they were idle too, where both clocks can be right.
fn restored(kept: KeptSessions, wall: Timestamp, now: Instant) -> HashMap<SessionKey, Session> {
    let away = match Now::is_plausible(kept.at) && Now::is_plausible(wall) {
        true => u64::try_from(wall.duration_since(kept.at).as_secs()).unwrap_or(0),
        false => 0,
    };
    let session = |kept: KeptSession| {
        let idle_before = Duration::from_secs(kept.idle_s.saturating_add(away));
        let session = Session { used: now, idle_before, opener: kept.opener, by: kept.by };
        Some((parse_hash(&kept.key)?, session))
    };
    kept.sessions.into_iter().take(SESSIONS_MAX).filter_map(session).collect()
}

/// Of the cookie of this name, if there is one that can be ours.
pub(super) fn key_of(headers: &HeaderMap, name: &str) -> Option<SessionKey> {
    let cookies = headers.get_all(header::COOKIE).into_iter().filter_map(|all| all.to_str().ok());
    let mut pairs = cookies.flat_map(|all| all.split(';')).filter_map(|one| one.split_once('='));
    let (_, value) = pairs.find(|(key, _)| key.trim() == name)?;
    let value = value.trim();
    (value.len() == 2 * COOKIE_BYTES).then(|| hash(value))
}

/// The name of the cookie: bound to this host alone where there is TLS.
pub(super) fn cookie_name(tls: bool) -> &'static str {
    if tls { "__Host-gridpost" } else { "gridpost" }
}

/// `Set-Cookie`; an empty value takes it back. `lasting`: a wall's browser that is started anew has it still.
pub(super) fn set_cookie(tls: bool, value: &str, lasting: bool) -> String {
    let (name, secure) = (cookie_name(tls), if tls { "; Secure" } else { "" });
    let ended = match (value.is_empty(), lasting) {
        (true, _) => "; Max-Age=0",
        (false, true) => "; Max-Age=31536000",
        (false, false) => "",
    };
    format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict{secure}{ended}")
}

#[cfg(test)]
mod tests;
