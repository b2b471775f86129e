//! How many devices are at a place: what Wi-Fi sensors hear becomes a number a period, and nothing else is left of it.
//!
//! An address is in memory for as long as its message is read. What is kept of it is a hash, under a salt that is made
//! for one place and one period and is gone with it: who has both the folder and the memory of a period later cannot
//! say who was there. Messages of sensors are not logged, quoted or quarantined, whatever is wrong with them: a count
//! and a fixed sentence are all that is told. No number is told of a period that is not over, so that asking twice
//! shows nobody coming or going; how numbers are told is in `domain/presence.rs`.

mod address;
mod config;
mod period;
mod place;

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use place::CountedPlace;

use crate::{
    base::{Rarely, lock, wipe_stack},
    domain::{Body, Meter, Metric, Now, Observation, PresenceCount, Stamp},
};

pub use config::{Config, clashes};

/// Periods that are over and that nobody has fetched yet.
const ENDED_MAX: usize = 256;
/// One line of the log in so long.
const SAID_EVERY: Duration = Duration::from_secs(60);

/// A message that came in, and as whose; never shown.
pub struct SensorWord<'h> {
    pub topic: &'h str,
    /// As much of it as there is.
    pub payload: &'h [u8],
    pub retained: bool,
    /// It was too large to be read.
    pub cut: bool,
    /// As in `Message::via`.
    pub via: &'h str,
    /// At the intake.
    pub user: Option<&'h str>,
}

/// The places of the running configuration. One a gateway, shared by all ways in.
#[derive(Default)]
pub struct PresenceTally {
    /// Some place is configured: without one no message is looked at.
    counts: AtomicBool,
    places: Mutex<Places>,
}

#[derive(Default)]
struct Places {
    all: Vec<CountedPlace>,
    ended: VecDeque<PresenceCount>,
    said: Option<Rarely>,
}

impl PresenceTally {
    /// For a configuration.
    pub fn of(configs: &[Config], now: Now) -> Arc<Self> {
        let tally = Arc::new(Self::default());
        tally.configure(configs, now);
        tally
    }

    /// Takes other places; those that stay as they were go on.
    pub fn configure(&self, configs: &[Config], now: Now) {
        self.configure_locked(configs, now);
        wipe_stack();
    }

    fn configure_locked(&self, configs: &[Config], now: Now) {
        let mut places = lock(&self.places);
        let mut old = std::mem::take(&mut places.all);
        for config in configs {
            let same = old.iter().position(|place| place.config == *config);
            let place = same.map(|at| old.swap_remove(at));
            places.all.push(place.unwrap_or_else(|| CountedPlace::new(config.clone(), now)));
        }
        self.counts.store(!places.all.is_empty(), Ordering::Relaxed);
    }

    /// Takes a message if it is a sensor's: what it leads to, perhaps nothing. `None`: it is no sensor's, and is for
    /// the codecs.
    pub fn take(
        &self,
        heard: &SensorWord<'_>,
        now: Now,
        meter: &dyn Meter,
    ) -> Option<Vec<Observation>> {
        if !self.counts.load(Ordering::Relaxed) {
            return None;
        }
        let taken = self.take_locked(heard, now, meter);
        if taken.is_some() {
            wipe_stack();
        }
        taken
    }

    fn take_locked(
        &self,
        heard: &SensorWord<'_>,
        now: Now,
        meter: &dyn Meter,
    ) -> Option<Vec<Observation>> {
        let mut places = lock(&self.places);
        let Places { all, ended, said } = &mut *places;
        let (place, sensor) = all.iter_mut().find_map(|place| {
            let sensor = place.sensor_of(heard)?;
            Some((place, sensor))
        })?;
        ended.extend(place.end_if_over(now));
        let unread = place.read(sensor, heard);
        let id = place.config.id.as_str();
        meter.add(Metric::PresenceMessages, id, 1);
        if let Some(reason) = unread {
            meter.add(Metric::PresenceUnread, id, 1);
            let said = said.get_or_insert_with(|| Rarely::every(SAID_EVERY));
            if let Some(more) = said.say() {
                tracing::warn!(
                    place = id,
                    reason,
                    more,
                    "presence: a sensor's message was not counted; nothing of it is kept"
                );
            }
        }
        // A retained message shows no life.
        let alive = if heard.retained { None } else { place.alive(sensor, heard.via, now) };
        Some(alive.into_iter().collect())
    }

    /// What the passing of time leads to: the numbers of periods that are over, for rules and desk and `/metrics`, and
    /// sensors of which nothing could be read.
    pub fn end_periods(&self, now: Now, meter: &dyn Meter) -> Vec<Observation> {
        let ended = self.end_locked(now, meter);
        wipe_stack();
        ended
    }

    fn end_locked(&self, now: Now, meter: &dyn Meter) -> Vec<Observation> {
        let mut places = lock(&self.places);
        let Places { all, ended, .. } = &mut *places;
        for place in all.iter_mut() {
            ended.extend(place.end_if_over(now));
        }
        ended.truncate(ENDED_MAX);
        let mut observations = Vec::new();
        for count in ended.drain(..) {
            let told = count.numbers.map_or(0, |numbers| numbers.devices.at_least());
            meter.set(Metric::PresenceDevices, count.place.as_str(), f64::from(told));
            let source = count.place.clone();
            let body = Body::Presence(Box::new(count));
            observations.push(Observation { source, stamp: Stamp::of_gateway(now), body });
        }
        observations.extend(all.iter_mut().flat_map(|place| place.unclear(now)));
        observations
    }

    /// The numbers of each place, the latest last.
    pub fn told(&self) -> Vec<(Config, Vec<PresenceCount>)> {
        let places = lock(&self.places);
        let row = |place: &CountedPlace| (place.config.clone(), place.told());
        places.all.iter().map(row).collect()
    }
}

#[cfg(test)]
mod tests;
