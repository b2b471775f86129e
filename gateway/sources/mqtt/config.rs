//! `[[mqtt]]`: a broker that devices report to, and what is wrong with one.

use std::{path::PathBuf, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    base::ClientIds,
    domain::SiteId,
    sources::topic_filter,
    wire::mqtt::{self as wire, Access, Broker},
};

/// `[[mqtt]]`: a broker that devices report to.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub id: String,
    /// `mqtt://host:port` or `mqtts://host:port`.
    #[serde(deserialize_with = "wire::url")]
    pub url: url::Url,
    /// Must stay the same for the broker to keep what came while we were away. Default
    /// `gridpost-<site>-<id>-` and what the data folder has in `client-id`.
    #[serde(default)]
    pub client_id: Option<String>,
    #[serde(default)]
    pub username: Option<String>,
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// PEM file of the authority that signed the broker's certificate, in place of the web's own
    /// (mqtts). Like the other files, read at each connection, so that it can be renewed.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// PEM file of our own certificate chain, where the broker asks for one (mutual TLS).
    #[serde(default)]
    pub client_cert_file: Option<PathBuf>,
    /// PEM file of its private key.
    #[serde(default)]
    pub client_key_file: Option<PathBuf>,
    /// Default `gridpost/<site>/button/+`, `…/gauge/+`, `…/posture` and `…/reply`.
    #[serde(default)]
    pub topics: Vec<String>,
}

impl Config {
    fn access(&self) -> Access<'_> {
        Access {
            url_key: "url",
            url: &self.url,
            username: &self.username,
            password_file: &self.password_file,
            ca_file: &self.ca_file,
            client_cert_file: &self.client_cert_file,
            client_key_file: &self.client_key_file,
        }
    }

    /// Errors as (key, message).
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = self.access().problems();
        let wrong = self.topics.iter().filter_map(|topic| {
            topic_filter::problem(topic).map(|what| ("topics", format!("`{topic}`: {what}")))
        });
        problems.extend(wrong);
        problems
    }

    /// Warnings as (key, message): what may be right by the time it is needed.
    pub fn warnings(&self) -> Vec<(&'static str, String)> {
        self.access().warnings()
    }

    /// Topics of another site's id, as messages: nothing comes there for this one.
    pub fn of_other_sites(&self, site: &str) -> Vec<String> {
        let own = |topic: &&String| {
            let named = topic.strip_prefix("gridpost/").and_then(|rest| rest.split('/').next());
            named.is_none_or(|id| id == site || id == "+" || id == "#")
        };
        let others = self.topics.iter().filter(|topic| !own(topic));
        others
            .map(|topic| {
                format!("`{topic}` is of another site: this one's begin with gridpost/{site}/")
            })
            .collect()
    }

    pub(super) fn broker(&self, site: &SiteId, ids: &ClientIds) -> Broker {
        let default = || ids.of(&format!("gridpost-{site}-{}", self.id.replace('/', "-")));
        self.access().broker(self.client_id.clone().unwrap_or_else(default))
    }

    /// As it is connected to for Wi-Fi sensors: these topics, under a client id of its own.
    #[must_use]
    pub fn for_sensors(&self, topics: Vec<String>) -> Self {
        let client_id = self.client_id.as_ref().map(|id| format!("{id}-presence"));
        Self { id: super::sensors_of(&self.id), client_id, topics, ..self.clone() }
    }

    /// Whether the broker takes us in, under another client id; the error is one sentence.
    pub async fn probe(&self, within: Duration) -> Result<(), String> {
        self.access().broker(String::new()).takes_us_in(within).await
    }

    /// What is asked for there.
    pub fn topics(&self, site: &SiteId) -> Vec<String> {
        if self.topics.is_empty() {
            ["button/+", "gauge/+", "posture", "reply"]
                .map(|topic| format!("gridpost/{site}/{topic}"))
                .to_vec()
        } else {
            self.topics.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_of_another_site_are_told() {
        let config = |topics: &[&str]| Config {
            id: "b".into(),
            url: "mqtt://h".parse().unwrap(),
            client_id: None,
            username: None,
            password_file: None,
            ca_file: None,
            client_cert_file: None,
            client_key_file: None,
            topics: topics.iter().map(|topic| (*topic).to_owned()).collect(),
        };
        let fine = ["gridpost/here/#", "gridpost/+/button/+", "gridpost/#", "zigbee2mqtt/#", "#"];
        assert!(config(&fine).of_other_sites("here").is_empty());
        assert_eq!(config(&["gridpost/there/reply"]).of_other_sites("here").len(), 1);
        assert_eq!(config(&["gridpost/her/reply"]).of_other_sites("here").len(), 1);
    }
}
