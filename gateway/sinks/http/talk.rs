//! Requests of a profile to its platform, and what the answers mean by the profile's own words.

use std::sync::Arc;

use reqwest::Method;
use serde_json::Value;

use super::link::{self, Judgement, Link, judge};
use crate::{
    domain::without_mark,
    sinks::{
        profile::{Profile, Rendered, text},
        sink::DeliverError,
    },
};

/// Of an answer that is read, bytes.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;
/// Of an answer with replies, bytes.
const REPLIES_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Characters of a platform's words that are shown.
const WORDS_CHARS_MAX: usize = 200;
/// Characters of a platform's id.
const ID_CHARS_MAX: usize = 200;

/// What a platform's answer means.
#[derive(Debug)]
pub(super) enum Verdict {
    /// Yes; the answer, for what else it says.
    Yes(Value),
    /// It had it already.
    Exists(Value),
    /// It says no, now or for good.
    No(DeliverError),
}

/// A request that ended without a yes.
pub(super) struct Failed {
    pub(super) error: DeliverError,
    /// The platform may have it all the same.
    pub(super) maybe_there: bool,
}

impl Failed {
    pub(super) fn surely(error: DeliverError) -> Self {
        Self { error, maybe_there: false }
    }
}

/// One connection to the platform: requests of the profile, and what their answers mean.
pub(super) struct Talk {
    link: Link,
    base: url::Url,
    pub(super) profile: Arc<Profile>,
}

impl Talk {
    /// Nothing is read or reached yet.
    pub(super) fn new(config: &super::Config, profile: Arc<Profile>) -> Self {
        Self { link: Link::new(config), base: config.url.clone(), profile }
    }

    /// The whole answer to a request, which the status calls a yes; or why there is none.
    pub(super) async fn ask(
        &mut self,
        rendered: Rendered,
        key: &str,
    ) -> Result<(u16, Vec<u8>), Failed> {
        self.ask_within(rendered, key, ANSWER_BYTES_MAX).await
    }

    async fn ask_within(
        &mut self,
        rendered: Rendered,
        key: &str,
        bytes_max: usize,
    ) -> Result<(u16, Vec<u8>), Failed> {
        let url = self
            .url(&rendered.path)
            .map_err(|answer| Failed::surely(DeliverError::Reject { answer }))?;
        let method = Method::from_bytes(rendered.method.as_bytes()).unwrap_or(Method::POST);
        let within = self.link.within;
        let request = self.link.request(method, url).map_err(Failed::surely)?;
        let mut request = request.timeout(within);
        if !key.is_empty() {
            request = request.header("Idempotency-Key", key);
        }
        for (name, value) in &rendered.headers {
            request = request.header(name, value);
        }
        if let Some(body) = rendered.body {
            request = request
                .header(reqwest::header::CONTENT_TYPE, "application/json; charset=utf-8")
                .body(body);
        }
        let answer = request.send().await.map_err(|error| {
            let maybe_there = !error.is_connect();
            Failed { error: self.link.broken(error), maybe_there }
        })?;
        let status = answer.status();
        if status.as_u16() == 404 || judge(status) == Judgement::Delivered {
            let body = link::all_of(answer, bytes_max).await.map_err(|reason| Failed {
                error: DeliverError::retry(reason),
                maybe_there: true,
            })?;
            // Here, for all who read it: the answer to `[find]` is read for more than its verdict.
            return Ok((status.as_u16(), without_mark(&body).to_vec()));
        }
        let maybe_there = status.is_server_error();
        let error = match judge(status) {
            Judgement::Refused => link::refusal(answer).await,
            _ => link::later(answer).await,
        };
        Err(Failed { error, maybe_there })
    }

    fn url(&self, path: &str) -> Result<url::Url, String> {
        let base = self.base.as_str().trim_end_matches('/');
        let path = path.trim();
        let url: url::Url = format!("{base}/{}", path.trim_start_matches('/'))
            .parse()
            .map_err(|error| format!("path `{path}` of the profile makes no address: {error}"))?;
        let stays = url.origin() == self.base.origin();
        stays.then_some(url).ok_or_else(|| format!("path `{path}` leads to another server"))
    }

    /// Whether an answer has a verdict at all.
    pub(super) fn has_verdict(&self, answer: &Value) -> bool {
        let at = self.profile.answering().verdict.as_deref();
        at.and_then(|at| answer.pointer(at)).and_then(text).is_some()
    }

    /// By the profile's own words; a 409 is "it was there".
    pub(super) fn verdict(&self, status: u16, body: &[u8]) -> Verdict {
        let answering = self.profile.answering();
        let parsed = serde_json::from_slice::<Value>(body);
        let value = parsed.as_ref().ok().cloned().unwrap_or(Value::Null);
        if status == 404 {
            let reason = "answered 404 Not Found; are url and path right?".to_owned();
            return Verdict::No(DeliverError::retry(reason));
        }
        if status == 409 {
            return Verdict::Exists(value);
        }
        let Some(at) = &answering.verdict else { return Verdict::Yes(value) };
        let Some(said) = value.pointer(at).and_then(text) else {
            let shown: String =
                String::from_utf8_lossy(body).trim().chars().take(WORDS_CHARS_MAX).collect();
            return Verdict::No(DeliverError::retry(format!(
                "answered {status} without a verdict at {at}: {shown}"
            )));
        };
        let is = |list: &[Value]| list.iter().filter_map(text).any(|one| one == said);
        if is(&answering.ok) {
            return Verdict::Yes(value);
        }
        if is(&answering.exists) {
            return Verdict::Exists(value);
        }
        let words = answering.message.as_ref().and_then(|at| value.pointer(at)).and_then(text);
        let words: String = words.unwrap_or_default().chars().take(WORDS_CHARS_MAX).collect();
        let reason = format!("answered {status}, and in it {at} {said}: {words}");
        match is(&answering.refused) {
            true => Verdict::No(DeliverError::Reject { answer: reason }),
            false => Verdict::No(DeliverError::retry(reason)),
        }
    }

    /// The replies after this cursor: the whole answer.
    pub(super) async fn replies(&mut self, cursor: &str) -> Result<Value, String> {
        let rendered = self.profile.poll_request(cursor)?;
        let Some(rendered) = rendered else { return Err("the profile has no [poll]".into()) };
        let asked = self.ask_within(rendered, "", REPLIES_BYTES_MAX).await;
        let (status, body) = asked.map_err(|failed| failed.error.to_string())?;
        match self.verdict(status, &body) {
            Verdict::Yes(value) | Verdict::Exists(value) if !value.is_null() => Ok(value),
            Verdict::Yes(_) | Verdict::Exists(_) => {
                Err("answered something that is no JSON".into())
            }
            Verdict::No(error) => Err(error.to_string()),
        }
    }
}

/// The platform's id, as it is compared; one that is longer than any id is none.
pub(super) fn id_at(answer: &Value, pointer: Option<&str>) -> Option<String> {
    let id = answer.pointer(pointer?).and_then(text);
    id.filter(|id| id.chars().count() <= ID_CHARS_MAX)
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use serde_json::json;
    use tokio::net::TcpListener;

    use super::*;
    use crate::sinks::{http::ProfileConfig, profile::Categories};

    const PROFILE: &str = r#"
name = "x"
[answer]
verdict = "/code"
ok = [0]
[[send]]
opens = true
path = "open"
"#;

    #[tokio::test]
    async fn a_yes_behind_a_byte_order_mark_is_heard() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let app = Router::new().fallback(|| async { "\u{feff}{\"code\":0}" });
        tokio::spawn(async move { axum::serve(listener, app).await });
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("p.toml");
        std::fs::write(&file, PROFILE).unwrap();
        let config = json!({"id": "district", "url": url, "profile_file": file});
        let mut config: ProfileConfig = serde_json::from_value(config).unwrap();
        assert!(config.load(Categories::default()).is_empty());
        let mut talk = config.talk().unwrap();
        let rendered = Rendered {
            method: "POST".into(),
            path: "open".into(),
            headers: Vec::new(),
            body: None,
        };
        let Ok((status, body)) = talk.ask(rendered, "k").await else { panic!("no answer") };
        assert_eq!(body, b"{\"code\":0}");
        let verdict = talk.verdict(status, &body);
        assert!(matches!(&verdict, Verdict::Yes(value) if value["code"] == 0), "{verdict:?}");
    }
}
