//! `gridpost verify`: proves a package on any machine, with no configuration and no data folder.

use std::path::PathBuf;

use super::{Failure, print_row};
use crate::store;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The package, as `gridpost export` or the console made it.
    package: PathBuf,
    /// The site's public key, 64 hex digits: `gridpost keys` prints it at the site.
    #[arg(long, value_name = "PUBLIC KEY")]
    key: Option<String>,
}

/// Runs the command; the error is printed and sets the exit code.
pub(crate) fn main(args: &Args) -> Result<(), Failure> {
    let proved = store::verify(&args.package, args.key.as_deref());
    let wrong = |why| {
        let path = args.package.display();
        Failure::Other(format!("{path}: 未通过验证 NOT PROVED: {why}"))
    };
    proved.map_err(wrong)?.iter().try_for_each(|line| print_row(line))
}
