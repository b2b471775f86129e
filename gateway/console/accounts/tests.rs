//! The list of accounts and tokens on disk: who is let in, who stays, and what is written down.

use std::os::unix::fs::PermissionsExt;

use jiff::SignedDuration;

use super::*;

fn at(s: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + s).unwrap()
}

fn doer(from: Option<&str>) -> Doer {
    let may_lock_out = from.is_none();
    Doer { by: "test".into(), from: from.map(str::to_owned), at: at(0), may_lock_out }
}

fn new(name: &str, roles: &[AccountRole]) -> NewAccount {
    NewAccount {
        name: name.into(),
        roles: roles.iter().copied().collect(),
        grids: BTreeSet::new(),
        password: Some("a long password".into()),
    }
}

#[tokio::test]
async fn who_has_the_password_is_let_in_and_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let accounts = Accounts::at(folder.path());
    accounts.add(new("李建国", &[AccountRole::Officer]), &doer(None)).unwrap();
    let log_in = async |name: &str, password: &str| {
        accounts.log_in(name, password.into()).await.unwrap().map(|account| account.name.clone())
    };
    assert_eq!(log_in("李建国", "a long password").await.as_deref(), Some("李建国"));
    assert_eq!(log_in(" 李建国 ", "a long password").await.as_deref(), Some("李建国"));
    for (name, password) in [
        ("李建国", "a long passwore"),
        ("李建国", ""),
        ("李建", "a long password"),
        ("", ""),
        ("nobody", "nobody's password"),
    ] {
        assert_eq!(log_in(name, password).await, None, "{name}");
    }
    let path = folder.path().join(FILE);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.contains("$argon2id$") && !text.contains("a long password"), "{text}");
    // What another process writes is seen at the next question.
    let other = Accounts::at(folder.path());
    let disabled = AccountChange { disabled: Some(true), ..AccountChange::default() };
    other.change("李建国", &disabled, &doer(None)).unwrap();
    assert_eq!(log_in("李建国", "a long password").await, None);
}

#[test]
fn the_last_account_that_may_change_accounts_is_taken_at_the_machine_alone() {
    let folder = tempfile::tempdir().unwrap();
    let accounts = Accounts::at(folder.path());
    let web = doer(Some("192.0.2.1"));
    accounts.add(new("li", &[AccountRole::Commander]), &doer(None)).unwrap();
    accounts.add(new("wang", &[AccountRole::Officer]), &web).unwrap();
    let refused = |done: Result<(), AccountProblem>| {
        assert!(matches!(done, Err(AccountProblem::Refused(_))), "{done:?}");
    };
    let officer =
        AccountChange { roles: Some([AccountRole::Officer].into()), ..Default::default() };
    let off = AccountChange { disabled: Some(true), ..AccountChange::default() };
    refused(accounts.remove("li", &web));
    refused(accounts.change("li", &officer, &web));
    refused(accounts.change("li", &off, &web));
    refused(accounts.add(new("LI ", &[AccountRole::Officer]), &web));
    refused(accounts.add(new("zhao", &[]), &web));
    accounts.add(new("sun", &[AccountRole::Installer]), &web).unwrap();
    accounts.change("li", &officer, &web).unwrap();
    refused(accounts.remove("sun", &web));
    accounts.remove("sun", &doer(None)).unwrap();
    let unknown = accounts.remove("sun", &web);
    assert!(matches!(unknown, Err(AccountProblem::Unknown(_))), "{unknown:?}");
    // What changed is written down, and what was refused is not.
    let notes: Vec<_> = accounts.unnoted().iter().map(|n| (n.what, n.who.clone())).collect();
    assert_eq!(
        notes,
        [
            (AccessEvent::AccountAdded, "li".into()),
            (AccessEvent::AccountAdded, "wang".into()),
            (AccessEvent::AccountAdded, "sun".into()),
            (AccessEvent::AccountChanged, "li".into()),
            (AccessEvent::AccountRemoved, "sun".into()),
        ]
    );
    let known = accounts.unnoted();
    accounts.noted(&known[..4]).unwrap();
    assert_eq!(accounts.unnoted(), known[4..]);
}

#[test]
fn the_first_account_takes_the_code_once_while_there_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let accounts = Accounts::at(folder.path());
    let later = |s: i64| Doer { at: at(s), ..doer(Some("192.0.2.1")) };
    let both = [AccountRole::Commander, AccountRole::Installer];
    assert!(!accounts.expects_first(at(0)));
    let (code, until) = accounts.make_first_code(&doer(None)).unwrap();
    assert_eq!(until, at(0) + SignedDuration::from_mins(15));
    assert!(accounts.expects_first(at(1)) && accounts.is_first_code(&code, at(1)));
    for (code, s) in [("AAAA-AAAA-AAAA", 1), ("", 1), (code.as_str(), 900)] {
        let made = accounts.add_first(code, new("li", &both), &later(s));
        assert!(matches!(made, Err(AccountProblem::Unknown(_))), "{code} {made:?}");
    }
    accounts.add_first(&code, new("li", &both), &later(899)).unwrap();
    assert!(accounts.add_first(&code, new("wang", &both), &later(2)).is_err());
    assert!(accounts.make_first_code(&doer(None)).is_err() && !accounts.expects_first(at(1)));
}

fn token_of(name: &str, scopes: &BTreeSet<TokenScope>, expires_at: Option<Timestamp>) -> NewToken {
    let (name, scopes) = (name.into(), scopes.clone());
    NewToken { name, scopes, expires_at, speaks_for: SpeaksFor::default() }
}

#[test]
fn a_token_keeps_whose_names_it_may_use() {
    let folder = tempfile::tempdir().unwrap();
    let accounts = Accounts::at(folder.path());
    let reply = BTreeSet::from([TokenScope::Reply, TokenScope::Read]);
    let new = |name: &str, names: &[&str]| NewToken {
        speaks_for: SpeaksFor::of(names.iter().map(|name| (*name).to_owned())),
        ..token_of(name, &reply, None)
    };
    for wrong in [&[" "][..], &["王", "**"]] {
        assert!(accounts.add_token(new("desk", wrong), &doer(None)).is_err(), "{wrong:?}");
    }
    let read = BTreeSet::from([TokenScope::Read]);
    let idle = NewToken { scopes: read, ..new("desk", &["王警官"]) };
    assert!(accounts.add_token(idle, &doer(None)).is_err(), "it replies nothing");
    let token = accounts.add_token(new("desk", &["王警官", "城管*"]), &doer(None)).unwrap();
    let any = accounts.add_token(new("old", &[]), &doer(None)).unwrap();
    let file = std::fs::read_to_string(folder.path().join(FILE)).unwrap();
    assert_eq!(file.matches("speaks_for\"").count(), 1, "as it was, where nobody said it: {file}");
    let again = Accounts::at(folder.path());
    let speaks_for = again.holder(&token, at(0)).unwrap().speaks_for;
    assert_eq!(speaks_for.names(), ["王警官", "城管*"]);
    assert!(again.holder(&any, at(0)).unwrap().speaks_for.is_unsaid());
    let listed: Vec<_> = again.tokens().unwrap().into_iter().map(|one| one.speaks_for).collect();
    assert_eq!(listed, [speaks_for, SpeaksFor::default()]);
    let note = again.unnoted().remove(0);
    assert!(note.detail.ends_with("speaks for 王警官, 城管*"), "{}", note.detail);
}

#[test]
fn a_token_is_shown_once_and_ends_at_its_time() {
    let folder = tempfile::tempdir().unwrap();
    let accounts = Accounts::at(folder.path());
    let scopes = BTreeSet::from([TokenScope::Read]);
    let token = accounts.add_token(token_of("desk", &scopes, Some(at(100))), &doer(None)).unwrap();
    let text = std::fs::read_to_string(folder.path().join(FILE)).unwrap();
    assert!(!text.contains(&token), "{text}");
    let holder = accounts.holder(&token, at(99)).unwrap();
    assert_eq!((holder.name.as_str(), &holder.scopes), ("desk", &scopes));
    assert!(accounts.is_good(&holder, at(99)) && !accounts.is_good(&holder, at(100)));
    for (wrong, s) in [
        (token.as_str(), 100),
        (&token[1..], 0),
        (&token[..token.len() - 1], 0),
        (token.trim_start_matches(TOKEN_PREFIX), 0),
        ("", 0),
    ] {
        assert_eq!(accounts.holder(wrong, at(s)), None, "{wrong}");
    }
    assert!(accounts.add_token(token_of("Desk", &scopes, None), &doer(None)).is_err());
    assert!(accounts.add_token(token_of("other", &BTreeSet::new(), None), &doer(None)).is_err());
    accounts.remove_token("desk", &doer(None)).unwrap();
    assert!(accounts.holder(&token, at(0)).is_none() && !accounts.is_good(&holder, at(0)));
    assert!(accounts.remove_token("desk", &doer(None)).is_err());
}

#[tokio::test]
async fn a_file_that_cannot_be_read_lets_nobody_in_and_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let accounts = Accounts::at(folder.path());
    accounts.add(new("li", &[AccountRole::Officer]), &doer(None)).unwrap();
    let path = folder.path().join(FILE);
    let whole = std::fs::read(&path).unwrap();
    for text in ["", "{", "{\"version\":2}", "{\"version\":1,\"more\":1}"] {
        std::fs::write(&path, text).unwrap();
        assert_eq!(accounts.log_in("li", "a long password".into()).await, Ok(None), "{text}");
        assert!(accounts.problem().is_some() && !accounts.has_none(), "{text}");
        assert!(accounts.make_first_code(&doer(None)).is_err(), "{text}");
        assert!(accounts.add(new("wang", &[AccountRole::Officer]), &doer(None)).is_err());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text, "it is left for who can mend it");
    }
    std::fs::write(&path, whole).unwrap();
    assert!(accounts.log_in("li", "a long password".into()).await.unwrap().is_some());
    assert_eq!(accounts.problem(), None);
}
