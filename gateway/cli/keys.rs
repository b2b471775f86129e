//! `gridpost keys`: the public key of the site, by which its packages are proved elsewhere.

use std::path::PathBuf;

use super::{Failure, load, print_row};
use crate::store;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The configuration, TOML.
    #[arg(short, long)]
    config: PathBuf,
}

/// Runs the command; the error is printed and sets the exit code.
pub(crate) fn main(args: &Args) -> Result<(), Failure> {
    let data = load(&args.config)?.data.path;
    if !data.is_dir() {
        return Err(Failure::Other(format!("{}: no data folder is there yet", data.display())));
    }
    print_row(&store::site_key(&data).map_err(Failure::Other)?)
}
