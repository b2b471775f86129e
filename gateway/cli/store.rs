//! `gridpost store`: look into a data folder, running or not; send dead letters again; back up and restore.

use std::path::PathBuf;

use super::{
    Failure, load, print_row,
    store_report::{self, ListKind},
};

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
        match (&self.data, &self.config) {
            (Some(data), _) => Ok(data.clone()),
            (None, Some(config)) => Ok(load(config)?.data.path),
            (None, None) => Err(Failure::Usage("--data FOLDER or --config FILE is needed".into())),
        }
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
    },
    /// Make a data folder of a backup, on this box or another.
    Restore {
        /// The backup.
        #[arg(long, value_name = "FOLDER")]
        from: PathBuf,
        #[command(flatten)]
        folder: Folder,
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
            store_report::list(&folder.path()?, what)
        }
        StoreCommand::Retry { folder, sink, number } => {
            store_report::retry(&folder.path()?, sink.as_deref(), *number)
        }
        StoreCommand::Backup { folder, to } => store_report::backup(&folder.path()?, to),
        StoreCommand::Restore { from, folder } => store_report::restore(from, &folder.path()?),
    };
    print(&lines.map_err(Failure::Other)?)
}

fn print(lines: &[String]) -> Result<(), Failure> {
    lines.iter().try_for_each(|line| print_row(line))
}
