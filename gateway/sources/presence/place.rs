//! One place, its sensors, the period that is on, and the numbers of those that are over.

use std::collections::VecDeque;

use zeroize::{Zeroize, Zeroizing};

use super::{Config, SensorWord, address, period::CountedPeriod};
use crate::{
    domain::{
        Body, DeviceReport, Now, Observation, PresenceCount, PresenceNumbers, SourceId, Stamp,
    },
    sources::topic_filter,
};

/// A sensor that speaks is said to be alive so often.
const ALIVE_EVERY_MS: u64 = 30_000;
/// Numbers of the last day at ten minutes each.
const PERIODS_KEPT: usize = 144;

/// One place and what is counted there.
pub(super) struct CountedPlace {
    pub(super) config: Config,
    sensors: Vec<WifiSensor>,
    period: CountedPeriod,
    told: VecDeque<PresenceCount>,
}

/// One sensor of it: a topic, or a user of the intake.
struct WifiSensor {
    id: SourceId,
    /// When it was last said to be alive, monotonic milliseconds; and how its message came.
    alive_ms: Option<u64>,
    via: String,
    /// Messages of this period: that were counted; and why others were not.
    read: u64,
    unread: Option<&'static str>,
    /// It has said nothing in a whole period that could be read.
    unclear: Option<&'static str>,
}

impl CountedPlace {
    pub(super) fn new(config: Config, now: Now) -> Self {
        let sensor = |id: String| WifiSensor {
            id: id.into(),
            alive_ms: None,
            via: String::new(),
            read: 0,
            unread: None,
            unclear: None,
        };
        let sensors = config.sensors().into_iter().map(sensor).collect();
        let period = begun(&config, now);
        Self { config, sensors, period, told: VecDeque::new() }
    }

    /// Which sensor says this.
    pub(super) fn sensor_of(&self, heard: &SensorWord<'_>) -> Option<usize> {
        let Config { topics, user, .. } = &self.config;
        let by_user = user.is_some() && heard.user == user.as_deref();
        let by_topic = || topics.iter().position(|one| topic_filter::matches(one, heard.topic));
        if by_user { Some(topics.len()) } else { by_topic() }
    }

    /// Counts what is in it; why it could not.
    pub(super) fn read(&mut self, sensor: usize, heard: &SensorWord<'_>) -> Option<&'static str> {
        let (period, sensor) = (&mut self.period, self.sensors.get_mut(sensor)?);
        let read = match (heard.retained, heard.cut) {
            (true, _) => Err("it is retained: the broker has kept it, and nobody knows since when"),
            (_, true) => Err("it is too large"),
            _ => {
                let said = (heard.topic, heard.payload);
                address::read(said, self.config.rssi_min, &mut |one| period.take(one))
            }
        };
        match read {
            Ok(_) => sensor.read += 1,
            Err(why) => sensor.unread = Some(why),
        }
        read.err()
    }

    /// That the sensor was heard, now and then.
    pub(super) fn alive(&mut self, sensor: usize, via: &str, now: Now) -> Option<Observation> {
        let sensor = self.sensors.get_mut(sensor)?;
        let recent = |at: u64| now.mono_ms.saturating_sub(at) < ALIVE_EVERY_MS;
        if sensor.alive_ms.is_some_and(recent) && sensor.via == via {
            return None;
        }
        (sensor.alive_ms, sensor.via) = (Some(now.mono_ms), via.to_owned());
        Some(report_of(sensor, Vec::new(), now))
    }

    /// Its numbers, if the period is over, whichever way the clock went.
    pub(super) fn end_if_over(&mut self, now: Now) -> Option<PresenceCount> {
        let next = number_of(&self.config, now);
        if next == self.period.number {
            return None;
        }
        let period = std::mem::replace(&mut self.period, begun(&self.config, now));
        let (from, ended_s) = (period.from, (period.number + 1) * i64::from(self.config.period_s));
        let until = jiff::Timestamp::from_second(ended_s).unwrap_or(now.wall).min(now.wall);
        let heard = self.sensors.iter().any(|sensor| sensor.read > 0);
        let numbers: PresenceNumbers = period.end(self.config.k, rand::random);
        let count = PresenceCount {
            place: self.config.id.as_str().into(),
            from,
            until,
            period_s: self.config.period_s,
            numbers: heard.then_some(numbers),
        };
        for sensor in &mut self.sensors {
            let unread = sensor.unread.take();
            if std::mem::take(&mut sensor.read) == 0 {
                sensor.unclear = unread;
            }
        }
        self.told.push_back(count.clone());
        if self.told.len() > PERIODS_KEPT {
            self.told.pop_front();
        }
        Some(count)
    }

    /// Sensors of which nothing could be read, as devices that say what nobody understands.
    pub(super) fn unclear(&mut self, now: Now) -> Vec<Observation> {
        let all = self.sensors.iter_mut();
        let told = all.filter_map(|sensor| {
            let why = sensor.unclear.take()?;
            Some(report_of(sensor, vec![format!("none of its messages was counted: {why}")], now))
        });
        told.collect()
    }

    pub(super) fn told(&self) -> Vec<PresenceCount> {
        self.told.iter().cloned().collect()
    }
}

/// Nothing of what it said: only that it did.
fn report_of(sensor: &WifiSensor, unknown: Vec<String>, now: Now) -> Observation {
    let report = DeviceReport { via: sensor.via.clone(), unknown, ..DeviceReport::default() };
    let (source, stamp) = (sensor.id.clone(), Stamp::of_gateway(now));
    Observation { source, stamp, body: Body::Device(report) }
}

fn number_of(config: &Config, now: Now) -> i64 {
    now.wall.as_second().div_euclid(i64::from(config.period_s.max(1)))
}

fn begun(config: &Config, now: Now) -> CountedPeriod {
    let mut chance: [u8; 32] = rand::random();
    let salt = Zeroizing::new(chance);
    chance.zeroize();
    CountedPeriod::begin(number_of(config, now), now.wall, salt)
}
