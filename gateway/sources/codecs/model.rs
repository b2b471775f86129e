//! Models of devices: which of their actions is a press, how often they speak, and how a foreign JSON is read.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[[device_model]]`: a model of buttons by the name that the column `model` uses. One of the
/// built-in names changes that model. With `topic`, it also says how to read a JSON message that
/// no built-in dialect knows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelConfig {
    /// Name of the model.
    pub id: String,
    /// Actions that call for help, as the device words them (`emergency`, `single`, `long press`).
    /// Default: those of the built-in model, else every kind of press.
    #[serde(default)]
    pub press: Vec<String>,
    /// Actions that take a call back (often a long press). Default none: then they call too.
    #[serde(default)]
    pub cancel: Vec<String>,
    /// Actions that only try the button.
    #[serde(default)]
    pub test: Vec<String>,
    /// Actions that mean nothing here; `*` is all others.
    #[serde(default)]
    pub ignore: Vec<String>,
    /// A device of this model that is not heard for longer is an incident, seconds. Default: what
    /// the built-in model says, else it is not watched for silence.
    #[serde(default)]
    pub silent_after_s: Option<u64>,
    /// MQTT topic filter of its messages, e.g. `factory/+/up`; the first `+` is the device's name.
    #[serde(default)]
    pub topic: Option<String>,
    /// JSON pointer (RFC 6901) to the device's name, where the topic does not say it: `/sn`.
    #[serde(default)]
    pub device: Option<String>,
    /// JSON pointer to what it did: `/data/type`. Its value is looked up in `press`, `cancel`,
    /// `test`; numbers and booleans count as their text. Without it, every message is a press.
    #[serde(default)]
    pub action: Option<String>,
    /// JSON pointer to the device's own id of this press.
    #[serde(default)]
    pub event_id: Option<String>,
    /// JSON pointer to its time: RFC 3339, or seconds or milliseconds since 1970.
    #[serde(default)]
    pub at: Option<String>,
    /// JSON pointer to the battery, percent.
    #[serde(default)]
    pub battery: Option<String>,
    /// JSON pointer to a value that is true, 1 or `TRUE` while it is tampered with.
    #[serde(default)]
    pub tamper: Option<String>,
    /// JSON pointer to how well it is received, percent.
    #[serde(default)]
    pub link: Option<String>,
}

/// Errors as (key, message).
pub fn problems(model: &ModelConfig) -> Vec<(&'static str, String)> {
    let mut problems = Vec::new();
    if model.id.is_empty() {
        problems.push(("id", "is empty".into()));
    }
    if let Some(topic) = &model.topic {
        let bad = topic.is_empty()
            || topic
                .split('/')
                .any(|level| level.len() > 1 && (level.contains('+') || level.contains('#')))
            || topic.find('#').is_some_and(|at| at + 1 != topic.len());
        if bad {
            problems.push((
                "topic",
                format!("`{topic}`: expected an MQTT filter such as factory/+/up"),
            ));
        }
    }
    for (key, pointer) in [
        ("device", &model.device),
        ("action", &model.action),
        ("event_id", &model.event_id),
        ("at", &model.at),
        ("battery", &model.battery),
        ("tamper", &model.tamper),
        ("link", &model.link),
    ] {
        let Some(pointer) = pointer else { continue };
        if !pointer.starts_with('/') {
            problems
                .push((key, format!("`{pointer}`: expected a JSON pointer such as /data/{key}")));
        } else if model.topic.is_none() {
            problems.push((key, "needs `topic` beside it: which messages it is about".into()));
        }
    }
    if model.silent_after_s == Some(0) {
        problems.push((
            "silent_after_s",
            "0 would be silent at once; leave it out to watch for nothing".into(),
        ));
    }
    problems
}

const HOUR: u64 = 3_600;
/// Zigbee2MQTT calls a battery device gone after 25 h; an hour more, so that it says so first.
pub(super) const ZIGBEE_SILENT_AFTER_S: u64 = 26 * HOUR;
/// Many LoRaWAN buttons report once or twice a day; one message lost on the air is no fault.
pub(super) const LORA_SILENT_AFTER_S: u64 = 49 * HOUR;
/// Tasmota reports every 300 s (TelePeriod); a dozen missing is a fault.
pub(super) const WIFI_SILENT_AFTER_S: u64 = HOUR;

/// Name; actions that call; how often it is heard at the least, seconds.
type BuiltIn = (&'static str, &'static [&'static str], u64);

/// Actions as the pages of Zigbee2MQTT and the makers' payload decoders name them. Milesight's user
/// guide gives 1080 min as the WS101's reporting interval: two of them and an hour. Where no page
/// gives an interval, [`LORA_SILENT_AFTER_S`] stands.
const BUILT_IN: &[BuiltIn] = &[
    ("native", &[], 0),
    ("ts0215a", &["emergency"], ZIGBEE_SILENT_AFTER_S),
    ("hs1eb", &["single", "double", "hold"], ZIGBEE_SILENT_AFTER_S),
    ("se20-o", &["single"], ZIGBEE_SILENT_AFTER_S),
    ("mir-so100", &["single", "double", "hold"], ZIGBEE_SILENT_AFTER_S),
    ("seb01zb", &["sos"], ZIGBEE_SILENT_AFTER_S),
    ("sbtzb-110", &["single"], ZIGBEE_SILENT_AFTER_S),
    ("ws101", &["short press", "long press", "double press"], 37 * HOUR),
    ("pb01", &["alarm"], LORA_SILENT_AFTER_S),
    ("tasmota", &[], WIFI_SILENT_AFTER_S),
    ("esphome", &[], WIFI_SILENT_AFTER_S),
];

/// Names of the built-in models, for messages.
pub fn built_in<'n>() -> impl Iterator<Item = &'n str> {
    BUILT_IN.iter().map(|(name, ..)| *name)
}

/// How often a model is heard at the least, seconds, if it is known.
pub fn silent_after_s(model: &str, configured: &[ModelConfig]) -> Option<u64> {
    configured
        .iter()
        .find(|one| one.id.eq_ignore_ascii_case(model))
        .and_then(|one| one.silent_after_s)
        .or_else(|| {
            let (.., seconds) =
                BUILT_IN.iter().find(|(name, ..)| name.eq_ignore_ascii_case(model))?;
            (*seconds > 0).then_some(*seconds)
        })
}

/// What an action means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    Press,
    Cancel,
    Test,
    Nothing,
}

/// A model as the codecs use it.
#[derive(Debug, Default)]
pub(super) struct Model {
    pub(super) name: String,
    press: Vec<String>,
    cancel: Vec<String>,
    test: Vec<String>,
    ignore: Vec<String>,
    pub(super) silent_after_s: Option<u64>,
}

impl Model {
    pub(super) fn of(name: &str, configured: &[ModelConfig]) -> Self {
        let own = configured.iter().find(|one| one.id.eq_ignore_ascii_case(name));
        let built_in = BUILT_IN.iter().find(|(of, ..)| of.eq_ignore_ascii_case(name));
        let lower = |words: &[String]| words.iter().map(|word| word.to_lowercase()).collect();
        let mut model = own.map_or_else(Self::default, |own| Self {
            press: lower(&own.press),
            cancel: lower(&own.cancel),
            test: lower(&own.test),
            ignore: lower(&own.ignore),
            ..Self::default()
        });
        if let (true, Some((_, press, _))) = (model.press.is_empty(), built_in) {
            model.press = press.iter().map(|word| (*word).to_owned()).collect();
        }
        model.name = name.to_lowercase();
        model.silent_after_s = silent_after_s(name, configured);
        model
    }
}

/// Words of an action that only a call for help has.
const CALLS: &[&str] = &["emergency", "panic", "sos", "alarm", "help"];
/// Words of a press of any button.
const PRESSES: &[&str] = &[
    "single",
    "double",
    "triple",
    "quad",
    "penta",
    "quadruple",
    "many",
    "hold",
    "long",
    "short",
    "press",
    "pressed",
    "click",
    "push",
];

/// Strange actions of a known model, and of an unknown one everything that sounds like a press,
/// call for help: one call too many is better than one too few.
pub(super) fn act(model: Option<&Model>, action: &str) -> Act {
    let action = action.trim().to_lowercase();
    if action.is_empty() {
        return Act::Nothing;
    }
    if let Some(model) = model {
        let has = |words: &[String]| words.contains(&action);
        if has(&model.cancel) {
            return Act::Cancel;
        } else if has(&model.test) {
            return Act::Test;
        } else if has(&model.press) {
            return Act::Press;
        } else if has(&model.ignore) || model.ignore.iter().any(|word| word == "*") {
            return Act::Nothing;
        }
    }
    let words = || action.split(|c: char| !c.is_alphanumeric());
    if words().any(|word| word == "release") {
        return Act::Nothing;
    }
    if words().any(|word| word == "test") {
        return Act::Test;
    }
    let listed = model.is_some_and(|model| !model.press.is_empty());
    let calls = words().any(|word| CALLS.contains(&word));
    let pressed = !listed && words().any(|word| PRESSES.contains(&word));
    if calls || pressed { Act::Press } else { Act::Nothing }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_action_means() {
        let configured = [
            ModelConfig {
                id: "WS101".into(),
                cancel: vec!["Long press".into()],
                ..ModelConfig::default()
            },
            ModelConfig { id: "remote".into(), ignore: vec!["*".into()], ..ModelConfig::default() },
        ];
        let model = |name: &str| Model::of(name, &configured);
        let table = [
            (None, "emergency", Act::Press),
            (None, "single", Act::Press),
            (None, "2_single", Act::Press),
            (None, "button_1_hold", Act::Press),
            (None, "hold_release", Act::Nothing),
            (None, "brightness_move_up", Act::Nothing),
            (None, "disarm", Act::Nothing),
            (None, "", Act::Nothing),
            (Some("ws101"), "short press", Act::Press),
            (Some("ws101"), "long press", Act::Cancel),
            (Some("sbtzb-110"), "single", Act::Press),
            (Some("sbtzb-110"), "double", Act::Nothing),
            (Some("sbtzb-110"), "emergency", Act::Press),
            (Some("remote"), "single", Act::Nothing),
            (Some("hs1eb"), "off", Act::Nothing),
        ];
        for (name, action, expected) in table {
            let model = name.map(model);
            assert_eq!(act(model.as_ref(), action), expected, "{name:?} {action}");
        }
        assert_eq!(silent_after_s("ws101", &configured), Some(37 * 3_600));
        assert_eq!(silent_after_s("native", &configured), None);
    }
}
