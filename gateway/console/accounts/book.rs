//! The list of accounts and API tokens, as its file has it: data, and what may be changed of it. Pure.

use std::collections::BTreeSet;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain::{AccessNote, AccountRole, SpeaksFor, TokenScope, plain_name};

/// Accounts, and as many tokens.
const ACCOUNTS_MAX: usize = 1_000;
/// Grids of one account.
const GRIDS_MAX: usize = 1_000;
/// Lines of the audit that wait for a gateway that runs.
const NOTES_MAX: usize = 1_000;
const NAME_CHARS_MAX: usize = 40;

/// Whoever may change accounts.
pub(super) const MANAGERS: [AccountRole; 2] = [AccountRole::Commander, AccountRole::Installer];

/// An account, with what opens it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeptAccount {
    /// For people and for `by` of replies; each once.
    pub(super) name: String,
    pub(super) roles: BTreeSet<AccountRole>,
    /// Codes, of a worker.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(super) grids: BTreeSet<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) disabled: bool,
    /// Argon2id; none: a wall, which is paired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) password: Option<String>,
    /// Another one whenever what its sessions rest on changes: they end.
    pub(super) stamp: String,
    pub(super) created_at: Timestamp,
}

impl KeptAccount {
    pub(super) fn may_manage(&self) -> bool {
        !self.disabled && MANAGERS.iter().any(|role| self.roles.contains(role))
    }
}

/// An API token, of which the sha256 is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeptToken {
    pub(super) name: String,
    pub(super) scopes: BTreeSet<TokenScope>,
    pub(super) sha256: String,
    pub(super) created_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) expires_at: Option<Timestamp>,
    /// In whose names its replies are taken.
    #[serde(default, skip_serializing_if = "SpeaksFor::is_unsaid")]
    pub(super) speaks_for: SpeaksFor,
}

/// An account as it is shown: nothing of what opens it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ShownAccount {
    /// Each once.
    pub name: String,
    /// What it may do.
    pub roles: BTreeSet<AccountRole>,
    /// Codes, of a worker.
    pub grids: BTreeSet<String>,
    /// It exists, and nobody logs in with it.
    pub disabled: bool,
    /// RFC 3339.
    #[schemars(with = "String")]
    pub created_at: Timestamp,
}

/// An API token as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ShownToken {
    /// Each once.
    pub name: String,
    /// What it opens.
    pub scopes: BTreeSet<TokenScope>,
    /// RFC 3339; absent: never.
    #[schemars(with = "Option<String>")]
    pub expires_at: Option<Timestamp>,
    /// RFC 3339.
    #[schemars(with = "String")]
    pub created_at: Timestamp,
    /// In whose names its replies are taken; empty: anybody's.
    pub speaks_for: SpeaksFor,
}

/// The file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Book {
    pub(super) version: u32,
    #[serde(default)]
    pub(super) accounts: Vec<KeptAccount>,
    #[serde(default)]
    pub(super) tokens: Vec<KeptToken>,
    /// What commands did and the journal does not know yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) notes: Vec<AccessNote>,
}

impl Default for Book {
    fn default() -> Self {
        Self { version: 1, accounts: Vec::new(), tokens: Vec::new(), notes: Vec::new() }
    }
}

/// What is to be changed of an account; what is absent stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AccountChange {
    /// At least one.
    pub roles: Option<BTreeSet<AccountRole>>,
    /// Codes of grids, of a worker.
    pub grids: Option<BTreeSet<String>>,
    /// True: nobody logs in with it.
    pub disabled: Option<bool>,
    /// A new one, of at least 10 characters.
    pub password: Option<String>,
}

impl Book {
    pub(super) fn account(&self, name: &str) -> Option<&KeptAccount> {
        let name = same(name);
        self.accounts.iter().find(|account| same(&account.name) == name)
    }

    pub(super) fn account_mut(&mut self, name: &str) -> Result<&mut KeptAccount, String> {
        let wanted = same(name);
        let found = self.accounts.iter_mut().find(|account| same(&account.name) == wanted);
        found.ok_or_else(|| format!("no account is called {name}"))
    }

    pub(super) fn add(&mut self, account: KeptAccount) -> Result<(), String> {
        if self.account(&account.name).is_some() {
            return Err(format!("an account is called {} already", account.name));
        }
        if self.accounts.len() >= ACCOUNTS_MAX {
            return Err(format!("there are {ACCOUNTS_MAX} accounts already"));
        }
        self.accounts.push(account);
        Ok(())
    }

    pub(super) fn add_token(&mut self, token: KeptToken) -> Result<(), String> {
        if self.tokens.iter().any(|known| same(&known.name) == same(&token.name)) {
            return Err(format!("a token is called {} already", token.name));
        }
        if self.tokens.len() >= ACCOUNTS_MAX {
            return Err(format!("there are {ACCOUNTS_MAX} tokens already"));
        }
        self.tokens.push(token);
        Ok(())
    }

    pub(super) fn note(&mut self, note: AccessNote) {
        if self.notes.len() >= NOTES_MAX {
            self.notes.remove(0);
        }
        self.notes.push(note);
    }

    /// Whether somebody is left who may change accounts.
    pub(super) fn has_manager(&self) -> bool {
        self.accounts.iter().any(KeptAccount::may_manage)
    }
}

/// Two names that are the same here are one account.
pub(super) fn same(name: &str) -> String {
    plain_name(name).to_lowercase()
}

/// A name as it is kept; the error says what is wrong with it.
pub(super) fn checked_name(name: &str) -> Result<String, String> {
    let plain = plain_name(name);
    if plain.is_empty() || plain != name.trim() || plain.chars().count() > NAME_CHARS_MAX {
        return Err(format!("name: expected 1 to {NAME_CHARS_MAX} characters in one line"));
    }
    // What stands for no person in the journal.
    if ["gridpost", "api", "console", "token"].contains(&same(&plain).as_str()) {
        return Err(format!("name: {plain} is the gateway's own"));
    }
    Ok(plain)
}

/// What a token is good for; the error says what is wrong with it.
pub(super) fn checked_token(
    scopes: &BTreeSet<TokenScope>,
    speaks_for: &SpeaksFor,
) -> Result<(), String> {
    if scopes.is_empty() {
        return Err("scopes: expected at least one".into());
    }
    if !speaks_for.is_unsaid() && !scopes.contains(&TokenScope::Reply) {
        return Err("speaks_for: it replies in nobody's name without the scope `reply`".into());
    }
    speaks_for.problem().map_or(Ok(()), |why| Err(format!("speaks_for: {why}")))
}

/// Roles and grids that fit together; the error says what does not.
pub(super) fn checked_roles(
    roles: &BTreeSet<AccountRole>,
    grids: &BTreeSet<String>,
) -> Result<(), String> {
    if roles.is_empty() {
        return Err("roles: expected at least one".into());
    }
    if roles.contains(&AccountRole::Wall) && roles.len() > 1 {
        return Err("roles: a wall has no other role".into());
    }
    if grids.len() > GRIDS_MAX || grids.iter().any(|grid| grid.is_empty() || grid.len() > 100) {
        return Err(format!("grids: expected at most {GRIDS_MAX} codes of 1 to 100 bytes"));
    }
    if roles.iter().eq([&AccountRole::Worker]) && grids.is_empty() {
        return Err("grids: a worker has at least one, by its code".into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_one_line_and_nobody_elses() {
        for fine in ["李建国", "li", " Li Wei ", &"哨".repeat(40)] {
            assert_eq!(checked_name(fine).unwrap(), fine.trim());
        }
        for wrong in ["", " ", "a\nb", "a\u{7f}b", "gridpost", " API", &"哨".repeat(41)] {
            assert!(checked_name(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_worker_has_grids_and_a_wall_no_other_role() {
        use AccountRole::{Commander, Officer, Wall, Worker};
        let fits = |roles: &[AccountRole], grids: &[&str]| {
            let grids = grids.iter().map(|&grid| grid.to_owned()).collect();
            checked_roles(&roles.iter().copied().collect(), &grids).is_ok()
        };
        assert!(fits(&[Worker], &["g1"]) && fits(&[Officer], &[]));
        assert!(fits(&[Worker, Officer], &[]) && fits(&[Wall], &[]));
        assert!(!fits(&[], &[]) && !fits(&[Worker], &[]) && !fits(&[Wall, Commander], &[]));
        assert!(!fits(&[Worker], &[""]));
    }
}
