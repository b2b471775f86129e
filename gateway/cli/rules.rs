//! `gridpost rules`: how each rule does, what could be changed of it, and what that would save and cost; a person applies it.

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::{
    Failure,
    config::{print_json, refused, take_effect},
    incidents::time,
    incidents_table::{columns, padded},
    load, print_row,
};
use crate::{
    base::RealClock,
    config::{self, Change, Changes, Config, env::ProcessEnvironment},
    domain::{Clock, DismissReason},
    runtime::{self, Proposal, RuleLine, RuleReport},
    store,
};

#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: Option<RulesAction>,
    #[command(flatten)]
    list: Option<List>,
}

#[derive(clap::Args)]
struct List {
    /// The configuration, TOML.
    #[arg(short, long)]
    config: PathBuf,
    /// Cases that were opened since: `today`, `yesterday`, a date, `12h`, `7d`, or a time in RFC 3339.
    #[arg(long, default_value = "30d")]
    since: String,
    /// One JSON document, as `GET /api/v1/rules`.
    #[arg(long)]
    json: bool,
}

#[derive(clap::Subcommand)]
enum RulesAction {
    /// Apply a proposal: written to `site.d` in the data folder, in effect at once, undone by
    /// `gridpost config undo`.
    Apply {
        /// As `gridpost rules` names it.
        proposal: String,
        #[command(flatten)]
        list: List,
        /// Who applies it.
        #[arg(long, value_name = "NAME", required_unless_present = "dry_run")]
        by: Option<String>,
        /// Show what would be written, and write nothing.
        #[arg(long)]
        dry_run: bool,
    },
}

/// Runs the command; the error is printed and sets the exit code.
pub(crate) fn main(args: &Args) -> Result<(), Failure> {
    let now = RealClock::start().now().wall;
    match (&args.what, &args.list) {
        (Some(RulesAction::Apply { proposal, list, by, dry_run }), _) => {
            let by = by.as_deref().filter(|_| !*dry_run);
            apply(proposal, list, by, now)
        }
        (None, Some(list)) => {
            let (_, report) = report(list, now)?;
            if list.json {
                return print_json(&report);
            }
            lines(&report).iter().try_for_each(|line| print_row(line))
        }
        (None, None) => Err(Failure::Usage("expected -c FILE".into())),
    }
}

fn report(list: &List, now: Timestamp) -> Result<(Config, RuleReport), Failure> {
    let config = load(&list.config)?;
    let zone = runtime::event_context(&config).timezone;
    let since = time(&list.since, now, &zone).map_err(Failure::Usage)?;
    if since >= now {
        return Err(Failure::Usage(format!("--since {}: is not in the past", list.since)));
    }
    let cases = store::case_lines(&config.data.path, since, now)
        .map_err(|error| Failure::Other(error.to_string()))?;
    let report = runtime::rule_report(&config, &cases, since, now);
    Ok((config, report))
}

/// Without `by`, only shown.
fn apply(id: &str, list: &List, by: Option<&str>, now: Timestamp) -> Result<(), Failure> {
    let (_, report) = report(list, now)?;
    let Some(proposal) = report.proposal(id) else {
        let known: Vec<&str> = all(&report).map(|one| one.id.as_str()).collect();
        let known = if known.is_empty() { "none".into() } else { known.join(", ") };
        return Err(Failure::Usage(format!(
            "`{id}`: no such proposal, by what is known now; there are: {known}"
        )));
    };
    // What it costs goes before what it does.
    effect(proposal).iter().try_for_each(|line| print_row(line))?;
    let changes = changes(proposal, &report, by.unwrap_or("dry run"))?;
    let (path, environment): (&Path, _) = (&list.config, &ProcessEnvironment);
    let Some(_) = by else {
        let text = config::try_out(path, environment, now, &changes).map_err(refused)?;
        return text.lines().filter(|line| !line.starts_with('#')).try_for_each(print_row);
    };
    take_effect(path, config::apply(path, environment, now, &changes, false), false)
}

fn changes(proposal: &Proposal, report: &RuleReport, by: &str) -> Result<Changes, Failure> {
    let value = toml::Value::try_from(&proposal.to)
        .map_err(|error| Failure::Other(format!("cannot be written as TOML: {error}")))?;
    let change = Change::Set {
        section: proposal.section.into(),
        id: Some(proposal.item.clone()),
        key: proposal.key.into(),
        value,
    };
    let tried = &proposal.tried;
    let why = format!(
        "建议 {}：少误报 {}/{}，漏报 {}/{}",
        proposal.id, tried.saved, tried.false_alarms, tried.lost, tried.real
    );
    Ok(Changes { on: report.version, by: by.into(), why, all: vec![change] })
}

fn all(report: &RuleReport) -> impl Iterator<Item = &Proposal> {
    report.rules.iter().flat_map(|rule| &rule.advice.proposals)
}

const HEADS: [&str; 9] = [
    "规则 rule",
    "摄像头 camera",
    "事件 opened",
    "每日 per day",
    "受理 accepted",
    "作废 dismissed",
    "并案 merged",
    "未定 undecided",
    "准确率 precision",
];

/// The table, why cases were dismissed, then the proposals.
fn lines(report: &RuleReport) -> Vec<String> {
    let mut rows = vec![HEADS.map(str::to_owned)];
    for rule in &report.rules {
        rows.push(row(rule, None));
        if rule.figures.by_camera.len() > 1 {
            rows.extend(rule.figures.by_camera.keys().map(|camera| row(rule, Some(camera))));
        }
    }
    let width = |column: usize| rows.iter().map(|row| columns(&row[column])).max().unwrap_or(0);
    let widths: Vec<usize> = (0..HEADS.len()).map(width).collect();
    let line = |row: &[String; 9]| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| padded(cell, *width));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let mut lines: Vec<String> = rows.iter().map(line).collect();
    for rule in &report.rules {
        let by = &rule.figures.total.dismissed_by;
        if !by.is_empty() {
            let reasons: Vec<String> = by
                .iter()
                .map(|(reason, count)| format!("{} {count}", DismissReason::zh_of(reason)))
                .collect();
            lines.push(format!(
                "{} 作废原因 (dismissed by): {}",
                rule.figures.rule,
                reasons.join("、")
            ));
        }
    }
    for rule in &report.rules {
        for proposal in &rule.advice.proposals {
            lines.push(format!("建议 (proposal) {}", proposal.id));
            lines.extend(effect(proposal).into_iter().map(|line| format!("    {line}")));
        }
        if let Some(why) = rule.advice.why_not.as_ref().filter(|_| rule.figures.total.opened > 0) {
            lines.push(format!("{} 无更多建议 (no further proposal): {why}", rule.figures.rule));
        }
    }
    let gaps = &report.left_out;
    let unreadable = gaps.cases_unreadable + gaps.tracks_unreadable;
    if unreadable > 0 || gaps.tracks_left_out {
        lines.push(format!("无法读取 {unreadable} 行 ({unreadable} lines cannot be read; more tracks than can be tried: {})", gaps.tracks_left_out));
    }
    let hint = "gridpost rules apply 建议 --by 姓名；撤销：gridpost config undo (to apply one, and to undo it)";
    if all(report).next().is_some() {
        lines.push(hint.into());
    }
    lines
}

fn row(rule: &RuleLine, camera: Option<&crate::domain::SourceId>) -> [String; 9] {
    let figures = &rule.figures;
    let counts = camera.and_then(|camera| figures.by_camera.get(camera)).unwrap_or(&figures.total);
    let precision = counts.precision.map_or("-".into(), |share| format!("{:.1}%", share * 100.0));
    [
        if camera.is_none() { figures.rule.to_string() } else { String::new() },
        camera.map_or_else(|| "全部 all".into(), ToString::to_string),
        counts.opened.to_string(),
        format!("{:.2}", counts.per_day),
        counts.accepted.to_string(),
        counts.dismissed.to_string(),
        counts.merged.to_string(),
        counts.undecided.to_string(),
        precision,
    ]
}

/// What a proposal would do: what it would cost, first.
fn effect(proposal: &Proposal) -> Vec<String> {
    let tried = &proposal.tried;
    let mut lines = Vec::new();
    if tried.lost > 0 {
        lines.push(format!(
            "注意：会漏掉 {} 件已受理的事件（共试算 {} 件） (CAREFUL: {} of {} accepted ones would not have been raised)",
            tried.lost, tried.real, tried.lost, tried.real
        ));
    }
    if tried.untold_real > 0 {
        lines.push(format!(
            "另有 {} 件已受理的事件轨迹已删除或无法重现，会不会漏掉不清楚 (of {} more accepted ones it is not known: their tracks are gone)",
            tried.untold_real, tried.untold_real
        ));
    }
    lines.push(format!(
        "{} {}: {} {} → {}",
        proposal.section, proposal.item, proposal.key, proposal.from, proposal.to
    ));
    lines.push(format!(
        "误报少 {}/{} 件，已受理的漏 {}/{} 件，其他作废或未定的少 {}/{} 件 (saves {} of {} false alarms, costs {} of {} accepted, and {} of {} dismissed otherwise or undecided)",
        tried.saved, tried.false_alarms, tried.lost, tried.real, tried.others_lost, tried.others,
        tried.saved, tried.false_alarms, tried.lost, tried.real, tried.others_lost, tried.others,
    ));
    for (rule, decided) in &proposal.beside {
        lines.push(match decided {
            0 => format!("也影响规则 {rule}：没有可试算的事件，会不会漏报不清楚 (it acts on rule {rule} too, of which no case could be tried: what it costs there is not known)"),
            _ => format!("也影响规则 {rule}：已试算其 {decided} 件事件 (it acts on rule {rule} too; {decided} cases of it were tried)"),
        });
    }
    if tried.later_s > 0.0 {
        lines.push(format!(
            "已受理的最多晚报 {} 秒 (accepted ones would have been raised up to {} s later)",
            tried.later_s, tried.later_s
        ));
    }
    if tried.untold > 0 {
        lines.push(format!(
            "{} 件无法试算 ({} decided ones could not be tried)",
            tried.untold, tried.untold
        ));
    }
    lines
}
