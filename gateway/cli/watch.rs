//! `gridpost watch`: cameras with no configuration at all; events as JSON lines on stdout.

use super::{Failure, models, models_report};
use crate::{
    config::{self, env::FixedEnvironment},
    runtime,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// `rtsp://user:password@host/path`, or a video file.
    #[arg(required = true)]
    urls: Vec<String>,
    /// Where evidence and the journal are kept.
    #[arg(short, long, default_value = "gridpost-watch")]
    data: std::path::PathBuf,
}

/// One intrusion rule over the whole picture, for persons and vehicles. Nobody is there to accept.
const RULE: &str = "[[life.limit]]\nescalates = false\n[[rule]]\nid = \"watch\"\nkind = \"intrusion\"\nlabels = [\"person\", \"bicycle\", \"car\", \"motorcycle\", \"bus\", \"truck\"]\n";

/// Runs the command; the error is printed and sets the exit code.
pub(crate) fn main(args: &Args) -> Result<(), Failure> {
    let mut text = format!(
        "[site]\nid = \"watch\"\ntimezone = \"UTC\"\n[data]\npath = {}\n[web]\nlisten = \"127.0.0.1:0\"\n[[sink]]\nid = \"stdout\"\nkind = \"jsonl\"\npath = \"-\"\n{RULE}",
        quoted(&args.data.to_string_lossy())
    );
    for (index, url) in args.urls.iter().enumerate() {
        text.push_str(&format!(
            "[[camera]]\nid = \"camera-{}\"\nurl = {}\n",
            index + 1,
            quoted(url)
        ));
    }
    // Dollar signs in a password are just that.
    let (config, problems) =
        config::parse("watch", &text.replace('$', "$$"), &FixedEnvironment::default());
    let sentences: Vec<String> =
        problems.iter().map(|problem| format!("{}: {}", problem.key, problem.message)).collect();
    let mut config = config.ok_or_else(|| Failure::Usage(sentences.join("; ")))?;
    config.models_dir = models::folder();
    models_report::verify(&config.models_dir, None, None).map_err(Failure::Usage)?;
    tracing::info!(data = %args.data.display(), "evidence and journal are kept here");
    runtime::run(config, None, &FixedEnvironment::default()).map_err(Failure::Other)
}

/// As a TOML string.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
