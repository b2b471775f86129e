//! The `webhook` sink: a text made of a template to a robot or message service (WeCom, DingTalk, any that takes a POST).

use std::path::{Path, PathBuf};

use base64::Engine;
use hmac::{Hmac, Mac};
use jiff::Timestamp;
use reqwest::header;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::Sha256;

use super::link::{self, Judgement, Link, judge};
use crate::{
    domain::{DutyRole, Event, Kind, Level, What, without_mark},
    sinks::{
        link_for::LinkFor,
        meant::{NOT_MEANT, is_meant},
        roles,
        sink::{DeliverError, Delivery, Sink},
        template::{self, Into},
    },
    wire::file_stamp::{missing, read_text},
};

/// Robots take some twenty messages a minute; one that says "too many" is asked again after this.
const AFTER_TOO_MANY_MS: u64 = 60_000;
/// WeCom: API frequency out of limit. DingTalk: sending too fast.
const TOO_MANY: &[i64] = &[45_009, 130_101];
/// Characters of an answer that are shown.
const WORDS_CHARS_MAX: usize = 200;

/// `[[sink]] kind = "webhook"`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Name of the sink in the ledger.
    pub id: String,
    /// Where it is posted. It holds the robot's key: write `${NAME}` for it and set that in the
    /// environment.
    pub url: url::Url,
    /// The body, with `{title}`, `{person}`, `{contact}` and others filled in, escaped for
    /// `content_type`; where a JSON says `markdown`, for that too.
    pub body: String,
    /// JSON, `application/x-www-form-urlencoded`, `text/markdown` or `text/plain`. Default
    /// `application/json; charset=utf-8`.
    #[serde(default = "content_type")]
    pub content_type: String,
    /// Only incidents of these kinds. Default all.
    #[serde(default)]
    pub kinds: Vec<Kind>,
    /// Only incidents at least as urgent: 1 emergency … 4 notice. Default 1.
    #[serde(default = "severity_max")]
    pub severity_max: u8,
    /// Only these changes. With `opened`, an `updated` that tells of newcomers (`detail.news`) goes
    /// too. Default `opened`, `reopened` and `lapsed`; with `levels`, `escalated`.
    #[serde(default = "what")]
    pub what: Vec<What>,
    /// Only incidents in grids with these codes. Default all.
    #[serde(default)]
    pub grids: Vec<String>,
    /// Only incidents that one of these departments has, or is to have by `[routing]`. Default all.
    #[serde(default)]
    pub departments: Vec<String>,
    /// How requests are signed. Default not at all.
    #[serde(default)]
    pub sign: Option<Sign>,
    /// File with the secret that `sign` needs; read at each request.
    #[serde(default)]
    pub secret_file: Option<PathBuf>,
    /// JSON pointer to the answer's own verdict: the robots say 200 and mean it only if this is
    /// `ok_value`. An answer without it is judged by its status. Default `/errcode`.
    #[serde(default = "ok_pointer")]
    pub ok_pointer: String,
    /// Default 0.
    #[serde(default)]
    pub ok_value: i64,
    /// PEM file of the authority that signed the server's certificate; beside the web's own.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// Seconds for one request, connecting included. Default 10.
    #[serde(default = "timeout_s")]
    pub timeout_s: u64,
    /// A text about something older than this is passed over, seconds. Default 3600.
    #[serde(default = "too_old_s")]
    pub too_old_s: u64,
    /// Only cases that were taken to one of these levels, from then on, and escalations to these alone:
    /// `grid-head`, `community`, `township`, `department`. Default all cases, from their opening.
    #[serde(default)]
    pub levels: Vec<Level>,
    /// Only cases for which somebody of these roles was on duty when they were opened, by the duty list: `lead`,
    /// `officer`, `auxiliary`, `worker`; where it had nobody at all on duty, every case. Default all cases.
    #[serde(default)]
    pub roles: Vec<DutyRole>,
    /// Whose link `{link}` is: a person of the duty list, of `[[life.contact]]`, of `[routing]` or of a grid.
    /// Default: with `levels` whoever was told last, with `departments` the person whom the list names, with `roles`
    /// the first of them on duty, else the officer on duty.
    #[serde(default)]
    pub link_for: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Sign {
    /// `timestamp` and `sign` in the query: base64 of HMAC-SHA256 over `<ms>\n<secret>`.
    Dingtalk,
}

fn content_type() -> String {
    "application/json; charset=utf-8".into()
}

fn severity_max() -> u8 {
    1
}

fn what() -> Vec<What> {
    template::STEPS.to_vec()
}

fn ok_pointer() -> String {
    "/errcode".into()
}

fn timeout_s() -> u64 {
    10
}

fn too_old_s() -> u64 {
    3_600
}

impl Config {
    /// A device that is handed a text, as JSON with `{say}` in it.
    pub(in crate::sinks) fn to_device(
        id: &str,
        url: &url::Url,
        body: &str,
        ca_file: Option<PathBuf>,
        timeout_s: u64,
    ) -> Self {
        Self {
            id: id.into(),
            url: url.clone(),
            body: body.into(),
            content_type: content_type(),
            kinds: Vec::new(),
            severity_max: severity_max(),
            what: what(),
            grids: Vec::new(),
            departments: Vec::new(),
            sign: None,
            secret_file: None,
            ok_pointer: ok_pointer(),
            ok_value: 0,
            ca_file,
            timeout_s,
            too_old_s: too_old_s(),
            levels: Vec::new(),
            roles: Vec::new(),
            link_for: None,
        }
    }

    /// The connection is that of the `http` sink.
    pub(in crate::sinks) fn link(&self) -> super::Config {
        super::Config {
            id: self.id.clone(),
            url: self.url.clone(),
            token_file: None,
            ca_file: self.ca_file.clone(),
            client_cert_file: None,
            client_key_file: None,
            timeout_s: self.timeout_s,
            send_pictures: false,
            evidence_url: None,
            send_plates: false,
            levels: Vec::new(),
            roles: Vec::new(),
        }
    }

    /// Who gets the links of its texts, if it has any.
    pub(in crate::sinks) fn links(&self) -> Option<LinkFor> {
        let levels = self.levels.clone();
        let departments = self.departments.clone();
        let (name, roles) = (self.link_for.clone(), self.roles.clone());
        let named = LinkFor { name, levels, departments, roles };
        self.body.contains("{link}").then_some(named)
    }

    /// Errors as (key, message).
    pub(in crate::sinks) fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        if !["http", "https"].contains(&self.url.scheme()) {
            problems
                .push(("url", format!("`{}`: expected http://… or https://…", self.url.scheme())));
        }
        problems.extend(self.link().tls().problem());
        for name in template::unknown(&self.body) {
            let known = template::NAMES.join(", ");
            problems.push(("body", format!("{name} is not known; known are {known}")));
        }
        if Into::of(&self.content_type, &self.body).is_none() {
            let message = format!(
                "`{}`: names and notes of devices cannot be escaped for it; expected JSON, application/x-www-form-urlencoded, text/markdown or text/plain",
                self.content_type
            );
            problems.push(("content_type", message));
        }
        let json = self.content_type.contains("json");
        if json && serde_json::from_str::<Value>(&blank(&self.body)).is_err() {
            problems.push((
                "body",
                "is not JSON once it is filled in: names belong inside quotes".into(),
            ));
        }
        if !(1..=4).contains(&self.severity_max) {
            problems.push(("severity_max", "expected 1 (emergency) to 4 (notice)".into()));
        }
        match (self.sign, &self.secret_file) {
            (Some(_), None) => problems.push(("secret_file", "is needed for `sign`".into())),
            (None, Some(_)) => problems.push(("secret_file", "needs `sign` beside it".into())),
            _ => {}
        }
        if self.link_for.is_some() && self.links().is_none() {
            problems.push(("link_for", "needs {link} in `body`".into()));
        }
        if !self.ok_pointer.starts_with('/') {
            problems.push(("ok_pointer", "expected a JSON pointer such as /errcode".into()));
        }
        problems
    }

    /// Warnings as (key, message): what may be right by the time it is needed.
    pub(in crate::sinks) fn warnings(&self) -> Vec<(&'static str, String)> {
        let mut warnings: Vec<_> = self.link().tls().warning().into_iter().collect();
        warnings.extend(missing("secret_file", self.secret_file.as_deref()));
        if !self.levels.is_empty() && self.severity_max == 1 {
            let message = "with `severity_max` 1 (the default) these levels are told of emergencies alone: 4 is everything".into();
            warnings.push(("levels", message));
        }
        warnings
    }

    /// The reason to pass this event over, if there is one.
    pub(in crate::sinks) fn passes(&self, event: &Event, now: Timestamp) -> Option<&'static str> {
        let data = &event.data;
        // Somebody else came: to who is told of the first, that is as good as a new incident.
        let tells_news = data.what == What::Updated && data.detail.contains_key("news");
        // A case that is sent to a department is as good as new to it.
        let becomes_theirs = matches!(data.what, What::Dispatched | What::Transferred);
        let meant = is_meant(data, &self.kinds, self.severity_max, &self.grids)
            && (self.what.contains(&data.what)
                || (data.what == What::Escalated && !self.levels.is_empty())
                || (becomes_theirs && !self.departments.is_empty())
                || (tells_news && self.what.contains(&What::Opened)))
            && (self.departments.is_empty()
                || data
                    .department()
                    .is_some_and(|of| self.departments.iter().any(|one| one == of)));
        if !meant {
            return Some(NOT_MEANT);
        }
        (template::age_s(event, now) > self.too_old_s as f64).then_some("too old to be of use")
    }
}

/// The template with its names left empty.
fn blank(body: &str) -> String {
    let mut text = body.to_owned();
    for name in template::NAMES {
        text = text.replace(&format!("{{{name}}}"), "");
    }
    text
}

/// DingTalk, custom robot, "signature": the secret is both the key and part of what is signed.
fn dingtalk(secret: &str, now: Timestamp) -> (String, String) {
    let ms = now.as_millisecond().to_string();
    let mut mac =
        Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes a key of any length");
    mac.update(format!("{ms}\n{secret}").as_bytes());
    let sign = base64::engine::general_purpose::STANDARD.encode(mac.finalize().into_bytes());
    (ms, sign)
}

fn secret(path: &Path) -> Result<String, DeliverError> {
    let text = read_text(path).map_err(|error| {
        DeliverError::retry(format!("secret_file {}: cannot be read: {error}", path.display()))
    })?;
    Ok(text.trim().to_owned())
}

/// What no parser reads, and was meant as an object of JSON all the same; a word such as `ok` was not.
fn begins_as_object(answer: &str) -> bool {
    let before = |c: char| c.is_whitespace() || c == '\0' || c == '\u{fffd}';
    answer.trim_start_matches(before).starts_with('{')
}

pub struct WebhookSink {
    config: Config,
    link: Link,
}

impl WebhookSink {
    pub(in crate::sinks) fn new(config: &Config) -> Self {
        Self { config: config.clone(), link: Link::new(&config.link()) }
    }

    fn url(&self, now: Timestamp) -> Result<url::Url, DeliverError> {
        let mut url = self.config.url.clone();
        if let (Some(Sign::Dingtalk), Some(path)) = (self.config.sign, &self.config.secret_file) {
            let (ms, sign) = dingtalk(&secret(path)?, now);
            url.query_pairs_mut().append_pair("timestamp", &ms).append_pair("sign", &sign);
        }
        Ok(url)
    }

    /// A robot answers 200 to everything; its verdict is in the body.
    fn verdict(&self, answer: &[u8]) -> Result<(), DeliverError> {
        // Words in GBK must not hide the verdict beside them.
        let answer = String::from_utf8_lossy(without_mark(answer));
        // What a server adds behind its JSON is none of it.
        let first = serde_json::Deserializer::from_str(&answer).into_iter::<Value>().next();
        let value = match first {
            Some(Ok(value)) => value,
            // It says something that may be a no: taken for a yes, an emergency would be lost without a word.
            Some(Err(error)) if begins_as_object(&answer) => {
                let shown: String = answer.trim().chars().take(WORDS_CHARS_MAX).collect();
                let reason =
                    format!("answered 200 and a JSON that cannot be read ({error}): {shown}");
                return Err(DeliverError::retry(reason));
            }
            _ => return Ok(()),
        };
        let Some(code) = value.pointer(&self.config.ok_pointer) else { return Ok(()) };
        // Gateways of text messages write it as a text, too.
        let number: Option<i64> =
            code.as_i64().or_else(|| code.as_str()?.trim().parse::<i64>().ok());
        if number == Some(self.config.ok_value) {
            return Ok(());
        }
        let message = value.get("errmsg").and_then(Value::as_str).unwrap_or_default();
        let message: String = message.chars().take(WORDS_CHARS_MAX).collect();
        let too_many = number.is_some_and(|number| TOO_MANY.contains(&number));
        Err(DeliverError::Retry {
            reason: format!("answered 200 and {} {code}: {message}", self.config.ok_pointer),
            after_ms: too_many.then_some(AFTER_TOO_MANY_MS),
        })
    }
}

impl Sink for WebhookSink {
    async fn deliver(&mut self, delivery: &Delivery) -> Result<(), DeliverError> {
        let mut event = template::event_with_link(delivery)?;
        roles::keep(&self.config.roles, &mut event.data.detail);
        if let Some(why) = self.config.passes(&event, delivery.at) {
            return Err(DeliverError::passed(why));
        }
        self.send(&event, "", delivery.at).await
    }
}

impl WebhookSink {
    /// One request with this event, and `say` where the body has that.
    pub(in crate::sinks) async fn send(
        &mut self,
        event: &Event,
        say: &str,
        now: Timestamp,
    ) -> Result<(), DeliverError> {
        let into = Into::of(&self.config.content_type, &self.config.body).unwrap_or(Into::Json);
        let body = template::fill_message(&self.config.body, event, say, into);
        let url = self.url(now)?;
        let request = self
            .link
            .request(reqwest::Method::POST, url)?
            .timeout(self.link.within)
            .header(header::CONTENT_TYPE, &self.config.content_type)
            .body(body);
        let answer = request.send().await.map_err(|error| self.link.broken(error))?;
        match judge(answer.status()) {
            Judgement::Delivered => self.verdict(&link::whole(answer).await),
            Judgement::Refused => Err(link::refusal(answer).await),
            Judgement::Later => Err(link::later(answer).await),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sinks::template::tests::press;

    fn config(more: &str) -> Config {
        let text = format!(
            "id = \"duty\"\nurl = \"https://h/send?key=k\"\nbody = '{{\"text\":\"{{title}}\"}}'\n{more}"
        );
        toml::from_str(&text).unwrap()
    }

    #[test]
    fn a_signature_that_dingtalk_would_take() {
        // Computed with Python's hmac and base64 of the same secret and time.
        let now = Timestamp::from_millisecond(1_577_262_236_757).unwrap();
        let (ms, sign) = dingtalk("SEC0123456789abcdef", now);
        assert_eq!(ms, "1577262236757");
        assert_eq!(sign, SIGNATURE);
    }

    const SIGNATURE: &str = "Pgr6tpIpjVrMPPJUPkaI9sivFPPTYOy5zIOMF2GPFMA=";

    #[test]
    fn only_what_is_meant_goes_there() {
        let now: Timestamp = "2026-07-01T03:00:30Z".parse().unwrap();
        let late: Timestamp = "2026-07-01T05:00:30Z".parse().unwrap();
        let passes = |more: &str, what: &str, now| {
            config(more).passes(&template::event(&press(what, "")).unwrap(), now)
        };
        assert_eq!(passes("", "opened", now), None);
        assert_eq!(passes("", "updated", now), Some("not what it is for"));
        assert_eq!(passes("", "opened", late), Some("too old to be of use"));
        let news = |more: &str| {
            let event = template::event(&press("updated", r#","news":[7,8]"#)).unwrap();
            config(more).passes(&event, now)
        };
        assert_eq!(news(""), None, "a newcomer is told as the first one was");
        assert_eq!(news("what = [\"ended\"]"), Some("not what it is for"));
        assert_eq!(passes("kinds = [\"rain\"]", "opened", now), Some("not what it is for"));
        assert_eq!(passes("grids = [\"G1\"]", "opened", now), None);
        assert_eq!(passes("grids = [\"G2\"]", "opened", now), Some("not what it is for"));
        assert_eq!(passes("what = [\"accepted\"]", "accepted", now), None);
    }

    #[test]
    fn a_department_is_told_of_its_own_cases_wherever_they_come_from() {
        let now: Timestamp = "2026-07-01T03:00:30Z".parse().unwrap();
        let fire = config("departments = [\"消防\"]");
        let passes = |routed: Option<&str>, has: Option<&str>| {
            let mut event = template::event(&press("opened", "")).unwrap();
            event.data.route = routed.map(|name| {
                serde_json::from_value(serde_json::json!({"department": name, "item": "x"}))
                    .unwrap()
            });
            event.data.life.department = has.map(str::to_owned);
            fire.passes(&event, now).is_none()
        };
        for what in [What::Dispatched, What::Transferred, What::Accepted] {
            let mut event = template::event(&press("opened", "")).unwrap();
            event.data.what = what;
            event.data.life.department = Some("消防".into());
            let told = fire.passes(&event, now).is_none();
            assert_eq!(told, what != What::Accepted, "{what:?}: sent there is as good as new");
        }
        assert!(!passes(None, None), "nobody's");
        assert!(passes(Some("消防"), None), "by the list");
        assert!(!passes(Some("派出所"), None));
        assert!(passes(Some("派出所"), Some("消防")), "sent there by a person");
        assert!(!passes(Some("消防"), Some("派出所")), "another one has it now");
    }

    #[test]
    fn a_200_with_an_errcode_is_a_failure() {
        let webhook = WebhookSink::new(&config(""));
        assert_eq!(webhook.verdict(br#"{"errcode":0,"errmsg":"ok"}"#), Ok(()));
        assert_eq!(webhook.verdict(b"fine"), Ok(()));
        let refused = webhook.verdict(br#"{"errcode":93000,"errmsg":"invalid webhook url"}"#);
        let reason = "answered 200 and /errcode 93000: invalid webhook url".to_owned();
        assert_eq!(refused, Err(DeliverError::Retry { reason, after_ms: None }));
        let many = webhook.verdict(br#"{"errcode":45009,"errmsg":"api freq out of limit"}"#);
        assert!(
            matches!(many, Err(DeliverError::Retry { after_ms: Some(60_000), .. })),
            "{many:?}"
        );
    }

    #[test]
    fn a_verdict_that_is_a_text_is_one() {
        let webhook = WebhookSink::new(&config("ok_pointer = \"/code\""));
        for yes in [r#"{"code":"0"}"#, r#"{"code":" 0 "}"#, r#"{"code":0}"#] {
            assert_eq!(webhook.verdict(yes.as_bytes()), Ok(()), "{yes}");
        }
        for no in [r#"{"code":"1"}"#, r#"{"code":""}"#, r#"{"code":"ok"}"#, r#"{"code":null}"#] {
            let answer = webhook.verdict(no.as_bytes());
            assert!(
                matches!(answer, Err(DeliverError::Retry { after_ms: None, .. })),
                "{no}: {answer:?}"
            );
        }
        let many = webhook.verdict(br#"{"code":"45009"}"#);
        assert!(
            matches!(many, Err(DeliverError::Retry { after_ms: Some(60_000), .. })),
            "{many:?}"
        );
    }

    #[test]
    fn a_refusal_is_heard_through_a_mark_gbk_or_a_break() {
        let webhook = WebhookSink::new(&config(""));
        let with_mark = |text: &str| webhook.verdict(format!("\u{feff}{text}").as_bytes());
        assert_eq!(with_mark(r#"{"errcode":0}"#), Ok(()));
        let refused = with_mark(r#"{"errcode":93000,"errmsg":"x"}"#);
        let reason = "answered 200 and /errcode 93000: x".to_owned();
        assert_eq!(refused, Err(DeliverError::Retry { reason, after_ms: None }));
        // "成功" and "失败" in GBK.
        assert_eq!(webhook.verdict(b"{\"errcode\":0,\"errmsg\":\"\xb3\xc9\xb9\xa6\"}"), Ok(()));
        assert!(webhook.verdict(b"{\"errcode\":1,\"errmsg\":\"\xca\xa7\xb0\xdc\"}").is_err());
        for unread in [" {\"errcode\":930", "{errcode:93000}", "\u{feff}{"] {
            let answer = webhook.verdict(unread.as_bytes());
            let Err(DeliverError::Retry { reason, .. }) = answer else { panic!("{unread}") };
            assert!(
                reason.starts_with("answered 200 and a JSON that cannot be read ("),
                "{reason}"
            );
        }
        // Without a verdict the status is one.
        for word in
            ["", " ", "ok", "200 OK", "<html>{}</html>", "{}", "{\"errcode\":0}\0", "\u{feff}ok"]
        {
            assert_eq!(webhook.verdict(word.as_bytes()), Ok(()), "{word}");
        }
    }

    #[test]
    fn what_is_wrong_with_one_is_told() {
        let told = |more: &str| -> Vec<String> {
            config(more).problems().into_iter().map(|(key, why)| format!("{key}: {why}")).collect()
        };
        assert_eq!(told(""), Vec::<String>::new());
        assert_eq!(told("sign = \"dingtalk\""), ["secret_file: is needed for `sign`"]);
        let mut bad = config("");
        bad.body = "{\"text\":{titel}}".into();
        let told: Vec<_> = bad.problems().into_iter().map(|(key, _)| key).collect();
        assert_eq!(told, ["body", "body"]);
    }
}
