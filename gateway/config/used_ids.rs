//! Which ids are taken already.

use std::collections::HashSet;

#[derive(Default)]
pub(super) struct UsedIds(HashSet<String>);

impl UsedIds {
    /// The message for an id that was given before.
    pub(super) fn twice(&mut self, id: &str) -> Option<String> {
        self.insert(id.to_owned(), id)
    }

    /// As [`Self::twice`], where case does not count.
    pub(super) fn twice_in_any_case(&mut self, id: &str) -> Option<String> {
        self.insert(id.to_lowercase(), id)
    }

    fn insert(&mut self, key: String, shown: &str) -> Option<String> {
        let known = !self.0.insert(key);
        known.then(|| format!("`{shown}` is used twice"))
    }
}
