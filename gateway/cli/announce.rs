//! `gridpost announce`: a person's own words at loudspeakers 喊话, and which of them said it.

use std::{path::PathBuf, time::Duration};

use super::{Failure, load, print_line};
use crate::{
    domain::{AnnounceOrder, Severity, SinkId, SourceId},
    runtime, store,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The configuration of the gateway that runs.
    #[arg(short, long)]
    config: PathBuf,
    /// Who says it; it is in the record.
    #[arg(long)]
    by: String,
    /// At this speaker; may be given several times.
    #[arg(long = "speaker", required_unless_present = "grid", conflicts_with = "grid")]
    speakers: Vec<String>,
    /// At all speakers of the grid with this code.
    #[arg(long)]
    grid: Option<String>,
    /// Never said after so many seconds.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=3600))]
    valid: u32,
    /// How urgent it is: 1 interrupts what is less urgent.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=4))]
    severity: u8,
    /// Seconds to wait for the speakers.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=600))]
    wait: u32,
    /// What is said.
    text: String,
}

/// Runs the command; the error is printed and sets the exit code.
pub(crate) fn main(args: &Args) -> Result<(), Failure> {
    let config = load(&args.config)?;
    let data = &config.data.path;
    let pid = store::holder(data).ok_or_else(|| {
        Failure::Other(format!("no gateway runs on {}: start it first", data.display()))
    })?;
    let speakers = args.speakers.iter().map(|id| SourceId::from(id.as_str())).collect();
    let order = AnnounceOrder {
        speakers: args.grid.is_none().then_some(speakers),
        grid: args.grid.clone(),
        text: args.text.clone(),
        valid_s: args.valid,
        severity: Severity::try_from(args.severity).map_err(Failure::Usage)?,
        by: args.by.clone(),
    };
    let wait = Duration::from_secs(args.wait.into());
    let report = runtime::ask_to_announce(data, &pid, order, wait).map_err(Failure::Other)?;
    let incident = &report.incident;
    print_line(&format!("{} {}", incident.title.zh, incident.id))?;
    let mut late = 0;
    for source in &incident.sources {
        let id = SinkId::from(source.id.as_str());
        let expired = report.refused.get(&id);
        late += usize::from(expired.is_some() || report.waiting.contains(&id));
        let what = match (report.waiting.contains(&id), report.took_ms.get(&id)) {
            _ if expired.is_some() => "未播出，已过时效 expired, never said".to_owned(),
            (true, _) => "未播出 not said yet".to_owned(),
            (false, Some(ms)) => format!("已播出 said: {ms} ms"),
            (false, None) => "已播出 said".into(),
        };
        print_line(&format!("{id}  {what}"))?;
    }
    match late {
        0 => Ok(()),
        late => Err(Failure::Other(format!(
            "{late} speaker(s) had not said it after {} s; what cannot be said within {} s never will be",
            args.wait, args.valid
        ))),
    }
}
