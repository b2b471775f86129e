//! What keeps the gateway from being ready, by part, what is only worth knowing, and what is in use; `/readyz` shows it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use super::lock;

/// What is said of a part.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// It keeps the gateway from being ready.
    Bad,
    /// It works, though not as it was wished.
    Note,
    /// It is well: what it is.
    Fact,
}

/// Reasons not to be ready; empty is ready. Notes: it works, though not as it was wished. And facts.
#[derive(Clone, Default)]
pub struct Readiness(Arc<Mutex<BTreeMap<String, (String, Standing)>>>);

impl Readiness {
    /// `part` is not well, for a reason that a person can act on.
    pub fn not_ready(&self, part: &str, reason: &str) {
        self.put(part, reason, Standing::Bad);
    }

    /// `part` works, but not as it was asked to.
    pub fn note(&self, part: &str, text: &str) {
        self.put(part, text, Standing::Note);
    }

    /// What `part` is, where all is well.
    pub fn fact(&self, part: &str, text: &str) {
        self.put(part, text, Standing::Fact);
    }

    fn put(&self, part: &str, text: &str, standing: Standing) {
        lock(&self.0).insert(part.into(), (text.into(), standing));
    }

    /// `part` is well, or gone.
    pub fn clear(&self, part: &str) {
        lock(&self.0).remove(part);
    }

    /// Why the gateway is not ready; empty: it is.
    pub fn reasons(&self) -> Vec<String> {
        self.all(Standing::Bad)
    }

    /// What works, though not as it was asked to.
    pub fn notes(&self) -> Vec<String> {
        self.all(Standing::Note)
    }

    /// What this part is, if it said so and all is well with it.
    pub fn fact_of(&self, part: &str) -> Option<String> {
        let parts = lock(&self.0);
        let fact = parts.get(part).filter(|(_, standing)| *standing == Standing::Fact);
        fact.map(|(text, _)| text.clone())
    }

    fn all(&self, wanted: Standing) -> Vec<String> {
        let parts = lock(&self.0);
        let wanted = parts.iter().filter(|(_, (_, standing))| *standing == wanted);
        wanted.map(|(part, (text, _))| format!("{part}: {text}")).collect()
    }
}
