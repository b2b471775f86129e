//! What becomes of an update that is being tried, decided look by look.

use std::{path::Path, time::Duration};

use jiff::{SignedDuration, Timestamp};

use super::versions::Probation;
use crate::runtime::RunningFacts;

/// Ready for so long without a break, it is confirmed.
const READY_FOR: SignedDuration = SignedDuration::from_mins(10);
/// Not confirmed by then, it goes.
const TRIED_FOR: SignedDuration = SignedDuration::from_mins(30);
/// The watch looks each minute: one who was away three times does not come back.
const AWAY_MAX: u32 = 3;

/// What is to become of an update.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outlook {
    Wait,
    Confirm,
    Back(&'static str),
}

/// One look: `facts` are of the gateway on the data folder, if one runs, and `program` is the one that is tried.
pub(super) fn judge(
    probation: &mut Probation,
    facts: Option<&Result<RunningFacts, String>>,
    program: &Path,
    now: Timestamp,
) -> Outlook {
    let runs = facts.and_then(|facts| facts.as_ref().ok());
    let runs = runs.filter(|facts| Path::new(&facts.program) == program);
    probation.away = if runs.is_some() { 0 } else { probation.away + 1 };
    let ready = runs.is_some_and(|facts| {
        parts(&facts.reasons).iter().all(|part| probation.ill_before.contains(part))
    });
    // It may have ended and begun anew between two looks: then it is ready for as long as it runs.
    let began = runs.map(|facts| now - Duration::from_secs(facts.up_s.min(86_400)));
    probation.ready_since = match (ready, probation.ready_since) {
        (false, _) => None,
        (true, since) => Some(since.unwrap_or(now).max(began.unwrap_or(now))),
    };
    let ready_for = probation.ready_since.map(|since| now.duration_since(since));
    if ready_for.is_some_and(|time| time >= READY_FOR) {
        return Outlook::Confirm;
    }
    if probation.away >= AWAY_MAX {
        return Outlook::Back("新版本没有运行起来 (the new version does not run)");
    }
    // Backwards too: a clock that was set back would try it for ever.
    if now.duration_since(probation.since).abs() >= TRIED_FOR {
        return Outlook::Back("30 分钟内没有就绪满 10 分钟 (not ready for 10 min within 30)");
    }
    Outlook::Wait
}

/// `sink city: away` is of the part `sink city`.
pub(super) fn parts(reasons: &[String]) -> Vec<String> {
    let part = |reason: &String| reason.split(": ").next().unwrap_or_default().to_owned();
    reasons.iter().map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probation() -> Probation {
        Probation {
            version: "2".into(),
            before: "1".into(),
            before_reads: 2,
            since: Timestamp::UNIX_EPOCH,
            ready_since: None,
            ill_before: vec!["sink city".into()],
            away: 0,
        }
    }

    fn at(minutes: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minutes)
    }

    fn runs(minutes: u64, program: &str, reasons: &[&str]) -> Result<RunningFacts, String> {
        Ok(RunningFacts {
            up_s: minutes * 60,
            program: program.into(),
            reasons: reasons.iter().map(|reason| (*reason).to_owned()).collect(),
            ..RunningFacts::default()
        })
    }

    fn look(
        probation: &mut Probation,
        facts: Option<&Result<RunningFacts, String>>,
        minutes: i64,
    ) -> Outlook {
        judge(probation, facts, Path::new("/new"), at(minutes))
    }

    #[test]
    fn ten_minutes_of_readiness_without_a_break_confirm() {
        let mut probation = probation();
        for minute in 1..=10 {
            let facts = runs(minute, "/new", &["sink city: away"]);
            assert_eq!(
                look(&mut probation, Some(&facts), minute as i64),
                Outlook::Wait,
                "{minute}"
            );
        }
        assert_eq!(look(&mut probation, Some(&runs(11, "/new", &[])), 11), Outlook::Confirm);
    }

    #[test]
    fn a_break_begins_the_ten_minutes_anew_and_thirty_are_the_end() {
        let mut probation = probation();
        look(&mut probation, Some(&runs(1, "/new", &[])), 1);
        assert_eq!(
            look(&mut probation, Some(&runs(9, "/new", &["sink new: away"])), 9),
            Outlook::Wait
        );
        assert_eq!(look(&mut probation, Some(&runs(12, "/new", &[])), 12), Outlook::Wait);
        // It was started anew meanwhile, and nobody saw it.
        assert_eq!(look(&mut probation, Some(&runs(1, "/new", &[])), 22), Outlook::Wait);
        assert_eq!(look(&mut probation, Some(&runs(8, "/new", &[])), 29), Outlook::Wait);
        assert!(matches!(look(&mut probation, Some(&runs(9, "/new", &[])), 30), Outlook::Back(_)));
        let mut early = self::probation();
        early.since = at(40);
        assert!(matches!(look(&mut early, Some(&runs(1, "/new", &[])), 5), Outlook::Back(_)));
    }

    #[test]
    fn one_that_does_not_run_goes_at_the_third_look() {
        let mut probation = probation();
        let (silent, old) = (Err("no answer".to_owned()), runs(90, "/old", &[]));
        assert_eq!(look(&mut probation, None, 1), Outlook::Wait);
        assert_eq!(look(&mut probation, Some(&silent), 2), Outlook::Wait);
        // The old program is not the new one, however well it is.
        assert!(matches!(look(&mut probation, Some(&old), 3), Outlook::Back(_)));
        let mut twice = self::probation();
        look(&mut twice, None, 1);
        look(&mut twice, None, 2);
        look(&mut twice, Some(&runs(1, "/new", &[])), 3);
        assert_eq!(look(&mut twice, None, 4), Outlook::Wait);
    }
}
