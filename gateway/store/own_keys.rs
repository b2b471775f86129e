//! The site's own keys in `keys/` of the data folder, for their owner alone: what packages are signed with, and
//! what originals are sealed with.

use std::{
    fs, io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use rand::{TryRngCore, rngs::OsRng};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

use super::format::hex;
use crate::base::write_whole_secret;

/// Of both.
pub(super) const KEY_BYTES: usize = 32;
/// Their files; a backup does not copy them as they are.
pub(super) const SITE_KEY: &str = "site.key";
pub(super) const ORIGINALS_KEY: &str = "originals.key";

/// What packages are signed with.
pub(super) struct SiteKey(Ed25519KeyPair);

impl SiteKey {
    /// Reads it; made where there is none. The error names the file.
    pub(super) fn load_or_make(data: &Path) -> Result<Self, String> {
        let seed = load_or_make(data, SITE_KEY)?;
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed);
        pair.map(Self).map_err(|error| format!("{}: {error}", path(data, SITE_KEY).display()))
    }

    /// For who wants to prove a package: 64 hex digits.
    pub(super) fn public(&self) -> String {
        hex(self.0.public_key().as_ref())
    }

    /// 128 hex digits.
    pub(super) fn sign(&self, bytes: &[u8]) -> String {
        hex(self.0.sign(bytes).as_ref())
    }
}

/// Whether this signature over these bytes is of this key; all but the bytes in lower-case hex.
pub(super) fn is_signed(public: &str, bytes: &[u8], signature: &str) -> bool {
    let (Some(public), Some(signature)) = (unhex(public), unhex(signature)) else { return false };
    UnparsedPublicKey::new(&ED25519, public).verify(bytes, &signature).is_ok()
}

/// The public half of the site's key, made where there is none.
pub fn site_key(data: &Path) -> Result<String, String> {
    SiteKey::load_or_make(data).map(|key| key.public())
}

/// What originals are sealed with; made where there is none.
pub(super) fn originals_key(data: &Path) -> Result<[u8; KEY_BYTES], String> {
    load_or_make(data, ORIGINALS_KEY)
}

/// The same, where there is one.
pub(super) fn load(data: &Path, name: &str) -> Result<Option<[u8; KEY_BYTES]>, String> {
    read_key(&path(data, name))
}

/// The key in this file, where there is one. The error names the file.
pub(super) fn read_key(path: &Path) -> Result<Option<[u8; KEY_BYTES]>, String> {
    match fs::read_to_string(path) {
        Ok(text) => {
            let key = unhex(text.trim()).and_then(|bytes| bytes.try_into().ok());
            let wrong = || format!("{}: expected {KEY_BYTES} bytes in hex", path.display());
            key.map(Some).ok_or_else(wrong)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}

/// Writes one that comes from elsewhere.
pub(super) fn put(data: &Path, name: &str, key: &[u8; KEY_BYTES]) -> Result<(), String> {
    write_key(&data.join("keys"), name, key)
}

/// Writes a key into this folder, which is made; both are for their owner alone. The error names the file.
pub(super) fn write_key(folder: &Path, name: &str, key: &[u8; KEY_BYTES]) -> Result<(), String> {
    let path = folder.join(name);
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    let text = format!("{}\n", hex(key));
    made.and_then(|()| write_whole_secret(&path, text.as_bytes()))
        .map_err(|error| format!("{}: {error}", path.display()))
}

fn load_or_make(data: &Path, name: &str) -> Result<[u8; KEY_BYTES], String> {
    if let Some(key) = load(data, name)? {
        return Ok(key);
    }
    let key = random::<KEY_BYTES>()?;
    put(data, name, &key)?;
    Ok(key)
}

/// From the system's generator.
pub(super) fn random<const N: usize>() -> Result<[u8; N], String> {
    let mut bytes = [0; N];
    OsRng.try_fill_bytes(&mut bytes).map_err(|error| format!("no random numbers: {error}"))?;
    Ok(bytes)
}

fn path(data: &Path, name: &str) -> PathBuf {
    data.join("keys").join(name)
}

/// Of lower-case hex alone: each value has one way to be written.
pub(super) fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| Some(digit(pair[0])? << 4 | digit(*pair.get(1)?)?)).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_key_is_made_once_for_its_owner_alone_and_never_made_anew_over_one_that_is_damaged() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path();
        assert_eq!(load(data, ORIGINALS_KEY), Ok(None));
        let key = originals_key(data).unwrap();
        assert_eq!(originals_key(data), Ok(key));
        let file = path(data, ORIGINALS_KEY);
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let text = fs::read_to_string(&file).unwrap();
        for damaged in ["", "zz", &text[..10], &text.to_uppercase(), &format!("{}00", text.trim())]
        {
            fs::write(&file, damaged).unwrap();
            let told = originals_key(data).unwrap_err();
            assert!(told.contains("originals.key"), "{told}");
            assert_eq!(fs::read_to_string(&file).unwrap(), damaged, "it may still be mended");
        }
    }

    #[test]
    fn a_signature_is_of_one_key_and_these_bytes_and_is_written_in_one_way() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let key = SiteKey::load_or_make(one.path()).unwrap();
        assert_eq!(site_key(one.path()).unwrap(), key.public());
        let signature = key.sign(b"what was signed");
        assert!(is_signed(&key.public(), b"what was signed", &signature));
        assert!(!is_signed(&key.public(), b"what was Signed", &signature));
        assert!(!is_signed(&site_key(other.path()).unwrap(), b"what was signed", &signature));
        for bit in 0..signature.len() * 8 {
            let mut bent = signature.clone().into_bytes();
            bent[bit / 8] ^= 1 << (bit % 8);
            let bent = String::from_utf8_lossy(&bent);
            assert!(!is_signed(&key.public(), b"what was signed", &bent), "bit {bit}");
        }
        assert!(!is_signed(&key.public()[..63], b"what was signed", &signature));
    }
}
