//! The only reader of the environment: `${NAME}` in any text of the configuration, and a few names of our own.

use std::collections::HashMap;

/// Where the ONNX Runtime library is, for those who have their own.
pub const ORT_LIBRARY: &str = "ORT_DYLIB_PATH";
/// Folder with `catalog.toml` and `cache/`; default `models` in the working directory.
pub const MODELS: &str = "GRIDPOST_MODELS";

/// The environment, as something a test can hand in.
pub trait Environment {
    fn get(&self, name: &str) -> Option<String>;

    /// `${NAME}` becomes the variable's value; `$$` is a dollar sign. The error names the
    /// variable, never a value.
    fn expand(&self, text: &str) -> Result<String, String> {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            out.push_str(&rest[..at]);
            let after = &rest[at + 1..];
            if let Some(tail) = after.strip_prefix('$') {
                out.push('$');
                rest = tail;
            } else if let Some(braced) = after.strip_prefix('{') {
                let Some((name, tail)) = braced.split_once('}') else {
                    return Err("`${` without its `}`".into());
                };
                match self.get(name) {
                    Some(value) => out.push_str(&value),
                    None => return Err(format!("environment variable {name} is not set")),
                }
                rest = tail;
            } else {
                out.push('$');
                rest = after;
            }
        }
        out.push_str(rest);
        Ok(out)
    }
}

/// The process's own.
pub struct ProcessEnvironment;

impl Environment for ProcessEnvironment {
    fn get(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }
}

/// A fixed one, for tests and for `watch`.
#[derive(Default)]
pub struct FixedEnvironment(HashMap<String, String>);

impl FixedEnvironment {
    pub fn new<const N: usize>(pairs: [(&str, &str); N]) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }
}

impl Environment for FixedEnvironment {
    fn get(&self, name: &str) -> Option<String> {
        self.0.get(name).cloned()
    }
}
