//! Accounts for commands beside a gateway, running or not.

use crate::base::RealClock;

pub use crate::console::{
    Accounts,
    accounts::{AccountChange, AccountProblem, Doer, NewAccount, NewToken},
    api_schema,
};

/// Somebody at the machine itself, for the audit: he may take the last account that may change accounts.
pub fn command_doer() -> Doer {
    let at = crate::domain::Clock::now(&*RealClock::start()).wall;
    let user = rustix::process::getuid().as_raw();
    Doer { by: format!("command of user {user}"), from: None, at, may_lock_out: true }
}
