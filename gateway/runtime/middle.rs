//! The junction as a pure value: rules and desk together, one observation in, what must happen out.

#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};

use jiff::tz::TimeZone;

use crate::{
    config::{ButtonConfig, Config},
    domain::{
        Body, DeviceInfo, EventContext, Now, Observation, Place, RainView, SourceId, SourceInfo,
        SourceKind,
    },
    incident::{Desk, Directory, Outcome},
    rules::{
        self, Masks, Rules,
        rain::{GaugeConfig, POSTURE_SOURCE, Site},
    },
    sources::{
        camera,
        codecs::{self, Codecs, Listed},
        drone,
    },
    store::Restored,
};

/// Owned by one task; no lock, no I/O.
pub(super) struct Middle {
    pub(super) rules: Rules,
    pub(super) desk: Desk,
    /// Gauges by the name that they give themselves.
    devices: HashMap<SourceId, SourceId>,
    timezone: TimeZone,
}

impl Middle {
    /// Empty, for this configuration.
    pub(super) fn new(config: &Config, context: &EventContext, now: Now) -> Self {
        let timezone = context.timezone.clone();
        let mut rules = Rules::new(&rules(config), &masks(config), &timezone);
        rules.rain.configure(weather(config), &timezone, now, &mut Vec::new());
        Self { rules, desk: Desk::new(directory(config)), devices: gauges(config), timezone }
    }

    /// What the journal knows: presses, replies, open incidents, and the rain of the last day.
    pub(super) fn restore(&mut self, now: Now, restored: Restored) -> Outcome {
        let Restored { live, presses, replies, reports, .. } = restored;
        let mut findings = Vec::new();
        self.rules.rain.restore(now, &reports, &live, &mut findings);
        self.desk.restore_reports(&reports);
        let mut outcome = self.desk.restore(now, live, &presses, replies);
        outcome.entries.extend(self.desk.tick(now, findings).entries);
        outcome
    }

    /// As the API shows it.
    pub(super) fn rain_view(&self, now: Now) -> RainView {
        self.rules.rain.view(now, &self.timezone)
    }

    pub(super) fn apply(&mut self, now: Now, observation: &Observation) -> Outcome {
        let mut findings = Vec::new();
        // A gauge speaks under its own name, and is known under the site's.
        let known = match &observation.body {
            Body::Gauge(_) => self.devices.get(&observation.source),
            _ => None,
        };
        let named = known.map(|id| Observation { source: id.clone(), ..observation.clone() });
        let observation = named.as_ref().unwrap_or(observation);
        self.rules.observe(observation, &mut findings);
        self.desk.apply(now, observation, findings)
    }

    /// Another configuration: rules, masks, schedules and sources are those of it from now on.
    pub(super) fn reload(&mut self, now: Now, config: &Config) -> Outcome {
        let mut findings = Vec::new();
        let zone = context(config).timezone;
        self.rules.replace(&rules(config), &masks(config), &zone, &mut findings);
        self.rules.rain.configure(weather(config), &zone, now, &mut findings);
        self.desk.set_directory(now, directory(config));
        (self.devices, self.timezone) = (gauges(config), zone);
        self.desk.tick(now, findings)
    }

    /// Ends what has been silent; called a few times a second.
    pub(super) fn tick(&mut self, now: Now) -> Outcome {
        let mut findings = Vec::new();
        self.rules.tick(now, &mut findings);
        self.desk.tick(now, findings)
    }
}

/// What rendering needs to know of the site.
pub(super) fn context(config: &Config) -> EventContext {
    EventContext {
        site: config.site.id.as_str().into(),
        timezone: TimeZone::get(&config.site.timezone).unwrap_or(TimeZone::UTC),
        public_url: config.web.public_url.clone(),
    }
}

fn masks(config: &Config) -> Vec<(SourceId, Masks)> {
    let mask = |camera: &camera::Config| (camera.id.as_str().into(), camera.mask.clone());
    let drones = config.drones.iter().map(|drone| (drone.id.as_str().into(), Masks::new()));
    config.cameras.iter().map(mask).chain(drones).collect()
}

/// A rule that names no camera watches all of them, and no drone: a zone of the picture means
/// nothing where the picture moves, unless somebody says so.
fn rules(config: &Config) -> Vec<rules::Config> {
    let cameras: Vec<String> = config.cameras.iter().map(|camera| camera.id.clone()).collect();
    let mut rules = config.rules.clone();
    for rule in rules.iter_mut().filter(|rule| rule.cameras.is_empty()) {
        rule.cameras.clone_from(&cameras);
    }
    rules.retain(|rule| !rule.cameras.is_empty());
    rules
}

fn gauges(config: &Config) -> HashMap<SourceId, SourceId> {
    let pair = |gauge: &GaugeConfig| (gauge.device().into(), gauge.id.as_str().into());
    config.weather.gauges.iter().map(pair).collect()
}

fn weather(config: &Config) -> Site {
    let info = |gauge: &GaugeConfig| {
        let id = SourceId::from(gauge.id.as_str());
        config.sources.iter().find(|info| info.id == id).cloned()
    };
    let gauges = config.weather.gauges.iter();
    Site {
        gauges: gauges.filter_map(|gauge| Some((gauge.clone(), info(gauge)?))).collect(),
        rain: config.weather.rain.clone(),
        posture: config.weather.posture.clone(),
    }
}

/// The site itself, as the source of what is true of all of it.
fn itself(config: &Config) -> SourceInfo {
    SourceInfo {
        id: POSTURE_SOURCE.into(),
        kind: SourceKind::Gateway,
        name: match config.site.name.as_str() {
            "" => config.site.id.clone(),
            name => name.to_owned(),
        },
        place: config.site.place.map(|[lon, lat]| Place { lon, lat, text: None }),
        grid: None,
        contact: None,
        note: None,
    }
}

pub(super) fn directory(config: &Config) -> Directory {
    let itself = itself(config);
    let all = config.sources.iter().chain([&itself]);
    Directory {
        sources: all.map(|info| (info.id.clone(), info.clone())).collect(),
        auto_close_after_s: config.site.auto_close_after_s,
        clip_max_s: seconds(config, |camera| camera.clip_max_s, |drone| drone.clip_max_s),
        post_roll_s: seconds(config, |camera| camera.post_roll_s, |drone| drone.post_roll_s),
        drones: config.drones.iter().map(|one| (one.id.as_str().into(), one.info())).collect(),
        areas: Some(config.grids.clone()),
        placed: placed(config),
        joins: config.site.join.iter().copied().collect(),
        devices: config
            .buttons
            .iter()
            .map(|one| (one.id.as_str().into(), device(config, one)))
            .collect(),
        watch: config.devices.clone(),
    }
}

/// How the devices of this configuration are read.
pub(super) fn dialects(config: &Config) -> Codecs {
    let listed = |button: &ButtonConfig| Listed {
        id: button.id.as_str().into(),
        device: button.device.clone(),
        model: button.model.clone(),
    };
    let listed: Vec<Listed> = config.buttons.iter().map(listed).collect();
    let gauge = |gauge: &GaugeConfig| Listed {
        id: gauge.id.as_str().into(),
        device: gauge.device.clone(),
        model: None,
    };
    let gauges: Vec<Listed> = config.weather.gauges.iter().map(gauge).collect();
    let codecs = Codecs::new(&config.site.id.as_str().into(), &listed, &config.device_models);
    codecs.with_gauges(&gauges)
}

/// Its own line goes before its model, its model before the site.
fn device(config: &Config, button: &ButtonConfig) -> DeviceInfo {
    let model = button.model.as_ref();
    let of_model = model.and_then(|model| codecs::silent_after_s(model, &config.device_models));
    let cameras = config.press_cameras.get(&button.id).into_iter().flatten();
    DeviceInfo {
        model: button.model.clone(),
        device: button.device.clone(),
        address: button.address.clone(),
        silent_after_s: button.silent_after_s.or(of_model).or(config.devices.silent_after_s),
        cameras: cameras.map(|id| id.as_str().into()).collect(),
    }
}

/// Who is at exactly the site's own place has none of its own.
fn placed(config: &Config) -> HashSet<SourceId> {
    let site = config.site.place;
    let own = |info: &&SourceInfo| {
        info.place.as_ref().is_some_and(|place| Some([place.lon, place.lat]) != site)
    };
    config.sources.iter().filter(own).map(|info| info.id.clone()).collect()
}

fn seconds(
    config: &Config,
    of: impl Fn(&camera::Config) -> u64,
    of_drone: impl Fn(&drone::Config) -> u64,
) -> HashMap<SourceId, u64> {
    let cameras = config.cameras.iter().map(|camera| (camera.id.as_str().into(), of(camera)));
    let drones = config.drones.iter().map(|drone| (drone.id.as_str().into(), of_drone(drone)));
    cameras.chain(drones).collect()
}
