//! `gridpost incidents`: what happened since yesterday, who accepted it and when; running or not.

use std::path::PathBuf;

use jiff::{SignedDuration, Timestamp, ToSpan, civil::Date, tz::TimeZone};

use super::{Failure, incidents_table, load, print_line};
use crate::{
    base::RealClock,
    domain::{Clock, Incident, Record},
    runtime, store,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The configuration, TOML.
    #[arg(short, long)]
    config: PathBuf,
    /// What began, ended or took a step since: `today`, `yesterday`, a date, `12h`, `7d`, or a time in
    /// RFC 3339; days are those of the site.
    #[arg(long, default_value = "yesterday")]
    since: String,
    /// And before this; the same forms. Default: until now.
    #[arg(long)]
    until: Option<String>,
    /// Only what is neither closed nor dismissed.
    #[arg(long)]
    open: bool,
    /// Every step of each, a line each.
    #[arg(long, conflicts_with = "json")]
    steps: bool,
    /// The `data` of each one's latest event, a line each.
    #[arg(long)]
    json: bool,
}

/// Runs the command; the error is printed and sets the exit code.
pub(crate) fn main(args: &Args) -> Result<(), Failure> {
    let config = load(&args.config)?;
    let context = runtime::event_context(&config);
    let now = RealClock::start().now().wall;
    let time = |text: &str| time(text, now, &context.timezone).map_err(Failure::Usage);
    let since = time(&args.since)?;
    let until = args.until.as_deref().map(time).transpose()?.unwrap_or(Timestamp::MAX);
    if until <= since {
        let (since, until) = (context.time(since), context.time(until));
        return Err(Failure::Usage(format!("--until {until} is not after --since {since}")));
    }
    let all = store::incidents(&config.data.path, since)
        .map_err(|error| Failure::Other(error.to_string()))?;
    let (shown, others): (Vec<Record>, Vec<Record>) = all
        .into_iter()
        .filter(|record| !args.open || is_open(&record.incident))
        .partition(|record| is_of(&record.incident, since, until));
    if args.json {
        for record in &shown {
            let data = context.data(record.what, &record.incident);
            let line = serde_json::to_string(&data)
                .map_err(|error| Failure::Other(format!("cannot be written as JSON: {error}")))?;
            print_line(&line)?;
        }
        return Ok(());
    }
    let incidents: Vec<&Incident> = shown.iter().map(|record| &record.incident).collect();
    for line in incidents_table::lines(&incidents, &context.timezone, args.steps) {
        print_line(&line)?;
    }
    let open = incidents.iter().filter(|incident| is_open(incident)).count();
    let older = others.iter().filter(|it| is_open(&it.incident) && it.incident.opened_at < since);
    print_line(&format!(
        "{} 件，未结 {open} 件；更早未结 {} 件 ({} since {}, {open} open; {} older ones open)",
        incidents.len(),
        older.clone().count(),
        incidents.len(),
        context.time(since),
        older.count(),
    ))
}

fn is_open(incident: &Incident) -> bool {
    !incident.stage.is_over()
}

/// It began or ended then, or somebody took a step.
fn is_of(incident: &Incident, since: Timestamp, until: Timestamp) -> bool {
    let steps = incident.life.steps.iter().map(|step| step.at);
    let mut times = steps.chain([incident.opened_at]).chain(incident.ended_at);
    times.any(|at| (since..until).contains(&at))
}

/// A time as people say it; days begin at midnight of the site.
pub(super) fn time(text: &str, now: Timestamp, zone: &TimeZone) -> Result<Timestamp, String> {
    let text = text.trim();
    let expected = || {
        format!(
            "`{text}`: expected today, yesterday, a date like 2026-07-01, 12h, 7d, or a time in RFC 3339"
        )
    };
    let midnight = |date: Date| {
        date.to_zoned(zone.clone()).map(|zoned| zoned.timestamp()).map_err(|_| expected())
    };
    let today = now.to_zoned(zone.clone()).date();
    match text {
        "today" => return midnight(today),
        "yesterday" => return midnight(today.saturating_sub(1.day())),
        _ => {}
    }
    // A time has its date in front, which would be read as one.
    if let Some(date) = text.parse::<Date>().ok().filter(|_| text.len() == 10) {
        return midnight(date);
    }
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at);
    }
    let hours = match (text.strip_suffix('h'), text.strip_suffix('d')) {
        (Some(hours), _) => hours.parse::<u32>().ok().map(i64::from),
        (_, Some(days)) => days.parse::<u32>().ok().map(|days| i64::from(days) * 24),
        _ => None,
    };
    let ago = SignedDuration::from_hours(hours.ok_or_else(expected)?);
    now.checked_sub(ago).map_err(|_| expected())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_site() {
        let zone = TimeZone::get("Asia/Shanghai").unwrap();
        // Five past midnight there; the day before in Greenwich.
        let now: Timestamp = "2026-06-30T16:05:00Z".parse().unwrap();
        let at = |text: &str| time(text, now, &zone).map(|at| at.to_string());
        for (text, expected) in [
            ("today", "2026-06-30T16:00:00Z"),
            (" yesterday ", "2026-06-29T16:00:00Z"),
            ("2026-06-01", "2026-05-31T16:00:00Z"),
            ("12h", "2026-06-30T04:05:00Z"),
            ("7d", "2026-06-23T16:05:00Z"),
            ("0h", "2026-06-30T16:05:00Z"),
            ("2026-06-30T01:00:00+08:00", "2026-06-29T17:00:00Z"),
        ] {
            assert_eq!(at(text).as_deref(), Ok(expected), "{text}");
        }
        for wrong in
            ["", "last night", "-3h", "4294967295d", "99999999999d", "7w", "2026-13-01", "d"]
        {
            assert!(at(wrong).is_err_and(|why| why.contains("expected today")), "{wrong}");
        }
    }
}
