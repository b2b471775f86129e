//! `gridpost doctor`: how every part is, in plain words, with what to do; and a bundle for who helps from afar.

use std::{
    fs::DirBuilder,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use super::{
    Failure, bundle,
    doctor_words::{document, lines, worst},
    doubts::doubts,
    print_line, print_row,
};
use crate::{
    config::{self, Config, Problem, env::ProcessEnvironment},
    runtime::{DoctorReport, Gravity, examine, of_config},
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The configuration, TOML.
    #[arg(short, long)]
    config: PathBuf,
    /// One JSON document.
    #[arg(long)]
    json: bool,
    /// Where one picture of each camera is put, for its owner alone.
    #[arg(long, value_name = "FOLDER", default_value = "gridpost-doctor")]
    pictures: PathBuf,
    /// No pictures.
    #[arg(long, conflicts_with = "pictures")]
    no_pictures: bool,
    /// Also everything for who helps from afar, as a tar: no picture, no name, no phone, no secret in it.
    #[arg(long, value_name = "FILE")]
    bundle: Option<PathBuf>,
    /// The gateway's log, for the bundle. Default: what systemd has of the unit `gridpost`.
    #[arg(long, value_name = "FILE", requires = "bundle")]
    log: Option<PathBuf>,
}

/// Runs the command. Exit 0: nothing is bad; 1: something is; 2: the configuration is wrong.
pub(crate) fn main(args: &Args) -> Result<(), Failure> {
    let (config, mut problems) = config::load(&args.config, &ProcessEnvironment);
    problems.extend(config.iter().flat_map(|config| doubtful(&args.config, config)));
    let pictures = (!args.no_pictures && has_cameras(config.as_ref())).then_some(&*args.pictures);
    let pictures = pictures.map(made).transpose()?;
    let report = match &config {
        Some(config) => examine(config, &problems, pictures),
        None => DoctorReport { diagnoses: of_config(&problems), running: None },
    };
    if args.json {
        print_line(&document(&report).to_string())?;
    } else {
        lines(&report).iter().try_for_each(|line| print_row(line))?;
    }
    if let Some(file) = &args.bundle {
        let of =
            bundle::BundleSource { path: &args.config, config: config.as_ref(), report: &report };
        let left_out = bundle::write(file, &of, args.log.as_deref())?;
        eprintln!("支持包：{}（{left_out} 处已隐去）", file.display());
        eprintln!("support bundle: {} ({left_out} texts were taken out)", file.display());
    }
    if config.is_none() {
        return Err(Failure::Usage(super::summary(&args.config, &problems)));
    }
    match worst(&report) {
        Gravity::Bad => Err(Failure::Other("有问题，见上 (something is wrong, see above)".into())),
        Gravity::Fine | Gravity::Note => Ok(()),
    }
}

fn has_cameras(config: Option<&Config>) -> bool {
    config.is_some_and(|config| !config.cameras.is_empty())
}

/// People can be seen in what comes there.
fn made(folder: &Path) -> Result<&Path, Failure> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    let told = |error| Failure::Usage(format!("--pictures {}: {error}", folder.display()));
    made.map(|()| folder).map_err(told)
}

/// What is doubtful, as `gridpost check` tells it.
fn doubtful(path: &Path, config: &Config) -> Vec<Problem> {
    let problem = |doubt: String| {
        let (key, message) = doubt.split_once(": ").unwrap_or(("", &doubt));
        let (file, key, message) = (path.display().to_string(), key.into(), message.into());
        Problem { file, line: 0, key, message, hint: None, warning: true }
    };
    doubts(config).into_iter().map(problem).collect()
}
