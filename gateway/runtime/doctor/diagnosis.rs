//! What was found of one part, in plain words for the person at the box, and what he can do about it.

use serde::Serialize;
use serde_json::{Map, Value};

/// How well a part is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Gravity {
    Fine,
    /// It works, though not as it should.
    Note,
    /// Something that is needed does not work.
    Bad,
}

/// The same in both languages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Bilingual {
    pub zh: String,
    pub en: String,
}

/// One part and how it is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Diagnosis {
    /// `gateway`, `camera`, `sink`, `broker`, `disk`, `time`, `model` or `config`.
    pub part: &'static str,
    /// Of the configuration; empty for a part that there is only one of.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
    pub health: Gravity,
    pub says: Bilingual,
    /// What to do; absent where nothing is to be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<Bilingual>,
    /// Figures, with their unit in the name.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub facts: Map<String, Value>,
}

impl Diagnosis {
    pub(super) fn new(
        (part, id): (&'static str, &str),
        health: Gravity,
        zh: impl Into<String>,
        en: impl Into<String>,
    ) -> Self {
        let says = Bilingual { zh: zh.into(), en: en.into() };
        Self { part, id: id.into(), health, says, advice: None, facts: Map::new() }
    }

    /// What to do about it.
    pub(super) fn advise(mut self, zh: impl Into<String>, en: impl Into<String>) -> Self {
        self.advice = Some(Bilingual { zh: zh.into(), en: en.into() });
        self
    }

    pub(super) fn fact(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.facts.insert(name.into(), value.into());
        self
    }
}
