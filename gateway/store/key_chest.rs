//! The site's own keys in a backup: sealed with a passphrase that somebody knows, or not in it at all.

use std::{fs, io, path::Path};

use super::{
    format::hex,
    own_keys::{self, KEY_BYTES, ORIGINALS_KEY, SITE_KEY, random, unhex},
    sealed::{SALT_BYTES, key_of, seal, unseal},
};
use crate::base::write_whole_secret;

/// In `keys/` of a backup: a line with the salt, and one a key: its name, and the sealed bytes in hex.
const CHEST: &str = "own-keys.sealed";
/// Never in a backup as they are: whoever finds it would open every original, and sign in the site's name.
pub(super) const NOT_COPIED: &[&str] = &[SITE_KEY, ORIGINALS_KEY, CHEST];
/// Of a passphrase; shorter ones are tried out in days.
const CHARS_MIN: usize = 12;

/// Keys by their names.
pub(super) type OwnKeys = Vec<(&'static str, [u8; KEY_BYTES])>;

/// Seals the keys of `from` into the backup `to`; the line says what became of them.
pub(super) fn fill(from: &Path, to: &Path, passphrase: Option<&str>) -> Result<String, String> {
    let Some(passphrase) = passphrase else {
        return Ok("the site's own keys are not in this backup: originals of blurred pictures cannot be opened from it, and what is made of it signs with a key of its own (--with-keys takes them along)".into());
    };
    if passphrase.chars().count() < CHARS_MIN {
        return Err(format!("the passphrase: expected at least {CHARS_MIN} characters"));
    }
    let salt = random::<SALT_BYTES>()?;
    let under = key_of(passphrase, &salt);
    let (mut text, mut count) = (format!("salt {}\n", hex(&salt)), 0);
    for name in [SITE_KEY, ORIGINALS_KEY] {
        if let Some(key) = own_keys::load(from, name)? {
            text += &format!("{name} {}\n", hex(&seal(&under, name.as_bytes(), &key)?));
            count += 1;
        }
    }
    let folder = to.join("keys");
    let path = folder.join(CHEST);
    let written =
        fs::create_dir_all(&folder).and_then(|()| write_whole_secret(&path, text.as_bytes()));
    written.map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(format!(
        "{count} of the site's own keys are in this backup, sealed: it is worth nothing without the passphrase"
    ))
}

/// The keys in the backup `from`. The error: they are there, and the passphrase is not, or is another.
pub(super) fn open(from: &Path, passphrase: Option<&str>) -> Result<OwnKeys, String> {
    let path = from.join("keys").join(CHEST);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(format!("{}: {error}", path.display())),
    };
    let Some(passphrase) = passphrase else {
        return Err(format!(
            "{}: this backup holds the site's own keys: give their passphrase with --passphrase-file; or remove this file, and originals stay closed for good",
            path.display()
        ));
    };
    let damaged = || format!("{}: it is damaged", path.display());
    let mut lines = text.lines();
    let salt = lines.next().and_then(|line| line.strip_prefix("salt "));
    let salt = salt.and_then(unhex).and_then(|salt| salt.try_into().ok()).ok_or_else(damaged)?;
    let under = key_of(passphrase, &salt);
    let key = |line: &str| {
        let (name, sealed) = line.split_once(' ').ok_or_else(damaged)?;
        let known = [SITE_KEY, ORIGINALS_KEY].into_iter().find(|known| *known == name);
        let (name, sealed) = (known.ok_or_else(damaged)?, unhex(sealed).ok_or_else(damaged)?);
        let key = unseal(&under, name.as_bytes(), &sealed)
            .map_err(|_| format!("{}: another passphrase, or it is damaged", path.display()))?;
        Ok((name, key.try_into().map_err(|_| damaged())?))
    };
    lines.map(key).collect()
}

/// Puts them where they were; the line says what that means.
pub(super) fn put_back(to: &Path, keys: OwnKeys) -> Result<String, String> {
    for (name, key) in &keys {
        own_keys::put(to, name, key)?;
    }
    // The sealed ones are the backup's, which is still there.
    Ok(match keys.len() {
        0 => "the site's own keys are not in this backup: originals in it stay closed, and packages are signed with a new key (gridpost keys)".into(),
        count => format!("{count} of the site's own keys are back: originals open, and packages are signed as before"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_back_with_their_passphrase_alone() {
        let (from, copy, to) = (
            tempfile::tempdir().unwrap(),
            tempfile::tempdir().unwrap(),
            tempfile::tempdir().unwrap(),
        );
        let (site, originals) = (
            own_keys::site_key(from.path()).unwrap(),
            own_keys::originals_key(from.path()).unwrap(),
        );
        assert!(fill(from.path(), copy.path(), Some("elevenchars")).is_err(), "too short");
        assert!(open(copy.path(), None).unwrap().is_empty(), "nothing was written");
        let said = fill(from.path(), copy.path(), Some("twelve chars")).unwrap();
        assert!(said.starts_with("2 of"), "{said}");
        let chest = fs::read_to_string(copy.path().join("keys").join(CHEST)).unwrap();
        assert!(!chest.contains(&hex(&originals)), "sealed");
        assert!(open(copy.path(), None).is_err());
        assert!(open(copy.path(), Some("twelve Chars")).is_err());
        let keys = open(copy.path(), Some("twelve chars")).unwrap();
        assert!(put_back(to.path(), keys).unwrap().starts_with("2 of"));
        assert_eq!(own_keys::site_key(to.path()).unwrap(), site);
        assert_eq!(own_keys::originals_key(to.path()).unwrap(), originals);
        for damaged in ["", "salt zz\n", "salt 00\n", "x"] {
            fs::write(copy.path().join("keys").join(CHEST), damaged).unwrap();
            assert!(open(copy.path(), Some("twelve chars")).is_err(), "{damaged}");
        }
    }
}
