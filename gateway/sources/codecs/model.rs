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
    /// `test`, without regard to case; `1`, `1.0`, `"1"` and `true` are the same value, and so are `0`
    /// and `false`. Where `press` names values, no other value is a press. Without `action`, every
    /// message is a press.
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
    (
        "ws101",
        // The maker's decoders say `short press`, `short` or the number itself; `unknown` is a mode of a
        // later firmware.
        &[
            "short press",
            "long press",
            "double press",
            "short",
            "long",
            "double",
            "unknown",
            "1",
            "2",
            "3",
        ],
        37 * HOUR,
    ),
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
    /// It is known, and about no press.
    Nothing,
    /// Nobody knows the word.
    Unknown,
}

impl Act {
    /// Of two that one message holds, the higher one counts.
    pub(super) fn rank(self) -> u8 {
        match self {
            Self::Nothing | Self::Unknown => 0,
            Self::Test => 1,
            Self::Cancel => 2,
            Self::Press => 3,
        }
    }
}

/// A model as the codecs use it.
#[derive(Debug, Default)]
pub(super) struct Model {
    pub(super) name: String,
    press: Vec<String>,
    cancel: Vec<String>,
    test: Vec<String>,
    ignore: Vec<String>,
    /// The site has named what is a press: nothing else is one.
    decides_alone: bool,
    pub(super) silent_after_s: Option<u64>,
}

impl Model {
    pub(super) fn of(name: &str, configured: &[ModelConfig]) -> Self {
        let own = configured.iter().find(|one| one.id.eq_ignore_ascii_case(name));
        let built_in = BUILT_IN.iter().find(|(of, ..)| of.eq_ignore_ascii_case(name));
        let lower = |words: &[String]| words.iter().map(|word| same_value(word)).collect();
        let mut model = own.map_or_else(Self::default, |own| Self {
            press: lower(&own.press),
            cancel: lower(&own.cancel),
            test: lower(&own.test),
            ignore: lower(&own.ignore),
            decides_alone: !own.press.is_empty(),
            ..Self::default()
        });
        if let (true, Some((_, press, _))) = (model.press.is_empty(), built_in) {
            model.press = press.iter().map(|word| (*word).to_owned()).collect();
        }
        model.name = name.to_lowercase();
        model.silent_after_s = silent_after_s(name, configured);
        model
    }

    /// Whether it names any value at all.
    pub(super) fn names_any(&self) -> bool {
        [&self.press, &self.cancel, &self.test, &self.ignore].iter().any(|all| !all.is_empty())
    }
}

/// Words of an action that only a call for help has.
const CALLS: &[&str] = &[
    "emergency",
    "panic",
    "sos",
    "alarm",
    "help",
    "urgent",
    "distress",
    "duress",
    "assist",
    "assistance",
    "rescue",
    "call",
];
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
    "clicked",
    "push",
    "pushed",
    "toggle",
];
/// The same in Chinese, where no space stands between words: what holds one of these is about it.
const CALLS_ZH: &[&str] = &["报警", "警报", "紧急", "呼叫"];
/// Only a person says these: what else stands beside them does not matter.
const CRIES_ZH: &[&str] = &["求助", "求救", "救命", "呼救"];
const PRESSES_ZH: &[&str] = &["按下", "单击", "双击", "长按", "短按"];
/// Battery, tamper, the finger that lets go, a sign of life, the end of an alarm.
const BESIDE_ZH: &[&str] = &[
    "电量", "电池", "电压", "欠压", "防拆", "拆除", "拆机", "拆卸", "松开", "释放", "抬起", "心跳",
    "解除", "恢复", "取消", "撤销", "复位",
];
/// As the whole word only.
const NOTHING_ZH: &[&str] =
    &["正常", "无", "空闲", "关", "关闭", "上线", "在线", "离线", "下线", "开机", "状态"];
const OVER_ZH: &[&str] = &["解除", "恢复", "取消", "撤销", "复位"];
const TESTS_ZH: &[&str] = &["测试", "试验"];
/// What is said when nothing is: the values of a button that is not pressed.
const NOTHING: &[&str] = &[
    "",
    "0",
    "off",
    "no",
    "none",
    "null",
    "nan",
    "undefined",
    "idle",
    "normal",
    "clear",
    "cleared",
    "inactive",
];
/// Words of a device that lives, and of what is reported by itself.
const LIVES: &[&str] =
    &["heartbeat", "alive", "keepalive", "ping", "pong", "online", "offline", "boot", "status"];
/// Where one of these is part of it, it is about something else than a press.
const BESIDE: &[&str] = &["release", "released", "tamper", "tampered", "battery"];

/// A word as words are compared: lower case; numbers and booleans by their value.
pub(super) fn same_value(word: &str) -> String {
    let word = word.trim().to_lowercase();
    match word.as_str() {
        "true" => "1".into(),
        "false" => "0".into(),
        _ => match word.parse::<f64>() {
            Ok(number) if number.is_finite() && number.fract() == 0.0 && number.abs() < 9e15 => {
                format!("{}", number as i64)
            }
            _ => word,
        },
    }
}

/// Lower case, with a space between its words: `shortRelease` and `short_release` are `short release`.
pub(super) fn apart(word: &str) -> String {
    let mut apart = String::with_capacity(word.len() + 4);
    let mut after_lower = false;
    for c in word.trim().chars() {
        if !c.is_alphanumeric() || (after_lower && c.is_uppercase()) {
            apart.push(' ');
        }
        if c.is_alphanumeric() {
            apart.extend(c.to_lowercase());
        }
        after_lower = c.is_lowercase();
    }
    apart
}

/// Whether the name of a key says that a press may stand under it: `sosEvent`, `Button_1`. Not what
/// counts or sets something.
pub(super) fn names_a_call(key: &str) -> bool {
    const BUTTONS: &[&str] =
        &["button", "btn", "press", "pressed", "click", "clicked", "push", "alert", "buttonevent"];
    const SETS: &[&str] = &[
        "count",
        "counter",
        "counts",
        "threshold",
        "interval",
        "mode",
        "time",
        "timer",
        "volume",
        "enable",
        "enabled",
        "version",
        "id",
        "msgid",
        "delay",
        "duration",
        "limit",
        "test",
    ];
    let apart = apart(key);
    let any = |of: &[&str]| {
        apart
            .split(' ')
            .any(|word| of.contains(&word.trim_end_matches(|c: char| c.is_ascii_digit())))
    };
    let zh = [CALLS_ZH, CRIES_ZH, PRESSES_ZH].concat().iter().any(|part| key.contains(part));
    (any(CALLS) || any(BUTTONS) || zh || key.contains("按钮")) && !any(SETS) && !any(BESIDE)
}

/// What a word means under a key that carries presses, in this order: as its model names it; known
/// words that are about no press; of a button (`is_button`: listed, or on a topic for presses
/// alone) any other word is a press, for one call too many is better than one too few; of
/// anything else only what sounds like a press.
///
/// Where the site itself has named what is a press, no other word is one. A built-in model says
/// what is known of it, so words that only a call for help has are presses there too.
pub(super) fn act(model: Option<&Model>, is_button: bool, word: &str) -> Act {
    let apart = apart(word);
    let word = same_value(word);
    if let Some(model) = model {
        let has = |words: &[String]| words.contains(&word);
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
    let any = |of: &[&str]| apart.split(' ').any(|word| of.contains(&word));
    let holds = |of: &[&str]| of.iter().any(|part| word.contains(part));
    let cries = holds(CRIES_ZH) && !holds(OVER_ZH);
    let is_none = [NOTHING, LIVES, NOTHING_ZH].iter().any(|all| all.contains(&word.as_str()));
    if is_none || any(BESIDE) || (holds(BESIDE_ZH) && !cries) {
        return Act::Nothing;
    }
    if any(&["test"]) || holds(TESTS_ZH) {
        return Act::Test;
    }
    if model.is_some_and(|model| model.decides_alone) {
        return Act::Unknown;
    }
    let names_presses = model.is_some_and(|model| !model.press.is_empty());
    let sounds_pressed = any(PRESSES) || holds(PRESSES_ZH) || word == "1" || word == "on";
    let sounds = any(CALLS) || cries || holds(CALLS_ZH) || (!names_presses && sounds_pressed);
    if sounds || (is_button && !names_presses) { Act::Press } else { Act::Unknown }
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
            ModelConfig { id: "own".into(), press: vec!["1".into()], ..ModelConfig::default() },
        ];
        let model = |name: &str| Model::of(name, &configured);
        let table = [
            (None, false, "emergency", Act::Press),
            (None, false, "single", Act::Press),
            (None, false, "2_single", Act::Press),
            (None, false, "button_1_hold", Act::Press),
            (None, false, "TOGGLE", Act::Press),
            (None, false, "求助", Act::Press),
            (None, false, "hold_release", Act::Nothing),
            (None, false, "brightness_move_up", Act::Unknown),
            (None, true, "brightness_move_up", Act::Press),
            (None, false, "disarm", Act::Unknown),
            (None, true, "disarm", Act::Press),
            (None, true, "sos_release", Act::Nothing),
            (None, true, "Release", Act::Nothing),
            (None, true, "7", Act::Press),
            (None, true, "1.0", Act::Press),
            (None, true, "0.0", Act::Nothing),
            (None, true, "false", Act::Nothing),
            (None, true, "TRUE", Act::Press),
            (None, true, "OFF", Act::Nothing),
            (None, true, "null", Act::Nothing),
            (None, true, "", Act::Nothing),
            (None, true, "battery_low", Act::Nothing),
            (None, true, "self_test", Act::Test),
            (None, true, "tamper-alarm", Act::Nothing),
            (Some("ws101"), true, "short press", Act::Press),
            (Some("ws101"), true, "long press", Act::Cancel),
            (Some("ws101"), true, "short", Act::Press),
            (Some("ws101"), true, "3", Act::Press),
            (Some("ws101"), true, "0", Act::Nothing),
            (Some("ws101"), true, "sixfold press", Act::Unknown),
            (Some("sbtzb-110"), true, "single", Act::Press),
            (Some("sbtzb-110"), true, "double", Act::Unknown),
            (Some("sbtzb-110"), true, "emergency", Act::Press),
            (Some("own"), true, "1.0", Act::Press),
            (Some("own"), true, "true", Act::Press),
            (Some("own"), true, "01", Act::Press),
            (Some("own"), true, "2", Act::Unknown),
            (Some("own"), true, "emergency", Act::Unknown),
            (Some("own"), true, "0", Act::Nothing),
            (Some("remote"), true, "single", Act::Nothing),
            (Some("hs1eb"), true, "off", Act::Nothing),
        ];
        for (name, is_button, action, expected) in table {
            let model = name.map(model);
            assert_eq!(act(model.as_ref(), is_button, action), expected, "{name:?} {action}");
        }
        assert_eq!(silent_after_s("ws101", &configured), Some(37 * 3_600));
        assert_eq!(silent_after_s("native", &configured), None);
    }

    #[test]
    fn words_without_spaces_between_them() {
        let table = [
            (None, true, "shortRelease", Act::Nothing),
            (None, false, "longPress", Act::Press),
            (None, false, "buttonPressed", Act::Press),
            (None, false, "SOS", Act::Press),
            (None, false, "一键报警", Act::Press),
            (None, false, "低电量求助", Act::Press),
            (None, true, "低电量", Act::Nothing),
            (None, true, "低电压报警", Act::Nothing),
            (None, true, "防拆报警", Act::Nothing),
            (None, true, "报警解除", Act::Nothing),
            (None, true, "取消求助", Act::Nothing),
            (None, true, "心跳", Act::Nothing),
            (None, true, "正常", Act::Nothing),
            (None, true, "不正常", Act::Press),
            (None, true, "测试", Act::Test),
        ];
        for (model, is_button, action, expected) in table {
            assert_eq!(act(model, is_button, action), expected, "{action}");
        }
    }
}
