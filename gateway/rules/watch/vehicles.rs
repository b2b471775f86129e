//! What a rule makes of vehicles whose plates are read: which count, and what a finding says of them. Pure.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::{CROSSED_WITHIN, ThingState, Watch, crosses};
use crate::{
    domain::{
        Detail, PlateState, Severity, Title, Track, TrackFrame, VehicleReport, VehicleStanding,
    },
    rules::config::{Config, Direction, RuleKind},
};

/// A vehicle that has been there for so long, and whose plate is still not known, is one without.
const UNREAD_AFTER: SignedDuration = SignedDuration::from_secs(10);
/// Vehicles of one happening that are told, at most; those that came first are forgotten first.
const VEHICLES_MAX: usize = 50;
/// And named in its sentence, the latest first.
const WHY_VEHICLES_MAX: usize = 3;

/// What a happening says of its vehicles, by id.
type Reports = BTreeMap<u64, VehicleReport>;

impl Watch {
    /// Takes in what is known of a vehicle, and whether it has just driven the wrong way.
    pub(super) fn see_vehicle(
        rule: &Config,
        thing: &mut ThingState,
        (frame, track): (&TrackFrame, &Track),
        (from, at): ((f32, f32), Timestamp),
    ) {
        if let Some(known) = frame.vehicles.iter().find(|one| one.track == track.id) {
            let read =
                |one: &Option<crate::domain::Vehicle>| match one.as_ref().map(|one| &one.plate) {
                    Some(PlateState::Read(plate)) => Some(plate.clone()),
                    _ => None,
                };
            let before = read(&thing.vehicle);
            thing.vehicle = Some(known.clone());
            thing.plate_is_news |= read(&thing.vehicle).is_some_and(|now| Some(now) != before);
        }
        if rule.kind == RuleKind::Barrier && is_wrong_way(rule, from, track.bbox.foot()) {
            thing.wrong_way_at = Some(at);
        }
    }

    /// What a vehicle is to the site; none: its plate may still be read.
    pub(in crate::rules) fn standing_of(
        &self,
        thing: &ThingState,
        at: Timestamp,
    ) -> Option<VehicleStanding> {
        let plate = thing.vehicle.as_ref().map(|vehicle| &vehicle.plate);
        let standing = plate.and_then(|plate| self.lists.standing(plate, at));
        let waits = at.duration_since(thing.since) < UNREAD_AFTER;
        standing.or((!waits).then_some(VehicleStanding::Unread))
    }

    /// Whether a vehicle counts by what it is, or by how it drives.
    pub(in crate::rules) fn counts_vehicle(&self, thing: &ThingState, at: Timestamp) -> bool {
        let wrong_way =
            thing.wrong_way_at.is_some_and(|was| at.duration_since(was) <= CROSSED_WITHIN);
        wrong_way || self.rule.counts_standing(self.standing_of(thing, at))
    }

    /// Notes what is known of the vehicles among these members; whether a plate of one that was told is news.
    pub(super) fn take_vehicles(
        &mut self,
        members: &BTreeSet<u64>,
        reports: &mut Reports,
        at: Timestamp,
    ) -> bool {
        let mut news = false;
        let tracks: Vec<u64> = self
            .things
            .iter()
            .filter(|(_, thing)| members.contains(&thing.id) && thing.vehicle.is_some())
            .map(|(track, _)| *track)
            .collect();
        for track in tracks {
            let Some(report) = self.things.get(&track).map(|thing| self.report_of(thing, at))
            else {
                continue;
            };
            if let Some(thing) = self.things.get_mut(&track) {
                news |= std::mem::take(&mut thing.plate_is_news);
            }
            reports.insert(report.thing, report);
            if reports.len() > VEHICLES_MAX {
                reports.pop_first();
            }
        }
        news
    }

    fn report_of(&self, thing: &ThingState, at: Timestamp) -> VehicleReport {
        let vehicle = thing.vehicle.as_ref();
        let plate = match vehicle.map(|one| &one.plate) {
            Some(PlateState::Read(plate)) => Some(plate.clone()),
            _ => None,
        };
        let line = plate.as_ref().and_then(|plate| self.lists.attention(plate, at));
        let order = line.map(|line| {
            let text = |one: &Option<String>| one.clone().unwrap_or_default();
            (text(&line.order), text(&line.author))
        });
        VehicleReport {
            thing: thing.id,
            class: thing.label.clone(),
            colour: vehicle.map(|one| one.colour).unwrap_or_default(),
            plate,
            standing: self.standing_of(thing, at),
            order,
            wrong_way: thing.wrong_way_at.is_some(),
        }
    }
}

/// For the sentences of why: each vehicle with what it is, its plate masked.
pub(super) fn why(reports: &Reports) -> String {
    let one = |report: &VehicleReport| {
        let said = match (&report.plate, report.standing) {
            (Some(plate), Some(standing)) => {
                format!("; vehicle {} is {}", plate.masked(), standing.as_str())
            }
            (None, Some(_)) => "; a vehicle shows no plate that can be read".to_owned(),
            (_, None) => String::new(),
        };
        let way = if report.wrong_way { "; a vehicle drives against the direction" } else { "" };
        said + way
    };
    reports.values().rev().take(WHY_VEHICLES_MAX).map(one).collect()
}

/// Who is looked for makes it an alert, unless the rule says how urgent it is.
pub(super) fn severity(rule: &Config, reports: &Reports, severity: Severity) -> Severity {
    let looked_for = reports.values().any(|one| one.standing == Some(VehicleStanding::Attention));
    match rule.severity {
        None if looked_for => severity.min(Severity::ALERT),
        _ => severity,
    }
}

/// Of a barrier: what is the matter with the worst of its vehicles.
pub(super) fn title(rule: &Config, reports: &Reports) -> Option<Title> {
    if rule.kind != RuleKind::Barrier {
        return None;
    }
    let is = |standing| reports.values().any(|one| one.standing == Some(standing));
    let (zh, en) = match () {
        () if is(VehicleStanding::Attention) => {
            ("关注车辆到达道闸", "vehicle of an order at the barrier")
        }
        () if reports.values().any(|one| one.wrong_way) => {
            ("车辆在道闸处逆行", "vehicle against the direction at the barrier")
        }
        () if is(VehicleStanding::Unknown) => {
            ("陌生车辆到达道闸", "unknown vehicle at the barrier")
        }
        () if is(VehicleStanding::Expired) => {
            ("登记已过期的车辆到达道闸", "vehicle whose time is over at the barrier")
        }
        () if is(VehicleStanding::Unread) => {
            ("道闸处车辆号牌无法识别", "vehicle without a readable plate at the barrier")
        }
        () => return None,
    };
    Some(Title { zh: zh.into(), en: en.into() })
}

/// For the detail: nothing where no plate is read.
pub(super) fn detail(reports: &Reports, lasted_s: i64) -> Detail {
    let mut detail = Detail::from([("lasted_s".into(), lasted_s.into())]);
    if reports.values().any(|one| one.wrong_way) {
        detail.insert("wrong_way".into(), true.into());
    }
    detail
}

fn is_wrong_way(rule: &Config, from: (f32, f32), to: (f32, f32)) -> bool {
    let right = match rule.direction {
        Direction::Both => return false,
        Direction::LeftToRight => Direction::RightToLeft,
        Direction::RightToLeft => Direction::LeftToRight,
    };
    let against = Config { direction: right, ..rule.clone() };
    rule.line.len() == 2 && crosses(&against, from, to)
}
