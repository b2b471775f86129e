//! What differs between the running configuration and a new one: sections, ids and names of keys, never a value.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    hash::{DefaultHasher, Hash, Hasher},
    path::Path,
};

use serde::Serialize;
use serde_json::{Map, Value};

use super::Config;
use crate::console;

/// Files that are read once, when their section is started: their content is part of it.
/// All others are read whenever they are needed.
const READ_ONCE: &[(&str, &str)] = &[
    ("site", "grids"),
    ("life", "calendar"),
    ("routing", "table"),
    ("vehicles", "list_file"),
    ("duty", "roster"),
    ("web", "token_file"),
    ("intake", "users_file"),
    ("sink", "profile_file"),
    ("sink", "categories_file"),
    ("sink", "push_token_file"),
];

/// Sections that cannot change while the gateway runs; an empty key is all of them.
const FROZEN: &[(&str, &str)] =
    &[("data", ""), ("tracks", ""), ("site", "id"), ("model", "library")];

/// Each section's items by id, as they take effect: defaults are in it. It holds secrets (urls
/// with passwords), so it has no `Debug` and only names leave it.
#[derive(Default)]
pub(super) struct Contents(BTreeMap<(&'static str, String), Map<String, Value>>);

impl Contents {
    pub(super) fn of(config: &Config) -> Self {
        let mut contents = Self::default();
        contents.put("site", "", &config.site);
        contents.put("data", "", &config.data);
        contents.put("tracks", "", &config.tracks);
        contents.put("evidence", "", &config.evidence);
        contents.put("web", "", &config.web);
        contents.put("map", "", &config.map);
        config.reports.iter().for_each(|reports| contents.put("reports", "", reports));
        config.links.iter().for_each(|links| contents.put("links", "", links));
        contents.put("model", "", &config.model);
        config.intake.iter().for_each(|intake| contents.put("intake", "", intake));
        config.mqtt.iter().for_each(|broker| contents.put("mqtt", &broker.id, broker));
        config.cameras.iter().for_each(|camera| contents.put("camera", &camera.id, camera));
        config.drones.iter().for_each(|drone| contents.put("drone", &drone.id, drone));
        config.buttons.iter().for_each(|button| contents.put("button", &button.id, button));
        contents.put("devices", "", &config.devices);
        contents.put("life", "", &config.life);
        contents.put("routing", "", &config.routing.config);
        config.vehicles.iter().for_each(|one| contents.put("vehicles", "", &one.config));
        contents.put("duty", "", &config.routing.duty);
        config
            .device_models
            .iter()
            .for_each(|model| contents.put("device_model", &model.id, model));
        config.rules.iter().for_each(|rule| contents.put("rule", &rule.id, rule));
        config.presence.iter().for_each(|place| contents.put("presence", &place.id, place));
        let weather = &config.weather;
        weather.gauges.iter().for_each(|gauge| contents.put("gauge", &gauge.id, gauge));
        contents.put("rain", "", &weather.rain);
        contents.put("posture", "", &weather.posture);
        weather.sl651.iter().for_each(|sl651| contents.put("sl651", "", sl651));
        config.sinks.iter().for_each(|sink| contents.put("sink", sink.id().as_str(), sink));
        contents
    }

    /// Whether nothing of it differs from what it is when nothing is written.
    pub(super) fn is_default_web(web: &console::Config) -> bool {
        serde_json::to_value(web).ok() == serde_json::to_value(console::Config::default()).ok()
    }

    /// Each item: section, id, its keys.
    pub(super) fn sections(
        &self,
    ) -> impl Iterator<Item = (&'static str, &str, &Map<String, Value>)> {
        self.0.iter().map(|((section, id), keys)| (*section, id.as_str(), keys))
    }

    /// Files whose key ends with one of these words: section, id, key, file.
    pub(super) fn files(&self, ends: &[&str]) -> Vec<(&'static str, String, String, String)> {
        let mut found = Vec::new();
        for ((section, id), keys) in &self.0 {
            for (key, value) in keys {
                let file = value.as_str().filter(|_| ends.iter().any(|end| key.ends_with(end)));
                found.extend(file.map(|file| (*section, id.clone(), key.clone(), file.to_owned())));
            }
        }
        found
    }

    /// Puts back the old contents of a section that there is only one of.
    pub(super) fn keep(&mut self, section: &'static str, old: &Self) {
        let name = (section, String::new());
        match old.0.get(&name) {
            Some(keys) => self.0.insert(name, keys.clone()),
            None => self.0.remove(&name),
        };
    }

    fn put(&mut self, section: &'static str, id: &str, item: &impl Serialize) {
        // A section is a struct of plain values; one that could not be serialised would be missed here only.
        let Ok(Value::Object(mut keys)) = serde_json::to_value(item) else { return };
        for (_, key) in READ_ONCE.iter().filter(|(of, _)| *of == section) {
            let content = keys.get(*key).and_then(Value::as_str).and_then(fingerprint);
            if let Some(content) = content {
                keys.insert(format!("{key} (its content)"), content.into());
            }
        }
        self.0.insert((section, id.to_owned()), keys);
    }
}

fn fingerprint(path: &str) -> Option<u64> {
    let mut hasher = DefaultHasher::new();
    // Before it is opened: who opens a pipe waits for its other end.
    Path::new(path).is_file().then(|| std::fs::read(path).ok())??.hash(&mut hasher);
    Some(hasher.finish())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConfigChange {
    Added,
    Removed,
    Changed,
}

/// One thing that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Item {
    /// As in the file: `camera` for `[[camera]]`.
    pub section: &'static str,
    /// Empty for a section that there is only one of.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
    pub change: ConfigChange,
    /// Names of the keys, where it changed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<String>,
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.section)?;
        if !self.id.is_empty() {
            write!(f, " {}", self.id)?;
        }
        match self.change {
            ConfigChange::Added => write!(f, ": added"),
            ConfigChange::Removed => write!(f, ": removed"),
            ConfigChange::Changed => write!(f, ": {} changed", self.keys.join(", ")),
        }
    }
}

/// Everything that differs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Difference(pub Vec<Item>);

impl Difference {
    pub fn between(old: &Config, new: &Config) -> Self {
        let (old, new) = (&old.contents.0, &new.contents.0);
        let all: BTreeSet<_> = old.keys().chain(new.keys()).collect();
        let item = |name: &(&'static str, String)| {
            let (change, keys) = match (old.get(name), new.get(name)) {
                (Some(old), Some(new)) => (ConfigChange::Changed, keys_between(old, new)),
                (Some(_), None) => (ConfigChange::Removed, Vec::new()),
                (None, _) => (ConfigChange::Added, Vec::new()),
            };
            let differs = change != ConfigChange::Changed || !keys.is_empty();
            differs.then(|| Item { section: name.0, id: name.1.clone(), change, keys })
        };
        Self(all.into_iter().filter_map(item).collect())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What differs in this section.
    pub fn of<'d>(&'d self, section: &'d str) -> impl Iterator<Item = &'d Item> {
        self.0.iter().filter(move |item| item.section == section)
    }

    /// Whether this key of this item changed.
    pub fn changed(&self, section: &str, id: &str, key: &str) -> bool {
        self.of(section).any(|item| item.id == id && item.keys.iter().any(|named| named == key))
    }

    /// A sentence for each thing that cannot change while the gateway runs.
    pub fn frozen(&self) -> Vec<String> {
        let is = |section: &str, key: &str| {
            FROZEN.iter().any(|(of, named)| *of == section && (named.is_empty() || *named == key))
        };
        let keys = self.0.iter().flat_map(|item| item.keys.iter().map(|key| (item.section, key)));
        keys.filter(|(section, key)| is(section, key))
            .map(|(section, key)| {
                format!("[{section}] {key} cannot change while the gateway runs; restart it for that, or put the old value back")
            })
            .collect()
    }
}

fn keys_between(old: &Map<String, Value>, new: &Map<String, Value>) -> Vec<String> {
    let all: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    all.into_iter().filter(|key| old.get(*key) != new.get(*key)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{env::FixedEnvironment, parse};

    fn config(text: &str) -> Config {
        let (config, problems) = parse("a.toml", text, &FixedEnvironment::default());
        config.unwrap_or_else(|| panic!("{problems:?}"))
    }

    fn lines(old: &str, new: &str) -> Vec<String> {
        let difference = Difference::between(&config(old), &config(new));
        difference.0.iter().map(ToString::to_string).collect()
    }

    const SITE: &str = "[site]\nid = \"demo\"\n";

    #[test]
    fn i5_what_differs_is_told_by_name_and_never_by_value() {
        let old = format!(
            "{SITE}[[camera]]\nid = \"a\"\nurl = \"rtsp://u:s3cret@h/1\"\n[[camera]]\nid = \"b\"\nurl = \"rtsp://h/2\"\n[[button]]\nid = \"x\"\n"
        );
        let new = format!(
            "{SITE}[[camera]]\nid = \"c\"\nurl = \"rtsp://h/3\"\n[[camera]]\nid = \"a\"\nurl = \"rtsp://u:0ther@h/1\"\npre_roll_s = 9\n[intake]\nallow_anonymous = true\n[[button]]\nid = \"x\"\nname = \"y\"\n"
        );
        let told = lines(&old, &new);
        assert_eq!(
            told,
            [
                "button x: name changed",
                "camera a: pre_roll_s, url changed",
                "camera b: removed",
                "camera c: added",
                "intake: added"
            ]
        );
    }

    #[test]
    fn i6_a_default_that_is_typed_out_and_another_order_are_no_difference() {
        let old = format!(
            "{SITE}[[camera]]\nid = \"a\"\nurl = \"rtsp://h/1\"\n[[camera]]\nid = \"b\"\nurl = \"rtsp://h/2\"\n"
        );
        let new = format!(
            "{SITE}[[camera]]\nid = \"b\"\nurl = \"rtsp://h/2\"\n[[camera]]\nid = \"a\"\nurl = \"rtsp://h/1\"\ndetect_fps = 5.0\n"
        );
        assert_eq!(lines(&old, &new), Vec::<String>::new());
    }

    #[test]
    fn the_content_of_a_file_that_is_read_once_counts() {
        let folder = tempfile::tempdir().unwrap();
        let users = folder.path().join("users");
        let text = format!("{SITE}[intake]\nusers_file = \"{}\"\n", users.display());
        std::fs::write(&users, "a:b\n").unwrap();
        let old = config(&text);
        std::fs::write(&users, "a:c\n").unwrap();
        let difference = Difference::between(&old, &config(&text));
        assert_eq!(difference.0[0].to_string(), "intake: users_file (its content) changed");
    }

    #[test]
    fn what_needs_a_restart_is_said() {
        let old = config(SITE);
        let new = config("[site]\nid = \"other\"\nname = \"n\"\n[data]\npath = \"elsewhere\"\n");
        let frozen = Difference::between(&old, &new).frozen();
        assert_eq!(frozen.len(), 2, "{frozen:?}");
        assert!(frozen[0].starts_with("[data] path cannot change"), "{frozen:?}");
        assert!(frozen[1].starts_with("[site] id cannot change"), "{frozen:?}");
    }
}
