//! A loudspeaker 云广播 as a sink: what concerns it is spoken while it is of use, or settled as expired and never said late.
//!
//! It gets each record after it is on disk, like any sink, on a lane of its own for emergencies. What is
//! about nothing that it says is passed over. A speaker that is busy, does not answer or does not confirm
//! the end is tried again until the time is over (`valid_s`), and after three failures in a row it is
//! `sink-down`. What was spoken once is settled; what is to be said again is said beside the couriers, until
//! the cause is over, and is no delivery of its own.

mod config;
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

use jiff::{Timestamp, tz::TimeZone};
use tokio::task::JoinSet;

use super::{
    sink::{DeliverError, Delivery, Lane, Sink},
    template,
};
use crate::{
    base::ClientIds,
    domain::{Event, IncidentId, SiteId, What},
};
pub use config::{AnnounceConfig, Config, SpeakerConfig};
pub use floor::{Causes, Floor};
use rtp::{Attention, Stop};
use say::{NOT_SAID, Saying};
pub use voice::VoiceConfig;
use way::{UtteranceEnd, Way};

/// Between two tries of one that is of use still.
const AGAIN_MS: u64 = 1_000;
/// Between two looks at whether the cause goes on, while the floor is another's.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Causes of which something is said again and again, at most; the newest.
const REFRAINS_MAX: usize = 16;
/// Incidents that were too little urgent so far, remembered at most.
const QUIET_MAX: usize = 1_000;

/// One lane of one speaker.
pub struct SpeakerSink {
    at: SpeakerPlace,
    /// How many ways were made of it, for the names of their connections.
    ways: u64,
    ids: ClientIds,
    lane: Lane,
    way: Way,
    /// What is said again, by its incident.
    refrains: JoinSet<IncidentId>,
    sung: BTreeSet<IncidentId>,
    /// Not said when they opened, for they were not urgent enough.
    calm: BTreeSet<IncidentId>,
    /// Tried, and not spoken yet.
    tried: BTreeSet<String>,
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
        Self {
            at,
            ways,
            ids,
            lane,
            way,
            refrains: JoinSet::new(),
            sung: BTreeSet::new(),
            calm: BTreeSet::new(),
            tried: BTreeSet::new(),
        }
    }

    /// What is to be said of this event now, if anything.
    fn meant(&mut self, event: &Event, rule: Option<&str>) -> Result<Saying, DeliverError> {
        let data = &event.data;
        let id = data.incident;
        while let Some(over) = self.refrains.try_join_next() {
            over.ok().map(|id| self.sung.remove(&id));
        }
        let begins = matches!(data.what, What::Opened | What::Reopened);
        // Somebody else came, and what was said to the first is said no more.
        let tells_news = data.detail.contains_key("news") && !self.sung.contains(&id);
        let becomes_urgent = self.calm.contains(&id);
        if !begins && !(data.what == What::Updated && (tells_news || becomes_urgent)) {
            return Err(DeliverError::passed("nothing begins by it"));
        }
        match Saying::of(&self.at.config, event, rule) {
            Ok(saying) => {
                self.calm.remove(&id);
                Ok(saying)
            }
            Err(why) => {
                if why == say::NOT_URGENT {
                    self.calm.insert(id);
                    while self.calm.len() > QUIET_MAX {
                        self.calm.pop_first();
                    }
                }
                Err(DeliverError::passed(why))
            }
        }
    }

    /// It has been said once: again and again, if it is to be.
    fn go_on(&mut self, saying: Saying) {
        if saying.repeats == 0 || self.refrains.len() >= REFRAINS_MAX {
            return;
        }
        self.ways += 1;
        let part = format!("{}-again-{}", self.lane.name(), self.ways);
        let way = Way::new(&self.at.config.speaker, self.at.client_id(&self.ids, &part));
        self.sung.insert(saying.cause);
        self.refrains.spawn(refrain(self.at.clone(), way, saying));
    }
}

impl Sink for SpeakerSink {
    async fn deliver(&mut self, delivery: &Delivery) -> Result<(), DeliverError> {
        let event = template::event_without_link(delivery)?;
        let rule = delivery.rule.as_ref().map(crate::domain::RuleId::as_str);
        let saying = self.meant(&event, rule)?;
        let now = self.at.floor.causes.now();
        if let Some(why) = saying.is_unfit(now, &self.at.zone, self.at.floor.causes.as_ref()) {
            return Err(DeliverError::passed(why));
        }
        let expired = |why: &str| {
            let why = format!("not said within {} s: {why}", saying.valid_s);
            Err(DeliverError::Expired { why })
        };
        if now > saying.until {
            return expired("the speaker did not take it, or was busy, until its time was over");
        }
        match self.at.speak(&mut self.way, &saying).await {
            Ok(Spoken::Done) => {
                self.tried.remove(&delivery.event_id);
                self.go_on(saying);
                Ok(())
            }
            Ok(Spoken::CauseOver) if self.tried.remove(&delivery.event_id) => {
                expired("the speaker did not take it until its cause was over")
            }
            Ok(Spoken::CauseOver) => Err(DeliverError::passed("its cause is over")),
            Ok(Spoken::TimeOver) => expired("something else was said all the time"),
            Err(why) if self.at.floor.causes.now() > saying.until => expired(&why),
            Err(reason) => {
                self.tried.insert(delivery.event_id.clone());
                Err(DeliverError::Retry { reason, after_ms: Some(AGAIN_MS) })
            }
        }
    }
}

impl SpeakerPlace {
    fn client_id(&self, ids: &ClientIds, part: &str) -> String {
        ids.of(&format!("gridpost-{}-{}-{part}", self.site, self.config.speaker.id))
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
            let attention = Attention { floor: &self.floor, turn: &turn, cause: saying.cause };
            match way.say(&made, saying, &attention).await? {
                // What is more urgent has the floor; this begins anew behind it.
                UtteranceEnd { stop: Some(Stop::Interrupted) } => {}
                UtteranceEnd { stop: Some(Stop::CauseOver) | None } => return Ok(Spoken::Done),
            }
        }
    }
}

/// Says it again until its cause is over, or often enough.
async fn refrain(at: SpeakerPlace, mut way: Way, mut saying: Saying) -> IncidentId {
    let causes = at.floor.causes.clone();
    for _ in 0..saying.repeats {
        let next = tokio::time::Instant::now() + Duration::from_secs(saying.every_s.into());
        while tokio::time::Instant::now() < next {
            if !causes.goes_on(saying.cause) {
                return saying.cause;
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
            Ok(Spoken::CauseOver) => return saying.cause,
            Err(why) => {
                let speaker = at.config.speaker.id.as_str();
                tracing::warn!(speaker, why, "what was said once could not be said again");
            }
        }
    }
    saying.cause
}

fn later(at: Timestamp, seconds: u32) -> Timestamp {
    at.saturating_add(jiff::SignedDuration::from_secs(seconds.into())).unwrap_or(Timestamp::MAX)
}

impl Config {
    /// Why nothing is said of this one here, if nothing is.
    pub(in crate::sinks) fn passes(
        &self,
        event: &Event,
        rule: Option<&str>,
    ) -> Option<&'static str> {
        match Saying::of(self, event, rule) {
            Ok(_) => None,
            Err(why) => Some(if why.is_empty() { NOT_SAID } else { why }),
        }
    }
}

#[cfg(test)]
mod tests;
