//! Files laid over the hand-written one: key by key, items of lists by their id; each key keeps its place.
//!
//! A key of a layer takes the place of the same key below, whole. An item of a list (`[[rule]]`) is the one
//! below with the same `id`, or a new one; `removed = true` takes it away. A layer that is wrong anywhere
//! is told with its own lines, and laid as far as it can be read.

use std::collections::BTreeSet;

use super::{
    Document, Key, Problem, Span, Table, Value, ValueInner, dotted, first_key, line_of, parse_toml,
    secrets_of,
};

/// One file of a configuration, and its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Layer {
    /// As problems name it.
    pub(crate) file: String,
    /// TOML.
    pub(crate) text: String,
}

/// A file in a document, and where its spans begin.
pub(super) struct Laid<'t> {
    pub(super) file: String,
    pub(super) text: &'t str,
    pub(super) from: usize,
}

/// Where a key of the configuration comes from.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Origin {
    /// `camera[gate].url`: items by id.
    pub key: String,
    /// As typed, on one line; `…` where it may hold a secret.
    pub value: String,
    /// The hand-written file or one of `site.d`.
    pub file: String,
    /// From 1.
    pub line: usize,
}

/// The section in which it stands where files of `site.d` lie.
const NOT_IN_A_LAYER: &str = "data";
/// Takes an item away.
const REMOVED: &str = "removed";

impl<'t> Document<'t> {
    /// Lays a file over what is there.
    pub(crate) fn lay(&mut self, layer: &'t Layer) {
        let from = self.texts.last().map_or(0, |last| last.from + last.text.len() + 1);
        self.texts.push(Laid { file: layer.file.clone(), text: &layer.text, from });
        let root = match parse_toml(&layer.text) {
            Ok(root) => moved(root, from),
            Err(error) => {
                let message = format!("this is not valid TOML: {error}");
                return self.wrong(from + error.span.start, &[], message);
            }
        };
        let mut root = root;
        let ValueInner::Table(sections) = root.take() else { return };
        for (name, mut value) in sections {
            let (section, span) = (name.name.to_string(), name.span);
            if section == NOT_IN_A_LAYER {
                let message =
                    "says where site.d lies, and so stands in the hand-written file alone";
                self.wrong(span.start, &[&section], message.into());
                continue;
            }
            match value.take() {
                ValueInner::Table(keys) => self.lay_section(name, keys, value.span),
                ValueInner::Array(items) => self.lay_items(name, items, value.span),
                _ => {
                    let message = format!("expected a section: [{section}] or [[{section}]]");
                    self.wrong(span.start, &[&section], message);
                }
            }
        }
    }

    /// `[name]`.
    fn lay_section(&mut self, name: Key<'t>, keys: Table<'t>, span: Span) {
        let mut root = take_table(&mut self.root);
        let conflict = match root.get_mut(&*name.name) {
            None => {
                root.insert(name.clone(), Value::with_span(ValueInner::Table(keys), span));
                false
            }
            Some(below) if below.as_table().is_some() => {
                let mut table = take_table(below);
                put_keys(&mut table, keys);
                below.set(ValueInner::Table(table));
                false
            }
            Some(_) => true,
        };
        self.root.set(ValueInner::Table(root));
        if conflict {
            let message = format!("expected a list: write [[{name}]], in double brackets");
            self.wrong(name.span.start, &[&name.name], message);
        }
    }

    /// All `[[name]]`.
    fn lay_items(&mut self, name: Key<'t>, items: Vec<Value<'t>>, span: Span) {
        let mut root = take_table(&mut self.root);
        if !root.contains_key(&*name.name) {
            root.insert(name.clone(), Value::with_span(ValueInner::Array(Vec::new()), span));
        }
        let mut problems = Vec::new();
        match root.get_mut(&*name.name) {
            Some(below) if below.as_array().is_some() => {
                let ValueInner::Array(mut all) = below.take() else { return };
                let mut seen = BTreeSet::new();
                for item in items {
                    let at = first_key(&item).unwrap_or(item.span).start;
                    if let Err(message) = lay_item(&mut all, item, &mut seen) {
                        problems.push((at, message));
                    }
                }
                below.set(ValueInner::Array(all));
            }
            _ => problems.push((name.span.start, format!("expected a section: write [{name}]"))),
        }
        // A list of which all was taken away is none.
        if root.get(&*name.name).and_then(|list| list.as_array()).is_some_and(Vec::is_empty) {
            root.remove(&*name.name);
        }
        self.root.set(ValueInner::Table(root));
        for (at, message) in problems {
            self.wrong(at, &[&name.name], message);
        }
    }

    fn wrong(&mut self, offset: usize, path: &[&str], message: String) {
        let (file, line) = self.at(offset);
        let key = dotted(path);
        self.problems.push(Problem { file, line, key, message, hint: None, warning: false });
    }

    /// File and line of a place in the spans of all texts.
    pub(super) fn at(&self, offset: usize) -> (String, usize) {
        let laid = self.texts.iter().rfind(|laid| laid.from <= offset);
        laid.map_or((String::new(), 0), |laid| {
            (laid.file.clone(), line_of(laid.text, offset - laid.from))
        })
    }

    /// Every key with its place: by section and id, in the order of names.
    pub(crate) fn origins(&self) -> Vec<Origin> {
        let mut found = Vec::new();
        for (section, value) in self.root.as_table().into_iter().flatten() {
            let name = section.name.as_ref();
            match value.as_ref() {
                ValueInner::Table(keys) => self.origins_of(name, keys, &mut found),
                ValueInner::Array(items) => {
                    for (index, item) in items.iter().enumerate() {
                        let Some(keys) = item.as_table() else { continue };
                        let id = keys.get("id").and_then(|id| id.as_str());
                        let id = id.map_or_else(|| (index + 1).to_string(), str::to_owned);
                        self.origins_of(&format!("{name}[{id}]"), keys, &mut found);
                    }
                }
                _ => {}
            }
        }
        found
    }

    fn origins_of(&self, section: &str, keys: &Table<'t>, found: &mut Vec<Origin>) {
        for (key, value) in keys {
            let (file, line) = self.at(key.span.start);
            let value = self.shown(&key.name, value);
            found.push(Origin { key: format!("{section}.{key}"), value, file, line });
        }
    }

    /// As typed: what came by `${NAME}` is its name.
    fn shown(&self, key: &str, value: &Value<'t>) -> String {
        match value.as_ref() {
            ValueInner::String(text) => {
                let holds = secrets_of(Some(&key.to_owned()), "", text, self.environment);
                if holds.is_empty() { format!("{text:?}") } else { "…".into() }
            }
            ValueInner::Integer(number) => number.to_string(),
            ValueInner::Float(number) => format!("{number:?}"),
            ValueInner::Boolean(flag) => flag.to_string(),
            ValueInner::Array(items) => {
                let items: Vec<String> = items.iter().map(|item| self.shown(key, item)).collect();
                format!("[{}]", items.join(", "))
            }
            ValueInner::Table(keys) => {
                let one = |(key, value): (&Key<'t>, &Value<'t>)| {
                    format!("{key} = {}", self.shown(&key.name, value))
                };
                format!("{{ {} }}", keys.iter().map(one).collect::<Vec<_>>().join(", "))
            }
        }
    }

    /// Whether a layer holds what may be a secret: file and key of the first in each.
    pub(crate) fn layers_with_secrets(&self) -> Vec<(String, String)> {
        if self.texts.len() < 2 {
            return Vec::new();
        }
        let hand_written = self.texts.first().map(|laid| laid.file.as_str());
        let mut found: Vec<(String, String)> = Vec::new();
        for origin in self.origins() {
            let known = found.iter().any(|(file, _)| *file == origin.file);
            if origin.value.contains('…') && Some(origin.file.as_str()) != hand_written && !known
            {
                found.push((origin.file, origin.key));
            }
        }
        found
    }
}

/// Lays one item of a list over its like, or puts it at the end.
fn lay_item<'t>(
    all: &mut Vec<Value<'t>>,
    mut item: Value<'t>,
    seen: &mut BTreeSet<String>,
) -> Result<(), String> {
    let span = item.span;
    let ValueInner::Table(mut keys) = item.take() else {
        return Err("expected tables, each with its `id`".into());
    };
    let id = keys.get("id").and_then(|id| id.as_str()).map(str::to_owned);
    let id = id.ok_or("is missing its `id`: by it an item is laid over the one below")?;
    if !seen.insert(id.clone()) {
        return Err(format!("`{id}` stands twice in this file"));
    }
    let is_same = |one: &Value<'t>| {
        one.as_table().and_then(|keys| keys.get("id")).and_then(|id| id.as_str()) == Some(&*id)
    };
    let below = all.iter().position(is_same);
    let removed = match keys.remove(REMOVED).map(|value| value.as_bool()) {
        None | Some(Some(false)) => false,
        Some(Some(true)) => true,
        Some(None) => return Err(format!("`{id}`: removed: expected true or false")),
    };
    match (below, removed) {
        (Some(at), true) => drop(all.remove(at)),
        (None, true) => {}
        (Some(at), false) => {
            let mut table = take_table(&mut all[at]);
            // Its own id stays where it was typed first.
            keys.remove("id");
            put_keys(&mut table, keys);
            all[at].set(ValueInner::Table(table));
        }
        (None, false) => all.push(Value::with_span(ValueInner::Table(keys), span)),
    }
    Ok(())
}

/// The table in a value, which is empty until it is set again.
fn take_table<'t>(value: &mut Value<'t>) -> Table<'t> {
    match value.take() {
        ValueInner::Table(table) => table,
        _ => Table::new(),
    }
}

fn put_keys<'t>(below: &mut Table<'t>, keys: Table<'t>) {
    for (key, value) in keys {
        // `insert` alone would leave the old key, and so its place.
        below.remove(&*key.name);
        below.insert(key, value);
    }
}

/// With all its spans moved on.
fn moved(mut value: Value<'_>, by: usize) -> Value<'_> {
    let span = Span::new(value.span.start + by, value.span.end + by);
    let inner = match value.take() {
        ValueInner::Array(items) => {
            ValueInner::Array(items.into_iter().map(|item| moved(item, by)).collect())
        }
        ValueInner::Table(keys) => {
            let mut table = Table::new();
            for (mut key, value) in keys {
                key.span = Span::new(key.span.start + by, key.span.end + by);
                table.insert(key, moved(value, by));
            }
            ValueInner::Table(table)
        }
        other => other,
    };
    Value::with_span(inner, span)
}
