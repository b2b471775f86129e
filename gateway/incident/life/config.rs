//! `[life]`: who may take which step of a case, within what time, and who is told when that has passed.

use std::path::PathBuf;

use jiff::SignedDuration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::lengths::{by_tier, tier_of};
use crate::domain::{Kind, Level, LimitSpan, Posture, Severity, Tier};

/// Rows of limits and of contacts; more are a mistake.
const ROWS_MAX: usize = 1_000;
/// Names of the four steps of urging, in the order of the ladder.
const URGES: [&str; 4] = ["催办", "督办（黄牌）", "督办（红牌）", "督办（黑牌）"];

/// Tiers as the file writes them.
const TIERS: [(Tier, &str); 4] = [
    (Tier::Urgent, "urgent"),
    (Tier::Small, "small"),
    (Tier::Slow, "slow"),
    (Tier::Complex, "complex"),
];
/// Of all kinds: the one whose tier does not come from its severity, and another.
const KINDS: [Kind; 2] = [Kind::EmergencyButton, Kind::Intrusion];
const SEVERITIES: [Severity; 4] =
    [Severity::EMERGENCY, Severity::ALERT, Severity::NOTICE, Severity::MINOR];

/// `[life]`: who may take which step of a case, and within what time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Who verifies or sends back is not who handled it, by the `by` of their replies. Default true.
    #[serde(default = "yes")]
    pub another_verifies: bool,
    /// Who grants or refuses is not who asked. Default true.
    #[serde(default = "yes")]
    pub another_grants: bool,
    /// Who grants or refuses is a person whom the site names (duty list, `[[life.contact]]`, `[routing]`, grids),
    /// or is logged in by an account. Where it names nobody, whoever gives a name. Default true.
    #[serde(default = "yes")]
    pub named_grants: bool,
    /// CSV file of working days: date, day (`work`, `rest`, `through`), hours, name. Default Monday to
    /// Friday, 08:30–12:00 and 14:00–18:00, without holidays. Limits in days count these days.
    #[serde(default)]
    pub calendar: Option<PathBuf>,
    /// What urging is called, for the grid head, the community, the township and the department. Default
    /// 催办, 督办（黄牌）, 督办（红牌）, 督办（黑牌）.
    #[serde(default = "urges")]
    pub urges: [String; 4],
    /// Limits, the first that fits counts; what it does not say is as by default.
    #[serde(default)]
    pub limit: Vec<LimitRow>,
    /// Who is told at which level, the first that fits counts. Default: what the grids say.
    #[serde(default)]
    pub contact: Vec<Contact>,
}

/// `[[life.limit]]`: how soon cases like these are accepted, dispatched, handled, verified, finished. Lengths
/// are `30s`, `15min`, `2h` in real time, or `7d` in working days.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LimitRow {
    /// Of these kinds. Default all.
    #[serde(default)]
    pub kinds: Vec<Kind>,
    /// Of these severities. Default all.
    #[serde(default)]
    pub severities: Vec<Severity>,
    /// Of these tiers. Default all.
    #[serde(default)]
    pub tiers: Vec<Tier>,
    /// While one of these postures holds. Default always.
    #[serde(default)]
    pub postures: Vec<Posture>,
    /// From its opening until somebody takes it on. Default by tier 3min, 15min, 2h, 24h.
    #[serde(default)]
    pub accept: Option<LimitSpan>,
    /// From then until somebody is sent, or it is handled; else it is open again. Default 10min, 30min, 4h,
    /// 1d.
    #[serde(default)]
    pub dispatch: Option<LimitSpan>,
    /// From then until it is handled. Default 20min, 1h, 1d, 5d.
    #[serde(default)]
    pub handle: Option<LimitSpan>,
    /// From then until somebody else has verified it. Default 10min, 1h, 1d, 2d.
    #[serde(default)]
    pub verify: Option<LimitSpan>,
    /// From its opening until it is closed. Default 30min, 2h, 2d, 7d.
    #[serde(default)]
    pub finish: Option<LimitSpan>,
    /// Until what is asked is granted or refused. Default 10min, 30min, 4h, 1d.
    #[serde(default)]
    pub answer: Option<LimitSpan>,
    /// From one level that was told to the next. Default as `accept`.
    #[serde(default)]
    pub escalate: Option<LimitSpan>,
    /// Whether anybody is told that a limit has passed. Default true; false for `patrol` and `posture`.
    #[serde(default)]
    pub escalates: Option<bool>,
}

/// `[[life.contact]]`: a person or an office that is told when a limit has passed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Contact {
    /// At which level.
    pub level: Level,
    /// For cases in grids with these codes. Default all.
    #[serde(default)]
    pub grids: Vec<String>,
    /// In these communities. Default all.
    #[serde(default)]
    pub communities: Vec<String>,
    /// In these townships. Default all.
    #[serde(default)]
    pub townships: Vec<String>,
    /// Which these departments have. Default all.
    #[serde(default)]
    pub departments: Vec<String>,
    /// Of the person or office.
    pub name: String,
    /// Telephone.
    #[serde(default)]
    pub phone: Option<String>,
}

fn yes() -> bool {
    true
}

fn urges() -> [String; 4] {
    URGES.map(str::to_owned)
}

impl Default for Config {
    fn default() -> Self {
        Self {
            another_verifies: true,
            another_grants: true,
            named_grants: true,
            calendar: None,
            urges: urges(),
            limit: Vec::new(),
            contact: Vec::new(),
        }
    }
}

impl Config {
    /// Errors as (key, message).
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        for (key, rows) in [("limit", self.limit.len()), ("contact", self.contact.len())] {
            if rows > ROWS_MAX {
                problems.push((key, format!("{rows} rows: expected at most {ROWS_MAX}")));
            }
        }
        if self.urges.iter().any(|urge| urge.trim().is_empty()) {
            problems.push(("urges", "one of the four names is empty".into()));
        }
        for (at, row) in self.limit.iter().enumerate() {
            if let Some(why) = row.contradiction() {
                problems.push(("limit", format!("row {}: {why}", at + 1)));
            }
        }
        for (at, contact) in self.contact.iter().enumerate() {
            if contact.name.trim().is_empty() {
                problems.push(("contact", format!("row {}: `name` is empty", at + 1)));
            }
        }
        problems
    }

    /// Warnings as (key, message): rows that an earlier one leaves nothing for, and rows by which a case is
    /// to be over before somebody has to take it on.
    pub fn warnings(&self) -> Vec<(&'static str, String)> {
        let all = self.limit.iter().position(LimitRow::fits_all);
        let shadowed = all.filter(|at| at + 1 < self.limit.len());
        let told = shadowed.map(|at| {
            let message = format!("row {} fits every case: those after it never count", at + 1);
            ("limit", message)
        });
        let hurried = self.limit.iter().enumerate().filter_map(|(at, row)| {
            let why = row.hurries(self.limit.get(..at).unwrap_or_default())?;
            Some(("limit", format!("row {}: {why}", at + 1)))
        });
        told.into_iter().chain(hurried).collect()
    }
}

impl LimitRow {
    fn fits_all(&self) -> bool {
        self.kinds.is_empty()
            && self.severities.is_empty()
            && self.tiers.is_empty()
            && self.postures.is_empty()
    }

    fn contradiction(&self) -> Option<String> {
        let (finish, accept) = (self.finish?, self.accept?);
        (length(finish) < length(accept)).then(|| "`finish` is before `accept`".to_owned())
    }

    /// It says `finish` alone, and that is before what `accept` is by default for cases that it fits.
    fn hurries(&self, earlier: &[Self]) -> Option<String> {
        let finish = self.finish.filter(|_| self.accept.is_none())?;
        let fits =
            |tier| self.fits_tier(tier) && !earlier.iter().any(|row| row.takes_all_of(self, tier));
        let later = TIERS.into_iter().filter(|&(tier, _)| fits(tier)).filter_map(|(tier, name)| {
            // The kind counts for who is told alone.
            let accept = by_tier(tier, Kind::Report).accept;
            let is_later = length(finish) < length(accept);
            is_later.then(|| format!("{} for tier `{name}`", String::from(accept)))
        });
        let later: Vec<String> = later.collect();
        let said = later.join(", ");
        (!later.is_empty()).then(|| {
            format!("`finish` is before `accept`, which it does not say and is by default {said}")
        })
    }

    /// Whether it fits cases of this tier.
    fn fits_tier(&self, tier: Tier) -> bool {
        let kinds: &[Kind] = if self.kinds.is_empty() { &KINDS } else { &self.kinds };
        let severities: &[Severity] =
            if self.severities.is_empty() { &SEVERITIES } else { &self.severities };
        let is_of_tier =
            |kind: Kind| severities.iter().any(|&severity| tier_of(kind, severity) == tier);
        (self.tiers.is_empty() || self.tiers.contains(&tier))
            && kinds.iter().any(|&kind| is_of_tier(kind))
    }

    /// Whether it leaves no case of this tier for a later row.
    fn takes_all_of(&self, later: &Self, tier: Tier) -> bool {
        self.postures.is_empty()
            && holds(&self.kinds, &later.kinds)
            && holds(&self.severities, &later.severities)
            && (self.tiers.is_empty() || self.tiers.contains(&tier))
    }
}

/// Whether these are among those; none are all.
fn holds<T: PartialEq>(those: &[T], these: &[T]) -> bool {
    those.is_empty() || (!these.is_empty() && these.iter().all(|one| those.contains(one)))
}

/// For a comparison: a working day as a whole day.
fn length(span: LimitSpan) -> SignedDuration {
    match span {
        LimitSpan::Seconds(seconds) => SignedDuration::from_secs(seconds.into()),
        LimitSpan::Days(days) => SignedDuration::from_hours(24 * i64::from(days)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_limits_is_told() {
        let read = |text: &str| toml::from_str::<Config>(text);
        let told = |text: &str| -> Vec<String> {
            let config = read(text).unwrap();
            let all = config.problems().into_iter().chain(config.warnings());
            all.map(|(key, why)| format!("{key}: {why}")).collect()
        };
        assert_eq!(told(""), Vec::<String>::new());
        assert_eq!(read("").unwrap(), Config::default());
        assert_eq!(
            told(
                "[[limit]]\naccept = \"3h\"\nfinish = \"2h\"\n[[limit]]\naccept = \"3h\"\nfinish = \"3h\"\n"
            ),
            [
                "limit: row 1: `finish` is before `accept`",
                "limit: row 1 fits every case: those after it never count"
            ]
        );
        assert_eq!(
            told(
                "urges = [\"a\", \"b\", \" \", \"d\"]\n[[contact]]\nlevel = \"community\"\nname = \"\"\n"
            ),
            ["urges: one of the four names is empty", "contact: row 1: `name` is empty"]
        );
        for (text, part) in [
            ("[[limit]]\naccept = \"3 weeks\"\n", "expected a length like 30s"),
            ("[[limit]]\nacept = \"3h\"\n", "unknown field `acept`"),
            ("[[limit]]\nseverities = [5]\n", "severity 5: expected 1"),
            ("[[contact]]\nlevel = \"boss\"\nname = \"x\"\n", "unknown variant `boss`"),
            ("urges = [\"a\"]\n", "4"),
        ] {
            let why = read(text).unwrap_err().to_string();
            assert!(why.contains(part), "{text}: {why}");
        }
    }

    #[test]
    fn a_case_that_is_to_be_over_before_it_is_taken_on_is_told() {
        let hurried = |row: &str| -> Vec<String> {
            let config: Config = toml::from_str(&format!("[[limit]]\n{row}\n")).unwrap();
            assert!(config.problems().is_empty(), "{row}");
            config.warnings().into_iter().map(|(key, why)| format!("{key}: {why}")).collect()
        };
        let said =
            "limit: row 1: `finish` is before `accept`, which it does not say and is by default";
        assert_eq!(
            hurried("kinds = [\"report\"]\nfinish = \"10min\""),
            [format!("{said} 15min for tier `small`, 2h for tier `slow`, 24h for tier `complex`")]
        );
        assert_eq!(
            hurried("kinds = [\"report\"]\nseverities = [1, 3]\nfinish = \"10min\""),
            [format!("{said} 2h for tier `slow`")]
        );
        assert_eq!(
            hurried("kinds = [\"emergency-button\"]\nfinish = \"2min\""),
            [format!("{said} 3min for tier `urgent`")]
        );
        for fine in [
            "tiers = [\"small\"]\nfinish = \"15min\"",
            "kinds = [\"emergency-button\"]\nseverities = [2]\nfinish = \"3min\"",
            "finish = \"1d\"",
            "accept = \"5min\"\nfinish = \"10min\"",
            // The row before has all that are slower.
            "tiers = [\"slow\", \"complex\"]\naccept = \"5min\"\n[[limit]]\nkinds = [\"report\"]\nfinish = \"1h\"",
        ] {
            assert_eq!(hurried(fine), Vec::<String>::new(), "{fine}");
        }
    }
}
