//! The desk: observations and findings in, journal entries and evidence jobs out; revisions without gaps.

mod again;
mod announcements;
mod devices;
mod drill;
mod evidence;
mod faults;
mod flights;
mod gauges;
mod join;
mod limits;
mod pictures;
mod presence;
mod press;
mod replies;
mod resident_reports;
mod strangers;
mod taken_back;
mod things;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque},
    sync::Arc,
};

use jiff::Timestamp;

use evidence::{cut_clips, film_things, take_snapshot};

pub use presence::PresencePlace;

use super::{
    config,
    flight::Flights,
    fusion::Join,
    gauges::Gauges,
    life::{self, Anchors},
    live::{Live, SNAPSHOT_WAIT_MS, UPDATE_EVERY_MS},
    memory::Remembers,
    presses::Presses,
    strangers::{NAME_CHARS_MAX, Strangers},
    supervise::Fleet,
    things::Things,
    titles,
};
use crate::domain::{
    Answer, Areas, Body, Detail, DeviceInfo, DroneInfo, Entry, EvidenceId, Finding, Grid, IdMint,
    Incident, IncidentId, Kind, Life, Mark, Now, Observation, Persons, Phase, Place, PressForm,
    Record, Roster, Route, Routes, SeenPress, Shot, SourceId, SourceInfo, SourceKind, SourceRef,
    Stage, What, clean_cut,
};

/// What the desk knows of sources: the configuration, looked up by id.
#[derive(Clone, Default)]
pub struct Directory {
    /// All sources of the configuration.
    pub sources: HashMap<SourceId, SourceInfo>,
    /// Seconds after the end at which a notice that nobody took on is closed by the gateway, at the soonest.
    pub auto_close_after_s: u64,
    /// Per camera: seconds of clip after the beginning, at most.
    pub clip_max_s: HashMap<SourceId, u64>,
    /// Per camera: seconds of clip after the end.
    pub post_roll_s: HashMap<SourceId, u64>,
    /// By their ids.
    pub drones: HashMap<SourceId, DroneInfo>,
    /// The grids, for what moves.
    pub areas: Option<Arc<dyn Areas>>,
    /// Whose place is their own, and not only the site's.
    pub placed: HashSet<SourceId>,
    /// Rules by which happenings are one.
    pub joins: HashSet<Join>,
    /// Listed devices, and what the configuration says of each.
    pub devices: HashMap<SourceId, DeviceInfo>,
    /// `[devices]`: when a device's state is an incident.
    pub watch: config::Config,
    /// `[life]`: who may take which step of a case.
    pub life: life::Config,
    /// Everybody whom the configuration names, each by the key of the name.
    pub people: HashSet<String>,
    /// Which names are of one person, by the duty list.
    pub persons: Persons,
    /// 准入清单: whose business an incident is.
    pub routes: Routes,
    /// 值班表: who is on duty; absent, the site has no list.
    pub roster: Option<Roster>,
    /// And within what time.
    pub limits: life::Limits,
    /// How much is remembered of what is over.
    pub remembers: Remembers,
    /// Places at which devices are counted.
    pub presence: Vec<PresencePlace>,
}

/// Work for the evidence worker; it answers with [`Body::Evidence`] or [`Body::EvidenceFailed`].
#[derive(Debug)]
pub enum EvidenceJob {
    Snapshot {
        incident: IncidentId,
        id: EvidenceId,
        source: SourceId,
        shot: Shot,
    },
    Clip {
        incident: IncidentId,
        id: EvidenceId,
        source: SourceId,
        began_at: Timestamp,
        until: Timestamp,
    },
}

/// All that one step of the desk leads to. The receipt of the observation is settled with
/// `answer` after `entries` are on disk.
#[derive(Debug)]
pub struct Effects {
    /// For the journal, in this order, as one batch.
    pub entries: Vec<Entry>,
    /// For the evidence worker, once `entries` are on disk.
    pub jobs: Vec<EvidenceJob>,
    /// To whoever sent the observation.
    pub answer: Answer,
    /// The observation was a repeat, or came too late to count.
    pub repeated: bool,
}

impl Default for Effects {
    fn default() -> Self {
        Self { entries: Vec::new(), jobs: Vec::new(), answer: Answer::Stored, repeated: false }
    }
}

/// Owns all live incidents. A functional core: each call takes `now` and returns its effects.
pub struct Desk {
    directory: Directory,
    ids: IdMint,
    live: BTreeMap<IncidentId, Live>,
    by_key: HashMap<String, IncidentId>,
    /// The incident that ended last under a rule's key, for who comes within its cool-down.
    ended_by_key: HashMap<String, IncidentId>,
    /// The latest incidents of rules, by source: they may be of the same things.
    recent: HashMap<SourceId, VecDeque<IncidentId>>,
    presses: Presses,
    gauges: Gauges,
    replies: HashSet<Mark>,
    reply_order: VecDeque<Mark>,
    closed: VecDeque<IncidentId>,
    flights: Flights,
    /// Live incidents, presses aside, with which a later one may be joined: few, however many cases are
    /// open, so that a press need not search all of them.
    near: BTreeSet<IncidentId>,
    fleet: Fleet,
    /// When the devices were last checked, monotonic milliseconds.
    checked_ms: u64,
    press_clips: VecDeque<pictures::PressClip>,
    /// Keys of happenings of what stands yet and whose case was closed: no incident is of them.
    settled: HashSet<String>,
    strangers: Strangers,
    /// Incidents of devices that ended lately.
    device_ends: again::Ends,
    /// Devices that took their calls back lately.
    taken_back: taken_back::TakenBack,
    /// How many devices are where.
    presence: presence::Counts,
}

impl Desk {
    /// No incidents yet. `ids`: where new ids come from.
    pub fn new(directory: Directory, ids: IdMint) -> Self {
        let mut presses = Presses::default();
        presses.bound(directory.remembers);
        Self {
            directory,
            ids,
            live: BTreeMap::new(),
            by_key: HashMap::new(),
            ended_by_key: HashMap::new(),
            recent: HashMap::new(),
            presses,
            gauges: Gauges::default(),
            replies: HashSet::new(),
            reply_order: VecDeque::new(),
            closed: VecDeque::new(),
            flights: Flights::default(),
            near: BTreeSet::new(),
            fleet: Fleet::default(),
            checked_ms: 0,
            press_clips: VecDeque::new(),
            settled: HashSet::new(),
            strangers: Strangers::default(),
            device_ends: again::Ends::default(),
            taken_back: taken_back::TakenBack::default(),
            presence: presence::Counts::default(),
        }
    }

    /// Takes over what the journal holds, after a restart. An incident of a camera or a part that was
    /// active is ended (`ended_by` = restart), because nobody watched meanwhile. An emergency stays
    /// open; so do rain, water and posture, whose rules restore their own state, and faults of
    /// devices, which are supervised across a restart.
    pub fn restore(
        &mut self,
        now: Now,
        live: Vec<Record>,
        presses: &[SeenPress],
        replies: Vec<(IncidentId, String)>,
    ) -> Effects {
        for seen in presses {
            self.presses.restore(now, seen);
            if seen.press.form == PressForm::Level && seen.incident.is_some() {
                self.fleet.restore_call(now, &seen.source, seen.taken_at);
            }
        }
        replies.iter().for_each(|(incident, id)| self.remember_reply(*incident, id));
        let mut effects = Effects::default();
        let postures = limits::postures_of(&live);
        for record in live {
            let mut incident = record.incident;
            self.directory.limits.adopt(&mut incident, &postures, now.wall);
            let id = incident.id;
            let supervised =
                incident.sources.first().is_some_and(|source| self.fleet.has(&source.id));
            let survives = matches!(
                incident.kind,
                Kind::EmergencyButton | Kind::Rain | Kind::WaterLevel | Kind::Posture
            );
            let stays = survives || (supervised && is_of_a_device(incident.kind));
            let ends = incident.active && !stays;
            // A report that is sent once more is known again as long as its case is open.
            let awaits = incident.kind == Kind::Report && !incident.stage.is_over();
            if (incident.active && !ends) || awaits {
                self.by_key.insert(incident.key.clone(), id);
            }
            self.restore_stranger(&incident);
            let mut live = resumed(incident, now);
            if ends {
                live.end(now, live.last_at.max(live.incident.began_at));
                live.incident.detail.insert("ended_by".into(), "restart".into());
                effects.entries.push(live.record(now, What::Ended));
            }
            let over = live.is_closed() && !live.incident.active;
            let is_drill = live.is_drill;
            self.live.insert(id, live);
            self.note_ended(id);
            if over {
                self.retire(id);
            }
            if survives && !ends && !is_drill {
                self.keep_near(id);
            }
        }
        effects
    }

    /// Takes one observation, and what the rules found in it.
    pub fn apply(
        &mut self,
        now: Now,
        observation: &Observation,
        findings: Vec<Finding>,
    ) -> Effects {
        let mut effects = Effects::default();
        let (source, stamp) = (&observation.source, observation.stamp);
        match &observation.body {
            Body::Press(press) => self.press(now, source, stamp, press, &mut effects),
            Body::Reply(reply) => self.reply(now, reply, &mut effects),
            Body::Gauge(report) => self.gauge(source, stamp, report, &mut effects),
            Body::Fault(fault) => self.fault(now, source, stamp, fault, &mut effects),
            Body::Loss(loss) => self.loss(now, source, stamp, loss, &mut effects),
            Body::Evidence { incident, evidence, original } => {
                self.evidence(now, *incident, (evidence, original.as_deref()), &mut effects);
            }
            Body::EvidenceFailed { incident, id, reason } => {
                self.evidence_failed(now, *incident, (*id, reason), &mut effects);
            }
            Body::Unreadable(unreadable) => {
                self.unreadable(now, source, unreadable, &mut effects);
            }
            Body::Device(report) => self.report(now, source, stamp, report, &mut effects),
            Body::Pose(pose) => self.pose(now, source, stamp, pose, &mut effects),
            Body::Tracks(frame) => self.saw(now, source, stamp, frame, &mut effects),
            Body::Report(report) => {
                self.resident_report(now, (source, stamp), report, &mut effects);
            }
            Body::Announce(order) => self.announce(now, stamp, order, &mut effects),
            Body::Presence(count) => self.counted(count),
            Body::Drill(order) => self.drill(now, (source, stamp), order, &mut effects),
            Body::Posture(_) => {}
        }
        for finding in findings {
            self.finding(now, finding, &mut effects);
        }
        effects
    }

    /// To be called every second or so: takes findings of rules that passed time makes, reports what
    /// was held back, asks for clips, closes old cases.
    pub fn tick(&mut self, now: Now, findings: Vec<Finding>) -> Effects {
        let mut effects = Effects::default();
        for finding in findings {
            self.finding(now, finding, &mut effects);
        }
        self.end_flights(now, &mut effects);
        let (mut over, mut drills_over) = (Vec::new(), Vec::new());
        let postures = self.postures();
        for (id, live) in &mut self.live {
            if live.hold_until_ms.is_some_and(|until| now.mono_ms >= until) {
                effects.entries.push(live.record(now, What::Opened));
            }
            if live.things.news_is_due(now) {
                effects.entries.extend(live.tell_news(now));
            } else if live.may_update(now) {
                effects.entries.push(live.updated(now));
            }
            if live.shot.is_some()
                && now.mono_ms.saturating_sub(live.last_snapshot_ms) >= UPDATE_EVERY_MS
            {
                take_snapshot(&mut self.ids, live, now, &mut effects);
            }
            cut_clips((&self.directory, &mut self.ids), live, now, &mut effects);
            if limits::pass(live, now, &self.directory, &postures, &mut effects) {
                over.push(*id);
            }
            if drill::is_over(live, now) {
                drills_over.push(*id);
            }
        }
        over.into_iter().for_each(|id| self.retire(id));
        drills_over.into_iter().for_each(|id| self.end_drill(now, id, &mut effects));
        self.watch_devices(now, &mut effects);
        self.tell_strangers(now, &mut effects);
        self.cut_press_clips(now, &mut effects);
        effects
    }

    /// Live incidents, for limits and tests.
    pub fn live_count(&self) -> usize {
        self.live.len()
    }

    /// Where an incident is that did not know it, and whose business it then is.
    fn comes_to_know(
        &self,
        id: IncidentId,
        finding: &Finding,
    ) -> Option<(Place, Option<Grid>, Option<Route>)> {
        self.live.get(&id).filter(|live| live.incident.place.is_none())?;
        let (place, grid) = self.late_place(finding)?;
        let route = self.directory.routes.route(finding.kind, grid.as_ref(), &self.postures());
        Some((place, grid, route))
    }

    /// Who is on duty, if the site says who is: nobody is an empty list.
    fn duty(&self, now: Now, grid: Option<&Grid>) -> Detail {
        let on_duty = self.directory.roster.as_ref().map(|roster| roster.on_duty(now.wall, grid));
        let told = on_duty.and_then(|on_duty| serde_json::to_value(on_duty).ok());
        told.map(|told| ("duty".to_owned(), told)).into_iter().collect()
    }

    fn source(&self, id: &SourceId) -> SourceInfo {
        self.directory.sources.get(id).cloned().unwrap_or_else(|| SourceInfo {
            id: id.clone(),
            kind: SourceKind::Unknown,
            // Whatever a stranger calls himself is read by people.
            name: clean_cut(id.as_str(), NAME_CHARS_MAX),
            place: None,
            grid: None,
            contact: None,
            note: None,
        })
    }

    fn finding(&mut self, now: Now, mut finding: Finding, effects: &mut Effects) {
        self.locate(&mut finding);
        self.end_closed(now, &finding, effects);
        let open = self.by_key.get(&finding.key).copied();
        let begins = open.is_none() && finding.phase != Phase::Ends;
        let goes_on = begins
            && (self.resume(now, &mut finding, effects)
                || self.comes_again(now, &mut finding, effects));
        if goes_on {
            return;
        }
        if open.is_none() && self.is_settled(&finding) {
            return;
        }
        let late = open.and_then(|id| self.comes_to_know(id, &finding));
        match (open.and_then(|id| self.live.get_mut(&id)), finding.phase) {
            (None, Phase::Ends) => {}
            (None, phase) => {
                if phase == Phase::Continues {
                    begin_afresh(&mut finding);
                }
                self.open(now, finding, effects);
            }
            (Some(live), Phase::Begins | Phase::Continues) => {
                if !live.open_keys.contains(&finding.key) {
                    live.open_keys.insert(finding.key.clone());
                }
                if let Some((place, grid, route)) = late {
                    if live.incident.stage == Stage::Opened {
                        live.incident.route = route;
                    }
                    (live.incident.place, live.incident.grid) = (Some(place), grid);
                    live.dirty = true;
                }
                let id = live.incident.id;
                if !self.go_on(now, id, &mut finding, effects) {
                    return;
                }
                if let Some(live) = self.live.get_mut(&id).filter(|live| live.reported) {
                    effects.entries.push(live.updated(now));
                }
                self.raise_others(now, id, effects);
            }
            (Some(live), Phase::Ends) => {
                live.take_things(now, &finding);
                live.absorb(&mut finding);
                live.open_keys.remove(&finding.key);
                // Another source still sees it, or it is a call, which a person ends: who comes there next is
                // joined to that anew, if it is soon enough, and is an incident of his own if not.
                if !live.open_keys.is_empty() {
                    let is_call = live.incident.kind == Kind::EmergencyButton;
                    if is_call && live.incident.key != finding.key {
                        self.by_key.remove(&finding.key);
                    }
                    return;
                }
                if live.hold_until_ms.is_some() {
                    effects.entries.push(live.record(now, What::Opened));
                }
                effects.entries.extend(live.tell_news(now));
                live.end(now, live.last_at.max(live.incident.began_at));
                let (id, joined) = (live.incident.id, live.incident.sources.len() > 1);
                self.tell_end(now, id, &finding, effects);
                self.forget_keys(id, &finding.key, joined);
                self.note_ended(id);
                if self.live.get(&id).is_some_and(Live::is_closed) {
                    self.retire(id);
                }
            }
        }
    }

    fn open(&mut self, now: Now, mut finding: Finding, effects: &mut Effects) {
        if self.join(now, &mut finding, effects) {
            return;
        }
        let fused = self.fused(&mut finding);
        let info = self.source(&finding.source);
        let id = self.ids.incident(now);
        let camera = has_a_clip(info.kind, &finding);
        let (place, grid) = self.place(&finding, &info);
        let postures = self.postures();
        let route = self.directory.routes.route(finding.kind, grid.as_ref(), &postures);
        let mut detail = self.duty(now, grid.as_ref());
        let of = (finding.kind, finding.severity);
        detail.extend(self.presence_at(now, of, place.as_ref(), grid.as_ref()));
        if info.kind == SourceKind::Drone && finding.kind != Kind::Patrol {
            self.flights.opened(&finding.source, &id.to_string());
        }
        let mut incident = Incident {
            id,
            revision: 0,
            stage: Stage::Opened,
            active: true,
            kind: finding.kind,
            severity: finding.severity,
            title: finding.title.take().unwrap_or_else(|| titles::title(finding.kind, &info)),
            grid,
            place,
            began_at: finding.began_at,
            opened_at: finding.at,
            changed_at: now.wall,
            ended_at: None,
            sources: vec![SourceRef { id: info.id, kind: info.kind, name: info.name }],
            objects: Vec::new(),
            evidence: Vec::new(),
            deadline: None,
            route,
            life: Life::default(),
            clock: finding.clock.clone(),
            why: String::new(),
            detail,
            rule: finding.rule.clone(),
            key: finding.key.clone(),
        };
        self.directory.limits.open(&mut incident, &postures, now.wall);
        let mut live = resumed(incident, now);
        live.reported = false;
        live.last_at = finding.at;
        if camera {
            live.film(now, finding.source.clone());
        }
        live.relate(self.related(id, &finding));
        let newcomers = live.take_things(now, &finding);
        film_things(&self.directory, &mut live, now, &newcomers);
        if finding.rule.is_some() {
            self.note_recent(&finding.source, id);
        }
        live.absorb(&mut finding);
        let mut folded = Effects::default();
        self.fuse(now, fused, &mut live, &mut folded);
        self.ended_by_key.remove(&finding.key);
        self.by_key.insert(finding.key, id);
        if live.shot.is_some() {
            live.hold_until_ms = Some(now.mono_ms + SNAPSHOT_WAIT_MS);
            take_snapshot(&mut self.ids, &mut live, now, effects);
        } else {
            effects.entries.push(live.record(now, What::Opened));
        }
        self.live.insert(id, live);
        effects.entries.append(&mut folded.entries);
        self.keep_near(id);
        self.raise_others(now, id, effects);
    }
}

fn has_a_clip(source: SourceKind, finding: &Finding) -> bool {
    matches!(source, SourceKind::Camera | SourceKind::Drone)
        && !finding.key.starts_with("fault/")
        && finding.kind != Kind::Patrol
}

fn is_of_a_device(kind: Kind) -> bool {
    use Kind::{DeviceBattery, DeviceFault, DeviceSilent, DeviceTamper, DeviceWeak};
    matches!(kind, DeviceSilent | DeviceBattery | DeviceTamper | DeviceWeak | DeviceFault)
}

/// A happening that is on becomes an incident of its own, because the one that it was part of is
/// closed: of those who are news, or else of all who are there.
fn begin_afresh(finding: &mut Finding) {
    let report = &mut finding.things;
    if report.things.is_empty() {
        return;
    }
    if report.news.is_empty() {
        report.news = report.things.iter().map(|one| one.id).collect();
    }
    let news = report.things.iter().filter(|one| report.news.contains(&one.id));
    let came_at = news.map(|one| one.first_at).min().unwrap_or(finding.at);
    finding.began_at = finding.began_at.max(came_at);
}

fn resumed(incident: Incident, now: Now) -> Live {
    let things = Things::of(&incident.detail);
    let open_keys = incident.active.then(|| incident.key.clone()).into_iter().collect();
    let mut live = Live {
        last_at: incident.ended_at.unwrap_or(incident.changed_at),
        ended_ms: incident.ended_at.map(|at| now.mono_of(at)),
        over_ms: now.mono(),
        is_drill: incident.is_drill(),
        incident,
        reported: true,
        hold_until_ms: None,
        dirty: false,
        end_due: false,
        reported_at_ms: now.mono_ms,
        best: 0.0,
        snapshot: None,
        listed_snapshot: None,
        making_snapshot: false,
        last_snapshot_ms: 0,
        due_clips: Vec::new(),
        clips: 0,
        things,
        open_keys,
        shot: None,
        anchors: Anchors::default(),
        limit_due_ms: None,
    };
    live.arm(now);
    live
}

impl Desk {
    /// The configuration changed: from now on sources are looked up here.
    pub fn set_directory(&mut self, now: Now, directory: Directory) {
        self.presses.bound(directory.remembers);
        self.directory = directory;
        self.list_devices(now);
    }
}
