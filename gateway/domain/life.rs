//! A case's life with the grid: the steps that persons take, and what is asked and not answered yet.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{EvidenceId, IncidentId, Level, LimitStep, text::is_hidden};

/// Steps that an incident carries; each is in a record of its own besides.
const STEPS_MAX: usize = 100;
/// When there are more, these first ones stay.
const FIRST_STEPS: usize = 20;
/// Characters of a step's note; the reply's own is in `detail` as it came.
const NOTE_CHARS_MAX: usize = 500;
/// Characters of a name or an id in a step.
const NAME_CHARS_MAX: usize = 100;

/// A step of a case, as a reply asks for it and as its record tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ReplyTo {
    /// 受理: it is valid, and somebody takes it on.
    Accepted,
    /// 派遣: somebody is sent, or a department has it.
    Dispatched,
    /// 处置.
    Handled,
    /// 核查: somebody else has looked whether it is handled.
    Verified,
    /// 结案.
    Closed,
    /// 不予受理、作废, with a reason.
    Dismissed,
    /// Closed or dismissed too soon.
    Reopened,
    /// 自处理: handled on the spot, and nobody was sent.
    SelfHandled,
    /// 并案: it is the same as `into`, which goes on.
    Merged,
    /// 转办: another department has it.
    Transferred,
    /// 返工: whoever verifies found it not handled.
    SentBack,
    /// 申请延时: more time, `until`.
    AskExtend,
    /// 申请挂账: not before `until`; the clock stops.
    AskSuspend,
    /// 申请回退: the wrong department.
    AskGiveBack,
    /// 申请撤回: the case should not have been reported.
    AskWithdraw,
    /// What is asked is granted, by another person.
    Granted,
    /// What is asked is refused, by another person.
    Refused,
    /// 恢复: what was suspended goes on.
    Resumed,
    /// 催办、督办: a limit has passed and the next level is told; the gateway alone does it.
    Escalated,
    /// 逾期未派遣: accepted, and not dispatched in time; the gateway alone does it.
    Lapsed,
}

impl ReplyTo {
    /// For the officer's eye.
    pub fn zh(self) -> &'static str {
        match self {
            Self::Accepted => "受理",
            Self::Dispatched => "派遣",
            Self::Handled => "处置",
            Self::Verified => "核查",
            Self::Closed => "结案",
            Self::Dismissed => "作废",
            Self::Reopened => "重新打开",
            Self::SelfHandled => "自处理",
            Self::Merged => "并案",
            Self::Transferred => "转办",
            Self::SentBack => "返工",
            Self::AskExtend => "申请延时",
            Self::AskSuspend => "申请挂账",
            Self::AskGiveBack => "申请回退",
            Self::AskWithdraw => "申请撤回",
            Self::Granted => "批准",
            Self::Refused => "不批准",
            Self::Resumed => "恢复",
            Self::Escalated => "督办",
            Self::Lapsed => "逾期未派遣，重新待受理",
        }
    }
}

/// Why a case is dismissed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DismissReason {
    /// 误报: there was nothing of the kind.
    FalseAlarm,
    /// 重复.
    Duplicate,
    /// 现场未发现.
    NotFound,
    /// 不属于受理范围.
    NotOurs,
    /// 测试、演练.
    Test,
    /// 撤回: who reported it has asked for it.
    Withdrawn,
    /// 其他; the note says what.
    Other,
}

impl DismissReason {
    const ALL: [Self; 7] = [
        Self::FalseAlarm,
        Self::Duplicate,
        Self::NotFound,
        Self::NotOurs,
        Self::Test,
        Self::Withdrawn,
        Self::Other,
    ];

    /// As replies give it.
    pub fn id(self) -> &'static str {
        match self {
            Self::FalseAlarm => "false-alarm",
            Self::Duplicate => "duplicate",
            Self::NotFound => "not-found",
            Self::NotOurs => "not-ours",
            Self::Test => "test",
            Self::Withdrawn => "withdrawn",
            Self::Other => "other",
        }
    }

    /// For the officer's eye, by the id; any other word stands for none that was given.
    pub fn zh_of(id: &str) -> &'static str {
        let found = Self::ALL.into_iter().find(|reason| reason.id() == id);
        found.map_or("未说明", Self::zh)
    }

    /// For the officer's eye.
    pub fn zh(self) -> &'static str {
        match self {
            Self::FalseAlarm => "误报",
            Self::Duplicate => "重复",
            Self::NotFound => "现场未发现",
            Self::NotOurs => "不属于受理范围",
            Self::Test => "测试、演练",
            Self::Withdrawn => "撤回",
            Self::Other => "其他",
        }
    }
}

/// What may be asked, and is granted or refused by another person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AskFor {
    /// 延时.
    Extend,
    /// 挂账.
    Suspend,
    /// 回退.
    GiveBack,
    /// 撤回.
    Withdraw,
}

/// What is asked and not answered yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// For what.
    pub what: AskFor,
    /// By whom, as claimed.
    pub by: String,
    /// Gateway time.
    pub at: Timestamp,
    /// Until when, of an extension or a suspension.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// How a reply came, where that says more of who it is from than its own word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ReplyVia {
    /// By the signed link that was made for this person; it may have been passed on.
    Link,
    /// By the account of this person, at a browser.
    Account,
}

/// One step that was taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaseStep {
    /// Which.
    pub step: ReplyTo,
    /// By whom, as claimed; `gridpost` for the gateway itself.
    pub by: String,
    /// Gateway time.
    pub at: Timestamp,
    /// Of the record that tells it.
    pub revision: u32,
    /// As it came, cut at 500 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// The sender's own id of the reply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Why it was dismissed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<DismissReason>,
    /// Who has it now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub department: Option<String>,
    /// Until when, of what is asked or granted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// The case that goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub into: Option<IncidentId>,
    /// 自处理: handled with nobody sent.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub self_handled: bool,
    /// Who was told, of an escalation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<Level>,
    /// How it came, where that says more than `by`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub via: Option<ReplyVia>,
    /// The program by which it came, where that may not speak for `by`: then `by` is a claim, and the step is the
    /// program's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claimed_through: Option<String>,
    /// The picture that came with it; the incident lists it too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<EvidenceId>,
    /// The limit of a step that ended with it, and when that was due, on the clock of `at`. None: none ended, or
    /// an earlier version has written it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<(LimitStep, Timestamp)>,
}

impl CaseStep {
    /// A step with nothing but who and when; names are cut and made one line.
    pub fn new(step: ReplyTo, by: &str, at: Timestamp, revision: u32) -> Self {
        Self {
            step,
            by: plain_name(by),
            at,
            revision,
            note: None,
            id: None,
            reason: None,
            department: None,
            until: None,
            into: None,
            self_handled: false,
            level: None,
            via: None,
            claimed_through: None,
            evidence: None,
            due: None,
        }
    }

    /// Whether it is the step of this limit: a person has done what was due. Whoever sends a case back has
    /// looked at it; the whole case and what is asked are no single steps.
    pub(super) fn fulfils(&self, limit: LimitStep) -> bool {
        use ReplyTo::{Dispatched, SentBack, Transferred};
        match limit {
            LimitStep::Accept => self.takes_on(),
            LimitStep::Dispatch => self.takes_on() || self.step == Transferred,
            LimitStep::Handle => self.takes_on() && self.step != Dispatched,
            LimitStep::Verify => self.takes_on() || self.step == SentBack,
            LimitStep::Finish | LimitStep::Answer => false,
        }
    }

    /// A person has the case from then on, or had it.
    pub(super) fn takes_on(&self) -> bool {
        use ReplyTo::{Accepted, Closed, Dispatched, Handled, SelfHandled, Verified};
        matches!(self.step, Accepted | Dispatched | Handled | SelfHandled | Verified | Closed)
            && self.by != GATEWAY
    }

    /// With the note of a reply, cut.
    pub fn with_note(mut self, note: Option<&str>) -> Self {
        let clean = |c: char| if c.is_control() && c != '\n' { ' ' } else { c };
        self.note = note.map(|note| note.chars().take(NOTE_CHARS_MAX).map(clean).collect());
        self
    }

    /// With the sender's id of the reply; one that is too long to be kept is not.
    pub fn with_id(mut self, id: Option<&str>) -> Self {
        self.id = id.filter(|id| id.chars().count() <= NAME_CHARS_MAX).map(str::to_owned);
        self
    }

    /// With the program by which it came, cut; `None`: that may speak for who took it.
    pub fn claimed_through(mut self, program: Option<&str>) -> Self {
        self.claimed_through = program.map(plain_name).filter(|name| !name.is_empty());
        self
    }

    /// With the department that has the case now, cut.
    pub fn with_department(mut self, department: Option<&str>) -> Self {
        self.department = department.map(plain_name).filter(|name| !name.is_empty());
        self
    }
}

/// Letters and joiners that show nothing by themselves, beside those of [`is_hidden`].
const SHOW_NOTHING: [char; 7] =
    ['\u{200c}', '\u{200d}', '\u{115f}', '\u{1160}', '\u{2800}', '\u{3164}', '\u{ffa0}'];

/// A name as steps carry it: one line, within the bound, of what can be seen. One that is empty here is none; whether
/// two are of one person says [`super::Persons`].
pub fn plain_name(name: &str) -> String {
    let line = name.chars().map(|c| if c.is_control() { ' ' } else { c });
    let seen: String = line.filter(|c| !is_hidden(*c) && !SHOW_NOTHING.contains(c)).collect();
    let cut: String = seen.trim().chars().take(NAME_CHARS_MAX).collect();
    cut.trim().to_owned()
}

/// All that persons did with a case. It is part of the incident, and so of each of its records.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Life {
    /// Oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<CaseStep>,
    /// Steps between the first 20 and the others that are in their own records alone.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub steps_left_out: u32,
    /// What waits for an answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<Asked>,
    /// Suspended 挂账 since then, until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspended: Option<(Timestamp, Timestamp)>,
    /// Who has the case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub department: Option<String>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

impl Life {
    /// Nobody has done anything yet.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Adds a step, within the bound.
    pub fn push(&mut self, step: CaseStep) {
        self.steps.push(step);
        if self.steps.len() > STEPS_MAX {
            self.steps.remove(FIRST_STEPS);
            self.steps_left_out += 1;
        }
    }

    /// Whether a reply with this id has been taken.
    pub fn has(&self, id: &str) -> bool {
        self.steps.iter().any(|step| step.id.as_deref() == Some(id))
    }

    /// The steps since the case was opened, or last reopened or lapsed.
    pub fn round(&self) -> &[CaseStep] {
        self.steps_since(&[ReplyTo::Reopened, ReplyTo::Lapsed])
    }

    fn steps_since(&self, these: &[ReplyTo]) -> &[CaseStep] {
        let last = self.steps.iter().rposition(|step| these.contains(&step.step));
        self.steps.get(last.map_or(0, |at| at + 1)..).unwrap_or_default()
    }

    /// The last step by which something changed: telling another level changes nothing.
    pub fn last_taken(&self) -> Option<&CaseStep> {
        self.steps.iter().rfind(|step| step.step != ReplyTo::Escalated)
    }

    /// Whether somebody took the case on since it was opened or last reopened, though it may have lapsed.
    pub fn was_accepted(&self) -> bool {
        self.steps_since(&[ReplyTo::Reopened]).iter().any(CaseStep::takes_on)
    }

    /// The highest level that was told since it was opened or last reopened. `ever`, the highest of all,
    /// where the steps that are left out may hold the reopening.
    pub fn told(&self, ever: Option<Level>) -> Option<Level> {
        let reopened = self.steps.iter().rposition(|step| step.step == ReplyTo::Reopened);
        // What is left out stood just behind the first steps.
        if self.steps_left_out > 0 && reopened.is_none_or(|at| at < FIRST_STEPS) {
            return ever;
        }
        let steps = self.steps_since(&[ReplyTo::Reopened]).iter();
        steps.filter(|step| step.step == ReplyTo::Escalated).filter_map(|step| step.level).max()
    }

    /// The step by which a person took the case on: accepted, or a later step at once.
    pub fn accepted(&self) -> Option<&CaseStep> {
        self.round().iter().find(|step| step.takes_on())
    }

    /// The last step of this kind in this round.
    pub fn last_of(&self, wanted: &[ReplyTo]) -> Option<&CaseStep> {
        self.round().iter().rfind(|step| wanted.contains(&step.step))
    }

    /// The step by which that was asked which waits for an answer; one of those that are left out is none.
    pub fn asking(&self) -> Option<&CaseStep> {
        use ReplyTo::{AskExtend, AskGiveBack, AskSuspend, AskWithdraw};
        let asks = [AskExtend, AskSuspend, AskGiveBack, AskWithdraw];
        let last = self.steps.iter().rfind(|step| asks.contains(&step.step));
        last.filter(|_| self.asked.is_some())
    }

    /// By whom it was said last that it is handled, in this round.
    pub fn handled(&self) -> Option<&CaseStep> {
        self.last_of(&[ReplyTo::Handled, ReplyTo::SelfHandled])
    }

    /// Who said last that it is handled, in this round.
    pub fn handler(&self) -> Option<&str> {
        self.handled().map(|step| step.by.as_str())
    }
}

/// Who takes a step that no person takes.
pub const GATEWAY: &str = "gridpost";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_what_can_be_seen_of_it() {
        for nothing in [
            "",
            " \t\n",
            "\u{3000}\0",
            "\u{200b}\u{feff}",
            "\u{202e} \u{ad}",
            "\u{3164}",
            "\u{200d}\u{2800}",
        ] {
            assert_eq!(plain_name(nothing), "", "{nothing:?}");
        }
        for same in [
            "王 警官",
            " 王 警官\0",
            "王\u{200b} 警官",
            "\u{feff}王 警官\u{200d}",
            "王\u{202e} 警官\n",
        ] {
            assert_eq!(plain_name(same), "王 警官", "{same:?}");
        }
        let long = plain_name(&"\u{200b}长".repeat(NAME_CHARS_MAX + 1));
        assert_eq!(long, "长".repeat(NAME_CHARS_MAX));
        assert_eq!(plain_name(&long), long, "once is as good as twice");
    }

    #[test]
    fn steps_are_bounded_and_the_first_and_the_last_stay() {
        let mut life = Life::default();
        for n in 0..500 {
            let at = Timestamp::from_second(n).unwrap();
            life.push(CaseStep::new(ReplyTo::Accepted, "x", at, n as u32 + 2));
        }
        assert_eq!((life.steps.len(), life.steps_left_out), (STEPS_MAX, 400));
        let revisions: Vec<u32> = life.steps.iter().map(|step| step.revision).collect();
        assert_eq!(revisions[..FIRST_STEPS], (2..22).collect::<Vec<u32>>());
        assert_eq!(revisions[FIRST_STEPS..], (422..502).collect::<Vec<u32>>());
        // A record of the journal has room for 1 MiB, and for more than the steps.
        let long = |n: usize| "😀".repeat(n);
        let step = CaseStep::new(ReplyTo::AskGiveBack, &long(200), Timestamp::UNIX_EPOCH, u32::MAX)
            .with_note(Some(&"\u{1}😀".repeat(300)))
            .with_id(Some(&long(NAME_CHARS_MAX)))
            .with_department(Some(&long(200)))
            .claimed_through(Some(&long(200)));
        let step = CaseStep {
            via: Some(ReplyVia::Link),
            evidence: Some(EvidenceId(uuid::Uuid::max())),
            due: Some((LimitStep::Dispatch, Timestamp::MAX)),
            ..step
        };
        (0..200).for_each(|_| life.push(step.clone()));
        let bytes = serde_json::to_vec(&life).unwrap().len();
        assert!(bytes < 400_000, "{bytes} bytes");
    }

    #[test]
    fn who_was_told_before_it_was_reopened_is_not_told_of_this_round() {
        let at = Timestamp::UNIX_EPOCH;
        let mut life = Life::default();
        let ever = Some(Level::Department);
        assert_eq!(life.told(ever), None);
        let tell = |life: &mut Life, level| {
            let mut step = CaseStep::new(ReplyTo::Escalated, GATEWAY, at, 2);
            step.level = Some(level);
            life.push(step);
        };
        tell(&mut life, Level::Department);
        tell(&mut life, Level::GridHead);
        assert_eq!(life.told(ever), ever, "the highest, not the last");
        life.push(CaseStep::new(ReplyTo::Reopened, "x", at, 3));
        assert_eq!(life.told(ever), None);
        tell(&mut life, Level::GridHead);
        life.push(CaseStep::new(ReplyTo::Lapsed, GATEWAY, at, 4));
        assert_eq!(life.told(ever), Some(Level::GridHead), "it lapsed, and is the same round");
        // Whether it was reopened again among those that are left out nobody can tell.
        (0..200).for_each(|_| life.push(CaseStep::new(ReplyTo::Refused, "x", at, 5)));
        assert_eq!(life.told(ever), ever);
        life.push(CaseStep::new(ReplyTo::Reopened, "x", at, 6));
        tell(&mut life, Level::Community);
        assert_eq!(life.told(ever), Some(Level::Community));
        (0..200).for_each(|_| life.push(CaseStep::new(ReplyTo::Refused, "x", at, 7)));
        assert_eq!(life.told(ever), ever);
    }

    #[test]
    fn names_are_one_line_and_notes_are_cut() {
        let at = Timestamp::UNIX_EPOCH;
        let step = CaseStep::new(ReplyTo::Closed, " 李\n建国\t", at, 2)
            .with_note(Some(&"长".repeat(NOTE_CHARS_MAX + 1)))
            .with_id(Some(&"i".repeat(NAME_CHARS_MAX + 1)))
            .with_department(Some("  "));
        assert_eq!((step.by.as_str(), step.department), ("李 建国", None));
        assert_eq!((step.note.unwrap().chars().count(), step.id), (NOTE_CHARS_MAX, None));
        let long = CaseStep::new(ReplyTo::Closed, &"x".repeat(NAME_CHARS_MAX), at, 2);
        assert_eq!(long.by.len(), NAME_CHARS_MAX);
        let kept = long.with_id(Some(&"i".repeat(NAME_CHARS_MAX)));
        assert_eq!(kept.id.unwrap().len(), NAME_CHARS_MAX);
    }

    #[test]
    fn a_reason_is_called_the_same_in_replies_and_in_figures() {
        for reason in DismissReason::ALL {
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.id());
            assert_eq!(DismissReason::zh_of(reason.id()), reason.zh());
        }
        assert_eq!(DismissReason::zh_of("unstated"), "未说明");
    }
}
