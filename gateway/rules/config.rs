//! `[[rule]]`: what an installer types, with defaults per kind, and what is wrong with it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::zone::polygon_problem;
use crate::domain::{Kind, Schedule, Severity, VehicleStanding, has_plate};

/// Share of the picture: a shorter line is a point.
const LINE_MIN: f32 = 0.001;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RuleKind {
    /// Someone is in the zone.
    Intrusion,
    /// Someone crosses the line.
    Line,
    /// Someone stays in the zone for `dwell_s`.
    Loiter,
    /// At least `count` are in the zone.
    Crowd,
    /// A vehicle stands in the zone for `dwell_s`.
    FireLane,
    /// Someone is in the zone at the water; more urgent in flood season.
    Waterside,
    /// Someone lies on the ground in the zone for `dwell_s`, told by the shape of his box alone.
    Fallen,
    /// One of `labels` is in the zone for `dwell_s`: fire, smoke, what a model of the site knows.
    Seen,
    /// A vehicle that is not expected is in the zone before the barrier 道闸, or crosses `line` against
    /// `direction`. Needs `[vehicles]`.
    Barrier,
    /// A vehicle is in the zone for longer than `dwell_s`. Needs `[vehicles]`.
    Stay,
}

/// Which way over the line, seen along it from its first point to its second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    #[default]
    Both,
    LeftToRight,
    RightToLeft,
}

/// `[[rule]]`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub id: String,
    pub kind: RuleKind,
    /// Cameras by id; default all.
    #[serde(default)]
    pub cameras: Vec<String>,
    /// Polygon `[[x, y], …]` in 0..1 of the picture; where a thing stands decides. Default the
    /// whole picture.
    #[serde(default)]
    pub zone: Vec<[f32; 2]>,
    /// `[[x, y], [x, y]]` in 0..1 (kind line; kind barrier, where one way over it is wrong).
    #[serde(default)]
    pub line: Vec<[f32; 2]>,
    /// Kind line: which way counts. Kind barrier: the right way. Default both.
    #[serde(default)]
    pub direction: Direction,
    /// Default `person`; fire-lane, barrier and stay: car, truck, bus, motorcycle; seen has none, and needs
    /// some.
    #[serde(default)]
    pub labels: Vec<String>,
    /// Vehicles that count, by what they are to the site: `resident`, `visitor`, `staff`, `unknown` (on no
    /// list), `unread` (no plate could be read), `expired` (its time is over), `attention`. Default barrier:
    /// unknown, unread, expired, attention; stay: those and visitor; fire-lane: all.
    #[serde(default)]
    pub vehicles: Vec<VehicleStanding>,
    /// What it takes to begin, 0..1; who has begun counts while he is followed, however weakly he is
    /// seen. Default 0.5.
    #[serde(default = "min_score")]
    pub min_score: f32,
    /// Looks that must show a thing with `min_score`, the size and the label before it counts, 1 to
    /// 5: a second opinion. Where looks are far apart, it is believed after 0.4 s all the same.
    /// Default 1.
    #[serde(default = "confirm_looks")]
    pub confirm_looks: u32,
    /// A crop around it, at the picture's own resolution, must show a thing too before it counts: a
    /// second opinion. Where none does, it is believed after 0.4 s all the same. Default false.
    #[serde(default)]
    pub confirm_crop: bool,
    /// Share of the picture's area, 0..1. Default 0.
    #[serde(default)]
    pub min_size: f32,
    /// Share of the picture's area, 0..1; a larger box is not one thing (some models draw one
    /// around a group). Default 1.
    #[serde(default = "max_size")]
    pub max_size: f32,
    /// Seconds until it counts. Default intrusion 0, loiter 60, crowd 2, fire-lane 120, fallen 20, seen
    /// 2, barrier 0, stay 7200.
    #[serde(default)]
    pub dwell_s: Option<f64>,
    /// Kind crowd. Default 5.
    #[serde(default = "count")]
    pub count: u32,
    /// Weekly windows in the site's time zone, e.g. `Mon-Fri 22:00-06:00`. Default always.
    #[serde(default)]
    pub schedule: Vec<String>,
    /// Seconds after an end in which no new incident opens: who comes then is told as part of the
    /// one that ended, which is active again. 0: each visit is its own. Default 30.
    #[serde(default = "cooldown_s")]
    pub cooldown_s: f64,
    /// Seconds that it may be unseen and still be the same happening, counted from the first look
    /// that does not show it. Default 5.
    #[serde(default = "clear_s")]
    pub clear_s: f64,
    /// Seconds beyond `dwell_s` after which what has not moved (a parked car, a guard) is standing:
    /// it neither holds an incident of `intrusion`, `line` or `waterside` open nor hides who comes.
    /// Default 300.
    #[serde(default = "standing_after_s")]
    pub standing_after_s: f64,
    /// An incident of `intrusion`, `line` or `waterside` that has gone on for so many seconds is
    /// ended by the next who comes, and he opens a new one. Default 600.
    #[serde(default = "renew_after_s")]
    pub renew_after_s: f64,
    /// 1 emergency, 2 alert, 3 and 4 notice. Default loiter, crowd and waterside 3, others 2.
    #[serde(default)]
    pub severity: Option<Severity>,
    /// While the posture is flood 汛期, if more urgent. Default waterside 2, others as `severity`.
    #[serde(default)]
    pub flood_severity: Option<Severity>,
    /// While the posture is key period 重点时段, if more urgent. Default as `severity`.
    #[serde(default)]
    pub key_period_severity: Option<Severity>,
    /// While the posture is flood, if shorter than `cooldown_s`. Default waterside 10, others as
    /// `cooldown_s`.
    #[serde(default)]
    pub flood_cooldown_s: Option<f64>,
}

fn min_score() -> f32 {
    0.5
}
fn confirm_looks() -> u32 {
    1
}
fn max_size() -> f32 {
    1.0
}
fn count() -> u32 {
    5
}
fn cooldown_s() -> f64 {
    30.0
}
fn clear_s() -> f64 {
    5.0
}
fn standing_after_s() -> f64 {
    300.0
}
fn renew_after_s() -> f64 {
    600.0
}

impl Config {
    /// Until it counts, with the default of its kind.
    pub(super) fn dwell_ms(&self) -> i64 {
        millis(self.dwell_s())
    }

    /// Likewise, in seconds.
    pub fn dwell_s(&self) -> f64 {
        let default = match self.kind {
            RuleKind::Intrusion | RuleKind::Line | RuleKind::Waterside | RuleKind::Barrier => 0.0,
            RuleKind::Crowd | RuleKind::Seen => 2.0,
            RuleKind::Fallen => 20.0,
            RuleKind::Loiter => 60.0,
            RuleKind::FireLane => 120.0,
            RuleKind::Stay => 7_200.0,
        };
        self.dwell_s.unwrap_or(default)
    }

    /// Whether what stands still for long lets go of its incident, and a long one is followed by
    /// another.
    pub(super) fn lets_go(&self) -> bool {
        matches!(self.kind, RuleKind::Intrusion | RuleKind::Line | RuleKind::Waterside)
    }

    /// Whether things of this label count.
    pub(super) fn counts(&self, label: &str) -> bool {
        if self.labels.is_empty() {
            return match self.kind {
                RuleKind::FireLane | RuleKind::Barrier | RuleKind::Stay => has_plate(label),
                RuleKind::Intrusion
                | RuleKind::Line
                | RuleKind::Loiter
                | RuleKind::Crowd
                | RuleKind::Fallen
                | RuleKind::Waterside => label == "person",
                RuleKind::Seen => false,
            };
        }
        self.labels.iter().any(|wanted| wanted == label)
    }

    /// Whether it tells vehicles apart by their plates.
    pub fn may_read_plates(&self) -> bool {
        matches!(self.kind, RuleKind::FireLane | RuleKind::Barrier | RuleKind::Stay)
    }

    /// Whether it is nothing without plates.
    pub fn needs_plates(&self) -> bool {
        matches!(self.kind, RuleKind::Barrier | RuleKind::Stay) || !self.vehicles.is_empty()
    }

    /// Whether a vehicle counts that is this to the site; none: that is not known yet.
    pub(super) fn counts_standing(&self, standing: Option<VehicleStanding>) -> bool {
        use VehicleStanding::{Attention, Expired, Unknown, Unread, Visitor};
        let counts = match (self.vehicles.as_slice(), self.kind) {
            ([], RuleKind::Barrier) => &[Unknown, Unread, Expired, Attention][..],
            ([], RuleKind::Stay) => &[Unknown, Unread, Expired, Attention, Visitor],
            ([], _) => return true,
            (named, _) => named,
        };
        // Whose time is over is as unknown as anybody, from that second on.
        let is_over = standing == Some(Expired) && counts.contains(&Unknown);
        is_over || standing.is_some_and(|standing| counts.contains(&standing))
    }

    /// Whether a box of this size (share of the picture) can be one of the things looked for.
    pub(super) fn fits(&self, area: f32) -> bool {
        (self.min_size..=self.max_size).contains(&area)
    }

    /// The kind of its incidents.
    pub(super) fn kind_of_incident(&self) -> Kind {
        match self.kind {
            RuleKind::Intrusion => Kind::Intrusion,
            RuleKind::Line => Kind::Line,
            RuleKind::Loiter => Kind::Loiter,
            RuleKind::Crowd => Kind::Crowd,
            RuleKind::FireLane => Kind::FireLane,
            RuleKind::Waterside => Kind::Waterside,
            RuleKind::Fallen => Kind::Fallen,
            RuleKind::Seen => Kind::Seen,
            RuleKind::Barrier => Kind::Barrier,
            RuleKind::Stay => Kind::Stay,
        }
    }

    /// Without postures.
    pub(super) fn severity(&self) -> Severity {
        self.severity.unwrap_or(match self.kind {
            RuleKind::Loiter
            | RuleKind::Crowd
            | RuleKind::Waterside
            | RuleKind::Barrier
            | RuleKind::Stay => Severity::NOTICE,
            RuleKind::Intrusion
            | RuleKind::Line
            | RuleKind::FireLane
            | RuleKind::Fallen
            | RuleKind::Seen => Severity::ALERT,
        })
    }

    /// As it is while these postures hold.
    pub(super) fn severity_in(&self, flood: bool, key_period: bool) -> Severity {
        let waterside = (self.kind == RuleKind::Waterside).then_some(Severity::ALERT);
        let in_flood = self.flood_severity.or(waterside).filter(|_| flood);
        let in_key_period = self.key_period_severity.filter(|_| key_period);
        [in_flood, in_key_period].into_iter().flatten().fold(self.severity(), Severity::min)
    }

    /// What the postures add to why it is so urgent.
    pub(super) fn why_in(&self, flood: bool, key_period: bool) -> &'static str {
        let severity = self.severity_in(flood, key_period);
        match () {
            () if severity == self.severity() => "",
            () if severity == self.severity_in(flood, false) => "; more urgent in flood season",
            () => "; more urgent in a key period",
        }
    }

    /// Seconds after an end in which no new one opens.
    pub(super) fn cooldown_in(&self, flood: bool) -> f64 {
        let waterside = (self.kind == RuleKind::Waterside).then_some(10.0);
        let in_flood = self.flood_cooldown_s.or(waterside).filter(|_| flood);
        in_flood.map_or(self.cooldown_s, |seconds| seconds.min(self.cooldown_s))
    }

    fn needs_line(&self) -> bool {
        matches!(self.kind, RuleKind::Line | RuleKind::Barrier)
    }

    /// What is wrong with `line`: one kind needs it, and no other has one.
    fn problem_of_line(&self) -> Option<String> {
        let points = self.line.len();
        match self.kind {
            RuleKind::Line => {
                (points != 2).then(|| format!("{points} points; expected two, [[x, y], [x, y]]"))
            }
            RuleKind::Barrier => (points != 0 && points != 2)
                .then(|| format!("{points} points; expected two, [[x, y], [x, y]], or none")),
            RuleKind::Intrusion
            | RuleKind::Loiter
            | RuleKind::Crowd
            | RuleKind::FireLane
            | RuleKind::Waterside
            | RuleKind::Fallen
            | RuleKind::Stay
            | RuleKind::Seen => (points != 0)
                .then(|| "only kind = \"line\" has a line; did you mean `zone`?".to_owned()),
        }
    }

    /// Errors as (key, message).
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        if let Some(problem) = polygon_problem(&self.zone).filter(|_| !self.zone.is_empty()) {
            problems.push(("zone", problem));
        }
        if self.kind == RuleKind::Seen && self.labels.iter().all(|label| label.trim().is_empty()) {
            let message =
                "is missing; kind = \"seen\" says by it what is looked for, e.g. [\"fire\"]";
            problems.push(("labels", message.into()));
        }
        problems.extend(self.problem_of_line().map(|problem| ("line", problem)));
        if self.kind == RuleKind::Barrier
            && (self.line.is_empty() != (self.direction == Direction::Both))
        {
            let message =
                "kind = \"barrier\" has `line` and `direction` (the right way over it), or neither";
            problems.push(("direction", message.into()));
        }
        if !self.vehicles.is_empty() && !self.may_read_plates() {
            let message = "only kinds fire-lane, barrier and stay tell vehicles apart";
            problems.push(("vehicles", message.into()));
        }
        if let ([from, to], true) = (self.line.as_slice(), self.needs_line()) {
            let long = (to[0] - from[0]).hypot(to[1] - from[1]);
            if long < LINE_MIN {
                problems.push(("line", "its two points are one: nobody crosses it".into()));
            }
        }
        if self.line.iter().flatten().any(|v| !(0.0..=1.0).contains(v)) {
            problems.push(("line", "a point lies outside 0..1 of the picture".into()));
        }
        for (key, value) in [
            ("min_score", self.min_score),
            ("min_size", self.min_size),
            ("max_size", self.max_size),
        ] {
            if !(0.0..=1.0).contains(&value) {
                problems.push((key, format!("{value}: expected 0..1")));
            }
        }
        if !(1..=5).contains(&self.confirm_looks) {
            let message = format!("{}: expected 1 to 5 looks", self.confirm_looks);
            problems.push(("confirm_looks", message));
        }
        if self.min_size > self.max_size {
            let message = format!("{} is less than min_size {}", self.max_size, self.min_size);
            problems.push(("max_size", message));
        }
        let seconds = [
            ("dwell_s", self.dwell_s.unwrap_or(0.0)),
            ("cooldown_s", self.cooldown_s),
            ("clear_s", self.clear_s),
            ("standing_after_s", self.standing_after_s),
            ("renew_after_s", self.renew_after_s),
            ("flood_cooldown_s", self.flood_cooldown_s.unwrap_or(0.0)),
        ];
        for (key, value) in seconds {
            if !(0.0..=86_400.0).contains(&value) {
                problems.push((key, format!("{value}: expected seconds, 0 to 86400")));
            }
        }
        if let Err(problem) = Schedule::parse(&self.schedule) {
            problems.push(("schedule", problem));
        }
        problems
    }
}

/// Milliseconds of seconds.
pub(super) fn millis(seconds: f64) -> i64 {
    (seconds * 1000.0).round() as i64
}
