//! Limits 时限 of a case: what runs until when, how far it is, and who is told when it has passed.

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Tier;

/// How far a limit is used up.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Light {
    /// Less than 80 %.
    #[default]
    Green,
    /// 80 % and more.
    Yellow,
    /// It has passed.
    Red,
}

/// Who is told: the ladder of escalation 网格吹哨、社区响应、部门报到, the nearest first.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// 网格员: with the case from its opening.
    GridWorker,
    /// 网格长.
    GridHead,
    /// 社区.
    Community,
    /// 乡镇、街道.
    Township,
    /// 部门.
    Department,
}

impl Level {
    /// Those to whom a case is taken when a limit has passed, one after the other.
    pub const LADDER: [Self; 4] =
        [Self::GridHead, Self::Community, Self::Township, Self::Department];

    /// For the officer's eye.
    pub fn zh(self) -> &'static str {
        match self {
            Self::GridWorker => "网格员",
            Self::GridHead => "网格长",
            Self::Community => "社区",
            Self::Township => "街道（乡镇）",
            Self::Department => "部门",
        }
    }
}

/// What a limit is for.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum LimitStep {
    /// 受理.
    Accept,
    /// 派遣.
    Dispatch,
    /// 处置.
    Handle,
    /// 核查.
    Verify,
    /// 办结: the whole case.
    Finish,
    /// 答复: what is asked is granted or refused.
    Answer,
}

impl LimitStep {
    /// For the officer's eye.
    pub fn zh(self) -> &'static str {
        match self {
            Self::Accept => "受理",
            Self::Dispatch => "派遣",
            Self::Handle => "处置",
            Self::Verify => "核查",
            Self::Finish => "办结",
            Self::Answer => "答复",
        }
    }
}

/// What happens when the next limit is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LimitEvent {
    /// 80 % of it are used up.
    Limit,
    /// The next level is told.
    Escalated,
    /// What was accepted and not dispatched is open again.
    Lapsed,
    /// A suspension is over.
    Resumed,
}

/// One limit that runs. Its times are on the clock that noted `since`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitRun {
    /// For what.
    pub step: LimitStep,
    /// It began.
    pub since: Timestamp,
    /// It ends.
    pub by: Timestamp,
    /// Told so far.
    pub light: Light,
    /// When there is something to tell again; none: all levels have been told.
    pub at: Option<Timestamp>,
    /// Levels told so far.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub escalations: u8,
    /// It counts working days.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub working_days: bool,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_zero(count: &u8) -> bool {
    *count == 0
}

impl LimitRun {
    /// One that begins.
    pub fn new(step: LimitStep, since: Timestamp, by: Timestamp, working_days: bool) -> Self {
        let (light, escalations) = (Light::Green, 0);
        let mut run = Self { step, since, by, light, at: None, escalations, working_days };
        run.at = Some(run.warns_at());
        run
    }

    /// When 80 % of its real time are over. One that counts working days warns by the calendar, which is not
    /// known here.
    pub fn warns_at(&self) -> Timestamp {
        let ms = self.by.duration_since(self.since).as_millis() / 5 * 4;
        let ms = i64::try_from(ms).unwrap_or(i64::MAX);
        self.since.saturating_add(SignedDuration::from_millis(ms)).unwrap_or(self.by)
    }
}

/// A case was taken to the next level.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Escalation {
    /// Who is told.
    pub level: Level,
    /// What it is called: 催办, 督办（黄牌） …
    pub urge: String,
    /// The person or office, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Telephone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// In words who was meant, where the site names nobody at this level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nobody: Option<String>,
    /// Whose limit has passed.
    pub for_step: LimitStep,
    /// Others that have passed at the same moment, and of which the same level is told with this.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also_for: Vec<LimitStep>,
}

/// When the grid must answer, and what was told of that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deadline {
    /// How soon.
    pub tier: Tier,
    /// Of the latest opening.
    pub accept_by: Timestamp,
    /// Of the whole case.
    pub finish_by: Timestamp,
    /// Limits that run now, or stand while the case is suspended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub runs: Vec<LimitRun>,
    /// The highest level that was ever told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reached: Option<Level>,
    /// The latest escalation, until somebody acts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub escalation: Option<Escalation>,
}

impl Deadline {
    /// The worst light of all limits that run.
    pub fn light(&self) -> Light {
        self.runs.iter().map(|run| run.light).max().unwrap_or_default()
    }

    /// The limit of the whole case.
    pub fn finish(&self) -> Option<&LimitRun> {
        self.runs.iter().find(|run| run.step == LimitStep::Finish)
    }

    /// The limit of the step that is to be taken now.
    pub fn of_step(&self) -> Option<&LimitRun> {
        let others = [LimitStep::Finish, LimitStep::Answer];
        self.runs.iter().find(|run| !others.contains(&run.step))
    }

    /// The limit at which there is something to tell next.
    pub fn next(&self) -> Option<&LimitRun> {
        self.runs.iter().filter(|run| run.at.is_some()).min_by_key(|run| run.at)
    }
}

/// A length of a limit: real time, or working days.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum LimitSpan {
    /// Seconds, minutes or hours, in seconds.
    Seconds(u32),
    /// Working days.
    Days(u32),
}

/// No limit is longer.
const DAYS_MAX: u32 = 3_660;

impl TryFrom<String> for LimitSpan {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let expected = || {
            let said = super::clean_cut(&text, 40);
            format!("`{said}`: expected a length like 30s, 15min, 2h or 7d, up to {DAYS_MAX}d")
        };
        let trimmed = text.trim();
        let digits = trimmed.find(|c: char| !c.is_ascii_digit()).unwrap_or(trimmed.len());
        let (number, unit) = trimmed.split_at(digits);
        let number: u32 = number.parse().map_err(|_| expected())?;
        let seconds = match unit.trim() {
            "s" => number.checked_mul(1),
            "min" => number.checked_mul(60),
            "h" => number.checked_mul(3_600),
            "d" if (1..=DAYS_MAX).contains(&number) => return Ok(Self::Days(number)),
            _ => None,
        };
        let fits = |seconds: &u32| (1..=DAYS_MAX * 86_400).contains(seconds);
        seconds.filter(fits).map(Self::Seconds).ok_or_else(expected)
    }
}

impl From<LimitSpan> for String {
    fn from(span: LimitSpan) -> Self {
        match span {
            LimitSpan::Days(days) => format!("{days}d"),
            LimitSpan::Seconds(s) if s % 3_600 == 0 => format!("{}h", s / 3_600),
            LimitSpan::Seconds(s) if s % 60 == 0 => format!("{}min", s / 60),
            LimitSpan::Seconds(s) => format!("{s}s"),
        }
    }
}

impl JsonSchema for LimitSpan {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "LimitSpan".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": "^[0-9]+ *(s|min|h|d)$",
            "description": "30s, 15min, 2h in real time, or 7d in working days.",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_read_and_what_is_none_is_told() {
        for (text, expected) in [
            ("1s", LimitSpan::Seconds(1)),
            ("3min", LimitSpan::Seconds(180)),
            (" 2 h ", LimitSpan::Seconds(7_200)),
            ("24h", LimitSpan::Seconds(86_400)),
            ("1d", LimitSpan::Days(1)),
            ("3660d", LimitSpan::Days(3_660)),
            ("316224000s", LimitSpan::Seconds(316_224_000)),
        ] {
            let span = LimitSpan::try_from(text.to_owned()).unwrap();
            assert_eq!(span, expected, "{text}");
            assert_eq!(LimitSpan::try_from(String::from(span)), Ok(expected));
        }
        for text in
            ["", "0s", "0d", "3661d", "316224001s", "5", "h", "-3min", "1.5h", "3m", "99999999999s"]
        {
            let why = LimitSpan::try_from(text.to_owned()).unwrap_err();
            assert!(why.contains("expected a length like 30s, 15min, 2h or 7d"), "{text}: {why}");
        }
    }

    #[test]
    fn a_limit_warns_at_four_fifths() {
        let since: Timestamp = "2026-07-01T03:00:00Z".parse().unwrap();
        let by = since + SignedDuration::from_mins(15);
        let run = LimitRun::new(LimitStep::Accept, since, by, false);
        assert_eq!(run.at, Some(since + SignedDuration::from_mins(12)));
        // A clock that says nonsense: no panic.
        LimitRun::new(LimitStep::Accept, Timestamp::MIN, Timestamp::MAX, false);
        LimitRun::new(LimitStep::Accept, Timestamp::MAX, Timestamp::MIN, false);
    }
}
