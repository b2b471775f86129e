//! The junction as a pure value: rules and desk together, one observation in, what must happen out.

use std::collections::HashMap;

use jiff::tz::TimeZone;

use crate::{
    config::Config,
    domain::{
        Body, EventContext, Now, Observation, Place, RainView, SourceId, SourceInfo, SourceKind,
    },
    incident::{Desk, Directory, Outcome},
    rules::{
        Masks, Rules,
        rain::{GaugeConfig, POSTURE_SOURCE, Site},
    },
    sources::camera,
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
        let mut rules = Rules::new(&config.rules, &masks(config), &timezone);
        rules.rain.configure(weather(config), &timezone, now, &mut Vec::new());
        Self { rules, desk: Desk::new(directory(config)), devices: devices(config), timezone }
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
        self.rules.replace(&config.rules, &masks(config), &zone, &mut findings);
        self.rules.rain.configure(weather(config), &zone, now, &mut findings);
        self.desk.set_directory(directory(config));
        (self.devices, self.timezone) = (devices(config), zone);
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
    config.cameras.iter().map(mask).collect()
}

fn devices(config: &Config) -> HashMap<SourceId, SourceId> {
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

fn directory(config: &Config) -> Directory {
    let itself = itself(config);
    let all = config.sources.iter().chain([&itself]);
    Directory {
        sources: all.map(|info| (info.id.clone(), info.clone())).collect(),
        auto_close_after_s: config.site.auto_close_after_s,
        clip_max_s: seconds(config, |camera| camera.clip_max_s),
        post_roll_s: seconds(config, |camera| camera.post_roll_s),
    }
}

fn seconds(config: &Config, of: impl Fn(&camera::Config) -> u64) -> HashMap<SourceId, u64> {
    config.cameras.iter().map(|camera| (camera.id.as_str().into(), of(camera))).collect()
}
