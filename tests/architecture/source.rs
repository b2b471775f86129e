//! The gateway's source as these tests read it: files, modules, and the paths that each names.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::OnceLock,
};

/// One file of `gateway/`.
pub(super) struct Source {
    /// Relative to `gateway/`, with slashes.
    pub(super) name: String,
    /// As it stands.
    pub(super) text: String,
    /// Without comments and without test modules.
    pub(super) code: String,
    /// `["camera", "sampler", "lag"]`; a `mod.rs` has the path of its folder.
    pub(super) module: Vec<String>,
}

impl Source {
    /// The first folder, or the file's own name.
    pub(super) fn room(&self) -> &str {
        self.module.first().map_or("", String::as_str)
    }

    /// A file that holds nothing but tests.
    pub(super) fn is_test(&self) -> bool {
        self.name.rsplit('/').next().is_some_and(|file| file.starts_with("tests"))
    }

    /// The text behind `//!` at its head.
    pub(super) fn head(&self) -> String {
        let lines = self.text.lines().map_while(|line| line.strip_prefix("//!"));
        lines.map(str::trim).collect::<Vec<_>>().join(" ")
    }

    /// Absolute paths that the code names: `["camera", "gate", "Gate"]`.
    pub(super) fn paths(&self) -> Vec<Vec<String>> {
        paths(&self.code, &self.module)
    }
}

pub(super) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All files, by name; read once.
pub(super) fn sources() -> &'static [Source] {
    static SOURCES: OnceLock<Vec<Source>> = OnceLock::new();
    SOURCES.get_or_init(|| {
        files(&root().join("gateway"), "rs").iter().map(|path| read(path)).collect()
    })
}

/// Files below a folder with this ending, sorted.
pub(super) fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    fn walk(folder: &Path, ending: &str, out: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            // What npm brought is nobody's page of ours.
            if path.is_dir() && !path.ends_with("node_modules") {
                walk(&path, ending, out);
            } else if path.is_file() && path.extension().is_some_and(|ext| ext == ending) {
                out.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(folder, ending, &mut found);
    found.sort();
    found
}

fn read(path: &Path) -> Source {
    let name = path.strip_prefix(root().join("gateway")).unwrap().to_string_lossy().into_owned();
    let text = fs::read_to_string(path).unwrap();
    let mut module: Vec<String> =
        name.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    if module.last().is_some_and(|last| last == "mod") {
        module.pop();
    }
    let code = without_test_modules(&without_comments(&text));
    Source { name, text, code, module }
}

/// Good enough to look for paths in: what stands behind `//` goes, in text literals too.
fn without_comments(text: &str) -> String {
    let code = text.lines().map(|line| line.split("//").next().unwrap_or_default());
    code.collect::<Vec<_>>().join("\n")
}

/// Leaves out `#[cfg(test)] mod … { … }`, and nothing else: a function or an import behind
/// `#[cfg(test)]` is looked at, and so is all code below a test module.
pub(super) fn without_test_modules(code: &str) -> String {
    let mut out = String::new();
    let mut rest = code;
    while let Some(at) = rest.find("#[cfg(test)]") {
        let (before, behind) = rest.split_at(at);
        out.push_str(before);
        let item = behind["#[cfg(test)]".len()..].trim_start();
        let item = item.trim_start_matches("pub(crate) ").trim_start_matches("pub ");
        let is_module = item.starts_with("mod ") || item.starts_with("#[path");
        let body = behind
            .find('{')
            .filter(|open| behind.find(';').is_none_or(|semicolon| *open < semicolon) && is_module);
        rest = match body {
            Some(open) => &behind[open + block_end(&behind[open..])..],
            None => {
                out.push_str("#[cfg(test)]");
                &behind["#[cfg(test)]".len()..]
            }
        };
    }
    out + rest
}

/// Bytes of a block from its `{` to behind its `}`.
fn block_end(text: &str) -> usize {
    let mut depth = 0usize;
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at + 1;
                }
            }
            _ => {}
        }
    }
    text.len()
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Every path that begins with `crate`, `super` or `self`, groups opened, made absolute.
fn paths(code: &str, module: &[String]) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for start in ["crate::", "super::", "self::"] {
        for (at, _) in code.match_indices(start) {
            if code[..at].ends_with(|c: char| is_word(c) || c == ':') {
                continue;
            }
            let mut tree = Vec::new();
            open(&code[at..], &mut Vec::new(), &mut tree);
            found.extend(tree.iter().map(|named| absolute(&named.path, module)));
        }
    }
    found
}

/// A path, and the name by which it is known where it is imported.
struct Named {
    path: Vec<String>,
    name: String,
}

/// A path or a tree of paths at the beginning of `text`; the bytes that it takes.
fn open(text: &str, before: &mut Vec<String>, out: &mut Vec<Named>) -> usize {
    let begun = before.len();
    let mut at = 0;
    loop {
        at += text[at..].len() - text[at..].trim_start().len();
        if text[at..].starts_with('{') {
            at += 1;
            loop {
                at += open(&text[at..], before, out);
                at += text[at..].len() - text[at..].trim_start().len();
                match text[at..].chars().next() {
                    Some(',') => at += 1,
                    Some('}') | None => break,
                    Some(other) => at += other.len_utf8(),
                }
            }
            before.truncate(begun);
            return (at + 1).min(text.len());
        }
        let word: String = text[at..].chars().take_while(|c| is_word(*c)).collect();
        at += word.len();
        if !word.is_empty() {
            before.push(word);
        }
        if !text[at..].starts_with("::") {
            break;
        }
        at += 2;
    }
    if before.len() > begun {
        let alias = text[at..].trim_start().strip_prefix("as ").unwrap_or_default();
        let alias: String = alias.chars().take_while(|c| is_word(*c)).collect();
        let last = before.last().cloned().unwrap_or_default();
        let name = if alias.is_empty() { last } else { alias };
        out.push(Named { path: before.clone(), name });
    }
    before.truncate(begun);
    at
}

fn absolute(path: &[String], module: &[String]) -> Vec<String> {
    let mut base = module.to_vec();
    let mut rest = path;
    match rest.first().map(String::as_str) {
        Some("crate") => {
            base.clear();
            rest = &rest[1..];
        }
        Some("self") => rest = &rest[1..],
        _ => {}
    }
    while rest.first().is_some_and(|word| word == "super") {
        base.pop();
        rest = &rest[1..];
    }
    base.extend(rest.iter().cloned());
    base
}

/// From a module's path to the file that holds it.
pub(super) fn modules() -> BTreeMap<Vec<String>, &'static Source> {
    sources().iter().map(|source| (source.module.clone(), source)).collect()
}

/// The module in which what a path names is defined, through re-exports of its parents.
pub(super) fn home(
    path: &[String],
    modules: &BTreeMap<Vec<String>, &'static Source>,
    depth: usize,
) -> Vec<String> {
    let mut length = path.len();
    while length > 0 && !modules.contains_key(&path[..length]) {
        length -= 1;
    }
    let (module, item) = (path[..length].to_vec(), path.get(length));
    let (Some(source), Some(item)) = (modules.get(&module), item) else { return module };
    if depth == 0 {
        return module;
    }
    let imports = imports(source);
    match imports.iter().find(|import| import.name == *item) {
        Some(import) if import.path[..] != *path => home(&import.path, modules, depth - 1),
        _ => module,
    }
}

/// What a module's `use` lines bring into it, as absolute paths; of its own children too, which
/// are named there without `self`.
fn imports(source: &Source) -> Vec<Named> {
    let mut found = Vec::new();
    for (at, _) in source.code.match_indices("use ") {
        if source.code[..at].ends_with(is_word) {
            continue;
        }
        let mut tree = Vec::new();
        open(&source.code[at + 4..], &mut Vec::new(), &mut tree);
        found.extend(
            tree.into_iter()
                .map(|Named { path, name }| Named { path: absolute(&path, &source.module), name }),
        );
    }
    found
}
