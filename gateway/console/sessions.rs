//! Who is logged in at a browser: an opaque cookie of 256 bits, of which only the hash is kept, in memory.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::http::{HeaderMap, header};
use rand::{TryRngCore, rngs::OsRng};
use sha2::{Digest, Sha256};

use crate::base::lock;

const COOKIE_BYTES: usize = 32;
/// A session that nobody used for so long is over; an open page uses it.
const IDLE_MAX: Duration = Duration::from_secs(12 * 3600);
/// Sessions at once; when there are more, the one that was idle for longest goes.
const SESSIONS_MAX: usize = 1_024;
/// Characters of the name that an officer gives.
const NAME_CHARS_MAX: usize = 100;

/// Names one session, and opens none.
pub(super) type SessionKey = [u8; 32];

struct Session {
    used: Instant,
    /// Hash of the token that opened it: with another token it is over.
    token: [u8; 32],
    /// Who sits there, as claimed.
    by: Option<Arc<str>>,
}

/// All sessions. A cheap handle; all clones are one. They outlive a reload, and not the process.
#[derive(Clone, Default)]
pub struct Sessions(Arc<Mutex<HashMap<SessionKey, Session>>>);

impl Sessions {
    /// Opens one for who has shown this token: the value of its cookie, 64 hex digits.
    pub(super) fn open(&self, token: &str) -> Result<String, String> {
        let mut bytes = [0u8; COOKIE_BYTES];
        OsRng.try_fill_bytes(&mut bytes).map_err(|error| format!("no random bytes: {error}"))?;
        let value: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        self.open_at(hash(&value), hash(token), Instant::now());
        Ok(value)
    }

    fn open_at(&self, key: SessionKey, token: [u8; 32], now: Instant) {
        let mut all = lock(&self.0);
        all.retain(|_, session| now.saturating_duration_since(session.used) < IDLE_MAX);
        if all.len() >= SESSIONS_MAX {
            let oldest = all.iter().min_by_key(|(_, session)| session.used).map(|(key, _)| *key);
            oldest.map(|oldest| all.remove(&oldest));
        }
        all.insert(key, Session { used: now, token, by: None });
    }

    /// It is used now: who sits there, `None` inside if he has not said it. `None`: there is none any more.
    pub(super) fn used(&self, key: &SessionKey, token: &str) -> Option<Option<Arc<str>>> {
        self.used_at(key, hash(token), Instant::now())
    }

    fn used_at(&self, key: &SessionKey, token: [u8; 32], now: Instant) -> Option<Option<Arc<str>>> {
        let mut all = lock(&self.0);
        let session = all.get_mut(key)?;
        if session.token != token || now.saturating_duration_since(session.used) >= IDLE_MAX {
            all.remove(key);
            return None;
        }
        session.used = now;
        Some(session.by.clone())
    }

    /// Whether there is one, which is not used by that: an open page alone does not keep it for ever.
    pub(super) fn stands(&self, key: &SessionKey, token: &str) -> bool {
        self.stands_at(key, hash(token), Instant::now())
    }

    fn stands_at(&self, key: &SessionKey, token: [u8; 32], now: Instant) -> bool {
        let is_idle = |session: &Session| now.saturating_duration_since(session.used) >= IDLE_MAX;
        lock(&self.0).get(key).is_some_and(|session| session.token == token && !is_idle(session))
    }

    /// Who sits there says his name; cut at 100 characters.
    pub(super) fn named(&self, key: &SessionKey, by: &str) {
        let by: String = by.chars().filter(|c| !c.is_control()).take(NAME_CHARS_MAX).collect();
        if let Some(session) = lock(&self.0).get_mut(key) {
            session.by = Some(by.trim()).filter(|by| !by.is_empty()).map(Arc::from);
        }
    }

    /// He has logged out.
    pub(super) fn end(&self, key: &SessionKey) {
        lock(&self.0).remove(key);
    }
}

fn hash(value: &str) -> [u8; 32] {
    Sha256::digest(value.as_bytes()).into()
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

/// `Set-Cookie`; an empty value takes it back.
pub(super) fn set_cookie(tls: bool, value: &str) -> String {
    let (name, secure) = (cookie_name(tls), if tls { "; Secure" } else { "" });
    let ended = if value.is_empty() { "; Max-Age=0" } else { "" };
    format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict{secure}{ended}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_ends_when_idle_logged_out_or_when_the_token_changes() {
        let (sessions, start) = (Sessions::default(), Instant::now());
        let (key, token) = ([1; 32], hash("token"));
        let after = |s: u64| start + Duration::from_secs(s);
        sessions.open_at(key, token, start);
        assert_eq!(sessions.used_at(&key, token, after(12 * 3600 - 1)), Some(None));
        sessions.named(&key, " 李建国\n");
        assert_eq!(
            sessions.used_at(&key, token, after(24 * 3600 - 2)),
            Some(Some("李建国".into()))
        );
        assert_eq!(sessions.used_at(&key, token, after(36 * 3600 - 2)), None, "idle for 12 h");
        // A page that is open, and only hears, uses it not.
        sessions.open_at(key, token, start);
        assert!(sessions.stands_at(&key, token, after(12 * 3600 - 1)));
        assert!(!sessions.stands_at(&key, token, after(12 * 3600)));
        assert!(!sessions.stands_at(&key, hash("another"), start));
        sessions.open_at(key, token, start);
        assert_eq!(sessions.used_at(&key, hash("another"), start), None);
        assert_eq!(sessions.used_at(&key, token, start), None, "it is gone");
        sessions.open_at(key, token, start);
        sessions.end(&key);
        assert_eq!(sessions.used_at(&key, token, start), None);
    }

    #[test]
    fn only_the_hash_is_kept_and_the_cookie_finds_it() {
        let sessions = Sessions::default();
        let value = sessions.open("token").unwrap();
        assert_eq!((value.len(), value != sessions.open("token").unwrap()), (64, true));
        assert!(lock(&sessions.0).keys().all(|key| *key != value.as_bytes()[..32]));
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, format!("a=b; gridpost={value}").parse().unwrap());
        let key = key_of(&headers, "gridpost").unwrap();
        assert_eq!(sessions.used(&key, "token"), Some(None));
        assert_eq!(key_of(&headers, "__Host-gridpost"), None);
        assert!(set_cookie(true, &value).ends_with("; HttpOnly; SameSite=Strict; Secure"));
    }

    #[test]
    fn p11_sessions_are_bounded() {
        let (sessions, now) = (Sessions::default(), Instant::now());
        for n in 0..1_500u32 {
            let mut key = [0; 32];
            key[..4].copy_from_slice(&n.to_be_bytes());
            sessions.open_at(key, [0; 32], now + Duration::from_millis(n.into()));
        }
        assert_eq!(lock(&sessions.0).len(), SESSIONS_MAX);
        assert_eq!(sessions.used_at(&[0; 32], [0; 32], now), None, "the oldest has gone");
    }
}
