//! Devices on no list: 200 are each their own, beyond that they are one; and presses in another's name.

use jiff::SignedDuration;

use super::{Config, Desk, Directory, Effects};
use crate::domain::{
    Body, Claim, DeviceInfo, DeviceReport, Entry, IdMint, Incident, Now, Observation, Press,
    Record, Reply, ReplyTo, Stamp,
};

struct World {
    desk: Desk,
    now: Now,
    records: Vec<Record>,
    presses: usize,
}

fn directory() -> Directory {
    Directory {
        auto_close_after_s: 86_400,
        devices: [("a".into(), DeviceInfo::default())].into(),
        watch: Config::default(),
        ..Directory::default()
    }
}

fn press(id: u64) -> Press {
    Press { id: Some(id.to_string()), via: "intake".into(), ..Press::default() }
}

impl World {
    fn new() -> Self {
        let now = Now { wall: "2026-07-01T00:00:00Z".parse().unwrap(), mono_ms: 5_000 };
        let mut desk = Desk::new(directory(), IdMint::new([0; 32]));
        desk.restore_devices(now, Default::default());
        Self { desk, now, records: Vec::new(), presses: 0 }
    }

    fn take(&mut self, effects: Effects) {
        for entry in effects.entries {
            match entry {
                Entry::Change(record) => self.records.push(*record),
                Entry::Press { .. } => self.presses += 1,
                _ => {}
            }
        }
    }

    fn say(&mut self, id: &str, body: Body) {
        let stamp = Stamp::of_gateway(self.now);
        let observation = Observation { source: id.into(), stamp, body };
        let effects = self.desk.apply(self.now, &observation, Vec::new());
        self.take(effects);
    }

    fn pass(&mut self, seconds: i64) {
        self.now.wall += SignedDuration::from_secs(seconds);
        self.now.mono_ms += u64::try_from(seconds * 1000).unwrap();
        let effects = self.desk.tick(self.now, Vec::new());
        self.take(effects);
    }

    /// The latest state of each incident, the joint one last.
    fn incidents(&self) -> Vec<Incident> {
        let mut latest = std::collections::BTreeMap::new();
        for record in &self.records {
            latest.insert(record.incident.id, record.incident.clone());
        }
        let (mut joint, mut all): (Vec<_>, Vec<_>) =
            latest.into_values().partition(|one| one.key == super::strangers::KEY);
        all.append(&mut joint);
        all
    }
}

#[test]
fn i11_two_hundred_strangers_are_each_their_own_and_beyond_that_they_are_one() {
    let mut world = World::new();
    for n in 0..200 {
        world.say(&format!("made-up-{n}"), Body::Press(press(n)));
    }
    assert_eq!((world.incidents().len(), world.records.len()), (200, 200));
    for n in 200..1_200 {
        world.say(&format!("made-up-{n}"), Body::Press(press(n)));
    }
    let all = world.incidents();
    assert_eq!((all.len(), world.records.len()), (201, 201), "told once so far");
    assert_eq!(world.presses, 1_200, "each is written down");
    assert_eq!((all[200].severity.level(), all[200].detail["presses"].as_u64()), (1, Some(1)));
    // One that has its own goes on there, and a listed button is never among them.
    world.say("made-up-7", Body::Press(press(99_999)));
    world.say("a", Body::Press(press(1)));
    assert_eq!(world.incidents().len(), 202);
    world.pass(59);
    let joint = |world: &World| world.incidents().last().unwrap().clone();
    assert_eq!(joint(&world).revision, 1);
    world.pass(1);
    let told = joint(&world);
    assert_eq!((told.revision, told.detail["presses"].as_u64()), (2, Some(1_000)));
    let names: Vec<_> = told.detail["devices"].as_array().unwrap().clone();
    assert_eq!((names.len(), names[49].as_str()), (50, Some("made-up-1199")));
    world.pass(600);
    assert_eq!(joint(&world).revision, 2, "nothing new");
    // The count goes on over a restart, and so does the bound.
    let live = world
        .incidents()
        .into_iter()
        .map(|incident| Record { what: crate::domain::What::Opened, incident });
    let live = live.collect();
    world.desk = Desk::new(directory(), IdMint::new([1; 32]));
    world.desk.restore_devices(world.now, Default::default());
    let effects = world.desk.restore(world.now, live, &[], Vec::new());
    world.take(effects);
    world.say("after", Body::Press(press(1)));
    assert_eq!(joint(&world).detail["presses"].as_u64(), Some(1_001));
    assert_eq!(world.incidents().len(), 202);
    // Where one is closed there is room for one.
    let first = world.incidents()[0].id;
    let closed = Reply::new(first, ReplyTo::Closed, "李");
    world.say("x", Body::Reply(closed));
    world.say("room", Body::Press(press(1)));
    world.say("no-room", Body::Press(press(1)));
    assert_eq!(world.incidents().len(), 203);
    assert!(world.incidents().iter().any(|one| one.key == "press/room"));
}

#[test]
fn what_is_wrong_with_strangers_has_a_bound_too() {
    let mut world = World::new();
    for n in 0..300 {
        let open = DeviceReport { tampered: Some(true), ..DeviceReport::default() };
        world.say(&format!("made-up-{n}"), Body::Device(open));
    }
    assert_eq!(world.incidents().len(), 200);
    let open = DeviceReport { tampered: Some(true), ..DeviceReport::default() };
    world.say("a", Body::Device(open));
    assert_eq!(world.incidents().len(), 201, "a listed one is told");
}

#[test]
fn a_press_in_the_name_of_a_listed_button_never_joins_the_strangers() {
    let mut world = World::new();
    for n in 0..210 {
        world.say(&format!("made-up-{n}"), Body::Press(press(n)));
    }
    let claim = |device: &str| {
        let claim = Claim { device: device.into(), speaks_for: vec!["a".into()] };
        Body::Press(Press { claim: Some(Box::new(claim)), ..press(1) })
    };
    world.say("intake/u/a", claim("a"));
    world.say("intake/u/made-up", claim("made-up"));
    let all = world.incidents();
    assert_eq!(all.len(), 202);
    let one = all.iter().find(|one| one.key == "press/intake/u/a").unwrap();
    assert_eq!(one.detail["claims"].as_str(), Some("a"));
    assert_eq!(one.title.zh, "a：紧急按钮求助（自称 a）");
}
