//! What Home Assistant is told at a broker: retained discovery topics and the states they name. Pure.
//!
//! Source of the names: Home Assistant's documentation, "MQTT" (discovery, `event`, `binary_sensor`, `sensor`).

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::domain::SiteId;

/// Where Home Assistant looks, by default.
const PREFIX: &str = "homeassistant";
const KINDS: &[&str] = &[
    "emergency-button",
    "intrusion",
    "line",
    "loiter",
    "crowd",
    "fire-lane",
    "waterside",
    "fallen",
    "seen",
    "barrier",
    "stay",
    "announcement",
    "rain",
    "water-level",
    "report",
    "patrol",
    "device-silent",
    "device-battery",
    "device-tamper",
    "device-weak",
    "camera-silent",
    "camera-blind",
    "camera-moved",
    "camera-frozen",
    "camera-unfocused",
    "detector-degraded",
    "sink-down",
    "disk-low",
    "clock-skew",
    "loss",
    "device-fault",
    "posture",
];

/// How the site is now, for a house's own screen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HomeFacts {
    /// Cases that are neither closed nor dismissed, and that nobody has accepted yet.
    pub open: usize,
    /// See `open`.
    pub unaccepted: usize,
    /// Emergencies among the open ones.
    pub emergencies: usize,
    /// Words of the postures that hold; empty is the normal one.
    pub postures: Vec<String>,
    pub devices: Vec<HomeDevice>,
    pub sinks: Vec<HomeSink>,
}

/// A button or another device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HomeDevice {
    pub id: String,
    /// For people.
    pub name: String,
    /// Percent; absent: it does not tell.
    pub battery: Option<u8>,
    /// It is well.
    pub fine: bool,
}

/// A receiver of the site's events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HomeSink {
    pub id: String,
    pub up: bool,
    /// Records that it has not taken yet.
    pub pending: u64,
}

/// `online` while the gateway is there, else `offline`.
pub(super) fn availability(site: &SiteId) -> String {
    format!("gridpost/{site}/home/online")
}

/// Every retained topic with what is to stand there.
pub(super) fn wanted(site: &SiteId, facts: &HomeFacts) -> BTreeMap<String, String> {
    let mut all = Topics { site, topics: BTreeMap::new() };
    all.topics.insert(availability(site), "online".into());
    all.cases(facts);
    all.devices(facts);
    all.sinks(facts);
    all.topics
}

struct Topics<'s> {
    site: &'s SiteId,
    topics: BTreeMap<String, String>,
}

impl Topics<'_> {
    /// One entity: its discovery topic, and what all entities of a site have. `object` is made of plain words.
    fn entity(&mut self, component: &str, object: &str, name: &str, mut config: Value) {
        let site = self.site;
        let node = format!("gridpost_{}", plain(site.as_str()));
        config["name"] = name.into();
        config["unique_id"] = format!("{node}_{object}").into();
        config["object_id"] = format!("{node}_{object}").into();
        config["availability_topic"] = availability(site).into();
        config["device"] = json!({
            "identifiers": [node],
            "name": format!("gridpost {site}"),
            "manufacturer": "gridpost",
            "sw_version": env!("CARGO_PKG_VERSION"),
        });
        self.topics
            .insert(format!("{PREFIX}/{component}/{node}/{object}/config"), config.to_string());
    }

    fn state(&mut self, name: &str, value: &Value) -> String {
        let topic = format!("gridpost/{}/home/{name}", self.site);
        self.topics.insert(topic.clone(), value.to_string());
        topic
    }

    fn cases(&mut self, facts: &HomeFacts) {
        let value = json!({
            "open": facts.open, "unaccepted": facts.unaccepted, "emergencies": facts.emergencies,
        });
        let topic = self.state("cases", &value);
        self.entity(
            "event",
            "incident",
            "事件 incident",
            json!({
                "state_topic": format!("gridpost/{}/incident/+", self.site),
                "event_types": KINDS,
                "value_template": "{{ {'event_type': value_json.data.kind, 'what': value_json.data.what, 'title': value_json.data.title.zh, 'stage': value_json.data.stage, 'incident': value_json.data.incident} | to_json }}",
            }),
        );
        let is_on = |of: &str| {
            json!({
                "state_topic": topic,
                "value_template": format!("{{{{ 'ON' if value_json.{of} > 0 else 'OFF' }}}}"),
                "json_attributes_topic": topic,
            })
        };
        let mut emergency = is_on("emergencies");
        emergency["device_class"] = "safety".into();
        self.entity("binary_sensor", "emergency", "紧急求助 emergency", emergency);
        self.entity(
            "binary_sensor",
            "unaccepted",
            "待受理 waits for an officer",
            is_on("unaccepted"),
        );
        let words = match facts.postures.is_empty() {
            true => "平时".to_owned(),
            false => facts.postures.join("、"),
        };
        let topic = self.state("posture", &json!({ "posture": words }));
        let posture = json!({ "state_topic": topic, "value_template": "{{ value_json.posture }}" });
        self.entity("sensor", "posture", "态势 posture", posture);
    }

    fn devices(&mut self, facts: &HomeFacts) {
        for HomeDevice { id, name, battery, fine } in &facts.devices {
            let object = plain(id);
            let value = json!({ "battery": battery, "fine": fine });
            let topic = self.state(&format!("device/{object}"), &value);
            let well = json!({
                "state_topic": topic,
                "device_class": "problem",
                "value_template": "{{ 'OFF' if value_json.fine else 'ON' }}",
            });
            self.entity(
                "binary_sensor",
                &format!("device_{object}_problem"),
                &format!("{name} 异常"),
                well,
            );
            if battery.is_some() {
                let level = json!({
                    "state_topic": topic,
                    "device_class": "battery",
                    "unit_of_measurement": "%",
                    "value_template": "{{ value_json.battery }}",
                });
                self.entity(
                    "sensor",
                    &format!("device_{object}_battery"),
                    &format!("{name} 电量"),
                    level,
                );
            }
        }
    }

    fn sinks(&mut self, facts: &HomeFacts) {
        for HomeSink { id, up, pending } in &facts.sinks {
            let object = plain(id);
            let topic =
                self.state(&format!("sink/{object}"), &json!({ "up": up, "pending": pending }));
            let state = json!({
                "state_topic": topic,
                "device_class": "connectivity",
                "value_template": "{{ 'ON' if value_json.up else 'OFF' }}",
                "json_attributes_topic": topic,
            });
            self.entity("binary_sensor", &format!("sink_{object}"), &format!("上报 {id}"), state);
        }
    }
}

/// Home Assistant takes `[a-zA-Z0-9_-]` in these places. What else an id has is written as its bytes, so that
/// two ids stay two.
fn plain(id: &str) -> String {
    let mut plain = String::new();
    for byte in id.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' => plain.push(char::from(byte)),
            _ => plain.push_str(&format!("_{byte:02x}")),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> HomeFacts {
        HomeFacts {
            open: 3,
            unaccepted: 1,
            emergencies: 1,
            postures: vec!["汛期".into()],
            devices: vec![
                HomeDevice {
                    id: "btn-1".into(),
                    name: "门口".into(),
                    battery: Some(9),
                    fine: false,
                },
                HomeDevice {
                    id: "按钮/2".into(), name: "二号".into(), battery: None, fine: true
                },
            ],
            sinks: vec![HomeSink { id: "city".into(), up: true, pending: 4 }],
        }
    }

    #[test]
    fn each_entity_names_a_state_that_is_there_and_has_an_id_of_its_own() {
        let all = wanted(&"demo".into(), &facts());
        let configs: Vec<Value> = all
            .iter()
            .filter(|(topic, _)| topic.starts_with("homeassistant/"))
            .map(|(_, config)| serde_json::from_str(config).unwrap())
            .collect();
        assert_eq!(configs.len(), 4 + 3 + 1, "{all:#?}");
        let mut ids = std::collections::BTreeSet::new();
        for config in &configs {
            let state = config["state_topic"].as_str().unwrap();
            assert!(all.contains_key(state) || state == "gridpost/demo/incident/+", "{state}");
            assert!(ids.insert(config["unique_id"].to_string()), "{config}");
            assert_eq!(config["availability_topic"], "gridpost/demo/home/online");
        }
        for topic in all.keys() {
            assert!(topic.is_ascii() && !topic.contains(['#', '+']), "{topic}");
        }
        let battery: Value = serde_json::from_str(&all["gridpost/demo/home/device/btn-1"]).unwrap();
        assert_eq!(battery, json!({ "battery": 9, "fine": false }));
        assert_eq!(all["gridpost/demo/home/posture"], r#"{"posture":"汛期"}"#);
        let calm = wanted(&"demo".into(), &HomeFacts::default());
        assert_eq!(calm["gridpost/demo/home/posture"], r#"{"posture":"平时"}"#);
    }

    #[test]
    fn two_ids_are_two_whatever_is_in_them() {
        let ids = ["a_b", "a b", "a/b", "a-b", "a.b", "按", "钮", "a_20b"];
        let plain: std::collections::BTreeSet<String> = ids.iter().map(|id| plain(id)).collect();
        assert_eq!(plain.len(), ids.len(), "{plain:?}");
    }

    #[test]
    fn every_kind_that_there_is_can_be_an_event() {
        let schema = serde_json::to_string(&schemars::schema_for!(crate::domain::Kind)).unwrap();
        for kind in KINDS {
            let known: Result<crate::domain::Kind, _> = serde_json::from_value(json!(kind));
            assert!(known.is_ok(), "{kind}");
            assert!(schema.contains(&format!("\"{kind}\"")));
        }
        let named = schema.matches("\"const\":").count() + schema.matches("\"enum\":[").count();
        assert!(named > 0, "{schema}");
        let all: Value = serde_json::from_str(&schema).unwrap();
        let mut count = 0;
        for one in all["oneOf"].as_array().into_iter().flatten() {
            count += one["enum"].as_array().map_or(1, Vec::len);
        }
        count += all["enum"].as_array().map_or(0, Vec::len);
        assert_eq!(count, KINDS.len(), "a kind is missing here: {schema}");
    }
}
