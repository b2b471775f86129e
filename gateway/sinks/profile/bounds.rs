//! What a template may cost beside its steps: the engine counts steps and the bytes that it makes, but not how often a
//! value stands in another, nor what a single call pads with. So values that grow out of themselves cannot be written
//! (`set`, `with`, deep loops), and what is written out is measured before it is written.

use minijinja::{
    Environment, Error, ErrorKind,
    value::{Kwargs, Value, ValueKind},
};

/// What a value is written out to, bytes; so is what a template makes.
pub(super) const RENDERED_BYTES_MAX: usize = 256 * 1024;
/// Loops in loops: each may go over all that the one around it goes over.
const LOOPS_MAX: usize = 4;
/// Spaces a level, of a JSON that people read.
const INDENT_MAX: usize = 8;
/// Statements by which a value can be put into itself; they are not needed to say what a request is.
const NOT_SAID: [&str; 6] = ["set", "with", "macro", "call", "filter", "autoescape"];

/// What a template says that it may not: the line within it, and a sentence.
pub(super) fn problem(source: &str) -> Option<(usize, String)> {
    let mut depth = 0;
    let mut at = 0;
    while let Some(begin) = source[at..].find("{%").map(|found| at + found) {
        let rest = source[begin + 2..].trim_start_matches(['-', '+']).trim_start();
        let word: String = rest.chars().take_while(char::is_ascii_alphabetic).collect();
        let line = source[..begin].matches('\n').count() + 1;
        if NOT_SAID.contains(&word.as_str()) {
            return Some((line, format!("{{% {word} %}}: expected if and for alone")));
        }
        depth = match word.as_str() {
            "for" => depth + 1,
            "endfor" => usize::saturating_sub(depth, 1),
            _ => depth,
        };
        if depth > LOOPS_MAX {
            return Some((line, format!("loops in loops: expected {LOOPS_MAX} at most")));
        }
        at = begin + 2;
    }
    None
}

/// Takes away what multiplies values, and bounds what pads them.
pub(super) fn bound(environment: &mut Environment<'_>) {
    for filter in ["zip", "chain", "pprint", "indent", "batch", "slice"] {
        environment.remove_filter(filter);
    }
    environment.add_filter("tojson", tojson);
}

fn tojson(value: &Value, indent: Option<Value>, args: Kwargs) -> Result<Value, Error> {
    let indent = indent.map_or_else(|| args.get::<Option<Value>>("indent"), |one| Ok(Some(one)))?;
    let spaces = indent.as_ref().and_then(|indent| usize::try_from(indent.clone()).ok());
    if spaces.is_some_and(|spaces| spaces > INDENT_MAX) {
        return Err(wrong(format!("tojson: indent: expected {INDENT_MAX} at most")));
    }
    fits(value)?;
    minijinja::filters::tojson(value, indent, args)
}

/// Whether it may be written out: nothing is written to find that out.
pub(super) fn fits(value: &Value) -> Result<(), Error> {
    let mut left = RENDERED_BYTES_MAX;
    if spend(value, &mut left) {
        return Ok(());
    }
    Err(wrong(format!("a value of more than {RENDERED_BYTES_MAX} bytes")))
}

fn spend(value: &Value, left: &mut usize) -> bool {
    let own = value.as_str().map_or(8, str::len);
    let Some(rest) = left.checked_sub(own) else { return false };
    *left = rest;
    let goes_deeper = matches!(value.kind(), ValueKind::Seq | ValueKind::Map | ValueKind::Iterable);
    if !goes_deeper {
        return true;
    }
    let Ok(mut items) = value.try_iter() else { return true };
    items.all(|item| {
        let within = (value.kind() == ValueKind::Map).then(|| value.get_item(&item));
        let within = within.and_then(Result::ok);
        spend(&item, left) && within.is_none_or(|within| spend(&within, left))
    })
}

fn wrong(why: String) -> Error {
    Error::new(ErrorKind::InvalidOperation, why)
}
