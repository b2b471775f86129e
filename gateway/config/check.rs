//! The configuration as a whole: each section is read and asked what is wrong with it, then all are looked at together.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    Config, InEffect,
    button::ButtonConfig,
    calendar_file, datums,
    devices::{ListedButtons, check_buttons, check_models, press_cameras, wake_cameras},
    diff::Contents,
    doors, drones, env, faces,
    grids::Grids,
    id_text, looks, neighbours, numbers,
    place::Sources,
    presence,
    read::Document,
    retention,
    roster::DutyConfig,
    routing::{Routing, RoutingConfig},
    rule_names::{check_model, check_rules},
    sections::{Items, nothing},
    sink_kinds,
    site::{self, SiteConfig},
    speakers::Speakers,
    vehicles::{self, VehiclesConfig},
    weather::{self, Weather},
};
use crate::{
    console::{self, reports},
    incident,
    rules::{self, rain},
    sinks,
    sources::{camera, codecs, drone, intake, mqtt, presence as counted, sl651},
    store, vision,
};

/// All sections, as typed. None: it cannot be made, or it is not there.
struct Typed {
    site: Option<SiteConfig>,
    data: Option<store::Config>,
    tracks: Option<store::TracksConfig>,
    evidence: Option<store::EvidenceConfig>,
    web: Option<console::Config>,
    map: Option<console::MapConfig>,
    reports: Option<reports::Config>,
    model: Option<vision::Config>,
    links: Option<console::LinksConfig>,
    intake: Option<intake::Config>,
    mqtt: Items<mqtt::Config>,
    cameras: Items<camera::Config>,
    drones: Items<drone::Config>,
    buttons: Items<ButtonConfig>,
    rules: Items<rules::Config>,
    sinks: Vec<sinks::Config>,
    speakers: Speakers,
    devices: Option<incident::Config>,
    life: Option<incident::LifeConfig>,
    routing: Option<RoutingConfig>,
    vehicles: Option<VehiclesConfig>,
    duty: Option<DutyConfig>,
    device_models: Items<codecs::ModelConfig>,
    presence: Items<counted::Config>,
    gauges: Items<rain::GaugeConfig>,
    rain: Option<rain::Config>,
    posture: Option<rain::PostureConfig>,
    sl651: Option<sl651::Config>,
}

impl Typed {
    /// All places in one datum.
    fn convert_places(&mut self, site: &mut SiteConfig) {
        datums::to_wgs84(
            site,
            self.map.as_mut(),
            &mut self.buttons,
            &mut self.cameras,
            &mut self.drones,
            &mut self.gauges,
        );
        datums::presence_to_wgs84(site, &mut self.presence);
    }

    /// One line a section: its name, and what it says of its own errors and warnings.
    fn read(document: &mut Document<'_>) -> Self {
        Self {
            site: document.one("site", nothing, nothing),
            data: document.one("data", store::Config::problems, nothing),
            tracks: document.one("tracks", store::TracksConfig::problems, nothing),
            evidence: document.one(
                "evidence",
                store::EvidenceConfig::problems,
                store::EvidenceConfig::warnings,
            ),
            web: document.one("web", console::Config::problems, console::Config::warnings),
            map: document.one("map", console::MapConfig::problems, nothing),
            reports: document.optional(
                "reports",
                reports::Config::problems,
                reports::Config::warnings,
            ),
            model: document.one("model", nothing, nothing),
            links: document.optional(
                "links",
                console::LinksConfig::problems,
                console::LinksConfig::warnings,
            ),
            intake: document.optional("intake", intake::Config::problems, intake::Config::warnings),
            mqtt: document.each("mqtt", mqtt::Config::problems, mqtt::Config::warnings),
            cameras: document.each("camera", camera_problems, camera_warnings),
            drones: document.each("drone", drone::Config::problems, drone::Config::warnings),
            buttons: document.each("button", nothing, nothing),
            rules: document.each("rule", nothing, nothing),
            sinks: sink_kinds::read(document),
            speakers: Speakers::read(document),
            devices: document.one("devices", incident::Config::problems, nothing),
            life: document.one(
                "life",
                incident::LifeConfig::problems,
                incident::LifeConfig::warnings,
            ),
            routing: document.one("routing", RoutingConfig::problems, nothing),
            vehicles: document.optional("vehicles", VehiclesConfig::problems, nothing),
            duty: document.one("duty", nothing, nothing),
            device_models: document.each("device_model", codecs::problems, nothing),
            presence: document.each("presence", counted::Config::problems, nothing),
            gauges: document.each("gauge", rain::GaugeConfig::problems, nothing),
            rain: document.one("rain", rain::Config::problems, nothing),
            posture: document.one("posture", rain::PostureConfig::problems, nothing),
            sl651: document.optional("sl651", sl651::Config::problems, nothing),
        }
    }
}

fn check_retention(document: &mut Document<'_>, typed: &Typed) {
    let (evidence, data) = (typed.evidence.as_ref(), typed.data.as_ref());
    retention::check(document, evidence, data, (&typed.cameras, &typed.drones));
}

fn camera_problems(camera: &camera::Config) -> Vec<(&'static str, String)> {
    let mask = rules::mask_problems(&camera.mask);
    let mut problems = camera.problems();
    problems.extend(mask.map(|message| ("mask", message)));
    let private = rules::mask_problems(&camera.private);
    problems.extend(private.map(|message| ("private", message)));
    problems
}

fn camera_warnings(camera: &camera::Config) -> Vec<(&'static str, String)> {
    let message = "clips and live pictures of this camera show what is black in its snapshots: they are for who may see it, and no sink gets the file of a clip";
    let is_private = !camera.private.is_empty();
    is_private.then(|| ("private", message.to_owned())).into_iter().collect()
}

/// What cameras are looked at with, and for what.
fn check_watching(document: &mut Document<'_>, typed: &Typed, models_dir: &Path) {
    let labels = check_model(document, typed.model.as_ref(), models_dir);
    neighbours::check(document, &typed.cameras);
    drones::check(document, &typed.drones);
    check_rules(document, &typed.rules, &typed.cameras, &typed.drones, &labels);
    check_retention(document, typed);
    looks::check(document, &typed.rules, &typed.cameras, &typed.drones);
}

/// Reports everything that is wrong. None: some section cannot be made at all.
pub(super) fn check(document: &mut Document<'_>) -> Option<Config> {
    let mut typed = Typed::read(document);
    faces::refuse(document);
    document.check_sections();
    numbers::check(document);
    id_text::check(document);
    let models_dir: PathBuf =
        document.variable(env::MODELS).unwrap_or_else(|| "models".into()).into();
    check_watching(document, &typed, &models_dir);
    sink_kinds::check_roles(document, &typed.sinks, typed.duty.as_ref());
    check_models(document, &typed.device_models);
    weather::check(document, &typed.gauges);
    let mut site = typed.site.take()?;
    site::check(document, &mut site);
    let said = typed.vehicles.take();
    let vehicles = vehicles::check(document, said, (&typed.rules, &site.timezone), &models_dir);
    doors::check_brokers(document, &typed.mqtt, &site.id);
    let doors = (&typed.mqtt, typed.intake.as_ref());
    presence::check(document, &typed.presence, doors, &site.id);
    typed.convert_places(&mut site);
    let grids = site::read_grids(document, &site);
    let lists = (typed.routing.take()?, typed.duty.take()?);
    let told = (typed.sinks.as_slice(), typed.life.as_ref());
    let routing = Routing::read(document, lists, &site.timezone, &grids, told);

    let mut sources = places(document, &typed, site.place, &grids);
    let beside = (&typed.rules, typed.sinks.as_slice());
    typed.sinks.extend(typed.speakers.check(document, beside, (&site, &sources.all)));
    check_buttons(document, &typed.buttons, &typed.device_models, &typed.cameras);
    let listed =
        ListedButtons::read(document, &site, &typed.device_models, &typed.cameras, &mut sources);
    listed.check_same_device(document, &typed.buttons, &typed.gauges);
    let buttons = [only(typed.buttons), only(listed.rows)].concat();

    doors::check_intake(document, typed.intake.as_ref(), buttons.len() + typed.gauges.len());
    presence::check_users(document, &typed.presence, &buttons);
    doors::check_users(document, typed.intake.as_ref(), &buttons, &typed.gauges);

    let wake_cameras = wake_cameras(&site, &buttons, &typed.cameras);
    Some(Config {
        press_cameras: press_cameras(&site, &wake_cameras),
        wake_cameras,
        site,
        data: typed.data?,
        tracks: typed.tracks?,
        evidence: typed.evidence?,
        web: typed.web?,
        map: typed.map?,
        reports: typed.reports,
        links: typed.links,
        intake: typed.intake,
        mqtt: only(typed.mqtt),
        sinks: typed.sinks,
        model: typed.model?,
        cameras: only(typed.cameras),
        drones: only(typed.drones),
        rules: only(typed.rules),
        models_dir,
        library: document.variable(env::ORT_LIBRARY).map(Into::into),
        weather: weather_of(typed.gauges, typed.rain, typed.posture, typed.sl651),
        buttons,
        devices: typed.devices?,
        calendar: Arc::new(calendar_file::read(document, typed.life.as_ref())),
        life: typed.life?,
        routing,
        vehicles,
        device_models: only(typed.device_models),
        presence: only(typed.presence),
        sources: sources.all,
        grids: Arc::new(grids),
        in_effect: InEffect::default(),
        contents: Contents::default(),
    })
}

fn weather_of(
    gauges: Items<rain::GaugeConfig>,
    rain: Option<rain::Config>,
    posture: Option<rain::PostureConfig>,
    sl651: Option<sl651::Config>,
) -> Weather {
    let (rain, posture) = (rain.unwrap_or_default(), posture.unwrap_or_default());
    Weather { gauges: only(gauges), rain, posture, sl651 }
}

/// Where everything is that the configuration itself lists.
fn places<'g>(
    document: &mut Document<'_>,
    typed: &Typed,
    site: Option<[f64; 2]>,
    grids: &'g Grids,
) -> Sources<'g> {
    doors::check_reports(document, typed.reports.as_ref(), grids);
    let mut sources = Sources::new(site, grids);
    sources.put_each(document, &typed.buttons);
    sources.put_each(document, &typed.cameras);
    sources.put_each(document, &typed.drones);
    sources.put_each(document, &typed.gauges);
    sources.put_each(document, &typed.speakers.all);
    sources.put_each(document, &typed.presence);
    sources
}

/// Without their indexes.
fn only<P, T>(items: Vec<(P, T)>) -> Vec<T> {
    items.into_iter().map(|(_, item)| item).collect()
}

#[cfg(test)]
mod tests {
    use crate::config::{env::FixedEnvironment, parse};

    #[test]
    fn ten_mistakes_are_told_in_one_go() {
        let text = "[site]\nid = \"a b\"\ntimezone = \"Asia/Shanghia\"\nplace = [30.9, 113.9]\ngrids = \"nowhere.geojson\"\ncolour = 1\n\n[data]\npath = 7\n\n[[button]]\nid = \"x\"\ngrid = \"G9\"\n\n[[button]]\nid = \"x\"\nnmae = \"y\"\n\n[[buton]]\nid = \"z\"\n\n[sites]\n";
        let (config, problems) = parse("a.toml", text, &FixedEnvironment::default());
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert!(config.is_none());
        for part in [
            "site.colour: unknown key",
            "data.path: invalid type",
            "button[2].nmae: unknown key (did you mean `name`?)",
            "buton: unknown section",
            "sites: unknown section",
        ] {
            assert!(lines.iter().any(|line| line.contains(part)), "{part} not in {lines:#?}");
        }
    }

    #[test]
    fn what_is_wrong_between_keys_is_told() {
        let text = "[site]\nid = \"a b\"\ntimezone = \"Asia/Shanghia\"\nplace = [30.9, 113.9]\ngrids = \"nowhere.geojson\"\n\n[data]\npath = \"d\"\n\n[[button]]\nid = \"x\"\ngrid = \"G9\"\n\n[[button]]\nid = \"x\"\n";
        let (_, problems) = parse("a.toml", text, &FixedEnvironment::default());
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        for part in [
            "a.toml:2: error: site.id",
            "a.toml:3: error: site.timezone: no time zone is called `Asia/Shanghia`; expected one like Asia/Shanghai (did you mean `Asia/Shanghai`?)",
            "site.place: [30.9, 113.9] is not on earth",
            "site.grids: nowhere.geojson: cannot be read",
            "button[1].grid: no grid has the code `G9`",
            "button[2].id: `x` is used twice",
        ] {
            assert!(lines.iter().any(|line| line.contains(part)), "{part} not in {lines:#?}");
        }
    }
}
