//! What is wrong between the devices: models nobody knows, names used twice; and which cameras are near a button.

use std::collections::{HashMap, HashSet};

use super::{
    ButtonConfig, SiteConfig,
    check::each,
    place::Wrong,
    problem::{Problem, did_you_mean},
    read::Document,
    registry::{metres, read_buttons},
};
use crate::{
    rules::rain::GaugeConfig,
    sources::{camera, codecs},
};

/// `[[device_model]]`.
pub(super) fn device_models(document: &mut Document<'_>) -> Vec<codecs::ModelConfig> {
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

/// What is wrong with a button as a device.
pub(super) fn device_problems(
    button: &ButtonConfig,
    models: &[codecs::ModelConfig],
    cameras: &[(String, camera::Config)],
) -> Vec<Wrong> {
    let mut problems = Vec::new();
    if let Some(model) = &button.model {
        let configured = || models.iter().map(|model| model.id.as_str());
        let known = || codecs::built_in().chain(configured());
        if !known().any(|name| name.eq_ignore_ascii_case(model)) {
            let names: Vec<&str> = known().collect();
            let message = format!("no model is called `{model}`; known are {}", names.join(", "));
            problems.push(("model", message, did_you_mean(model, known())));
        }
    }
    if button.silent_after_s == Some(0) {
        problems.push(("silent_after_s", "0 would be silent at once".into(), None));
    }
    for id in &button.cameras {
        if !cameras.iter().any(|(_, camera)| camera.id == *id) {
            let hint = did_you_mean(id, cameras.iter().map(|(_, camera)| camera.id.as_str()));
            problems.push(("cameras", format!("no camera is called `{id}`"), hint));
        }
    }
    problems
}

/// Two lines for one device: its press, or its rain, would be somebody else's. Key, id and message.
pub(super) fn same_device(
    buttons: &[ButtonConfig],
    gauges: &[GaugeConfig],
) -> Vec<(&'static str, String, String)> {
    let mut names: HashMap<String, (&str, &str)> = HashMap::new();
    let mut wrong = Vec::new();
    let gauges = gauges.iter().map(|one| ("gauge", &one.id, one.device.as_ref()));
    let all = gauges.chain(buttons.iter().map(|one| ("button", &one.id, one.device.as_ref())));
    for (section, id, device) in all {
        for name in [Some(id), device].into_iter().flatten() {
            match names.insert(name.to_lowercase(), (section, id)) {
                // Two gauges are told where gauges are read.
                Some((of, _)) if of == "gauge" && section == "gauge" => {}
                Some((_, other)) if other != id => {
                    let message = format!("`{name}` is also how `{other}` names itself");
                    wrong.push((section, id.clone(), message));
                }
                _ => {}
            }
        }
    }
    wrong
}

/// Cameras that a press wakes: named in its line, or near enough; the nearest first.
pub(super) fn wake_cameras(
    site: &SiteConfig,
    buttons: &[ButtonConfig],
    cameras: &[(String, camera::Config)],
) -> HashMap<String, Vec<String>> {
    let near = |button: &ButtonConfig| {
        if !button.cameras.is_empty() {
            return button.cameras.clone();
        }
        let Some(here) = button.place else { return Vec::new() };
        let mut near: Vec<(f64, &str)> = cameras
            .iter()
            .filter_map(|(_, camera)| Some((metres(here, camera.place?), camera.id.as_str())))
            .filter(|(metres, _)| *metres <= site.pictures_within_m)
            .collect();
        near.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        near.into_iter().map(|(_, id)| id.to_owned()).collect()
    };
    buttons.iter().map(|button| (button.id.clone(), near(button))).collect()
}

/// Of those, the ones whose pictures go with the press: none, unless the site allows it.
pub(super) fn press_cameras(
    site: &SiteConfig,
    wakes: &HashMap<String, Vec<String>>,
) -> HashMap<String, Vec<String>> {
    if site.pictures_with_presses { wakes.clone() } else { HashMap::new() }
}

pub(super) fn listed_buttons(
    document: &mut Document<'_>,
    site: &SiteConfig,
) -> Vec<(usize, ButtonConfig)> {
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

#[cfg(test)]
mod tests {
    use crate::config::{env::FixedEnvironment, parse};

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

    #[test]
    fn a_name_is_one_devices_be_it_a_button_or_a_gauge() {
        let text = "[site]\nid = \"x\"\n[data]\npath = \"d\"\n\n[[gauge]]\nid = \"roof\"\ndevice = \"A1A1\"\n\n[[button]]\nid = \"b\"\ndevice = \"a1a1\"\n\n[[button]]\nid = \"a1a1\"\n";
        let (_, problems) = parse("a.toml", text, &FixedEnvironment::default());
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        for part in [
            "b: device: `a1a1` is also how `roof` names itself",
            "a1a1: device: `a1a1` is also how `b` names itself",
        ] {
            assert!(lines.iter().any(|line| line.contains(part)), "{part} not in {lines:#?}");
        }
    }
}
