//! What keeps the gateway from being ready, by part; `/readyz` shows it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

/// Reasons not to be ready; empty is ready.
#[derive(Clone, Default)]
pub struct Health(Arc<Mutex<BTreeMap<String, String>>>);

impl Health {
    /// `part` is not well, for a reason that a person can act on.
    pub fn bad(&self, part: &str, reason: &str) {
        self.0.lock().expect("no panic while health is held").insert(part.into(), reason.into());
    }

    pub fn good(&self, part: &str) {
        self.0.lock().expect("no panic while health is held").remove(part);
    }

    pub fn reasons(&self) -> Vec<String> {
        let reasons = self.0.lock().expect("no panic while health is held");
        reasons.iter().map(|(part, reason)| format!("{part}: {reason}")).collect()
    }
}
