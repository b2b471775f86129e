//! Officers and everybody else who replies: the next step of a case as somebody sees it, and what is wrong about it.

use gridpost::domain::{AskFor, DismissReason, Incident, IncidentId, Reply, ReplyTo, Stage, Tier};
use jiff::{SignedDuration, Timestamp};
use rand::{Rng, rngs::StdRng, seq::IndexedRandom};

const DEPARTMENTS: [&str; 11] =
    ["城管", "交警", "水务", "民政", "消防", "环卫", "住建", "环保", "市场监管", "派出所", "园林"];
const MINUTE: f64 = 60.0;

/// What is known of an open case at the desks of those who work on it.
#[derive(Clone)]
pub(super) struct Seen {
    pub(super) id: IncidentId,
    pub(super) stage: Stage,
    revision: u32,
    tier: Option<Tier>,
    finish_by: Option<Timestamp>,
    asked: Option<(AskFor, String)>,
    suspended: bool,
    handler: String,
}

impl Seen {
    pub(super) fn of(incident: &Incident) -> Self {
        let life = &incident.life;
        Self {
            id: incident.id,
            stage: incident.stage,
            revision: incident.revision,
            tier: incident.deadline.as_ref().map(|deadline| deadline.tier),
            finish_by: incident.deadline.as_ref().map(|deadline| deadline.finish_by),
            asked: life.asked.as_ref().map(|asked| (asked.what, asked.by.clone())),
            suspended: life.suspended.is_some(),
            handler: life.handler().unwrap_or_default().to_owned(),
        }
    }
}

/// Seconds until somebody looks at a case like this one; one time in twelve it is forgotten for a while.
pub(super) fn until_somebody_looks(random: &mut StdRng, tier: Option<Tier>) -> f64 {
    let mean = match tier {
        Some(Tier::Urgent) => 3.0 * MINUTE,
        Some(Tier::Small) | None => 20.0 * MINUTE,
        Some(Tier::Slow) => 5.0 * 60.0 * MINUTE,
        Some(Tier::Complex) => 20.0 * 60.0 * MINUTE,
    };
    let forgotten = if random.random_ratio(1, 12) { 12.0 } else { 1.0 };
    after(random, mean * forgotten)
}

/// Exponential.
pub(super) fn after(random: &mut StdRng, mean: f64) -> f64 {
    -mean * (1.0 - random.random::<f64>()).ln()
}

pub(super) fn tier(seen: &Seen) -> Option<Tier> {
    seen.tier
}

fn person(random: &mut StdRng) -> String {
    format!("警员{}", random.random_range(0..246))
}

fn another(random: &mut StdRng, than: &str) -> String {
    let one = person(random);
    if one == than { format!("{one}甲") } else { one }
}

/// What somebody replies who looks at the case now; `others`: a case that it might be merged into.
pub(super) fn reply(
    random: &mut StdRng,
    seen: &Seen,
    others: Option<IncidentId>,
    now: Timestamp,
) -> Option<Reply> {
    if seen.suspended && random.random_ratio(2, 3) {
        return None;
    }
    let by = person(random);
    let mut reply = Reply::new(seen.id, step(random, seen), &by);
    match (&seen.asked, reply.to) {
        (Some((_, asker)), ReplyTo::Granted | ReplyTo::Refused) => {
            reply.by =
                if random.random_ratio(1, 8) { asker.clone() } else { another(random, asker) };
        }
        (_, ReplyTo::Verified | ReplyTo::SentBack) => {
            // Now and then by who has handled it.
            let same = random.random_ratio(1, 10);
            reply.by = if same { seen.handler.clone() } else { another(random, &seen.handler) };
        }
        (_, ReplyTo::Dispatched) if random.random_ratio(9, 10) => {
            reply.department = DEPARTMENTS.choose(random).map(|&name| name.into());
        }
        (_, ReplyTo::Transferred) => {
            reply.department = DEPARTMENTS.choose(random).map(|&name| name.into());
        }
        (_, ReplyTo::Dismissed) if random.random_ratio(4, 5) => {
            use DismissReason::{Duplicate, FalseAlarm, NotFound, NotOurs, Other};
            reply.reason =
                [FalseAlarm, Duplicate, NotFound, NotOurs, Other].choose(random).copied();
        }
        (_, ReplyTo::Merged) => reply.into = others,
        (_, ReplyTo::AskExtend | ReplyTo::AskSuspend) => {
            let from = seen.finish_by.filter(|_| reply.to == ReplyTo::AskExtend).unwrap_or(now);
            let hours = random.random_range(1..24 * 10);
            reply.until = Some(from.max(now) + SignedDuration::from_hours(hours));
        }
        _ => {}
    }
    spoil(random, seen, &mut reply);
    Some(reply)
}

/// Strangers, nobody, a revision that was never shown, an unknown case, a time that has passed.
fn spoil(random: &mut StdRng, seen: &Seen, reply: &mut Reply) {
    match random.random_range(0..100) {
        0..3 => reply.by = String::new(),
        3..5 => reply.by = "　\u{0}".into(),
        5..8 => reply.revision = Some(seen.revision + 1_000),
        8..14 => reply.revision = Some(seen.revision),
        14 => reply.incident = IncidentId(uuid::Uuid::from_u128(random.random())),
        15 => reply.until = Some(Timestamp::UNIX_EPOCH),
        16 => reply.note = Some("<b>很长</b>\n".repeat(400)),
        17 => reply.into = Some(seen.id),
        _ => {}
    }
}

fn step(random: &mut StdRng, seen: &Seen) -> ReplyTo {
    use ReplyTo::*;
    let chance = random.random_range(0..100);
    if let Some((what, _)) = &seen.asked
        && chance < 80
    {
        let hard = *what == AskFor::Withdraw;
        return if chance < if hard { 20 } else { 55 } { Granted } else { Refused };
    }
    if seen.suspended {
        return Resumed;
    }
    let table: &[(u32, ReplyTo)] = match seen.stage {
        Stage::Opened => &[
            (70, Accepted),
            (78, SelfHandled),
            (85, Closed),
            (93, Dismissed),
            (95, Merged),
            (97, AskWithdraw),
            (98, Handled),
            (100, Granted),
        ],
        Stage::Accepted => &[
            (70, Dispatched),
            (78, SelfHandled),
            (82, Transferred),
            (87, AskSuspend),
            (92, AskExtend),
            (95, Closed),
            (97, Accepted),
            (100, Reopened),
        ],
        Stage::Dispatched => &[
            (60, Handled),
            (72, AskGiveBack),
            (78, AskExtend),
            (83, AskSuspend),
            (88, Transferred),
            (92, Verified),
            (95, AskWithdraw),
            (98, Closed),
            (100, Accepted),
        ],
        Stage::Handled => &[(74, Verified), (88, SentBack), (94, Closed), (100, Handled)],
        Stage::Verified => &[(90, Closed), (95, Dismissed), (100, SentBack)],
        Stage::Closed | Stage::Dismissed => &[(100, Reopened)],
    };
    table.iter().find(|(below, _)| chance < *below).map_or(Closed, |(_, to)| *to)
}

/// Whether a case that is over is opened once more, and after how many seconds.
pub(super) fn reopened_after(random: &mut StdRng) -> Option<f64> {
    random.random_ratio(1, 40).then(|| after(random, 2.0 * 86_400.0))
}

/// A reply by which somebody opens a case again.
pub(super) fn reopen(random: &mut StdRng, id: IncidentId) -> Reply {
    let by = person(random);
    Reply::new(id, ReplyTo::Reopened, &by)
}
