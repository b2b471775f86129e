//! Whether two happenings are one: by place, time and kind. Three rules, each with a name that the incident shows.
//!
//! - `seen-by-several`: a person seen by another camera or drone at the same place within half a
//!   minute is the same person: one incident, all its sources.
//! - `button-and-eye`: who is seen beside a button around the time of its press belongs to the
//!   press. The press itself joins nothing: two emergencies are always two.
//! - `rain-and-water`: a person at the water of a grid in which it rains hard, or whose water is
//!   high, is an alert: both stay incidents of their own, the person's is raised.
//!
//! **F3** Two emergencies are never one: a press joins nothing, and what joins a press is a
//! sighting. A joined incident ends with the last of its keys. Only sources with a place of their
//! own are joined. A press is compared with few incidents (`Desk::near`), however many cases are
//! open.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain::{Detail, Kind, Severity, SourceId, SourceKind, distance_m};

/// A rule by which happenings are one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Join {
    /// One person seen by several cameras and drones.
    SeenBySeveral,
    /// A press, and who is seen beside the button.
    ButtonAndEye,
    /// A person at the water while it rains hard.
    RainAndWater,
}

impl Join {
    /// Every rule.
    pub const ALL: [Self; 3] = [Self::SeenBySeveral, Self::ButtonAndEye, Self::RainAndWater];

    /// As in the configuration and in `detail.fusion`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SeenBySeveral => "seen-by-several",
            Self::ButtonAndEye => "button-and-eye",
            Self::RainAndWater => "rain-and-water",
        }
    }
}

/// How far from a camera's own place what it sees is taken to be, metres: its detector knows a
/// person up to some forty.
const CAMERA_REACH_M: f64 = 20.0;
/// A place that is less sure than this joins nothing, metres.
const REACH_M_MAX: f64 = 60.0;
/// A person walks, and clocks differ: added to every distance, metres.
const SLACK_M: f64 = 10.0;
/// A sighting joins one that was last true within this, seconds.
const SEEN_WITHIN_S: i64 = 30;
/// A person seen at most this long before a press belongs to it, seconds.
const BEFORE_PRESS_S: i64 = 60;
/// A person seen at most this long after a press belongs to it, seconds; the press may stay open for
/// days.
const AFTER_PRESS_S: i64 = 600;

/// `detail.fusion` of an incident in words, one sentence an entry.
pub(super) fn sentences(detail: &Detail) -> Vec<String> {
    let list = detail.get("fusion").and_then(|list| list.as_array());
    let sentence = |one: &serde_json::Value| {
        let text = |key: &str| one.get(key).and_then(|text| text.as_str());
        let rule = text("rule").unwrap_or_default();
        match (text("source"), text("incident")) {
            (Some(source), _) => {
                let apart_m = one.get("apart_m").and_then(|m| m.as_f64()).unwrap_or_default();
                format!("{source} joined by {rule}, {apart_m:.0} m apart")
            }
            (None, Some(incident)) => format!("raised by {rule}: {incident}"),
            (None, None) => String::new(),
        }
    };
    list.into_iter().flatten().map(sentence).filter(|sentence| !sentence.is_empty()).collect()
}

/// One of the two incidents or findings, with what the rules look at.
#[derive(Clone, Debug)]
pub(super) struct Side {
    /// Of the incident.
    pub(super) kind: Kind,
    /// Of the incident.
    pub(super) severity: Severity,
    /// All that belong to it.
    pub(super) sources: Vec<SourceId>,
    /// Of the first of them.
    pub(super) source_kind: SourceKind,
    /// `[lon, lat]`; None where it is not known, or only that of the site.
    pub(super) place: Option<[f64; 2]>,
    /// Stated error of the place, metres, where it was seen from the air.
    pub(super) error_m: Option<f64>,
    /// Code of its grid.
    pub(super) grid: Option<String>,
    /// When it began, and when it was last true.
    pub(super) began_at: Timestamp,
    /// See `began_at`.
    pub(super) last_at: Timestamp,
    /// A person is in it.
    pub(super) person: bool,
}

impl Side {
    /// Whether a camera or drone sees a person.
    fn sees_a_person(&self) -> bool {
        let sees = matches!(self.source_kind, SourceKind::Camera | SourceKind::Drone);
        let kind = matches!(self.kind, Kind::Intrusion | Kind::Loiter | Kind::Waterside);
        sees && kind && self.person
    }

    fn reach_m(&self) -> f64 {
        self.error_m.unwrap_or(match self.source_kind {
            SourceKind::Camera => CAMERA_REACH_M,
            _ => 0.0,
        })
    }

    /// Metres between the two, if they may be the same place.
    fn meets(&self, other: &Self) -> Option<f64> {
        let apart_m = distance_m(self.place?, other.place?);
        let reaches = [self.reach_m(), other.reach_m()];
        let sure = reaches.iter().all(|reach| *reach <= REACH_M_MAX);
        (sure && apart_m <= reaches[0] + reaches[1] + SLACK_M).then_some(apart_m)
    }
}

fn seconds(from: Timestamp, to: Timestamp) -> i64 {
    to.duration_since(from).as_secs()
}

/// Whether a finding that is about to open an incident belongs to this live one; how, and how
/// far apart they are, metres.
pub(super) fn joins(new: &Side, live: &Side) -> Option<(Join, f64)> {
    if !new.sees_a_person() {
        return None;
    }
    let apart_m = new.meets(live)?;
    if live.kind == Kind::EmergencyButton {
        let after_s = seconds(live.began_at, new.began_at);
        let soon = (-BEFORE_PRESS_S..=AFTER_PRESS_S).contains(&after_s);
        return soon.then_some((Join::ButtonAndEye, apart_m));
    }
    // Two rules of one camera make two incidents.
    if live.sources.iter().any(|source| new.sources.contains(source)) {
        return None;
    }
    let near_in_time = seconds(live.last_at, new.began_at).abs() <= SEEN_WITHIN_S
        || (live.began_at..=live.last_at).contains(&new.began_at);
    (live.sees_a_person() && near_in_time).then_some((Join::SeenBySeveral, apart_m))
}

/// Whether this live sighting becomes part of a press that is about to open its incident.
pub(super) fn folds(press: &Side, live: &Side) -> Option<f64> {
    if press.kind != Kind::EmergencyButton || !live.sees_a_person() {
        return None;
    }
    let since_s = seconds(live.last_at, press.began_at).abs();
    press.meets(live).filter(|_| since_s <= BEFORE_PRESS_S)
}

/// Whether the water makes an alert of the person.
pub(super) fn raises(water: &Side, person: &Side) -> bool {
    matches!(water.kind, Kind::Rain | Kind::WaterLevel)
        && water.severity <= Severity::ALERT
        && person.kind == Kind::Waterside
        && water.grid.is_some()
        && water.grid == person.grid
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::moved;

    const HERE: [f64; 2] = [113.9131, 30.9221];

    fn side(kind: Kind, source: &str, east_m: f64, second: i64) -> Side {
        let at = Timestamp::from_second(1_782_874_800 + second).unwrap();
        Side {
            kind,
            severity: Severity::ALERT,
            sources: vec![source.into()],
            source_kind: match source.split('-').next() {
                Some("cam") => SourceKind::Camera,
                Some("uav") => SourceKind::Drone,
                Some("btn") => SourceKind::Button,
                _ => SourceKind::Gauge,
            },
            place: Some(moved(HERE, 0.0, east_m)),
            error_m: source.starts_with("uav").then_some(15.0),
            grid: Some("G1".into()),
            began_at: at,
            last_at: at,
            person: true,
        }
    }

    fn check(new: Side, live: Side) -> &'static str {
        joins(&new, &live).map_or("-", |(rule, _)| rule.as_str())
    }

    #[test]
    fn f3_what_is_one_happening_and_what_never_is() {
        use Kind::{Crowd, EmergencyButton, Intrusion, Line, Loiter};
        let cam = || side(Intrusion, "cam-1", 0.0, 0);
        let table = [
            // One person, two cameras and a drone.
            (side(Intrusion, "cam-2", 49.0, 20), cam(), "seen-by-several"),
            (side(Loiter, "uav-1", 44.0, -20), cam(), "seen-by-several"),
            (cam(), side(Loiter, "uav-1", 44.0, 0), "seen-by-several"),
            (side(Intrusion, "cam-2", 51.0, 0), cam(), "-"),
            (side(Intrusion, "cam-2", 10.0, 31), cam(), "-"),
            // The same camera by another rule is another question.
            (side(Loiter, "cam-1", 0.0, 0), cam(), "-"),
            (side(Line, "cam-2", 0.0, 0), cam(), "-"),
            (side(Intrusion, "cam-2", 0.0, 0), side(Crowd, "cam-1", 0.0, 0), "-"),
            // A press, and who is beside it.
            (
                side(Intrusion, "cam-1", 29.0, 90),
                side(EmergencyButton, "btn-1", 0.0, 0),
                "button-and-eye",
            ),
            (side(Intrusion, "cam-1", 31.0, 90), side(EmergencyButton, "btn-1", 0.0, 0), "-"),
            (side(Intrusion, "cam-1", 5.0, 601), side(EmergencyButton, "btn-1", 0.0, 0), "-"),
            // Two emergencies of two people, wall to wall and in the same second.
            (side(EmergencyButton, "btn-2", 1.0, 0), side(EmergencyButton, "btn-1", 0.0, 0), "-"),
            (side(EmergencyButton, "btn-1", 0.0, 0), cam(), "-"),
        ];
        for (n, (new, live, rule)) in table.into_iter().enumerate() {
            assert_eq!(check(new, live), rule, "row {n}");
        }
        let unsure = Side { error_m: Some(61.0), ..side(Intrusion, "uav-1", 0.0, 0) };
        assert_eq!(check(unsure, cam()), "-");
        let nowhere = Side { place: None, ..side(Intrusion, "cam-2", 0.0, 0) };
        assert_eq!(check(nowhere, cam()), "-", "the site's place is nobody's");
        let car = Side { person: false, ..side(Intrusion, "cam-2", 0.0, 0) };
        assert_eq!(check(car, cam()), "-");
    }

    #[test]
    fn a_press_takes_who_was_seen_beside_it_and_no_other_press() {
        let press = side(Kind::EmergencyButton, "btn-1", 0.0, 60);
        assert!(folds(&press, &side(Kind::Loiter, "cam-1", 20.0, 0)).is_some());
        assert!(folds(&press, &side(Kind::Loiter, "cam-1", 20.0, -1)).is_none());
        assert!(folds(&press, &side(Kind::EmergencyButton, "btn-2", 1.0, 60)).is_none());
        assert!(folds(&press, &side(Kind::Crowd, "cam-1", 1.0, 60)).is_none());
    }

    #[test]
    fn rain_raises_who_is_at_the_water_of_its_grid() {
        let person = side(Kind::Waterside, "cam-1", 0.0, 0);
        let rain = side(Kind::Rain, "gauge-1", 0.0, 0);
        assert!(raises(&rain, &person));
        assert!(raises(&Side { kind: Kind::WaterLevel, ..rain.clone() }, &person));
        assert!(!raises(&Side { severity: Severity::NOTICE, ..rain.clone() }, &person));
        assert!(!raises(&Side { grid: Some("G2".into()), ..rain.clone() }, &person));
        let nowhere = |side: &Side| Side { grid: None, ..side.clone() };
        assert!(!raises(&nowhere(&rain), &nowhere(&person)));
        assert!(!raises(&rain, &side(Kind::Intrusion, "cam-1", 0.0, 0)));
    }
}
