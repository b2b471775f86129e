//! Vehicles at a barrier, in a fire lane and in a yard: who is let in, who is told, and with which plate.

use std::sync::Arc;

use jiff::{Timestamp, tz::TimeZone};

use crate::{
    domain::{
        Bbox, Body, Colour, Finding, ListedVehicle, Now, Observation, Phase, Plate, PlateState,
        Stamp, Track, TrackFrame, Vehicle, VehicleList, VehicleLists,
    },
    rules::{Config, Rules},
};

/// A site with these rules of one camera, and a look a second.
struct World {
    rules: Rules,
    second: i64,
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn plate(text: &str) -> Plate {
    Plate::parse(text).unwrap()
}

fn read(text: &str) -> PlateState {
    PlateState::Read(plate(text))
}

impl World {
    fn new(rule: &str) -> Self {
        let rule: Config = toml::from_str(&format!("id = \"r\"\n{rule}")).unwrap();
        assert_eq!(rule.problems(), []);
        let mut rules = Rules::new(&[rule], &[("c".into(), Vec::new())], &TimeZone::UTC);
        let line = |text: &str, list, until: Option<i64>| ListedVehicle {
            plate: plate(text),
            list,
            until: until.map(at),
            order: (list == VehicleList::Attention).then(|| "公查字 12".into()),
            author: (list == VehicleList::Attention).then(|| "王队".into()),
        };
        rules.lists = Arc::new(VehicleLists::new([
            line("晋B12345", VehicleList::Resident, None),
            line("晋B22222", VehicleList::Visitor, Some(60)),
            line("晋B33333", VehicleList::Attention, Some(3_600)),
        ]));
        Self { rules, second: 0 }
    }

    /// One look at these vehicles: id, where its foot is from left to right, and its plate.
    fn see(&mut self, vehicles: &[(u64, f32, PlateState)]) -> Vec<Finding> {
        let now =
            Now { wall: at(self.second), mono_ms: u64::try_from(self.second).unwrap() * 1000 };
        self.second += 1;
        let track = |(id, x, _): &(u64, f32, PlateState)| {
            let bbox = Bbox::new(x - 0.1, 0.4, x + 0.1, 0.6);
            Track {
                id: *id,
                label: "car".into(),
                score: 0.9,
                bbox,
                seen: true,
                since: now.wall,
                origin: bbox.foot(),
                shown_in_crop: false,
            }
        };
        let vehicle = |(id, _, plate): &(u64, f32, PlateState)| Vehicle {
            track: *id,
            colour: Colour::Red,
            plate: plate.clone(),
        };
        let frame = TrackFrame {
            tracks: vehicles.iter().map(track).collect(),
            vehicles: vehicles.iter().map(vehicle).collect(),
            picture: None,
        };
        let body = Body::Tracks(frame);
        let observation = Observation { source: "c".into(), stamp: Stamp::of_gateway(now), body };
        let mut findings = Vec::new();
        self.rules.observe(&observation, &mut findings);
        findings
    }

    /// So many looks at one vehicle that stands there.
    fn stands(&mut self, looks: usize, id: u64, plate: &PlateState) -> Vec<Finding> {
        (0..looks).flat_map(|_| self.see(&[(id, 0.5, plate.clone())])).collect()
    }
}

fn begun(findings: &[Finding]) -> Vec<&Finding> {
    findings.iter().filter(|one| one.phase == Phase::Begins).collect()
}

#[test]
fn a_barrier_tells_of_strangers_and_of_nobody_who_is_expected() {
    for (text, told) in [
        ("晋B12345", None),
        ("晋B22222", None),
        ("晋B99999", Some(("陌生车辆到达道闸", 3))),
        ("晋B33333", Some(("关注车辆到达道闸", 2))),
    ] {
        let mut world = World::new("kind = \"barrier\"");
        let findings = world.stands(20, 7, &read(text));
        let begun = begun(&findings);
        let title = begun
            .first()
            .map(|one| (one.title.as_ref().unwrap().zh.as_str(), one.severity.level()));
        assert_eq!(title, told, "{text}");
        let Some(first) = begun.first() else { continue };
        assert!(!first.why.contains(text), "{}", first.why);
        assert!(first.why.contains(&plate(text).masked()), "{}", first.why);
        let report = &first.things.vehicles[0];
        assert_eq!((report.thing, report.plate.as_ref()), (7, Some(&plate(text))));
        let order = report.order.as_ref().map(|(order, author)| (order.as_str(), author.as_str()));
        assert_eq!(order, (text == "晋B33333").then_some(("公查字 12", "王队")));
    }
}

#[test]
fn a_visitor_whose_time_is_over_is_told_when_it_is_over() {
    let mut world = World::new("kind = \"barrier\"");
    let findings = world.stands(70, 1, &read("晋B22222"));
    let begun = begun(&findings);
    assert_eq!(begun.len(), 1);
    assert_eq!(begun[0].at, at(60), "in the look of its end");
    assert_eq!(begun[0].title.as_ref().unwrap().zh, "登记已过期的车辆到达道闸");
    // He is as unknown as anybody to a rule that asks for those, and not a second before.
    let mut world = World::new("kind = \"barrier\"\nvehicles = [\"unknown\"]");
    let findings = world.stands(70, 1, &read("晋B22222"));
    assert_eq!(findings.iter().find(|one| one.phase == Phase::Begins).unwrap().at, at(60));
}

#[test]
fn a_vehicle_that_shows_no_plate_is_told_after_a_while_and_its_plate_when_it_is_read() {
    let mut world = World::new("kind = \"barrier\"");
    let first = world.stands(10, 1, &PlateState::Open);
    assert_eq!(first.len(), 0, "it may still be read");
    let then = world.stands(2, 1, &PlateState::Open);
    assert_eq!(begun(&then)[0].title.as_ref().unwrap().zh, "道闸处车辆号牌无法识别");
    let read_now = world.stands(1, 1, &read("晋B99999"));
    assert!(read_now[0].notable && read_now[0].things.vehicles[0].plate.is_some());
    assert!(!world.stands(1, 1, &read("晋B99999"))[0].notable, "told once");
    // Given up at once: nothing more is waited for.
    let mut world = World::new("kind = \"barrier\"");
    assert_eq!(begun(&world.stands(1, 1, &PlateState::Unread)).len(), 1);
}

#[test]
fn who_drives_against_the_direction_is_told_whoever_he_is() {
    let rule = "kind = \"barrier\"\nline = [[0.5, 1.0], [0.5, 0.0]]\ndirection = \"left-to-right\"";
    let drive = |path: &[f32]| {
        let mut world = World::new(rule);
        let all: Vec<Finding> =
            path.iter().flat_map(|x| world.see(&[(1, *x, read("晋B12345"))])).collect();
        begun(&all).iter().map(|one| one.title.clone().unwrap().zh).collect::<Vec<_>>()
    };
    assert_eq!(drive(&[0.2, 0.4, 0.6, 0.8]), [] as [&str; 0], "the right way");
    assert_eq!(drive(&[0.8, 0.6, 0.4, 0.2]), ["车辆在道闸处逆行"]);
}

#[test]
fn a_car_in_the_fire_lane_has_its_plate_and_one_of_staff_may_be_left_out() {
    let mut world = World::new("kind = \"fire-lane\"\ndwell_s = 5");
    let findings = world.stands(8, 3, &read("晋B12345"));
    let begun_here = begun(&findings);
    assert_eq!(begun_here.len(), 1);
    assert_eq!(begun_here[0].title, None);
    assert_eq!(begun_here[0].things.vehicles[0].plate, Some(plate("晋B12345")));
    let mut world =
        World::new("kind = \"fire-lane\"\ndwell_s = 5\nvehicles = [\"unknown\", \"unread\"]");
    assert_eq!(world.stands(20, 3, &read("晋B12345")).len(), 0);
    assert_eq!(begun(&world.stands(20, 4, &read("晋B99999"))).len(), 1);
}

#[test]
fn a_guest_stays_as_long_as_he_may_and_a_resident_as_he_likes() {
    let mut world = World::new("kind = \"stay\"\ndwell_s = 30");
    let findings = world.stands(40, 1, &read("晋B99999"));
    let begun_here = begun(&findings);
    assert_eq!((begun_here.len(), begun_here[0].at), (1, at(30)));
    let mut world = World::new("kind = \"stay\"\ndwell_s = 30");
    assert_eq!(world.stands(90, 1, &read("晋B12345")).len(), 0);
}

#[test]
fn what_a_rule_of_vehicles_cannot_say_is_refused() {
    let problems = |text: &str| {
        let rule: Config = toml::from_str(&format!("id = \"r\"\n{text}")).unwrap();
        rule.problems().into_iter().map(|(key, _)| key).collect::<Vec<_>>()
    };
    assert_eq!(problems("kind = \"intrusion\"\nvehicles = [\"unknown\"]"), ["vehicles"]);
    assert_eq!(problems("kind = \"barrier\"\nline = [[0.0, 0.0], [1.0, 1.0]]"), ["direction"]);
    assert_eq!(problems("kind = \"barrier\"\ndirection = \"left-to-right\""), ["direction"]);
    let three = "line = [[0.0, 0.0], [1.0, 1.0], [0.5, 0.5]]\ndirection = \"left-to-right\"";
    assert_eq!(problems(&format!("kind = \"barrier\"\n{three}")), ["line"]);
}
