//! What keeps the gateway from being ready, by part, and what is only worth knowing; `/readyz` shows both.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use super::lock;

/// Reasons not to be ready; empty is ready. And notes: it works, though not as it was wished.
#[derive(Clone, Default)]
pub struct Readiness(Arc<Mutex<BTreeMap<String, (String, bool)>>>);

impl Readiness {
    /// `part` is not well, for a reason that a person can act on.
    pub fn not_ready(&self, part: &str, reason: &str) {
        self.put(part, reason, true);
    }

    /// `part` works, but not as it was asked to.
    pub fn note(&self, part: &str, text: &str) {
        self.put(part, text, false);
    }

    fn put(&self, part: &str, text: &str, bad: bool) {
        lock(&self.0).insert(part.into(), (text.into(), bad));
    }

    /// `part` is well, or gone.
    pub fn clear(&self, part: &str) {
        lock(&self.0).remove(part);
    }

    /// Why the gateway is not ready; empty: it is.
    pub fn reasons(&self) -> Vec<String> {
        self.all(true)
    }

    /// What works, though not as it was asked to.
    pub fn notes(&self) -> Vec<String> {
        self.all(false)
    }

    fn all(&self, wanted: bool) -> Vec<String> {
        let parts = lock(&self.0);
        let wanted = parts.iter().filter(|(_, (_, bad))| *bad == wanted);
        wanted.map(|(part, (text, _))| format!("{part}: {text}")).collect()
    }
}
