//! Who may do what at the web: roles of accounts, scopes of API tokens, and what is written down of both.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What an account is for. An account may have several: it may do what any of them may.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum AccountRole {
    /// 值班民警: sees everything, answers cases, gives orders of posture.
    Officer,
    /// 网格员: the cases of his own grids, and answering them; nothing of others is shown.
    Worker,
    /// 指挥: as an officer, and accounts.
    Commander,
    /// 安装人员: devices, rules, reload, accounts; no pictures of people.
    Installer,
    /// 审计: reads everything, changes nothing.
    Auditor,
    /// 大屏: a screen on a wall: reads, and is never logged out for want of use.
    Wall,
}

impl AccountRole {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Officer, Self::Worker, Self::Commander, Self::Installer, Self::Auditor, Self::Wall];

    /// As files, the command line and the API write it.
    pub fn id(self) -> &'static str {
        match self {
            Self::Officer => "officer",
            Self::Worker => "worker",
            Self::Commander => "commander",
            Self::Installer => "installer",
            Self::Auditor => "auditor",
            Self::Wall => "wall",
        }
    }

    /// By its word.
    pub fn of(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.id() == id)
    }
}

/// What a program with an API token may do.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum TokenScope {
    /// Incidents, evidence, devices, figures, rain: reading.
    Read,
    /// Replies to cases, and links by which persons answer them.
    Reply,
    /// Orders of posture.
    Posture,
    /// Words of one's own at loudspeakers.
    Announce,
    /// Reading the configuration anew.
    Reload,
    /// `/metrics` and the reasons of `/readyz`.
    Metrics,
}

impl TokenScope {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Read, Self::Reply, Self::Posture, Self::Announce, Self::Reload, Self::Metrics];

    /// As files, the command line and the API write it.
    pub fn id(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Reply => "reply",
            Self::Posture => "posture",
            Self::Announce => "announce",
            Self::Reload => "reload",
            Self::Metrics => "metrics",
        }
    }

    /// By its word.
    pub fn of(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.id() == id)
    }
}

/// What happened at the web's door, or to the list of accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AccessEvent {
    LoggedIn,
    LogInFailed,
    LoggedOut,
    AccountAdded,
    AccountChanged,
    PasswordChanged,
    AccountRemoved,
    WallPaired,
    TokenAdded,
    TokenRemoved,
    FirstCodeMade,
    /// Somebody had the network searched for cameras.
    CamerasSought,
    /// A vehicle that is looked for by an order was seen; `who` is its masked plate.
    AttentionHit,
}

/// One line of the audit: what happened, to whose account, by whom and from where. No secret is in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessNote {
    /// What.
    pub what: AccessEvent,
    /// Of which account or token; of a log-in that failed, as it was typed, cut.
    pub who: String,
    /// By which account, `token` for the token of the site, or `command of user …`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub by: String,
    /// Network address, of what came over the web.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Roles, grids or scopes as they are from then on; how many more there were.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// Gateway time.
    pub at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_roles_and_scopes_are_those_of_files() {
        for role in AccountRole::ALL {
            assert_eq!(serde_json::to_value(role).unwrap(), role.id());
            assert_eq!(AccountRole::of(role.id()), Some(role));
        }
        for scope in TokenScope::ALL {
            assert_eq!(serde_json::to_value(scope).unwrap(), scope.id());
            assert_eq!(TokenScope::of(scope.id()), Some(scope));
        }
        assert_eq!(AccountRole::of("Officer"), None);
        assert_eq!(TokenScope::of("all"), None);
    }
}
