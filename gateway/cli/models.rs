//! `gridpost models`: what the catalogue has, fetch it, verify it, measure it.

use std::{path::PathBuf, process::Command};

use super::{Failure, models_report, print_line};
use crate::config::env::{Environment, MODELS, ORT_LIBRARY, ProcessEnvironment};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: ModelsCommand,
}

#[derive(clap::Subcommand)]
enum ModelsCommand {
    /// Every model of the catalogue, whether its file is here, and which one looks.
    List,
    /// Bring a model and the ONNX Runtime library (without a name the best model that can be had, from
    /// the folder that `GRIDPOST_MODELS_FROM` names, its release address or npm).
    Fetch {
        name: Option<String>,
        /// Instead, what reads number plates. It is no default: what its packages declare is said, and a
        /// site decides.
        #[arg(long, conflicts_with = "name")]
        plates: bool,
    },
    /// Verify the file's hash and load the model with the ONNX Runtime library.
    Verify { name: Option<String> },
    /// Run the 32-bit and the 8-bit variant on this processor and keep which is faster; both on each
    /// other provider of the ONNX Runtime library; and say which devices could decode.
    Bench { name: Option<String> },
}

/// The models folder, from the environment or the working directory.
pub(crate) fn folder() -> PathBuf {
    ProcessEnvironment.get(MODELS).unwrap_or_else(|| "models".into()).into()
}

/// Runs the command; the error is printed and sets the exit code.
pub(crate) fn main(args: &Args) -> Result<(), Failure> {
    let models = folder();
    let library = ProcessEnvironment.get(ORT_LIBRARY).map(PathBuf::from);
    match &args.action {
        ModelsCommand::List => {
            let lines = models_report::list(&models).map_err(Failure::Usage)?;
            lines.iter().try_for_each(|line| print_line(line))
        }
        ModelsCommand::Fetch { name, plates } => {
            let script = models.join("fetch");
            let plates = plates.then_some("--plates");
            let status =
                Command::new(&script).args(name).args(plates).status().map_err(|error| {
                    Failure::Other(format!("{} cannot be run: {error}", script.display()))
                })?;
            if status.success() {
                Ok(())
            } else {
                Err(Failure::Other("models fetch failed".into()))
            }
        }
        ModelsCommand::Verify { name } => {
            let lines = models_report::verify(&models, name.clone(), library.as_deref());
            lines.map_err(Failure::Usage)?.iter().try_for_each(|line| print_line(line))
        }
        ModelsCommand::Bench { name } => {
            let lines = models_report::bench(&models, name.as_deref(), library.as_deref());
            lines.map_err(Failure::Usage)?.iter().try_for_each(|line| print_line(line))
        }
    }
}
