//! `gridpost check`: every mistake in a configuration in one go; touches nothing.

use std::path::PathBuf;

use super::{Failure, doubts::doubts, print_line, summary};
use crate::config::{self, Version, env::ProcessEnvironment};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The configuration, TOML.
    #[arg(short, long)]
    config: PathBuf,
}

/// Runs the command; the error is printed and sets the exit code.
pub(crate) fn main(args: &Args) -> Result<(), Failure> {
    let (config, problems) = config::load(&args.config, &ProcessEnvironment);
    for problem in &problems {
        print_line(&problem.to_string())?;
    }
    match config {
        Some(config) => {
            let doubts = doubts(&config);
            for doubt in &doubts {
                print_line(&format!("{}: warning: {doubt}", args.config.display()))?;
            }
            if let Some(applied) = &config.in_effect.version {
                let Version { version, by, why, .. } = applied;
                print_line(&format!("site.d: version {version} is laid over it ({by}: {why})"))?;
            }
            let warnings = problems.len() + doubts.len();
            print_line(&format!(
                "{}: fine{} ({} buttons, {} sinks, {} grids)",
                args.config.display(),
                if warnings > 0 { format!(", {warnings} warning(s)") } else { String::new() },
                config.buttons.len(),
                config.sinks.len(),
                config.grids.len(),
            ))
        }
        None => Err(Failure::Usage(summary(&args.config, &problems))),
    }
}
