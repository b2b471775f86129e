//! A certificate of the gateway's own, for a site that has none: made once, good for ten years, known to nobody beforehand.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::case_links::write_private;

/// In the data folder.
const FOLDER: &str = "keys";
const CERTIFICATE: &str = "web.crt";
const KEY: &str = "web.key";
const GOOD_FOR_YEARS: i32 = 10;
/// A box whose clock was never set is not older than this.
const YEAR_MIN: i32 = 2026;

/// Paths of certificate and key (PEM), made for these names where they are not there. The error names the file.
pub fn load_or_make(
    data: &Path,
    names: Vec<String>,
    year: i32,
) -> Result<(PathBuf, PathBuf), String> {
    let folder = data.join(FOLDER);
    let (certificate, key) = (folder.join(CERTIFICATE), folder.join(KEY));
    if certificate.exists() && key.exists() {
        return Ok((certificate, key));
    }
    let told = |error: &dyn std::fmt::Display| format!("{}: {error}", certificate.display());
    let mut wanted = rcgen::CertificateParams::new(names).map_err(|error| told(&error))?;
    wanted.distinguished_name.push(rcgen::DnType::CommonName, "gridpost");
    wanted.not_before = rcgen::date_time_ymd(2020, 1, 1);
    wanted.not_after = rcgen::date_time_ymd(year.max(YEAR_MIN) + GOOD_FOR_YEARS, 1, 1);
    let pair = rcgen::KeyPair::generate().map_err(|error| told(&error))?;
    let made = wanted.self_signed(&pair).map_err(|error| told(&error))?;
    // The key comes first: where both are there they fit.
    let _ = fs::remove_file(&certificate);
    write_private(&key, pair.serialize_pem().as_bytes()).map_err(|error| told(&error))?;
    write_private(&certificate, made.pem().as_bytes()).map_err(|error| told(&error))?;
    Ok((certificate, key))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::wire::tls::ListenKeys;

    #[test]
    fn it_is_made_once_and_nobody_else_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let names = || vec!["localhost".to_owned(), "192.0.2.10".to_owned()];
        let (certificate, key) = load_or_make(folder.path(), names(), 1970).unwrap();
        let (cert_file, key_file) = (Some(certificate.clone()), Some(key.clone()));
        assert_eq!(ListenKeys { cert_file: &cert_file, key_file: &key_file }.problem(), None);
        for path in [&certificate, &key] {
            assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        let first = fs::read(&certificate).unwrap();
        load_or_make(folder.path(), names(), 2030).unwrap();
        assert_eq!(fs::read(&certificate).unwrap(), first);
        // Half of it is none.
        fs::remove_file(&key).unwrap();
        load_or_make(folder.path(), names(), 2030).unwrap();
        assert_ne!(fs::read(&certificate).unwrap(), first);
        assert_eq!(ListenKeys { cert_file: &cert_file, key_file: &key_file }.problem(), None);
    }
}
