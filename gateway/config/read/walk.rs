//! What stands anywhere in the file, whichever section it is of: every number, every id.

use super::{Document, Value, ValueInner};

impl Document<'_> {
    /// Every number in the file: where it stands, its value, and as it is written.
    pub(crate) fn numbers(&self) -> Vec<(Vec<String>, f64, String)> {
        let mut found = Vec::new();
        collect_numbers(&self.root, &mut Vec::new(), &mut found);
        found
    }

    /// The text of a key in every table of every list (`[[camera]] id`): where it stands, and as it is typed.
    pub(crate) fn texts_of(&self, key: &str) -> Vec<([String; 3], String)> {
        let mut found = Vec::new();
        for (section, list) in self.root.as_table().into_iter().flatten() {
            for (index, item) in list.as_array().into_iter().flatten().enumerate() {
                let text = item.as_table().and_then(|item| item.get(key)).and_then(Value::as_str);
                let path = [section.name.to_string(), index.to_string(), key.to_owned()];
                found.extend(text.map(|text| (path, text.to_owned())));
            }
        }
        found
    }
}

fn collect_numbers(
    value: &Value<'_>,
    path: &mut Vec<String>,
    found: &mut Vec<(Vec<String>, f64, String)>,
) {
    match value.as_ref() {
        ValueInner::Integer(number) => {
            found.push((path.clone(), *number as f64, number.to_string()));
        }
        ValueInner::Float(number) => found.push((path.clone(), *number, number.to_string())),
        ValueInner::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                path.push(index.to_string());
                collect_numbers(item, path, found);
                path.pop();
            }
        }
        ValueInner::Table(table) => {
            for (key, item) in table {
                path.push(key.name.to_string());
                collect_numbers(item, path, found);
                path.pop();
            }
        }
        _ => {}
    }
}
