//! `gridpost figures`: what a district counts of the cases of a month; running or not.

use std::path::{Path, PathBuf};

use super::{
    Failure,
    incidents_table::{columns, padded},
    load, print_line, print_row,
};
use crate::{
    base::{self, RealClock},
    domain::Clock,
    figures::{CaseCounts, Figures, FiguresQuery, csv_text, figures, workbook},
    runtime, store,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The configuration, TOML.
    #[arg(short, long)]
    config: PathBuf,
    /// A month of the site, such as 2026-11. Default: this one.
    #[arg(long, conflicts_with_all = ["from", "until"])]
    month: Option<String>,
    /// The first day instead.
    #[arg(long)]
    from: Option<String>,
    /// And the day after the last one; default: tomorrow.
    #[arg(long)]
    until: Option<String>,
    /// A row for each `day`, `week` (from Monday), `month`, or one for `all` of it (the default).
    #[arg(long)]
    by: Option<String>,
    /// And for each `class`, `grid`, `community`, `township`, `kind`, `source` or `department`.
    #[arg(long)]
    group: Option<String>,
    /// Write the whole table as a spreadsheet, with a sheet for each way to cut it up.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["csv", "json", "by", "group"])]
    xlsx: Option<PathBuf>,
    /// Write the rows as CSV with Chinese headings.
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    csv: Option<PathBuf>,
    /// All figures as one JSON document.
    #[arg(long)]
    json: bool,
}

/// Runs the command; the error is printed and sets the exit code.
pub(crate) fn main(args: &Args) -> Result<(), Failure> {
    let config = load(&args.config)?;
    let zone = runtime::event_context(&config).timezone;
    let now = RealClock::start().now().wall;
    let given = [
        ("month", &args.month),
        ("from", &args.from),
        ("until", &args.until),
        ("by", &args.by),
        ("group", &args.group),
    ];
    let pairs = given.iter().filter_map(|(key, value)| Some((*key, value.as_deref()?)));
    let today = now.to_zoned(zone.clone()).date();
    let wrong = |message| Failure::Usage(format!("--{message}"));
    let query = FiguresQuery::parse(pairs, today).map_err(wrong)?;
    let (from, until) = query.times(&zone).map_err(Failure::Usage)?;
    let cases = store::case_lines(&config.data.path, from, until)
        .map_err(|error| Failure::Other(error.to_string()))?;
    if let Some(path) = &args.xlsx {
        let bytes = workbook(&cases, &query, &zone, now).map_err(Failure::Other)?;
        return write(path, &bytes);
    }
    let figures = figures(&cases, &query, &zone, now);
    if let Some(path) = &args.csv {
        return write(path, csv_text(&figures).map_err(Failure::Other)?.as_bytes());
    }
    if args.json {
        let text = serde_json::to_string(&figures)
            .map_err(|error| Failure::Other(format!("cannot be written as JSON: {error}")))?;
        return print_line(&text);
    }
    lines(&figures).iter().try_for_each(|line| print_row(line))
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let failed = |error| Failure::Other(format!("{}: {error}", path.display()));
    base::write_whole(path, bytes, base::Sync::Yes).map_err(failed)
}

const HEADS: [&str; 13] = [
    "日期 from",
    "分组 group",
    "上报",
    "有效",
    "作废",
    "应结案",
    "结案",
    "结案率",
    "按期",
    "按期结案率",
    "未结",
    "准确派遣率",
    "返工",
];

/// The figures that a chief asks for first; the others are in the file.
fn lines(figures: &Figures) -> Vec<String> {
    let mut rows = vec![HEADS.map(str::to_owned)];
    for row in &figures.rows {
        let group = row.group.as_ref().map_or("-", |group| group.name.as_str());
        rows.push(cells(row.period.to_string(), group, &row.counts));
    }
    rows.push(cells("合计".into(), "-", &figures.total));
    let width = |column: usize| rows.iter().map(|row| columns(&row[column])).max().unwrap_or(0);
    let widths: Vec<usize> = (0..HEADS.len()).map(width).collect();
    let line = |row: &[String; 13]| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| padded(cell, *width));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let mut lines: Vec<String> = rows.iter().map(line).collect();
    let last = figures.until.yesterday().unwrap_or(figures.until);
    let left = &figures.left_out;
    lines.push(format!(
        "{} 至 {last}，自动结案 {} 件；未计入：演练 {} 件、时间不明 {} 件、无法读取 {} 条 (auto-closed {}; left out: {} drills, {} of no time, {} unreadable)",
        figures.from,
        figures.total.auto_closed,
        left.drills,
        left.cases_of_no_time,
        left.unreadable,
        figures.total.auto_closed,
        left.drills,
        left.cases_of_no_time,
        left.unreadable,
    ));
    lines
}

fn cells(period: String, group: &str, counts: &CaseCounts) -> [String; 13] {
    let rate = |rate: Option<f64>| {
        rate.map_or_else(|| "-".to_owned(), |rate| format!("{:.2}%", rate * 100.0))
    };
    [
        period,
        group.to_owned(),
        counts.reported.to_string(),
        counts.valid.to_string(),
        counts.dismissed.to_string(),
        counts.due.to_string(),
        counts.closed.to_string(),
        rate(counts.closing_rate),
        counts.closed_in_time.to_string(),
        rate(counts.in_time_rate),
        counts.open.to_string(),
        rate(counts.right_rate),
        counts.rework.to_string(),
    ]
}
