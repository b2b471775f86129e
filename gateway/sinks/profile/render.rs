//! Templates: JSON-escaped by construction, limited in steps and size, read as JSON before anything is sent.

use std::{collections::BTreeMap, io};

use minijinja::{
    AutoEscape, Environment, Error, UndefinedBehavior, escape_formatter,
    value::{Value, ValueKind},
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use toml::Spanned;

use super::{
    Wrong,
    file::{RequestParts, Written, line_of},
};

/// Steps of a template: a loop that does not end, ends here.
const STEPS_MAX: u64 = 200_000;
/// What a template makes, bytes.
const RENDERED_BYTES_MAX: usize = 256 * 1024;
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
        self.environment
            .add_template_owned(name.to_owned(), source.get_ref().clone())
            .map_err(|error| (before + error.line().unwrap_or(1), said(&error)))
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
        let wrong = |error: Error| (self.line(name, error.line().unwrap_or(1)), said(&error));
        let template = self.environment.get_template(name).map_err(wrong)?;
        let mut out = Bounded(Vec::new());
        template.render_captured_to(values, &mut out).map_err(wrong)?;
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
    environment.add_filter("date", date);
    environment.add_filter("cut", cut);
    environment
}

/// A time of an event as this format says (`%Y-%m-%d %H:%M:%S`), in the site's own time.
fn date(value: &Value, format: &str) -> Result<String, Error> {
    let wrong = |why: String| Error::new(minijinja::ErrorKind::InvalidOperation, why);
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
fn cut(value: &Value, characters: usize) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    text.chars().take(characters).collect()
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
