//! Random days at the desk: whatever happens in whatever order, the grid hears a story that holds together.
//!
//! `GRIDPOST_SEED=n` replays one.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use jiff::{SignedDuration, Timestamp};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};

use super::{Desk, Directory, Effects, EvidenceJob, Join};
use crate::domain::{
    Answer, Body, ClockError, Detail, Entry, Evidence, Fault, Finding, Grid, IdMint, Incident,
    IncidentId, Kind, Now, ObjectCount, Observation, Phase, Picture, Place, Press, Record, Reply,
    ReplyTo, SeenPress, Severity, Shot, SourceId, SourceInfo, SourceKind, Stage, Stamp, Thing,
    ThingReport, What,
};

const STEPS: usize = 600;
const AUTO_CLOSE_S: u64 = 1_800;

/// What a receiver and a journal know, and the rules that every entry must keep.
#[derive(Default)]
struct Witness {
    latest: BTreeMap<IncidentId, Record>,
    updated_at_ms: HashMap<IncidentId, u64>,
    ended_ms: HashMap<IncidentId, i64>,
    presses: Vec<SeenPress>,
    replies: Vec<(IncidentId, String)>,
}

impl Witness {
    fn take(&mut self, now: Now, effects: &Effects) {
        for entry in &effects.entries {
            match entry {
                Entry::Change(record) => self.change(now, record),
                Entry::Press { source, press, incident, .. } => self.presses.push(SeenPress {
                    source: source.clone(),
                    press: press.clone(),
                    taken_at: now.wall,
                    incident: *incident,
                }),
                Entry::Reply { reply, .. } => {
                    self.replies.extend(reply.id.clone().map(|id| (reply.incident, id)));
                }
                _ => {}
            }
        }
    }

    fn change(&mut self, now: Now, record: &Record) {
        let incident = &record.incident;
        let id = incident.id;
        assert_eq!(incident.changed_at, now.wall);
        if let Some(ended) = incident.ended_at {
            assert!(ended >= incident.began_at, "ended before it began: {record:?}");
        }
        assert_eq!(incident.active, incident.ended_at.is_none(), "{record:?}");
        let by_us = incident.detail.get("by").is_some_and(|by| by == "gridpost");
        if record.what == What::Closed && by_us {
            assert!(incident.severity != Severity::EMERGENCY, "an emergency closed by itself");
            let since = now.mono() - self.ended_ms.get(&id).unwrap();
            assert!(since >= AUTO_CLOSE_S as i64 * 1000, "closed after {since} ms");
        }
        if incident.ended_at.is_some() {
            self.ended_ms.entry(id).or_insert(now.mono());
        }
        self.fused(record);
        self.things(record);
        match self.latest.get(&id) {
            None => {
                assert_eq!((record.what, incident.revision), (What::Opened, 1), "{record:?}");
                assert!(incident.deadline.is_some());
            }
            Some(before) => self.after(now, before, record),
        }
        if record.what == What::Updated {
            self.updated_at_ms.insert(id, now.mono_ms);
        }
        self.latest.insert(id, record.clone());
        let same = |other: &&Record| other.incident.active && other.incident.key == incident.key;
        let active = self.latest.values().filter(same).count();
        assert!(active <= 1, "{active} incidents for {}", incident.key);
    }

    /// Each thing is one, in one incident of its rule.
    fn things(&self, record: &Record) {
        let ids = |incident: &Incident| -> HashSet<(String, u64)> {
            let things = incident.detail.get("things").and_then(|things| things.as_array());
            let key = |thing: &serde_json::Value| {
                (thing["source"].as_str().unwrap().to_owned(), thing["id"].as_u64().unwrap())
            };
            let things: Vec<_> = things.into_iter().flatten().collect();
            let ids: HashSet<_> = things.iter().map(|thing| key(thing)).collect();
            assert_eq!(ids.len(), things.len(), "a thing twice: {record:?}");
            ids
        };
        let incident = &record.incident;
        let new = ids(incident);
        // Who was beside a press may be beside the next one.
        // Also where it was reopened since.
        let is_closed = |one: &Incident| {
            matches!(one.stage, Stage::Closed | Stage::Dismissed)
                || one.detail.get("ended_by").is_some_and(|by| by == "closed")
        };
        if is_closed(incident)
            || incident.kind == Kind::EmergencyButton
            || incident.detail.contains_key("joined_to")
        {
            return;
        }
        for other in self.latest.values().map(|one| &one.incident) {
            // Who is still there when a case is closed that he was joined to has one of his own.
            let closed = is_closed(other) || other.detail.contains_key("joined_to");
            if other.id != incident.id && other.key == incident.key && !closed {
                assert!(ids(other).is_disjoint(&new), "{other:?} and {record:?}");
            }
        }
    }

    /// Never two emergencies in one; what was joined is listed, and where it went is there.
    fn fused(&self, record: &Record) {
        let incident = &record.incident;
        let buttons = incident.sources.iter().filter(|one| one.kind == SourceKind::Button).count();
        assert!(buttons <= 1, "two people in one emergency: {record:?}");
        let unique: HashSet<_> = incident.sources.iter().map(|source| &source.id).collect();
        assert_eq!(unique.len(), incident.sources.len(), "a source twice: {record:?}");
        let fusion = incident.detail.get("fusion").and_then(|fusion| fusion.as_array());
        let joined = fusion.into_iter().flatten().filter(|one| one.get("source").is_some()).count();
        assert_eq!(joined + 1, incident.sources.len(), "{record:?}");
        for rule in fusion.into_iter().flatten() {
            assert!(incident.why.contains(rule["rule"].as_str().unwrap()), "{record:?}");
        }
        if buttons == 0 && incident.kind != Kind::Rain {
            assert!(incident.kind != Kind::EmergencyButton || incident.sources.len() == 1);
        }
        if let Some(into) = incident.detail.get("joined_to") {
            assert!(!incident.active, "{record:?}");
            let into: IncidentId = into.as_str().unwrap().parse().unwrap();
            // Told in the same batch, before or after.
            let target = self.latest.get(&into);
            assert!(target.is_none_or(|one| one.incident.kind == Kind::EmergencyButton));
        }
    }

    fn after(&self, now: Now, before: &Record, record: &Record) {
        let (old, new) = (&before.incident, &record.incident);
        assert_eq!(new.revision, old.revision + 1, "a gap: {record:?}");
        assert!(new.severity <= old.severity, "severity fell");
        let news = new.detail.contains_key("news");
        // What is wrong with a device again is the same, and counted.
        let again = new.detail.get("times") != old.detail.get("times");
        assert!(old.active || !new.active || news || again, "began again without news: {record:?}");
        assert_eq!((new.began_at, new.opened_at), (old.began_at, old.opened_at));
        let clips = |incident: &Incident| {
            incident.evidence.iter().filter(|one| one.media_type == "video/mp4").count()
        };
        let presses = |incident: &Incident| incident.detail.get("presses").cloned();
        match record.what {
            What::Updated => {
                let since = self.updated_at_ms.get(&new.id).map(|at| now.mono_ms - at);
                let excused = news
                    || new.severity < old.severity
                    || clips(new) > clips(old)
                    || presses(new) != presses(old);
                assert!(excused || since.is_none_or(|ms| ms >= 10_000), "{since:?}: {record:?}");
                assert_eq!(new.stage, old.stage);
            }
            What::Ended => assert!(old.active && !new.active),
            What::Opened => panic!("opened twice: {record:?}"),
            What::Reopened => assert_eq!(new.stage, Stage::Opened),
            _ => assert_ne!(new.stage, old.stage, "a reply changed nothing: {record:?}"),
        }
    }
}

struct World {
    random: StdRng,
    now: Now,
    desk: Desk,
    witness: Witness,
    jobs: Vec<EvidenceJob>,
    sent: Vec<(SourceId, Press)>,
    replies: Vec<Reply>,
    /// Who came last.
    things: u64,
    /// Happenings that are on.
    open: HashMap<(&'static str, &'static str), Vec<u64>>,
}

fn directory() -> Directory {
    // Two cameras and two buttons within a few metres, so that all that may be joined is.
    let info = |id: &str, kind| {
        let lat = 30.92 + 0.000_05 * id.len() as f64;
        let grid = Grid { code: "G1".into(), name: "G1".into(), ..Grid::default() };
        let info = SourceInfo {
            id: id.into(),
            kind,
            name: id.into(),
            place: Some(Place { lon: 113.91, lat, text: None }),
            grid: Some(Arc::new(grid)),
            contact: None,
            note: None,
        };
        (info.id.clone(), info)
    };
    Directory {
        sources: [
            info("cam-1", SourceKind::Camera),
            info("cam-2", SourceKind::Camera),
            info("btn-1", SourceKind::Button),
            info("btn-22", SourceKind::Button),
            info("gauge-1", SourceKind::Gauge),
        ]
        .into(),
        placed: ["cam-1", "cam-2", "btn-1", "btn-22"].map(SourceId::from).into(),
        joins: Join::ALL.into(),
        auto_close_after_s: AUTO_CLOSE_S,
        clip_max_s: HashMap::new(),
        post_roll_s: HashMap::new(),
        ..Directory::default()
    }
}

impl World {
    fn new(seed: u64) -> Self {
        Self {
            random: StdRng::seed_from_u64(seed),
            now: Now { wall: "2026-07-01T03:00:00Z".parse().unwrap(), mono_ms: 1_000 },
            desk: Desk::new(directory(), IdMint::new([0; 32])),
            witness: Witness::default(),
            jobs: Vec::new(),
            sent: Vec::new(),
            replies: Vec::new(),
            things: 0,
            open: HashMap::new(),
        }
    }

    fn effects(&mut self, effects: Effects) -> Effects {
        self.witness.take(self.now, &effects);
        let mut effects = effects;
        self.jobs.append(&mut effects.jobs);
        effects
    }

    fn apply(&mut self, source: &str, body: Body, findings: Vec<Finding>) -> Effects {
        let stamp = Stamp::of_gateway(self.now);
        let observation = Observation { source: source.into(), stamp, body };
        let effects = self.desk.apply(self.now, &observation, findings);
        self.effects(effects)
    }

    fn step(&mut self) {
        let ms = match self.random.random_range(0..10) {
            0 => self.random.random_range(0..900_000),
            1..4 => self.random.random_range(0..20_000),
            _ => self.random.random_range(0..700),
        };
        self.now.mono_ms += ms;
        // The wall clock is now and then set, forwards or back.
        let step =
            if self.random.random_bool(0.01) { self.random.random_range(-120..120) } else { 0 };
        let passed = SignedDuration::from_millis(ms as i64) + SignedDuration::from_secs(step);
        self.now.wall += passed;
        match self.random.random_range(0..20) {
            0..7 => self.finding(),
            7 => self.rain(),
            8..11 => self.press(),
            11..13 => self.reply(),
            13..16 => self.evidence(),
            16 => self.fault(),
            17 if self.random.random_bool(0.2) => self.restart(),
            _ => {
                let effects = self.desk.tick(self.now, Vec::new());
                self.effects(effects);
            }
        }
    }

    fn finding(&mut self) {
        let source = *["cam-1", "cam-2"].choose(&mut self.random).unwrap();
        let rule = *["yard", "gate"].choose(&mut self.random).unwrap();
        let phases = [Phase::Begins, Phase::Continues, Phase::Continues, Phase::Ends];
        // As rules do: nothing goes on or ends that has not begun.
        let mut phase = *phases.choose(&mut self.random).unwrap();
        match (phase, self.open.contains_key(&(rule, source))) {
            (Phase::Ends, false) => return,
            (Phase::Continues, false) => phase = Phase::Begins,
            (Phase::Begins, true) => phase = Phase::Continues,
            _ => {}
        }
        let at = self.now.wall - SignedDuration::from_millis(self.random.random_range(0..4_000));
        let shot = self.random.random_bool(0.5).then(|| shot(at, self.random.random()));
        let finding = Finding {
            key: format!("{rule}/{source}"),
            phase,
            rule: Some(rule.into()),
            source: source.into(),
            kind: if rule == "yard" { Kind::Intrusion } else { Kind::Waterside },
            severity: Severity::try_from(self.random.random_range(1..=4)).unwrap(),
            title: None,
            began_at: at,
            at,
            clock: ClockError { device: None, gateway: self.now.wall, error_ms: 0 },
            objects: vec![ObjectCount {
                label: "person".into(),
                count: self.random.random_range(1..5),
                score_max: self.random.random(),
            }],
            why: "random".into(),
            detail: Detail::new(),
            things: self.things((rule, source), phase, at),
            shot,
            notable: self.random.random_bool(0.3),
        };
        let frame =
            crate::domain::TrackFrame { tracks: Vec::new(), picture: None, vehicles: Vec::new() };
        self.apply(source, Body::Tracks(frame), vec![finding]);
    }

    /// Those of the happening that is on; somebody new now and then.
    fn things(
        &mut self,
        key: (&'static str, &'static str),
        phase: Phase,
        at: Timestamp,
    ) -> ThingReport {
        let is_new =
            phase == Phase::Begins || (phase == Phase::Continues && self.random.random_bool(0.2));
        self.things += u64::from(is_new);
        let members = self.open.entry(key).or_default();
        members.extend(is_new.then_some(self.things));
        let thing = |id: &u64| Thing {
            id: *id,
            source: key.1.into(),
            label: "person".into(),
            first_at: at,
            last_at: at,
            score: 0.9,
            standing: false,
        };
        let things = members.iter().map(thing).collect();
        if phase == Phase::Ends {
            self.open.remove(&key);
        }
        ThingReport {
            things,
            news: is_new.then_some(self.things).into_iter().collect(),
            resumes: phase == Phase::Begins && self.random.random_bool(0.5),
            ..ThingReport::default()
        }
    }

    fn rain(&mut self) {
        let phases = [Phase::Begins, Phase::Continues, Phase::Ends];
        let phase = *phases.choose(&mut self.random).unwrap();
        let finding = Finding {
            key: "rain/gauge-1".into(),
            phase,
            rule: None,
            source: "gauge-1".into(),
            kind: Kind::Rain,
            severity: Severity::try_from(self.random.random_range(1..=4)).unwrap(),
            title: None,
            began_at: self.now.wall,
            at: self.now.wall,
            clock: ClockError { device: None, gateway: self.now.wall, error_ms: 0 },
            objects: Vec::new(),
            why: "random rain".into(),
            detail: Detail::new(),
            things: ThingReport::default(),
            shot: None,
            notable: true,
        };
        let frame =
            crate::domain::TrackFrame { tracks: Vec::new(), picture: None, vehicles: Vec::new() };
        self.apply("gauge-1", Body::Tracks(frame), vec![finding]);
    }

    fn press(&mut self) {
        let again = self.sent.choose(&mut self.random).cloned();
        if let Some((source, press)) = again.filter(|_| self.random.random_bool(0.4)) {
            let before = self.witness.presses.len();
            let effects = self.apply(source.as_str(), Body::Press(press), Vec::new());
            assert!(effects.entries.is_empty(), "the same press had an effect: {effects:?}");
            assert_eq!(self.witness.presses.len(), before);
            return;
        }
        let source = *["btn-1", "btn-22", "btn-unknown"].choose(&mut self.random).unwrap();
        let press = Press {
            id: Some(format!("{}", self.random.random::<u32>())),
            at: Some(self.now.wall),
            battery: self.random.random_bool(0.3).then(|| self.random.random_range(0..=100)),
            retained: false,
            via: "test".into(),
            ..Press::default()
        };
        let effects = self.apply(source, Body::Press(press.clone()), Vec::new());
        let key = format!("press/{source}");
        let has_record = effects.entries.iter().any(|entry| {
            matches!(entry, Entry::Change(record) if record.incident.key == key
                && record.incident.active && record.incident.severity == Severity::EMERGENCY)
        });
        assert!(has_record, "a press that nobody hears of: {effects:?}");
        self.sent.push((source.into(), press));
    }

    fn reply(&mut self) {
        let known: Vec<IncidentId> = self.witness.latest.keys().copied().collect();
        let Some(incident) = known.choose(&mut self.random).copied() else { return };
        let steps = [
            ReplyTo::Accepted,
            ReplyTo::Dispatched,
            ReplyTo::Handled,
            ReplyTo::Verified,
            ReplyTo::Closed,
            ReplyTo::Dismissed,
            ReplyTo::Reopened,
        ];
        let by = *["officer", "second"].choose(&mut self.random).unwrap();
        let mut reply = Reply::new(incident, *steps.choose(&mut self.random).unwrap(), by);
        reply.id = self.random.random_bool(0.5).then(|| self.random.random::<u32>().to_string());
        let again = self.replies.choose(&mut self.random).cloned();
        let repeated = again.is_some() && self.random.random_bool(0.3);
        if let Some(again) = again.filter(|_| repeated) {
            reply = again;
        }
        let effects = self.apply("grid", Body::Reply(reply.clone()), Vec::new());
        if repeated {
            assert!(effects.entries.is_empty(), "the same reply had an effect: {effects:?}");
        }
        match &effects.answer {
            Answer::Changed(shown) => assert_eq!(shown.id, incident_of(&reply)),
            Answer::Refused(_) | Answer::NoSuchIncident => {
                assert!(effects.entries.is_empty(), "refused, and yet: {effects:?}");
            }
            other => panic!("{other:?}"),
        }
        let took = !effects.entries.is_empty() && reply.id.is_some();
        if took {
            self.replies.push(reply);
        }
    }

    fn evidence(&mut self) {
        if self.jobs.is_empty() {
            return;
        }
        let at = self.random.random_range(0..self.jobs.len());
        let (incident, id, source, media_type) = match self.jobs.swap_remove(at) {
            EvidenceJob::Snapshot { incident, id, source, .. } => {
                (incident, id, source, "image/jpeg")
            }
            EvidenceJob::Clip { incident, id, source, began_at, until } => {
                assert!(until >= began_at, "a clip that ends before it begins");
                (incident, id, source, "video/mp4")
            }
        };
        let body = if self.random.random_bool(0.2) {
            Body::EvidenceFailed { incident, id, reason: "the disk is full".into() }
        } else {
            let evidence = Evidence {
                id,
                media_type: media_type.into(),
                sha256: String::new(),
                bytes: 1,
                starts_at: None,
                ends_at: None,
                pre_roll_ms: None,
                pre_roll_limit: None,
                original_of: None,
                kept_here: false,
            };
            Body::Evidence { incident, evidence: Box::new(evidence), original: None }
        };
        self.apply(source.as_str(), body, Vec::new());
    }

    fn fault(&mut self) {
        let broken = self.random.random_bool(0.6);
        let fault = Fault { kind: Kind::CameraSilent, broken, text: "no packets".into() };
        self.apply("cam-1", Body::Fault(fault), Vec::new());
    }

    /// A power cut: the desk knows what the journal knows, and nothing else.
    fn restart(&mut self) {
        // The rules begin anew as well.
        self.open.clear();
        let before = self.witness.latest.clone();
        self.jobs.clear();
        self.now.mono_ms = self.random.random_range(0..2_000);
        self.witness.updated_at_ms.clear();
        self.desk = Desk::new(directory(), IdMint::new([0; 32]));
        let closed = |record: &&Record| {
            !matches!(record.incident.stage, Stage::Closed | Stage::Dismissed)
                || record.incident.active
        };
        let live: Vec<Record> = before.values().filter(closed).cloned().collect();
        let replies = self.witness.replies.clone();
        let now = self.now;
        let ended = |record: &Record| record.incident.ended_at.map(|at| now.mono_of(at));
        let latest = &self.witness.latest;
        self.witness.ended_ms =
            latest.iter().filter_map(|(id, record)| Some((*id, ended(record)?))).collect();
        let effects = self.desk.restore(self.now, live, &self.witness.presses, replies);
        self.effects(effects);
        for (id, record) in &before {
            let after = &self.witness.latest[id].incident;
            // Of rain the rules know what it was made of, and end it themselves.
            let stays = matches!(record.incident.kind, Kind::EmergencyButton | Kind::Rain);
            match record.incident.active {
                true if stays => assert!(after.active, "ended by a restart: {after:?}"),
                true => {
                    assert!(!after.active);
                    assert_eq!(after.detail["ended_by"], "restart");
                }
                false => assert_eq!(after.revision, record.incident.revision),
            }
        }
    }
}

fn incident_of(reply: &Reply) -> IncidentId {
    reply.incident
}

fn shot(at: Timestamp, quality: f32) -> Shot {
    let rgb = vec![0u8; 12];
    let picture = Picture::of_rgb(2, 2, rgb, at);
    Shot { picture, boxes: Vec::new(), people: Vec::new(), others: Vec::new(), quality }
}

#[test]
fn the_story_of_each_incident_holds_together() {
    let replay: Option<u64> = std::env::var("GRIDPOST_SEED").ok().and_then(|n| n.parse().ok());
    let seeds: Vec<u64> =
        replay.map_or_else(|| (0..40).map(|_| rand::random()).collect(), |n| vec![n]);
    let (mut whats, mut rules) = (HashSet::new(), HashSet::new());
    for seed in seeds {
        println!("GRIDPOST_SEED={seed}");
        let mut world = World::new(seed);
        for _ in 0..STEPS {
            world.step();
        }
        for record in world.witness.latest.values() {
            let fusion = record.incident.detail.get("fusion").and_then(|list| list.as_array());
            rules.extend(fusion.into_iter().flatten().map(|one| one["rule"].to_string()));
        }
        whats.extend(world.witness.latest.values().map(|record| record.what.as_str()));
    }
    if replay.is_none() {
        assert!(whats.len() >= 6, "too little happened: {whats:?}");
        assert_eq!(rules.len(), Join::ALL.len(), "a rule never joined anything: {rules:?}");
    }
}
