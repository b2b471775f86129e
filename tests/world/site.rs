//! A site's configuration as a value: a section is opened by a word, and keys are set in the one opened last.
//!
//! ```ignore
//! Site::demo()
//!     .camera("gate", &server).set("clip_max_s", 3)
//!     .walkers()
//!     .http(&receiver)
//! ```

use std::{
    fmt::Display,
    path::{Path, PathBuf},
};

use serde::Serialize;

use super::{Broker, Receiver, RtspServer};

/// What every running gateway of a test has, unless its site says otherwise: a folder of its own,
/// and listeners at ports of the system's choice. Head, key, value as TOML.
const TO_RUN: [(&str, &str, &str); 5] = [
    ("[data]", "path", "\"data\""),
    ("[data]", "min_free_bytes", "1048576"),
    ("[web]", "listen", "\"127.0.0.1:0\""),
    ("[intake]", "listen", "\"127.0.0.1:0\""),
    ("[intake]", "allow_anonymous", "true"),
];

#[derive(Clone)]
struct Section {
    /// With its brackets: `[site]`, `[[camera]]`.
    head: String,
    /// Key, and value as TOML.
    keys: Vec<(String, String)>,
}

impl Section {
    fn new(head: &str) -> Self {
        Self { head: head.into(), keys: Vec::new() }
    }

    fn set(&mut self, key: &str, value: String) {
        match self.keys.iter_mut().find(|(known, _)| known == key) {
            Some(known) => known.1 = value,
            None => self.keys.push((key.into(), value)),
        }
    }

    fn has_id(&self, head: &str, id: &str) -> bool {
        let id = toml_of(id);
        self.head == head && self.keys.iter().any(|(key, value)| key == "id" && *value == id)
    }
}

/// See the head of this file. It is a value: clone it, and one differs from the other by what is
/// added, as before and after a reload.
#[derive(Clone)]
pub(crate) struct Site {
    /// A text that begins it as it stands.
    text: String,
    sections: Vec<Section>,
    /// Where `set` sets.
    open: usize,
}

impl Site {
    /// The site `demo`, and nothing in it.
    pub(crate) fn demo() -> Self {
        Self { text: String::new(), sections: Vec::new(), open: 0 }
            .section("[site]")
            .set("id", "demo")
    }

    /// Opens a section, `[rain]` or `[[rule]]`; one of single brackets that is there is opened again.
    pub(crate) fn section(mut self, head: &str) -> Self {
        let known = self.sections.iter().position(|section| section.head == head);
        self.open = match known {
            Some(at) if !head.starts_with("[[") => at,
            _ => {
                self.sections.push(Section::new(head));
                self.sections.len() - 1
            }
        };
        self
    }

    /// A key of the section that was opened last, whatever TOML can hold.
    pub(crate) fn set(mut self, key: &str, value: impl Serialize) -> Self {
        self.sections[self.open].set(key, toml_of(value));
        self
    }

    /// Opens `[[head]]` with this id once more, to change it.
    pub(crate) fn edit(mut self, head: &str, id: &str) -> Self {
        self.open = self.place(head, id);
        self
    }

    /// Without `[[head]]` of this id.
    pub(crate) fn without(mut self, head: &str, id: &str) -> Self {
        self.sections.remove(self.place(head, id));
        self.open = 0;
        self
    }

    fn place(&self, head: &str, id: &str) -> usize {
        let at = self.sections.iter().position(|section| section.has_id(head, id));
        at.unwrap_or_else(|| panic!("no {head} `{id}` in\n{}", self.text()))
    }

    fn entry(self, head: &str, id: &str) -> Self {
        self.section(head).set("id", id)
    }

    pub(crate) fn camera(self, id: &str, stream: impl Stream) -> Self {
        self.entry("[[camera]]", id).set("url", stream.address())
    }

    /// A camera by one line: it is asked here where its streams are.
    pub(crate) fn camera_by_onvif(self, id: &str, onvif: &str) -> Self {
        self.entry("[[camera]]", id).set("onvif", onvif)
    }

    /// The camera that was opened last keeps few seconds of video, so that its clips come soon.
    pub(crate) fn short_clips(self) -> Self {
        self.set("clip_max_s", 3).set("pre_roll_s", 2)
    }

    pub(crate) fn button(self, id: &str) -> Self {
        self.entry("[[button]]", id)
    }

    pub(crate) fn gauge(self, id: &str) -> Self {
        self.entry("[[gauge]]", id)
    }

    pub(crate) fn drone(self, id: &str) -> Self {
        self.entry("[[drone]]", id)
    }

    pub(crate) fn device_model(self, id: &str) -> Self {
        self.entry("[[device_model]]", id)
    }

    pub(crate) fn rule(self, id: &str, kind: &str) -> Self {
        self.entry("[[rule]]", id).set("kind", kind)
    }

    /// The rule `walkers`: whoever walks through the clip of [`super::street`] is an incident.
    pub(crate) fn walkers(self) -> Self {
        self.rule("walkers", "intrusion")
    }

    /// The rule `anybody`, for the scenes of [`super::scene`], whose people come and go for seconds.
    pub(crate) fn anybody(self) -> Self {
        self.rule("anybody", "intrusion")
            .set("labels", ["person"])
            .set("min_score", 0.5)
            .set("clear_s", 1.5)
            .set("cooldown_s", 0)
    }

    /// The sink `grid`: this receiver.
    pub(crate) fn http(self, receiver: &Receiver) -> Self {
        self.http_sink("grid", &receiver.url)
    }

    pub(crate) fn http_sink(self, id: &str, url: impl Display) -> Self {
        self.entry("[[sink]]", id).set("kind", "http").set("url", url.to_string())
    }

    pub(crate) fn mqtt_sink(self, id: &str, broker: impl AtBroker) -> Self {
        self.entry("[[sink]]", id).set("kind", "mqtt").set("broker", broker.url())
    }

    /// `[[mqtt]]`: a broker at which devices report.
    pub(crate) fn mqtt_source(self, id: &str, broker: impl AtBroker) -> Self {
        self.entry("[[mqtt]]", id).set("url", broker.url())
    }

    /// As it was said here.
    pub(crate) fn text(&self) -> String {
        let mut text = self.text.clone();
        for Section { head, keys } in &self.sections {
            text.push_str(&format!("\n{head}\n"));
            keys.iter().for_each(|(key, value)| text.push_str(&format!("{key} = {value}\n")));
        }
        text
    }

    /// With what it needs to run, see [`TO_RUN`].
    pub(crate) fn text_to_run(&self) -> String {
        let mut site = self.clone();
        for (head, key, value) in TO_RUN {
            site = site.section(head);
            let keys = &mut site.sections[site.open].keys;
            if keys.iter().all(|(known, _)| known != key) {
                keys.push((key.into(), value.into()));
            }
        }
        site.text()
    }
}

/// A text without `[data]`, `[web]` and `[intake]`, such as one of `config/`.
impl From<&str> for Site {
    fn from(text: &str) -> Self {
        Self { text: text.into(), sections: Vec::new(), open: 0 }
    }
}

impl From<&String> for Site {
    fn from(text: &String) -> Self {
        text.as_str().into()
    }
}

impl From<&Self> for Site {
    fn from(site: &Self) -> Self {
        site.clone()
    }
}

fn toml_of(value: impl Serialize) -> String {
    toml::Value::try_from(value).expect("TOML can hold it").to_string()
}

/// What a camera is played from.
pub(crate) trait Stream {
    fn address(&self) -> String;
}

impl Stream for str {
    fn address(&self) -> String {
        self.to_owned()
    }
}

impl Stream for String {
    fn address(&self) -> String {
        self.clone()
    }
}

impl Stream for Path {
    fn address(&self) -> String {
        self.display().to_string()
    }
}

impl Stream for PathBuf {
    fn address(&self) -> String {
        self.display().to_string()
    }
}

impl Stream for RtspServer {
    fn address(&self) -> String {
        self.url()
    }
}

impl<S: Stream + ?Sized> Stream for &S {
    fn address(&self) -> String {
        (**self).address()
    }
}

/// Where a broker is: itself, a port, or the whole address.
pub(crate) trait AtBroker {
    fn url(&self) -> String;
}

impl AtBroker for &Broker {
    fn url(&self) -> String {
        self.port.url()
    }
}

impl AtBroker for u16 {
    fn url(&self) -> String {
        format!("mqtt://127.0.0.1:{self}")
    }
}

impl AtBroker for &str {
    fn url(&self) -> String {
        (*self).to_owned()
    }
}

impl AtBroker for &String {
    fn url(&self) -> String {
        (*self).clone()
    }
}
