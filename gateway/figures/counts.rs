//! The figures of a set of cases, each by its definition in `docs/figures.md`. Pure.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use crate::domain::{CaseLine, DismissReason, Now, Stage, seconds};

/// All figures of a set of cases. Rates are parts of one, and absent where nothing could be counted.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct CaseCounts {
    /// 上报: opened, drills left out.
    pub reported: u64,
    /// 有效: a person took it on, ever.
    pub valid: u64,
    /// 作废.
    pub dismissed: u64,
    /// Those, by the reason that was given; `unstated` where none was.
    pub dismissed_by: BTreeMap<&'static str, u64>,
    /// 漏报: reported by a resident, and the site's own sources should have told it.
    pub missed: u64,
    /// 并案: counted as part of another case from then on.
    pub merged: u64,
    /// 未结: neither closed nor dismissed.
    pub open: u64,
    /// 超期未结: open, and its time to finish is over.
    pub overdue: u64,
    /// 应结案.
    pub due: u64,
    /// 结案, by a person.
    pub closed: u64,
    /// 按期结案.
    pub closed_in_time: u64,
    /// 自动结案: nobody closed it, so the gateway did; neither closed nor in time.
    pub auto_closed: u64,
    /// 结案率: closed of due.
    pub closing_rate: Option<f64>,
    /// 按期结案率: closed in time of due.
    pub in_time_rate: Option<f64>,
    /// 自处理.
    pub self_handled: u64,
    /// 派遣: sent to somebody, ever.
    pub dispatched: u64,
    /// 准确派遣: and the first was the right one.
    pub dispatched_right: u64,
    /// 准确派遣率: those of the dispatched.
    pub right_rate: Option<f64>,
    /// 已处置: handled, or a step that comes after it, at least once since it was opened or reopened.
    pub handled: u64,
    /// 返工, how often.
    pub rework: u64,
    /// 返工, how many cases.
    pub rework_cases: u64,
    /// 返工率: those of the handled and the reworked.
    pub rework_rate: Option<f64>,
    /// 申请回退, how often.
    pub give_backs_asked: u64,
    /// 回退, how often.
    pub give_backs: u64,
    /// 转办, how often.
    pub transfers: u64,
    /// 重新打开, how often.
    pub reopened: u64,
    /// 延时, how often.
    pub extensions: u64,
    /// 挂账, how often.
    pub suspensions: u64,
    /// 挂账时长.
    pub suspended_s: i64,
    /// 受理用时: from opened to accepted.
    pub accept: StepTimes,
    /// 派遣用时: from accepted to dispatched.
    pub dispatch: StepTimes,
    /// 处置用时: from dispatched (or accepted, where nobody was sent) to handled.
    pub handle: StepTimes,
    /// 核查用时: from handled to verified.
    pub verify: StepTimes,
    /// 全程用时: from opened to closed, of those that a person closed.
    pub close: StepTimes,
}

/// How long a step took, and whether it was in time. By nearest rank: the shortest time which that share of all
/// did not exceed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct StepTimes {
    /// How many cases have taken it.
    pub count: u64,
    /// Seconds.
    pub median_s: Option<i64>,
    /// Seconds.
    pub p90_s: Option<i64>,
    /// In how many cases it was due by its own limit: it was taken, or that limit has passed.
    pub due: u64,
    /// In how many of them it was in time, each time.
    pub in_time: u64,
    /// Those of the due.
    pub in_time_rate: Option<f64>,
}

/// Steps that were due, and those in time.
#[derive(Clone, Copy, Default)]
struct DueSteps {
    due: u64,
    in_time: u64,
}

impl DueSteps {
    fn add(&mut self, in_time: Option<bool>) {
        self.due += u64::from(in_time.is_some());
        self.in_time += u64::from(in_time == Some(true));
    }
}

/// Cases on their way to [`CaseCounts`].
#[derive(Default)]
pub(super) struct Tally {
    counts: CaseCounts,
    accept: Vec<i64>,
    dispatch: Vec<i64>,
    handle: Vec<i64>,
    verify: Vec<i64>,
    close: Vec<i64>,
    /// Of accepting, dispatching, handling and verifying.
    limits: [DueSteps; 4],
    /// Times that run backwards: the clock was set between the steps.
    pub(super) times_left_out: u64,
}

impl Tally {
    /// Counts a case that is no drill.
    pub(super) fn add(&mut self, case: &CaseLine, as_of: Timestamp) {
        let counts = &mut self.counts;
        let dismissed = case.stage == Stage::Dismissed;
        let open = !case.stage.is_over();
        let closed =
            case.stage == Stage::Closed && !case.merged && !case.auto_closed && case.is_valid();
        counts.reported += 1;
        counts.valid += u64::from(case.is_valid());
        counts.merged += u64::from(case.merged);
        counts.missed += u64::from(case.missed && !dismissed && !case.merged);
        counts.open += u64::from(open);
        counts.auto_closed += u64::from(case.auto_closed);
        if dismissed {
            counts.dismissed += 1;
            *counts.dismissed_by.entry(reason(case.reason)).or_default() += 1;
        }
        let late = is_late(case, as_of);
        counts.overdue += u64::from(open && late);
        let over = closed || case.auto_closed;
        let due = case.is_valid() && !dismissed && !case.merged && (over || late);
        counts.due += u64::from(due);
        counts.closed += u64::from(closed);
        let in_time = case.over_at.is_some_and(|at| case.finish_by.is_none_or(|by| at <= by));
        counts.closed_in_time += u64::from(closed && in_time);
        counts.self_handled += u64::from(case.self_handled);
        counts.dispatched += u64::from(case.dispatched_at.is_some());
        counts.dispatched_right += u64::from(case.dispatched_at.is_some() && !case.misdispatched);
        // Who verifies or closes it at once says that it is handled, and so does whoever handled it himself.
        let told = case.handled_at.is_some() || case.verified_at.is_some();
        counts.handled += u64::from(told || case.self_handled || closed);
        counts.rework += u64::from(case.rework);
        counts.rework_cases += u64::from(case.rework > 0);
        counts.give_backs_asked += u64::from(case.give_backs_asked);
        counts.give_backs += u64::from(case.give_backs);
        counts.transfers += u64::from(case.transfers);
        counts.reopened += u64::from(case.reopened);
        counts.extensions += u64::from(case.extensions);
        counts.suspensions += u64::from(case.suspensions);
        counts.suspended_s = counts.suspended_s.saturating_add(case.suspended_s_at(as_of));
        self.times(case, closed);
        let mut limits = case.step_limits;
        if let Some((step, _)) = case.step_due.filter(|(_, by)| is_past(case, *by, as_of)) {
            limits.note(step, false);
        }
        let all = [limits.accept, limits.dispatch, limits.handle, limits.verify];
        self.limits.iter_mut().zip(all).for_each(|(steps, in_time)| steps.add(in_time));
    }

    fn times(&mut self, case: &CaseLine, closed: bool) {
        let opened = Some(case.opened_at);
        let sent = case.dispatched_at.or(case.accepted_at);
        let over = case.over_at.filter(|_| closed);
        for (times, from, to) in [
            (&mut self.accept, opened, case.accepted_at),
            (&mut self.dispatch, case.accepted_at, case.dispatched_at),
            (&mut self.handle, sent, case.handled_at),
            (&mut self.verify, case.handled_at, case.verified_at),
            (&mut self.close, opened, over),
        ] {
            let Some((from, to)) = from.zip(to) else { continue };
            let time = seconds(from, to);
            // From 1970 until somebody set the clock is no time either.
            if time < 0 || (Now::is_plausible(to) && !Now::is_plausible(from)) {
                self.times_left_out += 1;
            } else {
                times.push(time);
            }
        }
    }

    /// The figures of what was added.
    pub(super) fn counts(self) -> CaseCounts {
        let mut counts = self.counts;
        counts.closing_rate = rate(counts.closed, counts.due);
        counts.in_time_rate = rate(counts.closed_in_time, counts.due);
        counts.right_rate = rate(counts.dispatched_right, counts.dispatched);
        counts.rework_rate = rate(counts.rework_cases, counts.handled.max(counts.rework_cases));
        let [accept, dispatch, handle, verify] = self.limits;
        counts.accept = step_times(self.accept, accept);
        counts.dispatch = step_times(self.dispatch, dispatch);
        counts.handle = step_times(self.handle, handle);
        counts.verify = step_times(self.verify, verify);
        let whole = DueSteps { due: counts.due, in_time: counts.closed_in_time };
        counts.close = step_times(self.close, whole);
        counts
    }
}

/// Its time to finish is over.
fn is_late(case: &CaseLine, as_of: Timestamp) -> bool {
    case.finish_by.is_some_and(|by| is_past(case, by, as_of))
}

/// A limit of an open case is over. The clock of a suspended case stands.
fn is_past(case: &CaseLine, by: Timestamp, as_of: Timestamp) -> bool {
    by < case.suspended_since.map_or(as_of, |since| since.min(as_of))
}

/// As in replies; `unstated` where none was given.
pub(super) fn reason(reason: Option<DismissReason>) -> &'static str {
    reason.map_or("unstated", DismissReason::id)
}

/// A part of one, to four places; none of nothing.
fn rate(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| (part as f64 / whole as f64 * 10_000.0).round() / 10_000.0)
}

fn step_times(mut times: Vec<i64>, DueSteps { due, in_time }: DueSteps) -> StepTimes {
    times.sort_unstable();
    let at = |percent: usize| {
        let rank = (times.len() * percent).div_ceil(100);
        rank.checked_sub(1).and_then(|index| times.get(index)).copied()
    };
    let (count, median_s, p90_s) = (times.len() as u64, at(50), at(90));
    StepTimes { count, median_s, p90_s, due, in_time, in_time_rate: rate(in_time, due) }
}
