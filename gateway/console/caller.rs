//! Who asks, and what that may do.

use std::{borrow::Cow, collections::BTreeSet, sync::Arc};

use super::{
    accounts::{Account, TokenHolder},
    sessions::SessionKey,
};
use crate::domain::{AccountRole, ReplyThrough, SpeaksFor, TokenScope};

/// In whose names a caller's replies are taken as theirs.
#[derive(Clone)]
pub(super) struct Voice(Arc<(String, SpeaksFor)>);

impl Voice {
    fn of(sender: &str, speaks_for: &SpeaksFor) -> Self {
        Self(Arc::new((sender.to_owned(), speaks_for.clone())))
    }

    /// What is kept with a reply in this name.
    pub(super) fn through(&self, by: &str) -> Option<ReplyThrough> {
        let (sender, speaks_for) = &*self.0;
        speaks_for.through(sender, by)
    }
}

/// Who asks.
#[derive(Clone)]
pub(super) enum Caller {
    /// Has the token of the site itself: everything.
    Token,
    /// Has an API token: what its scopes open.
    Holder(Arc<TokenHolder>),
    /// At a browser, by the token of the site; his name, if he has said it.
    Session(SessionKey, Option<Arc<str>>),
    /// At a browser, by his account.
    Account(SessionKey, Arc<Account>),
}

impl Caller {
    /// As it is written down that he looked at evidence, or changed something.
    pub(super) fn name(&self) -> Cow<'_, str> {
        match self {
            Self::Token => "api".into(),
            Self::Holder(holder) => format!("api {}", holder.name).into(),
            Self::Session(_, by) => by.as_deref().unwrap_or("console").into(),
            Self::Account(_, account) => account.name.as_str().into(),
        }
    }

    /// Whether any of these roles is his, or this scope is the token's.
    pub(super) fn may(&self, roles: &[AccountRole], scope: Option<TokenScope>) -> bool {
        match self {
            Self::Token | Self::Session(..) => true,
            Self::Holder(holder) => scope.is_some_and(|scope| holder.scopes.contains(&scope)),
            Self::Account(_, account) => roles.iter().any(|role| account.roles.contains(role)),
        }
    }

    /// By which program his word comes, and in whose names. To an account's own name it is bound already.
    pub(super) fn voice(&self, of_site: &SpeaksFor) -> Voice {
        match self {
            Self::Token | Self::Session(..) => Voice::of("the token of the site", of_site),
            Self::Holder(holder) => {
                Voice::of(&format!("token {}", holder.name), &holder.speaks_for)
            }
            Self::Account(..) => Voice::of("", &SpeaksFor::default()),
        }
    }

    /// The grids that he is shown; none: all.
    pub(super) fn only_grids(&self) -> Option<&BTreeSet<String>> {
        match self {
            Self::Account(_, account) => account.only_grids(),
            _ => None,
        }
    }

    /// His account, if he came by one.
    pub(super) fn account(&self) -> Option<&Account> {
        match self {
            Self::Account(_, account) => Some(account),
            _ => None,
        }
    }

    pub(super) fn is_at_browser(&self) -> bool {
        matches!(self, Self::Session(..) | Self::Account(..))
    }
}
