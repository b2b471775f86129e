//! One record to a platform: the case is opened if it is not there, and then what the record says is told.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::talk::{Failed, Talk, Verdict, id_at};
use crate::{
    domain::{Event, EventData, Metric, What},
    sinks::{
        case_map::{Case, CaseMap, SAID_MAX},
        profile::{CaseFacts, EVIDENCE},
        sink::DeliverError,
    },
};

/// So many times an opening is answered yes without the platform's id of the case: each may be a case there.
const UNNAMED_MAX: u8 = 2;
/// What is said of it then.
const UNNAMED: &str = "answered yes twice without its id of the case: it is not opened once more, and whether it is there its people know; it is settled when its id becomes known, by a reply or by [find]";

/// One record on its way.
pub(super) struct Telling<'t> {
    pub(super) talk: &'t mut Talk,
    pub(super) map: &'t CaseMap,
    pub(super) event: &'t Event,
    /// Beside the event, which is for everybody.
    pub(super) link: Option<&'t str>,
    /// Now.
    pub(super) at: Timestamp,
}

impl Telling<'_> {
    pub(super) async fn tell(&mut self, case: Case) -> Result<(), DeliverError> {
        let data = &self.event.data;
        if !case.told.is_empty() {
            self.expects_late_listings_no_more();
        }
        if case.open && is_echo(data, &case) {
            self.sent();
            return Err(DeliverError::passed("the platform itself said it"));
        }
        if case.open && case.sent == data.revision {
            // It was told, and the process ended before that was written down.
            return Ok(());
        }
        // Whatever settles how its opening stands is an answer of the platform, a `[find]` too.
        let mut answered = !case.open;
        if case.open && case.set_aside == Some(data.revision) {
            self.is_named_by_now(&case).await?;
            answered = true;
        }
        let opened_now = !case.open && self.open(&case).await?;
        let case = self.map.case(data.incident).unwrap_or_default();
        answered |= case.has_said(data.revision) || self.step(&case, opened_now).await?;
        answered |= self.evidence(&case, answered).await?;
        self.sent();
        if answered { Ok(()) } else { Err(DeliverError::passed("the profile says nothing of it")) }
    }

    /// What the record says, but for its pictures. True: the platform has said yes to it.
    async fn step(&mut self, case: &Case, opened_now: bool) -> Result<bool, DeliverError> {
        let data = &self.event.data;
        let what = data.what.as_str();
        // What it was opened with is all that there is, but for the step that was taken.
        let is_state = matches!(what, "opened" | "updated" | "reopened");
        let older = case.sent > data.revision && matches!(what, "updated" | "ended");
        let nothing_new = older || (opened_now && is_state);
        if nothing_new || !self.talk.profile.says(what) {
            return Ok(false);
        }
        self.will_tell();
        self.request(Some(what), case, what).await?;
        Ok(true)
    }

    /// Pictures that the platform was not told of. `said`: something else of this record was said, and that is on
    /// disk before they go: where they fail they alone are tried again, for a step that comes again each time is
    /// another step there. True: the platform has answered to them.
    async fn evidence(&mut self, case: &Case, said: bool) -> Result<bool, DeliverError> {
        let data = &self.event.data;
        let pieces = data.told_pieces().count();
        if pieces <= case.evidence || !self.talk.profile.says(EVIDENCE) {
            return Ok(false);
        }
        let mut is_kept = true;
        if said {
            let _ = self.map.change(data.incident, |case| is_kept = case.say(data.revision));
        }
        let (sink, incident, revision) = (self.map.sink(), data.incident, data.revision);
        match self.request(Some(EVIDENCE), case, EVIDENCE).await {
            Ok(()) => {}
            // Each later record has them too, and would be refused for their sake. Without the id of the case
            // nobody was asked: they are owed until it is known.
            Err(DeliverError::Reject { answer }) if !self.lacks_id(Some(EVIDENCE), case) => {
                let given_up = pieces - case.evidence;
                tracing::error!(%sink, %incident, revision, given_up, answer, "its pictures are refused for good: given up, and the case goes on without them");
            }
            Err(error) if !is_kept => {
                tracing::warn!(%sink, %incident, revision, %error, "its pictures fail, and those of {SAID_MAX} records before it are owed: told with the next record of the case");
                return Ok(false);
            }
            Err(error) => return Err(error),
        }
        let _ = self.map.change(incident, |case| case.evidence = pieces);
        Ok(true)
    }

    /// It is open again, whoever said so and whether or not the platform is told: what looks like a step of
    /// before is soon somebody's new one.
    fn expects_late_listings_no_more(&self) {
        let (data, profile) = (&self.event.data, &self.talk.profile);
        if profile.lists_ours_unmarked() && matches!(data.what, What::Reopened | What::Lapsed) {
            let late = SignedDuration::from_secs(profile.lists_late_s());
            let until = self.at.saturating_add(late).unwrap_or(Timestamp::MAX);
            let _ = self.map.change(data.incident, |case| case.told_counts_until(until));
        }
    }

    /// A step of ours goes out: where the platform lists it among its own, it is known again. Before the
    /// request, since a list may be asked for meanwhile.
    fn will_tell(&self) {
        let data = &self.event.data;
        let Some(told) = self.talk.profile.told_step(data) else { return };
        let _ = self.map.change(data.incident, |case| case.will_tell(told));
    }

    /// Revisions may come out of order; the highest counts. What cannot be written is in memory, and a
    /// crash then costs one request that is made twice, under the same id.
    fn sent(&self) {
        let data = &self.event.data;
        let over = data.stage.is_over() && !data.active;
        let _ = self.map.change(data.incident, |case| {
            case.sent = case.sent.max(data.revision);
            case.said.retain(|revision| *revision != data.revision);
            case.over = over;
        });
    }

    /// An opening that was set aside, tried now and then or because a person has asked for it: whether the id has
    /// become known meanwhile. It is never opened once more.
    async fn is_named_by_now(&mut self, case: &Case) -> Result<(), DeliverError> {
        if case.id.is_none() {
            let Some(id) = self.find().await? else {
                return Err(DeliverError::Reject { answer: UNNAMED.into() });
            };
            self.opened(Some(id));
        }
        let _ = self.map.change(self.event.data.incident, |case| case.set_aside = None);
        Ok(())
    }

    /// It said yes, and what to call the case nobody knows. Once more it is opened, for it may not be there at
    /// all; then it counts as open without an id, and what should have opened it is owed until the id is known:
    /// opened for ever, it would be another case each time, and nothing behind it would be told.
    fn unnamed(&self, at: &str) -> DeliverError {
        let data = &self.event.data;
        let mut times = 0;
        let _ = self.map.change(data.incident, |case| {
            times = case.unnamed.saturating_add(1);
            case.unnamed = times;
            if times >= UNNAMED_MAX {
                (case.open, case.opening, case.set_aside) = (true, false, Some(data.revision));
            }
        });
        if times < UNNAMED_MAX {
            return DeliverError::retry(format!(
                "answered yes without its id of the case at {at}: the case counts as not opened"
            ));
        }
        DeliverError::Reject { answer: UNNAMED.into() }
    }

    /// Whether it was opened now: false, it was there already.
    async fn open(&mut self, case: &Case) -> Result<bool, DeliverError> {
        let data = &self.event.data;
        // A map that was lost, or cannot be read for now, knows nothing of what was told before.
        let unknown = case == &Case::default() && (data.revision > 1 || self.map.is_unread());
        let unsure = case.opening || unknown;
        if unsure && self.talk.profile.can_find() {
            if let Some(id) = self.find().await? {
                self.opened(Some(id));
                return Ok(false);
            }
        } else if case.opening {
            let (sink, incident) = (self.map.sink(), data.incident);
            tracing::warn!(%sink, %incident, "how its opening ended is not known, and the profile cannot ask: sent again under the same id");
            self.map.count(Metric::PlatformSentAgain);
            let _ = self.map.change(incident, |case| case.sent_again = true);
        }
        let marked = self.map.change(data.incident, |case| case.opening = true);
        if let (Err(error), false) = (marked, is_emergency(data)) {
            // A crash could open it twice. An emergency goes all the same: twice is better than never.
            return Err(DeliverError::retry(format!(
                "the map of cases cannot be written: {error}"
            )));
        }
        match self.ask(None, &Case::default(), "opened").await {
            Ok(Verdict::Yes(answer)) => {
                let id = self.id_in(&answer).await?;
                self.opened(id);
                Ok(true)
            }
            // It has it: without [find] nobody can say more, and asking again would change nothing.
            Ok(Verdict::Exists(answer)) => {
                let id = match self.talk.profile.can_find() {
                    true => self.id_in(&answer).await?,
                    false => id_at(&answer, self.talk.profile.answering().id.as_deref()),
                };
                self.opened(id);
                Ok(false)
            }
            Ok(Verdict::No(error)) => {
                if matches!(error, DeliverError::Reject { .. }) {
                    let _ = self.map.change(data.incident, |case| case.opening = false);
                }
                Err(error)
            }
            Err(Failed { error, maybe_there }) => {
                if !maybe_there {
                    let _ = self.map.change(data.incident, |case| case.opening = false);
                }
                Err(error)
            }
        }
    }

    /// The platform's id of the case, where the profile says that its answer has one; else it is asked for. A
    /// yes without it is none: nothing could be told of that case later, and it may not be there at all.
    async fn id_in(&mut self, answer: &Value) -> Result<Option<String>, DeliverError> {
        let Some(at) = self.talk.profile.answering().id.clone() else { return Ok(None) };
        let mut id = id_at(answer, Some(&at));
        if id.is_none() && self.talk.profile.can_find() {
            id = self.find().await?;
        }
        match id {
            Some(id) => Ok(Some(id)),
            None => Err(self.unnamed(&at)),
        }
    }

    fn opened(&self, id: Option<String>) {
        let _ = self.map.change(self.event.data.incident, |case| {
            (case.open, case.opening) = (true, false);
            if id.is_some() {
                (case.id, case.unnamed) = (id, 0);
            }
        });
    }

    /// The platform's id of our incident, if it has it.
    async fn find(&mut self) -> Result<Option<String>, DeliverError> {
        let facts = CaseFacts { link: self.link, ..CaseFacts::default() };
        let rendered = self.talk.profile.find_request(&self.event.data, &facts);
        let rendered = rendered.map_err(|answer| DeliverError::Reject { answer })?;
        let Some(rendered) = rendered else { return Ok(None) };
        let key = format!("{}.find", self.event.id);
        let (status, body) = self.talk.ask(rendered, &key).await.map_err(|failed| failed.error)?;
        let value = serde_json::from_slice::<Value>(&body).unwrap_or(Value::Null);
        match self.talk.verdict(status, &body) {
            Verdict::Yes(_) | Verdict::Exists(_) => Ok(self.talk.profile.found(&value)),
            Verdict::No(_) if self.talk.profile.says_none(status, &value) => Ok(None),
            Verdict::No(error) => match self.talk.profile.found(&value) {
                // Some answer this question without a verdict; one that says no is believed.
                Some(id) if !self.talk.has_verdict(&value) => Ok(Some(id)),
                _ => Err(error),
            },
        }
    }

    /// A request whose yes is all that matters.
    async fn request(
        &mut self,
        what: Option<&str>,
        case: &Case,
        key: &str,
    ) -> Result<(), DeliverError> {
        match self.ask(what, case, key).await {
            Ok(Verdict::Yes(_) | Verdict::Exists(_)) => Ok(()),
            Ok(Verdict::No(error)) | Err(Failed { error, .. }) => Err(error),
        }
    }

    /// The request means nothing without the platform's id of the case, and nobody knows it.
    fn lacks_id(&self, what: Option<&str>, case: &Case) -> bool {
        case.id.is_none() && self.talk.profile.needs_case_id(what)
    }

    async fn ask(&mut self, what: Option<&str>, case: &Case, key: &str) -> Result<Verdict, Failed> {
        if self.lacks_id(what, case) {
            let answer = "it names case.id, and the platform gave none of this case".into();
            return Err(Failed::surely(DeliverError::Reject { answer }));
        }
        let facts = CaseFacts {
            id: case.id.as_deref(),
            status: case.status.as_deref(),
            evidence_told: case.evidence,
            link: self.link,
        };
        let rendered = self.talk.profile.request(what, &self.event.data, &facts);
        let rendered =
            rendered.map_err(|answer| Failed::surely(DeliverError::Reject { answer }))?;
        let Some(rendered) = rendered else { return Ok(Verdict::Yes(Value::Null)) };
        let key = format!("{}.{key}", self.event.id);
        let (status, body) = self.talk.ask(rendered, &key).await?;
        Ok(self.talk.verdict(status, &body))
    }
}

pub(super) fn is_emergency(data: &EventData) -> bool {
    data.severity.level() == 1
}

/// The record tells of a step that the platform's own reply has taken.
fn is_echo(data: &EventData, case: &Case) -> bool {
    let last = data.life.steps.last().filter(|step| step.revision == data.revision);
    let id = last.and_then(|step| step.id.as_ref());
    id.is_some_and(|id| case.replies.contains(id))
}
