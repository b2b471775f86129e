//! Templates: JSON-escaped by construction, limited in steps and size, read as JSON before anything is sent.

use std::{collections::BTreeMap, io};

use minijinja::{
    AutoEscape, Environment, Error, ErrorKind, Template, UndefinedBehavior, escape_formatter,
    value::{Value, ValueKind},
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use toml::Spanned;

use super::{
    Wrong,
    bounds::{self, RENDERED_BYTES_MAX},
    file::{RequestParts, Written, line_of},
};

/// Steps of a template: a loop that does not end, ends here.
const STEPS_MAX: u64 = 200_000;
/// Characters of a template that a message shows.
const SHOWN_CHARS_MAX: usize = 80;
/// Stays as it is in a value of a path or query.
const IN_A_PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// All templates of a profile, by the name of the request and the part of it.
#[derive(Debug)]
pub(super) struct Templates {
    environment: Environment<'static>,
    /// The line before the first one of each.
    before: BTreeMap<String, usize>,
    file: String,
}

impl Templates {
    /// Those that do not compile are told.
    pub(super) fn compile(
        file: &str,
        text: &str,
        written: &Written,
        wrong: &mut Vec<Wrong>,
    ) -> Self {
        let mut templates =
            Self { environment: environment(), before: BTreeMap::new(), file: file.to_owned() };
        let mut add = |name: String, source: &Spanned<String>| {
            if let Err((line, message)) = templates.add(text, &name, source) {
                wrong.push((line, format!("{name}: {message}")));
            }
        };
        for RequestParts { name, path, headers, body, .. } in written.parts() {
            path.into_iter().for_each(|path| add(format!("{name} path"), path));
            body.into_iter().for_each(|body| add(format!("{name} body"), body));
            for (header, value) in headers {
                add(format!("{name} header {header}"), value);
            }
        }
        let push = written.push.as_ref().and_then(|push| push.get_ref().answer.as_ref());
        push.into_iter().for_each(|answer| add("push answer".into(), answer));
        templates
    }

    fn add(&mut self, text: &str, name: &str, source: &Spanned<String>) -> Result<(), Wrong> {
        let begin = source.span().start;
        let quotes = text.get(begin..begin + 4).unwrap_or_default();
        // A line break right behind three quotes is no part of the text.
        let more = usize::from(["'''\n", "\"\"\"\n"].contains(&quotes) || quotes.ends_with("\r"));
        let before = line_of(text, begin) + more - 1;
        self.before.insert(name.to_owned(), before);
        if let Some((line, message)) = bounds::problem(source.get_ref()) {
            return Err((before + line, message));
        }
        self.environment
            .add_template_owned(name.to_owned(), source.get_ref().clone())
            .map_err(|error| (before + error.line().unwrap_or(1), said(&error)))
    }

    /// Whether any of them asks for this value.
    pub(super) fn name(&self, value: &str) -> bool {
        let mut all = self.environment.templates();
        all.any(|(_, template)| template.undeclared_variables(false).contains(value))
    }

    /// The template as text.
    pub(super) fn text(&self, name: &str, values: Value) -> Result<String, String> {
        self.rendered(name, values).map_err(|(line, message)| self.at(name, line, &message))
    }

    /// The template as JSON, written anew; none: there is no such template.
    pub(super) fn json(&self, name: &str, values: Value) -> Result<Option<Vec<u8>>, String> {
        if !self.before.contains_key(name) {
            return Ok(None);
        }
        let text = self.text(name, values)?;
        match serde_json::from_str::<serde_json::Value>(&text) {
            Ok(value) => Ok(Some(value.to_string().into_bytes())),
            Err(error) => {
                let line = self.line(name, error.line());
                let message = format!(
                    "makes no JSON ({error}): values stand without quotes, {{{{ title }}}}"
                );
                Err(self.at(name, line, &message))
            }
        }
    }

    fn rendered(&self, name: &str, values: Value) -> Result<String, Wrong> {
        let place = |error: &Error| self.line(name, error.line().unwrap_or(1));
        let template =
            self.environment.get_template(name).map_err(|error| (place(&error), said(&error)))?;
        let mut out = Bounded(Vec::new());
        template.render_captured_to(values.clone(), &mut out).map_err(|error| {
            let message = match error.kind() {
                ErrorKind::UndefinedError => undefined(&error, &template, &values),
                _ => said(&error),
            };
            (place(&error), message)
        })?;
        let Bounded(bytes) = out;
        String::from_utf8(bytes).map_err(|_| (self.line(name, 1), "makes no text".into()))
    }

    fn line(&self, name: &str, within: usize) -> usize {
        self.before.get(name).copied().unwrap_or_default() + within
    }

    fn at(&self, name: &str, line: usize, message: &str) -> String {
        format!("{}:{line}: {name}: {message}", self.file)
    }
}

/// Which value is not there. The engine says in which expression; what of it is not there is looked up.
fn undefined(error: &Error, template: &Template<'_, '_>, values: &Value) -> String {
    let within = error.range().map_or("", |range| tag_around(template.source(), range.start));
    let mut missing: Vec<String> = template
        .undeclared_variables(true)
        .into_iter()
        .filter(|name| within.contains(name.as_str()) && is_missing(values, name))
        .collect();
    missing.sort_unstable();
    let shown: String = within.trim().chars().take(SHOWN_CHARS_MAX).collect();
    match (missing.as_slice(), shown.as_str()) {
        ([], "") => said(error),
        ([], shown) => format!("undefined value in `{shown}`"),
        (names, _) if names.iter().any(|name| name == "status") => {
            "undefined value `status`: [outward] has no word for this record".into()
        }
        (names, _) => format!("undefined value `{}`", names.join("`, `")),
    }
}

/// What stands between the braces around this place: the engine's own range may be a part of a name.
fn tag_around(source: &str, at: usize) -> &str {
    let (Some(before), Some(after)) = (source.get(..at), source.get(at..)) else { return "" };
    let begin = before.rfind(['{', '%']).map_or(0, |found| found + 1);
    let end = after.find(['}', '%']).map_or(source.len(), |found| at + found);
    source.get(begin..end).unwrap_or_default()
}

/// `a.b.c`: one of them is not there.
fn is_missing(values: &Value, path: &str) -> bool {
    let mut value = values.clone();
    for part in path.split('.') {
        value = match value.get_attr(part) {
            Ok(found) if !found.is_undefined() => found,
            _ => return true,
        };
    }
    false
}

/// What is wrong, without the engine's own name of the template.
fn said(error: &Error) -> String {
    let kind = error.kind().to_string();
    match error.detail() {
        Some(detail) => format!("{kind}: {detail}"),
        None => kind,
    }
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    // What is absent is a mistake of the template, and not an empty field at the platform.
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(STEPS_MAX));
    // For the place of what is not there.
    environment.set_debug(true);
    environment.set_auto_escape_callback(|name| {
        if name.ends_with(" body") || name == "push answer" {
            AutoEscape::Json
        } else if name.ends_with(" path") {
            AutoEscape::Custom("path".into())
        } else {
            AutoEscape::None
        }
    });
    environment.set_formatter(|out, state, value| {
        bounds::fits(value)?;
        if !matches!(state.auto_escape(), AutoEscape::Custom(_)) {
            return escape_formatter(out, state, value);
        }
        let text = match value.kind() {
            ValueKind::None | ValueKind::Undefined => String::new(),
            _ => value.to_string(),
        };
        let coded = utf8_percent_encode(&text, IN_A_PATH).to_string();
        out.write_str(&coded).map_err(Error::from)
    });
    bounds::bound(&mut environment);
    environment.add_filter("date", date);
    environment.add_filter("cut", cut);
    environment
}

/// A time of an event as this format says (`%Y-%m-%d %H:%M:%S`), in the site's own time.
fn date(value: &Value, format: &str) -> Result<String, Error> {
    let wrong = |why: String| Error::new(ErrorKind::InvalidOperation, why);
    let text = value.as_str().unwrap_or_default();
    if text.is_empty() {
        return Ok(String::new());
    }
    let at: jiff::civil::DateTime =
        text.parse().map_err(|error| wrong(format!("date: `{text}` is no time: {error}")))?;
    jiff::fmt::strtime::format(format, at)
        .map_err(|error| wrong(format!("date: format `{format}`: {error}")))
}

/// The first so many characters.
fn cut(value: &Value, characters: usize) -> Result<String, Error> {
    bounds::fits(value)?;
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    Ok(text.chars().take(characters).collect())
}

/// A buffer that takes no more than a request may have.
struct Bounded(Vec<u8>);

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > RENDERED_BYTES_MAX {
            let message = format!("more than {RENDERED_BYTES_MAX} bytes");
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
