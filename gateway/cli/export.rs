//! `gridpost export`: an incident with its evidence as one file that any machine can prove; running or not.

use std::path::PathBuf;

use super::{Failure, load, print_row};
use crate::runtime::{self, Wish};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The incident, by id.
    incident: String,
    /// The file to make; nothing is written over.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// The configuration, TOML.
    #[arg(short, long)]
    config: PathBuf,
    /// Why, in a sentence; it goes into the journal and the package.
    #[arg(long)]
    reason: String,
    /// Who takes it, by name.
    #[arg(long, default_value = "command line")]
    by: String,
}

/// Runs the command; the error is printed and sets the exit code.
pub(crate) fn main(args: &Args) -> Result<(), Failure> {
    let wish = Wish::new(&args.by, &args.reason).map_err(Failure::Usage)?;
    let wrong = |error| Failure::Usage(format!("`{}` is no id: {error}", args.incident));
    let incident = args.incident.parse().map_err(wrong)?;
    let config = load(&args.config)?;
    let lines = runtime::export_to(&config, incident, &wish, &args.output);
    lines.map_err(Failure::Other)?.iter().try_for_each(|line| print_row(line))
}
