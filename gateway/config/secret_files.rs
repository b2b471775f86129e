//! Files that hold passwords, tokens and keys: who else may read them.

use std::os::unix::fs::MetadataExt;

use super::{Config, diff::Contents, read::Document, site_d::is_open_to_others};

/// What the name of a key ends with whose file nobody else may read.
const KEYS: &[&str] =
    &["token_file", "password_file", "secret_file", "users_file", "key_file", "list_file"];
/// Everybody may read it; others may write it. The group of the service may read it.
const OPEN_TO_OTHERS: u32 = 0o026;

pub(super) fn check(document: &mut Document<'_>, config: &Config) {
    for (section, id, key, file) in Contents::of(config).files(KEYS) {
        let Ok(about) = std::fs::metadata(&file) else { continue };
        if about.mode() & OPEN_TO_OTHERS == 0 {
            continue;
        }
        let message = format!(
            "{file} has mode {:o}: others may read or change it; chmod 640 and the service's group, or 600",
            about.mode() & 0o777
        );
        match place(document, section, &id) {
            Some(index) => document.warning(&[section, &index, &key], message),
            None => document.warning(&[section, &key], message),
        }
    }
}

/// Warns of files of `site.d` that others may read, where a secret stands in them.
pub(super) fn check_layers(document: &mut Document<'_>) {
    for (file, key) in document.layers_with_secrets() {
        let Some(mode) = is_open_to_others(&file) else { continue };
        let message = format!(
            "has mode {mode:o}, and what may be a secret in it: others may read it; chmod 600"
        );
        document.foreign_warning((std::path::Path::new(&file), 0), &key, message);
    }
}

/// The index of an item of a list; none for a section that there is only one of.
fn place(document: &mut Document<'_>, section: &'static str, id: &str) -> Option<String> {
    if id.is_empty() {
        return None;
    }
    let all = 0..document.count(section);
    all.map(|index| index.to_string())
        .find(|index| document.text_at(&[section, index, "id"]).as_deref() == Some(id))
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use crate::config::{env::FixedEnvironment, parse};

    fn told(text: &str) -> Vec<String> {
        let text = format!("[site]\nid = \"x\"\n{text}");
        let (_, problems) = parse("a.toml", &text, &FixedEnvironment::default());
        problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_user_without_a_password_is_refused_and_one_that_stands_there_twice_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("users");
        let told = |users: &str| {
            fs::write(&file, users).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
            told(&format!("[intake]\nusers_file = \"{}\"\n", file.display()))
        };
        let fine: &[&str] = &[];
        assert_eq!(told("# all\na:x\nb:y:z\n\n"), fine);
        let empty = told("a:x\nb:\n");
        assert_eq!(empty.len(), 1);
        assert!(
            empty[0].contains("error: intake.users_file")
                && empty[0].contains("users:2: `b` has no")
        );
        // A name may begin with the sign of a line of rights.
        let hub = told("a:x\n@hub:\n");
        assert!(hub.len() == 1 && hub[0].contains("users:2: `@hub` has no password"), "{hub:?}");
        let twice = told("a:x\nb:y\na:z\n");
        assert_eq!(twice.len(), 1);
        assert!(
            twice[0].contains("warning") && twice[0].contains("users:3: `a` stands here twice")
        );
    }

    #[test]
    fn a_secret_that_others_may_read_or_write_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        fs::write(&file, "0123456789abcdef").unwrap();
        let told = |mode: u32| {
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
            let of = |key: &str| format!("{key} = \"{}\"\n", file.display());
            told(&format!(
                "[[sink]]\nid = \"a\"\nkind = \"http\"\nurl = \"http://h/\"\n[[sink]]\nid = \"b\"\nkind = \"http\"\nurl = \"http://h/\"\n{}[web]\n{}",
                of("token_file"),
                of("token_file"),
            ))
        };
        let fine: &[&str] = &[];
        for mode in [0o600, 0o640, 0o400, 0o440] {
            assert_eq!(told(mode), fine, "{mode:o}");
        }
        for mode in [0o644, 0o604, 0o660, 0o602, 0o666] {
            let told = told(mode);
            assert_eq!(told.len(), 2, "{mode:o} {told:?}");
            assert!(told[0].contains("warning: sink[2].token_file: "), "{told:?}");
            assert!(
                told[1].contains(&format!("web.token_file: {} has mode {mode:o}", file.display()))
            );
        }
    }
}
