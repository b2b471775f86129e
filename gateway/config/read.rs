//! TOML text → sections as serde types, with every mistake found in one go and its line.

mod layers;
mod walk;

use std::path::{Path, PathBuf};

use schemars::{JsonSchema, schema_for};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value as Json};
use toml_span::{
    Span, Value, parse as parse_toml,
    value::{Key, Table, ValueInner},
};

use super::{
    env::Environment,
    problem::{Problem, did_you_mean},
};
use layers::Laid;
pub(crate) use layers::Layer;
pub use layers::Origin;

/// A parsed file that still knows where each key stands.
pub(crate) struct Document<'t> {
    /// The file itself, then what is laid over it: spans run on from one to the next.
    texts: Vec<Laid<'t>>,
    root: Value<'t>,
    environment: &'t dyn Environment,
    /// Relative paths in the file are relative to this folder.
    base: PathBuf,
    /// Names of the sections that somebody reads.
    known: Vec<&'static str>,
    problems: Vec<Problem>,
    /// What must stand in no message (I5), and what stands there instead.
    hidden: Vec<(String, String)>,
}

/// Keys whose text may hold a password, beside everything that came by `${NAME}`.
fn may_hold_secret(key: &str) -> bool {
    ["url", "broker", "listen", "onvif", "password", "token", "secret", "key"]
        .iter()
        .any(|word| key.contains(word))
}

/// Keys whose text is a path, beside everything that ends in `_file`.
const PATH_KEYS: &[&str] =
    &["path", "grids", "buttons", "calendar", "table", "roster", "library", "catalog", "phrases"];

impl<'t> Document<'t> {
    /// A text that is not TOML is one problem; everything else is found section by section.
    pub(crate) fn parse(
        file: &str,
        text: &'t str,
        environment: &'t dyn Environment,
    ) -> Result<Self, Problem> {
        match parse_toml(text) {
            Ok(root) => Ok(Self {
                texts: vec![Laid { file: file.to_owned(), text, from: 0 }],
                root,
                environment,
                base: Path::new(file).parent().map(Path::to_path_buf).unwrap_or_default(),
                known: Vec::new(),
                problems: Vec::new(),
                hidden: Vec::new(),
            }),
            Err(error) => Err(Problem {
                file: file.to_owned(),
                line: line_of(text, error.span.start),
                key: String::new(),
                message: format!("this is not valid TOML: {error}"),
                hint: None,
                warning: false,
            }),
        }
    }

    pub(crate) fn into_problems(self) -> Vec<Problem> {
        self.problems
    }

    /// Reports a mistake at a key, e.g. `["camera", "2", "url"]`; falls back to the nearest
    /// enclosing table where the key itself is absent.
    pub(crate) fn problem(&mut self, path: &[&str], message: String, hint: Option<String>) {
        let ((file, line), key) = (self.place(path), dotted(path));
        let (message, hint) = (self.hide(message), hint.map(|hint| self.hide(hint)));
        self.problems.push(Problem { file, line, key, message, hint, warning: false });
    }

    /// The message without what must not be shown.
    fn hide(&self, message: String) -> String {
        let hides = |text: String, (what, shown): &(String, String)| match text.contains(what) {
            true => text.replace(what, shown),
            false => text,
        };
        self.hidden.iter().fold(message, hides)
    }

    /// Longest first: one value may hold another.
    fn hides(&mut self, secrets: Vec<Secret>) {
        for Secret { text, shown } in secrets {
            let quoted = format!("{text:?}");
            let inner = quoted[1..quoted.len() - 1].to_owned();
            let coded =
                percent_encoding::utf8_percent_encode(&text, percent_encoding::NON_ALPHANUMERIC);
            for text in [coded.to_string(), inner, text] {
                if !text.is_empty() && !self.hidden.iter().any(|(known, _)| *known == text) {
                    self.hidden.push((text, shown.clone()));
                }
            }
        }
        self.hidden.sort_by_key(|(text, _)| std::cmp::Reverse(text.len()));
    }

    /// Reported, but nothing stops because of it.
    pub(crate) fn warning(&mut self, path: &[&str], message: String) {
        let ((file, line), key) = (self.place(path), dotted(path));
        let message = self.hide(message);
        self.problems.push(Problem { file, line, key, message, hint: None, warning: true });
    }

    /// A problem in a line of another file that this one names.
    pub(crate) fn foreign(
        &mut self,
        (file, line): (&Path, usize),
        key: &str,
        message: String,
        hint: Option<String>,
    ) {
        let (file, key) = (file.display().to_string(), key.to_owned());
        self.problems.push(Problem { file, line, key, message, hint, warning: false });
    }

    /// As [`Self::foreign`], but nothing stops because of it.
    pub(crate) fn foreign_warning(
        &mut self,
        (file, line): (&Path, usize),
        key: &str,
        message: String,
    ) {
        let (file, key) = (file.display().to_string(), key.to_owned());
        self.problems.push(Problem { file, line, key, message, hint: None, warning: true });
    }

    /// File and line of a key, or of the nearest enclosing table.
    fn place(&self, path: &[&str]) -> (String, usize) {
        let mut at = &self.root;
        let mut span: Option<Span> = None;
        for segment in path {
            match at.as_ref() {
                ValueInner::Table(table) => match table.iter().find(|(k, _)| k.name == *segment) {
                    Some((key, value)) => {
                        span = Some(key.span);
                        at = value;
                    }
                    None => break,
                },
                ValueInner::Array(array) => {
                    match segment.parse::<usize>().ok().and_then(|i| array.get(i)) {
                        Some(value) => {
                            // An item of `[[camera]]` has no span of its own: its first key tells.
                            span = first_key(value).or(Some(value.span));
                            at = value;
                        }
                        None => break,
                    }
                }
                _ => break,
            }
        }
        self.at(span.map_or(0, |span| span.start))
    }

    /// Somebody reads the top-level table of this name.
    pub(crate) fn knows(&mut self, name: &'static str) {
        self.known.push(name);
    }

    /// Reports the top-level tables that nobody has read.
    pub(crate) fn check_sections(&mut self) {
        let Some(table) = self.root.as_table() else { return };
        let known = self.known.clone();
        let unknown: Vec<String> = table
            .keys()
            .map(|key| key.name.to_string())
            .filter(|name| !known.contains(&name.as_str()))
            .collect();
        // In front: a name that is misspelt explains what is missing because of it.
        let others = std::mem::take(&mut self.problems);
        for name in unknown {
            let hint = did_you_mean(&name, known.iter().copied());
            self.problem(
                &[&name],
                format!("unknown section; known are {}", known.join(", ")),
                hint,
            );
        }
        self.problems.extend(others);
    }

    /// How many `[[name]]` there are; a `[name]` in single brackets is reported as a mistake.
    pub(crate) fn count(&mut self, name: &str) -> usize {
        let (count, mistake) = match self.root.as_table().and_then(|table| table.get(name)) {
            None => (0, false),
            Some(value) => match value.as_array() {
                Some(array) => (array.len(), false),
                None => (0, true),
            },
        };
        if mistake {
            self.problem(
                &[name],
                format!("expected a list: write [[{name}]], in double brackets"),
                None,
            );
        }
        count
    }

    /// The text at a path, as typed, before anything is checked.
    pub(crate) fn text_at(&self, path: &[&str]) -> Option<String> {
        Some(self.root.pointer(&format!("/{}", path.join("/")))?.as_str()?.to_owned())
    }

    /// A variable of the environment.
    pub(crate) fn variable(&self, name: &str) -> Option<String> {
        self.environment.get(name)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.root.as_table().is_some_and(|table| table.contains_key(name))
    }

    /// One section as its type. Every unknown key, wrong type and missing key is reported;
    /// None if it cannot be made even without the wrong keys. `drop` names keys read elsewhere (a tag).
    pub(crate) fn section<T: DeserializeOwned + JsonSchema>(
        &mut self,
        path: &[&str],
        drop: &[&str],
    ) -> Option<T> {
        let pointer = format!("/{}", path.join("/"));
        let (mut broken, mut secrets) = (Vec::new(), Vec::new());
        let json = match self.root.pointer(&pointer) {
            None => Json::Object(Map::new()),
            Some(value) => {
                let mut json =
                    to_json(value, self.environment, &mut Vec::new(), (&mut broken, &mut secrets));
                self.resolve_paths(&mut json);
                json
            }
        };
        self.hides(secrets);
        for (tail, message) in broken {
            let full: Vec<&str> =
                path.iter().copied().chain(tail.iter().map(String::as_str)).collect();
            self.problem(&full, message, None);
        }
        let Json::Object(mut object) = json else {
            self.problem(path, "expected a table".into(), None);
            return None;
        };
        for key in drop {
            object.remove(*key);
        }
        let schema = schema_for!(T);
        let names: Vec<String> = schema
            .get("properties")
            .and_then(Json::as_object)
            .map(|properties| properties.keys().cloned().collect())
            .unwrap_or_default();
        self.report_missing(path, &object, schema.get("required"));
        // Serde stops at the first mistake: report it, take the key out, and ask again.
        loop {
            let error = match serde_path_to_error::deserialize::<_, T>(Json::Object(object.clone()))
            {
                // What was wrong has been told; the rest is checked all the same.
                Ok(value) => return Some(value),
                Err(error) => error,
            };
            let message = error.inner().to_string();
            if message.starts_with("missing field") {
                return None;
            }
            let tail = segments(error.path());
            let key = backticked(&message)
                .filter(|_| message.starts_with("unknown field"))
                .map(str::to_owned)
                .or_else(|| tail.first().cloned())
                .filter(|key| object.contains_key(key));
            self.serde_problem(path, key.as_deref(), &tail, &message, &names);
            match key {
                Some(key) => object.remove(&key),
                None => return None,
            };
        }
    }

    /// Makes paths absolute or relative to the working directory; `-` (stdout) and urls stay.
    fn resolve_paths(&self, json: &mut Json) {
        let Json::Object(object) = json else { return };
        for (key, value) in object.iter_mut() {
            let Json::String(text) = value else { continue };
            let names_path = key.ends_with("_file") || PATH_KEYS.contains(&key.as_str());
            let names_clip = key == "url" && !text.contains("://") && !text.is_empty();
            if (names_path && text != "-") || names_clip {
                *text = self.base.join(&*text).to_string_lossy().into_owned();
            }
        }
    }

    fn report_missing(
        &mut self,
        path: &[&str],
        object: &Map<String, Json>,
        required: Option<&Json>,
    ) {
        let missing: Vec<&str> = required
            .and_then(Json::as_array)
            .into_iter()
            .flatten()
            .filter_map(Json::as_str)
            .filter(|key| !object.contains_key(*key))
            .collect();
        for key in &missing {
            let full: Vec<&str> = path.iter().copied().chain([*key]).collect();
            self.problem(&full, "is missing".into(), None);
        }
    }

    fn serde_problem(
        &mut self,
        path: &[&str],
        key: Option<&str>,
        tail: &[String],
        message: &str,
        names: &[String],
    ) {
        let at: Vec<&str> = match key {
            Some(key) if tail.first().is_none_or(|first| first != key) => {
                path.iter().copied().chain([key]).collect()
            }
            _ => path.iter().copied().chain(tail.iter().map(String::as_str)).collect(),
        };
        if message.starts_with("unknown field") {
            let typed = key.unwrap_or_default();
            let hint = did_you_mean(typed, names.iter().map(String::as_str))
                .or_else(|| Some(format!("known keys: {}", names.join(", "))));
            self.problem(&at, "unknown key".into(), hint);
        } else {
            let hint = backticked(message)
                .filter(|_| message.starts_with("unknown variant"))
                .and_then(|typed| did_you_mean(typed, message.split('`').skip(3).step_by(2)));
            self.problem(&at, message.replace("unknown variant", "unknown value"), hint);
        }
    }
}

/// Keys and indexes, as they stand in the path of a problem.
fn segments(path: &serde_path_to_error::Path) -> Vec<String> {
    let bare = |segment: String| segment.trim_matches(|c| c == '[' || c == ']').to_owned();
    path.iter().map(|segment| bare(segment.to_string())).collect()
}

/// A path and what is wrong there.
type Broken = (Vec<String>, String);

/// A text that must stand in no message, and what stands there instead.
struct Secret {
    text: String,
    shown: String,
}

/// Values that came by `${NAME}`, and whole texts of keys that may hold a password.
fn secrets_of(
    key: Option<&String>,
    typed: &str,
    filled: &str,
    environment: &dyn Environment,
) -> Vec<Secret> {
    let mut secrets: Vec<Secret> = names(typed)
        .filter_map(|name| {
            let text = environment.get(name).filter(|text| text.len() >= SECRET_BYTES_MIN)?;
            Some(Secret { text, shown: format!("${{{name}}}") })
        })
        .collect();
    let is_file = key.is_some_and(|key| key.ends_with("_file"));
    let bare = key.is_some_and(|key| key.contains("url") || key == "listen")
        && !filled.contains(['@', '='])
        && !filled.contains("://");
    let may_hold = key.is_some_and(|key| may_hold_secret(key)) && !is_file && !bare;
    if may_hold && filled.len() >= SECRET_BYTES_MIN {
        secrets.push(Secret { text: filled.to_owned(), shown: "…".into() });
    }
    secrets
}

/// A shorter text is part of words that say what is wrong, and no password.
const SECRET_BYTES_MIN: usize = 4;

/// The names in `${NAME}`.
fn names(typed: &str) -> impl Iterator<Item = &str> {
    typed.split("${").skip(1).filter_map(|rest| Some(rest.split_once('}')?.0))
}

fn to_json(
    value: &Value<'_>,
    environment: &dyn Environment,
    path: &mut Vec<String>,
    (broken, secrets): (&mut Vec<Broken>, &mut Vec<Secret>),
) -> Json {
    match value.as_ref() {
        ValueInner::String(text) => match environment.expand(text) {
            Ok(filled) => {
                secrets.extend(secrets_of(path.last(), text, &filled, environment));
                Json::String(filled)
            }
            Err(message) => {
                broken.push((path.clone(), message));
                Json::String(text.to_string())
            }
        },
        ValueInner::Integer(number) => Json::from(*number),
        ValueInner::Float(number) => Json::from(*number),
        ValueInner::Boolean(flag) => Json::from(*flag),
        ValueInner::Array(array) => Json::Array(
            array
                .iter()
                .enumerate()
                .map(|(index, item)| {
                    path.push(index.to_string());
                    let json = to_json(item, environment, path, (broken, secrets));
                    path.pop();
                    json
                })
                .collect(),
        ),
        ValueInner::Table(table) => Json::Object(
            table
                .iter()
                .map(|(key, item)| {
                    path.push(key.name.to_string());
                    let json = to_json(item, environment, path, (broken, secrets));
                    path.pop();
                    (key.name.to_string(), json)
                })
                .collect(),
        ),
    }
}

fn backticked(message: &str) -> Option<&str> {
    message.split('`').nth(1)
}

fn first_key(value: &Value<'_>) -> Option<Span> {
    value.as_table()?.keys().map(|key| key.span).min_by_key(|span| span.start)
}

fn line_of(text: &str, offset: usize) -> usize {
    text.as_bytes()[..offset.min(text.len())].iter().filter(|byte| **byte == b'\n').count() + 1
}

fn dotted(path: &[&str]) -> String {
    let mut key = String::new();
    for segment in path {
        if segment.bytes().all(|byte| byte.is_ascii_digit()) && !key.is_empty() {
            // People count from one.
            let index: usize = segment.parse().unwrap_or(0);
            key.push_str(&format!("[{}]", index + 1));
        } else {
            if !key.is_empty() {
                key.push('.');
            }
            key.push_str(segment);
        }
    }
    key
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::config::env::FixedEnvironment;

    #[derive(Debug, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Thing {
        id: String,
        url: String,
        #[serde(default)]
        port: u16,
        #[serde(default)]
        mode: Mode,
        #[serde(default)]
        zone: Vec<[f32; 2]>,
    }

    #[derive(Debug, Default, Deserialize, JsonSchema)]
    #[serde(rename_all = "kebab-case")]
    enum Mode {
        #[default]
        Adaptive,
        Full,
    }

    fn problems(text: &str) -> Vec<String> {
        let environment = FixedEnvironment::new([("PASSWORD", "geheim")]);
        let mut document = match Document::parse("a.toml", text, &environment) {
            Ok(document) => document,
            Err(problem) => return vec![problem.to_string()],
        };
        for index in document.indexes("thing") {
            document.section::<Thing>(&["thing", &index], &[]);
        }
        document.check_sections();
        document.into_problems().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_mistake_is_told_at_once_with_its_line() {
        let text = "[[thing]]\nid = 7\nurll = \"x\"\nport = 99999\nmode = \"ful\"\nzone = [[0.1, \"a\"]]\n\n[thinng]\n";
        let told = problems(text);
        assert_eq!(told.len(), 7, "{told:#?}");
        for expected in [
            "a.toml:8: error: thinng: unknown section; known are thing (did you mean `thing`?)",
            "a.toml:2: error: thing[1].url: is missing",
            "a.toml:2: error: thing[1].id: invalid type: integer `7`, expected a string",
            "a.toml:3: error: thing[1].urll: unknown key (did you mean `url`?)",
            "a.toml:4: error: thing[1].port: invalid value: integer `99999`, expected u16",
            "a.toml:5: error: thing[1].mode: unknown value `ful`, expected `adaptive` or `full` (did you mean `full`?)",
            "a.toml:6: error: thing[1].zone[1][2]: invalid type: string \"a\", expected f32",
        ] {
            assert!(told.iter().any(|line| line == expected), "{expected}\nnot in {told:#?}");
        }
    }

    #[test]
    fn single_brackets_and_broken_toml_are_told() {
        assert!(problems("[thing]\nid = \"a\"\n")[0].contains("[[thing]]"));
        assert!(
            problems("[[thing]]\nid = \n")[0]
                .starts_with("a.toml:2: error: this is not valid TOML")
        );
    }

    #[test]
    fn environment_is_filled_in_and_a_missing_name_is_told() {
        let environment = FixedEnvironment::new([("PASSWORD", "geheim")]);
        let text = "[[thing]]\nid = \"a\"\nurl = \"rtsp://u:${PASSWORD}@h/\"\n";
        let mut document = Document::parse("a.toml", text, &environment).unwrap();
        assert_eq!(
            document.section::<Thing>(&["thing", "0"], &[]).unwrap().url,
            "rtsp://u:geheim@h/"
        );
        let told = problems("[[thing]]\nid = \"a\"\nurl = \"${PASSWRD}\"\n");
        assert_eq!(
            told,
            ["a.toml:3: error: thing[1].url: environment variable PASSWRD is not set"]
        );
    }
}
