//! `gridpost run`: the gateway, until SIGINT or SIGTERM; SIGHUP reads the configuration anew.

use std::path::PathBuf;

use super::{Failure, load};
use crate::{
    config::{self, env::ProcessEnvironment},
    runtime,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The configuration, TOML.
    #[arg(short, long)]
    config: PathBuf,
}

/// Runs the command; the error is printed and sets the exit code.
pub(crate) fn main(args: &Args) -> Result<(), Failure> {
    let config = load(&args.config)?;
    let path = args.config.clone();
    let reread = move || config::load_settled(&path, &ProcessEnvironment);
    runtime::run(config, Some(Box::new(reread)), &ProcessEnvironment).map_err(Failure::Other)
}
