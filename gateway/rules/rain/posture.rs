//! The postures of the site (flood season, key period): by rain, water, calendar or order; each change is a record of its own.

use std::collections::BTreeSet;

use jiff::{Timestamp, civil::Date, tz::TimeZone};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain::{
    ClockError, Detail, Finding, Kind, Now, OrderTo, Phase, Posture, PostureOrder, Severity,
    SourceId, Stamp, ThingReport, Title,
};

/// The source of its records.
pub(crate) const SOURCE: &str = "posture";
/// A posture that is ordered off without an end is off for so long.
const OFF_FOR: jiff::SignedDuration = jiff::SignedDuration::from_hours(12);

/// From what rain the posture is flood.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FloodByRain {
    Never,
    /// Any open rain incident.
    Any,
    #[default]
    Blue,
    Yellow,
    Orange,
    Red,
}

/// Days on which a posture holds, the last one included.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Period {
    pub posture: Posture,
    /// For people: 主汛期, 春节, 两会 …
    pub name: String,
    /// `2026-06-01`, or `06-01` for every year.
    pub from: String,
    /// The last day; in a period for every year it may lie before `from`: over New Year.
    pub to: String,
}

/// `[posture]`: when the site is in flood season 汛期 or a key period 重点时段.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The criterion that observed rain meets for flood. Default blue.
    #[serde(default)]
    pub flood_by_rain: FloodByRain,
    /// Water at the warning level means flood. Default true.
    #[serde(default = "yes")]
    pub flood_by_level: bool,
    /// Flood stays so many seconds after rain and water have fallen. Default 7200.
    #[serde(default = "flood_hold_s")]
    pub flood_hold_s: u64,
    /// Days of the calendar, in the site's time zone.
    #[serde(default)]
    pub period: Vec<Period>,
}

fn yes() -> bool {
    true
}
fn flood_hold_s() -> u64 {
    7_200
}

impl Default for Config {
    fn default() -> Self {
        Self {
            flood_by_rain: FloodByRain::default(),
            flood_by_level: true,
            flood_hold_s: flood_hold_s(),
            period: Vec::new(),
        }
    }
}

impl Config {
    /// Errors as (key, message).
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        if self.flood_hold_s > 604_800 {
            let message = format!("{}: expected seconds, 0 to 604800", self.flood_hold_s);
            problems.push(("flood_hold_s", message));
        }
        for Period { name, from, to, .. } in &self.period {
            match (day(from), day(to)) {
                (Some(Day::Once(a)), Some(Day::Once(b))) if b < a => {
                    problems.push(("period", format!("{name}: {to} lies before {from}")));
                }
                (Some(Day::Once(_)), Some(Day::Once(_)))
                | (Some(Day::Yearly(..)), Some(Day::Yearly(..))) => {}
                _ => problems.push((
                    "period",
                    format!("{name}: `{from}` to `{to}`: expected two days such as 2026-02-16, or two such as 06-01"),
                )),
            }
        }
        problems
    }
}

#[derive(Clone, Copy)]
enum Day {
    Once(Date),
    /// Month and day.
    Yearly(i8, i8),
}

fn day(text: &str) -> Option<Day> {
    if let Ok(date) = text.parse::<Date>() {
        return Some(Day::Once(date));
    }
    let (month, day) = text.split_once('-')?;
    let (month, day) = (month.parse().ok()?, day.parse().ok()?);
    // A leap year has all days.
    Date::new(2024, month, day).ok().map(|_| Day::Yearly(month, day))
}

impl Period {
    fn holds(&self, today: Date) -> bool {
        match (day(&self.from), day(&self.to)) {
            (Some(Day::Once(from)), Some(Day::Once(to))) => (from..=to).contains(&today),
            (Some(Day::Yearly(m, d)), Some(Day::Yearly(n, e))) => {
                let (from, to, now) = ((m, d), (n, e), (today.month(), today.day()));
                if from <= to { (from..=to).contains(&now) } else { now >= from || now <= to }
            }
            _ => false,
        }
    }
}

/// Why a posture holds: a name for the record, and a reason for people.
type Cause = (&'static str, String);

/// One posture and its incident.
struct PostureState {
    posture: Posture,
    order: Option<PostureOrder>,
    began_at: Option<Timestamp>,
    causes: BTreeSet<Cause>,
    /// When rain or water last asked for it, on our own clock.
    asked_ms: Option<i64>,
}

/// Both postures and what they follow.
pub(super) struct Postures {
    config: Config,
    zone: TimeZone,
    all: [PostureState; 2],
}

/// Why rain and water ask for flood, if they do.
#[derive(Clone, Debug, Default)]
pub(super) struct Requests {
    /// By rain.
    pub(super) rain: Option<String>,
    /// By water.
    pub(super) level: Option<String>,
}

impl Postures {
    /// None holds yet.
    pub(super) fn new(config: Config, zone: TimeZone) -> Self {
        let one = |posture| PostureState {
            posture,
            order: None,
            began_at: None,
            causes: BTreeSet::new(),
            asked_ms: None,
        };
        Self { config, zone, all: Posture::ALL.map(one) }
    }

    /// Takes another configuration.
    pub(super) fn configure(&mut self, config: Config, zone: TimeZone) {
        (self.config, self.zone) = (config, zone);
    }

    /// From what rain the posture is flood.
    pub(super) fn flood_by_rain(&self) -> FloodByRain {
        self.config.flood_by_rain
    }

    /// Whether high water makes it flood.
    pub(super) fn flood_by_level(&self) -> bool {
        self.config.flood_by_level
    }

    /// Whether this posture holds now.
    pub(super) fn holds(&self, posture: Posture) -> bool {
        self.all.iter().any(|one| one.posture == posture && one.began_at.is_some())
    }

    /// A person orders a posture on, off or automatic.
    pub(super) fn order(&mut self, order: &PostureOrder) {
        for one in self.all.iter_mut().filter(|one| one.posture == order.posture) {
            one.order = (order.to != OrderTo::Auto).then(|| order.clone());
        }
    }

    /// Takes over the incident that was open before a restart; what a person ordered is in its detail.
    pub(super) fn resume(
        &mut self,
        posture: Posture,
        began_at: Timestamp,
        detail: &Detail,
        mono_ms: i64,
    ) {
        for one in self.all.iter_mut().filter(|one| one.posture == posture) {
            one.began_at = Some(began_at);
            // Rain and water count as having stopped just now.
            let causes = detail.get("causes").and_then(|causes| causes.as_array());
            let by_weather = |cause: &serde_json::Value| {
                let kind =
                    cause.as_str().and_then(|cause| cause.split_once(':')).map(|(kind, _)| kind);
                matches!(kind, Some("rain" | "level" | "held"))
            };
            let asked = causes.is_some_and(|causes| causes.iter().any(by_weather));
            one.asked_ms = asked.then_some(mono_ms);
            let order = detail.get("order").cloned();
            one.order = order.and_then(|order| serde_json::from_value(order).ok());
        }
    }

    /// Decides anew whether each posture holds; a change is a finding.
    pub(super) fn review(
        &mut self,
        stamp: Stamp,
        mono_ms: i64,
        asked: &Requests,
        out: &mut Vec<Finding>,
    ) {
        let wall = stamp.gateway;
        let today = Now::is_plausible(wall).then(|| self.zone.to_datetime(wall).date());
        let hold_ms = i64::try_from(self.config.flood_hold_s * 1000).unwrap_or(i64::MAX);
        for one in &mut self.all {
            if one.order.as_ref().is_some_and(|order| over(order, wall)) {
                one.order = None;
            }
            let mut causes: BTreeSet<Cause> = BTreeSet::new();
            let periods = self.config.period.iter().filter(|period| period.posture == one.posture);
            for period in periods.filter(|period| today.is_some_and(|today| period.holds(today))) {
                causes.insert(("calendar", period.name.clone()));
            }
            if one.posture == Posture::Flood {
                causes.extend(asked.rain.iter().map(|why| ("rain", why.clone())));
                causes.extend(asked.level.iter().map(|why| ("level", why.clone())));
                if asked.rain.is_some() || asked.level.is_some() {
                    one.asked_ms = Some(mono_ms);
                } else if one.began_at.is_some()
                    && one.asked_ms.is_some_and(|asked| mono_ms - asked < hold_ms)
                {
                    causes.insert(("held", "after rain or high water".into()));
                }
            }
            match &one.order {
                Some(order) if order.to == OrderTo::Off => causes.clear(),
                Some(order) => drop(causes.insert(("hand", order.by.clone()))),
                None => {}
            }
            one.change(causes, stamp, out);
        }
    }
}

fn over(order: &PostureOrder, wall: Timestamp) -> bool {
    order.until.is_some_and(|until| wall >= until)
}

impl PostureOrder {
    /// Gives an order to switch off an end: a forgotten order must not leave a dike unwatched.
    pub(crate) fn bounded(mut self, wall: Timestamp) -> Self {
        if self.to == OrderTo::Off {
            self.until = Some(self.until.unwrap_or(wall + OFF_FOR));
        }
        self
    }
}

impl PostureState {
    fn change(&mut self, causes: BTreeSet<Cause>, stamp: Stamp, out: &mut Vec<Finding>) {
        let (holds, held) = (!causes.is_empty(), self.began_at.is_some());
        let kinds =
            |causes: &BTreeSet<Cause>| causes.iter().map(|(kind, _)| *kind).collect::<Vec<_>>();
        let other = kinds(&self.causes) != kinds(&causes);
        if !holds && !held || holds && held && !other {
            self.causes = causes;
            return;
        }
        let began_at = *self.began_at.get_or_insert(stamp.gateway);
        let (zh, en) = self.posture.words();
        let reasons: Vec<String> =
            causes.iter().map(|(kind, why)| format!("{kind}: {why}")).collect();
        let title = Title {
            zh: if holds {
                format!("进入{zh}值守状态")
            } else {
                format!("结束{zh}值守状态")
            },
            en: if holds { format!("posture {en} entered") } else { format!("posture {en} left") },
        };
        let mut detail = Detail::from([
            ("posture".into(), self.posture.as_str().into()),
            ("causes".into(), reasons.clone().into()),
        ]);
        let order = self.order.as_ref().and_then(|order| serde_json::to_value(order).ok());
        detail.insert("order".into(), order.unwrap_or(serde_json::Value::Bool(false)));
        out.push(Finding {
            key: self.posture.key(),
            phase: match (held, holds) {
                (false, _) => Phase::Begins,
                (true, true) => Phase::Continues,
                (true, false) => Phase::Ends,
            },
            rule: None,
            source: SourceId::from(SOURCE),
            kind: Kind::Posture,
            severity: Severity::NOTICE,
            title: Some(title),
            began_at,
            at: stamp.gateway,
            clock: ClockError::of(stamp),
            objects: Vec::new(),
            why: match holds {
                true => format!("{en}: {}", reasons.join("; ")),
                false => format!("{en}: nothing asks for it any more"),
            },
            detail,
            things: ThingReport::default(),
            shot: None,
            notable: true,
        });
        if !holds {
            self.began_at = None;
        }
        self.causes = causes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(at: &str) -> Stamp {
        Stamp::of_gateway(Now { wall: at.parse().unwrap(), mono_ms: 0 })
    }

    fn postures(text: &str) -> Postures {
        let config: Config = toml::from_str(text).unwrap();
        assert_eq!(config.problems(), []);
        Postures::new(config, TimeZone::get("Asia/Shanghai").unwrap())
    }

    /// Phases reported at this time.
    fn review(postures: &mut Postures, at: &str, mono_s: i64, asked: &Requests) -> Vec<String> {
        let mut out = Vec::new();
        postures.review(stamp(at), mono_s * 1000, asked, &mut out);
        out.iter().map(|one| format!("{:?} {}", one.phase, one.why)).collect()
    }

    #[test]
    fn the_calendar_is_read_in_the_sites_own_zone() {
        let mut postures = postures(
            "[[period]]\nposture = \"key-period\"\nname = \"春节\"\nfrom = \"2026-02-16\"\nto = \"2026-02-22\"\n[[period]]\nposture = \"flood\"\nname = \"主汛期\"\nfrom = \"06-01\"\nto = \"08-31\"\n[[period]]\nposture = \"key-period\"\nname = \"跨年\"\nfrom = \"12-31\"\nto = \"01-01\"\n",
        );
        let none = Requests::default();
        for (at, expected) in [
            ("1970-01-01T00:00:00Z", vec![]),
            ("2026-02-15T15:59:59Z", vec![]),
            ("2026-02-15T16:00:00Z", vec!["Begins key period: calendar: 春节"]),
            ("2026-02-22T15:59:59Z", vec![]),
            ("2026-02-22T16:00:00Z", vec!["Ends key period: nothing asks for it any more"]),
            ("2026-06-01T00:00:00Z", vec!["Begins flood season: calendar: 主汛期"]),
            (
                "2026-12-31T01:00:00Z",
                vec![
                    "Ends flood season: nothing asks for it any more",
                    "Begins key period: calendar: 跨年",
                ],
            ),
        ] {
            assert_eq!(review(&mut postures, at, 0, &none), expected, "{at}");
        }
    }

    #[test]
    fn rain_asks_and_it_is_held_a_while_and_a_hand_goes_first() {
        let mut postures = postures("flood_hold_s = 600\n");
        let rain = Requests { rain: Some("blue".into()), level: None };
        let at = "2026-03-01T00:00:00Z";
        assert_eq!(review(&mut postures, at, 0, &rain), ["Begins flood season: rain: blue"]);
        assert_eq!(review(&mut postures, at, 5, &rain).len(), 0);
        assert_eq!(review(&mut postures, at, 10, &Requests::default()).len(), 1, "held");
        assert_eq!(review(&mut postures, at, 604, &Requests::default()).len(), 0);
        assert_eq!(
            review(&mut postures, at, 606, &Requests::default()),
            ["Ends flood season: nothing asks for it any more"]
        );
        let order = |to, until: Option<&str>| PostureOrder {
            posture: Posture::Flood,
            to,
            by: "李".into(),
            until: until.map(|at| at.parse().unwrap()),
        };
        postures.order(&order(OrderTo::On, Some("2026-03-01T02:00:00Z")));
        assert_eq!(
            review(&mut postures, at, 700, &Requests::default()),
            ["Begins flood season: hand: 李"]
        );
        assert_eq!(
            review(&mut postures, "2026-03-01T02:00:00Z", 701, &Requests::default()).len(),
            1
        );
        assert!(!postures.holds(Posture::Flood));
        postures.order(&order(OrderTo::Off, None).bounded(at.parse().unwrap()));
        assert_eq!(review(&mut postures, at, 800, &rain).len(), 0, "ordered off");
        assert_eq!(review(&mut postures, "2026-03-01T12:00:01Z", 801, &rain).len(), 1);
    }

    #[test]
    fn wrong_days_are_told() {
        let config: Config = toml::from_str(
            "[[period]]\nposture = \"flood\"\nname = \"a\"\nfrom = \"2026-06-31\"\nto = \"2026-07-01\"\n[[period]]\nposture = \"flood\"\nname = \"b\"\nfrom = \"2026-07-01\"\nto = \"2026-06-01\"\n[[period]]\nposture = \"flood\"\nname = \"c\"\nfrom = \"06-01\"\nto = \"2026-06-01\"\n",
        )
        .unwrap();
        assert_eq!(config.problems().len(), 3);
    }
}
