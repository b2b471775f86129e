//! Which step is possible when, and where it leads: the one table. Pure: it is given all that it depends on.
//!
//! Steps go forward and may be skipped: a small case is accepted and closed at once. Who passes over
//! `dispatched` on the way has handled it himself 自处理, and the step says so. What is asked leaves the
//! case where it is until another person grants it.

use jiff::{SignedDuration, Timestamp};

use super::Config;
use crate::domain::{
    AskFor, Asked, Life, Persons, Reply, ReplyTo, Severity, Stage, Tier, What, clean_cut,
    plain_name,
};

/// Nobody suspends a case or extends its time by more.
const UNTIL_MAX: SignedDuration = SignedDuration::from_hours(366 * 24);

/// All that the table asks of a case.
pub(in crate::incident) struct Case<'c> {
    /// How far it has come.
    pub(in crate::incident) stage: Stage,
    /// Urgent cases are neither extended nor suspended.
    pub(in crate::incident) severity: Severity,
    /// As `severity`.
    pub(in crate::incident) tier: Option<Tier>,
    /// By when it should be finished.
    pub(in crate::incident) finish_by: Option<Timestamp>,
    /// What was done so far.
    pub(in crate::incident) life: &'c Life,
    /// Who is one person.
    pub(in crate::incident) persons: &'c Persons,
}

impl Case<'_> {
    fn is_urgent(&self) -> bool {
        self.severity == Severity::EMERGENCY || self.tier == Some(Tier::Urgent)
    }
}

/// What a step leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::incident) struct Move {
    /// From then on.
    pub(in crate::incident) stage: Stage,
    /// What the record tells.
    pub(in crate::incident) what: What,
    /// Passed over `dispatched`.
    pub(in crate::incident) self_handled: bool,
}

/// Where a step leads.
#[derive(Clone, Copy)]
enum To {
    /// To this stage.
    Stage(Stage),
    /// Nowhere: the case stays where it is.
    Stay,
    /// To where it leads what was asked.
    AsAsked,
}

/// Which step, from which stages, and where to. A case that is over can only be reopened.
const TABLE: &[(ReplyTo, &[Stage], To)] = {
    use ReplyTo as R;
    use Stage::{Accepted, Closed, Dismissed, Dispatched, Handled, Opened, Verified};
    const OPEN: &[Stage] = &[Opened, Accepted, Dispatched, Handled, Verified];
    const TAKEN: &[Stage] = &[Accepted, Dispatched, Handled, Verified];
    &[
        (R::Accepted, &[Opened], To::Stage(Accepted)),
        (R::Dispatched, &[Opened, Accepted], To::Stage(Dispatched)),
        (R::Handled, &[Opened, Accepted, Dispatched], To::Stage(Handled)),
        (R::Verified, &[Opened, Accepted, Dispatched, Handled], To::Stage(Verified)),
        (R::Closed, OPEN, To::Stage(Closed)),
        (R::Dismissed, OPEN, To::Stage(Dismissed)),
        (R::Reopened, &[Closed, Dismissed], To::Stage(Opened)),
        (R::SelfHandled, &[Opened, Accepted], To::Stage(Handled)),
        (R::Merged, OPEN, To::Stage(Closed)),
        (R::Transferred, &[Accepted, Dispatched], To::Stage(Dispatched)),
        (R::SentBack, &[Handled], To::Stage(Dispatched)),
        (R::AskExtend, TAKEN, To::Stay),
        (R::AskSuspend, &[Accepted, Dispatched], To::Stay),
        (R::AskGiveBack, &[Dispatched], To::Stay),
        (R::AskWithdraw, OPEN, To::Stay),
        (R::Granted, OPEN, To::AsAsked),
        (R::Refused, OPEN, To::Stay),
        (R::Resumed, OPEN, To::Stay),
    ]
};

/// How far along the way forward.
fn rank(stage: Stage) -> u8 {
    match stage {
        Stage::Opened => 0,
        Stage::Accepted => 1,
        Stage::Dispatched => 2,
        Stage::Handled => 3,
        Stage::Verified => 4,
        Stage::Closed | Stage::Dismissed => 5,
    }
}

/// What a reply leads to, or in one sentence why it cannot be.
pub(in crate::incident) fn next(
    case: &Case<'_>,
    reply: &Reply,
    now: Timestamp,
    config: &Config,
) -> Result<Move, String> {
    let (stage, to) = (case.stage, reply.to);
    let Some((_, from, leads)) = TABLE.iter().find(|(step, ..)| *step == to) else {
        return Err(format!("`{}` is no step that a person takes", name(to)));
    };
    if !from.contains(&stage) {
        return Err(why_not_from(stage, to, *leads));
    }
    if to == ReplyTo::Resumed && case.life.suspended.is_none() {
        return Err("it is not suspended".into());
    }
    asks_rightly(case, reply, now)?;
    if to == ReplyTo::Transferred && reply.department.as_deref().is_none_or(is_blank) {
        return Err("`transferred` needs a `department`".into());
    }
    by_who_may_speak(case, reply, config)?;
    by_the_right_person(case, reply, config)?;
    let (next, what) = match (leads, case.life.asked.as_ref().map(|asked| asked.what)) {
        (To::Stage(next), _) => (*next, to.what()),
        (To::Stay, _) => (stage, to.what()),
        (To::AsAsked, Some(AskFor::GiveBack)) => (Stage::Accepted, What::Granted),
        (To::AsAsked, Some(AskFor::Withdraw)) => (Stage::Dismissed, What::Dismissed),
        (To::AsAsked, _) => (stage, What::Granted),
    };
    let ahead =
        matches!(to, ReplyTo::Handled | ReplyTo::SelfHandled | ReplyTo::Verified | ReplyTo::Closed);
    Ok(Move { stage: next, what, self_handled: ahead && rank(stage) < rank(Stage::Dispatched) })
}

fn why_not_from(stage: Stage, to: ReplyTo, leads: To) -> String {
    if to == ReplyTo::Reopened {
        return format!("it is {stage:?}: only a closed or dismissed incident can be reopened");
    }
    if rank(stage) == 5 {
        return format!("it is {stage:?} already: reopen it first");
    }
    match leads {
        To::Stage(next) if rank(next) <= rank(stage) => {
            format!("it is {stage:?} already: {next:?} would be a step back")
        }
        _ => format!("it is {stage:?}: `{}` is not possible there", name(to)),
    }
}

fn name(to: ReplyTo) -> String {
    let name = serde_json::to_value(to).ok();
    name.as_ref().and_then(|name| name.as_str()).unwrap_or_default().to_owned()
}

fn is_blank(name: &str) -> bool {
    plain_name(name).is_empty()
}

/// What is asked by this step.
pub(in crate::incident) fn asks_for(to: ReplyTo) -> Option<AskFor> {
    match to {
        ReplyTo::AskExtend => Some(AskFor::Extend),
        ReplyTo::AskSuspend => Some(AskFor::Suspend),
        ReplyTo::AskGiveBack => Some(AskFor::GiveBack),
        ReplyTo::AskWithdraw => Some(AskFor::Withdraw),
        _ => None,
    }
}

/// One thing is asked at a time, and what concerns time says until when.
fn asks_rightly(case: &Case<'_>, reply: &Reply, now: Timestamp) -> Result<(), String> {
    let answers = matches!(reply.to, ReplyTo::Granted | ReplyTo::Refused);
    let Some(what) = asks_for(reply.to) else {
        let asked = case.life.asked.as_ref();
        let until = asked.and_then(|asked| asked.until);
        return match until {
            _ if answers && asked.is_none() => Err("nothing is asked of it".into()),
            Some(until) if reply.to == ReplyTo::Granted && until <= now => {
                Err(format!("until {until} was asked, and that has passed: refuse it"))
            }
            _ if reply.to == ReplyTo::Granted => may_still_be_granted(case),
            _ => Ok(()),
        };
    };
    if let Some(Asked { what, by, .. }) = &case.life.asked {
        return Err(format!("{by} has asked already ({what:?}): grant or refuse that first"));
    }
    if is_blank(&reply.by) {
        return Err("who asks must say who they are: `by` is empty".into());
    }
    if !matches!(what, AskFor::Extend | AskFor::Suspend) {
        return Ok(());
    }
    if case.is_urgent() {
        return Err("it is urgent: it is neither extended nor suspended".into());
    }
    if case.life.suspended.is_some() {
        return Err("it is suspended: it must be resumed first".into());
    }
    let Some(until) = reply.until else {
        return Err(format!("`{}` needs `until`, a time in RFC 3339", name(reply.to)));
    };
    let least = case.finish_by.filter(|_| what == AskFor::Extend).map_or(now, |at| at.max(now));
    if until <= least || until.duration_since(now) > UNTIL_MAX {
        return Err(format!("`until` is {until}: expected after {least}, and within 366 days"));
    }
    Ok(())
}

/// What was asked at one stage and severity may not be possible any more.
fn may_still_be_granted(case: &Case<'_>) -> Result<(), String> {
    let Some(asked) = &case.life.asked else { return Ok(()) };
    let of_time = matches!(asked.what, AskFor::Extend | AskFor::Suspend);
    if of_time && case.is_urgent() {
        return Err("it has become urgent: it is neither extended nor suspended; refuse it".into());
    }
    let working = matches!(case.stage, Stage::Accepted | Stage::Dispatched);
    if asked.what == AskFor::Suspend && !working {
        return Err(format!("it is {:?}: it is not suspended any more; refuse it", case.stage));
    }
    Ok(())
}

/// Who verifies is not who handled, who grants is not who asked; nobody without a name does either.
fn by_the_right_person(case: &Case<'_>, reply: &Reply, config: &Config) -> Result<(), String> {
    let same = |other: &str| case.persons.are_one(other, &reply.by);
    match reply.to {
        ReplyTo::Granted | ReplyTo::Refused => {
            if is_blank(&reply.by) {
                return Err("who grants or refuses must say who they are: `by` is empty".into());
            }
            let asked = case.life.asked.as_ref();
            if let Some(asked) = asked.filter(|one| config.another_grants && same(&one.by)) {
                let who = who_is(&reply.by, &asked.by);
                return Err(format!("{who} has asked: another person grants or refuses"));
            }
        }
        ReplyTo::Verified | ReplyTo::SentBack if config.another_verifies => {
            if case.stage == Stage::Handled && is_blank(&reply.by) {
                return Err("who verifies must say who they are: `by` is empty".into());
            }
            let handler = case.life.handler().filter(|_| case.stage == Stage::Handled);
            if let Some(handler) = handler.filter(|handler| same(handler)) {
                let who = who_is(&reply.by, handler);
                return Err(format!("{who} has handled it: another person verifies"));
            }
        }
        _ => {}
    }
    Ok(())
}

/// A program grants and verifies nothing in a name that it may not speak for; and what it did itself, by such a
/// name, nobody for whom it does speak grants or verifies: both would be the program's word alone.
fn by_who_may_speak(case: &Case<'_>, reply: &Reply, config: &Config) -> Result<(), String> {
    use ReplyTo::{Granted, Refused, SentBack, Verified};
    let Some(through) = &reply.through else { return Ok(()) };
    let (sender, answers) = (&through.sender, matches!(reply.to, Granted | Refused));
    if !answers && !matches!(reply.to, Verified | SentBack) {
        return Ok(());
    }
    if !through.speaks_for {
        let (by, names) = (clean_cut(&reply.by, 100), &through.names);
        let what = name(reply.to);
        return Err(format!(
            "{sender} does not speak for `{by}`: `{what}` counts from {names} alone (speaks_for)"
        ));
    }
    let (step, another) = if answers {
        (case.life.asking(), config.another_grants)
    } else {
        let handled = case.life.handled().filter(|_| case.stage == Stage::Handled);
        (handled, config.another_verifies)
    };
    match step.filter(|step| another && step.claimed_through.as_ref() == Some(sender)) {
        Some(step) => Err(format!(
            "`{}` came by {sender} in a name that it does not speak for ({}): its `{}` would be its own word twice",
            name(step.step),
            step.by,
            name(reply.to)
        )),
        None => Ok(()),
    }
}

/// As the reply calls him; and as the step does that he took before, where that is another name.
fn who_is(by: &str, before: &str) -> String {
    let by = plain_name(by);
    if by == before { by } else { format!("{by} ({before} is the same person here)") }
}
