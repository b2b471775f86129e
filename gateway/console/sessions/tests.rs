//! Sessions over time, over changes of their accounts, and over a restart.

use std::{collections::BTreeSet, sync::Arc};

use super::*;
use crate::{
    base::SimulatedClock,
    console::accounts::{AccountChange, Doer, NewAccount},
    domain::AccountRole,
};

fn wall(s: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + s).unwrap()
}

fn doer() -> Doer {
    Doer { by: "test".into(), from: None, at: wall(0), may_lock_out: true }
}

fn with_account(data: &Path, name: &str, role: AccountRole) -> Accounts {
    let accounts = Accounts::at(data);
    let password = (role != AccountRole::Wall).then(|| "a long password".to_owned());
    let (roles, grids) = (BTreeSet::from([role]), BTreeSet::new());
    accounts.add(NewAccount { name: name.into(), roles, grids, password }, &doer()).unwrap();
    accounts
}

fn token(text: &str) -> Opener {
    Opener::Token(hex(&hash(text)))
}

#[test]
fn a_session_ends_when_idle_logged_out_or_when_the_token_changes() {
    let folder = tempfile::tempdir().unwrap();
    let accounts = Accounts::at(folder.path());
    let (sessions, start, key) = (Sessions::default(), Instant::now(), [1; 32]);
    let after = |s: u64| start + Duration::from_secs(s);
    let used = |token: &str, at: Instant| sessions.used_at(&key, token, &accounts, at);
    let stands = |token: &str, at: Instant| sessions.stands_at(&key, token, &accounts, at);
    sessions.open_at(key, token("token"), start);
    assert_eq!(used("token", after(12 * 3600 - 1)), Some(Seat::Token(None)));
    sessions.named(&key, " 李建国\n");
    assert_eq!(used("token", after(24 * 3600 - 2)), Some(Seat::Token(Some("李建国".into()))));
    assert_eq!(used("token", after(36 * 3600 - 2)), None, "idle for 12 h");
    // A page that is open, and only hears, uses it not.
    sessions.open_at(key, token("token"), start);
    assert!(stands("token", after(12 * 3600 - 1)));
    assert!(!stands("token", after(12 * 3600)) && !stands("another", start));
    sessions.open_at(key, token("token"), start);
    assert_eq!(used("another", start), None);
    assert_eq!(used("token", start), None, "it is gone");
    sessions.open_at(key, token("token"), start);
    sessions.end(&key);
    assert_eq!(used("token", start), None);
}

#[test]
fn only_the_hash_is_kept_and_the_cookie_finds_it() {
    let folder = tempfile::tempdir().unwrap();
    let accounts = Accounts::at(folder.path());
    let clock = SimulatedClock::at(wall(0));
    let sessions = Sessions::at(folder.path(), clock);
    let value = sessions.open("token").unwrap();
    assert_eq!((value.len(), value != sessions.open("token").unwrap()), (64, true));
    sessions.write_blocking();
    let text = std::fs::read_to_string(folder.path().join(FILE)).unwrap();
    assert!(!text.contains(&value) && text.contains(&hex(&hash(&value))), "{text}");
    let mut headers = HeaderMap::new();
    headers.insert(header::COOKIE, format!("a=b; gridpost={value}").parse().unwrap());
    let key = key_of(&headers, "gridpost").unwrap();
    assert!(sessions.stands(&key, "token", &accounts));
    assert_eq!(key_of(&headers, "__Host-gridpost"), None);
    assert!(set_cookie(true, &value, false).ends_with("; HttpOnly; SameSite=Strict; Secure"));
}

#[test]
fn p11_sessions_are_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let accounts = Accounts::at(folder.path());
    let (sessions, now) = (Sessions::default(), Instant::now());
    for n in 0..1_500u32 {
        let mut key = [0; 32];
        key[..4].copy_from_slice(&n.to_be_bytes());
        sessions.open_at(key, token("t"), now + Duration::from_millis(n.into()));
    }
    assert_eq!(lock(&sessions.0.all).len(), SESSIONS_MAX);
    assert_eq!(sessions.used_at(&[0; 32], "t", &accounts, now), None, "the oldest has gone");
}

#[test]
fn whatever_changes_an_account_ends_its_sessions_and_nobody_elses() {
    let folder = tempfile::tempdir().unwrap();
    let accounts = with_account(folder.path(), "li", AccountRole::Officer);
    with_account(folder.path(), "wang", AccountRole::Officer);
    let sessions = Sessions::default();
    let open = |name: &str| {
        let account = accounts.account(name).unwrap();
        hash(&sessions.open_account(&account).unwrap())
    };
    let stands = |key: &SessionKey| sessions.stands(key, "token", &accounts);
    let other = open("wang");
    let change = |change: AccountChange| accounts.change("li", &change, &doer()).unwrap();
    let none = AccountChange::default;
    for changed in [
        AccountChange { password: Some("another password".into()), ..none() },
        AccountChange { roles: Some([AccountRole::Auditor].into()), ..none() },
        AccountChange { disabled: Some(true), ..none() },
    ] {
        let key = open("li");
        assert!(stands(&key));
        change(changed.clone());
        assert!(!stands(&key) && stands(&other), "{changed:?}");
    }
    assert!(accounts.account("li").is_none(), "disabled");
    change(AccountChange { disabled: Some(false), ..none() });
    let key = open("li");
    assert!(stands(&key));
    accounts.remove("li", &doer()).unwrap();
    // Somebody else of the same name has nothing of it.
    with_account(folder.path(), "li", AccountRole::Officer);
    assert!(!stands(&key) && stands(&other));
}

#[test]
fn a_restart_logs_nobody_out_and_counts_as_idle_time() {
    let folder = tempfile::tempdir().unwrap();
    let accounts = with_account(folder.path(), "li", AccountRole::Officer);
    with_account(folder.path(), "大厅", AccountRole::Wall);
    let clock = SimulatedClock::at(wall(0));
    let sessions = Sessions::at(folder.path(), clock.clone());
    let open = |name: &str| sessions.open_account(&accounts.account(name).unwrap()).unwrap();
    let keys = [open("li"), open("大厅"), sessions.open("token").unwrap()].map(|v| hash(&v));
    sessions.named(&keys[2], "王警官");
    sessions.write_blocking();
    let stand = |away: i64| {
        let clock = SimulatedClock::at(wall(away));
        let again = Sessions::at(folder.path(), clock);
        keys.map(|key| again.stands(&key, "token", &accounts))
    };
    assert_eq!(stand(12 * 3600 - 1), [true, true, true]);
    assert_eq!(stand(12 * 3600), [false, true, false], "a wall is never idle");
    assert_eq!(stand(-1_000), [true, true, true], "the clock was set back");
    let again = Sessions::at(folder.path(), clock);
    let seat = again.used(&keys[2], "token", &accounts);
    assert_eq!(seat, Some(Seat::Token(Some("王警官".into()))));
    std::fs::write(folder.path().join(FILE), "{").unwrap();
    assert_eq!(stand(0), [false, false, false], "a file that was cut off is none");
}

#[tokio::test]
async fn a_clock_before_it_was_set_ends_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let accounts = with_account(folder.path(), "li", AccountRole::Officer);
    let clock: Arc<dyn Clock> = SimulatedClock::at(Timestamp::from_second(1_000).unwrap());
    let sessions = Sessions::at(folder.path(), clock);
    let value = sessions.open_account(&accounts.account("li").unwrap()).unwrap();
    sessions.write().await;
    let again = Sessions::at(folder.path(), SimulatedClock::at(wall(0)));
    assert!(again.stands(&hash(&value), "token", &accounts));
}
