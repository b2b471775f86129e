//! The `http` sink: CloudEvents in structured JSON, one a POST, `Idempotency-Key` = event id.

mod link;
mod platform;
mod poll;
mod probe;
mod talk;
mod telling;
#[cfg(test)]
mod tests_telling;
mod upload;
mod webhook;

use std::path::PathBuf;

use reqwest::header;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::sink::{DeliverError, Delivery, Sink};
use crate::{
    domain::{DutyRole, Level},
    wire::{client_tls::ClientTls, file_stamp::missing},
};
use link::{Judgement, Link, judge};
pub(super) use probe::ask;

pub use platform::Config as ProfileConfig;
pub(super) use platform::PlatformSink;
pub use poll::Poller;
pub use upload::Uploader;
pub use webhook::Config as WebhookConfig;
pub(super) use webhook::WebhookSink;

/// `[[sink]] kind = "http"`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Name of the sink in the ledger.
    pub id: String,
    /// Where events are posted.
    pub url: url::Url,
    /// File with a bearer token; read anew when it changes.
    #[serde(default)]
    pub token_file: Option<PathBuf>,
    /// PEM file of the authority that signed the server's certificate; beside the web's own.
    /// Read anew when it changes.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// PEM file of our own certificate chain, where the server asks for one (mutual TLS). Read
    /// anew when it changes.
    #[serde(default)]
    pub client_cert_file: Option<PathBuf>,
    /// PEM file of its private key.
    #[serde(default)]
    pub client_key_file: Option<PathBuf>,
    /// Seconds for one request, connecting included; for evidence, seconds without progress.
    /// Default 10.
    #[serde(default = "timeout_s")]
    pub timeout_s: u64,
    /// Snapshots and clips go along, to `evidence_url`. Clips are not blurred, so this
    /// is for who may see them. Default false.
    #[serde(default)]
    pub send_pictures: bool,
    /// Where the bytes of snapshots and clips are put, each at `<evidence_url>/<evidence id>`,
    /// after the event that names it; needs `send_pictures = true`.
    #[serde(default)]
    pub evidence_url: Option<url::Url>,
    /// Only cases that were taken to one of these levels, from then on, and escalations to these alone:
    /// `grid-head`, `community`, `township`, `department`. Default all cases, from their opening.
    #[serde(default)]
    pub levels: Vec<Level>,
    /// Only cases for which somebody of these roles was on duty when they were opened, by the duty list: `lead`,
    /// `officer`, `auxiliary`, `worker`; where it had nobody at all on duty, every case. Default all cases.
    #[serde(default)]
    pub roles: Vec<DutyRole>,
    /// Plates of vehicles leave whole, and not masked: for who may have them. Default false.
    #[serde(default)]
    pub send_plates: bool,
}

fn timeout_s() -> u64 {
    10
}

impl Config {
    pub(super) fn tls(&self) -> ClientTls {
        ClientTls {
            ca_file: self.ca_file.clone(),
            cert_file: self.client_cert_file.clone(),
            key_file: self.client_key_file.clone(),
            web_too: true,
        }
    }

    pub(super) fn carries_evidence(&self) -> bool {
        self.send_pictures && self.evidence_url.is_some()
    }

    /// Errors as (key, message).
    pub(super) fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        let web = |url: &url::Url| ["http", "https"].contains(&url.scheme());
        if !web(&self.url) {
            problems
                .push(("url", format!("`{}`: expected http://… or https://…", self.url.scheme())));
        }
        problems.extend(self.tls().problem());
        match &self.evidence_url {
            Some(url) if !web(url) => problems
                .push(("evidence_url", format!("`{}`: expected http://… or https://…", url.scheme()))),
            Some(_) if !self.send_pictures => problems.push((
                "evidence_url",
                "needs send_pictures = true beside it: pictures leave the box only when that is said"
                    .into(),
            )),
            None if self.send_pictures => problems.push((
                "send_pictures",
                "needs evidence_url beside it, where the pictures and clips are put".into(),
            )),
            _ => {}
        }
        problems
    }

    /// Warnings as (key, message): what may be right by the time it is needed.
    pub(super) fn warnings(&self) -> Vec<(&'static str, String)> {
        let mut warnings: Vec<_> = self.tls().warning().into_iter().collect();
        warnings.extend(missing("token_file", self.token_file.as_deref()));
        warnings
    }
}

/// A connection of its own that posts events.
pub struct HttpSink {
    link: Link,
}

impl HttpSink {
    pub(super) fn new(config: &Config) -> Self {
        Self { link: Link::new(config) }
    }
}

impl Sink for HttpSink {
    async fn deliver(&mut self, delivery: &Delivery) -> Result<(), DeliverError> {
        let request = self
            .link
            .request(reqwest::Method::POST, self.link.config.url.clone())?
            .timeout(self.link.within)
            .header(header::CONTENT_TYPE, "application/cloudevents+json; charset=utf-8")
            .header("Idempotency-Key", &delivery.event_id)
            .body(delivery.body.clone());
        let answer = request.send().await.map_err(|error| self.link.broken(error))?;
        let judgement = judge(answer.status());
        match judgement {
            Judgement::Delivered => {
                link::drain(answer).await;
                Ok(())
            }
            Judgement::Refused => Err(link::refusal(answer).await),
            Judgement::Later => Err(link::later(answer).await),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p10_a_picture_leaves_the_box_only_where_send_pictures_says_so() {
        let config = |more: &str| -> Config {
            toml::from_str(&format!("id = \"a\"\nurl = \"https://h/events\"\n{more}")).unwrap()
        };
        let to = "evidence_url = \"https://h/pictures\"\n";
        assert!(!config("").carries_evidence());
        assert!(!config(to).carries_evidence(), "an address alone sends nothing");
        assert_eq!(config(to).problems()[0].0, "evidence_url");
        let said = config(&format!("{to}send_pictures = true\n"));
        assert!(said.carries_evidence() && said.problems().is_empty());
    }
}
