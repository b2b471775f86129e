//! `GET /api/v1/alarms`: how many cases an hour call an officer, and which rules make them.

use std::collections::{BTreeMap, HashMap};

use axum::{
    Json,
    extract::Query,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::{
    Backend,
    problem::{problem, stopping},
    query::unknown,
    seen::Seen,
};
use crate::domain::{CaseLine, EventContext};

/// Hours of a look back.
const HOURS_DEFAULT: u32 = 24;
const HOURS_MAX: u32 = 168;
/// One in ten minutes is what a person can deal with (EEMUA 191).
const OF_AN_OFFICER_MAX: f64 = 6.0;
/// An incident less urgent than this is a notice, and calls nobody.
const SEVERITY_LEAST: u8 = 3;

/// The last hours.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Alarms {
    /// When it was counted.
    pub(super) as_of: String,
    /// More than this an hour and officer is too much.
    pub(super) of_an_officer_max: f64,
    /// The oldest first; the last one is not over.
    pub(super) hours: Vec<AlarmHour>,
    /// The one with the most first; presses, devices and faults have no rule and are not in it.
    pub(super) rules: Vec<AlarmRule>,
}

/// One hour.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct AlarmHour {
    /// When it began.
    pub(super) from: String,
    /// Cases of severity 1 to 3 that were opened in it, drills left out.
    pub(super) alarms: u32,
    /// Of those, of severity 1.
    pub(super) urgent: u32,
    /// On duty at its beginning by the roster, grid workers left out; 1 where nobody is listed.
    pub(super) officers: usize,
}

/// What one rule told in these hours.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct AlarmRule {
    pub(super) rule: String,
    pub(super) alarms: u32,
}

pub(super) async fn serve<B: Backend>(
    backend: Seen<B>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let hours = match hours(&query) {
        Ok(hours) => hours,
        Err(message) => return problem(StatusCode::BAD_REQUEST, &message),
    };
    let work = move || {
        let now = backend.now();
        let from = begin(now, hours);
        let lines = backend.case_lines(from, now).lines;
        alarms(&lines, (now, hours), &backend.context(), |at| backend.officers_on_duty(at))
    };
    match tokio::task::spawn_blocking(work).await {
        Ok(alarms) => Json(alarms).into_response(),
        Err(_) => stopping(),
    }
}

fn hours(query: &HashMap<String, String>) -> Result<u32, String> {
    if let Some(message) = unknown(query, &["hours"]) {
        return Err(message);
    }
    let Some(text) = query.get("hours") else { return Ok(HOURS_DEFAULT) };
    let hours = text.parse::<u32>().ok().filter(|hours| (1..=HOURS_MAX).contains(hours));
    hours.ok_or_else(|| format!("hours={text}: expected 1 to {HOURS_MAX}"))
}

/// The whole hour with which the look back begins; the hour that runs is the last one.
fn begin(now: Timestamp, hours: u32) -> Timestamp {
    let this = now.as_second().div_euclid(3_600) * 3_600;
    Timestamp::from_second(this - i64::from(hours - 1) * 3_600).unwrap_or(now)
}

fn alarms(
    lines: &[CaseLine],
    (now, hours): (Timestamp, u32),
    context: &EventContext,
    officers: impl Fn(Timestamp) -> usize,
) -> Alarms {
    let from = begin(now, hours);
    let starts = (0..hours).map(|n| from + SignedDuration::from_hours(i64::from(n)));
    let mut counted: Vec<(Timestamp, u32, u32)> = starts.map(|start| (start, 0, 0)).collect();
    let mut rules: BTreeMap<&str, u32> = BTreeMap::new();
    for line in lines {
        let Some(at) = line.counted_at().filter(|at| *at >= from && *at <= now) else { continue };
        if line.drill || line.severity.level() > SEVERITY_LEAST {
            continue;
        }
        let n = usize::try_from(at.duration_since(from).as_secs() / 3_600).unwrap_or(0);
        if let Some((_, all, urgent)) = counted.get_mut(n) {
            *all += 1;
            *urgent += u32::from(line.severity.level() == 1);
        }
        if let Some(rule) = &line.rule {
            *rules.entry(rule.as_str()).or_default() += 1;
        }
    }
    let mut rules: Vec<AlarmRule> = rules
        .into_iter()
        .map(|(rule, alarms)| AlarmRule { rule: rule.to_owned(), alarms })
        .collect();
    rules.sort_by(|a, b| b.alarms.cmp(&a.alarms).then_with(|| a.rule.cmp(&b.rule)));
    let hour = |(start, alarms, urgent): (Timestamp, u32, u32)| AlarmHour {
        from: context.time(start),
        alarms,
        urgent,
        officers: officers(start).max(1),
    };
    Alarms {
        as_of: context.time(now),
        of_an_officer_max: OF_AN_OFFICER_MAX,
        hours: counted.into_iter().map(hour).collect(),
        rules,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn line(opened_at: &str, severity: u8, rule: Option<&str>, drill: bool) -> CaseLine {
        let mut line = json!({
            "id": "01a228f0-8fc9-7000-8000-000000000001", "revision": 1, "kind": "intrusion",
            "severity": severity, "stage": "opened", "began_at": opened_at, "opened_at": opened_at,
            "drill": drill,
        });
        if let Some(rule) = rule {
            line["rule"] = rule.into();
        }
        serde_json::from_value(line).unwrap()
    }

    #[test]
    fn cases_count_in_their_hour_and_notices_and_drills_in_none() {
        let now: Timestamp = "2026-11-30T02:30:00Z".parse().unwrap();
        let lines = [
            line("2026-11-30T00:59:59Z", 3, Some("before"), false),
            line("2026-11-30T01:00:00Z", 3, Some("r1"), false),
            line("2026-11-30T01:59:59Z", 1, None, false),
            line("2026-11-30T02:00:00Z", 2, Some("r2"), false),
            line("2026-11-30T02:10:00Z", 3, Some("r2"), false),
            line("2026-11-30T02:11:00Z", 4, Some("r3"), false),
            line("2026-11-30T02:12:00Z", 1, Some("r3"), true),
            line("2026-11-30T02:30:01Z", 3, Some("later"), false),
        ];
        let context = EventContext {
            site: "x".into(),
            timezone: jiff::tz::TimeZone::get("Asia/Shanghai").unwrap(),
            public_url: None,
        };
        let told = alarms(&lines, (now, 2), &context, |at| if at < now { 2 } else { 0 });
        let hours: Vec<_> = told
            .hours
            .iter()
            .map(|one| (&one.from[11..16], one.alarms, one.urgent, one.officers))
            .collect();
        assert_eq!(hours, [("09:00", 2, 1, 2), ("10:00", 2, 0, 2)]);
        let rules: Vec<_> = told.rules.iter().map(|one| (one.rule.as_str(), one.alarms)).collect();
        assert_eq!(rules, [("r2", 2), ("r1", 1)]);
        assert_eq!(alarms(&lines, (now, 1), &context, |_| 0).hours[0].officers, 1, "never none");
    }

    #[test]
    fn both_ends_of_a_look_back_are_taken_and_nothing_beyond() {
        let of = |text: &str| hours(&HashMap::from([("hours".to_owned(), text.to_owned())]));
        for (text, expected) in [
            ("1", Some(1)),
            ("168", Some(168)),
            ("0", None),
            ("169", None),
            ("-1", None),
            ("1.5", None),
            ("", None),
        ] {
            assert_eq!(of(text).ok(), expected, "{text}");
        }
        assert!(hours(&HashMap::from([("hour".to_owned(), "1".to_owned())])).is_err());
        assert_eq!(hours(&HashMap::new()), Ok(24));
    }
}
