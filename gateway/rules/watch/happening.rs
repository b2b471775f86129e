//! What goes on under one rule on one camera, and the findings that tell of it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::{Role, ThingState, Watch, millis, vehicles};
use crate::{
    domain::{
        Bbox, ClockError, Finding, ObjectCount, Phase, Shot, Stamp, Thing, ThingReport, Track,
        TrackFrame, VehicleReport, has_plate,
    },
    rules::rule_key,
};

/// A happening that was longer by this much is worth an update.
const LONGER_MS: i64 = 30_000;
/// Who passes in front of another hides him no longer.
pub(super) const HIDDEN_FOR: SignedDuration = SignedDuration::from_secs(2);
/// Things of one happening that are remembered, at most; those that came first are forgotten first.
const MEMBERS_MAX: usize = 10_000;

/// The rule is fulfilled.
pub(in crate::rules) struct Happening {
    /// Source time.
    pub(in crate::rules) began_at: Timestamp,
    /// When the incident began that it goes on with; its own beginning where it goes on with none.
    renews_from: Timestamp,
    last: Timestamp,
    /// The first look since then that did not show it, and how many did not.
    absent: Option<(Timestamp, u32)>,
    most: u32,
    reported_ms: i64,
    clock: ClockError,
    /// When the rule was last fulfilled, on our own clock.
    pub(super) mono_ms: u64,
    /// Ids of the things that were told in it.
    pub(super) members: BTreeSet<u64>,
    /// What is known of the vehicles among them, by id.
    pub(super) vehicles: BTreeMap<u64, VehicleReport>,
}

/// A happening that is over.
pub(in crate::rules) struct Ended {
    /// When the rule was last fulfilled, source time.
    pub(in crate::rules) at: Timestamp,
    renews_from: Timestamp,
}

/// Why a happening ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum EndCause {
    /// Nobody is there any more, or nobody looks.
    Over,
    /// Whoever is there has stood for long.
    Standing,
    /// Everybody has left, and somebody new comes where each visit is an incident of its own.
    Parted,
    /// It has gone on for long, and somebody new opens another one.
    Renewed,
    /// The rule or its camera was removed.
    Reload,
}

impl EndCause {
    /// As `detail.ended_by` says it.
    fn word(self) -> Option<&'static str> {
        match self {
            Self::Over | Self::Parted => None,
            Self::Standing => Some("standing"),
            Self::Renewed => Some("renewed"),
            Self::Reload => Some("reload"),
        }
    }
}

impl Watch {
    /// These tracks newly fulfil the rule: they begin a happening, or are news of the one that is on.
    pub(super) fn tell(
        &mut self,
        stamp: Stamp,
        tracks: &[u64],
        frame: &TrackFrame,
        findings: &mut Vec<Finding>,
    ) {
        let renews =
            self.happening.as_ref().is_some_and(|one| self.is_long(one.renews_from, stamp.at));
        if renews {
            self.end(EndCause::Renewed, findings);
        } else if self.is_another_visit(stamp.at) {
            self.end(EndCause::Parted, findings);
        }
        let since = tracks.iter().filter_map(|track| self.things.get(track));
        let since = since.map(|thing| self.since(thing)).min().unwrap_or(stamp.at);
        // Who was lost from sight and is found where he stood has been told until then.
        let since = self.ended.as_ref().map_or(since, |ended| since.max(ended.at));
        let resumed = self.resumed(tracks, stamp.at);
        let begins = self.happening.is_none().then_some(resumed.is_some());
        if begins.is_some() {
            self.happening = Some(Happening {
                began_at: since,
                renews_from: resumed.unwrap_or(since),
                last: stamp.at,
                absent: None,
                most: 0,
                reported_ms: 0,
                clock: ClockError::of(stamp),
                mono_ms: stamp.mono_ms,
                members: BTreeSet::new(),
                vehicles: BTreeMap::new(),
            });
        }
        self.welcome(stamp, tracks, frame, begins, findings);
    }

    /// `begins`: the happening begins with them, and whether it resumes the one before.
    fn welcome(
        &mut self,
        stamp: Stamp,
        tracks: &[u64],
        frame: &TrackFrame,
        begins: Option<bool>,
        findings: &mut Vec<Finding>,
    ) {
        let (mut returned, mut closed) = (true, true);
        for track in tracks {
            let (Some(thing), Some(happening)) =
                (self.things.get_mut(track), self.happening.as_mut())
            else {
                continue;
            };
            returned &= thing.returned;
            closed &= thing.closed;
            thing.tell();
            happening.members.insert(thing.id);
            if happening.members.len() > MEMBERS_MAX {
                happening.members.pop_first();
            }
        }
        let before = findings.len();
        self.feed(stamp, tracks, frame, findings);
        if let (Some(resumes), Some(finding)) = (begins, findings.get_mut(before)) {
            finding.phase = Phase::Begins;
            finding.things.resumes = resumes;
            finding.things.returned = returned;
            finding.things.closed = returned && closed;
        }
    }

    /// When the incident began that these go on with: that of the happening before, within the
    /// cool-down; or after it, if all of them stood there then and were lost from sight.
    fn resumed(&self, tracks: &[u64], at: Timestamp) -> Option<Timestamp> {
        let returned = |track: &u64| self.things.get(track).is_some_and(|one| one.is_standing);
        if tracks.iter().all(returned) {
            let came =
                tracks.iter().filter_map(|track| self.things.get(track)).map(|one| one.since);
            return self.ended.as_ref().map(|ended| ended.renews_from).or(came.min());
        }
        let ended = self.ended.as_ref()?;
        let cooldown = SignedDuration::from_millis(millis(self.rule.cooldown_in(self.posture.0)));
        let within = at.duration_since(ended.at) < cooldown;
        (within && !self.is_long(ended.renews_from, at)).then_some(ended.renews_from)
    }

    /// Whether, without a cool-down, who comes now comes after all others have left: more than one look
    /// has shown none of them.
    fn is_another_visit(&self, at: Timestamp) -> bool {
        let hidden = self.clear().min(HIDDEN_FOR);
        let left = |absent: Option<(Timestamp, u32)>| {
            absent.is_some_and(|(from, looks)| looks > 1 && at.duration_since(from) >= hidden)
        };
        self.rule.cooldown_in(self.posture.0) <= 0.0
            && self.rule.lets_go()
            && self.happening.as_ref().is_some_and(|one| left(one.absent))
    }

    fn is_long(&self, from: Timestamp, at: Timestamp) -> bool {
        let bound = SignedDuration::from_millis(millis(self.rule.renew_after_s));
        self.rule.lets_go() && at.duration_since(from) >= bound
    }

    /// The rule is fulfilled in this picture; these tracks are new to it.
    pub(super) fn feed(
        &mut self,
        stamp: Stamp,
        news: &[u64],
        frame: &TrackFrame,
        findings: &mut Vec<Finding>,
    ) {
        let at = stamp.at;
        let Some(mut happening) = self.happening.take() else { return };
        let plate_news = self.take_vehicles(&happening.members, &mut happening.vehicles, at);
        let is_there = |track: &&Track| {
            self.things
                .get(&track.id)
                .is_some_and(|thing| thing.last_at == at && happening.members.contains(&thing.id))
        };
        let who: Vec<&Track> = frame.tracks.iter().filter(is_there).collect();
        let count = u32::try_from(who.len()).unwrap_or(u32::MAX);
        happening.last = happening.last.max(at);
        (happening.absent, happening.mono_ms) = (None, stamp.mono_ms);
        let lasted = at.duration_since(happening.began_at);
        let lasted_ms = i64::try_from(lasted.as_millis()).unwrap_or(0);
        let longer = lasted_ms - happening.reported_ms >= LONGER_MS;
        let notable = count > happening.most || longer || plate_news || !news.is_empty();
        if notable {
            happening.reported_ms = lasted_ms;
        }
        happening.most = happening.most.max(count);
        let why = format!("{count} at once, for {:.1} s", lasted.as_secs_f64());
        let finding = Finding {
            at,
            objects: objects(&who),
            things: ThingReport {
                things: self.report(&happening),
                news: news.iter().filter_map(|id| self.things.get(id)).map(|one| one.id).collect(),
                vehicles: happening.vehicles.values().cloned().collect(),
                ..ThingReport::default()
            },
            shot: frame.picture.clone().map(|picture| Shot {
                picture,
                people: people(frame),
                others: others(frame, &who),
                quality: who.iter().map(|one| one.score * (0.05 + one.bbox.area())).sum(),
                // As the thing is called, also where its track is another one by now.
                boxes: who.into_iter().map(|one| self.named(one)).collect(),
            }),
            notable,
            ..self.finding(&happening, Phase::Continues, lasted, &why)
        };
        findings.push(finding);
        self.happening = Some(happening);
    }

    /// The rule is not fulfilled in the picture of `at`; true if it has not been for long enough.
    pub(super) fn misses(&mut self, at: Timestamp) -> bool {
        let clear = self.clear();
        self.happening.as_mut().is_some_and(|happening| {
            let (from, looks) = happening.absent.unwrap_or((at, 0));
            happening.absent = Some((from, looks + 1));
            looks > 0 && at.duration_since(from) >= clear
        })
    }

    /// Ends what is going on, if something is.
    pub(super) fn end(&mut self, cause: EndCause, findings: &mut Vec<Finding>) {
        let Some(happening) = self.happening.take() else { return };
        let things = self.report(&happening);
        let let_go = matches!(cause, EndCause::Standing | EndCause::Renewed | EndCause::Parted);
        for thing in self.things.values_mut().filter(|thing| thing.role == Role::Holds) {
            thing.role = if let_go { Role::LetGo } else { Role::Waits };
        }
        // A crossing counts once; of who was not told yet it counts still.
        let told = self.things.values_mut().filter(|one| happening.members.contains(&one.id));
        told.for_each(|thing| thing.crossed_at = None);
        self.enough_since = None;
        // Who renews an incident is no part of the one before.
        self.ended = (cause != EndCause::Renewed)
            .then_some(Ended { at: happening.last, renews_from: happening.renews_from });
        let lasted = happening.last.duration_since(happening.began_at);
        let why = format!("at most {} at once, for {:.1} s", happening.most, lasted.as_secs_f64());
        let mut finding = Finding {
            things: ThingReport {
                things,
                vehicles: happening.vehicles.values().cloned().collect(),
                ..ThingReport::default()
            },
            ..self.finding(&happening, Phase::Ends, lasted, &why)
        };
        if let Some(word) = cause.word() {
            finding.detail.insert("ended_by".into(), word.into());
        }
        findings.push(finding);
    }

    fn finding(
        &self,
        happening: &Happening,
        phase: Phase,
        lasted: SignedDuration,
        why: &str,
    ) -> Finding {
        let (flood, key_period) = self.posture;
        Finding {
            key: rule_key(&self.id, &self.camera),
            phase,
            rule: Some(self.id.clone()),
            source: self.camera.clone(),
            kind: self.rule.kind_of_incident(),
            severity: vehicles::severity(
                &self.rule,
                &happening.vehicles,
                self.rule.severity_in(flood, key_period),
            ),
            title: vehicles::title(&self.rule, &happening.vehicles),
            began_at: happening.began_at,
            at: happening.last,
            clock: happening.clock.clone(),
            objects: Vec::new(),
            why: format!(
                "rule {}: {why}{}{}",
                self.id,
                vehicles::why(&happening.vehicles),
                self.rule.why_in(flood, key_period)
            ),
            detail: vehicles::detail(&happening.vehicles, lasted.as_secs()),
            things: ThingReport::default(),
            shot: None,
            notable: false,
        }
    }

    fn named(&self, track: &Track) -> Track {
        let id = self.things.get(&track.id).map_or(track.id, |thing| thing.id);
        Track { id, ..track.clone() }
    }

    /// The things of the happening that are there, or have only just left.
    fn report(&self, happening: &Happening) -> Vec<Thing> {
        let is_member = |thing: &&ThingState| happening.members.contains(&thing.id);
        let thing = |thing: &ThingState| Thing {
            id: thing.id,
            source: self.camera.clone(),
            label: thing.label.clone(),
            first_at: thing.since,
            last_at: thing.last_at,
            score: thing.score,
            standing: thing.is_standing,
        };
        self.things.values().filter(is_member).map(thing).collect()
    }
}

/// Everybody in the picture, in whatever zone: nobody's head is shown because no rule is about him.
fn people(frame: &TrackFrame) -> Vec<Bbox> {
    frame.tracks.iter().filter(|one| &*one.label == "person").map(|one| one.bbox).collect()
}

/// Vehicles of which nothing is told: whose they are is nobody's business.
fn others(frame: &TrackFrame, who: &[&Track]) -> Vec<Bbox> {
    let is_told = |one: &Track| who.iter().any(|told| told.id == one.id);
    let others = frame.tracks.iter().filter(|one| has_plate(&one.label) && !is_told(one));
    others.map(|one| one.bbox).collect()
}

fn objects(who: &[&Track]) -> Vec<ObjectCount> {
    let mut counts: BTreeMap<&str, ObjectCount> = BTreeMap::new();
    for track in who {
        let one = counts.entry(&track.label).or_insert_with(|| ObjectCount {
            label: track.label.to_string(),
            count: 0,
            score_max: 0.0,
        });
        one.count += 1;
        one.score_max = one.score_max.max(track.score);
    }
    counts.into_values().collect()
}
