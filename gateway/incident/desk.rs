//! The desk: observations and findings in, journal entries and evidence jobs out; revisions without gaps.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use jiff::{SignedDuration, Timestamp};

use super::{
    deadline,
    live::{Live, SNAPSHOT_WAIT_MS, UPDATE_EVERY_MS},
    presses::{self, Presses, Verdict},
    titles,
};
use crate::domain::{
    Answer, Body, ClockError, Detail, Entry, Evidence, EvidenceId, Fault, Finding, Incident,
    IncidentId, Kind, Loss, Now, Observation, Phase, Press, Quarantined, Record, Reply, SeenPress,
    Severity, Shot, SourceId, SourceInfo, SourceKind, SourceRef, Stage, Stamp, What,
};

/// A button at or below this should be changed, percent.
const BATTERY_LOW_PERCENT: u8 = 15;
/// Replies remembered, so that the same one twice has one effect.
const REPLIES_MAX: usize = 10_000;
/// Closed incidents kept in memory for late replies (reopened, repeated).
const CLOSED_MAX: usize = 1_000;

/// What the desk knows of sources: the configuration, looked up by id.
#[derive(Clone, Default)]
pub struct Directory {
    pub sources: HashMap<SourceId, SourceInfo>,
    /// Seconds after the end at which a case nobody closed is closed by the gateway.
    pub auto_close_after_s: u64,
    /// Per camera: seconds of clip after the beginning, at most.
    pub clip_max_s: HashMap<SourceId, u64>,
    /// Per camera: seconds of clip after the end.
    pub post_roll_s: HashMap<SourceId, u64>,
}

/// Work for the evidence worker; it answers with [`Body::Evidence`] or [`Body::EvidenceFailed`].
#[derive(Debug)]
pub enum Job {
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
pub struct Outcome {
    pub entries: Vec<Entry>,
    pub jobs: Vec<Job>,
    pub answer: Answer,
}

impl Default for Outcome {
    fn default() -> Self {
        Self { entries: Vec::new(), jobs: Vec::new(), answer: Answer::Stored }
    }
}

pub struct Desk {
    directory: Directory,
    live: BTreeMap<IncidentId, Live>,
    by_key: HashMap<String, IncidentId>,
    presses: Presses,
    replies: HashSet<(IncidentId, String)>,
    reply_order: VecDeque<(IncidentId, String)>,
    closed: VecDeque<IncidentId>,
}

impl Desk {
    pub fn new(directory: Directory) -> Self {
        Self {
            directory,
            live: BTreeMap::new(),
            by_key: HashMap::new(),
            presses: Presses::default(),
            replies: HashSet::new(),
            reply_order: VecDeque::new(),
            closed: VecDeque::new(),
        }
    }

    /// Takes up what the journal knows. What was going on at a camera or with a part is ended
    /// (`ended_by` = restart): nobody watched meanwhile. An emergency stays open.
    pub fn restore(
        &mut self,
        now: Now,
        live: Vec<Record>,
        presses: &[SeenPress],
        replies: Vec<(IncidentId, String)>,
    ) -> Outcome {
        presses.iter().for_each(|press| self.presses.restore(now, press));
        replies.into_iter().for_each(|reply| self.remember_reply(reply));
        let mut outcome = Outcome::default();
        for record in live {
            let incident = record.incident;
            let id = incident.id;
            let ends = incident.active && incident.kind != Kind::EmergencyButton;
            if incident.active && !ends {
                self.by_key.insert(incident.key.clone(), id);
            }
            let mut live = resumed(incident, now);
            if ends {
                live.end(now, live.last_at.max(live.incident.began_at));
                live.incident.detail.insert("ended_by".into(), "restart".into());
                outcome.entries.push(live.record(now, What::Ended));
            }
            self.live.insert(id, live);
        }
        outcome
    }

    pub fn apply(
        &mut self,
        now: Now,
        observation: &Observation,
        findings: Vec<Finding>,
    ) -> Outcome {
        let mut outcome = Outcome::default();
        let (source, stamp) = (&observation.source, observation.stamp);
        match &observation.body {
            Body::Press(press) => self.press(now, source, stamp, press, &mut outcome),
            Body::Reply(reply) => self.reply(now, reply, &mut outcome),
            Body::Fault(fault) => self.fault(now, source, stamp, fault, &mut outcome),
            Body::Loss(loss) => self.loss(now, source, stamp, loss, &mut outcome),
            Body::Evidence { incident, evidence } => {
                self.evidence(now, *incident, evidence, &mut outcome);
            }
            Body::EvidenceFailed { incident, reason } => {
                self.evidence_failed(now, *incident, reason, &mut outcome);
            }
            Body::Unreadable(unreadable) => outcome.entries.push(Entry::Quarantine(Quarantined {
                origin: unreadable.origin.clone(),
                reason: unreadable.reason.clone(),
                text: String::from_utf8_lossy(&unreadable.payload).into_owned(),
                hex: unreadable.payload.iter().map(|byte| format!("{byte:02x}")).collect(),
                at: now.wall,
            })),
            Body::Tracks(_) => {}
        }
        for finding in findings {
            self.finding(now, finding, &mut outcome);
        }
        outcome
    }

    /// Ends what rules found silent, tells what was held, cuts clips, closes old cases.
    pub fn tick(&mut self, now: Now, findings: Vec<Finding>) -> Outcome {
        let mut outcome = Outcome::default();
        for finding in findings {
            self.finding(now, finding, &mut outcome);
        }
        let mut over = Vec::new();
        for (id, live) in &mut self.live {
            if live.hold_until_ms.is_some_and(|until| now.mono_ms >= until) {
                outcome.entries.push(live.record(now, What::Opened));
            }
            if live.may_update(now) {
                outcome.entries.push(live.record(now, What::Updated));
            }
            if live.shot.is_some()
                && now.mono_ms.saturating_sub(live.last_snapshot_ms) >= UPDATE_EVERY_MS
            {
                take_snapshot(live, now, &mut outcome);
            }
            cut_clip(&self.directory, live, now.wall, &mut outcome);
            let incident = &live.incident;
            let age_ms = i64::try_from(self.directory.auto_close_after_s.saturating_mul(1000));
            let age_ms = age_ms.unwrap_or(i64::MAX);
            let old = live.ended_ms.is_some_and(|ended| now.mono() - ended > age_ms);
            let open = !matches!(incident.stage, Stage::Closed | Stage::Dismissed);
            if old && open && incident.severity != Severity::EMERGENCY {
                live.incident.stage = Stage::Closed;
                live.incident.detail.insert("by".into(), "gridpost".into());
                outcome.entries.push(live.record(now, What::Closed));
                over.push(*id);
            }
        }
        over.into_iter().for_each(|id| self.retire(id));
        outcome
    }

    /// Live incidents, for limits and tests.
    pub fn live_count(&self) -> usize {
        self.live.len()
    }

    fn source(&self, id: &SourceId) -> SourceInfo {
        self.directory.sources.get(id).cloned().unwrap_or_else(|| SourceInfo {
            id: id.clone(),
            kind: SourceKind::Unknown,
            name: id.to_string(),
            place: None,
            grid: None,
            contact: None,
            note: None,
        })
    }

    fn press(
        &mut self,
        now: Now,
        source: &SourceId,
        stamp: Stamp,
        press: &Press,
        outcome: &mut Outcome,
    ) {
        let verdict = self.presses.judge(now, source, press);
        if verdict == Verdict::Same {
            return;
        }
        let key = format!("press/{source}");
        let stale = verdict == Verdict::Stale;
        let known = self.by_key.get(&key).copied();
        if stale {
            outcome.entries.push(presses::entry(source, stamp, press, true, None));
            return;
        }
        let info = self.source(source);
        let mut detail = Detail::new();
        if let Some(battery) = press.battery {
            detail.insert("battery".into(), battery.into());
        }
        detail.insert("via".into(), press.via.clone().into());
        for (name, text) in [("contact", &info.contact), ("note", &info.note)] {
            if let Some(text) = text {
                detail.insert(name.into(), text.clone().into());
            }
        }
        let count = known
            .and_then(|id| self.live.get(&id))
            .and_then(|live| live.incident.detail.get("presses")?.as_u64())
            .unwrap_or(0)
            + 1;
        detail.insert("presses".into(), count.into());
        let finding = Finding {
            key,
            phase: Phase::Begins,
            rule: None,
            source: source.clone(),
            kind: Kind::EmergencyButton,
            severity: Severity::EMERGENCY,
            title: None,
            began_at: stamp.at,
            at: stamp.at,
            clock: clock_error(stamp),
            objects: Vec::new(),
            why: format!("{source} was pressed ({count} so far)"),
            detail,
            shot: None,
            notable: true,
        };
        self.finding(now, finding, outcome);
        let id = self.by_key.get(&format!("press/{source}")).copied();
        // Another press is never held back by the ten seconds between updates.
        let again = known.and(id).and_then(|id| self.live.get_mut(&id));
        if let Some(live) = again.filter(|live| live.dirty) {
            outcome.entries.push(live.record(now, What::Updated));
        }
        outcome.entries.insert(0, presses::entry(source, stamp, press, false, id));
        self.battery(now, source, stamp, press.battery, outcome);
    }

    fn battery(
        &mut self,
        now: Now,
        source: &SourceId,
        stamp: Stamp,
        battery: Option<u8>,
        outcome: &mut Outcome,
    ) {
        let Some(percent) = battery else { return };
        let fault = Fault {
            kind: Kind::DeviceBattery,
            broken: percent <= BATTERY_LOW_PERCENT,
            text: format!("battery of {source} at {percent} %"),
        };
        self.fault(now, source, stamp, &fault, outcome);
    }

    fn fault(
        &mut self,
        now: Now,
        source: &SourceId,
        stamp: Stamp,
        fault: &Fault,
        outcome: &mut Outcome,
    ) {
        let severity = match fault.kind {
            Kind::DeviceBattery => Severity::MINOR,
            // It must not be among the notices that are given up to make room.
            Kind::DiskLow => Severity::ALERT,
            _ => Severity::NOTICE,
        };
        let finding = Finding {
            phase: if fault.broken { Phase::Begins } else { Phase::Ends },
            severity,
            ..of_a_part(source, stamp, fault.kind, &fault.text)
        };
        self.finding(now, finding, outcome);
    }

    /// Severity 2, so that the word of a loss is not among what is given up next.
    fn loss(
        &mut self,
        now: Now,
        source: &SourceId,
        stamp: Stamp,
        loss: &Loss,
        outcome: &mut Outcome,
    ) {
        let detail = [("dead_lettered", loss.dead), ("shed", loss.shed)];
        let finding = Finding {
            phase: if loss.over { Phase::Ends } else { Phase::Begins },
            severity: Severity::ALERT,
            detail: detail.into_iter().map(|(name, n)| (name.into(), n.into())).collect(),
            notable: true,
            ..of_a_part(source, stamp, Kind::Loss, &loss.text)
        };
        self.finding(now, finding, outcome);
    }

    fn finding(&mut self, now: Now, mut finding: Finding, outcome: &mut Outcome) {
        let known = self.by_key.get(&finding.key).copied();
        match (known.and_then(|id| self.live.get_mut(&id)), finding.phase) {
            (None, Phase::Ends) => {}
            (None, _) => self.open(now, finding, outcome),
            (Some(live), Phase::Begins | Phase::Continues) => {
                let rose = live.absorb(&mut finding);
                if rose && live.told {
                    outcome.entries.push(live.record(now, What::Updated));
                }
            }
            (Some(live), Phase::Ends) => {
                live.absorb(&mut finding);
                if live.hold_until_ms.is_some() {
                    outcome.entries.push(live.record(now, What::Opened));
                }
                live.end(now, live.last_at.max(live.incident.began_at));
                outcome.entries.push(live.record(now, What::Ended));
                self.by_key.remove(&finding.key);
            }
        }
    }

    fn open(&mut self, now: Now, mut finding: Finding, outcome: &mut Outcome) {
        let info = self.source(&finding.source);
        let id = IncidentId::new();
        let camera = matches!(info.kind, SourceKind::Camera | SourceKind::Drone)
            && !finding.key.starts_with("fault/");
        let incident = Incident {
            id,
            revision: 0,
            stage: Stage::Opened,
            active: true,
            kind: finding.kind,
            severity: finding.severity,
            title: finding.title.take().unwrap_or_else(|| titles::title(finding.kind, &info)),
            grid: info.grid.as_deref().cloned(),
            place: info.place.clone(),
            began_at: finding.began_at,
            opened_at: finding.at,
            changed_at: now.wall,
            ended_at: None,
            sources: vec![SourceRef { id: info.id, kind: info.kind, name: info.name }],
            objects: Vec::new(),
            evidence: Vec::new(),
            deadline: Some(deadline::deadline(finding.kind, finding.severity, now.wall)),
            route: None,
            clock: finding.clock.clone(),
            why: String::new(),
            detail: Detail::new(),
            rule: finding.rule.clone(),
            key: finding.key.clone(),
        };
        let mut live = resumed(incident, now);
        live.told = false;
        live.last_at = finding.at;
        live.clip_due = camera;
        live.absorb(&mut finding);
        self.by_key.insert(finding.key, id);
        if live.shot.is_some() {
            live.hold_until_ms = Some(now.mono_ms + SNAPSHOT_WAIT_MS);
            take_snapshot(&mut live, now, outcome);
        } else {
            outcome.entries.push(live.record(now, What::Opened));
        }
        self.live.insert(id, live);
    }

    fn evidence(&mut self, now: Now, id: IncidentId, evidence: &Evidence, outcome: &mut Outcome) {
        outcome.entries.push(Entry::Evidence { incident: id, evidence: evidence.clone() });
        let Some(live) = self.live.get_mut(&id) else { return };
        if evidence.media_type == "image/jpeg" {
            // One snapshot is listed: the best.
            live.incident.evidence.retain(|old| old.media_type != "image/jpeg");
            live.incident.evidence.insert(0, evidence.clone());
            live.making_snapshot = false;
        } else {
            live.incident.evidence.push(evidence.clone());
        }
        live.dirty = true;
        if live.hold_until_ms.is_some() {
            outcome.entries.push(live.record(now, What::Opened));
        } else if live.may_update(now)
            || (evidence.media_type == "video/mp4" && live.told && !live.incident.active)
        {
            // The clip of an ended happening is the last thing to say: it goes at once.
            outcome.entries.push(live.record(now, What::Updated));
        }
    }

    fn evidence_failed(&mut self, now: Now, id: IncidentId, reason: &str, outcome: &mut Outcome) {
        let Some(live) = self.live.get_mut(&id) else { return };
        live.making_snapshot = false;
        live.incident.detail.insert("evidence_failed".into(), reason.into());
        live.dirty = true;
        if live.hold_until_ms.is_some() {
            outcome.entries.push(live.record(now, What::Opened));
        }
    }

    fn reply(&mut self, now: Now, reply: &Reply, outcome: &mut Outcome) {
        let Some(live) = self.live.get_mut(&reply.incident) else {
            outcome.answer = Answer::NoSuchIncident;
            return;
        };
        let memo = reply.id.clone().map(|id| (reply.incident, id));
        let again = memo.as_ref().is_some_and(|memo| self.replies.contains(memo));
        match deadline::step(live.incident.stage, reply.to) {
            _ if again => {}
            // A reply without an id that asks for the stage it has: the same one twice.
            Err(_)
                if reply.id.is_none()
                    && format!("{:?}", live.incident.stage) == format!("{:?}", reply.to) => {}
            Err(reason) => {
                outcome.answer = Answer::Refused(reason);
                return;
            }
            Ok((stage, what)) => {
                if live.hold_until_ms.is_some() {
                    outcome.entries.push(live.record(now, What::Opened));
                }
                live.incident.stage = stage;
                live.incident.detail.insert("by".into(), reply.by.clone().into());
                if let Some(note) = &reply.note {
                    live.incident.detail.insert("note_of_reply".into(), note.clone().into());
                }
                // A press is over when a person says so; what a camera sees ends by itself.
                let over = matches!(stage, Stage::Closed | Stage::Dismissed);
                if over && live.incident.active && live.incident.kind == Kind::EmergencyButton {
                    live.end(now, now.wall.max(live.incident.began_at));
                    self.by_key.remove(&live.incident.key);
                }
                outcome.entries.push(Entry::Reply { reply: reply.clone(), at: now.wall });
                outcome.entries.push(live.record(now, what));
                outcome.answer = Answer::Changed(Box::new(live.incident.clone()));
                if over && !live.incident.active {
                    self.retire(reply.incident);
                }
                if let Some(memo) = memo {
                    self.remember_reply(memo);
                }
                return;
            }
        }
        outcome.answer = Answer::Changed(Box::new(live.incident.clone()));
    }

    fn remember_reply(&mut self, memo: (IncidentId, String)) {
        if self.replies.insert(memo.clone()) {
            self.reply_order.push_back(memo);
        }
        while self.reply_order.len() > REPLIES_MAX {
            if let Some(old) = self.reply_order.pop_front() {
                self.replies.remove(&old);
            }
        }
    }

    /// Closed: kept a while for replies that come late, then forgotten here (the store has it).
    fn retire(&mut self, id: IncidentId) {
        self.closed.push_back(id);
        while self.closed.len() > CLOSED_MAX {
            let Some(old) = self.closed.pop_front() else { break };
            let still_closed = self.live.get(&old).is_some_and(|live| {
                matches!(live.incident.stage, Stage::Closed | Stage::Dismissed)
            });
            if still_closed {
                self.live.remove(&old);
            }
        }
    }
}

/// What is found of a part of the gateway, or of a device's health.
fn of_a_part(source: &SourceId, stamp: Stamp, kind: Kind, why: &str) -> Finding {
    Finding {
        key: format!("fault/{}/{source}", kind.as_str()),
        phase: Phase::Begins,
        rule: None,
        source: source.clone(),
        kind,
        severity: Severity::NOTICE,
        title: None,
        began_at: stamp.at,
        at: stamp.at,
        clock: clock_error(stamp),
        objects: Vec::new(),
        why: why.into(),
        detail: Detail::new(),
        shot: None,
        notable: false,
    }
}

fn clock_error(stamp: Stamp) -> ClockError {
    ClockError { device: stamp.device, gateway: stamp.gateway, error_ms: stamp.error_ms }
}

fn resumed(incident: Incident, now: Now) -> Live {
    Live {
        last_at: incident.ended_at.unwrap_or(incident.changed_at),
        ended_ms: incident.ended_at.map(|at| now.mono_of(at)),
        incident,
        told: true,
        hold_until_ms: None,
        dirty: false,
        told_at_ms: now.mono_ms,
        best: 0.0,
        snapshot: None,
        making_snapshot: false,
        last_snapshot_ms: 0,
        clip_due: false,
        shot: None,
    }
}

fn take_snapshot(live: &mut Live, now: Now, outcome: &mut Outcome) {
    if live.making_snapshot {
        return;
    }
    let Some(shot) = live.shot.take() else { return };
    let id = EvidenceId::new();
    live.best = shot.quality;
    live.snapshot = Some(id);
    live.making_snapshot = true;
    live.last_snapshot_ms = now.mono_ms;
    let source = live.incident.sources[0].id.clone();
    outcome.jobs.push(Job::Snapshot { incident: live.incident.id, id, source, shot });
}

/// One clip a happening: cut when it has ended and its post-roll is over, or at its greatest length.
fn cut_clip(directory: &Directory, live: &mut Live, wall: Timestamp, outcome: &mut Outcome) {
    if !live.clip_due || !live.told {
        return;
    }
    let source = live.incident.sources[0].id.clone();
    let seconds = |map: &HashMap<SourceId, u64>, default: u64| {
        SignedDuration::from_secs(
            i64::try_from(map.get(&source).copied().unwrap_or(default)).unwrap_or(0),
        )
    };
    let longest = live.incident.began_at + seconds(&directory.clip_max_s, 30);
    let ended = live.incident.ended_at.map(|at| at + seconds(&directory.post_roll_s, 5));
    let until = ended.map_or(longest, |ended| ended.min(longest));
    if wall < until {
        return;
    }
    live.clip_due = false;
    let (incident, began_at) = (live.incident.id, live.incident.began_at);
    outcome.jobs.push(Job::Clip { incident, id: EvidenceId::new(), source, began_at, until });
}

impl Desk {
    /// The configuration changed: from now on sources are looked up here.
    pub fn set_directory(&mut self, directory: Directory) {
        self.directory = directory;
    }
}
