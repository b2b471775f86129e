//! Whom an open case waits for, as its record says it. An error is a case that nobody would ever hear of again.

use gridpost::domain::{GATEWAY, Incident, ReplyTo, Stage};
use jiff::Timestamp;

/// The name of who is to act next, or when it goes on by itself.
pub(super) fn for_whom(incident: &Incident, now: Timestamp) -> Result<String, String> {
    let life = &incident.life;
    let deadline = incident.deadline.as_ref().ok_or("it has no limits")?;
    if let Some((_, until)) = life.suspended {
        let granted = life.last_of(&[ReplyTo::Granted]).ok_or("suspended by nobody")?;
        return named(&granted.by, "who suspended it").map(|by| format!("{by}, until {until}"));
    }
    if !incident.has_mended() {
        let next = deadline.next().and_then(|run| run.at);
        match next {
            Some(at) if at < now - jiff::SignedDuration::from_mins(10) => {
                return Err(format!("something was to be told at {at} and was not"));
            }
            None if deadline.escalation.is_none() => {
                return Err("nothing is told of it any more".into());
            }
            _ => {}
        }
    }
    if let Some(escalation) = &deadline.escalation {
        let name = escalation.name.as_deref().ok_or("a level without a name was told")?;
        return named(name, "who was told");
    }
    if incident.stage == Stage::Opened {
        let grid = incident.grid.as_ref().ok_or("it is in no grid")?;
        let worker = grid.workers.first().map(|one| one.name.clone());
        return worker.or(grid.head.clone()).ok_or_else(|| "its grid has nobody".into());
    }
    let person = life.steps.iter().rfind(|step| step.by != GATEWAY);
    let has_it = named(&person.ok_or("nobody took it on")?.by, "who has it");
    // Somebody who gave no name took it on: its limits run, and the first level that is told has one.
    let head = incident.grid.as_ref().and_then(|grid| grid.head.clone());
    has_it.or_else(|why| deadline.next().and(head).ok_or(why))
}

fn named(name: &str, who: &str) -> Result<String, String> {
    match name.trim() {
        "" => Err(format!("{who} has no name")),
        name => Ok(name.to_owned()),
    }
}
