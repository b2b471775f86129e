//! What is wrong between the keys: names used twice, places without a grid, zones nobody knows.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use std::{
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    ButtonConfig, Config, Grids, SiteConfig,
    devices::{
        device_models, device_problems, listed_buttons, press_cameras, same_device, wake_cameras,
    },
    env, neighbours,
    place::{on_earth, source},
    problem::{Problem, did_you_mean},
    read::Document,
    weather,
};
use crate::{
    console,
    domain::{SourceInfo, SourceKind},
    incident, rules, sinks,
    sources::{camera, drone, intake, mqtt},
    store, vision,
};

/// Sections that are read today.
const SECTIONS: &[&str] = &[
    "site",
    "data",
    "web",
    "model",
    "intake",
    "mqtt",
    "camera",
    "drone",
    "button",
    "rule",
    "sink",
    "devices",
    "device_model",
    "gauge",
    "rain",
    "posture",
    "sl651",
];

pub(super) fn check(document: &mut Document<'_>) -> Option<Config> {
    document.check_sections(SECTIONS);
    let site = document.section::<SiteConfig>(&["site"], &[]);
    let data = document.section::<store::Config>(&["data"], &[]);
    let web = document.section::<console::Config>(&["web"], &[]);
    let intake =
        document.has("intake").then(|| document.section::<intake::Config>(&["intake"], &[]));
    let sinks = sinks(document);
    let model = document.section::<vision::Config>(&["model"], &[]);
    let cameras = each::<camera::Config>(document, "camera");
    let drones = each::<drone::Config>(document, "drone");
    check_drones(document, &drones);
    let rules = each::<rules::Config>(document, "rule");
    for (index, camera) in &cameras {
        for (key, message) in camera.problems() {
            document.problem(&["camera", index, key], message, None);
        }
        if let Some(message) = rules::mask_problems(&camera.mask) {
            document.problem(&["camera", index, "mask"], message, None);
        }
    }
    neighbours::check(document, &cameras);
    let models_dir: PathBuf =
        document.variable(env::MODELS).unwrap_or_else(|| "models".into()).into();
    let labels = model.as_ref().map_or(Ok(Vec::new()), |model| model.labels(&models_dir));
    let labels = labels.unwrap_or_else(|message| {
        document.problem(&["model", "name"], message, None);
        Vec::new()
    });
    if let Some(message) = model.as_ref().and_then(|model| model.variant_problem(&models_dir)) {
        document.problem(&["model", "variant"], message, None);
    }
    check_rules(document, &rules, &cameras, &drones, &labels);
    let brokers = each::<mqtt::Config>(document, "mqtt");
    for (index, broker) in &brokers {
        for (key, message) in broker.problems() {
            document.problem(&["mqtt", index, key], message, None);
        }
        for (key, message) in broker.warnings() {
            document.warning(&["mqtt", index, key], message);
        }
    }
    let users =
        intake.as_ref().and_then(Option::as_ref).and_then(|intake| intake.users_file.as_ref());
    if let Some(path) = users.filter(|path| !path.is_file()) {
        // On the installer's desk it may not be there yet; `run` refuses to open the intake without.
        document.warning(&["intake", "users_file"], format!("{} is not there", path.display()));
    }
    for (section, problems) in [
        ("data", data.as_ref().map(store::Config::problems)),
        ("web", web.as_ref().map(console::Config::problems)),
        ("intake", intake.as_ref().and_then(Option::as_ref).map(intake::Config::problems)),
    ] {
        for (key, message) in problems.into_iter().flatten() {
            document.problem(&[section, key], message, None);
        }
    }
    let (mut weather, gauges) = weather::read(document);
    let mut buttons = Vec::new();
    for index in 0..document.count("button") {
        let index = index.to_string();
        buttons
            .extend(document.section::<ButtonConfig>(&["button", &index], &[]).map(|b| (index, b)));
    }
    let devices = document.section::<incident::Config>(&["devices"], &[]);
    for (key, message) in devices.iter().flat_map(incident::Config::problems) {
        document.problem(&["devices", key], message, None);
    }
    let device_models = device_models(document);
    let mut site = site?;
    check_site(document, &mut site);
    let grids = read_grids(document, &site);
    let mut known = HashSet::new();
    for (index, button) in &buttons {
        if !known.insert(button.id.clone()) {
            let message =
                format!("`{}` is used twice; every source needs an id of its own", button.id);
            document.problem(&["button", index, "id"], message, None);
        }
        for (key, message, hint) in device_problems(button, &device_models, &cameras) {
            document.problem(&["button", index, key], message, hint);
        }
    }
    let mut sources = Vec::new();
    let default = site.place;
    for (index, camera) in &cameras {
        if !known.insert(camera.id.clone()) {
            let message =
                format!("`{}` is used twice; every source needs an id of its own", camera.id);
            document.problem(&["camera", index, "id"], message, None);
        }
        let place = ButtonConfig {
            id: camera.id.clone(),
            name: camera.name.clone(),
            place: camera.place,
            grid: camera.grid.clone(),
            ..ButtonConfig::default()
        };
        match source(&place, default, &grids) {
            Ok(source) => sources.push(SourceInfo { kind: SourceKind::Camera, ..source }),
            Err((key, message, hint)) => document.problem(&["camera", index, key], message, hint),
        }
    }
    for (index, drone) in &drones {
        if !known.insert(drone.id.clone()) {
            let message =
                format!("`{}` is used twice; every source needs an id of its own", drone.id);
            document.problem(&["drone", index, "id"], message, None);
        }
        let place = ButtonConfig {
            id: drone.id.clone(),
            name: drone.name.clone(),
            place: drone.place,
            grid: drone.grid.clone(),
            ..ButtonConfig::default()
        };
        // The site's own place is nothing that a drone is at.
        match source(&place, None, &grids) {
            Ok(source) => sources.push(SourceInfo { kind: SourceKind::Drone, ..source }),
            Err((key, message, hint)) => document.problem(&["drone", index, key], message, hint),
        }
    }
    for (index, button) in &buttons {
        match source(button, default, &grids) {
            Ok(source) => sources.push(source),
            Err((key, message, hint)) => document.problem(&["button", index, key], message, hint),
        }
    }
    weather::place(document, &gauges, default, &grids, &mut known, &mut sources);
    weather.gauges = gauges.into_iter().map(|(_, gauge)| gauge).collect();
    let mut all: Vec<ButtonConfig> = buttons.into_iter().map(|(_, button)| button).collect();
    let mut lines: HashMap<String, (String, usize)> = HashMap::new();
    for (line, button) in listed_buttons(document, &site) {
        let file = site.buttons.as_deref().unwrap_or(Path::new("")).display().to_string();
        let mut tell = |key: &str, message: String, hint| {
            document.foreign(Problem {
                file: file.clone(),
                line,
                key: key.into(),
                message,
                hint,
                warning: false,
            });
        };
        if !known.insert(button.id.clone()) {
            tell("id", format!("`{}` is used twice", button.id), None);
            continue;
        }
        for (key, message, hint) in device_problems(&button, &device_models, &cameras) {
            tell(key, message, hint);
        }
        match source(&button, default, &grids) {
            Ok(source) => sources.push(source),
            Err((key, message, hint)) => tell(key, message, hint),
        }
        lines.insert(button.id.clone(), (file, line));
        all.push(button);
    }
    for (section, id, message) in same_device(&all, &weather.gauges) {
        match lines.remove(&id) {
            Some((file, line)) => document.foreign(Problem {
                file,
                line,
                key: "device".into(),
                message,
                hint: None,
                warning: false,
            }),
            None => document.problem(&[section], format!("{id}: device: {message}"), None),
        }
    }
    let wake_cameras = wake_cameras(&site, &all, &cameras);
    let press_cameras = press_cameras(&site, &wake_cameras);
    Some(Config {
        site,
        data: data?,
        web: web?,
        intake: intake.flatten(),
        mqtt: brokers.into_iter().map(|(_, broker)| broker).collect(),
        sinks,
        model: model?,
        cameras: cameras.into_iter().map(|(_, camera)| camera).collect(),
        drones: drones.into_iter().map(|(_, drone)| drone).collect(),
        rules: rules.into_iter().map(|(_, rule)| rule).collect(),
        models_dir,
        library: document.variable(env::ORT_LIBRARY).map(Into::into),
        weather,
        buttons: all,
        devices: devices?,
        device_models,
        press_cameras,
        wake_cameras,
        grids: Arc::new(grids),
        sources,
        shape: super::diff::Shape::default(),
    })
}

/// All `[[name]]`, each with its index as text.
pub(super) fn each<T: DeserializeOwned + JsonSchema>(
    document: &mut Document<'_>,
    name: &str,
) -> Vec<(String, T)> {
    let mut found = Vec::new();
    for index in 0..document.count(name) {
        let index = index.to_string();
        found.extend(document.section::<T>(&[name, &index], &[]).map(|item| (index, item)));
    }
    found
}

fn check_rules(
    document: &mut Document<'_>,
    rules: &[(String, rules::Config)],
    cameras: &[(String, camera::Config)],
    drones: &[(String, drone::Config)],
    labels: &[String],
) {
    let mut ids = HashSet::new();
    for (index, rule) in rules {
        if !ids.insert(&rule.id) {
            document.problem(&["rule", index, "id"], format!("`{}` is used twice", rule.id), None);
        }
        for (key, message) in rule.problems() {
            document.problem(&["rule", index, key], message, None);
        }
        let unknown = |label: &&String| !labels.is_empty() && !labels.contains(label);
        for label in rule.labels.iter().filter(unknown) {
            let hint = did_you_mean(label, labels.iter().map(String::as_str));
            let message = format!("the model does not know `{label}`");
            document.problem(&["rule", index, "labels"], message, hint);
        }
        let eyes = || {
            let cameras = cameras.iter().map(|(_, camera)| camera.id.as_str());
            cameras.chain(drones.iter().map(|(_, drone)| drone.id.as_str()))
        };
        for id in &rule.cameras {
            if !eyes().any(|eye| eye == id) {
                let hint = did_you_mean(id, eyes());
                let message = format!("no camera or drone is called `{id}`");
                document.problem(&["rule", index, "cameras"], message, hint);
            }
        }
    }
}

fn check_drones(document: &mut Document<'_>, drones: &[(String, drone::Config)]) {
    let (mut ports, mut serials) = (HashSet::new(), HashSet::new());
    for (index, drone) in drones {
        for (key, message) in drone.problems() {
            document.problem(&["drone", index, key], message, None);
        }
        for (key, message) in drone.warnings() {
            document.warning(&["drone", index, key], message);
        }
        if let Some((transport, port)) = drone.port().filter(|port| !ports.insert(*port)) {
            let message = format!("another drone listens at {transport} port {port}");
            document.problem(&["drone", index, "listen"], message, None);
        }
        if let Some(serial) = drone.serial.as_ref().filter(|serial| !serials.insert(*serial)) {
            let message = format!("another drone has the serial number `{serial}`");
            document.problem(&["drone", index, "serial"], message, None);
        }
    }
}

/// Each `[[sink]]` by its kind, so that a mistake in it keeps its place.
fn sinks(document: &mut Document<'_>) -> Vec<sinks::Config> {
    let mut found = Vec::new();
    let mut ids = HashSet::new();
    for index in 0..document.count("sink") {
        let index = index.to_string();
        let path = ["sink", index.as_str()];
        let kind = document.text_at(&["sink", &index, "kind"]);
        let sink = match kind.as_deref() {
            Some("answer") => document.section(&path, &["kind"]).map(sinks::Config::Answer),
            Some("webhook") => document
                .section(&path, &["kind"])
                .map(|config| sinks::Config::Webhook(Box::new(config))),
            Some("http") => document.section(&path, &["kind"]).map(sinks::Config::Http),
            Some("mqtt") => document.section(&path, &["kind"]).map(sinks::Config::Mqtt),
            Some("jsonl") => document.section(&path, &["kind"]).map(sinks::Config::Jsonl),
            other => {
                let message = match other {
                    Some(other) => {
                        format!("unknown kind `{other}`; known are {}", sinks::KINDS.join(", "))
                    }
                    None => format!("is missing; one of {}", sinks::KINDS.join(", ")),
                };
                let hint =
                    other.and_then(|other| did_you_mean(other, sinks::KINDS.iter().copied()));
                document.problem(&["sink", &index, "kind"], message, hint);
                None
            }
        };
        let Some(sink) = sink else { continue };
        if !ids.insert(sink.id()) {
            document.problem(
                &["sink", &index, "id"],
                format!("`{}` is used twice", sink.id()),
                None,
            );
        }
        for (key, message) in sink.problems() {
            document.problem(&["sink", &index, key], message, None);
        }
        // On the installer's desk a file may not be there yet; `run` asks for it again and again.
        for (key, message) in sink.warnings() {
            document.warning(&["sink", &index, key], message);
        }
        found.push(sink);
    }
    found
}

fn check_site(document: &mut Document<'_>, site: &mut SiteConfig) {
    let fit = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if site.id.is_empty() || !site.id.chars().all(fit) {
        let message = format!(
            "`{}`: expected letters, digits, `-`, `_` or `.` (it is part of topics)",
            site.id
        );
        document.problem(&["site", "id"], message, None);
    }
    if site.name.is_empty() {
        site.name.clone_from(&site.id);
    }
    if jiff::tz::TimeZone::get(&site.timezone).is_err() {
        let names: Vec<String> =
            jiff::tz::db().available().map(|name| name.as_str().to_owned()).collect();
        let hint = did_you_mean(&site.timezone, names.iter().map(String::as_str));
        let message =
            format!("no time zone is called `{}`; expected one like Asia/Shanghai", site.timezone);
        document.problem(&["site", "timezone"], message, hint);
    }
    if let Some(Err(message)) = site.place.map(on_earth) {
        document.problem(&["site", "place"], message, None);
    }
}

fn read_grids(document: &mut Document<'_>, site: &SiteConfig) -> Grids {
    let Some(path) = &site.grids else { return Grids::default() };
    let (grids, problems) = Grids::read(path);
    for problem in problems {
        document.problem(&["site", "grids"], format!("{}: {problem}", path.display()), None);
    }
    grids
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
