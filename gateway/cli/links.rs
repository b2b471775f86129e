//! `gridpost links revoke`: takes signed links back, of one person or all; running or not.

use std::path::PathBuf;

use super::{Failure, load, print_row};
use crate::runtime;

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: LinksCommand,
}

#[derive(clap::Subcommand)]
enum LinksCommand {
    /// Links that were made until now are no good any more; a running gateway knows it at once.
    Revoke(Revoke),
}

#[derive(clap::Args)]
struct Revoke {
    /// The configuration, TOML.
    #[arg(short, long)]
    config: PathBuf,
    /// Those of this person, by name.
    #[arg(long, required_unless_present = "all", conflicts_with = "all")]
    person: Option<String>,
    /// Those of everybody: there is a new key.
    #[arg(long)]
    all: bool,
}

/// Runs the command; the error is printed and sets the exit code.
pub(crate) fn main(args: &Args) -> Result<(), Failure> {
    let LinksCommand::Revoke(args) = &args.command;
    let config = load(&args.config)?;
    let data = &config.data.path;
    if !data.is_dir() {
        return Err(Failure::Other(format!("{}: no data folder is there yet", data.display())));
    }
    let person = args.person.as_deref().map(str::trim);
    if let Some(name) = person.filter(|name| !runtime::link_people(&config).contains(*name)) {
        // Who has left the lists has no good link, and may come back to them.
        eprintln!("gridpost: nobody of this configuration is called {name}; revoked all the same");
    }
    runtime::revoke_links(data, person).map_err(Failure::Other)?;
    let whose = person.map_or("of everybody".to_owned(), |name| format!("of {name}"));
    print_row(&format!("links {whose} that were made until now are revoked"))
}
