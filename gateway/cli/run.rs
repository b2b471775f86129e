//! `gridpost run`: the gateway, until SIGINT or SIGTERM.

use std::path::PathBuf;

use super::{Failure, load};
use crate::runtime;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The configuration, TOML.
    #[arg(short, long)]
    config: PathBuf,
}

pub(crate) fn main(args: &Args) -> Result<(), Failure> {
    let config = load(&args.config)?;
    runtime::run(config).map_err(Failure::Other)
}
