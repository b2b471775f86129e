//! What keeps the gateway from being ready, by part, and what is only worth knowing; `/readyz` shows both.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

/// Reasons not to be ready; empty is ready. And notes: it works, though not as it was wished.
#[derive(Clone, Default)]
pub struct Health(Arc<Mutex<BTreeMap<String, (String, bool)>>>);

impl Health {
    /// `part` is not well, for a reason that a person can act on.
    pub fn bad(&self, part: &str, reason: &str) {
        self.put(part, reason, true);
    }

    /// `part` works, but not as it was asked to.
    pub fn note(&self, part: &str, text: &str) {
        self.put(part, text, false);
    }

    fn put(&self, part: &str, text: &str, bad: bool) {
        let mut parts = self.0.lock().expect("no panic while health is held");
        parts.insert(part.into(), (text.into(), bad));
    }

    pub fn good(&self, part: &str) {
        self.0.lock().expect("no panic while health is held").remove(part);
    }

    pub fn reasons(&self) -> Vec<String> {
        self.all(true)
    }

    pub fn notes(&self) -> Vec<String> {
        self.all(false)
    }

    fn all(&self, wanted: bool) -> Vec<String> {
        let parts = self.0.lock().expect("no panic while health is held");
        let wanted = parts.iter().filter(|(_, (_, bad))| *bad == wanted);
        wanted.map(|(part, (text, _))| format!("{part}: {text}")).collect()
    }
}
