//! What is wrong between the keys: names used twice, places without a grid, zones nobody knows.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use std::{
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    ButtonConfig, Config, Grids, SiteConfig, env,
    problem::{Problem, did_you_mean},
    read::Document,
    registry::{Wrong, device_problems, press_cameras, read_buttons, same_device},
};
use crate::{
    console,
    domain::{Grid, Place, SourceInfo, SourceKind},
    incident, rules, sinks,
    sources::{camera, codecs, intake, mqtt},
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
    "button",
    "rule",
    "sink",
    "devices",
    "device_model",
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
    let rules = each::<rules::Config>(document, "rule");
    for (index, camera) in &cameras {
        for (key, message) in camera.problems() {
            document.problem(&["camera", index, key], message, None);
        }
        if let Some(message) = rules::mask_problems(&camera.mask) {
            document.problem(&["camera", index, "mask"], message, None);
        }
    }
    let models_dir: PathBuf =
        document.variable(env::MODELS).unwrap_or_else(|| "models".into()).into();
    let labels = model.as_ref().map_or(Ok(Vec::new()), |model| model.labels(&models_dir));
    let labels = labels.unwrap_or_else(|message| {
        document.problem(&["model", "name"], message, None);
        Vec::new()
    });
    check_rules(document, &rules, &cameras, &labels);
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
    for (index, button) in &buttons {
        match source(button, default, &grids) {
            Ok(source) => sources.push(source),
            Err((key, message, hint)) => document.problem(&["button", index, key], message, hint),
        }
    }
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
    for (id, message) in same_device(&all) {
        match lines.remove(&id) {
            Some((file, line)) => document.foreign(Problem {
                file,
                line,
                key: "device".into(),
                message,
                hint: None,
                warning: false,
            }),
            None => document.problem(&["button"], format!("{id}: device: {message}"), None),
        }
    }
    let press_cameras = press_cameras(&site, &all, &cameras);
    Some(Config {
        site,
        data: data?,
        web: web?,
        intake: intake.flatten(),
        mqtt: brokers.into_iter().map(|(_, broker)| broker).collect(),
        sinks,
        model: model?,
        cameras: cameras.into_iter().map(|(_, camera)| camera).collect(),
        rules: rules.into_iter().map(|(_, rule)| rule).collect(),
        models_dir,
        library: document.variable(env::ORT_LIBRARY).map(Into::into),
        buttons: all,
        devices: devices?,
        device_models,
        press_cameras,
        grids: Arc::new(grids),
        sources,
        shape: super::diff::Shape::default(),
    })
}

/// `[[device_model]]`.
fn device_models(document: &mut Document<'_>) -> Vec<codecs::ModelConfig> {
    let models = each::<codecs::ModelConfig>(document, "device_model");
    let mut ids = HashSet::new();
    for (index, model) in &models {
        for (key, message) in codecs::problems(model) {
            document.problem(&["device_model", index, key], message, None);
        }
        if !ids.insert(model.id.to_lowercase()) {
            let message = format!("`{}` is used twice", model.id);
            document.problem(&["device_model", index, "id"], message, None);
        }
    }
    models.into_iter().map(|(_, model)| model).collect()
}

/// All `[[name]]`, each with its index as text.
fn each<T: DeserializeOwned + JsonSchema>(
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
        for id in &rule.cameras {
            if !cameras.iter().any(|(_, camera)| camera.id == *id) {
                let hint = did_you_mean(id, cameras.iter().map(|(_, camera)| camera.id.as_str()));
                let message = format!("no camera is called `{id}`");
                document.problem(&["rule", index, "cameras"], message, hint);
            }
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

fn on_earth([lon, lat]: [f64; 2]) -> Result<(), String> {
    if (-180.0..=180.0).contains(&lon) && (-90.0..=90.0).contains(&lat) {
        return Ok(());
    }
    Err(format!("[{lon}, {lat}] is not on earth; expected [lon, lat] in degrees"))
}

fn read_grids(document: &mut Document<'_>, site: &SiteConfig) -> Grids {
    let Some(path) = &site.grids else { return Grids::default() };
    let (grids, problems) = Grids::read(path);
    for problem in problems {
        document.problem(&["site", "grids"], format!("{}: {problem}", path.display()), None);
    }
    grids
}

fn listed_buttons(document: &mut Document<'_>, site: &SiteConfig) -> Vec<(usize, ButtonConfig)> {
    let Some(path) = &site.buttons else { return Vec::new() };
    match read_buttons(path) {
        Ok((buttons, bad)) => {
            for (line, message) in bad {
                let file = path.display().to_string();
                document.foreign(Problem {
                    file,
                    line,
                    key: String::new(),
                    message,
                    hint: None,
                    warning: false,
                });
            }
            buttons
        }
        Err(message) => {
            document.problem(&["site", "buttons"], format!("{}: {message}", path.display()), None);
            Vec::new()
        }
    }
}

fn source(
    button: &ButtonConfig,
    site: Option<[f64; 2]>,
    grids: &Grids,
) -> Result<SourceInfo, Wrong> {
    if let Some(Err(message)) = button.place.map(on_earth) {
        return Err(("place", message, None));
    }
    let text = &button.address;
    let place = button.place.or(site).map(|[lon, lat]| Place { lon, lat, text: text.clone() });
    Ok(SourceInfo {
        id: button.id.as_str().into(),
        kind: SourceKind::Button,
        name: if button.name.is_empty() { button.id.clone() } else { button.name.clone() },
        grid: grid(button.grid.as_deref(), place.as_ref(), grids)?,
        place,
        contact: button.contact.clone(),
        note: button.note.clone(),
    })
}

/// The grid that is named, or else the one that the place lies in.
fn grid(
    code: Option<&str>,
    place: Option<&Place>,
    grids: &Grids,
) -> Result<Option<Arc<Grid>>, Wrong> {
    match code {
        None => Ok(place.and_then(|place| grids.at(place))),
        Some(code) => grids.by_code(code).map(Some).ok_or_else(|| {
            let hint = did_you_mean(code, grids.codes());
            ("grid", format!("no grid has the code `{code}`"), hint)
        }),
    }
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

    #[test]
    fn the_nearest_cameras_of_a_press_and_none_where_the_site_says_nothing() {
        let camera = |id: &str, lon: f64| {
            format!(
                "[[camera]]\nid = \"{id}\"\nurl = \"rtsp://h/{id}\"\nplace = [{lon}, 30.9223]\n"
            )
        };
        let text = |site: &str| {
            format!(
                "[site]\nid = \"x\"\n{site}\n{}{}{}[[button]]\nid = \"b\"\nplace = [113.9131, 30.9223]\n[[button]]\nid = \"c\"\ncameras = [\"far\"]\n",
                camera("far", 113.9190),
                camera("near", 113.9133),
                camera("here", 113.9131),
            )
        };
        let of = |site: &str, id: &str| {
            let (config, problems) = parse("a.toml", &text(site), &FixedEnvironment::default());
            let config = config.unwrap_or_else(|| panic!("{problems:?}"));
            config.press_cameras.get(id).cloned().unwrap_or_default()
        };
        assert_eq!(of("pictures_with_presses = true", "b"), ["here", "near"]);
        assert_eq!(of("pictures_with_presses = true", "c"), ["far"], "named in its line");
        assert!(of("", "b").is_empty() && of("", "c").is_empty(), "nobody allowed it");
    }
}
