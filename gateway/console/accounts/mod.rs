//! Accounts of persons and API tokens: one small file in the data folder, which commands change while the gateway runs.

mod book;
mod failures;
mod first;
mod password;
mod secret;
mod walls;

use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use jiff::Timestamp;
use tokio::sync::watch;

pub use book::{AccountChange, ShownAccount, ShownToken};
use book::{Book, KeptAccount, KeptToken};
pub(super) use failures::Failures;
pub(super) use password::{Busy, in_turn};
pub(super) use secret::{SecretHash, hash, hex, parse_hash, random_hex};
pub(super) use walls::{GOOD_FOR as WALL_CODE_GOOD_FOR, WallState, Walls};

use crate::{
    base::{lock, lock_file, write_whole_secret},
    domain::{AccessEvent, AccessNote, AccountRole, SpeaksFor, TokenScope},
    wire::file_stamp::FileStamp,
};

/// In the data folder.
const FILE: &str = "accounts.json";
const LOCK: &str = "accounts.lock";
/// Somebody else changes accounts for a few milliseconds.
const LOCK_WITHIN: Duration = Duration::from_secs(5);
/// Characters before the random ones, so that who finds a token knows what it is.
const TOKEN_PREFIX: &str = "gridpost_";
const TOKEN_BYTES: usize = 32;

/// Why nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccountProblem {
    /// There is none of this name.
    #[error("{0}")]
    Unknown(String),
    /// It may not be.
    #[error("{0}")]
    Refused(String),
    /// The file cannot be read or written.
    #[error("{0}")]
    Unavailable(String),
}

/// Who changes accounts, for the audit.
#[derive(Clone, Debug)]
pub struct Doer {
    /// An account's name, or who else it is.
    pub by: String,
    /// Network address, of what comes over the web.
    pub from: Option<String>,
    /// Gateway time.
    pub at: Timestamp,
    /// Whether it may take the last account that may change accounts: at the machine itself alone.
    pub may_lock_out: bool,
}

impl Doer {
    fn note(&self, what: AccessEvent, who: &str, detail: String) -> AccessNote {
        let (by, from) = (self.by.clone(), self.from.clone());
        AccessNote { what, who: who.into(), by, from, detail, at: self.at }
    }
}

/// An account that is to be.
#[derive(Clone, Debug)]
pub struct NewAccount {
    /// For people.
    pub name: String,
    /// At least one.
    pub roles: BTreeSet<AccountRole>,
    /// Codes, of a worker.
    pub grids: BTreeSet<String>,
    /// None: a wall.
    pub password: Option<String>,
}

/// Somebody who has an account, as a session knows him.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) name: String,
    pub(super) roles: BTreeSet<AccountRole>,
    /// What he was given, also where a further role shows him more.
    pub(super) grids: BTreeSet<String>,
    pub(super) stamp: String,
}

impl Account {
    fn of(kept: &KeptAccount) -> Arc<Self> {
        // Field by field: the hash of the password is copied nowhere.
        let KeptAccount { name, roles, grids, stamp, .. } = kept;
        let (name, stamp) = (name.clone(), stamp.clone());
        Arc::new(Self { name, roles: roles.clone(), grids: grids.clone(), stamp })
    }

    /// The grids that he is shown; none: all.
    pub(super) fn only_grids(&self) -> Option<&BTreeSet<String>> {
        self.roles.iter().all(|role| *role == AccountRole::Worker).then_some(&self.grids)
    }

    pub(super) fn is_wall(&self) -> bool {
        self.roles.contains(&AccountRole::Wall)
    }
}

/// A program with an API token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TokenHolder {
    pub(super) name: String,
    sha256: String,
    pub(super) scopes: BTreeSet<TokenScope>,
    /// In whose names its replies are taken.
    pub(super) speaks_for: SpeaksFor,
}

/// Another API token.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// Of the program; each once.
    pub name: String,
    /// At least one.
    pub scopes: BTreeSet<TokenScope>,
    /// None: it never ends by itself.
    pub expires_at: Option<Timestamp>,
    /// In whose names its replies are taken.
    pub speaks_for: SpeaksFor,
}

struct Cached {
    /// None: it was never read.
    stamp: Option<FileStamp>,
    book: Result<Arc<Book>, String>,
}

struct Inner {
    data: PathBuf,
    file: PathBuf,
    cached: Mutex<Cached>,
    /// How often another list was seen.
    changes: watch::Sender<u64>,
}

/// All accounts and API tokens. A cheap handle; all clones are one.
#[derive(Clone)]
pub struct Accounts(Arc<Inner>);

impl Accounts {
    /// Of this data folder; there may be none.
    pub fn at(data: &Path) -> Self {
        let cached = Cached { stamp: None, book: Ok(Arc::default()) };
        Self(Arc::new(Inner {
            data: data.into(),
            file: data.join(FILE),
            cached: Mutex::new(cached),
            changes: watch::Sender::new(0),
        }))
    }

    /// As the file has them now. The error names the file: then nobody has an account.
    fn book(&self) -> Result<Arc<Book>, String> {
        let stamp = FileStamp::of([&self.0.file]);
        let mut cached = lock(&self.0.cached);
        if cached.stamp.as_ref() != Some(&stamp) {
            let book = self.read();
            if let Err(error) = &book {
                tracing::error!(error, "accounts: nobody can log in by name");
            }
            *cached = Cached { stamp: Some(stamp), book: book.map(Arc::new) };
            self.0.changes.send_modify(|times| *times += 1);
        }
        cached.book.clone()
    }

    fn read(&self) -> Result<Book, String> {
        let told = |error: &dyn std::fmt::Display| format!("{}: {error}", self.0.file.display());
        match std::fs::read(&self.0.file) {
            Ok(bytes) => {
                let book: Book = serde_json::from_slice(&bytes).map_err(|error| told(&error))?;
                match book.version {
                    1 => Ok(book),
                    other => Err(told(&format!("version {other}; expected 1"))),
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Book::default()),
            Err(error) => Err(told(&error)),
        }
    }

    /// What is wrong with the file, if anything is.
    pub fn problem(&self) -> Option<String> {
        self.book().err()
    }

    /// Another list than before; it is looked for whenever somebody asks, and by [`Self::problem`].
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.0.changes.subscribe()
    }

    fn edit<T>(
        &self,
        may_lock_out: bool,
        change: impl FnOnce(&mut Book) -> Result<T, AccountProblem>,
    ) -> Result<T, AccountProblem> {
        let unavailable = |error: String| AccountProblem::Unavailable(error);
        let told = |path: &Path, error: io::Error| format!("{}: {error}", path.display());
        let path = self.0.data.join(LOCK);
        let _lock = lock_file(&self.0.data, &path, LOCK_WITHIN)
            .map_err(|error| unavailable(told(&path, error)))?
            .ok_or_else(|| unavailable("somebody else changes accounts; try again".into()))?;
        let mut book = self.read().map_err(unavailable)?;
        let had_manager = book.has_manager();
        let done = change(&mut book)?;
        if had_manager && !book.has_manager() && !may_lock_out {
            let last = "it is the last account that may change accounts";
            return Err(AccountProblem::Refused(last.into()));
        }
        let bytes = serde_json::to_vec_pretty(&book).map_err(|e| unavailable(e.to_string()))?;
        write_whole_secret(&self.0.file, &bytes)
            .map_err(|error| unavailable(told(&self.0.file, error)))?;
        drop(self.book());
        Ok(done)
    }

    /// Adds one. Blocks for the time of a hash.
    pub fn add(&self, new: NewAccount, doer: &Doer) -> Result<(), AccountProblem> {
        let account = made(new, doer.at)?;
        self.edit(doer.may_lock_out, |book| add(book, account, doer))
    }

    /// Changes what is given. With it all sessions of the account end. Blocks for the time of a hash.
    pub fn change(
        &self,
        name: &str,
        change: &AccountChange,
        doer: &Doer,
    ) -> Result<(), AccountProblem> {
        let kept = self.book().map_err(AccountProblem::Unavailable)?;
        let known = kept.account(name).map(|account| account.name.clone());
        let name = known.unwrap_or_else(|| name.to_owned());
        let hash = match &change.password {
            Some(password) => Some(hashed(password, &name)?),
            None => None,
        };
        let stamp = random_hex(16).map_err(AccountProblem::Unavailable)?;
        self.edit(doer.may_lock_out, move |book| {
            let account = book.account_mut(&name).map_err(AccountProblem::Unknown)?;
            let before = account.clone();
            if let Some(hash) = hash {
                if account.roles.contains(&AccountRole::Wall) {
                    return Err(AccountProblem::Refused("password: a wall has none".into()));
                }
                account.password = Some(hash);
            }
            account.roles = change.roles.clone().unwrap_or_else(|| account.roles.clone());
            account.grids = change.grids.clone().unwrap_or_else(|| account.grids.clone());
            account.disabled = change.disabled.unwrap_or(account.disabled);
            book::checked_roles(&account.roles, &account.grids).map_err(AccountProblem::Refused)?;
            let is_wall = account.roles.contains(&AccountRole::Wall);
            if is_wall != before.roles.contains(&AccountRole::Wall) {
                let why = "roles: a wall is paired, and is nothing else";
                return Err(AccountProblem::Refused(why.into()));
            }
            account.stamp = stamp;
            let (who, detail) = (account.name.clone(), described(account));
            if account.password != before.password {
                book.note(doer.note(AccessEvent::PasswordChanged, &who, String::new()));
            }
            let rights =
                (change.roles.is_some(), change.grids.is_some(), change.disabled.is_some());
            if rights != (false, false, false) {
                book.note(doer.note(AccessEvent::AccountChanged, &who, detail));
            }
            Ok(())
        })
    }

    /// Takes one away, and its sessions with it.
    pub fn remove(&self, name: &str, doer: &Doer) -> Result<(), AccountProblem> {
        self.edit(doer.may_lock_out, |book| {
            let who = book.account_mut(name).map_err(AccountProblem::Unknown)?.name.clone();
            book.accounts.retain(|account| account.name != who);
            book.note(doer.note(AccessEvent::AccountRemoved, &who, String::new()));
            Ok(())
        })
    }

    /// All of them, by name.
    pub fn list(&self) -> Result<Vec<ShownAccount>, AccountProblem> {
        let book = self.book().map_err(AccountProblem::Unavailable)?;
        let shown = |account: &KeptAccount| ShownAccount {
            name: account.name.clone(),
            roles: account.roles.clone(),
            grids: account.grids.clone(),
            disabled: account.disabled,
            created_at: account.created_at,
        };
        let mut all: Vec<ShownAccount> = book.accounts.iter().map(shown).collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(all)
    }

    /// Makes an API token: the token itself, which is nowhere but in the answer.
    pub fn add_token(&self, new: NewToken, doer: &Doer) -> Result<String, AccountProblem> {
        let NewToken { name, scopes, expires_at, speaks_for } = new;
        let name = book::checked_name(&name).map_err(AccountProblem::Refused)?;
        book::checked_token(&scopes, &speaks_for).map_err(AccountProblem::Refused)?;
        let random = random_hex(TOKEN_BYTES).map_err(AccountProblem::Unavailable)?;
        let token = format!("{TOKEN_PREFIX}{random}");
        let mut words: Vec<String> = scopes.iter().map(|scope| scope.id().to_owned()).collect();
        words.extend(expires_at.map(|at| format!("until {at}")));
        let names = speaks_for.names();
        words.extend((!names.is_empty()).then(|| format!("speaks for {}", names.join(", "))));
        let sha256 = hex(&hash(&token));
        let created_at = doer.at;
        let kept =
            KeptToken { name: name.clone(), scopes, sha256, created_at, expires_at, speaks_for };
        self.edit(doer.may_lock_out, |book| {
            book.add_token(kept).map_err(AccountProblem::Refused)?;
            book.note(doer.note(AccessEvent::TokenAdded, &name, words.join(" ")));
            Ok(())
        })?;
        Ok(token)
    }

    /// Takes one away.
    pub fn remove_token(&self, name: &str, doer: &Doer) -> Result<(), AccountProblem> {
        self.edit(doer.may_lock_out, |book| {
            let before = book.tokens.len();
            book.tokens.retain(|token| book::same(&token.name) != book::same(name));
            if book.tokens.len() == before {
                return Err(AccountProblem::Unknown(format!("no token is called {name}")));
            }
            book.note(doer.note(AccessEvent::TokenRemoved, name, String::new()));
            Ok(())
        })
    }

    /// All API tokens, by name.
    pub fn tokens(&self) -> Result<Vec<ShownToken>, AccountProblem> {
        let book = self.book().map_err(AccountProblem::Unavailable)?;
        let shown = |token: &KeptToken| ShownToken {
            name: token.name.clone(),
            scopes: token.scopes.clone(),
            expires_at: token.expires_at,
            created_at: token.created_at,
            speaks_for: token.speaks_for.clone(),
        };
        let mut all: Vec<ShownToken> = book.tokens.iter().map(shown).collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(all)
    }

    /// The code for the first account, and until when it is good; only while there is no account.
    pub fn make_first_code(&self, doer: &Doer) -> Result<(String, Timestamp), AccountProblem> {
        self.edit(doer.may_lock_out, |book| {
            if !book.accounts.is_empty() {
                let why = "there are accounts already: `gridpost user add` makes another one";
                return Err(AccountProblem::Refused(why.into()));
            }
            book.note(doer.note(AccessEvent::FirstCodeMade, "", String::new()));
            first::make(&self.0.data, doer.at).map_err(AccountProblem::Unavailable)
        })
    }

    /// Whether such a code waits to be used.
    pub(super) fn expects_first(&self, now: Timestamp) -> bool {
        self.has_none() && first::waits(&self.0.data, now)
    }

    /// Whether there is no account.
    pub(super) fn has_none(&self) -> bool {
        self.book().is_ok_and(|book| book.accounts.is_empty())
    }

    /// Whether this is the code for the first account.
    pub(super) fn is_first_code(&self, code: &str, now: Timestamp) -> bool {
        self.has_none() && first::fits(&self.0.data, code, now)
    }

    /// The first account, for who has the code. Blocks for the time of a hash.
    pub(super) fn add_first(
        &self,
        code: &str,
        new: NewAccount,
        doer: &Doer,
    ) -> Result<(), AccountProblem> {
        let account = made(new, doer.at)?;
        self.edit(doer.may_lock_out, |book| {
            if !book.accounts.is_empty() || !first::fits(&self.0.data, code, doer.at) {
                return Err(AccountProblem::Unknown("the code is good no more".into()));
            }
            // Before the account is there: a code that cannot be ended makes none.
            first::end(&self.0.data).map_err(AccountProblem::Unavailable)?;
            add(book, account, doer)
        })
    }

    /// The account of this name, if its password is this one. Takes as long where there is none.
    pub(super) async fn log_in(
        &self,
        name: &str,
        password: String,
    ) -> Result<Option<Arc<Account>>, Busy> {
        let book = self.book().ok();
        let kept = book.as_ref().and_then(|book| book.account(name)).cloned();
        let hash = kept.as_ref().and_then(|kept| kept.password.clone());
        let fits = password::compare(password, hash).await?;
        Ok(kept.filter(|kept| fits && !kept.disabled).map(|kept| Account::of(&kept)))
    }

    /// An account that is not disabled.
    pub(super) fn account(&self, name: &str) -> Option<Arc<Account>> {
        let book = self.book().ok()?;
        book.account(name).filter(|account| !account.disabled).map(Account::of)
    }

    /// As it stands now, if nothing that its sessions rest on has changed.
    pub(super) fn standing(&self, name: &str, stamp: &str) -> Option<Arc<Account>> {
        let book = self.book().ok()?;
        let name = book::same(name);
        // Asked with every request: a stamp is compared as it stands, a name is made plain first.
        let is_it = |kept: &&KeptAccount| kept.stamp == stamp && book::same(&kept.name) == name;
        book.accounts.iter().find(is_it).filter(|kept| !kept.disabled).map(Account::of)
    }

    /// Whose API token this is, if it is one that is good.
    pub(super) fn holder(&self, token: &str, now: Timestamp) -> Option<TokenHolder> {
        token.starts_with(TOKEN_PREFIX).then_some(())?;
        self.good_token(&hex(&hash(token)), now)
    }

    /// Whether a token that was good is so still.
    pub(super) fn is_good(&self, holder: &TokenHolder, now: Timestamp) -> bool {
        self.good_token(&holder.sha256, now).as_ref() == Some(holder)
    }

    fn good_token(&self, sha256: &str, now: Timestamp) -> Option<TokenHolder> {
        let book = self.book().ok()?;
        let kept = book.tokens.iter().find(|kept| kept.sha256 == sha256)?;
        let is_over = kept.expires_at.is_some_and(|at| at <= now);
        let KeptToken { name, scopes, sha256, speaks_for, .. } = kept.clone();
        (!is_over).then_some(TokenHolder { name, sha256, scopes, speaks_for })
    }

    /// What was done to accounts and the journal does not know yet.
    pub fn unnoted(&self) -> Vec<AccessNote> {
        self.book().map(|book| book.notes.clone()).unwrap_or_default()
    }

    /// The journal knows these now.
    pub fn noted(&self, known: &[AccessNote]) -> Result<(), AccountProblem> {
        self.edit(false, |book| {
            book.notes.retain(|note| !known.contains(note));
            Ok(())
        })
    }
}

fn hashed(password: &str, name: &str) -> Result<String, AccountProblem> {
    match password::problem(password, name) {
        Some(why) => Err(AccountProblem::Refused(why)),
        None => password::hashed(password).map_err(AccountProblem::Unavailable),
    }
}

fn made(new: NewAccount, at: Timestamp) -> Result<KeptAccount, AccountProblem> {
    let NewAccount { name, roles, grids, password } = new;
    let name = book::checked_name(&name).map_err(AccountProblem::Refused)?;
    book::checked_roles(&roles, &grids).map_err(AccountProblem::Refused)?;
    let password = match password {
        Some(password) => Some(hashed(&password, &name)?),
        None => None,
    };
    if password.is_none() != roles.contains(&AccountRole::Wall) {
        let why = "password: everybody has one but a wall, which is paired";
        return Err(AccountProblem::Refused(why.into()));
    }
    let stamp = random_hex(16).map_err(AccountProblem::Unavailable)?;
    Ok(KeptAccount { name, roles, grids, disabled: false, password, stamp, created_at: at })
}

fn add(book: &mut Book, account: KeptAccount, doer: &Doer) -> Result<(), AccountProblem> {
    let is_wall = account.roles.contains(&AccountRole::Wall);
    let what = if is_wall { AccessEvent::WallPaired } else { AccessEvent::AccountAdded };
    let note = doer.note(what, &account.name, described(&account));
    book.add(account).map_err(AccountProblem::Refused)?;
    book.note(note);
    Ok(())
}

/// For the audit: what it may do from then on.
fn described(account: &KeptAccount) -> String {
    let roles: Vec<&str> = account.roles.iter().map(|role| role.id()).collect();
    let mut words = vec![roles.join(",")];
    if !account.grids.is_empty() {
        words.push(format!("{} grid(s)", account.grids.len()));
    }
    if account.disabled {
        words.push("disabled".into());
    }
    words.join("; ")
}

#[cfg(test)]
mod tests;
