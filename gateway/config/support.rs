//! The configuration for somebody who helps from afar: its numbers and choices, and none of its words.
//!
//! Names, phones, addresses, places and whatever came by `${NAME}` stay here. What may be seen is listed: a key
//! that is not known to be harmless is not shown.

use std::{collections::BTreeSet, path::Path};

use serde_json::Value;

use super::{Config, diff::Contents, env::Environment};
use crate::console::Accounts;

/// Keys whose texts are choices of a few words.
const CHOICES: &[&str] = &[
    "kind",
    "transport",
    "speed",
    "decode",
    "hw_decode",
    "variant",
    "providers",
    "labels",
    "timezone",
    "datum",
    "what",
    "when",
    "levels",
    "roles",
    "sign",
    "model",
    "ways",
    "report_kinds",
    "kinds",
];
/// Keys whose numbers say where somebody lives.
const PLACES: &[&str] = &["place", "points", "view", "polygon", "corners"];
/// The data folder, where the configuration does not say it.
const DATA: &str = "data";
/// Files whose every cell may be a name or a phone.
const LISTS: &[&str] = &["grids", "buttons", "roster", "table", "categories_file"];
/// And those that are secret as a whole.
const SECRETS: &[&str] = &["token_file", "password_file", "secret_file", "users_file", "key_file"];
/// Shorter ones are in every text.
const LETTERS_MIN: usize = 4;

/// What may leave the box, and what may not.
#[derive(Default)]
pub struct SupportView {
    /// One key a line.
    pub lines: Vec<String>,
    /// Texts that are to be taken out of whatever else goes along, the longest first.
    pub private: Vec<String>,
}

/// Of the configuration in `path`; one that is wrong (None) has no lines, and its texts are private all the
/// same.
pub fn support_view(
    path: &Path,
    config: Option<&Config>,
    environment: &dyn Environment,
) -> SupportView {
    let mut view = SupportView::default();
    let mut private = BTreeSet::new();
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let variables = variables(&text, environment);
    private.extend(variables.iter().cloned());
    if let Some(config) = config {
        let contents = Contents::of(config);
        let mut ids = BTreeSet::new();
        for (section, id, keys) in contents.sections() {
            ids.insert(id.to_owned());
            let name = if id.is_empty() { section.to_owned() } else { format!("{section}[{id}]") };
            for (key, value) in keys {
                let shown = shown(key, value, &mut private);
                view.lines.push(format!("{name}.{key} = {shown}"));
            }
        }
        for (.., file) in contents.files(LISTS) {
            cells(&std::fs::read_to_string(&file).unwrap_or_default(), &mut private);
        }
        for (.., file) in contents.files(SECRETS) {
            secrets(&std::fs::read_to_string(&file).unwrap_or_default(), &mut private);
        }
        account_names(&config.data.path, &mut private);
        // A camera without a name is called by its id, and without ids nothing could be understood.
        private.retain(|text| !ids.contains(text) || variables.contains(text));
    } else {
        quoted(&text, &mut private);
        // One of these texts is the data folder, if any is.
        let home = path.parent().unwrap_or(Path::new(""));
        let texts: Vec<String> = private.iter().cloned().chain([DATA.to_owned()]).collect();
        for folder in texts.iter().map(|text| home.join(text)).filter(|folder| folder.is_dir()) {
            account_names(&folder, &mut private);
        }
    }
    view.private = private.into_iter().collect();
    view.private.sort_by_key(|text| std::cmp::Reverse(text.len()));
    view
}

/// The value without its words; they are noted.
fn shown(key: &str, value: &Value, private: &mut BTreeSet<String>) -> String {
    match value {
        Value::String(text) if CHOICES.contains(&key) || key == "id" => format!("{text:?}"),
        Value::String(text) => {
            // Where a file lies is no secret, and `data` is in every text.
            if key != "path" && !key.ends_with("_file") {
                note(text, private);
            }
            "…".into()
        }
        Value::Number(_) | Value::Array(_) if PLACES.contains(&key) => "…".into(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(|item| shown(key, item, private)).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(keys) => {
            let keys =
                keys.iter().map(|(key, value)| format!("{key} = {}", shown(key, value, private)));
            format!("{{ {} }}", keys.collect::<Vec<_>>().join(", "))
        }
        plain => plain.to_string(),
    }
}

/// A text that is no word of everybody's.
fn note(text: &str, private: &mut BTreeSet<String>) {
    let text = text.trim();
    let long = text.len() >= LETTERS_MIN || (!text.is_ascii() && text.chars().count() >= 2);
    let number = text.chars().all(|c| c.is_ascii_digit() || ".:-".contains(c));
    if long && !(number && text.len() < 7) {
        private.insert(text.to_owned());
    }
    // A password inside an address may stand alone elsewhere.
    if let Ok(url) = url::Url::parse(text) {
        for part in [Some(url.username()), url.password(), url.query()].into_iter().flatten() {
            let plain = percent_encoding::percent_decode_str(part).decode_utf8_lossy();
            private.extend(
                [part, &*plain]
                    .iter()
                    .filter(|part| part.len() >= LETTERS_MIN)
                    .map(|part| (*part).to_owned()),
            );
        }
    }
}

/// Names of accounts and of API tokens, which no configuration has.
fn account_names(data: &Path, private: &mut BTreeSet<String>) {
    let accounts = Accounts::at(data);
    let names = accounts.list().into_iter().flatten().map(|account| account.name);
    let tokens = accounts.tokens().into_iter().flatten().map(|token| token.name);
    names.chain(tokens).for_each(|name| note(&name, private));
}

/// What came by `${NAME}`, however short.
fn variables(text: &str, environment: &dyn Environment) -> BTreeSet<String> {
    let names = text.split("${").skip(1).filter_map(|part| Some(part.split_once('}')?.0));
    let values = names.filter_map(|name| Some(environment.get(name)?.trim().to_owned()));
    values.filter(|value| value.len() >= LETTERS_MIN - 1).collect()
}

/// Cells of a spreadsheet, or texts of a GeoJSON.
fn cells(text: &str, private: &mut BTreeSet<String>) {
    if text.trim_start().starts_with('{') {
        return quoted(text, private);
    }
    // The first row has the names of columns.
    for cell in text.lines().skip(1).flat_map(|line| line.split([',', ';', '\t'])) {
        note(cell.trim_matches(|c: char| c == '"' || c.is_whitespace()), private);
    }
}

/// Texts in quotes that are no key: what stands before a `:` or `=` is one.
fn quoted(text: &str, private: &mut BTreeSet<String>) {
    let mut parts = text.split('"');
    parts.next();
    while let (Some(inside), Some(after)) = (parts.next(), parts.next()) {
        if !after.trim_start().starts_with([':', '=']) {
            note(inside, private);
        }
    }
}

/// Lines of a file of passwords: whole, and without the user before the first colon.
fn secrets(text: &str, private: &mut BTreeSet<String>) {
    for line in text.lines().map(str::trim).filter(|line| line.len() >= LETTERS_MIN) {
        private.insert(line.to_owned());
        if let Some((_, password)) = line.split_once(':') {
            private
                .extend(Some(password.trim().to_owned()).filter(|word| word.len() >= LETTERS_MIN));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{env::FixedEnvironment, parse};

    #[test]
    fn numbers_and_choices_are_shown_and_no_word_of_anybodys() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gridpost.toml");
        let text = r#"
[site]
id = "qiaobei"
name = "桥北社区"
place = [113.91, 30.92]
[[button]]
id = "btn-1"
name = "${WHO}"
contact = "13900001234"
place = [113.91, 30.92]
[[camera]]
id = "gate"
name = "东门"
url = "rtsp://admin:${CAMERA_PASSWORD}@192.0.2.11/1"
transport = "udp"
pre_roll_s = 7
[[sink]]
id = "city"
kind = "http"
url = "https://grid.example/in?key=${KEY}"
"#;
        let environment = FixedEnvironment::new([
            ("WHO", "张秀英"),
            ("CAMERA_PASSWORD", "p%2Fw-secret"),
            ("KEY", "key-9f3a"),
        ]);
        std::fs::write(&path, text).unwrap();
        let (config, problems) = parse("a.toml", text, &environment);
        assert!(config.is_some(), "{problems:?}");
        let view = support_view(&path, config.as_ref(), &environment);
        let lines = view.lines.join("\n");
        for word in [
            "张秀英",
            "桥北",
            "13900001234",
            "p%2Fw",
            "secret",
            "key-9f3a",
            "192.0.2.11",
            "113.91",
            "admin",
        ] {
            assert!(!lines.contains(word), "{word} in\n{lines}");
        }
        for line in [
            "camera[gate].transport = \"udp\"",
            "camera[gate].pre_roll_s = 7",
            "sink[city].kind = \"http\"",
        ] {
            assert!(lines.contains(line), "no {line} in\n{lines}");
        }
        for word in
            ["张秀英", "桥北社区", "13900001234", "p%2Fw-secret", "p/w-secret", "key-9f3a", "admin"]
        {
            assert!(
                view.private.iter().any(|text| text == word),
                "{word} is not taken out: {:?}",
                view.private
            );
        }
        let wrong = support_view(&path, None, &environment);
        assert!(wrong.lines.is_empty() && wrong.private.iter().any(|text| text == "东门"));
        assert!(wrong.private.iter().any(|text| text == "key-9f3a"), "{:?}", wrong.private);
    }

    #[test]
    fn no_number_that_says_where_somebody_lives_is_shown() {
        let corners = serde_json::json!([[113.91, 30.9195], [113.924, 30.929]]);
        for key in PLACES {
            assert_eq!(shown(key, &corners, &mut BTreeSet::new()), "…", "{key}");
        }
        assert_eq!(shown("corners", &Value::Null, &mut BTreeSet::new()), "null");
    }

    #[test]
    fn names_of_accounts_and_tokens_are_private_also_where_the_configuration_is_wrong() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("kept");
        std::fs::create_dir(&data).unwrap();
        let at = "2026-07-01T03:00:00Z";
        let book = serde_json::json!({
            "version": 1,
            "accounts": [
                { "name": "王警官", "roles": ["officer"], "stamp": "00", "created_at": at },
                { "name": "li", "roles": ["commander"], "stamp": "01", "created_at": at },
            ],
            "tokens": [{ "name": "值班程序", "scopes": ["reply"], "sha256": "00", "created_at": at }],
        });
        std::fs::write(data.join("accounts.json"), book.to_string()).unwrap();
        let mut private = BTreeSet::new();
        account_names(&data, &mut private);
        // Two letters are in every text: where they stand alone, in a field of the log, they go all the same.
        assert_eq!(Vec::from_iter(private), ["值班程序", "王警官"]);
        let path = folder.path().join("gridpost.toml");
        std::fs::write(&path, "[site]\nnmae = \"x\"\n[data]\npath = \"kept\"\n").unwrap();
        let environment = FixedEnvironment::new([]);
        let view = support_view(&path, None, &environment);
        assert!(view.private.iter().any(|text| text == "王警官"), "{:?}", view.private);
    }

    #[test]
    fn lists_and_secret_files_are_private_cell_by_cell() {
        let mut private = BTreeSet::new();
        cells("id,name,phone\nbtn-1,\"王芳\",13800005678\n", &mut private);
        cells("{\"properties\": {\"worker\": \"李雷\"}}", &mut private);
        secrets("hub:topsecret\n", &mut private);
        let found: Vec<&str> = private.iter().map(String::as_str).collect();
        assert_eq!(found, ["13800005678", "btn-1", "hub:topsecret", "topsecret", "李雷", "王芳"]);
    }
}
