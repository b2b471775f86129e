//! `gridpost test-event`: a drill 演练 through every sink, route and limit, and what arrived where and how soon.

use std::{path::PathBuf, time::Duration};

use super::{
    Failure,
    incidents_table::{columns, padded},
    load, print_line,
};
use crate::{
    base::RealClock,
    config::Config,
    domain::{Clock, DrillOrder, Incident, Kind, Record, Severity, SinkId, SourceId, What},
    runtime::{self, DrillReport},
    store,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The configuration of the gateway that runs.
    #[arg(short, long)]
    config: PathBuf,
    /// Who drills; it is in the record.
    #[arg(long)]
    by: String,
    /// As if it were of this kind, such as `emergency-button` or `fire-lane`.
    #[arg(long, default_value = "emergency-button")]
    kind: String,
    /// As if it were this urgent: 1 emergency to 4 notice.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=4))]
    severity: u8,
    /// As if it were of this button, camera, gauge or drone. Default: the site.
    #[arg(long)]
    source: Option<String>,
    /// Seconds to wait for the sinks.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=600))]
    wait: u32,
    /// Minutes after which the gateway dismisses it, and in which limits may pass and be told.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=10_080))]
    minutes: u32,
}

/// Runs the command; the error is printed and sets the exit code.
pub(crate) fn main(args: &Args) -> Result<(), Failure> {
    if args.by.trim().is_empty() {
        return Err(Failure::Usage("--by is empty: a drill is somebody's".into()));
    }
    let config = load(&args.config)?;
    let kind = serde_json::from_value::<Kind>(args.kind.as_str().into()).map_err(|_| {
        Failure::Usage(format!(
            "--kind {}: expected a kind of incident such as emergency-button, fire-lane, rain",
            args.kind
        ))
    })?;
    let severity = Severity::try_from(args.severity).map_err(Failure::Usage)?;
    let data = &config.data.path;
    let pid = store::holder(data).ok_or_else(|| {
        Failure::Other(format!("no gateway runs on {}: start it first", data.display()))
    })?;
    let order = DrillOrder { by: args.by.clone(), kind, severity, lasts_s: args.minutes * 60 };
    let source = args.source.as_deref().map(SourceId::from);
    let wait = Duration::from_secs(args.wait.into());
    let report = runtime::ask_for_drill(data, &pid, order, source, wait).map_err(Failure::Other)?;
    for line in lines(&config, &report, args.minutes) {
        print_line(&line)?;
    }
    match (report.waiting.len(), report.refused.len()) {
        (0, 0) => Ok(()),
        (waiting, refused) => Err(Failure::Other(format!(
            "{waiting} sink(s) had not got it after {} s, {refused} refused it",
            args.wait
        ))),
    }
}

fn lines(config: &Config, report: &DrillReport, minutes: u32) -> Vec<String> {
    let incident = &report.incident;
    let mut lines = vec![format!("{} {}", incident.title.zh, incident.id)];
    lines.extend(whom(incident));
    let rows = rows(config, report);
    let width = rows.iter().map(|[sink, _]| columns(sink)).max().unwrap_or(0);
    lines.extend(rows.iter().map(|[sink, what]| format!("{}  {what}", padded(sink, width))));
    if config.sinks.is_empty() {
        lines.push("没有任何上报通道 (no sink: nobody is told)".into());
    }
    lines.push(format!(
        "{minutes} 分钟后自动作废，不计入统计 (dismissed after {minutes} min; drills never count)"
    ));
    lines
}

/// Whose business it would be, who is on duty, and when it would be late.
fn whom(incident: &Incident) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(grid) = &incident.grid {
        lines.push(format!("网格 grid: {} {}", grid.name, grid.head.as_deref().unwrap_or("-")));
    }
    lines.push(match &incident.route {
        Some(route) => {
            let person = route.person.as_deref().unwrap_or_default();
            let phone = route.phone.as_deref().unwrap_or_default();
            let line =
                format!("归口 route: {} · {} {person} {phone}", route.department, route.item);
            line.trim_end().to_owned()
        }
        None => "归口 route: 无人负责 (nobody: see [routing])".into(),
    });
    let on_duty = incident.detail.get("duty").and_then(|duty| duty.as_array());
    if let Some(on_duty) = on_duty {
        let text =
            |one: &serde_json::Value, key: &str| one[key].as_str().unwrap_or_default().to_owned();
        let named: Vec<String> = on_duty
            .iter()
            .map(|one| format!("{} {}", text(one, "name"), text(one, "phone")))
            .collect();
        let named =
            if named.is_empty() { "无人在岗 (nobody)".into() } else { named.join("，") };
        lines.push(format!("值班 duty: {named}"));
    }
    if let Some(deadline) = &incident.deadline {
        let within = |by: jiff::Timestamp| match by.duration_since(incident.opened_at).as_secs() {
            seconds @ ..120 => format!("{seconds} 秒"),
            seconds => format!("{} 分", seconds / 60),
        };
        lines.push(format!(
            "时限 limits: 受理 accept {}，办结 finish {}",
            within(deadline.accept_by),
            within(deadline.finish_by)
        ));
    }
    lines
}

/// What is to be said of a sink that neither refused it nor lets us wait.
fn arrived(report: &DrillReport, id: &SinkId, passed: Option<&str>) -> String {
    match (passed, report.took_ms.get(id)) {
        (Some(why), _) => format!("不经此通道 passed over: {why}"),
        (None, Some(ms)) => format!("已送达 delivered: {ms} ms"),
        (None, None) => "已送达 delivered: < 10 ms".into(),
    }
}

/// Each sink and what became of it there.
fn rows(config: &Config, report: &DrillReport) -> Vec<[String; 2]> {
    let record = Record { what: What::Opened, incident: report.incident.clone() };
    let event = runtime::event_context(config).event(&record);
    let now = RealClock::start().now().wall;
    let sinks = config.sinks.iter().map(|sink| {
        let id = sink.id();
        let what = if let Some(answer) = report.refused.get(&id) {
            format!("被拒绝 refused: {answer}")
        } else if report.waiting.contains(&id) {
            let why = report.reasons.iter().find(|reason| reason.contains(id.as_str()));
            format!("未送达 waiting: {}", why.map_or("no answer yet", String::as_str))
        } else {
            arrived(report, &id, sink.passes_over(&record, &event, now))
        };
        [id.to_string(), what]
    });
    sinks.collect()
}
