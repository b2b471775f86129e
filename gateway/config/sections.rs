//! Sections by name: read as their type, and asked what is wrong with them.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use super::read::Document;

/// Errors or warnings of a section, as (key, message).
pub(super) type Says<T> = fn(&T) -> Vec<(&'static str, String)>;

/// For a section that has none.
pub(super) fn nothing<T>(_: &T) -> Vec<(&'static str, String)> {
    Vec::new()
}

/// Items of a list of tables, each with its index as text.
pub(super) type Items<T> = Vec<(String, T)>;

impl Document<'_> {
    /// `[name]`, made of defaults where it is not there. None: it cannot be made.
    pub(super) fn one<T: DeserializeOwned + JsonSchema>(
        &mut self,
        name: &'static str,
        errors: Says<T>,
        warnings: Says<T>,
    ) -> Option<T> {
        self.knows(name);
        self.asked(&[name], errors, warnings)
    }

    /// `[name]`, if it is there.
    pub(super) fn optional<T: DeserializeOwned + JsonSchema>(
        &mut self,
        name: &'static str,
        errors: Says<T>,
        warnings: Says<T>,
    ) -> Option<T> {
        self.knows(name);
        if self.has(name) { self.asked(&[name], errors, warnings) } else { None }
    }

    /// All `[[name]]`.
    pub(super) fn each<T: DeserializeOwned + JsonSchema>(
        &mut self,
        name: &'static str,
        errors: Says<T>,
        warnings: Says<T>,
    ) -> Items<T> {
        self.indexes(name)
            .filter_map(|index| {
                Some((index.clone(), self.asked(&[name, &index], errors, warnings)?))
            })
            .collect()
    }

    /// The indexes of all `[[name]]`, as text.
    pub(super) fn indexes(&mut self, name: &'static str) -> impl Iterator<Item = String> + use<> {
        self.knows(name);
        (0..self.count(name)).map(|index| index.to_string())
    }

    fn asked<T: DeserializeOwned + JsonSchema>(
        &mut self,
        path: &[&str],
        errors: Says<T>,
        warnings: Says<T>,
    ) -> Option<T> {
        let section = self.section(path, &[])?;
        self.problems(path, errors(&section));
        self.warnings(path, warnings(&section));
        Some(section)
    }

    /// Errors of the section at this path.
    pub(super) fn problems(&mut self, path: &[&str], errors: Vec<(&'static str, String)>) {
        for (key, message) in errors {
            self.problem(&[path, &[key]].concat(), message, None);
        }
    }

    /// Warnings of the section at this path.
    pub(super) fn warnings(&mut self, path: &[&str], warnings: Vec<(&'static str, String)>) {
        for (key, message) in warnings {
            self.warning(&[path, &[key]].concat(), message);
        }
    }
}
