//! An update on a stick: a tar of `manifest.json`, `manifest.sig` and the program, believed only by the vendor's signature.
//!
//! Everything in it is a stranger's until the signature over the manifest was checked; the manifest then says
//! what the program must be, byte for byte.

use std::{collections::BTreeMap, fs, path::Path};

use base64::{Engine, prelude::BASE64_STANDARD};
use ring::signature::{ED25519, UnparsedPublicKey};
use serde::Deserialize;
use sha2::{Digest, Sha256};

const MANIFEST: &str = "manifest.json";
const SIGNATURE: &str = "manifest.sig";
const PROGRAM: &str = "gridpost";
/// A program is some tens of megabytes.
const ARCHIVE_BYTES_MAX: u64 = 1 << 30;
const BLOCK: usize = 512;
const VERSION_CHARS_MAX: usize = 40;

/// What the vendor says of the program.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    pub(super) version: String,
    /// As Rust names it: `x86_64`, `aarch64`.
    pub(super) arch: String,
    /// Of the program, 64 hex digits.
    pub(super) sha256: String,
    /// Of the data folder, as that program writes it once it is confirmed.
    pub(super) store_format: u32,
    /// The oldest that it can write, as long as it is tried; absent: only its own.
    #[serde(default)]
    pub(super) store_writes: Option<u32>,
}

impl Manifest {
    /// Whether a program that knows formats up to `reads` can read what this one writes while it is tried.
    pub(super) fn leaves_a_way_back(&self, reads: u32) -> bool {
        self.store_writes.unwrap_or(self.store_format).min(self.store_format) <= reads
    }
}

/// A program that the vendor has signed.
pub(super) struct SignedProgram {
    pub(super) manifest: Manifest,
    pub(super) bytes: Vec<u8>,
}

/// Reads and verifies it with one of the keys in `key_file` (base64 of 32 bytes, one a line). The error says
/// what is wrong with which file.
pub(super) fn read(archive: &Path, key_file: &Path) -> Result<SignedProgram, String> {
    let wrong = |what: String| format!("{}: {what}", archive.display());
    let keys = keys(key_file)?;
    let length = fs::metadata(archive).map_err(|error| wrong(error.to_string()))?.len();
    if length > ARCHIVE_BYTES_MAX {
        return Err(wrong(format!("{length} bytes; an update has {ARCHIVE_BYTES_MAX} at most")));
    }
    let bytes = fs::read(archive).map_err(|error| wrong(error.to_string()))?;
    let mut files = files(&bytes).map_err(wrong)?;
    let mut take = |name: &str| {
        files.remove(name).ok_or_else(|| wrong(format!("no {name} in it; is it an update?")))
    };
    let (manifest, signature, program) = (take(MANIFEST)?, take(SIGNATURE)?, take(PROGRAM)?);
    let signature = decoded(signature).ok_or_else(|| wrong(format!("{SIGNATURE} is no base64")))?;
    let signed = keys
        .iter()
        .any(|key| UnparsedPublicKey::new(&ED25519, key).verify(manifest, &signature).is_ok());
    if !signed {
        return Err(wrong(format!("not signed by the vendor ({})", key_file.display())));
    }
    let manifest: Manifest =
        serde_json::from_slice(manifest).map_err(|error| wrong(format!("{MANIFEST}: {error}")))?;
    checked(&manifest, program).map_err(wrong)?;
    Ok(SignedProgram { manifest, bytes: program.to_vec() })
}

fn checked(manifest: &Manifest, program: &[u8]) -> Result<(), String> {
    let Manifest { version, arch, sha256, .. } = manifest;
    let plain = |c: char| c.is_ascii_alphanumeric() || ".+~-".contains(c);
    let names_a_folder = version.starts_with(|c: char| c.is_ascii_digit())
        && version.len() <= VERSION_CHARS_MAX
        && version.chars().all(plain);
    if !names_a_folder {
        return Err(format!("version {version:?}: expected one like 0.1.1"));
    }
    let own = std::env::consts::ARCH;
    if arch != own {
        return Err(format!("it is for {arch}, and this box is {own}"));
    }
    let found: String = Sha256::digest(program).iter().map(|byte| format!("{byte:02x}")).collect();
    if !found.eq_ignore_ascii_case(sha256) {
        return Err("the program is not the one that was signed (damaged on the way?)".into());
    }
    Ok(())
}

fn keys(file: &Path) -> Result<Vec<Vec<u8>>, String> {
    let told = |what: &str| format!("{}: {what}", file.display());
    let text = fs::read_to_string(file).map_err(|error| {
        told(&format!("the vendor's key cannot be read ({error}); without it no update is taken"))
    })?;
    let lines = text.lines().map(str::trim);
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    let key = |line: &str| decoded(line.as_bytes()).filter(|key| key.len() == 32);
    let keys: Option<Vec<_>> = lines.map(key).collect();
    keys.filter(|keys| !keys.is_empty())
        .ok_or_else(|| told("expected one key a line: base64 of the 32 bytes of an Ed25519 key"))
}

fn decoded(text: &[u8]) -> Option<Vec<u8>> {
    BASE64_STANDARD.decode(text.trim_ascii()).ok()
}

/// Plain files of a tar by name. Links, folders, long names and a name twice are none of an update's.
fn files(mut rest: &[u8]) -> Result<BTreeMap<String, &[u8]>, String> {
    let mut files = BTreeMap::new();
    loop {
        let Some((head, after)) = rest.split_at_checked(BLOCK) else {
            return Err("cut off, or no tar".into());
        };
        if head.iter().all(|byte| *byte == 0) {
            return Ok(files);
        }
        let text = |from: usize, to: usize| {
            let field = &head[from..to];
            let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
            String::from_utf8_lossy(&field[..end]).trim().to_owned()
        };
        let (name, kind) = (text(0, 100), head[156]);
        let size = usize::from_str_radix(&text(124, 136), 8).map_err(|_| "no tar".to_owned())?;
        let padded = size.checked_next_multiple_of(BLOCK).ok_or("no tar")?;
        if ![MANIFEST, SIGNATURE, PROGRAM].contains(&name.as_str()) || ![0, b'0'].contains(&kind) {
            return Err(format!("{name:?} does not belong into an update"));
        }
        let (content, next) = after.split_at_checked(padded).ok_or("cut off")?;
        if files.insert(name.clone(), &content[..size]).is_some() {
            return Err(format!("{name} stands in it twice"));
        }
        rest = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_bytes_are_read_without_harm_and_only_an_updates_files_are_taken() {
        use rand::{Rng, SeedableRng, rngs::StdRng};
        let mut random = StdRng::seed_from_u64(crate::domain::seed());
        let mut head = [0u8; BLOCK];
        head[..8].copy_from_slice(b"gridpost");
        head[124..135].copy_from_slice(b"00000000003");
        let whole = [&head[..], &[7; BLOCK], &[0; BLOCK]].concat();
        assert_eq!(files(&whole).unwrap()["gridpost"], [7; 3]);
        assert!(files(&whole[..BLOCK * 2]).is_err() && files(&whole[..BLOCK + 9]).is_err());
        for _ in 0..5_000 {
            let mut bytes = whole.clone();
            for _ in 0..random.random_range(1..6) {
                let at = random.random_range(0..bytes.len());
                bytes[at] = random.random();
            }
            bytes.truncate(random.random_range(0..=bytes.len()));
            let _ = files(&bytes);
        }
        let mut named = whole.clone();
        named[..12].copy_from_slice(b"../gridpost\0");
        assert!(files(&named).unwrap_err().contains("does not belong"));
        let mut link = whole;
        link[156] = b'2';
        assert!(files(&link).unwrap_err().contains("does not belong"));
    }

    #[test]
    fn a_way_back_is_what_the_version_before_can_read() {
        let says = |more: &str| {
            let text =
                format!(r#"{{"version":"1","arch":"a","sha256":"b","store_format":5{more}}}"#);
            serde_json::from_str::<Manifest>(&text).unwrap()
        };
        for (manifest, reads, way_back) in [
            ("", 5, true),
            ("", 6, true),
            ("", 4, false),
            (r#","store_writes":4"#, 4, true),
            (r#","store_writes":3"#, 4, true),
            (r#","store_writes":4"#, 3, false),
            // Nonsense, and no way to lock a box out.
            (r#","store_writes":9"#, 5, true),
        ] {
            assert_eq!(says(manifest).leaves_a_way_back(reads), way_back, "{manifest} {reads}");
        }
    }

    #[test]
    fn a_manifest_leads_to_no_other_folder_and_no_other_machine() {
        let program = b"program";
        let sha256: String =
            Sha256::digest(program).iter().map(|byte| format!("{byte:02x}")).collect();
        let right = Manifest {
            version: "0.1.1-rc.1+a~b".into(),
            arch: std::env::consts::ARCH.into(),
            sha256,
            store_format: 2,
            store_writes: None,
        };
        assert_eq!(checked(&right, program), Ok(()));
        for version in ["", "..", "v1", "1/2", "1 2", "1\n", &"1".repeat(41)] {
            let wrong = Manifest { version: version.into(), ..right.clone() };
            assert!(checked(&wrong, program).unwrap_err().contains("version"), "{version}");
        }
        let foreign = Manifest { arch: "mips".into(), ..right.clone() };
        assert!(checked(&foreign, program).unwrap_err().contains("mips"));
        assert!(checked(&right, b"progra").unwrap_err().contains("not the one"));
    }
}
