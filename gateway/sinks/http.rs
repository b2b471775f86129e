//! The `http` sink: CloudEvents in structured JSON, one a POST, `Idempotency-Key` = event id.

use std::{path::PathBuf, time::Duration};

use reqwest::{Client, StatusCode, header};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{DeliverError, Delivery, Sink};

/// What is kept of an answer that refuses an event, bytes.
const ANSWER_BYTES_MAX: usize = 1024;

/// `[[sink]] kind = "http"`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Name of the sink in the ledger.
    pub id: String,
    /// Where events are posted.
    pub url: url::Url,
    /// File with a bearer token; read anew for each event, so that it can be changed.
    #[serde(default)]
    pub token_file: Option<PathBuf>,
    /// PEM file of the authority that signed the server's certificate; beside the web's own.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// Seconds for one request, connecting included. Default 10.
    #[serde(default = "timeout_s")]
    pub timeout_s: u64,
    /// Snapshots and clips go along; no sink carries their bytes yet, so only `false` is true to
    /// its word. Default false.
    #[serde(default)]
    pub send_pictures: bool,
}

fn timeout_s() -> u64 {
    10
}

pub struct Http {
    client: Client,
    config: Config,
}

impl Http {
    pub(super) fn new(config: &Config) -> Result<Self, String> {
        // Whoever is first installs it; a second time changes nothing.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = Client::builder()
            .timeout(Duration::from_secs(config.timeout_s.max(1)))
            .redirect(reqwest::redirect::Policy::none())
            .tcp_nodelay(true)
            .pool_max_idle_per_host(1);
        if let Some(path) = &config.ca_file {
            let told =
                |error: &dyn std::fmt::Display| format!("ca_file {}: {error}", path.display());
            let pem = std::fs::read(path).map_err(|error| told(&error))?;
            let authority = reqwest::Certificate::from_pem(&pem).map_err(|error| told(&error))?;
            builder = builder.add_root_certificate(authority);
        }
        let client = builder.build().map_err(|error| format!("sink {}: {error}", config.id))?;
        Ok(Self { client, config: config.clone() })
    }

    fn token(&self) -> Result<Option<String>, DeliverError> {
        let Some(path) = &self.config.token_file else { return Ok(None) };
        match std::fs::read_to_string(path) {
            Ok(text) => Ok(Some(text.trim().to_owned())),
            Err(error) => {
                Err(DeliverError::retry(format!("token_file {}: {error}", path.display())))
            }
        }
    }
}

impl Sink for Http {
    async fn deliver(&mut self, delivery: &Delivery) -> Result<(), DeliverError> {
        let mut request = self
            .client
            .post(self.config.url.clone())
            .header(header::CONTENT_TYPE, "application/cloudevents+json; charset=utf-8")
            .header("Idempotency-Key", &delivery.event_id)
            .body(delivery.body.clone());
        if let Some(token) = self.token()? {
            request = request.bearer_auth(token);
        }
        let answer = request.send().await.map_err(|error| {
            // The url may hold credentials: it is left out.
            DeliverError::retry(chain(&error.without_url()))
        })?;
        let status = answer.status();
        let after_ms = answer
            .headers()
            .get(header::RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.trim().parse::<u64>().ok())
            .map(|seconds| seconds.saturating_mul(1000));
        match judge(status) {
            Judgement::Delivered => Ok(()),
            Judgement::Refused => {
                let text = answer.text().await.unwrap_or_default();
                let kept: String = text.chars().take(ANSWER_BYTES_MAX / 4).collect();
                Err(DeliverError::Reject { answer: format!("{status}: {kept}") })
            }
            Judgement::Later => {
                Err(DeliverError::Retry { reason: format!("answered {status}"), after_ms })
            }
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Judgement {
    Delivered,
    Refused,
    Later,
}

/// DESIGN §6, *Delivery*: everything that is not clearly for ever is tried again.
fn judge(status: StatusCode) -> Judgement {
    match status.as_u16() {
        200..=299 | 409 => Judgement::Delivered,
        400 | 413 | 415 | 422 => Judgement::Refused,
        _ => Judgement::Later,
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_judged_as_the_contract_says() {
        for (status, expected) in [
            (200, Judgement::Delivered),
            (202, Judgement::Delivered),
            (409, Judgement::Delivered),
            (400, Judgement::Refused),
            (413, Judgement::Refused),
            (415, Judgement::Refused),
            (422, Judgement::Refused),
            (301, Judgement::Later),
            (401, Judgement::Later),
            (403, Judgement::Later),
            (404, Judgement::Later),
            (429, Judgement::Later),
            (500, Judgement::Later),
            (503, Judgement::Later),
        ] {
            assert_eq!(judge(StatusCode::from_u16(status).unwrap()), expected, "{status}");
        }
    }
}
