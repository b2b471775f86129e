//! `[[presence]]`: a place at which devices are counted, and what is wrong with one.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{domain::PRESENCE_STEP, sources::topic_filter};

/// No sensor of a place may be silent for a shorter time: at night there may be nobody to hear.
const SILENT_AFTER_S_MIN: u64 = 300;
const SENSORS_MAX: usize = 16;

/// `[[presence]]`: how many devices are at a place, by what Wi-Fi sensors hear; no address is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub id: String,
    /// For people; default the id.
    #[serde(default)]
    pub name: String,
    /// Longitude and latitude of its middle, degrees; default the site's.
    #[serde(default)]
    pub place: Option<[f64; 2]>,
    /// Code of its grid; default the one that `place` lies in.
    #[serde(default)]
    pub grid: Option<String>,
    /// Topics of its sensors, one each; `+` and `#` as MQTT has them.
    #[serde(default)]
    pub topics: Vec<String>,
    /// The `[[mqtt]]` at which they are asked for, by a connection that keeps nothing there. Without it they come to
    /// the intake.
    #[serde(default)]
    pub broker: Option<String>,
    /// A user of the intake: whatever he says, on any topic, is a sensor's.
    #[serde(default)]
    pub user: Option<String>,
    /// Fewer devices than this are not told; 10 (the default), 20, 30 … 1000.
    #[serde(default = "k")]
    pub k: u32,
    /// Seconds that are counted as one, after which nothing is left of them but numbers: 60 to 3600, so that an hour
    /// has whole ones; default 600.
    #[serde(default = "period_s")]
    pub period_s: u32,
    /// Incidents so many metres away are told how many devices are here, 1 to 5000; default 150. Beyond it, those of
    /// its grid.
    #[serde(default = "within_m")]
    pub within_m: u32,
    /// What is heard weaker than this, in dBm, is not counted: -100 to -20; default: all.
    #[serde(default)]
    pub rssi_min: Option<i32>,
    /// A sensor that is silent for longer is an incident, at least 300 s; default 3600.
    #[serde(default = "silent_after_s")]
    pub silent_after_s: u64,
}

fn k() -> u32 {
    PRESENCE_STEP
}

fn period_s() -> u32 {
    600
}

fn within_m() -> u32 {
    150
}

fn silent_after_s() -> u64 {
    3_600
}

impl Config {
    /// Errors as (key, message).
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        let mut wrong = |key, message: String| problems.push((key, message));
        if self.k < PRESENCE_STEP {
            let message = format!(
                "{} would tell of so few that each is known: at least {PRESENCE_STEP}",
                self.k
            );
            wrong("k", message);
        } else if !self.k.is_multiple_of(PRESENCE_STEP) || self.k > 1_000 {
            let message = "expected 10, 20, 30 … 1000: what is told is a multiple of ten";
            wrong("k", message.into());
        }
        if !(60..=3_600).contains(&self.period_s) || !3_600u32.is_multiple_of(self.period_s) {
            let message =
                "expected a whole part of an hour, 60 to 3600 seconds: 300, 600, 900 …".into();
            wrong("period_s", message);
        }
        if !(1..=5_000).contains(&self.within_m) {
            wrong("within_m", "expected 1 to 5000".into());
        }
        if self.rssi_min.is_some_and(|least| !(-100..=-20).contains(&least)) {
            wrong("rssi_min", "expected -100 to -20 (dBm)".into());
        }
        if self.silent_after_s < SILENT_AFTER_S_MIN {
            wrong("silent_after_s", format!("expected at least {SILENT_AFTER_S_MIN}"));
        }
        if self.topics.is_empty() && self.user.is_none() {
            wrong("topics", "what does its sensor speak on? give topics, or a user".into());
        }
        if self.topics.is_empty() && self.broker.is_some() {
            wrong("broker", "which topics are asked for there?".into());
        }
        if self.topics.len() > SENSORS_MAX {
            wrong("topics", format!("at most {SENSORS_MAX} sensors a place"));
        }
        for topic in &self.topics {
            if let Some(what) = topic_filter::problem(topic) {
                wrong("topics", format!("`{topic}`: {what}"));
            } else if let Some(family) = speaks_of_buttons(topic) {
                let message = format!(
                    "`{topic}`: buttons speak on `{family}`, and none of their messages may count as a sensor's; name the sensor's topics one by one"
                );
                wrong("topics", message);
            } else if topic_filter::overlaps(topic, "gridpost/#") {
                let message = format!(
                    "`{topic}`: buttons, gauges and replies speak there; what sensors say has topics of its own"
                );
                wrong("topics", message);
            }
        }
        problems
    }

    /// Its sensors as devices: the id of its only one, else `id/1`, `id/2` …
    pub fn sensors(&self) -> Vec<String> {
        match self.topics.len() + usize::from(self.user.is_some()) {
            1 => vec![self.id.clone()],
            several => (1..=several).map(|n| format!("{}/{n}", self.id)).collect(),
        }
    }
}

/// Where buttons of other makers speak, on brokers and at the intake.
const BUTTON_FAMILIES: &[&str] = &[
    "zigbee2mqtt/#",
    "application/#",
    "v3/#",
    "shellies/#",
    "+/events/rpc",
    "tele/#",
    "stat/#",
    "thing/#",
    "homeassistant/#",
];

/// A wildcard that takes a press too: it would be counted, and never be an alarm.
fn speaks_of_buttons(topic: &str) -> Option<&'static str> {
    let wild = topic.contains(['+', '#']);
    let mut families = BUTTON_FAMILIES.iter().copied();
    families.find(|family| wild && topic_filter::overlaps(topic, family))
}

/// Topics that two places would count, or that an ordinary subscription of a broker takes too: index of the place,
/// key and message.
pub fn clashes<'c>(
    places: &'c [&'c Config],
    brokers: impl Iterator<Item = (&'c str, &'c [String])>,
) -> Vec<(usize, &'static str, String)> {
    let mut clashes = Vec::new();
    for (at, one) in places.iter().enumerate() {
        for other in &places[..at] {
            let shared = one.topics.iter().find(|topic| {
                other.topics.iter().any(|theirs| topic_filter::overlaps(topic, theirs))
            });
            if let Some(topic) = shared {
                let message = format!(
                    "`{topic}` is of `{}` too: a message is counted at one place",
                    other.id
                );
                clashes.push((at, "topics", message));
            }
            if one.user.is_some() && one.user == other.user {
                clashes.push((at, "user", format!("he is a sensor of `{}` already", other.id)));
            }
        }
    }
    for (id, topics) in brokers {
        for (at, one) in places.iter().enumerate() {
            let taken = one.topics.iter().find_map(|topic| {
                topics
                    .iter()
                    .find(|asked| topic_filter::overlaps(topic, asked))
                    .map(|by| (topic, by))
            });
            if let Some((topic, by)) = taken {
                let message = format!(
                    "`{topic}` is asked for by `{by}` of [[mqtt]] `{id}` too, whose session keeps what it says while the gateway is away: addresses would lie on the broker's disk; name the topics there one by one"
                );
                clashes.push((at, "topics", message));
            }
        }
    }
    clashes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(more: &str) -> Config {
        toml::from_str(&format!("id = \"square\"\n{more}")).unwrap()
    }

    #[test]
    fn a_place_without_a_key_is_told_and_so_is_each_wrong_one() {
        assert!(place("topics = [\"wifi/square\"]").problems().is_empty());
        assert!(place("user = \"sniffer\"").problems().is_empty());
        for topic in ["tele/sniffer/SENSOR", "wifi/+/probe", "home/gate/BTtoMQTT/#"] {
            assert!(place(&format!("topics = [\"{topic}\"]")).problems().is_empty(), "{topic}");
        }
        for (more, key) in [
            ("", "topics"),
            ("topics = [\"a\"]\nk = 9", "k"),
            ("topics = [\"a\"]\nk = 0", "k"),
            ("topics = [\"a\"]\nk = 15", "k"),
            ("topics = [\"a\"]\nk = 1010", "k"),
            ("topics = [\"a\"]\nperiod_s = 59", "period_s"),
            ("topics = [\"a\"]\nperiod_s = 700", "period_s"),
            ("topics = [\"a\"]\nperiod_s = 7200", "period_s"),
            ("topics = [\"a\"]\nwithin_m = 0", "within_m"),
            ("topics = [\"a\"]\nrssi_min = 3", "rssi_min"),
            ("topics = [\"a\"]\nsilent_after_s = 60", "silent_after_s"),
            ("topics = [\"a/#/b\"]", "topics"),
            ("topics = [\"#\"]", "topics"),
            ("topics = [\"gridpost/demo/button/x\"]", "topics"),
            ("topics = [\"+/demo/reply\"]", "topics"),
            ("topics = [\"zigbee2mqtt/+\"]", "topics"),
            ("topics = [\"tele/#\"]", "topics"),
            ("topics = [\"+/+/SENSOR\"]", "topics"),
            ("topics = [\"+/events/rpc\"]", "topics"),
            ("user = \"u\"\nbroker = \"b\"", "broker"),
        ] {
            let problems = place(more).problems();
            assert!(problems.iter().any(|(of, _)| *of == key), "{more}: {problems:?}");
        }
        for k in [10, 20, 1000] {
            assert!(place(&format!("topics = [\"a\"]\nk = {k}")).problems().is_empty());
        }
    }

    #[test]
    fn each_topic_is_a_sensor_and_a_single_one_has_the_name_of_its_place() {
        assert_eq!(place("topics = [\"a\"]").sensors(), ["square"]);
        assert_eq!(place("user = \"u\"").sensors(), ["square"]);
        assert_eq!(place("topics = [\"a\", \"b\"]").sensors(), ["square/1", "square/2"]);
        assert_eq!(place("topics = [\"a\"]\nuser = \"u\"").sensors(), ["square/1", "square/2"]);
    }

    #[test]
    fn a_message_is_counted_at_one_place_and_kept_by_no_broker() {
        let one = place("topics = [\"wifi/+/probe\"]\nbroker = \"yard\"\nuser = \"u\"");
        let other = Config { id: "gate".into(), topics: vec!["wifi/#".into()], ..one.clone() };
        let far = Config { topics: vec!["ble/#".into()], user: None, ..other.clone() };
        let none = std::iter::empty;
        let told = clashes(&[&one, &other], none());
        assert_eq!(
            told.iter().map(|(at, key, _)| (*at, *key)).collect::<Vec<_>>(),
            [(1, "topics"), (1, "user")]
        );
        assert!(clashes(&[&one, &far], none()).is_empty());
        let all = ["#".to_owned()];
        let some = ["gridpost/demo/button/+".to_owned(), "zigbee2mqtt/#".to_owned()];
        assert_eq!(clashes(&[&one], [("yard", &all[..])].into_iter()).len(), 1);
        assert!(clashes(&[&one], [("yard", &some[..])].into_iter()).is_empty());
    }
}
