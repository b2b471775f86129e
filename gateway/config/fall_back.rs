//! A gateway must start where `site.d` is wrong: what of it is sound counts, and what does not is said.
//!
//! A file costs itself alone. In the place of `applied.toml` its latest version counts that is sound, its
//! own copy first. Where the hand-written file needs what was lost, the items of it that are wrong because
//! of that are left out last of all: presses must be taken.

use std::{collections::BTreeSet, path::Path};

use super::{
    Config, Problem, Tolerance, data_path,
    env::Environment,
    load_found, parse_how,
    read::{Document, Layer},
    site_d::{Folder, Version},
    unreadable,
};

/// Items that are left out at most, one round after the other: each may be what another one needs.
const ROUNDS_MAX: usize = 10;

/// As [`super::load`], for whoever must go on: a profile that is wrong costs its own sink
/// alone, a wrong line of the list of vehicles that line, and where it is `site.d` that is wrong, everything of it that is
/// sound counts. [`super::InEffect::set_aside`] says what does not.
pub fn load_to_run(path: &Path, environment: &dyn Environment) -> (Option<Config>, Vec<Problem>) {
    let file = path.display().to_string();
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => return (None, vec![unreadable(file, &error)]),
    };
    let folder = Folder::of(&data_path(&file, &text, environment));
    let found = folder.read();
    let is_alone = found.layers.is_empty() && found.problems.iter().all(|one| one.warning);
    let (layers, seen, applied) = (found.layers.clone(), found.current, found.applied.clone());
    let (config, problems) =
        load_found(&file, &text, found, (environment, Tolerance::FilesThatAreNamed));
    if config.is_some() || is_alone {
        return (config, problems);
    }
    let wrong = problems.iter().find(|one| !one.warning).map(ToString::to_string);
    let ground = Ground { file: &file, text: &text, environment };
    let counts = ground.what_counts(&folder, layers, applied, &problems);
    let config = counts.map(|(mut config, version, what)| {
        config.in_effect.set_aside = Some(format!("{what}: {}", wrong.unwrap_or_default()));
        config.in_effect.version = version;
        config.in_effect.seen = seen;
        config.in_effect.file = Some(path.into());
        config
    });
    (config, problems)
}

/// The hand-written file.
struct Ground<'g> {
    file: &'g str,
    text: &'g str,
    environment: &'g dyn Environment,
}

/// A configuration, the version that counts in it, and what does not count.
type Counts = (Config, Option<Version>, String);

impl Ground<'_> {
    fn what_counts(
        &self,
        folder: &Folder,
        layers: Vec<Layer>,
        applied: Option<Version>,
        problems: &[Problem],
    ) -> Option<Counts> {
        let own = folder.applied_name();
        let (mut sound, mut wrong) = (layers, names_in(problems, |_| true));
        wrong.retain(|file| folder.holds(file));
        loop {
            sound.retain(|layer| !wrong.contains(&layer.file));
            let (config, problems) = self.parse(&sound);
            let more = names_in(&problems, |file| sound.iter().any(|one| one.file == file));
            if config.is_some() || more.is_empty() {
                break;
            }
            wrong.extend(more);
        }
        let (own_layer, others): (Vec<_>, Vec<_>) =
            sound.into_iter().partition(|layer| layer.file == own);
        // What was applied, then its versions in its place; over all other files, then over those of them
        // that are sound without it.
        let as_it_is = own_layer.into_iter().map(|layer| (applied.clone(), layer));
        let versions = folder.versions_of_applied();
        let versions = versions.map(|(version, layer)| (Some(version), layer));
        let candidates: Vec<_> = as_it_is.chain(versions).collect();
        let sound = self.sound_among(&others);
        let beside = [Some(&others), sound.as_ref().filter(|sound| **sound != others)];
        for laid in beside.into_iter().flatten() {
            for (version, layer) in &candidates {
                let all: Vec<Layer> = laid.iter().chain([layer]).cloned().collect();
                let (Some(config), _) = self.parse(&all) else { continue };
                let dropped = others.iter().filter(|one| !laid.contains(one));
                wrong.extend(dropped.map(|one| one.file.clone()));
                let what = match version.as_ref().filter(|_| layer.file != own) {
                    Some(version) => format!(
                        "what was applied is wrong, and version {} of it counts instead",
                        version.version
                    ),
                    None => left_out(&wrong),
                };
                return Some((config, version.clone(), what));
            }
        }
        if let Some(laid) = sound {
            let dropped = others.iter().filter(|one| !laid.contains(one));
            wrong.extend(dropped.map(|one| one.file.clone()));
            return Some((self.parse(&laid).0?, None, none_counts(&wrong, &own)));
        }
        if wrong.is_empty() {
            return None;
        }
        let (config, items) = self.without_wrong_items(&others)?;
        let what =
            format!("{}, and so neither does {}", none_counts(&wrong, &own), items.join(", "));
        Some((config, None, what))
    }

    fn parse(&self, layers: &[Layer]) -> (Option<Config>, Vec<Problem>) {
        parse_how(self.file, self.text, layers, (self.environment, Tolerance::FilesThatAreNamed))
    }

    /// Of these files each that is sound on those before it; none: the hand-written file alone is not.
    fn sound_among(&self, layers: &[Layer]) -> Option<Vec<Layer>> {
        if self.parse(layers).0.is_some() {
            return Some(layers.to_vec());
        }
        self.parse(&[]).0?;
        let mut laid = Vec::new();
        for layer in layers {
            laid.push(layer.clone());
            if self.parse(&laid).0.is_none() {
                laid.pop();
            }
        }
        Some(laid)
    }

    /// The items that are wrong are taken away by a layer of their own; none: that does not help.
    fn without_wrong_items(&self, layers: &[Layer]) -> Option<(Config, Vec<String>)> {
        let mut away: BTreeSet<(String, String)> = BTreeSet::new();
        for _ in 0..ROUNDS_MAX {
            let removed = |(section, id): &(String, String)| {
                format!("[[{section}]]\nid = {}\nremoved = true\n", toml::Value::from(id.as_str()))
            };
            let text = away.iter().map(removed).collect();
            let last = Layer { file: "left out".into(), text };
            let all: Vec<Layer> = layers.iter().cloned().chain([last]).collect();
            let (config, problems) = self.parse(&all);
            if let Some(config) = config {
                let names = away.iter().map(|(section, id)| format!("{section} {id}")).collect();
                return Some((config, names));
            }
            let known = away.len();
            away.extend(self.wrong_items(&all, &problems));
            if away.len() == known {
                return None;
            }
        }
        None
    }

    /// Section and id of each item that a problem names.
    fn wrong_items(&self, layers: &[Layer], problems: &[Problem]) -> Vec<(String, String)> {
        let Ok(mut document) = Document::parse(self.file, self.text, self.environment) else {
            return Vec::new();
        };
        layers.iter().for_each(|layer| document.lay(layer));
        let item = |problem: &Problem| {
            let (section, rest) = problem.key.split_once('[')?;
            // In problems items count from 1.
            let index = rest.split_once(']')?.0.parse::<usize>().ok()?.checked_sub(1)?;
            let id = document.text_at(&[section, &index.to_string(), "id"])?;
            Some((section.to_owned(), id))
        };
        problems.iter().filter(|one| !one.warning).filter_map(item).collect()
    }
}

/// Files that an error names.
fn names_in(problems: &[Problem], is_one: impl Fn(&str) -> bool) -> BTreeSet<String> {
    let errors = problems.iter().filter(|one| !one.warning && is_one(&one.file));
    errors.map(|one| one.file.clone()).collect()
}

fn left_out(wrong: &BTreeSet<String>) -> String {
    let names: Vec<&str> =
        wrong.iter().map(|file| file.rsplit('/').next().unwrap_or(file)).collect();
    format!("{} does not count, and all else does", names.join(", "))
}

fn none_counts(wrong: &BTreeSet<String>, own: &str) -> String {
    match wrong.iter().any(|file| file != own) && !wrong.contains(own) {
        true => left_out(wrong),
        false => "what was applied is wrong, and none of it counts".into(),
    }
}
