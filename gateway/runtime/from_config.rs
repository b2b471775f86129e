//! From the checked configuration to what each part of the pipeline is given. Pure.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use jiff::tz::TimeZone;

use crate::{
    camera::{LookAreas, WakePlan},
    config::{ButtonConfig, Config},
    domain::{
        Calendar, DeviceInfo, EventContext, LookArea, Persons, Place, SourceId, SourceInfo,
        SourceKind, VehicleLists, name_key,
    },
    incident::{Directory, Limits, PresencePlace, Remembers},
    rules::{
        self, Masks,
        rain::{GaugeConfig, POSTURE_SOURCE, Site},
    },
    sources::{
        camera,
        codecs::{self, Codecs, Listed},
        drone, presence,
    },
};

/// What rendering an event needs of the site.
pub fn event_context(config: &Config) -> EventContext {
    EventContext {
        site: config.site.id.as_str().into(),
        timezone: TimeZone::get(&config.site.timezone).unwrap_or(TimeZone::UTC),
        public_url: config.web.public_url.clone(),
    }
}

/// Cameras with their ignore-masks.
pub(super) fn masks(config: &Config) -> Vec<(SourceId, Masks)> {
    let mask = |camera: &camera::Config| (camera.id.as_str().into(), camera.mask.clone());
    let drones = config.drones.iter().map(|drone| (drone.id.as_str().into(), Masks::new()));
    config.cameras.iter().map(mask).chain(drones).collect()
}

/// The rules. One that names no camera watches all of them, and no drone: a zone of the picture means
/// nothing where the picture moves.
pub(super) fn rules(config: &Config) -> Vec<rules::Config> {
    let cameras: Vec<String> = config.cameras.iter().map(|camera| camera.id.clone()).collect();
    let mut rules = config.rules.clone();
    for rule in rules.iter_mut().filter(|rule| rule.cameras.is_empty()) {
        rule.cameras.clone_from(&cameras);
    }
    rules.retain(|rule| !rule.cameras.is_empty());
    rules
}

/// Where somebody is to be found, by camera. One that decodes everything, or wakes others by whom it
/// finds, is looked at as a whole; it is in the map where a rule asks for a second opinion there.
pub(super) fn look_areas(config: &Config) -> LookAreas {
    let rules = rules(config);
    let asks = |camera: &camera::Config| {
        camera.decode == camera::Decode::Adaptive && camera.wakes.is_empty()
    };
    let area = |camera: &camera::Config| {
        let id = SourceId::from(camera.id.as_str());
        let area = asks(camera).then(|| rules::look_area(&rules, &id, &camera.mask)).flatten();
        let area = match rules::wants_crop(&rules, &id) {
            true => Some(area.unwrap_or_else(LookArea::everywhere).with_crop()),
            false => area,
        };
        let area = match config.vehicles.is_some() && rules::wants_plates(&rules, &id) {
            true => area.unwrap_or_else(LookArea::everywhere).with_plates(),
            false => area?,
        };
        Some((id, Arc::new(area)))
    };
    config.cameras.iter().filter_map(area).collect()
}

/// Whose vehicles are known.
pub(super) fn vehicle_lists(config: &Config) -> Arc<VehicleLists> {
    Arc::new(config.vehicles.as_ref().map(|one| one.lists.clone()).unwrap_or_default())
}

/// Ids of gauges by the name that each gives itself.
pub(super) fn gauges(config: &Config) -> HashMap<SourceId, SourceId> {
    let pair = |gauge: &GaugeConfig| (gauge.device().into(), gauge.id.as_str().into());
    config.weather.gauges.iter().map(pair).collect()
}

/// Gauges, rain and postures.
pub(super) fn weather(config: &Config) -> Site {
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

/// The site itself as a source, for what is true of all of it.
fn site_as_source(config: &Config) -> SourceInfo {
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

/// What the desk looks up.
pub(super) fn directory(config: &Config) -> Directory {
    let site = site_as_source(config);
    let all = config.sources.iter().chain([&site]);
    Directory {
        sources: all.map(|info| (info.id.clone(), info.clone())).chain(sensors(config)).collect(),
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
            .chain(config.presence.iter().flat_map(sensor_devices))
            .collect(),
        watch: config.devices.clone(),
        life: config.life.clone(),
        people: config.people().map(name_key).filter(|name| !name.is_empty()).collect(),
        persons: config.routing.roster.as_ref().map(Persons::of).unwrap_or_default(),
        limits: limits(config),
        routes: config.routing.routes.clone(),
        roster: config.routing.roster.clone(),
        // The store takes the other three quarters.
        remembers: Remembers::within(config.data.memory_max_bytes / 4),
        presence: config.presence.iter().map(presence_place).collect(),
    }
}

fn presence_place(place: &presence::Config) -> PresencePlace {
    PresencePlace { id: place.id.as_str().into(), within_m: f64::from(place.within_m) }
}

/// Each Wi-Fi sensor as a device that is not to be silent.
fn sensor_devices(place: &presence::Config) -> impl Iterator<Item = (SourceId, DeviceInfo)> {
    let silent_after_s = Some(place.silent_after_s);
    let info = DeviceInfo { silent_after_s, ..DeviceInfo::default() };
    place.sensors().into_iter().map(move |id| (id.into(), info.clone()))
}

/// Each Wi-Fi sensor as a source, where its place is.
fn sensors(config: &Config) -> impl Iterator<Item = (SourceId, SourceInfo)> {
    config.presence.iter().flat_map(|place| {
        let info = config.sources.iter().find(|info| info.id.as_str() == place.id);
        let sensor = |id: String| {
            let id = SourceId::from(id);
            Some((id.clone(), SourceInfo { id, ..info?.clone() }))
        };
        place.sensors().into_iter().filter_map(sensor).collect::<Vec<_>>()
    })
}

/// Limits of cases, with the calendar and zone of the site.
fn limits(config: &Config) -> Limits {
    let zone = TimeZone::get(&config.site.timezone).unwrap_or(TimeZone::UTC);
    Limits::new(&config.life, Calendar::clone(&config.calendar), zone)
}

/// How the devices of this configuration are read.
pub(super) fn dialects(config: &Config) -> Codecs {
    let listed = |button: &ButtonConfig| Listed {
        id: button.id.as_str().into(),
        device: button.device.clone(),
        user: button.user.clone(),
        model: button.model.clone(),
    };
    let listed: Vec<Listed> = config.buttons.iter().map(listed).collect();
    let gauge = |gauge: &GaugeConfig| Listed {
        id: gauge.id.as_str().into(),
        device: gauge.device.clone(),
        user: None,
        model: None,
    };
    let gauges: Vec<Listed> = config.weather.gauges.iter().map(gauge).collect();
    let codecs = Codecs::new(&config.site.id.as_str().into(), &listed, &config.device_models);
    codecs.with_gauges(&gauges)
}

/// When a device counts as silent: its own line counts before its model, its model before the site.
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

/// Sources with a place of their own: not those at exactly the site's place.
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

/// Which cameras are woken by which buttons and neighbours.
pub(super) fn wake_plan(config: &Config) -> WakePlan {
    let ids = |ids: &[String]| ids.iter().map(|id| id.as_str().into()).collect();
    let press = |(id, cameras): (&String, &Vec<String>)| (id.as_str().into(), ids(cameras));
    let neighbours = config.cameras.iter().filter(|camera| !camera.wakes.is_empty());
    let neighbours = neighbours.map(|camera| (camera.id.as_str().into(), ids(&camera.wakes)));
    WakePlan::new(config.wake_cameras.iter().map(press).collect(), neighbours.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{env::FixedEnvironment, parse};

    #[test]
    fn a_camera_is_looked_at_as_a_whole_where_it_decodes_all_or_wakes_others() {
        let zone = "[[rule]]\nid = \"r\"\nkind = \"intrusion\"\nzone = [[0.0, 0.8], [1.0, 0.8], [1.0, 1.0]]\n";
        let camera = |more: &str| {
            format!("[site]\nid = \"x\"\n[[camera]]\nid = \"a\"\nurl = \"rtsp://h/a\"\n{more}\n")
        };
        let areas = |more: &str| {
            let other = "[[camera]]\nid = \"b\"\nurl = \"rtsp://h/b\"\n";
            let text = format!("{}{other}{zone}", camera(more));
            let (config, problems) = parse("a.toml", &text, &FixedEnvironment::default());
            look_areas(&config.unwrap_or_else(|| panic!("{problems:?}"))).len()
        };
        assert_eq!((areas(""), areas("decode = \"full\""), areas("wakes = [\"b\"]")), (2, 1, 1));
        let asks =
            "[[rule]]\nid = \"s\"\nkind = \"intrusion\"\ncameras = [\"a\"]\nconfirm_crop = true\n";
        let text = format!("{}{zone}{asks}", camera("decode = \"full\""));
        let (config, problems) = parse("a.toml", &text, &FixedEnvironment::default());
        let areas = look_areas(&config.unwrap_or_else(|| panic!("{problems:?}")));
        assert_eq!(areas[&"a".into()], Arc::new(LookArea::everywhere().with_crop()));
    }

    #[test]
    fn a_button_wakes_the_cameras_of_its_line_or_those_near_it() {
        let near = "[[camera]]\nid = \"near\"\nurl = \"rtsp://h/1\"\nplace = [113.9131, 30.9223]\n";
        let buttons = "[[button]]\nid = \"p\"\nplace = [113.9132, 30.9223]\n[[button]]\nid = \"q\"\ncameras = [\"a\"]\n[[button]]\nid = \"r\"\n";
        let site = "[site]\nid = \"x\"\n[[camera]]\nid = \"a\"\nurl = \"rtsp://h/a\"\n";
        let text = format!("{site}{near}{buttons}");
        let (config, problems) = parse("a.toml", &text, &FixedEnvironment::default());
        let plan = wake_plan(&config.unwrap_or_else(|| panic!("{problems:?}")));
        assert_eq!(plan.pressed(&"p".into()), ["near".into()]);
        assert_eq!(plan.pressed(&"q".into()), ["a".into()]);
        assert!(
            plan.pressed(&"r".into()).is_empty() && plan.pressed(&"stranger".into()).is_empty()
        );
    }
}
