//! `gridpost store`: look into a data folder, running or not.

use std::path::PathBuf;

use super::{Failure, print_line};
use crate::runtime;

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Verify every record, the chain of hashes and the evidence; says in plain words what is wrong.
    Check {
        /// The data folder.
        #[arg(short, long)]
        data: PathBuf,
    },
    /// Accepted, delivered, pending, dead-lettered and shed, per kind and sink; recounted from the journal.
    Ledger {
        /// The data folder.
        #[arg(short, long)]
        data: PathBuf,
    },
}

pub(crate) fn main(args: &Args) -> Result<(), Failure> {
    match &args.what {
        What::Check { data } => {
            let (sound, lines) = runtime::store_check(data);
            lines.iter().try_for_each(|line| print_line(line))?;
            if sound {
                Ok(())
            } else {
                Err(Failure::Other(format!("{}: not sound", data.display())))
            }
        }
        What::Ledger { data } => {
            let lines = runtime::store_ledger(data).map_err(Failure::Other)?;
            lines.iter().try_for_each(|line| print_line(line))
        }
    }
}
