//! The bearer token: made on first start, readable by its owner alone, compared in constant time.

use std::{fs::OpenOptions, io::Write, os::unix::fs::OpenOptionsExt, path::Path};

use rand::{TryRngCore, rngs::OsRng};
use subtle::ConstantTimeEq;

use crate::wire::file_stamp::read_text;

const TOKEN_BYTES: usize = 32;

/// Reads the token, or makes one (64 hex digits, mode 600). The error names the file.
pub fn load_or_make(path: &Path) -> Result<String, String> {
    let told = |error: &dyn std::fmt::Display| format!("token file {}: {error}", path.display());
    match read_text(path) {
        Ok(text) if text.trim().len() >= 16 => return Ok(text.trim().to_owned()),
        Ok(_) => return Err(told(&"holds fewer than 16 characters")),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(told(&error)),
    }
    let mut bytes = [0u8; TOKEN_BYTES];
    OsRng.try_fill_bytes(&mut bytes).map_err(|error| told(&error))?;
    let token: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(|error| told(&error))?;
    file.write_all(token.as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(|error| told(&error))?;
    Ok(token)
}

/// Whether an `Authorization` header carries the token.
pub(super) fn carries(header: Option<&str>, token: &str) -> bool {
    header.and_then(bearer).is_some_and(|given| given.as_bytes().ct_eq(token.as_bytes()).into())
}

/// The token in an `Authorization` header.
pub(super) fn bearer(header: &str) -> Option<&str> {
    header.strip_prefix("Bearer ").map(str::trim)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn made_once_for_the_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let token = load_or_make(&path).unwrap();
        assert_eq!(token.len(), 64);
        assert_eq!(load_or_make(&path).unwrap(), token);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(carries(Some(&format!("Bearer {token}")), &token));
        assert!(!carries(Some("Bearer x"), &token));
        assert!(!carries(None, &token));
        std::fs::write(&path, "short").unwrap();
        assert!(load_or_make(&path).unwrap_err().contains("fewer than 16"));
    }
}
