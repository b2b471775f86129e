//! What a platform says of its cases becomes replies like any other; what cannot be one is kept with the reason.
//!
//! A reply counts as dealt with only after it, or why it has no effect, is on disk: whoever pushed it
//! is answered then, and the question for the next ones begins behind it.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use serde_json::Value;
use tokio::sync::mpsc;

use super::{
    case_map::{CaseMap, CaseMaps},
    early_replies::digest_of,
    http::ProfileConfig,
    profile::{PlatformReply, Polled, Profile, TakenReplies},
    said_again::{self, PlaceInAnswer, listed},
};
use crate::{
    base::{Readiness, ask},
    domain::{
        Answer, Body, CaseStep, Clock, Envelope, IncidentId, Meter, Metric, Observation, Reply,
        SinkId, SourceId, SpeaksFor, Unreadable, label_pair, without_mark,
    },
    wire::backoff::backoff,
};

/// The first wait of an early reply that could not be stored.
const BACKOFF_MS_FIRST: u64 = 1_000;
/// Bytes of a message that are kept.
const KEPT_BYTES_MAX: usize = 64 * 1024;
/// Characters of an id that a step carries; a longer one is replaced by a digest.
const ID_CHARS_MAX: usize = 100;

/// The store cannot take it: nothing may be acknowledged, it has to come again.
#[derive(Debug)]
pub struct NotStored;

/// What became of a message that was pushed.
pub enum Pushed {
    /// All of it is on disk; what the platform is answered.
    Answered(Vec<u8>),
    /// It could not be read and is kept; why.
    Unreadable(String),
}

/// Takes the replies of one platform.
#[derive(Clone)]
pub struct PlatformReplies {
    sink: SinkId,
    profile: Arc<Profile>,
    speaks_for: Arc<SpeaksFor>,
    map: Arc<CaseMap>,
    envelopes: mpsc::Sender<Envelope>,
    clock: Arc<dyn Clock>,
    meter: Arc<dyn Meter>,
    readiness: Readiness,
    kept: Arc<AtomicU64>,
}

/// What it needs beside its configuration.
pub struct RepliesGiven<'g> {
    /// Where the map of its cases is.
    pub maps: &'g CaseMaps,
    /// To the junction.
    pub envelopes: mpsc::Sender<Envelope>,
    /// For the time of observations.
    pub clock: Arc<dyn Clock>,
    /// Counts.
    pub meter: Arc<dyn Meter>,
    /// For the last thing that could not be taken.
    pub readiness: Readiness,
}

/// What is told in `/readyz` of replies of this sink's platform.
pub fn replies_part(sink: &SinkId) -> String {
    format!("platform {sink}, replies")
}

/// How replies came.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Push,
    Poll,
    /// Before their case was known.
    Early,
}

/// Of a case that the platform was not told of.
const UNKNOWN: &str = "unknown-case";

/// It was said before.
const DOUBLED: &str = "doubled";

/// The platform tells us what we have told it.
const OWN: &str = "own";

/// Why a reply has no effect.
struct Vain {
    outcome: &'static str,
    reason: String,
}

impl PlatformReplies {
    /// None: its profile has neither push nor poll.
    pub(super) fn new(config: &ProfileConfig, given: RepliesGiven<'_>) -> Option<Self> {
        let profile = config.profile()?;
        if profile.pushes().is_none() && profile.polls().is_none() {
            return None;
        }
        let sink = SinkId::from(config.id.as_str());
        let RepliesGiven { maps, envelopes, clock, meter, readiness } = given;
        let map = maps.of(&sink);
        let (speaks_for, kept) = (Arc::new(config.speaks_for.clone()), Arc::default());
        Some(Self { sink, profile, speaks_for, map, envelopes, clock, meter, readiness, kept })
    }

    /// Takes a message that the platform has pushed.
    pub async fn pushed(&self, body: &[u8]) -> Result<Pushed, NotStored> {
        let items = serde_json::from_slice::<Value>(without_mark(body))
            .map_err(|error| format!("not JSON: {error}"))
            .and_then(|body| self.profile.pushed_items(&body));
        match items {
            Ok(items) => {
                let taken = self.take_all(&items, By::Push).await?;
                let answer = self.profile.push_answer(&taken).unwrap_or_else(|reason| {
                    tracing::error!(sink = %self.sink, reason, "the answer to a push");
                    b"{}".to_vec()
                });
                Ok(Pushed::Answered(answer))
            }
            Err(reason) => {
                let vain = Vain { outcome: "unreadable", reason: reason.clone() };
                self.keep(body, vain, &mut TakenReplies::default()).await?;
                Ok(Pushed::Unreadable(reason))
            }
        }
    }

    /// Takes an answer to the question for replies; whether there may be more behind it. The error says
    /// why the question is to be asked again: nothing of it is lost.
    pub async fn polled(&self, answer: &Value) -> Result<bool, String> {
        let Polled { items, cursor, left_out } = self.profile.polled_items(answer)?;
        if left_out > 0 {
            let most = items.len();
            tracing::warn!(sink = %self.sink, left_out, most, "a list of replies is too long: only its last ones are read");
            let note = format!(
                "a list of replies is too long: {left_out} before the last {most} are not read"
            );
            self.readiness.note(&replies_part(&self.sink), &note);
        }
        let before = self.map.cursor();
        let taken = self.take_all(&items, By::Poll).await;
        taken.map_err(|NotStored| "the store cannot write; asked again".to_owned())?;
        let moved = cursor.as_ref().is_some_and(|cursor| *cursor != before);
        if let Some(cursor) = cursor {
            self.on_disk(move |map| map.set_cursor(&cursor)).await;
        }
        Ok(moved && !items.is_empty())
    }

    /// Where the next question begins.
    pub fn cursor(&self) -> String {
        self.map.cursor()
    }

    /// For ever: replies that came before anybody knew their case are taken when it is known. What could not
    /// be stored is tried again, whether or not another case opens.
    pub async fn take_early_ones(&self) {
        let mut failed = 0;
        loop {
            match self.take_those_that_are_known().await {
                Ok(()) => {
                    failed = 0;
                    self.map.opened().await;
                }
                Err(NotStored) => {
                    let wait = backoff(BACKOFF_MS_FIRST, failed);
                    failed = failed.saturating_add(1);
                    let _ = tokio::time::timeout(wait, self.map.opened()).await;
                }
            }
        }
    }

    async fn take_those_that_are_known(&self) -> Result<(), NotStored> {
        self.map_is_read().await?;
        let known = |item: &Value| {
            let read = self.profile.read_reply(item).ok();
            read.is_some_and(|read| self.incident_of(&read).is_ok())
        };
        let now = self.clock.now().wall;
        let mut ready = self.map.early(now);
        ready.retain(known);
        let mut counts = TakenReplies::default();
        let mut taken = Ok(());
        let mut so_many = 0;
        for item in &ready {
            taken = self.take(item, (By::Early, &PlaceInAnswer::default()), &mut counts).await;
            if taken.is_err() {
                break;
            }
            so_many += 1;
        }
        ready.truncate(so_many);
        self.on_disk(move |map| map.early_taken(&ready)).await;
        taken
    }

    /// Which case is which incident must be known: else a reply to an old case would be a stranger's.
    async fn map_is_read(&self) -> Result<(), NotStored> {
        if !self.map.is_unread() {
            return Ok(());
        }
        let map = self.map.clone();
        let read = tokio::task::spawn_blocking(move || map.ready()).await;
        read.is_ok_and(|read| read.is_ok()).then_some(()).ok_or(NotStored)
    }

    async fn take_all(&self, items: &[Value], by: By) -> Result<TakenReplies, NotStored> {
        self.map_is_read().await?;
        let mut taken = TakenReplies::default();
        // By its ids such a platform says itself what is new.
        if by != By::Poll || self.profile.gives_ids() {
            for item in items {
                self.take(item, (by, &PlaceInAnswer::default()), &mut taken).await?;
            }
            return Ok(taken);
        }
        for (item, place) in items.iter().zip(listed(items, |item| self.listed_case(item))) {
            self.take(item, (by, &place), &mut taken).await?;
            self.was_listed(place).await;
        }
        Ok(taken)
    }

    /// Whose this is, and what stood alone for that case in the answer before.
    fn listed_case(&self, item: &Value) -> Option<(IncidentId, Option<String>)> {
        let (ours, theirs) = self.profile.case_named(item);
        let incident = theirs.and_then(|id| self.map.by_id(&id)).or(ours)?;
        Some((incident, self.map.case(incident)?.listed))
    }

    /// After it was taken: a question that is asked again finds it changed once more.
    async fn was_listed(&self, place: PlaceInAnswer) {
        let Some((incident, digest)) = place.alone else { return };
        let before = self.map.case(incident).and_then(|case| case.listed);
        if before.as_ref() != Some(&digest) {
            let put = move |map: &CaseMap| map.change(incident, |case| case.listed = Some(digest));
            self.on_disk(put).await;
        }
    }

    async fn take(
        &self,
        item: &Value,
        (by, place): (By, &PlaceInAnswer),
        taken: &mut TakenReplies,
    ) -> Result<(), NotStored> {
        let bytes = item.to_string().into_bytes();
        if self.profile.is_own(item) {
            self.count(OWN);
            return Ok(());
        }
        let read = match self.profile.read_reply(item) {
            Ok(read) => read,
            Err(reason) => {
                return self.keep(&bytes, Vain { outcome: "unreadable", reason }, taken).await;
            }
        };
        let base = self.id_of(&read, &bytes);
        let id = said_again::numbered(&base, place.nth);
        if place.nth > 1 || self.map.is_done(&id) {
            return self.take_once_more(&read, (&base, id), (by, place), taken).await;
        }
        let incident = match self.incident_of(&read) {
            Ok(incident) => incident,
            Err(vain) => {
                let early = vain.outcome == UNKNOWN && by != By::Early;
                if early && !self.map.is_done(&self.mark(&bytes)) {
                    let (item, now) = (item.clone(), self.clock.now().wall);
                    self.on_disk(move |map| map.keep_early(&item, now)).await;
                }
                return self.keep(&bytes, vain, taken).await;
            }
        };
        if by == By::Poll && self.is_told_step(incident, &read, &id).await {
            self.count(OWN);
            return Ok(());
        }
        self.note_in_map(incident, &read, &id).await;
        match self.step(incident, &read, &id).await? {
            Ok(outcome) => {
                taken.taken += 1;
                self.count(outcome);
                self.done(id).await;
            }
            Err(reason) => {
                self.keep(&bytes, Vain { outcome: "refused", reason }, taken).await?;
                // In a list that is asked for again it must not take effect in another life of the case; who
                // pushes it again means it.
                if by == By::Poll {
                    self.done(id).await;
                }
            }
        }
        Ok(())
    }

    /// The same as before. Where the platform gives no ids it may be somebody's new step all the same.
    async fn take_once_more(
        &self,
        read: &PlatformReply,
        (base, id): (&str, String),
        (by, place): (By, &PlaceInAnswer),
        taken: &mut TakenReplies,
    ) -> Result<(), NotStored> {
        let is_new_there = match by {
            By::Push => true,
            By::Poll => place.has_changed || !self.map.is_done(&id),
            By::Early => false,
        };
        let may_be_new = is_new_there && read.id.is_none() && read.step.is_some();
        let outcome = match self.incident_of(read) {
            Ok(incident) if may_be_new => {
                if by == By::Poll && self.is_told_step(incident, read, &id).await {
                    self.count(OWN);
                    return Ok(());
                }
                self.step_again(incident, read, (base, by)).await?
            }
            _ => DOUBLED,
        };
        if by == By::Poll && !self.map.is_done(&id) {
            self.done(id).await;
        }
        match outcome {
            DOUBLED => taken.doubled += 1,
            _ => taken.taken += 1,
        }
        self.count(outcome);
        Ok(())
    }

    /// The desk is asked by the old id, which has no effect once more, and answers with the case as it is: by
    /// that it is another step, or none.
    async fn step_again(
        &self,
        incident: IncidentId,
        read: &PlatformReply,
        (base, by): (&str, By),
    ) -> Result<&'static str, NotStored> {
        let Some(reply) = self.reply(incident, read, base) else { return Ok(DOUBLED) };
        let source = SourceId::from(reply.by.as_str());
        let case = self.map.case(incident).unwrap_or_default();
        let now = match self.send(source, Body::Reply(reply)).await {
            Answer::Changed(now) => now,
            Answer::Lost => return Err(NotStored),
            _ => return Ok(DOUBLED),
        };
        // It was refused before, and is possible by now.
        let last = now.life.steps.last().filter(|step| step.revision > case.received);
        if last.is_some_and(|step| step.id.as_deref() == Some(base)) {
            self.has_received(incident, now.revision).await;
            return Ok("taken");
        }
        // Who lists another state by now, or the same once more, says that himself.
        let knows = |step: &CaseStep| {
            let is_theirs = step.id.as_ref().is_some_and(|id| case.replies.contains(id));
            by == By::Poll || is_theirs || step.revision <= case.sent
        };
        let Some(again) = said_again::new_id(&now, base, knows) else { return Ok(DOUBLED) };
        self.note_in_map(incident, read, &again).await;
        let stepped = self.step(incident, read, &again).await?;
        // What is not possible any more was said before, and is no news.
        Ok(stepped.unwrap_or(DOUBLED))
    }

    async fn has_received(&self, incident: IncidentId, revision: u32) {
        let put = move |map: &CaseMap| {
            map.change(incident, |case| case.received = case.received.max(revision))
        };
        self.on_disk(put).await;
    }

    /// The platform lists a step that we have told it, as its profile says that it does: the same word of the
    /// same person, with his note. Each is known again once, so that a step which the platform's people take
    /// after it counts.
    async fn is_told_step(&self, incident: IncidentId, read: &PlatformReply, id: &str) -> bool {
        if !self.profile.lists_ours_unmarked() {
            return false;
        }
        let now = self.clock.now().wall;
        let Some(case) = self.map.case(incident) else { return false };
        let Some(told) = case.told.iter().find(|told| told.is(read, now)).cloned() else {
            return false;
        };
        let id = id.to_owned();
        self.on_disk(move |map| map.told_is_listed(incident, &told, &id)).await;
        true
    }

    /// Before the step is taken: its record must be known as the platform's own when it goes out.
    async fn note_in_map(&self, incident: IncidentId, read: &PlatformReply, id: &str) {
        let (word, case_id, id) = (read.word.clone(), read.case.clone(), id.to_owned());
        self.on_disk(move |map| {
            map.change(incident, |case| {
                (case.open, case.opening) = (true, false);
                case.status = Some(word);
                case.id = case.id.take().or(case_id);
                if !case.replies.contains(&id) {
                    case.replies.push_back(id);
                }
            })
        })
        .await;
    }

    /// As the desk takes it; none: it is nothing to us.
    fn reply(&self, incident: IncidentId, read: &PlatformReply, id: &str) -> Option<Reply> {
        let (to, reason) = read.step?;
        let by = read.by.as_deref().unwrap_or(self.sink.as_str());
        Some(Reply {
            note: read.note.clone(),
            id: Some(id.to_owned()),
            reason,
            department: read.department.clone(),
            through: self.speaks_for.through(&format!("platform {}", self.sink), by),
            ..Reply::new(incident, to, by)
        })
    }

    /// Ok: what it came to. The inner error is why it cannot be.
    async fn step(
        &self,
        incident: IncidentId,
        read: &PlatformReply,
        id: &str,
    ) -> Result<Result<&'static str, String>, NotStored> {
        let Some(reply) = self.reply(incident, read, id) else { return Ok(Ok("ignored")) };
        let source = SourceId::from(reply.by.as_str());
        match self.send(source, Body::Reply(reply)).await {
            Answer::Changed(changed) => {
                self.has_received(incident, changed.revision).await;
                Ok(Ok("taken"))
            }
            Answer::Stored => Ok(Ok("taken")),
            Answer::Refused(reason) => Ok(Err(reason)),
            Answer::NoSuchIncident => {
                Ok(Err("the journal has nothing of this incident any more".into()))
            }
            Answer::Lost => Err(NotStored),
        }
    }

    /// A platform speaks for the cases that it was told of, and for no others.
    fn incident_of(&self, read: &PlatformReply) -> Result<IncidentId, Vain> {
        let told = |incident: &IncidentId| {
            self.map.case(*incident).is_some_and(|case| case.open || case.opening)
        };
        let theirs = read.case.as_ref().and_then(|id| self.map.by_id(id));
        let ours = read.incident.filter(told);
        let is_called = |ours: IncidentId| match (&read.case, theirs) {
            (None, _) => true,
            (Some(_), Some(theirs)) => theirs == ours,
            // Of a case that has its id there already, another id is of another case.
            (Some(id), None) => self.map.case(ours).is_none_or(|case| case.may_be_called(id)),
        };
        match (ours, theirs) {
            (Some(ours), _) if !is_called(ours) => {
                let case = read.case.as_deref().unwrap_or_default();
                let reason =
                    format!("it contradicts itself: {ours} is not the case that it calls {case}");
                Err(Vain { outcome: "refused", reason })
            }
            (Some(incident), _) | (None, Some(incident)) => Ok(incident),
            (None, None) => {
                let ours = read.incident.map(|id| id.to_string());
                let named: Vec<String> = ours.into_iter().chain(read.case.clone()).collect();
                let reason = format!(
                    "nothing that this platform was told of is called {}; taken if it becomes known",
                    named.join(" or ")
                );
                Err(Vain { outcome: UNKNOWN, reason })
            }
        }
    }

    /// The same reply twice has the same id, and the same one with another word is another one.
    fn id_of(&self, read: &PlatformReply, bytes: &[u8]) -> String {
        let own = read.id.as_ref().map(|id| format!("{}:{id}:{}", self.sink, read.word));
        own.filter(|id| id.chars().count() <= ID_CHARS_MAX).unwrap_or_else(|| {
            let sink: String = self.sink.as_str().chars().take(40).collect();
            format!("{sink}:{}", digest_of(bytes))
        })
    }

    /// By which a reply without effect is known that is in quarantine already.
    fn mark(&self, bytes: &[u8]) -> String {
        format!("?{}", digest_of(bytes))
    }

    /// In quarantine with the reason, once; counted and said.
    async fn keep(
        &self,
        bytes: &[u8],
        vain: Vain,
        taken: &mut TakenReplies,
    ) -> Result<(), NotStored> {
        let Vain { outcome, reason } = vain;
        let mark = self.mark(bytes);
        if self.map.is_done(&mark) {
            taken.doubled += 1;
            taken.kept.push(reason);
            self.count(DOUBLED);
            return Ok(());
        }
        let payload = bytes[..bytes.len().min(KEPT_BYTES_MAX)].to_vec();
        let origin = format!("platform {}", self.sink);
        let kept = Unreadable { origin, reason: reason.clone(), payload };
        let source = SourceId::from(self.sink.as_str());
        if matches!(self.send(source, Body::Unreadable(kept)).await, Answer::Lost) {
            return Err(NotStored);
        }
        self.done(mark).await;
        let count = self.kept.fetch_add(1, Ordering::Relaxed) + 1;
        tracing::warn!(sink = %self.sink, outcome, reason, "a reply of the platform without effect, quarantined");
        let note = format!("{count} without effect are in the quarantine; the last: {reason}");
        self.readiness.note(&replies_part(&self.sink), &note);
        self.count(outcome);
        taken.kept.push(reason);
        Ok(())
    }

    fn count(&self, outcome: &str) {
        let label = label_pair(self.sink.as_str(), outcome);
        self.meter.add(Metric::PlatformReplies, &label, 1);
    }

    async fn done(&self, id: String) {
        self.on_disk(move |map| map.done(&id)).await;
    }

    /// What cannot be written is in memory: after a crash the desk knows the reply by its id.
    async fn on_disk(&self, change: impl FnOnce(&CaseMap) -> std::io::Result<()> + Send + 'static) {
        let map = self.map.clone();
        // A disk that hangs holds up no listener.
        let _ = tokio::task::spawn_blocking(move || change(&map)).await;
    }

    async fn send(&self, source: SourceId, body: Body) -> Answer {
        ask(&self.envelopes, Observation::of_gateway(source, self.clock.now(), body)).await
    }
}
