//! `gridpost user`: accounts and API tokens, at the machine itself; running or not.

use std::{
    collections::BTreeSet,
    io::{self, BufRead, IsTerminal},
    path::PathBuf,
};

use jiff::SignedDuration;

use super::{Failure, load, print_line, print_row};
use crate::{
    config::Config,
    domain::{AccountRole, SpeaksFor, TokenScope},
    runtime::{self, AccountChange, AccountProblem, Accounts, NewAccount, NewToken, command_doer},
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: UserCommand,
}

#[derive(clap::Subcommand)]
enum UserCommand {
    /// Print the one-time code for the first account: good for 15 minutes, while there is no account.
    Init(ConfigFile),
    /// Another account; its password is the first line of stdin.
    Add(Add),
    /// All accounts and API tokens.
    List(ConfigFile),
    /// What an account may do, and of which grids.
    Role(ChangeRole),
    /// Another password, the first line of stdin; whoever is logged in with the old one is out.
    Password(Named),
    /// An account goes; whoever is logged in with it is out.
    Remove(Named),
    /// Nobody logs in with it any more, and it stays on the list.
    Disable(Named),
    /// It may log in again.
    Enable(Named),
    /// Tokens of programs, each with what it may do.
    Token(Token),
}

#[derive(clap::Args)]
struct ConfigFile {
    /// The configuration, TOML.
    #[arg(short, long)]
    config: PathBuf,
}

#[derive(clap::Args)]
struct Named {
    #[command(flatten)]
    site: ConfigFile,
    /// Of the account.
    name: String,
}

#[derive(clap::Args)]
struct Rights {
    /// officer, worker, commander, installer or auditor; several with commas.
    #[arg(long, value_delimiter = ',', required = true, value_parser = role)]
    role: Vec<AccountRole>,
    /// Codes of the grids that a worker sees; several with commas.
    #[arg(long, value_delimiter = ',')]
    grid: Vec<String>,
}

#[derive(clap::Args)]
struct Add {
    #[command(flatten)]
    named: Named,
    #[command(flatten)]
    rights: Rights,
}

#[derive(clap::Args)]
struct ChangeRole {
    #[command(flatten)]
    named: Named,
    #[command(flatten)]
    rights: Rights,
}

#[derive(clap::Args)]
struct Token {
    #[command(subcommand)]
    command: TokenCommand,
}

#[derive(clap::Subcommand)]
enum TokenCommand {
    /// Make one; it is printed once, and kept nowhere.
    Add(AddToken),
    /// Take one away.
    Remove(Named),
}

#[derive(clap::Args)]
struct AddToken {
    #[command(flatten)]
    named: Named,
    /// read, reply, posture, announce, reload or metrics; several with commas.
    #[arg(long, value_delimiter = ',', required = true, value_parser = scope)]
    scope: Vec<TokenScope>,
    /// It is good for so many days; for ever without it.
    #[arg(long, value_parser = clap::value_parser!(i64).range(1..=3_650))]
    days: Option<i64>,
    /// In whose names its replies are taken, several with commas: `王警官`, `城管*` (how names begin), or `*` for
    /// anybody, as without it. In other names it grants and verifies nothing.
    #[arg(long, value_delimiter = ',')]
    speaks_for: Vec<String>,
}

fn role(text: &str) -> Result<AccountRole, String> {
    let found = AccountRole::of(text).filter(|role| *role != AccountRole::Wall);
    found.ok_or_else(|| "expected officer, worker, commander, installer or auditor".into())
}

fn scope(text: &str) -> Result<TokenScope, String> {
    TokenScope::of(text)
        .ok_or_else(|| "expected read, reply, posture, announce, reload or metrics".into())
}

/// Runs the command; the error is printed and sets the exit code.
pub(crate) fn main(args: &Args) -> Result<(), Failure> {
    match &args.command {
        UserCommand::Init(site) => init(site),
        UserCommand::List(site) => list(site),
        UserCommand::Add(Add { named, rights }) => {
            let (accounts, config) = open(&named.site)?;
            warn_of_grids(&config, rights);
            let new = NewAccount {
                name: named.name.clone(),
                roles: rights.roles(),
                grids: rights.grids(),
                password: Some(password()?),
            };
            accounts.add(new, &command_doer()).map_err(failure)?;
            print_row(&format!("{} may log in", named.name))
        }
        UserCommand::Role(ChangeRole { named, rights }) => {
            let (_, config) = open(&named.site)?;
            warn_of_grids(&config, rights);
            let (roles, grids) = (Some(rights.roles()), Some(rights.grids()));
            change(named, &AccountChange { roles, grids, ..AccountChange::default() })
        }
        UserCommand::Password(named) => {
            let password = Some(password()?);
            change(named, &AccountChange { password, ..AccountChange::default() })
        }
        UserCommand::Disable(named) => disable(named, true),
        UserCommand::Enable(named) => disable(named, false),
        UserCommand::Remove(named) => {
            open(&named.site)?.0.remove(&named.name, &command_doer()).map_err(failure)?;
            print_row(&format!("{} is removed", named.name))
        }
        UserCommand::Token(Token { command: TokenCommand::Add(add) }) => add_token(add),
        UserCommand::Token(Token { command: TokenCommand::Remove(named) }) => {
            open(&named.site)?.0.remove_token(&named.name, &command_doer()).map_err(failure)?;
            print_row(&format!("token {} is removed", named.name))
        }
    }
}

impl Rights {
    fn roles(&self) -> BTreeSet<AccountRole> {
        self.role.iter().copied().collect()
    }

    fn grids(&self) -> BTreeSet<String> {
        self.grid.iter().cloned().collect()
    }
}

/// The accounts of a site; its data folder is made where it is not there, for its owner alone.
fn open(site: &ConfigFile) -> Result<(Accounts, Config), Failure> {
    let config = load(&site.config)?;
    let data = &config.data.path;
    if !data.is_dir() {
        let why =
            format!("{}: no data folder is there yet: start the gateway once", data.display());
        return Err(Failure::Other(why));
    }
    Ok((Accounts::at(data), config))
}

fn failure(why: AccountProblem) -> Failure {
    match why {
        AccountProblem::Refused(why) | AccountProblem::Unknown(why) => Failure::Usage(why),
        AccountProblem::Unavailable(why) => Failure::Other(why),
    }
}

fn init(site: &ConfigFile) -> Result<(), Failure> {
    let (accounts, config) = open(site)?;
    let (code, until) = accounts.make_first_code(&command_doer()).map_err(failure)?;
    let until =
        until.to_zoned(runtime::event_context(&config).timezone).strftime("%H:%M").to_string();
    print_line(&code)?;
    eprintln!("gridpost: 在网页上输入这个一次性代码，建立第一个账号（{until} 前有效）");
    eprintln!("gridpost: type it on the page, for the first account; good until {until}, once");
    Ok(())
}

/// A grid that the site does not know is no mistake: it may be on its way. It is said.
fn warn_of_grids(config: &Config, rights: &Rights) {
    for code in rights.grid.iter().filter(|code| config.grids.by_code(code).is_none()) {
        eprintln!("gridpost: no grid of this configuration has the code {code}; kept all the same");
    }
}

fn change(named: &Named, change: &AccountChange) -> Result<(), Failure> {
    open(&named.site)?.0.change(&named.name, change, &command_doer()).map_err(failure)?;
    print_row(&format!("{} is changed; whoever was logged in with it logs in again", named.name))
}

fn disable(named: &Named, yes: bool) -> Result<(), Failure> {
    change(named, &AccountChange { disabled: Some(yes), ..AccountChange::default() })
}

fn list(site: &ConfigFile) -> Result<(), Failure> {
    let (accounts, _) = open(site)?;
    for account in accounts.list().map_err(failure)? {
        let roles: Vec<&str> = account.roles.iter().map(|role| role.id()).collect();
        let grids = Vec::from_iter(account.grids).join(",");
        let state = if account.disabled { "disabled" } else { "-" };
        print_row(&format!("{:<24} {state:<9} {} {grids}", roles.join(","), account.name))?;
    }
    for token in accounts.tokens().map_err(failure)? {
        let scopes: Vec<&str> = token.scopes.iter().map(|scope| scope.id()).collect();
        let until = token.expires_at.map_or("-".into(), |at| at.to_string());
        let names = token.speaks_for.names().join(", ");
        let names = if names.is_empty() { names } else { format!(" speaks for {names}") };
        print_row(&format!("token:{:<18} {until:<9} {}{names}", scopes.join(","), token.name))?;
    }
    Ok(())
}

fn add_token(add: &AddToken) -> Result<(), Failure> {
    let (accounts, _) = open(&add.named.site)?;
    let doer = command_doer();
    let until = match add.days {
        Some(days) => {
            let span = SignedDuration::from_hours(days * 24);
            Some(doer.at.saturating_add(span).map_err(|e| Failure::Usage(e.to_string()))?)
        }
        None => None,
    };
    let new = NewToken {
        name: add.named.name.clone(),
        scopes: add.scope.iter().copied().collect(),
        expires_at: until,
        speaks_for: SpeaksFor::of(add.speaks_for.iter().cloned()),
    };
    let token = accounts.add_token(new, &doer).map_err(failure)?;
    print_line(&token)?;
    eprintln!("gridpost: it is shown this once; send it as `Authorization: Bearer …`");
    Ok(())
}

/// The first line of stdin: no argument, which others on the machine could read.
fn password() -> Result<String, Failure> {
    if io::stdin().is_terminal() {
        eprintln!("gridpost: the password, and Enter (it is shown as you type; or pipe it in):");
    }
    let mut line = String::new();
    let read = io::stdin().lock().read_line(&mut line);
    read.map_err(|error| Failure::Other(format!("stdin: {error}")))?;
    let password = line.trim_end_matches(['\r', '\n']);
    match password.is_empty() {
        true => Err(Failure::Usage("expected the password as the first line of stdin".into())),
        false => Ok(password.to_owned()),
    }
}
