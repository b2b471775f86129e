//! Names by which things find each other are seen as they are: an id is a part of topics, figures, files and lines.
//!
//! Whatever a device says is cleaned where it enters (`domain/text.rs`), so a name with a hidden character
//! is the name of nobody: its button would be a stranger, in silence.

use super::read::Document;
use crate::domain::{clean, clean_cut};

/// Keys of lists whose text is compared with what comes from outside, or stands in names of others.
const KEYS: &[&str] = &["id", "device", "user"];
/// As much of a name is shown.
const SHOWN_CHARS_MAX: usize = 40;

/// What is wrong with such a text, if anything is.
pub(super) fn problem(text: &str) -> Option<String> {
    if text.trim().is_empty() {
        return Some("is empty; expected a name".into());
    }
    let shown = clean_cut(text, SHOWN_CHARS_MAX);
    (clean(text) != text).then(|| {
        format!("`{shown}`: has characters that cannot be seen (shown here); type it anew")
    })
}

/// Reports every such text of the file that has hidden characters, or nothing.
pub(super) fn check(document: &mut Document<'_>) {
    for key in KEYS {
        for (path, text) in document.texts_of(key) {
            if let Some(message) = problem(&text) {
                document.problem(&path.each_ref().map(String::as_str), message, None);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{env::FixedEnvironment, parse};

    fn said(text: &str) -> Vec<String> {
        let (_, problems) = parse("a.toml", text, &FixedEnvironment::default());
        problems.iter().filter(|one| !one.warning).map(ToString::to_string).collect()
    }

    #[test]
    fn every_id_of_every_list_is_one_that_can_be_seen() {
        let mut sections = vec![
            ("mqtt", "url = \"mqtt://h\""),
            ("camera", "url = \"rtsp://h/1\""),
            ("drone", "url = \"srt://:9000?mode=listener\""),
            ("button", ""),
            ("gauge", ""),
            ("rule", "kind = \"intrusion\""),
            ("device_model", ""),
        ];
        for kind in ["http", "jsonl", "mqtt", "webhook", "answer"] {
            sections.push(("sink", kind));
        }
        for (section, more) in sections {
            let more =
                if section == "sink" { format!("kind = \"{more}\"") } else { more.to_owned() };
            for (typed, shown) in [
                ("a\\nb", "`a␊b`"),
                ("\\u0000", "`␀`"),
                ("\\u001b[31mred", "`␛[31mred`"),
                ("x\\u202ey", "`x⟨U+202E⟩y`"),
                ("\\u200bx", "`⟨U+200B⟩x`"),
                ("", "is empty"),
                (" ", "is empty"),
            ] {
                let text =
                    format!("[site]\nid = \"s\"\n\n[[{section}]]\nid = \"{typed}\"\n{more}\n");
                let all = said(&text);
                let place = format!("a.toml:5: error: {section}[1].id: ");
                let told = all.iter().any(|one| one.starts_with(&place) && one.contains(shown));
                assert!(told, "{text}: {all:#?}");
            }
        }
        let plain = "[site]\nid = \"s\"\n\n[[button]]\nid = \"张-1 号/②\"\ndevice = \"0x00ff\"\n";
        assert_eq!(said(plain), Vec::<String>::new());
    }
}
