//! `[[speaker]]` and `[[announce]]`: where can be spoken, and what is said there when.

use std::{net::SocketAddr, path::PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::voice::VoiceConfig;
use crate::{
    domain::{Kind, Posture, SPOKEN_CHARS_MAX, Schedule, Severity, SinkId},
    sinks::{http::WebhookConfig, template},
    wire::mqtt::Access,
};

/// `[[speaker]]`: one loudspeaker, or one group that hears the same.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SpeakerConfig {
    /// Its name in the ledger; no sink, camera or other device has the same.
    pub id: String,
    /// For people. Default its id.
    #[serde(default)]
    pub name: String,
    /// Longitude and latitude. Default that of the site.
    #[serde(default)]
    pub place: Option<[f64; 2]>,
    /// Code of its grid. Default the one that `place` lies in.
    #[serde(default)]
    pub grid: Option<String>,
    /// How it is spoken to: `sip:NUMBER@IP:PORT` calls it (G.711 A-law; it must answer by itself),
    /// `rtp://GROUP:PORT` sends to a multicast group, which nobody acknowledges, so that each text is sent
    /// twice; `mqtt://` or `mqtts://HOST:PORT` and `http://` or `https://` hand the text to a device that
    /// reads it.
    pub way: url::Url,
    /// For a SIP speaker or broker that asks for it.
    #[serde(default)]
    pub username: Option<String>,
    /// File with its password; read each time.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// PEM file of the authority that signed its certificate, in place of the web's own (mqtts, https).
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// mqtt: topic, without `+` and `#`.
    #[serde(default)]
    pub topic: Option<String>,
    /// mqtt, http: what is sent as JSON, with `{say}` for the text, and `{title}`, `{incident}` and others.
    /// Default `{"text":"{say}"}`.
    #[serde(default = "payload")]
    pub payload: String,
    /// How long it may take to answer, seconds, 1 to 30. Default 3.
    #[serde(default = "answer_s")]
    pub answer_s: u64,
}

/// `[[announce]]`: what is said of which incidents.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AnnounceConfig {
    /// For people.
    pub id: String,
    /// Incidents of these kinds…
    #[serde(default)]
    pub kinds: Vec<Kind>,
    /// … or of these rules, by id. One of the two lists must name something.
    #[serde(default)]
    pub rules: Vec<String>,
    /// Only at least as urgent: 1 emergency … 4 notice. Default 4.
    #[serde(default = "severity_max")]
    pub severity_max: Severity,
    /// Only in grids with these codes. Default all.
    #[serde(default)]
    pub grids: Vec<String>,
    /// Only of these cameras, gauges or buttons, by id. Default all.
    #[serde(default)]
    pub sources: Vec<String>,
    /// Only while one of these postures holds. Default always.
    #[serde(default)]
    pub postures: Vec<Posture>,
    /// Quiet hours, such as `Mon-Sun 22:00-06:30` in the site's time zone, in which only emergencies are
    /// said. Default none.
    #[serde(default)]
    pub quiet: Vec<String>,
    /// Where, by id. Default the speakers of the incident's grid.
    #[serde(default)]
    pub speakers: Vec<String>,
    /// What is said in Chinese, with `{title}`, `{grid}`, `{source}` and others filled in.
    #[serde(default)]
    pub zh: String,
    /// What is said in English, after that.
    #[serde(default)]
    pub en: String,
    /// `{plate}` may be said, and whole: everybody who stands there hears it. Default false.
    #[serde(default)]
    pub say_plates: bool,
    /// How often it is said again while its cause goes on, 0 to 1000. Default 0.
    #[serde(default)]
    pub repeats: u32,
    /// Seconds from the end of one to the beginning of the next, 1 to 3600. Default 15.
    #[serde(default = "every_s")]
    pub every_s: u32,
    /// What could not be said within so many seconds is never said: it is settled as expired and told as an
    /// incident. 1 to 3600. Default 60, of an emergency 600.
    #[serde(default)]
    pub valid_s: Option<u32>,
}

/// A speaker with all that may be said at it: a sink. Made of the sections above.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Config {
    pub speaker: SpeakerConfig,
    /// Those that may concern it.
    pub announce: Vec<AnnounceConfig>,
    pub voice: VoiceConfig,
    /// Code of the grid that it stands in.
    pub grid: Option<String>,
    /// Of the site, for quiet hours.
    pub timezone: String,
}

fn payload() -> String {
    r#"{"text":"{say}"}"#.into()
}

fn answer_s() -> u64 {
    3
}

fn severity_max() -> Severity {
    Severity::MINOR
}

fn every_s() -> u32 {
    15
}

/// By the scheme of `way`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WayKind {
    Sip,
    Rtp,
    Mqtt,
    Http,
}

impl SpeakerConfig {
    /// None: no scheme that is known.
    pub(super) fn way_kind(&self) -> Option<WayKind> {
        match self.way.scheme() {
            "sip" => Some(WayKind::Sip),
            "rtp" => Some(WayKind::Rtp),
            "mqtt" | "mqtts" => Some(WayKind::Mqtt),
            "http" | "https" => Some(WayKind::Http),
            _ => None,
        }
    }

    /// Whom to call: what stands in front of `@`, and the address. For `sip` and `rtp`.
    pub(super) fn address(&self) -> Result<(String, SocketAddr), String> {
        let expected = match self.way_kind() {
            Some(WayKind::Sip) => "expected sip:NUMBER@IP:PORT, such as sip:101@192.0.2.7:5060",
            _ => "expected rtp://GROUP:PORT, such as rtp://239.1.1.1:18000",
        };
        let text = self.way.as_str().split_once(':').map_or("", |(_, rest)| rest);
        let text = text.trim_start_matches('/').trim_end_matches('/');
        let (user, host) = text.rsplit_once('@').unwrap_or(("", text));
        let host = host.split([';', '?']).next().unwrap_or_default();
        let host = match (self.way_kind(), host.contains(':')) {
            (Some(WayKind::Sip), false) => format!("{host}:5060"),
            _ => host.to_owned(),
        };
        let address: SocketAddr = host.parse().map_err(|_| format!("`{host}`: {expected}"))?;
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.+*#".contains(c);
        if !user.chars().all(plain) {
            return Err(format!("`{user}`: {expected}; without a password, which has a file"));
        }
        match address {
            SocketAddr::V4(four) if four.port() > 0 => Ok((user.to_owned(), address)),
            _ => Err(format!("`{host}`: {expected}")),
        }
    }

    pub(super) fn access(&self) -> Access<'_> {
        Access {
            url_key: "way",
            url: &self.way,
            username: &self.username,
            password_file: &self.password_file,
            ca_file: &self.ca_file,
            client_cert_file: &None,
            client_key_file: &None,
        }
    }

    /// The connection is that of the `webhook` sink.
    pub(super) fn webhook(&self) -> WebhookConfig {
        WebhookConfig::to_device(
            &self.id,
            &self.way,
            &self.payload,
            self.ca_file.clone(),
            self.answer_s,
        )
    }

    /// Errors as (key, message).
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        match self.way_kind() {
            None => problems.push((
                "way",
                format!(
                    "`{}`: expected sip:, rtp://, mqtt://, mqtts://, http:// or https://",
                    self.way.scheme()
                ),
            )),
            Some(kind @ (WayKind::Sip | WayKind::Rtp)) => match self.address() {
                Err(why) => problems.push(("way", why)),
                Ok((_, address)) => {
                    let group = address.ip().is_multicast();
                    if kind == WayKind::Rtp && !group && !address.ip().is_loopback() {
                        let message = format!(
                            "{address} is no multicast group (224.0.0.0 to 239.255.255.255): for one device use sip:"
                        );
                        problems.push(("way", message));
                    }
                    if kind == WayKind::Sip && group {
                        problems
                            .push(("way", format!("{address} is a group: for that use rtp://")));
                    }
                }
            },
            Some(WayKind::Mqtt) => {
                problems.extend(self.access().problems());
                let topic = self.topic.as_deref().unwrap_or_default();
                if topic.is_empty() || topic.contains(['+', '#']) {
                    problems
                        .push(("topic", format!("`{topic}`: expected one topic, without + and #")));
                }
            }
            Some(WayKind::Http) => {
                let of = |(key, message)| (if key == "url" { "way" } else { key }, message);
                let of = |one| {
                    let (key, message) = of(one);
                    (if key == "body" { "payload" } else { key }, message)
                };
                problems.extend(self.webhook().problems().into_iter().map(of));
            }
        }
        let names = self.topic.iter().chain([&self.payload]);
        for name in names.flat_map(|text| template::unknown(text)) {
            let known = template::NAMES.join(", ");
            problems.push(("payload", format!("{name} is not known; known are {known}")));
        }
        if !(1..=30).contains(&self.answer_s) {
            problems.push(("answer_s", format!("{}: expected seconds, 1 to 30", self.answer_s)));
        }
        if self.password_file.is_some() != self.username.is_some() {
            problems
                .push(("password_file", "`username` and `password_file` belong together".into()));
        }
        problems
    }

    /// Warnings as (key, message): what may be right by the time it is needed.
    pub fn warnings(&self) -> Vec<(&'static str, String)> {
        match self.way_kind() {
            Some(WayKind::Rtp) => vec![(
                "way",
                "nobody acknowledges what is sent to a group: the ledger says that it was sent, not that it was heard"
                    .into(),
            )],
            Some(WayKind::Mqtt) => self.access().warnings(),
            Some(WayKind::Http) => self.webhook().warnings(),
            Some(WayKind::Sip) | None => Vec::new(),
        }
    }
}

impl AnnounceConfig {
    /// Whether it may be said at this speaker at all.
    pub fn concerns(&self, speaker: &str) -> bool {
        self.speakers.is_empty() || self.speakers.iter().any(|one| one == speaker)
    }

    /// How long it is of use, seconds.
    pub(super) fn valid_s(&self, severity: Severity) -> u32 {
        self.valid_s.unwrap_or(if severity == Severity::EMERGENCY { 600 } else { 60 })
    }

    /// Errors as (key, message).
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        if self.kinds.is_empty() && self.rules.is_empty() {
            problems
                .push(("kinds", "`kinds` or `rules`: one of them says what it is about".into()));
        }
        if self.zh.trim().is_empty() && self.en.trim().is_empty() {
            problems.push(("zh", "`zh` or `en`: one of them is what is said".into()));
        }
        for (key, text) in [("zh", &self.zh), ("en", &self.en)] {
            for name in template::unknown(text) {
                let known = template::NAMES.join(", ");
                problems.push((key, format!("{name} is not known; known are {known}")));
            }
            if text.contains("{plate}") && !self.say_plates {
                let message = "`{plate}` is said aloud only with `say_plates = true`";
                problems.push((key, message.into()));
            }
            let length = text.chars().count();
            if length > SPOKEN_CHARS_MAX {
                problems.push((
                    key,
                    format!("{length} characters; expected at most {SPOKEN_CHARS_MAX}"),
                ));
            }
        }
        for (key, value, least, most) in [
            ("repeats", self.repeats, 0, 1_000),
            ("every_s", self.every_s, 1, 3_600),
            ("valid_s", self.valid_s.unwrap_or(60), 1, 3_600),
        ] {
            if !(least..=most).contains(&value) {
                problems.push((key, format!("{value}: expected {least} to {most}")));
            }
        }
        if let Err(problem) = Schedule::parse(&self.quiet) {
            problems.push(("quiet", problem));
        }
        problems
    }
}

impl Config {
    pub fn id(&self) -> SinkId {
        self.speaker.id.as_str().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn speaker(more: &str) -> Vec<(&'static str, String)> {
        let config: SpeakerConfig = toml::from_str(&format!("id = \"s\"\n{more}")).unwrap();
        config.problems()
    }

    #[test]
    fn ways_right_and_nearly_right() {
        for (way, wrong) in [
            ("way = \"sip:101@192.0.2.7:5060\"", ""),
            ("way = \"sip:192.0.2.7\"", ""),
            ("way = \"sip:101@host:5060\"", "way"),
            ("way = \"sip:101:secret@192.0.2.7\"", "way"),
            ("way = \"sip:101@192.0.2.7:0\"", "way"),
            ("way = \"sip:101@239.1.1.1\"", "way"),
            ("way = \"rtp://239.1.1.1:18000\"", ""),
            ("way = \"rtp://224.0.0.1:5004\"", ""),
            ("way = \"rtp://192.0.2.7:18000\"", "way"),
            ("way = \"rtp://239.1.1.1\"", "way"),
            ("way = \"mqtt://h:1883\"\ntopic = \"hall/say\"", ""),
            ("way = \"mqtt://h:1883\"", "topic"),
            ("way = \"mqtt://h:1883\"\ntopic = \"hall/#\"", "topic"),
            ("way = \"http://h/say\"", ""),
            ("way = \"http://h/say\"\npayload = \"{sya}\"", "payload"),
            ("way = \"ftp://h/say\"", "way"),
            ("way = \"sip:192.0.2.7\"\nanswer_s = 0", "answer_s"),
            ("way = \"sip:192.0.2.7\"\nanswer_s = 1", ""),
            ("way = \"sip:192.0.2.7\"\nanswer_s = 30", ""),
            ("way = \"sip:192.0.2.7\"\nanswer_s = 31", "answer_s"),
            ("way = \"sip:192.0.2.7\"\nusername = \"u\"", "password_file"),
        ] {
            let keys: Vec<&str> = speaker(way).iter().map(|(key, _)| *key).collect();
            assert_eq!(keys.first().copied().unwrap_or(""), wrong, "{way}: {:?}", speaker(way));
        }
    }

    #[test]
    fn announcements_right_and_nearly_right() {
        let of = |more: &str| {
            let text = format!("id = \"a\"\n{more}");
            let config: AnnounceConfig = toml::from_str(&text).unwrap();
            config.problems().iter().map(|(key, _)| *key).collect::<Vec<_>>()
        };
        let good = "kinds = [\"fire-lane\"]\nzh = \"{grid}：请勿停车\"\n";
        assert_eq!(of(good), [] as [&str; 0]);
        assert_eq!(of("zh = \"请勿停车\""), ["kinds"]);
        assert_eq!(of("rules = [\"r\"]"), ["zh"]);
        assert_eq!(of("rules = [\"r\"]\nen = \"leave {gird}\""), ["en"]);
        for (key, good_ends, bad) in [
            ("repeats", ["0", "1000"], "1001"),
            ("every_s", ["1", "3600"], "3601"),
            ("every_s", ["1", "3600"], "0"),
            ("valid_s", ["1", "3600"], "0"),
            ("valid_s", ["1", "3600"], "3601"),
        ] {
            for end in good_ends {
                assert_eq!(of(&format!("{good}{key} = {end}")), [] as [&str; 0], "{key} {end}");
            }
            assert_eq!(of(&format!("{good}{key} = {bad}")), [key], "{bad}");
        }
        assert_eq!(of(&format!("{good}quiet = [\"22:00-06:00\"]")), ["quiet"]);
        let long = |count| format!("rules = [\"r\"]\nzh = \"{}\"", "请".repeat(count));
        assert_eq!(of(&long(500)), [] as [&str; 0]);
        assert_eq!(of(&long(501)), ["zh"]);
    }
}
