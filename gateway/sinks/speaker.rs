//! A loudspeaker 云广播 as a sink: what concerns it is spoken while it is of use, or settled as expired and never said late.
//!
//! It gets each record after it is on disk, like any sink, on a lane of its own for emergencies. What is
//! about nothing that it says is passed over. A speaker that is busy, does not answer or does not confirm
//! the end is tried again until the time is over (`valid_s`), and after three failures in a row it is
//! `sink-down`. What was spoken once is settled; what is to be said again is said beside the couriers, until
//! the cause is over, and is no delivery of its own. What may be said only later, as it becomes more urgent,
//! is said by the record from which on it may, in whichever lane that comes (`speaker/dealt.rs`).

mod config;
mod dealt;
mod floor;
mod mandarin;
mod pieces;
mod rtp;
mod say;
mod sip;
mod sound;
mod voice;
mod way;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use jiff::tz::TimeZone;
use tokio::task::JoinSet;

use super::{
    sink::{DeliverError, Delivery, Lane, Sink},
    template,
};
use crate::{
    base::ClientIds,
    domain::{Event, IncidentId, Kind, SiteId, What},
};
pub use config::{AnnounceConfig, Config, SpeakerConfig};
use dealt::Urgency;
pub use floor::{Causes, Floor};
use rtp::{Attention, Stop};
use say::{Saying, later};
pub use voice::VoiceConfig;
use way::{UtteranceEnd, Way};

/// Between two tries of one that is of use still.
const AGAIN_MS: u64 = 1_000;
/// Between two looks at whether the cause goes on, while the floor is another's.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Causes of which something is said again and again, at most; the newest.
const REFRAINS_MAX: usize = 16;

/// Why most records are passed over.
const NOTHING_BEGINS: &str = "nothing begins by it";
const CAUSE_OVER: &str = "its cause is over";

/// One lane of one speaker.
pub struct SpeakerSink {
    at: SpeakerPlace,
    /// How many ways were made of it, for the names of their connections.
    ways: u64,
    ids: ClientIds,
    lane: Lane,
    way: Way,
    /// What is said again, by its incident and how urgent that was.
    refrains: JoinSet<(IncidentId, Urgency)>,
    sung: BTreeSet<(IncidentId, Urgency)>,
}

/// What a lane and what is said again have in common.
#[derive(Clone)]
struct SpeakerPlace {
    config: Arc<Config>,
    site: SiteId,
    zone: TimeZone,
    floor: Arc<Floor>,
}

/// How speaking ended.
enum Spoken {
    /// It was said, or as much of it as its cause lasted.
    Done,
    /// Its cause was over before a word was said.
    CauseOver,
    /// The time was over before a word was said.
    TimeOver,
    /// Meanwhile the same was said as more urgent.
    Outdone,
}

impl SpeakerSink {
    pub(super) fn new(
        config: &Config,
        (site, ids): (&SiteId, &ClientIds),
        lane: Lane,
        floor: &Arc<Floor>,
    ) -> Self {
        let zone = TimeZone::get(&config.timezone).unwrap_or(TimeZone::UTC);
        let at = SpeakerPlace {
            config: Arc::new(config.clone()),
            site: site.clone(),
            zone,
            floor: floor.clone(),
        };
        let way = Way::new(&config.speaker, at.client_id(ids, lane.name()));
        let (ids, ways) = (ids.clone(), 0);
        let (refrains, sung) = (JoinSet::new(), BTreeSet::new());
        Self { at, ways, ids, lane, way, refrains, sung }
    }

    /// What is to be said of this event now, if anything.
    fn meant(
        &mut self,
        event: &Event,
        rule: Option<&str>,
        was_tried: bool,
    ) -> Result<Saying, DeliverError> {
        while let Some(over) = self.refrains.try_join_next() {
            over.ok().map(|own| self.sung.remove(&own));
        }
        let data = &event.data;
        let (id, floor) = (data.incident, &self.at.floor);
        let begins = matches!(data.what, What::Opened | What::Reopened);
        if begins {
            floor.dealt().begins(id, data.revision);
        } else if data.what != What::Updated || data.kind == Kind::Announcement {
            // A person's own words begin once.
            return Err(DeliverError::passed(NOTHING_BEGINS));
        }
        let saying = Saying::of(&self.at.config, event, rule).map_err(DeliverError::passed)?;
        if begins {
            return Ok(saying);
        }
        // Somebody else came, and what was said to the first is said no more.
        let is_sung = self.sung.iter().any(|(sung, _)| *sung == id);
        let tells_news = data.detail.contains_key("news") && !is_sung;
        // The record does not say by which one it became urgent, and a newer one may stand for that: what
        // counts is how urgent it is now, and what was said of it.
        if !tells_news && !floor.dealt().is_new(id, saying.urgency) {
            return Err(DeliverError::passed(NOTHING_BEGINS));
        }
        // What was tried is not passed over with its cause: that it was never said is told.
        if !was_tried && !floor.causes.goes_on(id) {
            return Err(DeliverError::passed(CAUSE_OVER));
        }
        Ok(saying)
    }

    /// It has been said once: again and again, if it is to be.
    fn go_on(&mut self, saying: Saying) {
        if saying.repeats == 0 || self.refrains.len() >= REFRAINS_MAX {
            return;
        }
        self.ways += 1;
        let part = format!("{}-again-{}", self.lane.name(), self.ways);
        let way = Way::new(&self.at.config.speaker, self.at.client_id(&self.ids, &part));
        self.sung.insert((saying.cause, saying.urgency));
        self.refrains.spawn(refrain(self.at.clone(), way, saying));
    }
}

impl Sink for SpeakerSink {
    async fn deliver(&mut self, delivery: &Delivery) -> Result<(), DeliverError> {
        let floor = self.at.floor.clone();
        // It comes back only for another try: whatever else becomes of it, nothing of it is kept.
        let was_tried = floor.dealt().take_tried(&delivery.event_id);
        let event = template::event_without_link(delivery)?;
        let rule = delivery.rule.as_ref().map(crate::domain::RuleId::as_str);
        let saying = self.meant(&event, rule, was_tried)?;
        let now = floor.causes.now();
        if let Some(why) = saying.is_unfit(now, &self.at.zone, floor.causes.as_ref()) {
            return Err(DeliverError::passed(why));
        }
        if now > saying.until {
            let why = "the speaker did not take it, or was busy, until its time was over";
            return Err(self.at.expired(&saying, why));
        }
        let spoken = self.at.speak(&mut self.way, &saying).await;
        match spoken {
            Ok(Spoken::Done) => {
                self.go_on(saying);
                Ok(())
            }
            Ok(Spoken::CauseOver) if was_tried => {
                let why = "the speaker did not take it until its cause was over";
                Err(self.at.expired(&saying, why))
            }
            Ok(Spoken::CauseOver) => Err(DeliverError::passed(CAUSE_OVER)),
            Ok(Spoken::Outdone) => Err(DeliverError::passed("it was said as more urgent")),
            Ok(Spoken::TimeOver) => {
                Err(self.at.expired(&saying, "something else was said all the time"))
            }
            Err(why) if floor.causes.now() > saying.until => Err(self.at.expired(&saying, &why)),
            Err(reason) => {
                floor.dealt().try_again(&delivery.event_id);
                Err(DeliverError::Retry { reason, after_ms: Some(AGAIN_MS) })
            }
        }
    }
}

impl SpeakerPlace {
    fn client_id(&self, ids: &ClientIds, part: &str) -> String {
        ids.of(&format!("gridpost-{}-{}-{part}", self.site, self.config.speaker.id))
    }

    /// It is never said, nor by a newer record that is no more urgent.
    fn expired(&self, saying: &Saying, why: &str) -> DeliverError {
        self.over(saying, false);
        DeliverError::Expired { why: format!("not said within {} s: {why}", saying.valid_s) }
    }

    fn over(&self, saying: &Saying, said: bool) {
        let revision = saying.event.data.revision;
        self.floor.dealt().over((saying.cause, revision), saying.urgency, said);
    }

    /// The same was said as more urgent, by whichever lane: this is said no more.
    fn is_outdone(&self, saying: &Saying) -> bool {
        self.floor.dealt().is_outdone(saying.cause, saying.urgency)
    }

    /// Says it once, when the floor is free. The error is one sentence: the speaker did not take it.
    async fn speak(&self, way: &mut Way, saying: &Saying) -> Result<Spoken, String> {
        let made = way.make(&self.config.voice, saying).await?;
        loop {
            let causes = &self.floor.causes;
            let taking = self.floor.take(saying.urgency);
            tokio::pin!(taking);
            let turn = loop {
                if !causes.goes_on(saying.cause) {
                    return Ok(Spoken::CauseOver);
                }
                if causes.now() > saying.until {
                    return Ok(Spoken::TimeOver);
                }
                tokio::select! {
                    turn = &mut taking => break turn,
                    () = tokio::time::sleep(LOOK_EVERY) => {}
                }
            };
            if self.is_outdone(saying) {
                return Ok(Spoken::Outdone);
            }
            let attention = Attention { floor: &self.floor, turn: &turn, cause: saying.cause };
            match way.say(&made, saying, &attention).await? {
                // What is more urgent has the floor; this begins anew behind it.
                UtteranceEnd { stop: Some(Stop::Interrupted) } => {}
                UtteranceEnd { stop: Some(Stop::CauseOver) | None } => {
                    // While the floor is still ours: who has it next knows.
                    self.over(saying, true);
                    return Ok(Spoken::Done);
                }
            }
        }
    }
}

/// Says it again until its cause is over, the same is said as more urgent, or often enough.
async fn refrain(at: SpeakerPlace, mut way: Way, mut saying: Saying) -> (IncidentId, Urgency) {
    let causes = at.floor.causes.clone();
    let own = (saying.cause, saying.urgency);
    for _ in 0..saying.repeats {
        let next = tokio::time::Instant::now() + Duration::from_secs(saying.every_s.into());
        while tokio::time::Instant::now() < next {
            if !causes.goes_on(saying.cause) || at.is_outdone(&saying) {
                return own;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        let now = causes.now();
        saying.until = later(now, saying.valid_s);
        if saying.is_unfit(now, &at.zone, causes.as_ref()).is_some() {
            continue;
        }
        match at.speak(&mut way, &saying).await {
            Ok(Spoken::Done | Spoken::TimeOver) => {}
            Ok(Spoken::CauseOver | Spoken::Outdone) => return own,
            Err(why) => {
                let speaker = at.config.speaker.id.as_str();
                tracing::warn!(speaker, why, "what was said once could not be said again");
            }
        }
    }
    own
}

impl Config {
    /// Why nothing is said of this one here, if nothing is.
    pub(in crate::sinks) fn passes(
        &self,
        event: &Event,
        rule: Option<&str>,
    ) -> Option<&'static str> {
        Saying::of(self, event, rule).err()
    }
}

#[cfg(test)]
mod tests;
