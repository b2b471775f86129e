//! Every number of the configuration has a range, by what its key measures.
//!
//! Each section says what its own keys may be; this is what none of them may exceed, so that a slip
//! of the finger is a line of `gridpost check` and never a sum that ends the gateway. A key of a new
//! section is bounded by its unit from the first day on.

use super::read::Document;

const YEARS_10_S: f64 = 315_360_000.0;
const PEBIBYTE: f64 = (1_u64 << 50) as f64;
/// A whole number that a float still holds exactly.
const EXACT: f64 = (1_u64 << 53) as f64;

/// By the whole name of a key, and then by how it ends; the first that fits counts.
const OF_KEYS: &[(&str, f64, f64)] = &[
    ("connections_max", 1.0, 65_536.0),
    ("valid_h", 1.0, 720.0),
    ("heartbeat_s", 0.0, 86_400.0),
    ("timeout_s", 1.0, 3_600.0),
    ("threads", 0.0, 256.0),
    ("count", 1.0, 10_000.0),
    ("confirm_looks", 0.0, 10_000.0),
    ("severity_max", 1.0, 4.0),
    ("ok_value", -EXACT, EXACT),
];
const OF_ENDS: &[(&str, f64, f64)] = &[
    ("_per_min", 0.0, 1e6),
    ("_percent", 0.0, 100.0),
    ("_bytes", 0.0, PEBIBYTE),
    ("_days", 0.0, 36_500.0),
    ("_deg", -360.0, 360.0),
    ("_fps", 0.0, 1_000.0),
    ("_max", 0.0, 1e6),
    ("_ms", 0.0, 86_400_000.0),
    ("_mm", 0.0, 1e6),
    ("_h", 0.0, 87_600.0),
    ("_m", -1e6, 1e6),
    ("_s", 0.0, YEARS_10_S),
];

/// What a number may be under a key of this name.
pub(super) fn range(key: &str) -> (f64, f64) {
    let whole = OF_KEYS.iter().find(|(name, ..)| *name == key);
    let found = whole.or_else(|| OF_ENDS.iter().find(|(end, ..)| key.ends_with(end)));
    found.map_or((-EXACT, EXACT), |(_, least, most)| (*least, *most))
}

/// Reports every number that is out of its range, or is none (`nan`, `inf`).
pub(super) fn check(document: &mut Document<'_>) {
    for (path, number, text) in document.numbers() {
        let is_index = |segment: &&String| segment.bytes().all(|byte| byte.is_ascii_digit());
        let key = path.iter().rfind(|segment| !is_index(segment)).map_or("", String::as_str);
        let (least, most) = range(key);
        // Not a number is in no range.
        if !(least..=most).contains(&number) {
            let path: Vec<&str> = path.iter().map(String::as_str).collect();
            document.problem(&path, format!("{text}: expected {least} to {most}"), None);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use crate::config::{env::FixedEnvironment, parse, schema as config_schema};

    /// Sections and keys of the schema that are numbers: a path of names, and whether it is a whole one.
    fn numbers(schema: &Value) -> Vec<(Vec<String>, bool)> {
        let mut found = Vec::new();
        walk(schema, schema, &mut Vec::new(), &mut Vec::new(), &mut found);
        found.sort();
        found.dedup();
        found
    }

    fn walk(
        root: &Value,
        node: &Value,
        path: &mut Vec<String>,
        inside: &mut Vec<String>,
        found: &mut Vec<(Vec<String>, bool)>,
    ) {
        if let Some(name) = node["$ref"].as_str() {
            if !inside.iter().any(|outer| outer == name) {
                inside.push(name.into());
                walk(
                    root,
                    root.pointer(name.trim_start_matches('#')).unwrap(),
                    path,
                    inside,
                    found,
                );
                inside.pop();
            }
            return;
        }
        let types = match &node["type"] {
            Value::String(one) => vec![one.as_str()],
            Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        if types.contains(&"integer") || types.contains(&"number") {
            found.push((path.clone(), types.contains(&"integer")));
        }
        for (key, value) in node["properties"].as_object().into_iter().flatten() {
            path.push(key.clone());
            walk(root, value, path, inside, found);
            path.pop();
        }
        for word in ["items", "additionalProperties"] {
            if node[word].is_object() {
                path.push("[]".into());
                walk(root, &node[word], path, inside, found);
                path.pop();
            }
        }
        for word in ["anyOf", "oneOf", "allOf", "prefixItems"] {
            for value in node[word].as_array().into_iter().flatten() {
                walk(root, value, path, inside, found);
            }
        }
    }

    /// One line of TOML: a list of tables becomes a table in a list, whatever else is missing there.
    fn toml(path: &[String], value: &str) -> String {
        let mut text = value.to_owned();
        for segment in path.iter().rev() {
            text = match segment.as_str() {
                "[]" => format!("[{text}]"),
                key if std::ptr::eq(segment, &path[0]) => format!("{key} = {text}"),
                key => format!("{{ {key} = {text} }}"),
            };
        }
        text
    }

    #[test]
    fn no_number_of_the_schema_is_without_a_range() {
        let schema = serde_json::to_value(config_schema()).unwrap();
        let all = numbers(&schema);
        assert!(all.len() > 80, "{}", all.len());
        for (path, whole) in all {
            let mut values = vec![i64::MAX.to_string(), i64::MIN.to_string()];
            if !whole {
                values = ["nan", "inf", "-inf", "1e308", "-1e308"].map(str::to_owned).to_vec();
            }
            for value in values {
                let text = toml(&path, &value);
                let (config, problems) = parse("a.toml", &text, &FixedEnvironment::default());
                let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
                assert!(config.is_none(), "{text}: taken");
                assert!(
                    said.iter().any(|line| line.contains("expected -")
                        || line.contains("expected 0")
                        || line.contains("expected 1")),
                    "{text}: {said:#?}"
                );
            }
        }
    }

    #[test]
    fn a_number_is_told_with_its_line_and_range() {
        let text = "[site]\nid = \"s\"\nheartbeat_s = 9223372036854775807\n[intake]\nlisten = \"127.0.0.1:0\"\nallow_anonymous = true\nconnections_max = 0\n";
        let (config, problems) = parse("a.toml", text, &FixedEnvironment::default());
        let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert!(config.is_none());
        assert!(
            said.iter().any(|line| line.starts_with(
                "a.toml:3: error: site.heartbeat_s: 9223372036854775807: expected 0 to 86400"
            )),
            "{said:#?}"
        );
        assert!(
            said.iter().any(|line| line.contains("intake.connections_max: 0: expected 1 to 65536")),
            "{said:#?}"
        );
    }
}
