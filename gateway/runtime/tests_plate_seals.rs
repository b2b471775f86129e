//! What an incident says of a vehicle: masked for everybody, whole for who has the key, and noted where somebody is looked for.

use std::sync::Arc;

use super::*;
use crate::{
    domain::{Colour, Kind, NoMeter, Plate, Stamp, ThingReport},
    store,
};

fn seals(folder: &std::path::Path) -> (PlateSeals, Store) {
    let config = store::Config { min_free_bytes: 0, ..store::Config::at(folder) };
    let store = store::open(&config, &[], Arc::new(NoMeter)).unwrap().store;
    let config = toml::from_str("keep_days = 7\nkeep = [{ vehicles = \"attention\", days = 90 }]");
    let vehicles = Some(Vehicles {
        config: config.unwrap(),
        lists: Default::default(),
        wrong_lines: Vec::new(),
    });
    (PlateSeals { store: Some(store.clone()), vehicles, ..PlateSeals::default() }, store)
}

fn finding(second: i64, standing: VehicleStanding) -> Finding {
    let wall = Timestamp::from_second(1_800_000_000 + second).unwrap();
    let stamp = Stamp::of_gateway(crate::domain::Now { wall, mono_ms: 0 });
    let order = (standing == VehicleStanding::Attention)
        .then(|| ("公查字 12".to_owned(), "王队".to_owned()));
    let vehicle = VehicleReport {
        thing: 7,
        class: "car".into(),
        colour: Colour::Red,
        plate: Plate::parse("晋B12345"),
        standing: Some(standing),
        order,
        wrong_way: false,
    };
    let things = ThingReport { vehicles: vec![vehicle], ..ThingReport::default() };
    Finding { things, ..Finding::of_a_part(&"c".into(), stamp, Kind::Barrier, "") }
}

#[test]
fn a_detail_holds_no_whole_plate_and_its_seal_opens_for_the_days_of_its_kind() {
    let folder = tempfile::tempdir().unwrap();
    let (mut seals, store) = seals(folder.path());
    for (standing, days) in [(VehicleStanding::Unknown, "7"), (VehicleStanding::Attention, "90")] {
        let mut findings = vec![finding(0, standing), finding(1, standing)];
        seals.seal(&mut findings);
        assert!(findings.iter().all(|one| one.things.vehicles.is_empty()), "nothing for the desk");
        let told = &findings[0].detail["vehicles"][0];
        assert_eq!(told["plate"], "晋B·1**45");
        assert_eq!(told["standing"], standing.as_str());
        assert_eq!((&told["class"], &told["colour"]), (&"car".into(), &"red".into()));
        assert!(!findings[0].detail["vehicles"].to_string().contains("12345"));
        let sealed = told["sealed"].as_str().unwrap();
        assert_eq!(sealed.split('.').nth(1), Some(days));
        assert_eq!(store.open_plate(sealed).as_deref(), Some("晋B12345"));
        assert_eq!(findings[1].detail["vehicles"][0]["sealed"], sealed, "sealed once");
    }
}

#[test]
fn each_hit_of_an_order_is_noted_once_while_it_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let (mut seals, _store) = seals(folder.path());
    let mut notes = |second, standing| seals.seal(&mut [finding(second, standing)]);
    assert_eq!(notes(0, VehicleStanding::Unknown), []);
    let noted = notes(1, VehicleStanding::Attention);
    let [Entry::Access(note)] = noted.as_slice() else { panic!("{noted:?}") };
    assert_eq!((note.what, note.who.as_str()), (AccessEvent::AttentionHit, "晋B·1**45"));
    assert_eq!(note.detail, "公查字 12; 王队");
    assert_eq!(notes(30, VehicleStanding::Attention), [], "the same visit");
    assert_eq!(notes(700, VehicleStanding::Attention).len(), 1, "another one");
}

#[test]
fn without_a_store_a_plate_is_kept_masked_alone() {
    let mut findings = [finding(0, VehicleStanding::Unknown)];
    PlateSeals::default().seal(&mut findings);
    let told = &findings[0].detail["vehicles"][0];
    assert_eq!((&told["plate"], told.get("sealed")), (&"晋B·1**45".into(), None));
}
