//! `gridpost store`: look into a data folder, running or not; send dead letters again; back up and restore.

use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;

use super::{
    Failure, load, print_row,
    store_report::{self, ListKind},
};
use crate::runtime::{self, Wish};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: StoreCommand,
}

#[derive(clap::Args)]
#[group(required = true, multiple = false)]
struct Folder {
    /// The data folder.
    #[arg(short, long)]
    data: Option<PathBuf>,
    /// Or the configuration that names it.
    #[arg(short, long)]
    config: Option<PathBuf>,
}

impl Folder {
    fn path(&self) -> Result<PathBuf, Failure> {
        self.with_zone().map(|(path, _)| path)
    }

    /// And the site's zone, where the configuration is named; a data folder alone does not know it.
    fn with_zone(&self) -> Result<(PathBuf, TimeZone), Failure> {
        let Some(config) = &self.config else {
            let none = || Failure::Usage("--data FOLDER or --config FILE is needed".into());
            return Ok((self.data.clone().ok_or_else(none)?, TimeZone::system()));
        };
        let config = load(config)?;
        let zone = runtime::event_context(&config).timezone;
        Ok((config.data.path, zone))
    }
}

#[derive(clap::Subcommand)]
enum StoreCommand {
    /// Verify every record, the chain of hashes and the evidence; says in plain words what is wrong.
    Check(Folder),
    /// Accepted, delivered, pending, dead-lettered and shed, per kind and sink; recounted from the journal.
    Ledger(Folder),
    /// What a sink refused for good (dead letters), a line each; with an option, something else.
    List {
        #[command(flatten)]
        folder: Folder,
        /// What waits instead, the most urgent first (at most 1000).
        #[arg(long, conflicts_with_all = ["shed", "quarantine"])]
        pending: bool,
        /// What was given up to make room, with the reason.
        #[arg(long, conflicts_with = "quarantine")]
        shed: bool,
        /// Payloads that nobody could read.
        #[arg(long)]
        quarantine: bool,
    },
    /// Send dead letters again: all, or those of a sink, or one by the number that `list` shows.
    Retry {
        #[command(flatten)]
        folder: Folder,
        #[arg(long)]
        sink: Option<String>,
        #[arg(long, value_name = "NUMBER")]
        number: Option<u64>,
    },
    /// Copy journal and evidence, while the gateway runs, to a folder that is empty or not there.
    Backup {
        #[command(flatten)]
        folder: Folder,
        #[arg(long, value_name = "FOLDER")]
        to: PathBuf,
        /// Takes the site's own keys along, sealed with a passphrase: originals open from it too.
        #[arg(long, requires = "passphrase_file")]
        with_keys: bool,
        /// The file that holds the passphrase, in its first line; `-` is the standard input.
        #[arg(long, value_name = "FILE", requires = "with_keys")]
        passphrase_file: Option<PathBuf>,
    },
    /// Make a data folder of a backup, on this box or another.
    Restore {
        /// The backup.
        #[arg(long, value_name = "FOLDER")]
        from: PathBuf,
        #[command(flatten)]
        folder: Folder,
        /// Where the site's own keys went along: the file that holds their passphrase; `-` is the standard
        /// input.
        #[arg(long, value_name = "FILE")]
        passphrase_file: Option<PathBuf>,
    },
    /// Open what a snapshot was before heads were blurred; who did and why goes into the journal.
    Original {
        /// The blurred picture, by id.
        picture: String,
        /// The configuration, TOML.
        #[arg(short, long)]
        config: PathBuf,
        /// The file to make; nothing is written over.
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
        /// Why, in a sentence.
        #[arg(long)]
        reason: String,
        /// Who opens it, by name.
        #[arg(long, default_value = "command line")]
        by: String,
    },
}

/// Runs the command; the error is printed and sets the exit code.
pub(crate) fn main(args: &Args) -> Result<(), Failure> {
    let lines = match &args.action {
        StoreCommand::Check(folder) => {
            let data = folder.path()?;
            let (sound, lines) = store_report::check(&data);
            print(&lines)?;
            return match sound {
                true => Ok(()),
                false => Err(Failure::Other(format!("{}: not sound", data.display()))),
            };
        }
        StoreCommand::Ledger(folder) => store_report::ledger(&folder.path()?),
        StoreCommand::List { folder, pending, shed, quarantine } => {
            let what = match (pending, shed, quarantine) {
                (true, ..) => ListKind::Pending,
                (_, true, _) => ListKind::Shed,
                (.., true) => ListKind::Quarantine,
                _ => ListKind::Dead,
            };
            {
                let (data, zone) = folder.with_zone()?;
                store_report::list(&data, what, &zone)
            }
        }
        StoreCommand::Retry { folder, sink, number } => {
            store_report::retry(&folder.path()?, sink.as_deref(), *number)
        }
        StoreCommand::Backup { folder, to, passphrase_file, .. } => {
            let passphrase = passphrase(passphrase_file.as_deref())?;
            store_report::backup(&folder.path()?, to, passphrase.as_deref())
        }
        StoreCommand::Restore { from, folder, passphrase_file } => {
            let passphrase = passphrase(passphrase_file.as_deref())?;
            store_report::restore(from, &folder.path()?, passphrase.as_deref())
        }
        StoreCommand::Original { picture, config, output, reason, by } => {
            let wish = Wish::new(by, reason).map_err(Failure::Usage)?;
            let wrong = |error| Failure::Usage(format!("`{picture}` is no id: {error}"));
            let picture = picture.parse().map_err(wrong)?;
            runtime::original_to(&load(config)?, picture, &wish, output)
        }
    };
    print(&lines.map_err(Failure::Other)?)
}

/// The first line of that file, without its end.
fn passphrase(file: Option<&Path>) -> Result<Option<String>, Failure> {
    let Some(file) = file else { return Ok(None) };
    let text = match file == Path::new("-") {
        true => std::io::read_to_string(std::io::stdin()),
        false => std::fs::read_to_string(file),
    };
    let text = text.map_err(|error| Failure::Usage(format!("{}: {error}", file.display())))?;
    Ok(Some(text.lines().next().unwrap_or_default().to_owned()))
}

fn print(lines: &[String]) -> Result<(), Failure> {
    lines.iter().try_for_each(|line| print_row(line))
}
