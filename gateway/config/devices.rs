//! What is wrong between the devices: unknown models, names used twice; and which cameras are near a button.

use std::{collections::HashMap, path::PathBuf};

use super::{
    button::ButtonConfig,
    button_list::read_buttons,
    datums::row_to_wgs84,
    place::{Sources, Wrong, metres},
    problem::did_you_mean,
    read::Document,
    sections::Items,
    site::SiteConfig,
    used_ids::UsedIds,
};
use crate::{
    rules::rain::GaugeConfig,
    sources::{camera, codecs},
};

/// Two `[[device_model]]` of one name.
pub(super) fn check_models(document: &mut Document<'_>, models: &Items<codecs::ModelConfig>) {
    let mut ids = UsedIds::default();
    for (index, model) in models {
        if let Some(message) = ids.twice_in_any_case(&model.id) {
            document.problem(&["device_model", index, "id"], message, None);
        }
    }
}

/// What is wrong with each `[[button]]` as a device.
pub(super) fn check_buttons(
    document: &mut Document<'_>,
    buttons: &Items<ButtonConfig>,
    models: &Items<codecs::ModelConfig>,
    cameras: &Items<camera::Config>,
) {
    for (index, button) in buttons {
        for (key, message, hint) in device_problems(button, models, cameras) {
            document.problem(&["button", index, key], message, hint);
        }
    }
}

fn device_problems(
    button: &ButtonConfig,
    models: &Items<codecs::ModelConfig>,
    cameras: &Items<camera::Config>,
) -> Vec<Wrong> {
    let mut problems = Vec::new();
    if let Some(model) = &button.model {
        let configured = || models.iter().map(|(_, model)| model.id.as_str());
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

/// Buttons of the list that `[site] buttons` names, each with its row. They are placed and
/// checked as those of the file are.
pub(super) struct ListedButtons {
    file: PathBuf,
    pub(super) rows: Vec<(usize, ButtonConfig)>,
}

impl ListedButtons {
    pub(super) fn read(
        document: &mut Document<'_>,
        site: &SiteConfig,
        models: &Items<codecs::ModelConfig>,
        cameras: &Items<camera::Config>,
        sources: &mut Sources<'_>,
    ) -> Self {
        let file = site.buttons.clone().unwrap_or_default();
        let mut rows = rows(document, site);
        rows.iter_mut().for_each(|(_, button)| row_to_wgs84(site, button));
        rows.retain(|(line, button)| {
            let at = (file.as_path(), *line);
            if let Some(message) = sources.twice(&button.id) {
                document.foreign(at, "id", message, None);
                return false;
            }
            let problems = device_problems(button, models, cameras);
            for (key, message, hint) in
                problems.into_iter().chain(sources.put(&button.into()).err())
            {
                document.foreign(at, key, message, hint);
            }
            if let Some(message) = sources.outside(&button.into()) {
                document.foreign_warning(at, "place", message);
            }
            true
        });
        Self { file, rows }
    }

    /// Two lines for one device, reported at the row where it is one of these.
    pub(super) fn check_same_device(
        &self,
        document: &mut Document<'_>,
        buttons: &Items<ButtonConfig>,
        gauges: &Items<GaugeConfig>,
    ) {
        let rows = self.rows.iter().map(|(_, button)| button);
        let all = buttons.iter().map(|(_, button)| button).chain(rows);
        let gauges = gauges.iter().map(|(_, gauge)| gauge);
        let line_of = |id: &str| self.rows.iter().find(|(_, button)| button.id == id);
        for (section, id, message) in same_device(all, gauges) {
            match line_of(&id) {
                Some((line, _)) => document.foreign((&self.file, *line), "device", message, None),
                None => document.problem(&[section], format!("{id}: device: {message}"), None),
            }
        }
    }
}

fn rows(document: &mut Document<'_>, site: &SiteConfig) -> Vec<(usize, ButtonConfig)> {
    let Some(path) = &site.buttons else { return Vec::new() };
    match read_buttons(path) {
        Ok((buttons, bad)) => {
            for (line, message) in bad {
                document.foreign((path, line), "", message, None);
            }
            buttons
        }
        Err(message) => {
            document.problem(&["site", "buttons"], format!("{}: {message}", path.display()), None);
            Vec::new()
        }
    }
}

/// Two entries for one device: its press, or its rain, would count for somebody else. Section, id
/// and message.
fn same_device<'c>(
    buttons: impl Iterator<Item = &'c ButtonConfig>,
    gauges: impl Iterator<Item = &'c GaugeConfig>,
) -> Vec<(&'static str, String, String)> {
    let mut names: HashMap<String, (&str, &String)> = HashMap::new();
    let mut wrong = Vec::new();
    let gauges = gauges.map(|one| ("gauge", &one.id, one.device.as_ref()));
    let all = gauges.chain(buttons.map(|one| ("button", &one.id, one.device.as_ref())));
    for (section, id, device) in all {
        for name in [Some(id), device].into_iter().flatten() {
            match names.insert(name.to_lowercase(), (section, id)) {
                // Two gauges: the check of the gauges reports them.
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
    cameras: &Items<camera::Config>,
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
    fn a_place_in_no_grid_is_a_warning_at_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let square =
            r#"{"type":"Polygon","coordinates":[[[113,30],[114,30],[114,31],[113,31],[113,30]]]}"#;
        let grids = format!(
            r#"{{"type":"FeatureCollection","features":[{{"type":"Feature","properties":{{"code":"G1","name":"g"}},"geometry":{square}}}]}}"#
        );
        let grids = file("g.json", &grids);
        let list =
            file("b.csv", "id,lon,lat,grid\nin,113.5,30.5,\nout,30.5,60.5,\nnamed,30.5,60.5,G1\n");
        let text = format!(
            "[site]\nid = \"x\"\nplace = [113.5, 30.5]\ngrids = {grids:?}\nbuttons = {list:?}\n[[button]]\nid = \"a\"\nplace = [1.0, 2.0]\n[[button]]\nid = \"b\"\n"
        );
        let (config, problems) = parse("a.toml", &text, &FixedEnvironment::default());
        assert!(config.is_some(), "a warning stops nothing");
        let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(told.len(), 2, "{told:#?}");
        for part in [
            "a.toml:8: warning: button[1].place: [1, 2] lies in none of the 1 grids",
            "b.csv:3: warning: place: [30.5, 60.5] lies in none",
        ] {
            assert!(told.iter().any(|line| line.contains(part)), "{part} not in {told:#?}");
        }
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

    #[test]
    fn all_that_is_wrong_with_the_names_of_a_row_is_reported_at_that_row() {
        let folder = tempfile::tempdir().unwrap();
        let list = folder.path().join("b.csv");
        std::fs::write(&list, "id,name,device\nrow,a,roof\nlate,b,row\n").unwrap();
        let text = format!(
            "[site]\nid = \"x\"\nbuttons = {list:?}\n[[button]]\nid = \"b\"\ndevice = \"ROW\"\n[[gauge]]\nid = \"roof\"\n"
        );
        let (_, problems) = parse("a.toml", &text, &FixedEnvironment::default());
        let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
        let at = |line: usize, name: &str, other: &str| {
            let list = list.display();
            format!("{list}:{line}: error: device: `{name}` is also how `{other}` names itself")
        };
        assert_eq!(told, [at(2, "row", "b"), at(2, "roof", "roof"), at(3, "row", "row")]);
    }
}
