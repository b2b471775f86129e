//! `gridpost watch`: cameras with no configuration at all; events as JSON lines on stdout.

use std::io::BufRead;

use super::{Failure, models, models_report};
use crate::{
    config::{self, env::FixedEnvironment},
    runtime,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// `rtsp://user:password@host/path`, or a video file. `-` reads addresses from standard input, a line
    /// each: what stands in a command line, everybody on this machine can read.
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
        "[site]\nid = \"watch\"\ntimezone = {}\n[data]\npath = {}\n[web]\nlisten = \"127.0.0.1:0\"\n[[sink]]\nid = \"stdout\"\nkind = \"jsonl\"\npath = \"-\"\n{RULE}",
        quoted(&own_zone()),
        quoted(&args.data.to_string_lossy())
    );
    let urls = addresses(&args.urls, std::io::stdin().lock()).map_err(Failure::Usage)?;
    for (index, url) in urls.iter().enumerate() {
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
    let evidence = args.data.join("evidence");
    let shown = evidence.display();
    eprintln!("截图和录像在 {shown}/，文件名是事件里 evidence 的 id（.jpg、.mp4）");
    eprintln!(
        "snapshots and clips are in {shown}/, each named by its id in `evidence` (.jpg, .mp4)"
    );
    runtime::run(config, None, &FixedEnvironment::default()).map_err(Failure::Other)
}

/// Of this machine: nobody named a site's.
fn own_zone() -> String {
    let zone = jiff::tz::TimeZone::system();
    zone.iana_name().unwrap_or("UTC").to_owned()
}

/// Those of the command line, with the lines of `from` in place of `-`.
fn addresses(given: &[String], mut from: impl BufRead) -> Result<Vec<String>, String> {
    let mut urls = Vec::new();
    for url in given {
        if url != "-" {
            urls.push(url.clone());
            continue;
        }
        let mut text = String::new();
        from.read_to_string(&mut text)
            .map_err(|error| format!("standard input cannot be read: {error}"))?;
        urls.extend(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(Into::into));
    }
    if urls.is_empty() {
        return Err(
            "standard input: no address; expected rtsp://user:password@host/path, a line each"
                .into(),
        );
    }
    Ok(urls)
}

/// As a TOML string.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_come_by_standard_input_where_no_list_of_processes_shows_it() {
        let given = |all: &[&str]| -> Vec<String> { all.iter().map(|one| (*one).into()).collect() };
        let text = b"rtsp://u:p@h/1\n\n rtsp://u:p@h/2 \n".as_slice();
        let read = addresses(&given(&["a.mp4", "-"]), text).unwrap();
        assert_eq!(read, ["a.mp4", "rtsp://u:p@h/1", "rtsp://u:p@h/2"]);
        assert_eq!(addresses(&given(&["a.mp4"]), b"ignored".as_slice()).unwrap(), ["a.mp4"]);
        assert!(addresses(&given(&["-"]), b"\n".as_slice()).unwrap_err().contains("no address"));
        assert!(addresses(&given(&["-"]), [0xff, 0xfe].as_slice()).is_err());
    }
}
